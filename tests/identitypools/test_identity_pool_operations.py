"""Identity pools as their owner sees them, and what the owner is refused."""

from typing import Any

import pytest

from support.identitypools import ACCOUNT, CLIENT, PROVIDER, ROOT, World, role_arn
from velvetrope.errors import ServiceError
from velvetrope.identitypools import errors
from velvetrope.identitypools.errors import (
    AccessDeniedException,
    InvalidParameterException,
    LimitExceededException,
    NotAuthorizedException,
    ResourceNotFoundException,
)
from velvetrope.operations import implemented_operations
from velvetrope.store.tables.identitypools import CognitoIdentityProvider, MappingRule, RoleMapping, RulesConfiguration

NO_POOL = "us-west-2:00000000-0000-4000-8000-000000000000"
ALICE_ARN = f"arn:aws:iam::{ACCOUNT}:user/alice"
CLIENT_OF_POOL = CognitoIdentityProvider(provider_name=PROVIDER, client_id=CLIENT)
CREATE: dict[str, Any] = {"identity_pool_name": "demo", "allow_unauthenticated_identities": False}
TO_MEMBER = MappingRule(claim="custom:kind", match_type="Equals", value="staff", role_arn=role_arn("Member"))


def arn_of(pool_id: str) -> str:
    return f"arn:aws:cognito-identity:us-west-2:{ACCOUNT}:identitypool/{pool_id}"


async def refused(world: World, kind: type[ServiceError], operation: str, **members: Any) -> str:
    members.setdefault("by", ROOT)
    with pytest.raises(kind) as refusal:
        await world.call(operation, **members)
    return refusal.value.message


# --- pools ------------------------------------------------------------------------------------------------------------


async def test_a_pool_is_made_and_described_as_it_was_made(world: World) -> None:
    made = await world.call(
        "create_identity_pool",
        by=ROOT,
        **CREATE,
        cognito_identity_providers=(CLIENT_OF_POOL,),
        identity_pool_tags={"team": "blue"},
    )

    assert {name: value for name, value in made.items() if value is not None} == {
        "identity_pool_id": made["identity_pool_id"],
        "identity_pool_name": "demo",
        "allow_unauthenticated_identities": False,
        "allow_classic_flow": False,
        "cognito_identity_providers": (CLIENT_OF_POOL,),
        "identity_pool_tags": {"team": "blue"},
    }
    assert made["identity_pool_id"].startswith("us-west-2:")
    pool_id = made["identity_pool_id"]
    assert await world.call("describe_identity_pool", by=ROOT, identity_pool_id=pool_id) == made


async def test_an_update_makes_the_pool_anew_but_for_its_tags(world: World) -> None:
    made = await world.call(
        "create_identity_pool",
        by=ROOT,
        identity_pool_name="demo",
        allow_unauthenticated_identities=True,
        allow_classic_flow=True,
        cognito_identity_providers=(CLIENT_OF_POOL,),
        identity_pool_tags={"team": "blue"},
    )
    pool_id = made["identity_pool_id"]

    updated = await world.call(
        "update_identity_pool",
        by=ROOT,
        identity_pool_id=pool_id,
        identity_pool_name="other",
        allow_unauthenticated_identities=False,
    )

    assert {name: value for name, value in updated.items() if value is not None} == {
        "identity_pool_id": pool_id,
        "identity_pool_name": "other",
        "allow_unauthenticated_identities": False,
        "allow_classic_flow": False,
        "identity_pool_tags": {"team": "blue"},
    }
    assert await world.call("describe_identity_pool", by=ROOT, identity_pool_id=pool_id) == updated


