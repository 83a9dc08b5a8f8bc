"""What people do for themselves: sign up, confirm, change what is theirs, leave."""

import asyncio

import pytest

from support.userpools import PASSWORD, World, attribute_list, refused, secret_hash
from velvetrope.store.tables.userpools import AdminCreateUserConfig, SchemaAttribute, VerificationMessageTemplate

EMAIL = attribute_list(email="anna@example.com")


async def _signed_up(world: World, **pool_settings: object) -> tuple[str, str, str]:
    """A pool, a client, and anna's confirmation code."""
    pool_id = await world.pool(**{"auto_verified_attributes": ("email",), **pool_settings})
    client_id = await world.client(pool_id)
    await world.sign_up(client_id=client_id, username="anna", password=PASSWORD, user_attributes=EMAIL)
    [message] = await world.pools.outbox.messages(pool_id)
    return pool_id, client_id, message.text.rpartition(" ")[2]


async def test_sign_up_confirm_and_sign_in(world: World) -> None:
    pool_id, client_id, code = await _signed_up(world)
    who = {"client_id": client_id, "username": "anna"}

    assert await world.confirm_sign_up(**who, confirmation_code=code) == {}

    await world.sign_in(client_id)
    found = await world.admin_get_user(user_pool_id=pool_id, username="anna")
    assert found["user_status"] == "CONFIRMED"
    assert {"name": "email_verified", "value": "true"} in found["user_attributes"]
    async with refused("NotAuthorizedException", "User cannot be confirmed. Current status is CONFIRMED"):
        await world.confirm_sign_up(**who, confirmation_code=code)


async def test_sign_up_says_where_the_code_went(world: World) -> None:
    pool_id = await world.pool(auto_verified_attributes=("email", "phone_number"))
    client_id = await world.client(pool_id)

    mailed = await world.sign_up(client_id=client_id, username="anna", password=PASSWORD, user_attributes=EMAIL)
    texted = await world.sign_up(
        client_id=client_id,
        username="berta",
        password=PASSWORD,
        user_attributes=attribute_list(email="berta@example.com", phone_number="+15550101234"),
    )
    neither = await world.sign_up(client_id=client_id, username="carla", password=PASSWORD)

    assert mailed["user_confirmed"] is False
    assert len(mailed["user_sub"]) == 36
    assert mailed["code_delivery_details"] == {
        "attribute_name": "email",
        "delivery_medium": "EMAIL",
        "destination": "a***@e***",
    }
    assert texted["code_delivery_details"] == {
        "attribute_name": "phone_number",
        "delivery_medium": "SMS",
        "destination": "+*******1234",
    }
    assert neither["code_delivery_details"] is None
    assert len(await world.pools.outbox.messages(pool_id)) == 2


async def test_messages_follow_the_pools_template_and_are_sealed(world: World) -> None:
    template = VerificationMessageTemplate(email_message="Hello {username}, use {####}", email_subject="Welcome")
    pool_id, _, code = await _signed_up(world, verification_message_template=template)

    [message] = await world.pools.outbox.messages(pool_id)
    [kept] = await world.store.load_messages(pool_id, limit=9)

    assert (message.subject, message.text) == ("Welcome", f"Hello anna, use {code}")
    assert code.encode() not in kept.body_sealed
    assert len(code) == 6
    assert code.isdigit()


async def test_wrong_code_is_refused_and_the_right_one_still_works(world: World) -> None:
    _, client_id, code = await _signed_up(world)
    wrong = "000000" if code != "000000" else "111111"
    who = {"client_id": client_id, "username": "anna"}

    async with refused("CodeMismatchException", "Invalid verification code provided, please try again."):
        await world.confirm_sign_up(**who, confirmation_code=wrong)
    await world.confirm_sign_up(**who, confirmation_code=code)


async def test_code_lives_a_day_and_not_longer(world: World) -> None:
    _, client_id, code = await _signed_up(world)
    who = {"client_id": client_id, "username": "anna"}

    world.later(hours=24)
    async with refused("ExpiredCodeException", "Invalid code provided, please request a code again."):
        await world.confirm_sign_up(**who, confirmation_code=code)
    world.later(microseconds=-1)
    await world.confirm_sign_up(**who, confirmation_code=code)


