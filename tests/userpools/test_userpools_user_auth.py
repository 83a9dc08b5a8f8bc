"""USER_AUTH: choosing how to show who one is, and what strangers learn from the choice."""

import asyncio
import base64
from typing import Any

import msgspec
import pytest

from support.userpools import PASSWORD, World, attribute_list, claims_of, refused, srp_client
from velvetrope.base64url import encode_base64url
from velvetrope.store.tables.userpools import EmailMfaConfig, PasswordPolicySettings
from velvetrope.userpools.errors import LimitExceededException
from velvetrope.userpools.factors.mfa_operations import MfaSettings
from velvetrope.userpools.shapes import SignInPolicy, UserPoolPolicies

WRONG = "Incorrect username or password."
FLOWS = ("ALLOW_USER_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH")
ALL = ("PASSWORD_SRP", "PASSWORD", "EMAIL_OTP", "SMS_OTP")


async def passwordless_pool(world: World, **client_settings: Any) -> tuple[str, str]:
    """A pool that allows codes by mail and SMS, a client, and the user anna with both addresses."""
    pool_id = await world.pool(
        policies=UserPoolPolicies(
            password_policy=PasswordPolicySettings(),
            sign_in_policy=SignInPolicy(allowed_first_auth_factors=("PASSWORD", "EMAIL_OTP", "SMS_OTP")),
        )
    )
    client_settings.setdefault("explicit_auth_flows", FLOWS)
    client_id = await world.client(pool_id, **client_settings)
    await world.user(
        pool_id,
        email="anna@example.com",
        email_verified="true",
        phone_number="+15551234567",
        phone_number_verified="true",
    )
    return pool_id, client_id


async def owe_a_code(world: World, pool_id: str) -> None:
    """From now on a code by mail is anna's second factor."""
    await world.set_user_pool_mfa_config(
        user_pool_id=pool_id, mfa_configuration="OPTIONAL", email_mfa_configuration=EmailMfaConfig()
    )
    await world.admin_set_user_mfa_preference(
        user_pool_id=pool_id, username="anna", email_mfa_settings=MfaSettings(enabled=True)
    )


async def begin(world: World, client_id: str, username: str = "anna", **more: str) -> Any:
    return await world.initiate_auth(
        auth_flow="USER_AUTH", client_id=client_id, auth_parameters={"USERNAME": username, **more}
    )


async def test_choice_lists_what_the_user_can_answer(world: World) -> None:
    pool_id, client_id = await passwordless_pool(world)
    assert (await begin(world, client_id))["available_challenges"] == ALL

    await world.admin_update_user_attributes(
        user_pool_id=pool_id, username="anna", user_attributes=attribute_list(phone_number_verified="false")
    )

    challenge = await begin(world, client_id)
    assert (challenge["challenge_name"], challenge["available_challenges"]) == ("SELECT_CHALLENGE", ALL[:3])


@pytest.mark.parametrize("factor", ["EMAIL_OTP", "SMS_OTP"])
async def test_code_signs_in_and_no_other_code_does(world: World, factor: str) -> None:
    pool_id, client_id = await passwordless_pool(world)
    challenge = await begin(world, client_id)

    asked = await world.respond(client_id, challenge, {"ANSWER": factor})

    assert asked["challenge_name"] == factor
    code = await world.last_code(pool_id)
    assert len(code) == 8
    async with refused("CodeMismatchException", "Invalid code or auth state for the user."):
        await world.respond(client_id, asked, {f"{factor}_CODE": f"{(int(code) + 1) % 10**8:08d}"})
    result = await world.respond(client_id, asked, {f"{factor}_CODE": code})
    assert claims_of(result["authentication_result"]["access_token"])["username"] == "anna"
    async with refused("NotAuthorizedException", "Invalid session for the user, session can only be used once."):
        await world.respond(client_id, asked, {f"{factor}_CODE": code})


async def test_preferred_challenge_is_asked_at_once(world: World) -> None:
    _, client_id = await passwordless_pool(world)

    asked = await begin(world, client_id, PREFERRED_CHALLENGE="EMAIL_OTP")

    assert asked["challenge_name"] == "EMAIL_OTP"
    assert asked["available_challenges"] == ALL
    assert asked["challenge_parameters"]["CODE_DELIVERY_DESTINATION"] == "a***@e***"


