"""Forgotten passwords, codes sent again, addresses that change, passwords used before; and the triggers around."""

import asyncio
from typing import Any

import pytest

from support.userpools import PASSWORD, RaisedInFunction, World, attribute_list, refused
from velvetrope.errors import ServiceError
from velvetrope.store.tables.userpools import (
    AccountRecoverySetting,
    AdminCreateUserConfig,
    LambdaConfig,
    PasswordPolicySettings,
    RecoveryOption,
    SchemaAttribute,
)
from velvetrope.userpools.shapes import SignInPolicy, UserAttributeUpdateSettings, UserPoolPolicies

NEXT = "An0ther!pw"
MISMATCH = "Invalid verification code provided, please try again."
EXPIRED = "Invalid code provided, please request a code again."
TOO_OFTEN = "Attempt limit exceeded, please try after some time."


class Life:
    """A pool, a client, and anna."""

    def __init__(self, world: World, pool_id: str, client_id: str) -> None:
        self.world, self.pool_id, self.client_id = world, pool_id, client_id

    @classmethod
    async def begin(
        cls, world: World, *, hides: bool = True, attributes: dict[str, str] | None = None, **pool: Any
    ) -> "Life":
        pool_id = await world.pool(**pool)
        client_id = await world.client(pool_id, prevent_user_existence_errors="ENABLED" if hides else "LEGACY")
        given = {"email": "anna@example.com", "email_verified": "true"} if attributes is None else attributes
        await world.user(pool_id, **given)
        return cls(world, pool_id, client_id)

    async def code(self) -> str:
        """The newest code that was sent."""
        return (await self.world.pools.outbox.messages(self.pool_id))[0].text.rpartition(" ")[2]

    async def forgot(self, username: str = "anna") -> Any:
        answer = await self.world.forgot_password(client_id=self.client_id, username=username)
        return answer["code_delivery_details"]

    async def confirm(self, code: str, password: str = NEXT, username: str = "anna") -> Any:
        return await self.world.confirm_forgot_password(
            client_id=self.client_id, username=username, confirmation_code=code, password=password
        )

    async def token(self, password: str = PASSWORD) -> str:
        answer = await self.world.sign_in(self.client_id, password=password)
        return str(answer["access_token"])

    async def attributes(self) -> dict[str, str]:
        shown = await self.world.admin_get_user(user_pool_id=self.pool_id, username="anna")
        return {one["name"]: one["value"] for one in shown["user_attributes"]}


def other(code: str) -> str:
    return "000000" if code != "000000" else "111111"


# --- forgotten passwords ----------------------------------------------------------------------------------------------


async def test_a_forgotten_password_is_replaced_by_whoever_reads_the_mail(world: World) -> None:
    life = await Life.begin(world)

    details = await life.forgot()
    code = await life.code()
    await life.confirm(code)

    assert details == {"attribute_name": "email", "delivery_medium": "EMAIL", "destination": "a***@e***"}
    await world.sign_in(life.client_id, password=NEXT)
    async with refused("NotAuthorizedException", "Incorrect username or password."):
        await world.sign_in(life.client_id, password=PASSWORD)
    async with refused("ExpiredCodeException", EXPIRED):
        await life.confirm(code)


async def test_a_code_is_good_for_an_hour(world: World) -> None:
    life = await Life.begin(world)
    await life.forgot()
    code = await life.code()
    world.later(hours=1)

    async with refused("ExpiredCodeException", EXPIRED):
        await life.confirm(code)


async def test_a_code_s_last_second_counts(world: World) -> None:
    life = await Life.begin(world)
    await life.forgot()
    world.later(seconds=3599)

    await life.confirm(await life.code())


async def test_five_guesses_are_all_that_an_hour_has(world: World) -> None:
    life = await Life.begin(world)
    await life.forgot()
    code = await life.code()
    for _ in range(5):
        async with refused("CodeMismatchException", MISMATCH):
            await life.confirm(other(code))

    async with refused("LimitExceededException", TOO_OFTEN):
        await life.confirm(code)


async def test_of_racing_confirmations_one_sets_the_password(world: World) -> None:
    life = await Life.begin(world)
    await life.forgot()
    code = await life.code()

    answers = await asyncio.gather(*(life.confirm(code, f"Passw0rd!{n}") for n in range(3)), return_exceptions=True)

    assert sum(answer == {} for answer in answers) == 1


async def test_a_code_of_another_purpose_opens_nothing(world: World) -> None:
    life = await Life.begin(world, auto_verified_attributes=("email",))
    await life.forgot()
    code = await life.code()

    async with refused("ExpiredCodeException", EXPIRED):
        await world.verify_user_attribute(access_token=await life.token(), attribute_name="email", code=code)


async def test_a_weak_password_spends_no_code(world: World) -> None:
    life = await Life.begin(world)
    await life.forgot()

    async with refused("InvalidPasswordException"):
        await life.confirm(await life.code(), "weak")
    await life.confirm(await life.code())