async def test_code_can_be_guessed_at_fifteen_times_an_hour(world: World) -> None:
    _, client_id, code = await _signed_up(world)
    who = {"client_id": client_id, "username": "anna"}
    answers = await asyncio.gather(
        *(world.confirm_sign_up(**who, confirmation_code="x") for _ in range(20)), return_exceptions=True
    )
    assert [type(answer).__name__ for answer in answers].count("CodeMismatchException") == 15

    async with refused("LimitExceededException", "Attempt limit exceeded, please try after some time."):
        await world.confirm_sign_up(**who, confirmation_code=code)
    world.later(hours=1)
    await world.confirm_sign_up(**who, confirmation_code=code)


async def test_of_racing_confirmations_one_spends_the_code(world: World) -> None:
    _, client_id, code = await _signed_up(world)

    answers = await asyncio.gather(
        *(world.confirm_sign_up(client_id=client_id, username="anna", confirmation_code=code) for _ in range(4)),
        return_exceptions=True,
    )

    assert answers.count({}) == 1


async def test_of_racing_sign_ups_one_gets_the_name(world: World) -> None:
    pool_id = await world.pool()
    client_id = await world.client(pool_id)

    answers = await asyncio.gather(
        *(
            world.sign_up(client_id=client_id, username="anna", password=f"{PASSWORD}{n}", user_attributes=EMAIL)
            for n in range(5)
        ),
        return_exceptions=True,
    )

    assert sum(isinstance(answer, dict) for answer in answers) == 1
    assert [str(a) for a in answers if isinstance(a, Exception)] == ["User already exists"] * 4


async def test_of_racing_sign_ups_one_gets_the_address(world: World) -> None:
    pool_id = await world.pool(username_attributes=("email",))
    client_id = await world.client(pool_id)

    answers = await asyncio.gather(
        *(world.sign_up(client_id=client_id, username="anna@example.com", password=PASSWORD) for _ in range(4)),
        return_exceptions=True,
    )

    assert sum(isinstance(answer, dict) for answer in answers) == 1
    assert [str(a) for a in answers if isinstance(a, Exception)] == [
        "An account with the given email already exists."
    ] * 3


async def test_unknown_user_is_not_told_apart_from_a_wrong_code_if_the_client_hides_it(world: World) -> None:
    pool_id, client_id, _ = await _signed_up(world)
    telling = await world.client(pool_id, prevent_user_existence_errors="LEGACY")

    async with refused("CodeMismatchException", "Invalid verification code provided, please try again."):
        await world.confirm_sign_up(client_id=client_id, username="nobody", confirmation_code="123456")
    async with refused("UserNotFoundException", "Username/client id combination not found."):
        await world.confirm_sign_up(client_id=telling, username="nobody", confirmation_code="123456")


async def test_sign_up_can_be_left_to_administrators(world: World) -> None:
    pool_id = await world.pool(admin_create_user_config=AdminCreateUserConfig(allow_admin_create_user_only=True))
    client_id = await world.client(pool_id)

    async with refused("NotAuthorizedException", "SignUp is not permitted for this user pool"):
        await world.sign_up(client_id=client_id, username="anna", password=PASSWORD)


async def test_sign_up_needs_a_password_that_conforms(world: World) -> None:
    pool_id = await world.pool()
    client_id = await world.client(pool_id)

    async with refused(
        "InvalidPasswordException", "Password did not conform with policy: Password must have numeric characters"
    ):
        await world.sign_up(client_id=client_id, username="anna", password="No-numbers")
    async with refused("InvalidParameterException"):
        await world.sign_up(client_id=client_id, username="anna")


async def test_sign_up_asks_for_the_clients_secret(world: World) -> None:
    pool_id = await world.pool(auto_verified_attributes=("email",))
    client_id = await world.client(pool_id, client_secret="s" * 24)
    good = secret_hash("anna", client_id, "s" * 24)

    async with refused("NotAuthorizedException"):
        await world.sign_up(client_id=client_id, username="anna", password=PASSWORD)
    await world.sign_up(
        client_id=client_id, username="anna", password=PASSWORD, secret_hash=good, user_attributes=EMAIL
    )
    async with refused("NotAuthorizedException"):
        await world.confirm_sign_up(client_id=client_id, username="anna", confirmation_code="1")


@pytest.mark.parametrize(
    ("settings", "username", "message"),
    [
        ({"username_attributes": ("email",)}, "anna", "Username should be an email."),
        ({"username_attributes": ("phone_number",)}, "anna", "Username should be a phone number."),
        (
            {"username_attributes": ("phone_number", "email")},
            "anna",
            "Username should be either an email or a phone number.",
        ),
        (
            {"alias_attributes": ("email",)},
            "anna@example.com",
            "Username cannot be of email format, since user pool is configured for email alias.",
        ),
    ],
)
async def test_user_names_have_the_shape_the_pool_asks_for(
    world: World, settings: dict[str, object], username: str, message: str
) -> None:
    client_id = await world.client(await world.pool(**settings))

    async with refused("InvalidParameterException", message):
        await world.sign_up(client_id=client_id, username=username, password=PASSWORD)