async def test_password_can_be_sent_at_once_or_when_it_is_asked_for(world: World) -> None:
    _, client_id = await passwordless_pool(world)

    result = await begin(world, client_id, PREFERRED_CHALLENGE="PASSWORD", PASSWORD=PASSWORD)
    assert result["authentication_result"]["access_token"]
    asked = await begin(world, client_id, PREFERRED_CHALLENGE="PASSWORD")
    assert asked["challenge_name"] == "PASSWORD"
    async with refused("NotAuthorizedException", WRONG):
        await world.respond(client_id, asked, {"PASSWORD": "wrong"})
    assert (await world.respond(client_id, asked, {"PASSWORD": PASSWORD}))["authentication_result"]
    async with refused("NotAuthorizedException", "Invalid session for the user, session can only be used once."):
        await world.respond(client_id, asked, {"PASSWORD": PASSWORD})
    choice = await begin(world, client_id)
    result = await world.respond(client_id, choice, {"ANSWER": "PASSWORD", "PASSWORD": PASSWORD})
    assert result["authentication_result"]["access_token"]


@pytest.mark.parametrize("password", [PASSWORD, "wrong"])
@pytest.mark.parametrize("way", ["preferred", "asked", "chosen"])
async def test_password_can_be_proven_instead(world: World, way: str, password: str) -> None:
    pool_id, client_id = await passwordless_pool(world)
    them = srp_client(pool_id, client_id, password=password)
    srp_a = them.get_auth_params()["SRP_A"]
    if way == "preferred":
        asked = await begin(world, client_id, PREFERRED_CHALLENGE="PASSWORD_SRP", SRP_A=srp_a)
    elif way == "asked":
        first = await begin(world, client_id, PREFERRED_CHALLENGE="PASSWORD_SRP")
        asked = await world.respond(client_id, first, {"SRP_A": srp_a})
    else:
        choice = await begin(world, client_id)
        asked = await world.respond(client_id, choice, {"ANSWER": "PASSWORD_SRP", "SRP_A": srp_a})
    assert asked["challenge_name"] == "PASSWORD_VERIFIER"

    responses = world.srp_answer(them, asked["challenge_parameters"])

    if password == PASSWORD:
        assert (await world.respond(client_id, asked, responses))["authentication_result"]
    else:
        async with refused("NotAuthorizedException", WRONG):
            await world.respond(client_id, asked, responses)


async def test_session_of_a_choice_sends_one_code(world: World) -> None:
    _, client_id = await passwordless_pool(world)
    choice = await begin(world, client_id)
    await world.respond(client_id, choice, {"ANSWER": "EMAIL_OTP"})

    async with refused("NotAuthorizedException", "Invalid session for the user, session can only be used once."):
        await world.respond(client_id, choice, {"ANSWER": "EMAIL_OTP"})


async def test_what_is_not_offered_cannot_be_chosen(world: World) -> None:
    _, client_id = await passwordless_pool(world)
    choice = await begin(world, client_id)

    async with refused("InvalidParameterException"):
        await world.respond(client_id, choice, {"ANSWER": "WEB_AUTHN"})
    async with refused("InvalidParameterException"):
        await begin(world, client_id, PREFERRED_CHALLENGE="SOFTWARE_TOKEN")
    for name in ("TARGET_ACR_VALUES", "MAX_AGE", "ACCESS_TOKEN"):
        async with refused("InvalidParameterException", f"{name} is not supported by velvetrope."):
            await begin(world, client_id, **{name: "x"})


async def test_temporary_password_is_the_only_choice_of_who_has_one(world: World) -> None:
    pool_id, client_id = await passwordless_pool(world)
    await world.admin_create_user(
        user_pool_id=pool_id,
        username="berta",
        temporary_password="Temporary-1",
        message_action="SUPPRESS",
        user_attributes=attribute_list(email="berta@example.com", email_verified="true"),
    )

    choice = await begin(world, client_id, "berta", PREFERRED_CHALLENGE="EMAIL_OTP")

    assert choice["available_challenges"] == ("PASSWORD_SRP", "PASSWORD")
    asked = await world.respond(
        client_id, choice, {"USERNAME": "berta", "ANSWER": "PASSWORD", "PASSWORD": "Temporary-1"}
    )
    assert asked["challenge_name"] == "NEW_PASSWORD_REQUIRED"