async def test_the_sixth_request_within_an_hour_sends_nothing(world: World) -> None:
    life = await Life.begin(world)
    for _ in range(5):
        await life.forgot()

    async with refused("LimitExceededException", TOO_OFTEN):
        await life.forgot()
    async with refused("LimitExceededException", TOO_OFTEN):
        for _ in range(6):
            await life.forgot("nobody")
    assert len(await world.pools.outbox.messages(life.pool_id)) == 5
    world.later(hours=1)
    await life.forgot()


async def test_who_is_not_there_is_answered_like_who_is(world: World) -> None:
    life = await Life.begin(world)
    await world.user(life.pool_id, "berta")
    await world.user(life.pool_id, "carla", email="carla@example.com", email_verified="true")
    await world.admin_disable_user(user_pool_id=life.pool_id, username="carla")

    answers = [await life.forgot(name) for name in ("anna", "nobody", "berta", "carla")]

    assert [set(answer) for answer in answers] == [{"attribute_name", "delivery_medium", "destination"}] * 4
    assert await life.forgot("nobody") == answers[1]
    assert len(await world.pools.outbox.messages(life.pool_id)) == 1
    for name in ("nobody", "carla"):
        async with refused("CodeMismatchException", MISMATCH):
            await life.confirm("123456", username=name)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"username_attributes": ("phone_number", "email")}, ("+15555550100", "+15555550199")),
        ({"username_attributes": ("phone_number", "email")}, ("anna@example.com", "none@example.com")),
        ({"auto_verified_attributes": ("phone_number",)}, ("anna", "nobody")),
        ({"auto_verified_attributes": ("email",)}, ("anna", "nobody")),
    ],
)
async def test_the_way_that_a_code_seems_to_go_is_the_one_it_would_go(
    world: World, settings: dict[str, Any], names: tuple[str, str]
) -> None:
    """By mail or by SMS: a pool of phones that answers strangers with mail addresses tells who is a stranger."""
    allowed = SignInPolicy(allowed_first_auth_factors=("PASSWORD", "EMAIL_OTP", "SMS_OTP"))
    pool_id = await world.pool(
        **{"auto_verified_attributes": ("email", "phone_number"), **settings},
        policies=UserPoolPolicies(sign_in_policy=allowed),
    )
    client_id = await world.client(pool_id, explicit_auth_flows=("ALLOW_USER_AUTH",))
    kind = (
        "phone_number"
        if names[0].startswith("+") or settings.get("auto_verified_attributes") == ("phone_number",)
        else "email"
    )
    address = {"phone_number": "+15555550100", "email": "anna@example.com"}[kind]
    signed_up = await world.sign_up(
        client_id=client_id, username=names[0], password=PASSWORD, user_attributes=attribute_list(**{kind: address})
    )
    seen: dict[str, list[Any]] = {name: [] for name in names}
    for name in names:
        seen[name].append(await world.resend_confirmation_code(client_id=client_id, username=name))
    await world.admin_confirm_sign_up(user_pool_id=pool_id, username=names[0])
    await world.admin_update_user_attributes(
        user_pool_id=pool_id, username=names[0], user_attributes=attribute_list(**{f"{kind}_verified": "true"})
    )
    for name in names:
        seen[name].append(await world.forgot_password(client_id=client_id, username=name))
        begun = await world.initiate_auth(
            auth_flow="USER_AUTH", client_id=client_id, auth_parameters={"USERNAME": name}
        )
        seen[name].append(begun["available_challenges"])

    def ways(answers: list[Any]) -> list[Any]:
        return [
            answer["code_delivery_details"]["delivery_medium"] if isinstance(answer, dict) else answer
            for answer in answers
        ]

    assert signed_up["code_delivery_details"]["delivery_medium"] == ways(seen[names[0]])[0]
    assert ways(seen[names[0]]) == ways(seen[names[1]])


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("nobody", "UserNotFoundException", "Username/client id combination not found."),
        (
            "berta",
            "InvalidParameterException",
            "Cannot reset password for the user as there is no registered/verified email or phone_number",
        ),
        ("carla", "NotAuthorizedException", "User is disabled."),
    ],
)
async def test_a_client_that_hides_nothing_is_told(world: World, name: str, code: str, message: str) -> None:
    life = await Life.begin(world, hides=False)
    await world.user(life.pool_id, "berta", email="berta@example.com")
    await world.user(life.pool_id, "carla", email="carla@example.com", email_verified="true")
    await world.admin_disable_user(user_pool_id=life.pool_id, username="carla")

    async with refused(code, message):
        await life.forgot(name)


async def test_a_temporary_password_cannot_be_forgotten(world: World) -> None:
    life = await Life.begin(world, hides=False)
    await world.admin_set_user_password(user_pool_id=life.pool_id, username="anna", password=NEXT, permanent=False)

    async with refused("NotAuthorizedException", "User password cannot be reset in the current state."):
        await life.forgot()


BOTH = {
    "email": "a@b.example",
    "email_verified": "true",
    "phone_number": "+15550101234",
    "phone_number_verified": "true",
}