async def test_a_deleted_pool_is_gone_with_its_identities(world: World) -> None:
    pool_id = await world.make_pool()
    identity_id = await world.sign_in(pool_id)

    await world.call("delete_identity_pool", by=ROOT, identity_pool_id=pool_id)

    await refused(world, ResourceNotFoundException, "describe_identity_pool", identity_pool_id=pool_id)
    await refused(
        world,
        ResourceNotFoundException,
        "get_credentials_for_identity",
        identity_id=identity_id,
        logins=world.logins(),
    )


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("describe_identity_pool", {}),
        ("delete_identity_pool", {}),
        ("update_identity_pool", CREATE),
        ("set_identity_pool_roles", {"roles": {}}),
        ("get_identity_pool_roles", {}),
        ("list_identities", {"max_results": 1}),
        ("get_principal_tag_attribute_map", {"identity_provider_name": PROVIDER}),
        ("set_principal_tag_attribute_map", {"identity_provider_name": PROVIDER}),
    ],
)
async def test_a_pool_that_does_not_exist_is_not_found(world: World, operation: str, members: dict[str, Any]) -> None:
    message = await refused(world, ResourceNotFoundException, operation, identity_pool_id=NO_POOL, **members)

    assert message == f"IdentityPool '{NO_POOL}' not found."


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("SupportedLoginProviders", {"supported_login_providers": {"accounts.google.com": "id"}}),
        (
            "OpenIdConnectProviderARNs",
            {"open_id_connect_provider_arns": (f"arn:aws:iam::{ACCOUNT}:oidc-provider/x",)},
        ),
        ("SamlProviderARNs", {"saml_provider_arns": (f"arn:aws:iam::{ACCOUNT}:saml-provider/x",)}),
    ],
)
async def test_login_providers_that_are_not_supported_are_refused_by_name(
    world: World, name: str, member: dict[str, Any]
) -> None:
    pool_id = await world.make_pool()

    for operation, more in (("create_identity_pool", {}), ("update_identity_pool", {"identity_pool_id": pool_id})):
        message = await refused(world, InvalidParameterException, operation, **CREATE, **member, **more)
        assert message.startswith(f"{name} is not supported")
    empty = {next(iter(member)): type(next(iter(member.values())))()}
    assert await world.call("create_identity_pool", by=ROOT, **CREATE, **empty)


@pytest.mark.parametrize(
    "clients",
    [
        (CognitoIdentityProvider(provider_name="accounts.google.com", client_id=CLIENT),),
        (CognitoIdentityProvider(provider_name=f"https://{PROVIDER}", client_id=CLIENT),),
        (CLIENT_OF_POOL, CognitoIdentityProvider(provider_name=PROVIDER, client_id=CLIENT)),
    ],
)
async def test_a_user_pool_client_is_named_well_and_once(
    world: World, clients: tuple[CognitoIdentityProvider, ...]
) -> None:
    await refused(
        world, InvalidParameterException, "create_identity_pool", **CREATE, cognito_identity_providers=clients
    )


async def test_a_pool_has_fifty_user_pool_clients_at_the_most(world: World) -> None:
    clients = [CognitoIdentityProvider(provider_name=PROVIDER, client_id=f"c{n}") for n in range(51)]

    await refused(
        world, LimitExceededException, "create_identity_pool", **CREATE, cognito_identity_providers=tuple(clients)
    )
    await world.call("create_identity_pool", by=ROOT, **CREATE, cognito_identity_providers=tuple(clients[:50]))


async def test_pools_are_listed_in_pages(world: World) -> None:
    made = {(await world.call("create_identity_pool", by=ROOT, **CREATE))["identity_pool_id"] for _ in range(3)}

    first = await world.call("list_identity_pools", by=ROOT, max_results=2)
    rest = await world.call("list_identity_pools", by=ROOT, max_results=2, next_token=first["next_token"])

    assert rest["next_token"] is None
    listed = [pool["identity_pool_id"] for pool in (*first["identity_pools"], *rest["identity_pools"])]
    assert len(listed) == 3
    assert set(listed) == made
    await refused(world, InvalidParameterException, "list_identity_pools", max_results=2, next_token="!")


# --- identities -------------------------------------------------------------------------------------------------------


async def test_identities_are_described_listed_and_deleted(world: World) -> None:
    pool_id = await world.make_pool()
    alice = await world.sign_in(pool_id)
    guest = (await world.call("get_id", identity_pool_id=pool_id))["identity_id"]

    described = await world.call("describe_identity", by=ROOT, identity_id=alice)

    assert described == {
        "identity_id": alice,
        "logins": [PROVIDER],
        "creation_date": world.clock.now(),
        "last_modified_date": world.clock.now(),
    }
    first = await world.call("list_identities", by=ROOT, identity_pool_id=pool_id, max_results=1)
    rest = await world.call(
        "list_identities", by=ROOT, identity_pool_id=pool_id, max_results=1, next_token=first["next_token"]
    )
    assert {page["identities"][0]["identity_id"] for page in (first, rest)} == {alice, guest}
    deleted = await world.call("delete_identities", by=ROOT, identity_ids_to_delete=(alice, NO_POOL))
    assert deleted == {"unprocessed_identity_ids": []}
    await refused(world, ResourceNotFoundException, "describe_identity", identity_id=alice)
    assert await world.call("describe_identity", by=ROOT, identity_id=guest)


