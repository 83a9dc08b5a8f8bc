"""Resource servers, identity providers, tags, the look of the pages, and the version of a domain's pages."""

import asyncio
from typing import Any

import pytest

from support.saml import metadata
from support.userpools import ACCOUNT, REGION, World, refused
from velvetrope.store.tables.userpools_configuration import ConfigurationStore, ResourceServerScope
from velvetrope.userpools.looks.style_sheets import checked_style_sheet

READ = ResourceServerScope(scope_name="read", scope_description="Look")
WRITE = ResourceServerScope(scope_name="write", scope_description="Change")
API = "https://api.example.com/orders"
OIDC = {
    "client_id": "us",
    "client_secret": "s3cret",
    "oidc_issuer": "https://login.example.com",
    "authorize_scopes": "openid email",
    "attributes_request_method": "GET",
}
GOOGLE = {"client_id": "us", "client_secret": "s3cret", "authorize_scopes": "openid"}
UNSAFE_SVG = "ImageFile: an SVG may hold no script and refer to nothing elsewhere."
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20


# --- resource servers -------------------------------------------------------------------------------------------------


async def server(world: World, pool_id: str, *scopes: ResourceServerScope, identifier: str = API) -> dict[str, Any]:
    answer = await world.create_resource_server(
        user_pool_id=pool_id, identifier=identifier, name="Orders", scopes=scopes
    )
    shown: dict[str, Any] = answer["resource_server"]
    return shown


async def test_a_resource_server_is_made_shown_changed_and_deleted(world: World) -> None:
    pool_id = await world.pool()

    made = await server(world, pool_id, READ)
    changed = await world.update_resource_server(user_pool_id=pool_id, identifier=API, name="O", scopes=(WRITE,))
    shown = await world.describe_resource_server(user_pool_id=pool_id, identifier=API)
    await world.delete_resource_server(user_pool_id=pool_id, identifier=API)

    assert (made["identifier"], made["name"], made["scopes"]) == (API, "Orders", [READ])
    assert changed == shown
    assert (shown["resource_server"]["name"], shown["resource_server"]["scopes"]) == ("O", [WRITE])
    async with refused("ResourceNotFoundException"):
        await world.describe_resource_server(user_pool_id=pool_id, identifier=API)


async def test_an_update_takes_away_what_it_leaves_out(world: World) -> None:
    pool_id = await world.pool()
    await server(world, pool_id, READ)

    changed = await world.update_resource_server(user_pool_id=pool_id, identifier=API, name="Orders")

    assert changed["resource_server"]["scopes"] == []


@pytest.mark.parametrize("operation", ["describe_resource_server", "delete_resource_server", "update_resource_server"])
async def test_a_resource_server_that_is_not_there_is_told(world: World, operation: str) -> None:
    pool_id = await world.pool()
    more = {"name": "x"} if operation.startswith("update") else {}

    async with refused("ResourceNotFoundException", "nobody resource server does not exist."):
        await getattr(world, operation)(user_pool_id=pool_id, identifier="nobody", **more)


async def test_an_identifier_is_there_once_however_many_ask(world: World) -> None:
    pool_id = await world.pool()

    answers = await asyncio.gather(*(server(world, pool_id) for _ in range(5)), return_exceptions=True)

    assert sum(isinstance(answer, dict) for answer in answers) == 1
    async with refused("InvalidParameterException", f"{API} already exists in user pool {pool_id}."):
        await server(world, pool_id)


async def test_scope_names_of_a_server_differ(world: World) -> None:
    pool_id = await world.pool()

    async with refused("InvalidParameterException", "The scope names of a resource server must differ."):
        await server(world, pool_id, READ, READ)


async def test_a_pool_has_twenty_five_resource_servers(world: World) -> None:
    pool_id = await world.pool()
    for number in range(25):
        await server(world, pool_id, identifier=f"api-{number:02}")

    async with refused("LimitExceededException", "A user pool has at most 25 resource servers."):
        await server(world, pool_id, identifier="api-25")
    first = await world.list_resource_servers(user_pool_id=pool_id, max_results=20)
    second = await world.list_resource_servers(user_pool_id=pool_id, max_results=20, next_token=first["next_token"])
    assert [one["identifier"] for one in first["resource_servers"]] == [f"api-{n:02}" for n in range(20)]
    assert [one["identifier"] for one in second["resource_servers"]] == [f"api-{n:02}" for n in range(20, 25)]
    assert second["next_token"] is None