@pytest.mark.parametrize(
    ("order", "medium"),
    [((), "SMS"), (("verified_email", "verified_phone_number"), "EMAIL"), (("verified_phone_number",), "SMS")],
)
async def test_the_code_goes_where_the_pool_says(world: World, order: Any, medium: str) -> None:
    options = tuple(RecoveryOption(priority=n + 1, name=name) for n, name in enumerate(order))
    setting = AccountRecoverySetting(recovery_mechanisms=options) if options else None
    life = await Life.begin(world, attributes=BOTH, account_recovery_setting=setting)

    assert (await life.forgot())["delivery_medium"] == medium


async def test_a_pool_may_leave_it_to_its_administrators(world: World) -> None:
    setting = AccountRecoverySetting(recovery_mechanisms=(RecoveryOption(priority=1, name="admin_only"),))
    life = await Life.begin(world, hides=False, account_recovery_setting=setting)

    async with refused("NotAuthorizedException", "Contact administrator to reset password."):
        await life.forgot()


async def test_an_administrator_s_reset_has_to_be_followed(world: World) -> None:
    life = await Life.begin(world)

    await world.admin_reset_user_password(user_pool_id=life.pool_id, username="anna")

    async with refused("PasswordResetRequiredException", "Password reset required for the user"):
        await world.sign_in(life.client_id, password=PASSWORD)
    await life.confirm(await life.code())
    await world.sign_in(life.client_id, password=NEXT)


# --- codes again ------------------------------------------------------------------------------------------------------


async def signed_up(world: World, **pool: Any) -> tuple[str, str]:
    pool_id = await world.pool(**{"auto_verified_attributes": ("email",), **pool})
    client_id = await world.client(pool_id)
    address = attribute_list(email="anna@example.com")
    await world.sign_up(client_id=client_id, username="anna", password=PASSWORD, user_attributes=address)
    return pool_id, client_id


async def test_a_code_that_is_sent_again_replaces_the_one_before(world: World) -> None:
    pool_id, client_id = await signed_up(world)
    who = {"client_id": client_id, "username": "anna"}
    [first] = await world.pools.outbox.messages(pool_id)

    answer = await world.resend_confirmation_code(**who)
    newest = (await world.pools.outbox.messages(pool_id))[0]

    assert answer["code_delivery_details"]["destination"] == "a***@e***"
    assert newest.kind == "CustomMessage_ResendCode"
    async with refused("CodeMismatchException", MISMATCH):
        await world.confirm_sign_up(**who, confirmation_code=first.text.rpartition(" ")[2])
    await world.confirm_sign_up(**who, confirmation_code=newest.text.rpartition(" ")[2])
    async with refused("InvalidParameterException", "User is already confirmed."):
        await world.resend_confirmation_code(**who)


async def test_five_codes_an_hour_are_sent_again(world: World) -> None:
    _, client_id = await signed_up(world)
    for _ in range(5):
        await world.resend_confirmation_code(client_id=client_id, username="anna")

    async with refused("LimitExceededException", TOO_OFTEN):
        await world.resend_confirmation_code(client_id=client_id, username="anna")


async def test_no_code_is_sent_again_to_who_is_not_there_and_nobody_can_tell(world: World) -> None:
    pool_id, client_id = await signed_up(world)

    answer = await world.resend_confirmation_code(client_id=client_id, username="nobody")

    assert set(answer["code_delivery_details"]) == {"attribute_name", "delivery_medium", "destination"}
    assert answer == await world.resend_confirmation_code(client_id=client_id, username="nobody")
    assert len(await world.pools.outbox.messages(pool_id)) == 1


async def test_a_pool_that_verifies_nothing_sends_no_code(world: World) -> None:
    _, client_id = await signed_up(world, auto_verified_attributes=())

    for name in ("anna", "nobody"):
        async with refused("InvalidParameterException", "Cannot resend codes. Auto verification not turned on."):
            await world.resend_confirmation_code(client_id=client_id, username=name)


async def test_that_somebody_is_confirmed_is_not_said_where_administrators_make_the_users(world: World) -> None:
    """Where people sign themselves up, SignUp says that a name is taken, and AWS's sentences are kept."""
    own = AdminCreateUserConfig(allow_admin_create_user_only=True)
    pool_id = await world.pool(auto_verified_attributes=("email",), admin_create_user_config=own)
    client_id = await world.client(pool_id)
    telling = await world.client(pool_id, prevent_user_existence_errors="LEGACY")
    await world.user(pool_id, email="anna@example.com", email_verified="true")

    answers = [await world.resend_confirmation_code(client_id=client_id, username=name) for name in ("anna", "nobody")]
    for name in ("anna", "nobody"):
        async with refused("CodeMismatchException", MISMATCH):
            await world.confirm_sign_up(client_id=client_id, username=name, confirmation_code="123456")

    assert answers[0].keys() == answers[1].keys()
    assert all(a["code_delivery_details"]["destination"] != "a***@e***" for a in answers)
    assert not await world.pools.outbox.messages(pool_id)
    async with refused("InvalidParameterException", "User is already confirmed."):
        await world.resend_confirmation_code(client_id=telling, username="anna")
    async with refused("NotAuthorizedException", "User cannot be confirmed. Current status is CONFIRMED"):
        await world.confirm_sign_up(client_id=telling, username="anna", confirmation_code="123456")