async def test_a_merged_identity_is_listed_unless_hidden(world: World) -> None:
    pool_id = await world.make_pool()
    alice = await world.sign_in(pool_id)
    guest = (await world.call("get_id", identity_pool_id=pool_id))["identity_id"]
    await world.call("get_credentials_for_identity", identity_id=guest, logins=world.logins())

    async def listed(*, hide_disabled: bool) -> set[str]:
        page = await world.call(
            "list_identities", by=ROOT, identity_pool_id=pool_id, max_results=60, hide_disabled=hide_disabled
        )
        return {identity["identity_id"] for identity in page["identities"]}

    assert await listed(hide_disabled=False) == {alice, guest}
    assert await listed(hide_disabled=True) == {alice}


# --- roles ------------------------------------------------------------------------------------------------------------


async def test_roles_and_mappings_are_kept_as_they_were_set(world: World) -> None:
    pool_id = await world.make_pool()
    mapping = RoleMapping(
        type="Rules",
        ambiguous_role_resolution="Deny",
        rules_configuration=RulesConfiguration(rules=(TO_MEMBER,)),
    )

    await world.call(
        "set_identity_pool_roles",
        by=ROOT,
        identity_pool_id=pool_id,
        roles={"authenticated": role_arn("Member")},
        role_mappings={f"{PROVIDER}:{CLIENT}": mapping},
    )

    assert await world.call("get_identity_pool_roles", by=ROOT, identity_pool_id=pool_id) == {
        "identity_pool_id": pool_id,
        "roles": {"authenticated": role_arn("Member")},
        "role_mappings": {f"{PROVIDER}:{CLIENT}": mapping},
    }
    staff = world.logins("bob", **{"custom:kind": "staff"})
    bob = (await world.call("get_id", identity_pool_id=pool_id, logins=staff))["identity_id"]
    assert await world.call("get_credentials_for_identity", identity_id=bob, logins=staff)
    await refused(
        world,
        NotAuthorizedException,
        "get_credentials_for_identity",
        identity_id=await world.sign_in(pool_id),
        logins=world.logins(),
    )


@pytest.mark.parametrize(
    ("roles", "mappings"),
    [
        pytest.param({"admin": role_arn("Member")}, {}, id="a kind of role that is none"),
        pytest.param({"authenticated": "a-role-without-an-arn"}, {}, id="a role that is no ARN"),
        pytest.param({"authenticated": ALICE_ARN}, {}, id="a user"),
        pytest.param({}, {f"{PROVIDER}:{CLIENT}": RoleMapping(type="Token")}, id="a mapping that resolves nothing"),
        pytest.param(
            {},
            {f"{PROVIDER}:{CLIENT}": RoleMapping(type="Rules", ambiguous_role_resolution="Deny")},
            id="rules without rules",
        ),
        pytest.param(
            {},
            {
                f"{PROVIDER}:{CLIENT}": RoleMapping(
                    type="Token",
                    ambiguous_role_resolution="Deny",
                    rules_configuration=RulesConfiguration(rules=(TO_MEMBER,)),
                )
            },
            id="rules for what the token says",
        ),
        pytest.param(
            {},
            {PROVIDER: RoleMapping(type="Token", ambiguous_role_resolution="Deny")},
            id="a mapping without its client",
        ),
        pytest.param(
            {},
            {"graph.facebook.com": RoleMapping(type="Token", ambiguous_role_resolution="Deny")},
            id="a mapping of a provider that is not supported",
        ),
    ],
)
async def test_roles_that_make_no_sense_are_refused(
    world: World, roles: dict[str, str], mappings: dict[str, RoleMapping]
) -> None:
    pool_id = await world.make_pool()
    before = await world.call("get_identity_pool_roles", by=ROOT, identity_pool_id=pool_id)

    await refused(
        world,
        InvalidParameterException,
        "set_identity_pool_roles",
        identity_pool_id=pool_id,
        roles=roles,
        role_mappings=mappings,
    )

    assert await world.call("get_identity_pool_roles", by=ROOT, identity_pool_id=pool_id) == before