async def test_a_client_is_given_scopes_that_there_are(world: World) -> None:
    pool_id = await world.pool()
    await server(world, pool_id, READ)

    await world.client(pool_id, allowed_o_auth_scopes=(f"{API}/read", "openid"))

    for scope in (f"{API}/write", "read", "https://elsewhere/read", "/read", f"{API}/"):
        async with refused("ScopeDoesNotExistException", f"Invalid scope requested: {scope}"):
            await world.client(pool_id, allowed_o_auth_scopes=(scope,))


async def test_another_pool_s_scopes_are_not_ours(world: World) -> None:
    await server(world, await world.pool(), READ)

    async with refused("ScopeDoesNotExistException"):
        await world.client(await world.pool(), allowed_o_auth_scopes=(f"{API}/read",))


# --- identity providers -----------------------------------------------------------------------------------------------


async def provider(world: World, pool_id: str, name: str = "Corp", **settings: Any) -> dict[str, Any]:
    given = {"provider_type": "OIDC", "provider_details": OIDC, **settings}
    answer = await world.create_identity_provider(user_pool_id=pool_id, provider_name=name, **given)
    shown: dict[str, Any] = answer["identity_provider"]
    return shown


async def test_a_provider_is_made_shown_changed_and_deleted(world: World) -> None:
    pool_id = await world.pool()

    made = await provider(world, pool_id, attribute_mapping={"email": "mail"}, idp_identifiers=("corp.example",))
    world.later(minutes=1)
    changed = await world.update_identity_provider(
        user_pool_id=pool_id, provider_name="Corp", provider_details={**OIDC, "client_secret": "another"}
    )
    shown = await world.describe_identity_provider(user_pool_id=pool_id, provider_name="Corp")
    found = await world.get_identity_provider_by_identifier(user_pool_id=pool_id, idp_identifier="corp.example")
    await world.delete_identity_provider(user_pool_id=pool_id, provider_name="Corp")

    assert made["provider_details"] == OIDC
    assert changed == shown == found
    assert shown["identity_provider"]["provider_details"]["client_secret"] == "another"
    assert shown["identity_provider"]["attribute_mapping"] == {"email": "mail"}
    assert shown["identity_provider"]["last_modified_date"] > shown["identity_provider"]["creation_date"]
    async with refused("ResourceNotFoundException", "Identity provider Corp does not exist."):
        await world.describe_identity_provider(user_pool_id=pool_id, provider_name="Corp")
    async with refused("ResourceNotFoundException"):
        await world.get_identity_provider_by_identifier(user_pool_id=pool_id, idp_identifier="corp.example")


async def test_secrets_of_a_provider_are_sealed_at_rest(world: World) -> None:
    pool_id = await world.pool()
    await provider(world, pool_id)

    kept = await ConfigurationStore(world.database).identity_providers.load(pool_id, "Corp")

    assert kept is not None
    assert "client_secret" not in kept.provider_details
    assert b"s3cret" not in kept.secrets_sealed["client_secret"]


@pytest.mark.parametrize("missing", ["client_id", "oidc_issuer", "authorize_scopes", "attributes_request_method"])
async def test_what_a_provider_has_to_have_is_asked_for(world: World, missing: str) -> None:
    details = {name: value for name, value in OIDC.items() if name != missing}

    async with refused("InvalidParameterException", f"Missing required provider detail {missing}."):
        await provider(world, await world.pool(), provider_details=details)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        (
            "Corp",
            {"provider_details": {**OIDC, "colour": "red"}},
            "colour is not a detail of an identity provider",
        ),
        (
            "Corp",
            {"provider_details": {**OIDC, "attributes_request_method": "PUT"}},
            "attributes_request_method must",
        ),
        (
            "Corp",
            {"provider_details": {**OIDC, "oidc_issuer": "http://login.example.com"}},
            "oidc_issuer: http://login",
        ),
        ("Corp", {"provider_details": {**OIDC, "token_url": "https://["}}, "token_url: https://[ is no https URL."),
        ("Corp", {"attribute_mapping": {"shoe": "size"}}, "AttributeMapping: the pool has no attribute shoe."),
        ("Corp", {"attribute_mapping": {"sub": "id"}}, "AttributeMapping: sub cannot be mapped."),
        (
            "Corp",
            {"provider_type": "Google", "provider_details": GOOGLE},
            "The name of a provider of the type Google",
        ),
        ("Google", {}, "The name Google is reserved."),
        ("Cognito", {}, "The name Cognito is reserved."),
        ("Corp", {"provider_type": "SAML", "provider_details": {}}, "Give either MetadataURL or MetadataFile."),
        (
            "Corp",
            {"provider_type": "SAML", "provider_details": {"MetadataFile": "<x/>"}},
            "Invalid SAML metadata: ",
        ),
        (
            "Corp",
            {"provider_type": "SAML", "provider_details": {"MetadataURL": "http://idp.example.com"}},
            "MetadataURL: http://idp.example.com is no https URL.",
        ),
    ],
)
async def test_a_provider_that_could_not_be_trusted_is_refused(
    world: World, name: str, settings: dict[str, Any], message: str
) -> None:
    async with refused("InvalidParameterException") as refusal:
        await provider(world, await world.pool(), name, **settings)
    assert refusal.value.message.startswith(message)