async def test_that_an_address_is_somebodys_is_not_said_by_sending_codes_to_it_again(world: World) -> None:
    pool_id = await world.pool(auto_verified_attributes=("email",), alias_attributes=("email",))
    client_id = await world.client(pool_id)
    await world.user(pool_id, email="anna@example.com", email_verified="true")

    answers = [
        await world.resend_confirmation_code(client_id=client_id, username=f"{name}@example.com")
        for name in ("anna", "alan")
    ]
    for name in ("anna", "alan"):
        async with refused("CodeMismatchException", MISMATCH):
            await world.confirm_sign_up(client_id=client_id, username=f"{name}@example.com", confirmation_code="123456")

    assert answers[0] == answers[1]
    assert not await world.pools.outbox.messages(pool_id)
    async with refused("InvalidParameterException", "User is already confirmed."):
        await world.resend_confirmation_code(client_id=client_id, username="anna")


# --- attributes -------------------------------------------------------------------------------------------------------


async def test_an_address_is_verified_by_its_code(world: World) -> None:
    life = await Life.begin(world, attributes={"email": "anna@example.com"})
    token = await life.token()

    sent = await world.get_user_attribute_verification_code(access_token=token, attribute_name="email")
    code = await life.code()
    async with refused("CodeMismatchException", MISMATCH):
        await world.verify_user_attribute(access_token=token, attribute_name="email", code=other(code))
    await world.verify_user_attribute(access_token=token, attribute_name="email", code=code)

    assert sent["code_delivery_details"]["delivery_medium"] == "EMAIL"
    assert (await life.attributes())["email_verified"] == "true"
    async with refused("ExpiredCodeException", EXPIRED):
        await world.verify_user_attribute(access_token=token, attribute_name="email", code=code)


async def test_a_changed_address_gets_a_code_and_is_not_verified_until_it_is_shown(world: World) -> None:
    life = await Life.begin(world, auto_verified_attributes=("email",))
    token = await life.token()

    answer = await world.update_user_attributes(
        access_token=token, user_attributes=attribute_list(email="b@new.example")
    )

    assert answer["code_delivery_details_list"] == [
        {"attribute_name": "email", "delivery_medium": "EMAIL", "destination": "b***@n***"}
    ]
    before = await life.attributes()
    await world.verify_user_attribute(access_token=token, attribute_name="email", code=await life.code())
    after = await life.attributes()
    assert (before["email"], before["email_verified"]) == ("b@new.example", "false")
    assert (after["email"], after["email_verified"]) == ("b@new.example", "true")


async def test_nobody_fills_other_peoples_inboxes_by_changing_their_own_address(world: World) -> None:
    life = await Life.begin(world, auto_verified_attributes=("email",))
    token = await life.token()

    async def change(number: int) -> Any:
        address = attribute_list(email=f"inbox{number}@example.com")
        return await world.update_user_attributes(access_token=token, user_attributes=address)

    for number in range(4):
        await change(number)
    await world.get_user_attribute_verification_code(access_token=token, attribute_name="email")
    async with refused("LimitExceededException", "Attempt limit exceeded, please try after some time."):
        await change(5)
    await world.update_user_attributes(access_token=token, user_attributes=attribute_list(name="Anna"))

    assert (await life.attributes())["email"] == "inbox3@example.com"
    assert len(await world.pools.outbox.messages(life.pool_id)) == 5
    world.later(hours=1)
    life_goes_on = await world.sign_in(life.client_id)
    token = life_goes_on["access_token"]
    await change(6)


async def test_a_pool_may_keep_the_old_address_until_the_new_one_is_proven(world: World) -> None:
    settings = UserAttributeUpdateSettings(attributes_require_verification_before_update=("email",))
    life = await Life.begin(world, auto_verified_attributes=("email",), user_attribute_update_settings=settings)
    token = await life.token()

    await world.update_user_attributes(
        access_token=token, user_attributes=attribute_list(email="b@new.example", name="A")
    )
    before = await life.attributes()
    [message] = [m for m in await world.pools.outbox.messages(life.pool_id) if m.to == "b@new.example"]
    await world.verify_user_attribute(access_token=token, attribute_name="email", code=await life.code())
    after = await life.attributes()

    assert message.kind == "CustomMessage_UpdateUserAttribute"
    assert (before["email"], before["email_verified"], before["name"]) == ("anna@example.com", "true", "A")
    assert (after["email"], after["email_verified"]) == ("b@new.example", "true")


