"""AdminLinkProviderForUser and AdminDisableProviderForUser: who signs in as whom, and who may not be linked."""

import json
from typing import Any

from support.federated_users import CAROL, come_from_google, federated_pool, tokens_of
from support.userpools import PASSWORD, World, attribute_list, claims_of, refused
from velvetrope.store.tables.userpools import LambdaConfig
from velvetrope.userpools.shapes import ProviderUserIdentifier

SUBJECT = "Cognito_Subject"
LOCAL = ProviderUserIdentifier(provider_name="Cognito", provider_attribute_value="anna")
MERGING = "Merging is not currently supported, provide a SourceUser that has not been signed up in order to link"
OIDC = {
    "client_id": "c",
    "oidc_issuer": "https://idp.example.com",
    "authorize_scopes": "openid",
    "attributes_request_method": "GET",
}


def google(value: str, name: str = SUBJECT) -> ProviderUserIdentifier:
    return ProviderUserIdentifier(provider_name="Google", provider_attribute_name=name, provider_attribute_value=value)


def staff(value: str, name: str = SUBJECT) -> ProviderUserIdentifier:
    return ProviderUserIdentifier(provider_name="Staff", provider_attribute_name=name, provider_attribute_value=value)


async def pool_with_anna(world: World, **settings: Any) -> tuple[str, str]:
    pool_id, client_id = await federated_pool(world, **settings)
    await world.user(pool_id, email="anna@example.com", email_verified="true")
    await world.create_identity_provider(
        user_pool_id=pool_id,
        provider_name="Staff",
        provider_type="OIDC",
        provider_details=OIDC,
        attribute_mapping={"email": "mail", "username": "sub"},
    )
    return pool_id, client_id


async def link(world: World, pool_id: str, source: ProviderUserIdentifier, to: ProviderUserIdentifier = LOCAL) -> None:
    await world.admin_link_provider_for_user(user_pool_id=pool_id, destination_user=to, source_user=source)


async def disable(world: World, pool_id: str, user: ProviderUserIdentifier) -> None:
    await world.admin_disable_provider_for_user(user_pool_id=pool_id, user=user)


async def come_from_staff(world: World, pool_id: str, client_id: str, sub: str, **said: str) -> Any:
    directory = world.pools.sign_in
    pool, client = await directory.find_pool(pool_id), await directory.find_client(pool_id, client_id)
    provider = await directory.find_identity_provider(pool_id, "Staff")
    assert pool is not None
    assert client is not None
    assert provider is not None
    return await directory.sign_in_federated(
        pool, client, provider, subject=sub, attributes={"sub": sub, **said}, now=world.now
    )


async def identities_of(world: World, pool_id: str, username: str) -> list[dict[str, Any]]:
    found = await world.admin_get_user(user_pool_id=pool_id, username=username)
    texts = [one["value"] for one in found["user_attributes"] if one["name"] == "identities"]
    return list(json.loads(texts[0])) if texts else []


async def test_whoever_is_linked_signs_in_as_the_user_they_are_linked_to(world: World) -> None:
    pool_id, client_id = await pool_with_anna(world)
    await link(world, pool_id, google("1234"))

    user = await come_from_google(world, pool_id, client_id)

    assert (user.username, user.status) == ("anna", "CONFIRMED")
    assert user.attributes["email"] == "carol@example.com"
    assert [(one["userId"], one["primary"]) for one in await identities_of(world, pool_id, "anna")] == [("1234", False)]
    tokens = await tokens_of(world, pool_id, client_id, user)
    assert [one["primary"] for one in claims_of(tokens.id_token)["identities"]] == ["false"]
    assert len((await world.list_users(user_pool_id=pool_id))["users"]) == 1


async def test_linked_users_keep_their_password(world: World) -> None:
    pool_id, client_id = await pool_with_anna(world)
    await link(world, pool_id, google("1234"))
    user = await come_from_google(world, pool_id, client_id)

    assert claims_of((await world.sign_in(client_id))["id_token"])["sub"] == user.sub