async def test_saml_metadata_that_can_be_read_is_taken(world: World) -> None:
    document = metadata()

    made = await provider(world, await world.pool(), provider_type="SAML", provider_details={"MetadataFile": document})

    assert made["provider_details"]["MetadataFile"] == document


async def test_a_social_provider_bears_its_own_name(world: World) -> None:
    made = await provider(world, await world.pool(), "Google", provider_type="Google", provider_details=GOOGLE)

    assert (made["provider_name"], made["provider_type"]) == ("Google", "Google")


async def test_names_and_identifiers_are_there_once_in_a_pool(world: World) -> None:
    pool_id = await world.pool()
    await provider(world, pool_id, idp_identifiers=("corp.example",))
    await provider(world, pool_id, "Other")
    taken = "An identity provider of this pool has one of these identifiers already."

    async with refused("DuplicateProviderException", "A provider of the name Corp already exists."):
        await provider(world, pool_id)
    async with refused("InvalidParameterException", taken):
        await provider(world, pool_id, "Third", idp_identifiers=("corp.example",))
    async with refused("InvalidParameterException", taken):
        await world.update_identity_provider(
            user_pool_id=pool_id, provider_name="Other", idp_identifiers=("corp.example",)
        )
    await provider(world, await world.pool(), idp_identifiers=("corp.example",))


async def test_providers_are_listed_page_by_page(world: World) -> None:
    pool_id = await world.pool()
    for name in ("Delta", "Alpha", "Charlie"):
        await provider(world, pool_id, name)

    first = await world.list_identity_providers(user_pool_id=pool_id, max_results=2)
    second = await world.list_identity_providers(user_pool_id=pool_id, max_results=2, next_token=first["next_token"])

    assert [one["provider_name"] for one in first["providers"]] == ["Alpha", "Charlie"]
    assert [one["provider_name"] for one in second["providers"]] == ["Delta"]


async def test_a_client_offers_providers_that_there_are(world: World) -> None:
    pool_id = await world.pool()
    await provider(world, pool_id)

    await world.client(pool_id, supported_identity_providers=("COGNITO", "Corp"))

    async with refused("InvalidParameterException", f"The provider Nobody does not exist for User Pool {pool_id}."):
        await world.client(pool_id, supported_identity_providers=("Nobody",))


async def test_all_of_it_goes_with_the_pool(world: World) -> None:
    pool_id = await world.pool()
    await server(world, pool_id)
    await provider(world, pool_id, idp_identifiers=("corp.example",))

    await world.delete_user_pool(user_pool_id=pool_id)

    store = ConfigurationStore(world.database)
    assert await store.resource_servers.load(pool_id, API) is None
    assert await store.identity_providers.load(pool_id, "Corp") is None
    assert await store.load_provider_by_identifier(pool_id, "corp.example") is None


# --- tags -------------------------------------------------------------------------------------------------------------


def arn(pool_id: str, *, account_id: str = ACCOUNT, region: str = REGION) -> str:
    return f"arn:aws:cognito-idp:{region}:{account_id}:userpool/{pool_id}"


async def test_tags_are_set_listed_and_taken_away(world: World) -> None:
    pool_id = await world.pool()

    await world.tag_resource(resource_arn=arn(pool_id), tags={"team": "web", "stage": "test"})
    await world.tag_resource(resource_arn=arn(pool_id), tags={"stage": "live"})
    await world.untag_resource(resource_arn=arn(pool_id), tag_keys=("team", "nothing"))

    assert (await world.list_tags_for_resource(resource_arn=arn(pool_id)))["tags"] == {"stage": "live"}