async def test_an_address_that_an_administrator_changes_gets_a_code_unless_they_say_that_it_is_verified(
    world: World,
) -> None:
    life = await Life.begin(world, auto_verified_attributes=("email",))

    async def change(**given: str) -> None:
        await world.admin_update_user_attributes(
            user_pool_id=life.pool_id, username="anna", user_attributes=attribute_list(**given)
        )

    await change(email="b@new.example", name="A")
    [message] = await world.pools.outbox.messages(life.pool_id)
    code, before = await life.code(), await life.attributes()
    await world.verify_user_attribute(access_token=await life.token(), attribute_name="email", code=code)
    verified = await life.attributes()
    await change(email="c@new.example", email_verified="true")
    await change(email="c@new.example", phone_number="+15555550100")

    assert (message.to, message.kind) == ("b@new.example", "CustomMessage_UpdateUserAttribute")
    assert (before["email"], before["email_verified"], before["name"]) == ("b@new.example", "false", "A")
    assert (verified["email"], verified["email_verified"]) == ("b@new.example", "true")
    assert ((await life.attributes())["email"], (await life.attributes())["email_verified"]) == (
        "c@new.example",
        "true",
    )
    assert len(await world.pools.outbox.messages(life.pool_id)) == 1


async def test_an_old_address_stays_until_the_one_of_an_administrator_is_proven(world: World) -> None:
    settings = UserAttributeUpdateSettings(attributes_require_verification_before_update=("email",))
    life = await Life.begin(world, auto_verified_attributes=("email",), user_attribute_update_settings=settings)

    async def change(**given: str) -> dict[str, str]:
        await world.admin_update_user_attributes(
            user_pool_id=life.pool_id, username="anna", user_attributes=attribute_list(**given)
        )
        return await life.attributes()

    waiting = await change(email="b@new.example", email_verified="false", name="A")
    await world.verify_user_attribute(access_token=await life.token(), attribute_name="email", code=await life.code())
    proven = await life.attributes()
    at_once = await change(email="c@new.example", email_verified="true")

    assert (waiting["email"], waiting["email_verified"], waiting["name"]) == ("anna@example.com", "true", "A")
    assert (proven["email"], proven["email_verified"]) == ("b@new.example", "true")
    assert (at_once["email"], at_once["email_verified"]) == ("c@new.example", "true")


async def test_an_address_that_nobody_verifies_cannot_be_waited_for(world: World) -> None:
    settings = UserAttributeUpdateSettings(attributes_require_verification_before_update=("email",))

    async with refused("InvalidParameterException"):
        await world.pool(user_attribute_update_settings=settings)


async def test_an_alias_stays_with_who_has_proven_it(world: World) -> None:
    life = await Life.begin(world, alias_attributes=("email",), auto_verified_attributes=("email",))
    await world.user(life.pool_id, "berta", email="berta@example.com", email_verified="true")
    token = await life.token()
    await world.update_user_attributes(access_token=token, user_attributes=attribute_list(email="berta@example.com"))

    async with refused("AliasExistsException", "An account with the email already exists."):
        await world.verify_user_attribute(access_token=token, attribute_name="email", code=await life.code())


@pytest.mark.parametrize("name", ["name", "custom:shoe", "sub"])
async def test_only_addresses_are_verified(world: World, name: str) -> None:
    life = await Life.begin(world)

    async with refused("InvalidParameterException"):
        await world.get_user_attribute_verification_code(access_token=await life.token(), attribute_name=name)


async def test_attributes_are_taken_away(world: World) -> None:
    life = await Life.begin(world, attributes={"email": "anna@example.com", "name": "Anna", "nickname": "A"})

    await world.delete_user_attributes(access_token=await life.token(), user_attribute_names=("nickname",))
    await world.admin_delete_user_attributes(
        user_pool_id=life.pool_id, username="anna", user_attribute_names=("name", "email")
    )

    left = await life.attributes()
    assert not {"name", "nickname", "email", "email_verified"} & set(left)


async def test_what_a_client_may_not_write_or_a_pool_needs_is_not_taken_away(world: World) -> None:
    pool_id = await world.pool(schema=(SchemaAttribute(name="email", required=True),))
    client_id = await world.client(pool_id, write_attributes=("email",))
    await world.user(pool_id, email="anna@example.com", name="Anna")
    answer = await world.sign_in(client_id)
    token = answer["access_token"]

    async with refused("NotAuthorizedException", "A client attempted to write unauthorized attribute"):
        await world.delete_user_attributes(access_token=token, user_attribute_names=("name",))
    async with refused("InvalidParameterException"):
        await world.delete_user_attributes(access_token=token, user_attribute_names=("email",))


async def test_custom_attributes_are_added_all_or_none(world: World) -> None:
    pool_id = await world.pool()
    shoe, hat = SchemaAttribute(name="shoe", attribute_data_type="Number"), SchemaAttribute(name="hat")

    await world.add_custom_attributes(user_pool_id=pool_id, custom_attributes=(shoe,))

    async with refused("InvalidParameterException", "custom:shoe: Existing attribute already has name custom:shoe."):
        await world.add_custom_attributes(user_pool_id=pool_id, custom_attributes=(hat, shoe))
    shown = (await world.describe_user_pool(user_pool_id=pool_id))["user_pool"]["schema_attributes"]
    assert [one["name"] for one in shown if one["name"].startswith("custom:")] == ["custom:shoe"]
    await world.user(pool_id, **{"custom:shoe": "42"})


