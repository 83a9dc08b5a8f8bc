"""Users who come from another directory: whom the function lets in, and whom nobody does."""

import asyncio
from typing import Any

import pytest

from support.userpools import PASSWORD, RaisedInFunction, World, refused
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import LambdaConfig
from velvetrope.userpools.shapes import SignInPolicy, UserPoolPolicies

OLGA = {"email": "olga@example.com", "email_verified": "true"}
OTHER: dict[str, Any] = {"userAttributes": OLGA, "messageAction": "SUPPRESS"}
WELCOME: dict[str, Any] = {**OTHER, "finalUserStatus": "CONFIRMED"}
HIDDEN = ("NotAuthorizedException", "Incorrect username or password.")


def knows(world: World, **response: Any) -> str:
    """The other directory, in which everybody has the one password."""

    def handler(event: dict[str, Any]) -> dict[str, Any]:
        if event["request"].get("password", PASSWORD) != PASSWORD:
            raise RaisedInFunction("Bad password")
        return {**event, "response": {**event["response"], **response}}

    return world.functions.define("migrate", handler)


async def migrating(world: World, response: dict[str, Any], **settings: Any) -> tuple[str, str]:
    """A pool without users that asks another directory, and a client."""
    client = {"prevent_user_existence_errors": settings.pop("existence", "ENABLED")}
    pool_id = await world.pool(lambda_config=LambdaConfig(user_migration=knows(world, **response)), **settings)
    flows = ("ALLOW_USER_PASSWORD_AUTH", "ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_USER_AUTH", "ALLOW_USER_SRP_AUTH")
    return pool_id, await world.client(pool_id, explicit_auth_flows=flows, **client)


async def usernames(world: World, pool_id: str) -> list[str]:
    return [user["username"] for user in (await world.list_users(user_pool_id=pool_id))["users"]]


async def test_somebody_of_the_other_directory_signs_in_and_is_a_user_from_then_on(world: World) -> None:
    pool_id, client_id = await migrating(world, WELCOME)

    first = await world.initiate_auth(
        auth_flow="USER_PASSWORD_AUTH",
        client_id=client_id,
        auth_parameters={"USERNAME": "olga", "PASSWORD": PASSWORD},
        client_metadata={"from": "test"},
    )
    second = await world.srp_sign_in(pool_id, client_id, "olga")

    assert first["authentication_result"]["access_token"]
    assert second["authentication_result"]["access_token"]
    (event,) = world.functions.events
    assert event["triggerSource"] == "UserMigration_Authentication"
    assert event["userName"] == "olga"
    assert event["request"] == {"password": PASSWORD, "validationData": {"from": "test"}}
    found = await world.admin_get_user(user_pool_id=pool_id, username="olga")
    assert found["user_status"] == "CONFIRMED"
    assert {"name": "email", "value": "olga@example.com"} in found["user_attributes"]
    async with refused(*HIDDEN):
        await world.sign_in(client_id, username="olga", password="Wrong-horse-1")
    assert len(world.functions.events) == 1


async def test_administrators_sign_in_migrates_too(world: World) -> None:
    pool_id, client_id = await migrating(world, WELCOME)

    answer = await world.admin_initiate_auth(
        user_pool_id=pool_id,
        client_id=client_id,
        auth_flow="ADMIN_USER_PASSWORD_AUTH",
        auth_parameters={"USERNAME": "olga", "PASSWORD": PASSWORD},
    )

    assert answer["authentication_result"]["access_token"]