async def test_fifty_tags_are_enough(world: World) -> None:
    pool_id = await world.pool()
    await world.tag_resource(resource_arn=arn(pool_id), tags={f"t{n}": "" for n in range(50)})

    async with refused("InvalidParameterException", "A resource has at most 50 tags"):
        await world.tag_resource(resource_arn=arn(pool_id), tags={"one-more": ""})
    async with refused("InvalidParameterException", "The tag key aws:x is reserved: keys do not begin with aws:"):
        await world.tag_resource(resource_arn=arn(pool_id), tags={"aws:x": ""})


async def test_tags_of_a_new_or_updated_pool_are_tags_like_any(world: World) -> None:
    pool_id = await world.pool()
    fifty = {f"t{n}": "" for n in range(50)}

    await world.update_user_pool(user_pool_id=pool_id, user_pool_tags=fifty)
    for tags in ({"aws:x": ""}, {**fifty, "one-more": ""}):
        async with refused("InvalidParameterException"):
            await world.create_user_pool(pool_name="people", user_pool_tags=tags)
        async with refused("InvalidParameterException"):
            await world.update_user_pool(user_pool_id=pool_id, user_pool_tags=tags)

    assert (await world.list_tags_for_resource(resource_arn=arn(pool_id)))["tags"] == fifty


async def test_only_pools_of_this_account_and_region_are_tagged(world: World) -> None:
    pool_id = await world.pool()

    for wrong in (
        arn(pool_id, account_id="999999999999"),
        arn(pool_id, region="eu-west-1"),
        "arn:aws:s3:::bucket-of-us",
    ):
        async with refused("InvalidParameterException", f"Invalid ARN: {wrong}"):
            await world.list_tags_for_resource(resource_arn=wrong)
    async with refused("ResourceNotFoundException"):
        await world.tag_resource(resource_arn=arn("us-west-2_nobody000"), tags={"a": "b"})


# --- the look of the pages --------------------------------------------------------------------------------------------


async def with_domain(world: World) -> str:
    pool_id = await world.pool()
    await world.create_user_pool_domain(user_pool_id=pool_id, domain="people")
    return pool_id


async def test_a_style_sheet_is_kept_for_all_clients_and_for_one(world: World) -> None:
    pool_id = await with_domain(world)
    client_id, other_id = await world.client(pool_id), await world.client(pool_id)
    sheet, own = ".logo-customizable { max-width: 60%; }", ".banner-customizable { background: navy; }"

    await world.set_ui_customization(user_pool_id=pool_id, css=sheet, image_file=PNG)
    await world.set_ui_customization(user_pool_id=pool_id, client_id=client_id, css=own)

    shown = await world.get_ui_customization(user_pool_id=pool_id, client_id=client_id)
    others = await world.get_ui_customization(user_pool_id=pool_id, client_id=other_id)
    assert (shown["ui_customization"]["css"], shown["ui_customization"]["client_id"]) == (own, client_id)
    assert (others["ui_customization"]["css"], others["ui_customization"]["client_id"]) == (sheet, "ALL")


async def test_what_is_left_out_stays_and_what_is_empty_goes(world: World) -> None:
    pool_id = await with_domain(world)
    await world.set_ui_customization(user_pool_id=pool_id, css=".logo-customizable {}", image_file=PNG)

    await world.set_ui_customization(user_pool_id=pool_id, css="")

    kept = await ConfigurationStore(world.database).customizations.load(pool_id, "ALL")
    assert kept is not None
    assert (kept.css, kept.image, kept.image_type) == (None, PNG, "image/png")


async def test_a_pool_without_a_domain_has_no_pages_to_style(world: World) -> None:
    pool_id = await world.pool()

    async with refused(
        "InvalidParameterException", f"There has to be an existing domain associated with user pool {pool_id}."
    ):
        await world.set_ui_customization(user_pool_id=pool_id, css=".logo-customizable {}")