async def test_address_as_the_name_satisfies_a_required_address(world: World) -> None:
    pool_id = await world.pool(username_attributes=("email",), schema=(SchemaAttribute(name="email", required=True),))
    client_id = await world.client(pool_id, write_attributes=("name",))

    answer = await world.sign_up(client_id=client_id, username="anna@example.com", password=PASSWORD)
    await world.admin_confirm_sign_up(user_pool_id=pool_id, username="anna@example.com")

    signed_in = await world.sign_in(client_id, username="anna@example.com")
    assert (await world.get_user(access_token=signed_in["access_token"]))["username"] == answer["user_sub"]
    async with refused("InvalidParameterException"):
        await world.sign_up(client_id=client_id, username="x@example.com", password=PASSWORD, user_attributes=EMAIL)


async def test_client_writes_only_what_it_may(world: World) -> None:
    pool_id = await world.pool(schema=(SchemaAttribute(name="team"),))
    usual = await world.client(pool_id)
    chosen = await world.client(pool_id, write_attributes=("custom:team",))
    message = "A client attempted to write unauthorized attribute"

    for client_id, attributes in (
        (usual, {"custom__team": "red"}),
        (usual, {"email_verified": "true"}),
        (chosen, {"email": "anna@example.com"}),
    ):
        async with refused("NotAuthorizedException", message) as refusal:
            await world.sign_up(
                client_id=client_id,
                username="anna",
                password=PASSWORD,
                user_attributes=attribute_list(**attributes),
            )
        [named] = attribute_list(**attributes)
        assert refusal.value.detail == f"the client may not write {named.name}"
    await world.sign_up(
        client_id=chosen, username="anna", password=PASSWORD, user_attributes=attribute_list(custom__team="red")
    )


async def test_administrator_confirms_a_sign_up_once(world: World) -> None:
    pool_id, client_id, _ = await _signed_up(world)

    await world.admin_confirm_sign_up(user_pool_id=pool_id, username="anna")

    await world.sign_in(client_id)
    async with refused("NotAuthorizedException", "User cannot be confirmed. Current status is CONFIRMED"):
        await world.admin_confirm_sign_up(user_pool_id=pool_id, username="anna")


async def test_alias_goes_to_whoever_verifies_it_first_unless_forced(world: World) -> None:
    pool_id = await world.pool(alias_attributes=("email",), auto_verified_attributes=("email",))
    client_id = await world.client(pool_id)
    codes = {}
    for name in ("anna", "berta"):
        await world.sign_up(client_id=client_id, username=name, password=PASSWORD, user_attributes=EMAIL)
        [message] = [m for m in await world.pools.outbox.messages(pool_id) if m.username == name]
        codes[name] = message.text.rpartition(" ")[2]

    await world.confirm_sign_up(client_id=client_id, username="anna", confirmation_code=codes["anna"])
    who = {"client_id": client_id, "username": "berta", "confirmation_code": codes["berta"]}
    async with refused("AliasExistsException", "An account with the email already exists."):
        await world.confirm_sign_up(**who)
    await world.confirm_sign_up(**who, force_alias_creation=True)

    owner = await world.admin_get_user(user_pool_id=pool_id, username="anna@example.com")
    assert owner["username"] == "berta"
    taken = {"username": "carl", "user_attributes": attribute_list(email="anna@example.com", email_verified="true")}
    async with refused("UsernameExistsException", "An account with the email already exists."):
        await world.admin_create_user(user_pool_id=pool_id, **taken)


async def test_get_user_shows_what_the_client_may_read(world: World) -> None:
    pool_id = await world.pool()
    await world.user(pool_id, email="anna@example.com", given_name="Anna")
    client_id = await world.client(pool_id, read_attributes=("given_name",))

    answer = await world.get_user(access_token=(await world.sign_in(client_id))["access_token"])

    assert {attribute["name"] for attribute in answer["user_attributes"]} == {"given_name", "sub"}