async def test_who_owes_a_second_factor_is_offered_no_code_as_the_first(world: World) -> None:
    pool_id, client_id = await passwordless_pool(world)
    await owe_a_code(world, pool_id)

    choice = await begin(world, client_id, PREFERRED_CHALLENGE="EMAIL_OTP")

    assert choice["available_challenges"] == ("PASSWORD_SRP", "PASSWORD")
    asked = await world.respond(client_id, choice, {"ANSWER": "PASSWORD", "PASSWORD": PASSWORD})
    assert asked["challenge_name"] == "EMAIL_OTP"
    code = await world.last_code(pool_id)
    assert len(code) == 6
    assert (await world.respond(client_id, asked, {"EMAIL_OTP_CODE": code}))["authentication_result"]


async def test_second_factor_switched_on_meanwhile_is_asked_for_after_a_code(world: World) -> None:
    """The choice was made before; what is owed is asked when it is owed."""
    pool_id, client_id = await passwordless_pool(world)
    asked = await begin(world, client_id, PREFERRED_CHALLENGE="EMAIL_OTP")
    code = await world.last_code(pool_id)
    await owe_a_code(world, pool_id)

    second = await world.respond(client_id, asked, {"EMAIL_OTP_CODE": code})

    assert second["challenge_name"] == "EMAIL_OTP"
    async with refused("CodeMismatchException"):
        await world.respond(client_id, second, {"EMAIL_OTP_CODE": code})


# Strangers


async def test_unknown_user_is_asked_as_any_other(world: World) -> None:
    pool_id, client_id = await passwordless_pool(world)
    real = await begin(world, client_id)

    unknown = await begin(world, client_id, "nobo")

    assert unknown["available_challenges"] == real["available_challenges"]
    assert len(unknown["session"]) == len(real["session"])
    before = len(await world.pools.outbox.messages(pool_id))
    asked = [await begin(world, client_id, "nobo", PREFERRED_CHALLENGE="EMAIL_OTP") for _ in range(2)]
    destinations = [each["challenge_parameters"]["CODE_DELIVERY_DESTINATION"] for each in asked]
    assert destinations[0] == destinations[1]
    assert asked[0].keys() == (await begin(world, client_id, PREFERRED_CHALLENGE="EMAIL_OTP")).keys()
    assert len(await world.pools.outbox.messages(pool_id)) == before + 1
    async with refused("CodeMismatchException", "Invalid code or auth state for the user."):
        await world.respond(client_id, asked[0], {"USERNAME": "nobo", "EMAIL_OTP_CODE": "12345678"})
    async with refused("NotAuthorizedException", WRONG):
        await begin(world, client_id, "nobo", PREFERRED_CHALLENGE="PASSWORD", PASSWORD=PASSWORD)


async def test_destination_of_an_unknown_address_is_that_address(world: World) -> None:
    _, client_id = await passwordless_pool(world)

    asked = await begin(world, client_id, "jim@gmail.com", PREFERRED_CHALLENGE="EMAIL_OTP")

    assert asked["challenge_parameters"]["CODE_DELIVERY_DESTINATION"] == "j***@g***"


async def test_unknown_user_is_named_if_the_client_does_not_hide_it(world: World) -> None:
    _, client_id = await passwordless_pool(world, prevent_user_existence_errors="LEGACY")

    async with refused("UserNotFoundException", "User does not exist."):
        await begin(world, client_id, "nobody")