@pytest.mark.parametrize(
    "css",
    [
        "body { color: red }",
        ".logo-customizable, body { color: red }",
        ".stranger-customizable { color: red }",
        ".logo-customizable { background: url(https://stranger.example/) }",
        ".logo-customizable { background: U\\52L(x) }",
        "@import 'https://stranger.example/x.css';",
        ".logo-customizable { width: expression(alert(1)) }",
        ".logo-customizable { color: red } </style><script>",
        "} .logo-customizable { color: red }",
        "/* */ input[value^=a] { color: red }",
        ".logo-customizable { background: image-set('https://stranger.example/x.png' 1x) }",
        ".logo-customizable { background: \\75 rl(https://stranger.example/) }",
        ".logo-customizable { background: u/**/rl(x); content: '</style><script>' }",
        ".logo-customizable .label-customizable { color: red }",
        ".logo-customizable:has(input) { color: red }",
        ".logo-customizable::before { content: attr(value) }",
        ".logo-customizable { --x: 1 }",
        ".logo-customizable { color: var(--ink) }",
        ".logo-customizable { behavior: none }",
        "@media print { .logo-customizable { color: red } }",
        ".logo-customizable { .label-customizable { color: red } }",
        # Escapes, which stand for what they spell in a name that is written without them.
        ".logo-customizable { \\3c\\2fstyle\\3e\\3c form\\3e: red }",
        ".logo-customizable { color\\3a red\\7d body\\7b top: 0 }",
        ".logo-customizable { background\\3a url\\28https\\3a\\2f\\2fstranger.example\\29\\3b color: red }",
        ".logo-customizable { font-family: \\3c\\2fstyle\\3e }",
    ],
)
async def test_a_style_sheet_that_does_more_than_style_is_refused(world: World, css: str) -> None:
    pool_id = await with_domain(world)

    async with refused("InvalidParameterException") as refusal:
        await world.set_ui_customization(user_pool_id=pool_id, css=css)
    assert refusal.value.message.startswith("CSS: ")


@pytest.mark.parametrize(
    ("css", "shown"),
    [
        (".label-customizable { color: red", ".label-customizable { color: red; }"),
        ("/* </style> */ .label-customizable{COLOR : red!important}", ".label-customizable { color: red !important; }"),
        (
            ".label-customizable:hover, .logo-customizable { width: calc(100% - 2px) }",
            ".label-customizable:hover, .logo-customizable { width: calc(100% - 2px); }",
        ),
        (".banner-customizable { background: linear-gradient(#fff, rgb(1 2 3 / 4%)) }", None),
        (".inputField-customizable { font-family: 'Fira Sans', serif }", None),
        (".\\6c ogo-customizable { color: red }", ".logo-customizable { color: red; }"),
    ],
)
def test_a_style_sheet_is_written_anew_from_what_was_read(css: str, shown: str | None) -> None:
    written = checked_style_sheet(css)

    assert written == (shown or written)
    assert checked_style_sheet(written) == written
    assert "<" not in written


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (b"GIF89a", "ImageFile: an image is a PNG, a JPEG or an SVG."),
        (b"<html></html>", "ImageFile: an image is a PNG, a JPEG or an SVG."),
        (PNG + b"0" * 102_400, "ImageFile: an image has at most 102400 bytes."),
        (
            b"<svg><script>alert(1)</script></svg>",
            "ImageFile: an SVG may hold no script and refer to nothing elsewhere.",
        ),
        (b"<svg onload='x()'/>", "ImageFile: an SVG may hold no script and refer to nothing elsewhere."),
        (b'<svg><image href="https://stranger.example/x"/></svg>', UNSAFE_SVG),
    ],
    ids=["gif", "html", "large", "script", "handler", "reference"],
)
async def test_an_image_that_is_none_is_refused(world: World, image: bytes, message: str) -> None:
    pool_id = await with_domain(world)

    async with refused("InvalidParameterException", message):
        await world.set_ui_customization(user_pool_id=pool_id, image_file=image)


async def test_a_plain_svg_is_an_image(world: World) -> None:
    pool_id = await with_domain(world)

    await world.set_ui_customization(user_pool_id=pool_id, image_file=b"<svg viewBox='0 0 1 1'><path d='M0 0'/></svg>")


# --- the domain's pages -----------------------------------------------------------------------------------------------


async def test_a_domain_gets_the_other_version_of_the_pages(world: World) -> None:
    pool_id = await with_domain(world)

    await world.update_user_pool_domain(user_pool_id=pool_id, domain="people", managed_login_version=2)

    shown = await world.describe_user_pool_domain(domain="people")
    assert shown["domain_description"]["managed_login_version"] == 2
    async with refused("InvalidParameterException", "No such domain or user pool exists."):
        await world.update_user_pool_domain(user_pool_id=pool_id, domain="others", managed_login_version=1)