async def test_users_change_what_is_theirs(world: World) -> None:
    _, client_id = await world.some_user()
    token = (await world.sign_in(client_id))["access_token"]

    await world.update_user_attributes(
        access_token=token, user_attributes=attribute_list(email="new@example.com", name="Anna")
    )

    shown = {a["name"]: a["value"] for a in (await world.get_user(access_token=token))["user_attributes"]}
    assert (shown["email"], shown["email_verified"], shown["name"]) == ("new@example.com", "false", "Anna")
    async with refused("NotAuthorizedException", "A client attempted to write unauthorized attribute"):
        await world.update_user_attributes(access_token=token, user_attributes=attribute_list(email_verified="true"))


async def test_alias_of_somebody_else_is_not_taken(world: World) -> None:
    pool_id = await world.pool(alias_attributes=("preferred_username",))
    client_id = await world.client(pool_id)
    await world.user(pool_id, "anna", preferred_username="star")
    await world.user(pool_id, "berta")
    token = (await world.sign_in(client_id, "berta"))["access_token"]

    async with refused("AliasExistsException"):
        await world.update_user_attributes(
            access_token=token, user_attributes=attribute_list(preferred_username="star")
        )
    await world.update_user_attributes(access_token=token, user_attributes=attribute_list(preferred_username="sun"))
    await world.sign_in(client_id, "sun")


async def test_password_is_changed_with_the_old_one(world: World) -> None:
    pool_id, client_id = await world.some_user()
    token = (await world.sign_in(client_id))["access_token"]
    new = "Another-horse-2"

    async with refused("NotAuthorizedException", "Incorrect username or password."):
        await world.change_password(access_token=token, previous_password="wrong", proposed_password=new)
    async with refused("InvalidParameterException"):
        await world.change_password(access_token=token, proposed_password=new)
    async with refused("InvalidPasswordException"):
        await world.change_password(access_token=token, previous_password=PASSWORD, proposed_password="weak")
    await world.change_password(access_token=token, previous_password=PASSWORD, proposed_password=new)

    await world.sign_in(client_id, password=new)
    await world.srp_sign_in(pool_id, client_id, password=new)
    async with refused("NotAuthorizedException"):
        await world.sign_in(client_id)


async def test_guessing_the_old_password_locks_as_sign_in_does(world: World) -> None:
    _, client_id = await world.some_user()
    token = (await world.sign_in(client_id))["access_token"]
    for _ in range(5):
        async with refused("NotAuthorizedException", "Incorrect username or password."):
            await world.change_password(
                access_token=token, previous_password="wrong", proposed_password="Another-horse-2"
            )

    async with refused("NotAuthorizedException", "Password attempts exceeded"):
        await world.change_password(access_token=token, previous_password=PASSWORD, proposed_password="Another-horse-2")


async def test_of_racing_password_changes_one_counts(world: World) -> None:
    _, client_id = await world.some_user()
    token = (await world.sign_in(client_id))["access_token"]

    answers = await asyncio.gather(
        *(
            world.change_password(
                access_token=token, previous_password=PASSWORD, proposed_password=f"Another-horse-{n}"
            )
            for n in range(3)
        ),
        return_exceptions=True,
    )

    assert answers.count({}) == 1


async def test_users_leave(world: World) -> None:
    pool_id, client_id = await world.some_user()
    token = (await world.sign_in(client_id))["access_token"]

    await world.delete_user(access_token=token)

    async with refused("UserNotFoundException", "User does not exist."):
        await world.admin_get_user(user_pool_id=pool_id, username="anna")
    async with refused("NotAuthorizedException", "Access Token has been revoked"):
        await world.get_user(access_token=token)


@pytest.mark.parametrize(
    ("errors", "code", "message"),
    [
        ("ENABLED", "CodeMismatchException", "Invalid verification code provided, please try again."),
        ("LEGACY", "NotAuthorizedException", "User is disabled."),
    ],
)
async def test_who_is_disabled_confirms_no_sign_up(world: World, errors: str, code: str, message: str) -> None:
    pool_id = await world.pool(auto_verified_attributes=("email",))
    client_id = await world.client(pool_id, prevent_user_existence_errors=errors)
    await world.sign_up(
        client_id=client_id, username="eve", password=PASSWORD, user_attributes=attribute_list(email="eve@example.com")
    )
    digits = await world.last_code(pool_id)
    confirmation = {"client_id": client_id, "username": "eve", "confirmation_code": digits}
    await world.admin_disable_user(user_pool_id=pool_id, username="eve")

    async with refused(code, message):
        await world.confirm_sign_up(**confirmation)

    await world.admin_enable_user(user_pool_id=pool_id, username="eve")
    await world.confirm_sign_up(**confirmation)