async def test_disabled_user_gets_no_code_and_is_not_let_in(world: World) -> None:
    pool_id, client_id = await passwordless_pool(world)
    asked = await begin(world, client_id, PREFERRED_CHALLENGE="EMAIL_OTP")
    code = await world.last_code(pool_id)
    await world.admin_disable_user(user_pool_id=pool_id, username="anna")
    before = len(await world.pools.outbox.messages(pool_id))

    await begin(world, client_id, PREFERRED_CHALLENGE="EMAIL_OTP")

    assert len(await world.pools.outbox.messages(pool_id)) == before
    async with refused("NotAuthorizedException", "User is disabled."):
        await world.respond(client_id, asked, {"EMAIL_OTP_CODE": code})


async def test_guesses_at_codes_of_unknown_users_are_slowed_down_as_well(world: World) -> None:
    _, client_id = await passwordless_pool(world)
    asked = await begin(world, client_id, "nobody", PREFERRED_CHALLENGE="EMAIL_OTP")

    for _ in range(5):
        async with refused("CodeMismatchException"):
            await world.respond(client_id, asked, {"USERNAME": "nobody", "EMAIL_OTP_CODE": "00000000"})
    async with refused("NotAuthorizedException", "Password attempts exceeded"):
        await world.respond(client_id, asked, {"USERNAME": "nobody", "EMAIL_OTP_CODE": "00000000"})


async def test_wrong_codes_do_not_lock_the_password(world: World) -> None:
    """Anybody may ask for a code in somebody's name; that must not keep them out."""
    _, client_id = await passwordless_pool(world)
    asked = await begin(world, client_id, PREFERRED_CHALLENGE="EMAIL_OTP")
    for _ in range(5):
        async with refused("CodeMismatchException"):
            await world.respond(client_id, asked, {"EMAIL_OTP_CODE": "00000000"})

    assert "access_token" in await world.sign_in(client_id)


async def test_first_factors_of_a_pool_include_the_password(world: World) -> None:
    async with refused("InvalidParameterException", "AllowedFirstAuthFactors must contain PASSWORD."):
        await world.pool(
            policies=UserPoolPolicies(sign_in_policy=SignInPolicy(allowed_first_auth_factors=("EMAIL_OTP",)))
        )


# Straight after the sign-up


async def signed_up(world: World, **client_settings: Any) -> tuple[str, str, Any]:
    """A pool, a client, and what ConfirmSignUp answered to anna."""
    pool_id = await world.pool(
        auto_verified_attributes=("email",),
        policies=UserPoolPolicies(
            password_policy=PasswordPolicySettings(),
            sign_in_policy=SignInPolicy(allowed_first_auth_factors=("PASSWORD", "EMAIL_OTP")),
        ),
    )
    client_id = await world.client(pool_id, **{"explicit_auth_flows": FLOWS, **client_settings})
    await world.sign_up(
        client_id=client_id,
        username="anna",
        password=PASSWORD,
        user_attributes=attribute_list(email="anna@example.com"),
    )
    answer = await world.confirm_sign_up(
        client_id=client_id, username="anna", confirmation_code=await world.last_code(pool_id)
    )
    return pool_id, client_id, answer


async def go_on(world: World, client_id: str, session: str, username: str = "anna", flow: str = "USER_AUTH") -> Any:
    return await world.initiate_auth(
        auth_flow=flow,
        client_id=client_id,
        auth_parameters={"USERNAME": username, "PASSWORD": PASSWORD},
        session=session,
    )


async def test_who_has_just_confirmed_their_sign_up_is_signed_in_once(world: World) -> None:
    _, client_id, answer = await signed_up(world)
    session = answer["session"]

    assert (await go_on(world, client_id, session))["authentication_result"]["access_token"]
    async with refused("NotAuthorizedException", "Invalid session for the user, session can only be used once."):
        await go_on(world, client_id, session)


async def test_session_of_a_sign_up_is_for_its_user_client_flow_and_time(world: World) -> None:
    pool_id, client_id, answer = await signed_up(world)
    session = answer["session"]
    await world.user(pool_id, "berta")
    other_client = await world.client(pool_id, explicit_auth_flows=FLOWS)

    async with refused("NotAuthorizedException", "Invalid session for the user."):
        await go_on(world, client_id, session, "berta")
    async with refused("NotAuthorizedException", "Invalid session for the user."):
        await go_on(world, client_id, session, "nobody")
    async with refused("NotAuthorizedException", "Invalid session for the user."):
        await go_on(world, other_client, session)
    async with refused("InvalidParameterException", "Session is for USER_AUTH only."):
        await go_on(world, client_id, session, flow="USER_PASSWORD_AUTH")
    choice = await begin(world, client_id)
    async with refused("NotAuthorizedException", "Invalid session for the user."):
        await go_on(world, client_id, choice["session"])
    world.later(minutes=3)
    async with refused("NotAuthorizedException", "Invalid session for the user, session is expired."):
        await go_on(world, client_id, session)