@pytest.mark.parametrize("existence", ["ENABLED", "LEGACY"])
@pytest.mark.parametrize("sent", ["at once", "when chosen", "when asked"])
async def test_choice_of_the_password_migrates_when_it_is_sent(world: World, sent: str, existence: str) -> None:
    _, client_id = await migrating(
        world,
        WELCOME,
        existence=existence,
        policies=UserPoolPolicies(sign_in_policy=SignInPolicy(allowed_first_auth_factors=("PASSWORD", "EMAIL_OTP"))),
    )

    async def begin(**more: str) -> Any:
        return await world.initiate_auth(
            auth_flow="USER_AUTH", client_id=client_id, auth_parameters={"USERNAME": "olga", **more}
        )

    if sent == "at once":
        answer = await begin(PREFERRED_CHALLENGE="PASSWORD", PASSWORD=PASSWORD)
    elif sent == "when chosen":
        answer = await world.respond(
            client_id, await begin(), {"USERNAME": "olga", "ANSWER": "PASSWORD", "PASSWORD": PASSWORD}
        )
    else:
        asked = await begin(PREFERRED_CHALLENGE="PASSWORD")
        async with refused("NotAuthorizedException" if existence == "ENABLED" else "UserNotFoundException"):
            await world.respond(client_id, asked, {"USERNAME": "olga", "PASSWORD": "Wrong-horse-1"})
        answer = await world.respond(client_id, asked, {"USERNAME": "olga", "PASSWORD": PASSWORD})

    assert answer["authentication_result"]["access_token"]


@pytest.mark.parametrize(
    ("existence", "code", "message"),
    [
        ("ENABLED", *HIDDEN),
        ("LEGACY", "UserNotFoundException", "Exception migrating user in app client {}"),
    ],
)
async def test_function_that_raises_lets_nobody_in_and_makes_nobody(
    world: World, existence: str, code: str, message: str
) -> None:
    pool_id, client_id = await migrating(world, WELCOME, existence=existence)

    async with refused(code, message.format(client_id)) as refusal:
        await world.sign_in(client_id, username="olga", password="Wrong-horse-1")

    assert "Bad password" in refusal.value.detail
    assert await usernames(world, pool_id) == []


async def test_guesses_at_the_other_directory_are_counted(world: World) -> None:
    _, client_id = await migrating(world, WELCOME)
    for _ in range(5):
        async with refused(*HIDDEN):
            await world.sign_in(client_id, username="olga", password="Wrong-horse-1")

    async with refused("NotAuthorizedException", "Password attempts exceeded"):
        await world.sign_in(client_id, username="olga")

    assert len(world.functions.events) == 5


async def test_srp_asks_no_other_directory(world: World) -> None:
    pool_id, client_id = await migrating(world, WELCOME)

    async with refused(*HIDDEN):
        await world.srp_sign_in(pool_id, client_id, "olga")

    assert world.functions.events == []


async def test_who_is_not_said_to_be_confirmed_needs_another_password(world: World) -> None:
    pool_id, client_id = await migrating(world, OTHER)

    async with refused("PasswordResetRequiredException"):
        await world.sign_in(client_id, username="olga")

    assert (await world.admin_get_user(user_pool_id=pool_id, username="olga"))["user_status"] == "RESET_REQUIRED"


@pytest.mark.parametrize(
    "response",
    [
        {},
        {"finalUserStatus": "CONFIRMED"},
        {**WELCOME, "userAttributes": "olga"},
        {**WELCOME, "userAttributes": {"nothing": "x"}},
        {**WELCOME, "userAttributes": {"sub": "x"}},
        {**WELCOME, "userAttributes": {"username": "eve"}},
        {**WELCOME, "finalUserStatus": "FORCE_CHANGE_PASSWORD"},
        {**WELCOME, "messageAction": "SHOUT"},
        {**WELCOME, "messageAction": None, "desiredDeliveryMediums": ["PIGEON"]},
        {**WELCOME, "messageAction": None, "desiredDeliveryMediums": ["SMS"]},
        {**WELCOME, "forceAliasCreation": "yes"},
        {**WELCOME, "enableSMSMFA": True},
    ],
)
async def test_answer_that_makes_no_sense_makes_no_user(world: World, response: dict[str, Any]) -> None:
    pool_id, client_id = await migrating(world, response)

    async with refused(*HIDDEN):
        await world.sign_in(client_id, username="olga")

    assert await usernames(world, pool_id) == []


async def test_racing_migrations_make_one_user_and_sign_both_in(world: World) -> None:
    pool_id, client_id = await migrating(world, WELCOME)

    both = await asyncio.gather(*(world.sign_in(client_id, username="olga") for _ in range(2)))

    assert all(each["access_token"] for each in both)
    assert await usernames(world, pool_id) == ["olga"]