# --- passwords that were used before ----------------------------------------------------------------------------------


async def with_history(world: World, size: int) -> Life:
    policies = UserPoolPolicies(password_policy=PasswordPolicySettings(password_history_size=size))
    return await Life.begin(world, policies=policies)


async def test_the_last_passwords_are_not_used_again(world: World) -> None:
    life = await with_history(world, 3)
    for number in (1, 2):
        await world.admin_set_user_password(
            user_pool_id=life.pool_id, username="anna", password=f"password{number}", permanent=True
        )
    token = await life.token("password2")

    for used in (PASSWORD, "password1", "password2"):
        async with refused("PasswordHistoryPolicyViolationException", "Password has previously been used."):
            await world.change_password(access_token=token, previous_password="password2", proposed_password=used)
    await world.change_password(access_token=token, previous_password="password2", proposed_password="password3")
    await world.admin_set_user_password(user_pool_id=life.pool_id, username="anna", password=PASSWORD, permanent=True)


async def test_a_code_does_not_bring_an_old_password_back(world: World) -> None:
    life = await with_history(world, 1)
    await life.forgot()

    async with refused("PasswordHistoryPolicyViolationException"):
        await life.confirm(await life.code(), PASSWORD)
    await life.confirm(await life.code())


async def test_without_a_history_a_password_may_be_used_again(world: World) -> None:
    life = await Life.begin(world)
    token = await life.token()

    await world.change_password(access_token=token, previous_password=PASSWORD, proposed_password=PASSWORD)


async def test_a_history_has_at_most_twenty_four(world: World) -> None:
    async with refused("InvalidParameterException", "PasswordHistorySize must be from 0 to 24."):
        await with_history(world, 25)


# --- triggers ---------------------------------------------------------------------------------------------------------


def raises(text: str) -> Any:
    def handler(_event: dict[str, Any]) -> None:
        raise RaisedInFunction(text)

    return handler


async def test_a_function_confirms_and_verifies_who_signs_up(world: World) -> None:
    before = world.functions.answers("before", autoConfirmUser=True, autoVerifyEmail=True)
    pool_id, client_id = await signed_up(
        world, lambda_config=LambdaConfig(pre_sign_up=before, post_confirmation=world.functions.answers("after"))
    )

    await world.sign_in(client_id)

    assert world.functions.sources() == ["PreSignUp_SignUp", "PostConfirmation_ConfirmSignUp"]
    assert await world.pools.outbox.messages(pool_id) == []
    shown = await world.admin_get_user(user_pool_id=pool_id, username="anna")
    assert {"name": "email_verified", "value": "true"} in shown["user_attributes"]


async def test_a_function_that_raises_lets_nobody_sign_up(world: World) -> None:
    arn = world.functions.define("before", raises("by invitation only"))
    pool_id = await world.pool(lambda_config=LambdaConfig(pre_sign_up=arn))
    client_id = await world.client(pool_id)
    message = "PreSignUp failed with error by invitation only."

    async with refused("UserLambdaValidationException", message):
        await world.sign_up(client_id=client_id, username="anna", password=PASSWORD)
    async with refused("UserLambdaValidationException", message):
        await world.admin_create_user(user_pool_id=pool_id, username="anna")
    assert (await world.list_users(user_pool_id=pool_id))["users"] == []


async def test_a_function_cannot_verify_an_address_that_is_not_there(world: World) -> None:
    arn = world.functions.answers("before", autoVerifyPhone=True)

    async with refused("InvalidLambdaResponseException", "Unrecognizable lambda output"):
        await signed_up(world, lambda_config=LambdaConfig(pre_sign_up=arn))


async def test_what_a_sign_up_brings_along_reaches_the_function(world: World) -> None:
    pool_id = await world.pool(lambda_config=LambdaConfig(pre_sign_up=world.functions.answers("before")))
    client_id = await world.client(pool_id)

    await world.sign_up(
        client_id=client_id,
        username="anna",
        password=PASSWORD,
        validation_data=attribute_list(code="friends"),
        client_metadata={"from": "test"},
    )

    request = world.functions.events[0]["request"]
    assert (request["validationData"], request["clientMetadata"]) == ({"code": "friends"}, {"from": "test"})


async def test_a_confirmation_is_told_and_stands_even_if_the_function_fails(world: World) -> None:
    arn = world.functions.define("after", raises("too late"))
    pool_id, client_id = await signed_up(world, lambda_config=LambdaConfig(post_confirmation=arn))
    code = (await world.pools.outbox.messages(pool_id))[0].text.rpartition(" ")[2]

    async with refused("UserLambdaValidationException", "PostConfirmation failed with error too late."):
        await world.confirm_sign_up(client_id=client_id, username="anna", confirmation_code=code)

    await world.sign_in(client_id)


async def test_a_recovered_password_is_told(world: World) -> None:
    life = await Life.begin(world, lambda_config=LambdaConfig(post_confirmation=world.functions.answers("after")))
    await life.forgot()

    await life.confirm(await life.code())

    assert world.functions.sources() == ["PostConfirmation_ConfirmForgotPassword"]