async def test_session_of_a_sign_up_is_taken_by_its_confirmation_and_by_nothing_else(world: World) -> None:
    """SignUp, ConfirmSignUp and InitiateAuth, each with the session of the one before: so AWS documents it."""
    pool_id = await world.pool(auto_verified_attributes=("email",))
    client_id = await world.client(pool_id, explicit_auth_flows=FLOWS)
    other_client = await world.client(pool_id, explicit_auth_flows=FLOWS)
    begun = {
        name: await world.sign_up(
            client_id=client_id,
            username=name,
            password=PASSWORD,
            user_attributes=attribute_list(email=f"{name}@b.example"),
        )
        for name in ("dora", "emil")
    }
    sent = {message.username: message.text.rpartition(" ")[2] for message in await world.pools.outbox.messages(pool_id)}
    who = {"client_id": client_id, "username": "dora", "confirmation_code": sent["dora"]}

    for session in (begun["emil"]["session"], (await begin(world, client_id))["session"], "x" * 40):
        async with refused("NotAuthorizedException", "Invalid session for the user."):
            await world.confirm_sign_up(**who, session=session)
    async with refused("NotAuthorizedException", "Invalid session for the user."):
        await world.confirm_sign_up(**{**who, "client_id": other_client}, session=begun["dora"]["session"])
    async with refused("NotAuthorizedException", "Invalid session for the user."):
        await go_on(world, client_id, begun["dora"]["session"], "dora")

    world.later(hours=1)  # mail is read late
    answer = await world.confirm_sign_up(**who, session=begun["dora"]["session"])
    assert (await go_on(world, client_id, answer["session"], "dora"))["authentication_result"]


def as_sealed_before(world: World, session: str) -> str:
    """The session as it was sealed when sessions did not say yet when their sign-in had begun."""
    purpose, size = "userpools.session", 4
    padded = world.master_keys.open(base64.urlsafe_b64decode(f"{session}=="), purpose=purpose, context=b"")
    said = msgspec.msgpack.decode(padded[size : size + int.from_bytes(padded[:size])])
    del said["sign_in"]["begun_at"]
    packed = msgspec.msgpack.encode(said)
    shorter = (len(packed).to_bytes(size) + packed).ljust(len(padded), b"\0")
    return encode_base64url(world.master_keys.seal(shorter, purpose=purpose, entropy=world.entropy, context=b""))


async def test_sign_up_of_before_an_upgrade_is_confirmed_with_its_session_after_it(world: World) -> None:
    pool_id = await world.pool(auto_verified_attributes=("email",))
    client_id = await world.client(pool_id, explicit_auth_flows=FLOWS)
    begun = await world.sign_up(
        client_id=client_id,
        username="dora",
        password=PASSWORD,
        user_attributes=attribute_list(email="dora@b.example"),
    )
    (sent,) = await world.pools.outbox.messages(pool_id)

    answer = await world.confirm_sign_up(
        client_id=client_id,
        username="dora",
        confirmation_code=sent.text.rpartition(" ")[2],
        session=as_sealed_before(world, begun["session"]),
    )

    assert (await go_on(world, client_id, answer["session"], "dora"))["authentication_result"]


async def test_sign_in_of_before_an_upgrade_goes_on_unless_the_user_was_ever_signed_out(world: World) -> None:
    """It does not say whether it was begun before that or after."""
    pool_id, client_id = await passwordless_pool(world)
    await owe_a_code(world, pool_id)

    async def go_on_after_the_upgrade() -> Any:
        asked = await world.sign_in(client_id)
        before = {**asked, "session": as_sealed_before(world, asked["session"])}
        return await world.respond(client_id, before, {"EMAIL_OTP_CODE": await world.last_code(pool_id)})

    assert (await go_on_after_the_upgrade())["authentication_result"]
    await world.admin_user_global_sign_out(user_pool_id=pool_id, username="anna")
    async with refused("NotAuthorizedException", "Invalid session for the user."):
        await go_on_after_the_upgrade()