async def test_welcome_message_holds_no_password(world: World) -> None:
    pool_id, client_id = await migrating(world, {**WELCOME, "messageAction": None, "desiredDeliveryMediums": ["EMAIL"]})

    await world.sign_in(client_id, username="olga")

    (message,) = await world.pools.outbox.messages(pool_id, limit=5)
    assert message.to == "olga@example.com"
    assert PASSWORD not in message.text
    assert "********" in message.text


async def test_address_as_a_name_becomes_the_users_own(world: World) -> None:
    pool_id, client_id = await migrating(world, WELCOME, username_attributes=("email",))

    await world.sign_in(client_id, username="olga@example.com")

    (user_id,) = await usernames(world, pool_id)
    assert user_id != "olga@example.com"
    async with refused(*HIDDEN):  # the function says olga's address of everybody
        await world.sign_in(client_id, username="eve@example.com")
    assert len(await usernames(world, pool_id)) == 1


async def test_alias_that_was_typed_leads_to_the_name_that_the_function_gives(world: World) -> None:
    named = {**WELCOME, "userAttributes": {**OLGA, "username": "olga"}}
    pool_id, client_id = await migrating(world, named, alias_attributes=("email",))

    assert (await world.sign_in(client_id, username="olga@example.com"))["access_token"]

    assert await usernames(world, pool_id) == ["olga"]


@pytest.mark.parametrize("force", [True, False])
async def test_alias_that_somebody_has_is_taken_only_where_the_function_says_so(world: World, force: bool) -> None:
    pool_id, client_id = await migrating(world, {**WELCOME, "forceAliasCreation": force}, alias_attributes=("email",))
    await world.user(pool_id, email="olga@example.com", email_verified="true")

    if force:
        assert (await world.sign_in(client_id, username="olga"))["access_token"]
    else:
        async with refused(*HIDDEN):
            await world.sign_in(client_id, username="olga")

    assert ("olga" in await usernames(world, pool_id)) is force


async def test_forgotten_password_of_the_other_directory_is_replaced_here(world: World) -> None:
    pool_id, client_id = await migrating(world, WELCOME)

    await world.forgot_password(client_id=client_id, username="olga", client_metadata={"from": "test"})

    (event,) = world.functions.events
    assert event["triggerSource"] == "UserMigration_ForgotPassword"
    assert event["request"] == {"validationData": None, "clientMetadata": {"from": "test"}}
    async with refused(*HIDDEN):  # whatever the other directory thinks, there is no password yet
        await world.sign_in(client_id, username="olga")
    code = await world.last_code(pool_id)
    await world.confirm_forgot_password(
        client_id=client_id, username="olga", confirmation_code=code, password="Another-horse-1"
    )
    assert (await world.sign_in(client_id, username="olga", password="Another-horse-1"))["access_token"]


async def test_forgotten_password_of_nobody_says_nothing_where_that_is_hidden(world: World) -> None:
    def nobody(event: dict[str, Any]) -> None:
        raise RaisedInFunction("who?")

    arn = world.functions.define("nobody", nobody)
    pool_id = await world.pool(lambda_config=LambdaConfig(user_migration=arn))
    hiding = await world.client(pool_id)
    legacy = await world.client(pool_id, prevent_user_existence_errors="LEGACY")

    answer = await world.forgot_password(client_id=hiding, username="olga")
    async with refused("UserNotFoundException", f"Exception migrating user in app client {legacy}"):
        await world.forgot_password(client_id=legacy, username="olga")

    assert answer["code_delivery_details"]["delivery_medium"] == "EMAIL"
    assert await usernames(world, pool_id) == []
    assert await world.pools.outbox.messages(pool_id, limit=5) == []


async def test_hosted_pages_migrate_as_the_operations_do(world: World) -> None:
    pool_id, client_id = await migrating(world, WELCOME)
    pool = await world.pools.sign_in.find_pool(pool_id)
    client = await world.pools.sign_in.find_client(pool_id, client_id)
    assert pool is not None
    assert client is not None

    async def submit(password: str) -> Any:
        return await world.pools.sign_in.begin_sign_in(
            pool, client, username="olga", password=Secret(password), now=world.now
        )

    async with refused(*HIDDEN):
        await submit("Wrong-horse-1")
    assert await usernames(world, pool_id) == []

    assert (await submit(PASSWORD)).username == "olga"