async def test_a_function_finds_the_words_of_a_message(world: World) -> None:
    arn = world.functions.answers("words", emailSubject="Hello", emailMessage="Your digits: {####}")
    pool_id, client_id = await signed_up(world, lambda_config=LambdaConfig(custom_message=arn))

    [message] = await world.pools.outbox.messages(pool_id)
    code = message.text.removeprefix("Your digits: ")
    await world.confirm_sign_up(client_id=client_id, username="anna", confirmation_code=code)

    assert message.subject == "Hello"
    event = world.functions.events[0]
    assert event["triggerSource"] == "CustomMessage_SignUp"
    assert event["request"]["codeParameter"] == "{####}"
    assert code not in str(event)


async def test_words_without_the_code_are_refused(world: World) -> None:
    arn = world.functions.answers("words", emailMessage="Hello")

    async with refused("InvalidLambdaResponseException", "Unrecognizable lambda output"):
        await signed_up(world, lambda_config=LambdaConfig(custom_message=arn))


async def test_an_invitation_needs_the_user_s_name_too(world: World) -> None:
    good = world.functions.answers("words", emailMessage="{username}: {####}")
    bad = world.functions.answers("too-few", emailMessage="{####}")
    address = attribute_list(email="anna@example.com")
    pool_id = await world.pool(lambda_config=LambdaConfig(custom_message=good))
    other_id = await world.pool(lambda_config=LambdaConfig(custom_message=bad))

    await world.admin_create_user(user_pool_id=pool_id, username="anna", user_attributes=address)

    [message] = await world.pools.outbox.messages(pool_id)
    assert message.text.startswith("anna: ")
    async with refused("InvalidLambdaResponseException"):
        await world.admin_create_user(user_pool_id=other_id, username="anna", user_attributes=address)


async def test_somebody_without_a_password_signs_up_where_codes_sign_in(world: World) -> None:
    policies = UserPoolPolicies(sign_in_policy=SignInPolicy(allowed_first_auth_factors=("PASSWORD", "EMAIL_OTP")))
    pool_id = await world.pool(policies=policies, auto_verified_attributes=("email",))
    client_id = await world.client(pool_id)

    await world.sign_up(client_id=client_id, username="anna", user_attributes=attribute_list(email="a@b.example"))

    only_passwords = await world.client(await world.pool())
    async with refused("InvalidParameterException"):
        await world.sign_up(client_id=only_passwords, username="anna")


async def test_whom_an_administrator_makes_without_a_password_signs_in_by_code_at_once(world: World) -> None:
    policies = UserPoolPolicies(sign_in_policy=SignInPolicy(allowed_first_auth_factors=("PASSWORD", "EMAIL_OTP")))
    pool_id = await world.pool(policies=policies)
    client_id = await world.client(pool_id, explicit_auth_flows=("ALLOW_USER_AUTH", "ALLOW_USER_PASSWORD_AUTH"))
    address = attribute_list(email="anna@example.com", email_verified="true")

    made = await world.admin_create_user(user_pool_id=pool_id, username="anna", user_attributes=address)
    [welcome] = await world.pools.outbox.messages(pool_id)
    asked = await world.initiate_auth(
        auth_flow="USER_AUTH",
        client_id=client_id,
        auth_parameters={"USERNAME": "anna", "PREFERRED_CHALLENGE": "EMAIL_OTP"},
    )
    code = (await world.pools.outbox.messages(pool_id))[0].text.rpartition(" ")[2].rstrip(".")
    signed_in = await world.respond(client_id, asked, {"USERNAME": "anna", "EMAIL_OTP_CODE": code})

    assert made["user"]["user_status"] == "CONFIRMED"
    assert (welcome.subject, welcome.text) == ("Your new account", "Your username is anna.")
    assert asked["available_challenges"] == ("EMAIL_OTP",)
    assert signed_in["authentication_result"]["access_token"]
    for password in ("", PASSWORD):
        async with refused("NotAuthorizedException" if password else "InvalidParameterException"):
            await world.sign_in(client_id, password=password)


async def test_a_password_is_made_up_where_nothing_else_signs_anybody_in(world: World) -> None:
    codes = UserPoolPolicies(sign_in_policy=SignInPolicy(allowed_first_auth_factors=("PASSWORD", "EMAIL_OTP")))
    address = attribute_list(email="anna@example.com")
    only_passwords, with_codes = await world.pool(), await world.pool(policies=codes)

    made = [
        await world.admin_create_user(user_pool_id=only_passwords, username="anna", user_attributes=address),
        await world.admin_create_user(user_pool_id=with_codes, username="bert", message_action="SUPPRESS"),
        await world.admin_create_user(
            user_pool_id=with_codes, username="carl", user_attributes=address, temporary_password=PASSWORD
        ),
    ]

    assert [one["user"]["user_status"] for one in made] == ["FORCE_CHANGE_PASSWORD"] * 3