async def test_a_link_by_an_attribute_becomes_one_by_the_subject_when_it_is_used(world: World) -> None:
    pool_id, client_id = await pool_with_anna(world)
    await link(world, pool_id, staff("a@corp.example", "email"))

    first = await come_from_staff(world, pool_id, client_id, "s-1", mail="a@corp.example")

    again = await come_from_staff(world, pool_id, client_id, "s-1", mail="moved@corp.example")
    heir = await come_from_staff(world, pool_id, client_id, "s-2", mail="a@corp.example")
    assert first.username == again.username == "anna"
    assert heir.username == "Staff_s-2"
    assert [one["userId"] for one in await identities_of(world, pool_id, "anna")] == ["s-1"]


async def test_attributes_that_lead_to_two_users_lead_to_nobody(world: World) -> None:
    pool_id, client_id = await pool_with_anna(world)
    await world.update_identity_provider(
        user_pool_id=pool_id, provider_name="Staff", attribute_mapping={"email": "mail", "nickname": "nick"}
    )
    await world.user(pool_id, "ben")
    ben = ProviderUserIdentifier(provider_name="Cognito", provider_attribute_value="ben")
    await link(world, pool_id, staff("a@corp.example", "email"))
    await link(world, pool_id, staff("benny", "nickname"), to=ben)

    async with refused("InvalidParameterException"):
        await come_from_staff(world, pool_id, client_id, "s-1", mail="a@corp.example", nick="benny")


async def test_a_federated_user_can_be_linked_to(world: World) -> None:
    pool_id, client_id = await pool_with_anna(world)
    carol = await come_from_google(world, pool_id, client_id)

    await link(world, pool_id, staff("s-1"), to=google(CAROL["sub"]))

    assert (await come_from_staff(world, pool_id, client_id, "s-1")).sub == carol.sub


async def test_two_users_who_are_both_there_are_not_merged(world: World) -> None:
    pool_id, client_id = await pool_with_anna(world)
    await come_from_google(world, pool_id, client_id)

    async with refused("InvalidParameterException", MERGING):
        await link(world, pool_id, google("1234"))


async def test_a_link_is_made_once(world: World) -> None:
    pool_id, _ = await pool_with_anna(world)
    await world.user(pool_id, "ben")
    await link(world, pool_id, google("1234"))

    async with refused("InvalidParameterException", "SourceUser is already linked to DestinationUser"):
        await link(world, pool_id, google("1234"))
    async with refused("AliasExistsException"):
        await link(
            world,
            pool_id,
            google("1234"),
            to=ProviderUserIdentifier(provider_name="Cognito", provider_attribute_value="ben"),
        )


async def test_a_user_has_five_links_and_no_more(world: World) -> None:
    pool_id, _ = await pool_with_anna(world)
    for number in range(5):
        await link(world, pool_id, google(f"id-{number}"))

    async with refused("LimitExceededException"):
        await link(world, pool_id, google("id-5"))


async def test_what_cannot_be_linked_is_refused(world: World) -> None:
    pool_id, _ = await pool_with_anna(world)
    refusals = {
        "local": ProviderUserIdentifier(
            provider_name="Cognito", provider_attribute_name=SUBJECT, provider_attribute_value="ben"
        ),
        "no such provider": ProviderUserIdentifier(
            provider_name="Nobody", provider_attribute_name=SUBJECT, provider_attribute_value="1"
        ),
        "social by an attribute": google("carol@example.com", "email"),
        "an attribute that is not mapped": staff("C", "name"),
        "the user name": staff("s-1", "username"),
        "no value": ProviderUserIdentifier(provider_name="Google", provider_attribute_name=SUBJECT),
        "no name": ProviderUserIdentifier(provider_name="Google", provider_attribute_value="1"),
        "a value without end": google("x" * 513),
    }
    for source in refusals.values():
        async with refused("InvalidParameterException"):
            await link(world, pool_id, source)
    assert await identities_of(world, pool_id, "anna") == []


async def test_nobody_is_linked_to_somebody_who_is_not_there(world: World) -> None:
    pool_id, _ = await pool_with_anna(world)

    for destination in (
        ProviderUserIdentifier(provider_name="Cognito", provider_attribute_value="nobody"),
        google("nobody"),
    ):
        async with refused("UserNotFoundException", "User does not exist."):
            await link(world, pool_id, staff("s-1"), to=destination)