async def test_a_role_of_another_account_is_refused_even_to_root(world: World) -> None:
    pool_id = await world.make_pool()

    message = await refused(
        world,
        AccessDeniedException,
        "set_identity_pool_roles",
        identity_pool_id=pool_id,
        roles={"authenticated": "arn:aws:iam::999999999999:role/Member"},
    )

    assert message == "Cross-account pass role is not allowed."


# --- principal tags and tags ------------------------------------------------------------------------------------------


async def test_a_principal_tag_map_is_kept_as_it_was_set(world: World) -> None:
    pool_id = await world.make_pool()
    named: dict[str, Any] = {"by": ROOT, "identity_pool_id": pool_id, "identity_provider_name": PROVIDER}
    empty = {
        "identity_pool_id": pool_id,
        "identity_provider_name": PROVIDER,
        "use_defaults": False,
        "principal_tags": {},
    }

    assert await world.call("get_principal_tag_attribute_map", **named) == empty
    custom = await world.call("set_principal_tag_attribute_map", **named, principal_tags={"team": "custom:team"})
    assert custom == {**empty, "principal_tags": {"team": "custom:team"}}
    assert await world.call("get_principal_tag_attribute_map", **named) == custom
    default = await world.call("set_principal_tag_attribute_map", **named, use_defaults=True)
    assert default == {**empty, "use_defaults": True, "principal_tags": {"username": "sub", "client": "aud"}}


@pytest.mark.parametrize(
    ("provider", "tags"),
    [
        ("graph.facebook.com", {"team": "hd"}),
        (PROVIDER, {"aws:team": "custom:team"}),
        (PROVIDER, {"team": "a", "Team": "b"}),
    ],
)
async def test_a_principal_tag_map_that_makes_no_sense_is_refused(
    world: World, provider: str, tags: dict[str, str]
) -> None:
    await refused(
        world,
        InvalidParameterException,
        "set_principal_tag_attribute_map",
        identity_pool_id=await world.make_pool(),
        identity_provider_name=provider,
        principal_tags=tags,
    )


async def test_tags_are_added_listed_and_removed(world: World) -> None:
    arn = arn_of(await world.make_pool())

    await world.call("tag_resource", by=ROOT, resource_arn=arn, tags={"a": "1", "b": "2"})
    await world.call("untag_resource", by=ROOT, resource_arn=arn, tag_keys=("a", "none"))

    assert await world.call("list_tags_for_resource", by=ROOT, resource_arn=arn) == {"tags": {"b": "2"}}


async def test_tags_that_break_a_rule_are_refused(world: World) -> None:
    arn = arn_of(await world.make_pool())

    for tags in ({"aws:x": "1"}, {f"k{n}": "v" for n in range(51)}):
        await refused(world, InvalidParameterException, "tag_resource", resource_arn=arn, tags=tags)


async def test_tags_belong_to_pools_of_this_account_and_region(world: World) -> None:
    pool_id = await world.make_pool()

    for arn in (
        "not-an-arn-at-all-here",
        arn_of(pool_id).replace("us-west-2:1", "eu-west-1:1"),
        f"arn:aws:cognito-identity:us-west-2:999999999999:identitypool/{pool_id}",
        f"arn:aws:cognito-idp:us-west-2:{ACCOUNT}:userpool/x",
    ):
        await refused(world, InvalidParameterException, "list_tags_for_resource", resource_arn=arn)
    await refused(world, ResourceNotFoundException, "list_tags_for_resource", resource_arn=arn_of(NO_POOL))


# --- the service as a whole -------------------------------------------------------------------------------------------


def test_every_operation_is_there(world: World) -> None:
    import botocore.loaders
    from botocore import xform_name

    model = botocore.loaders.Loader().load_service_model("cognito-identity", "service-2")
    ours = {name for owner in world.service.owners for name in implemented_operations(owner)}

    assert {name for name in model["operations"] if xform_name(name) not in ours} == set()


def test_our_codes_are_those_of_the_model() -> None:
    import botocore.loaders

    model = botocore.loaders.Loader().load_service_model("cognito-identity", "service-2")
    # AccessDeniedException is one of the errors that every JSON service has and no model lists.
    known = {name for name, shape in model["shapes"].items() if shape.get("exception")} | {"AccessDeniedException"}
    kinds = errors.IdentityPoolError.__subclasses__()

    assert {kind.code for kind in kinds} <= known
    assert {kind.http_status for kind in kinds} == {400}