async def test_who_has_no_password_sets_a_first_one_without_an_old_one(world: World) -> None:
    policies = UserPoolPolicies(sign_in_policy=SignInPolicy(allowed_first_auth_factors=("PASSWORD", "EMAIL_OTP")))
    pool_id = await world.pool(policies=policies, auto_verified_attributes=("email",))
    client_id = await world.client(pool_id, explicit_auth_flows=("ALLOW_USER_AUTH", "ALLOW_USER_PASSWORD_AUTH"))
    address = attribute_list(email="anna@example.com")
    await world.sign_up(client_id=client_id, username="anna", user_attributes=address)
    [message] = await world.pools.outbox.messages(pool_id)
    confirmed = await world.confirm_sign_up(
        client_id=client_id, username="anna", confirmation_code=message.text.rpartition(" ")[2]
    )
    signed_in = await world.initiate_auth(
        auth_flow="USER_AUTH",
        client_id=client_id,
        auth_parameters={"USERNAME": "anna"},
        session=confirmed["session"],
    )
    token = signed_in["authentication_result"]["access_token"]

    async with refused("NotAuthorizedException", "Incorrect username or password."):
        await world.change_password(access_token=token, previous_password=PASSWORD, proposed_password=PASSWORD)
    async with refused("InvalidPasswordException"):
        await world.change_password(access_token=token, proposed_password="weak")
    answers = await asyncio.gather(
        *(world.change_password(access_token=token, proposed_password=f"{PASSWORD}{n}") for n in range(3)),
        return_exceptions=True,
    )

    assert answers.count({}) == 1
    await world.sign_in(client_id, password=f"{PASSWORD}{answers.index({})}")
    async with refused("InvalidParameterException", "Missing required parameter PreviousPassword"):
        await world.change_password(access_token=token, proposed_password=PASSWORD)


async def test_a_function_finds_the_words_of_a_sign_in_s_code(world: World) -> None:
    arn = world.functions.answers("words", emailSubject="In", emailMessage="Digits: {####}")
    policies = UserPoolPolicies(sign_in_policy=SignInPolicy(allowed_first_auth_factors=("PASSWORD", "EMAIL_OTP")))
    pool_id = await world.pool(policies=policies, lambda_config=LambdaConfig(custom_message=arn))
    client_id = await world.client(pool_id, explicit_auth_flows=("ALLOW_USER_AUTH",))
    await world.user(pool_id, email="anna@example.com", email_verified="true")

    await world.initiate_auth(
        auth_flow="USER_AUTH",
        client_id=client_id,
        auth_parameters={"USERNAME": "anna", "PREFERRED_CHALLENGE": "EMAIL_OTP"},
    )

    [message] = await world.pools.outbox.messages(pool_id)
    assert message.text.startswith("Digits: ")
    assert world.functions.sources() == ["CustomMessage_Authentication"]


async def test_owner_is_told_that_no_code_of_a_disabled_user_counts(world: World) -> None:
    pool_id, client_id = await world.some_user()
    await world.admin_disable_user(user_pool_id=pool_id, username="anna")
    guess = {"client_id": client_id, "username": "anna", "confirmation_code": "000000", "password": "Another-horse-1"}

    async with refused("ExpiredCodeException") as before:
        await world.confirm_forgot_password(**guess)
    await world.forgot_password(client_id=client_id, username="anna")
    async with refused("CodeMismatchException") as after:
        await world.confirm_forgot_password(**guess)

    assert all("nobody of this name can use one" in refusal.value.detail for refusal in (before, after))


async def test_guesses_at_a_recovery_code_are_answered_the_same_whoever_is_there(world: World) -> None:
    pool_id, client_id = await world.some_user()
    await world.user(pool_id, "berta")
    await world.user(pool_id, "dora", email="d@example.com", email_verified="true")
    await world.admin_disable_user(user_pool_id=pool_id, username="dora")

    async def guess(name: str) -> tuple[str, str]:
        with pytest.raises(ServiceError) as refusal:
            await world.confirm_forgot_password(
                client_id=client_id, username=name, confirmation_code="000000", password="Another-horse-1"
            )
        return refusal.value.code, refusal.value.message

    async def story(name: str) -> list[tuple[str, str]]:
        told = [await guess(name)]
        await world.forgot_password(client_id=client_id, username=name)
        told += [await guess(name) for _ in range(7)]
        await world.forgot_password(client_id=client_id, username=name)
        return [*told, await guess(name)]

    stories = {name: await story(name) for name in ("anna", "berta", "dora", "nobody")}

    codes = [code for code, _ in stories["anna"]]
    assert codes == ["ExpiredCodeException", *["CodeMismatchException"] * 5, *["LimitExceededException"] * 3]
    assert stories == dict.fromkeys(stories, stories["anna"])
    world.later(hours=1)
    for name in stories:
        assert (await guess(name))[0] == "CodeMismatchException"
    world.later(days=1)
    await world.forgot_password(client_id=client_id, username="another")
    for name in stories:
        assert (await guess(name))[0] == "ExpiredCodeException"