async def test_sign_up_does_not_get_past_the_second_factor(world: World) -> None:
    pool_id, client_id, answer = await signed_up(world)
    session = answer["session"]
    await owe_a_code(world, pool_id)

    assert (await go_on(world, client_id, session))["challenge_name"] == "EMAIL_OTP"


async def test_client_without_user_auth_gets_no_session_for_it(world: World) -> None:
    _, _, answer = await signed_up(world, explicit_auth_flows=("ALLOW_USER_PASSWORD_AUTH",))

    assert answer == {}


TOO_OFTEN = "Attempt limit exceeded, please try after some time."


@pytest.mark.parametrize("username", ["anna", "nobody"])
async def test_sixth_code_in_an_hour_that_nobody_shows_is_not_sent(world: World, username: str) -> None:
    pool_id, client_id = await passwordless_pool(world)
    for _ in range(5):
        asked = await begin(world, client_id, username, PREFERRED_CHALLENGE="EMAIL_OTP")
        assert asked["challenge_name"] == "EMAIL_OTP"

    async with refused("LimitExceededException", TOO_OFTEN):
        await begin(world, client_id, username, PREFERRED_CHALLENGE="EMAIL_OTP")
    async with refused("LimitExceededException", TOO_OFTEN):
        await begin(world, client_id, username, PREFERRED_CHALLENGE="SMS_OTP")
    world.later(hours=1, microseconds=-1)
    async with refused("LimitExceededException", TOO_OFTEN):
        await begin(world, client_id, username, PREFERRED_CHALLENGE="EMAIL_OTP")
    world.later(microseconds=1)
    await begin(world, client_id, username, PREFERRED_CHALLENGE="EMAIL_OTP")
    assert len(await world.pools.outbox.messages(pool_id)) == (6 if username == "anna" else 0)


async def test_whoever_shows_the_fifth_code_may_have_another(world: World) -> None:
    pool_id, client_id = await passwordless_pool(world)
    for _ in range(5):
        world.later(seconds=1)
        asked = await begin(world, client_id, PREFERRED_CHALLENGE="EMAIL_OTP")

    await world.respond(client_id, asked, {"EMAIL_OTP_CODE": await world.last_code(pool_id)})

    for _ in range(5):
        await begin(world, client_id, PREFERRED_CHALLENGE="EMAIL_OTP")


async def test_of_many_codes_asked_for_at_once_five_are_sent(world: World) -> None:
    pool_id, client_id = await passwordless_pool(world)

    asked = (begin(world, client_id, PREFERRED_CHALLENGE="EMAIL_OTP") for _ in range(12))
    outcomes = await asyncio.gather(*asked, return_exceptions=True)

    assert [str(one) for one in outcomes if isinstance(one, Exception)] == [TOO_OFTEN] * 7
    assert len(await world.pools.outbox.messages(pool_id)) == 5


async def test_codes_of_a_first_factor_do_not_use_up_those_of_a_second(world: World) -> None:
    pool_id, client_id = await passwordless_pool(world)
    await world.set_user_pool_mfa_config(
        user_pool_id=pool_id,
        mfa_configuration="OPTIONAL",
        email_mfa_configuration=EmailMfaConfig(),
    )
    await world.admin_set_user_mfa_preference(
        user_pool_id=pool_id, username="anna", email_mfa_settings=MfaSettings(enabled=True, preferred_mfa=True)
    )
    for _ in range(6):
        try:
            await begin(world, client_id, PREFERRED_CHALLENGE="SMS_OTP")
        except LimitExceededException:
            break

    for _ in range(5):
        assert (await world.sign_in(client_id))["challenge_name"] == "EMAIL_OTP"
    async with refused("LimitExceededException", TOO_OFTEN):
        await world.sign_in(client_id)