async def test_nobody_signs_in_as_a_user_who_was_never_confirmed(world: World) -> None:
    """Whoever signed up with somebody else's address knows the password, and waits for the owner to come."""
    pool_id, client_id = await pool_with_anna(world)
    await world.sign_up(
        client_id=client_id,
        username="trap",
        password=PASSWORD,
        user_attributes=attribute_list(email="carol@example.com"),
    )
    await link(
        world,
        pool_id,
        google("1234"),
        to=ProviderUserIdentifier(provider_name="Cognito", provider_attribute_value="trap"),
    )

    async with refused("NotAuthorizedException", "User is not confirmed."):
        await come_from_google(world, pool_id, client_id)


async def test_a_function_that_links_during_the_first_sign_in_ends_it_and_the_next_one_works(world: World) -> None:
    pool_id, client_id = await pool_with_anna(world)
    directory = world.pools.sign_in
    plain = await directory.find_pool(pool_id)
    assert plain is not None

    class Linking:
        """The pool's function, which calls the operation while it is asked."""

        async def invoke(self, function_arn: str, payload: bytes, **more: Any) -> Any:
            await link(world, pool_id, google("1234"))
            return await inner(function_arn, payload, **more)

    inner = world.functions.invoke
    arn = world.functions.answers("before")
    await world.update_user_pool(user_pool_id=pool_id, lambda_config=LambdaConfig(pre_sign_up=arn))
    world.functions.invoke = Linking().invoke  # type: ignore[method-assign]  # the fake is ours to change

    async with refused("InvalidParameterException", "Already found an entry for username Google_1234"):
        await come_from_google(world, pool_id, client_id)
    assert (await come_from_google(world, pool_id, client_id)).username == "anna"


# Disabling


async def test_whose_link_is_taken_away_becomes_a_user_of_their_own(world: World) -> None:
    pool_id, client_id = await pool_with_anna(world)
    await link(world, pool_id, google("1234"))
    await come_from_google(world, pool_id, client_id)

    await disable(world, pool_id, google("1234"))

    assert await identities_of(world, pool_id, "anna") == []
    assert (await come_from_google(world, pool_id, client_id)).username == "Google_1234"


async def test_a_link_that_was_never_used_is_taken_away_by_what_it_was_made_with(world: World) -> None:
    pool_id, _ = await pool_with_anna(world)
    await link(world, pool_id, staff("a@corp.example", "email"))

    async with refused("UserNotFoundException"):
        await disable(world, pool_id, staff("a@corp.example"))
    await disable(world, pool_id, staff("a@corp.example", "email"))

    assert await identities_of(world, pool_id, "anna") == []


async def test_a_user_of_a_provider_is_kept_out_by_it(world: World) -> None:
    pool_id, client_id = await pool_with_anna(world)
    await come_from_google(world, pool_id, client_id)

    await disable(world, pool_id, google("1234"))

    async with refused("NotAuthorizedException", "User is not enabled."):
        await come_from_google(world, pool_id, client_id)


async def test_a_local_user_who_is_disabled_signs_in_by_links_only(world: World) -> None:
    pool_id, client_id = await pool_with_anna(world)
    await link(world, pool_id, google("1234"))

    await disable(
        world,
        pool_id,
        ProviderUserIdentifier(
            provider_name="Cognito", provider_attribute_name=SUBJECT, provider_attribute_value="anna"
        ),
    )

    async with refused("NotAuthorizedException", "Incorrect username or password."):
        await world.sign_in(client_id)
    async with refused("NotAuthorizedException", "User password cannot be reset in the current state."):
        await world.admin_reset_user_password(user_pool_id=pool_id, username="anna")
    assert (await come_from_google(world, pool_id, client_id)).username == "anna"


async def test_what_cannot_be_disabled_is_refused(world: World) -> None:
    pool_id, _ = await pool_with_anna(world)
    local = ProviderUserIdentifier(
        provider_name="Cognito", provider_attribute_name="email", provider_attribute_value="anna"
    )

    async with refused("InvalidParameterException", "ProviderAttributeName must be Cognito_Subject for Cognito."):
        await disable(world, pool_id, local)
    async with refused("UserNotFoundException", "User does not exist."):
        await disable(world, pool_id, google("nobody"))


async def test_a_linked_user_who_is_deleted_leaves_the_identity_free(world: World) -> None:
    pool_id, client_id = await pool_with_anna(world)
    await link(world, pool_id, google("1234"))
    await world.delete_user(access_token=(await world.sign_in(client_id))["access_token"])

    assert (await come_from_google(world, pool_id, client_id)).username == "Google_1234"
