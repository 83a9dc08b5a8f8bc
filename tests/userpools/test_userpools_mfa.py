"""Second factors: setting them up, being asked for them, and not getting past them."""

import asyncio
import json
from typing import Any

import pytest

from support.userpools import PASSWORD, World, attribute_list, claims_of, refused, secret_hash
from velvetrope.store.tables.userpools import (
    EmailMfaConfig,
    SmsConfiguration,
    SmsMfaConfig,
    SoftwareTokenMfaConfig,
    WebAuthnConfiguration,
)
from velvetrope.userpools.factors.mfa_operations import MfaOption, MfaSettings

ON = MfaSettings(enabled=True)
PREFERRED = MfaSettings(enabled=True, preferred_mfa=True)
NOWHERE = "Cannot reset password for the user as there is no registered/verified email or phone_number"
SMS = SmsMfaConfig(sms_configuration=SmsConfiguration(sns_caller_arn="arn:aws:iam::123456789012:role/sms"))


async def pool_with_mfa(
    world: World, mfa: str = "OPTIONAL", *, sms: bool = False, email: bool = False, totp: bool = True, **attributes: str
) -> tuple[str, str]:
    """A pool that offers these factors, a client, and the user anna with mail address and phone."""
    pool_id = await world.pool()
    await world.set_user_pool_mfa_config(
        user_pool_id=pool_id,
        mfa_configuration=mfa,
        software_token_mfa_configuration=SoftwareTokenMfaConfig(enabled=totp),
        **({"sms_mfa_configuration": SMS} if sms else {}),
        **({"email_mfa_configuration": EmailMfaConfig()} if email else {}),
    )
    client_id = await world.client(pool_id)
    given = {
        "email": "anna@example.com",
        "email_verified": "true",
        "phone_number": "+15551234567",
        "phone_number_verified": "true",
    }
    await world.user(pool_id, **(attributes or given))
    return pool_id, client_id


async def pool_with_totp_user(world: World, **settings: Any) -> tuple[str, str, str]:
    """The same with an authenticator app set up; its secret is the third."""
    pool_id, client_id = await pool_with_mfa(world, **settings)
    first = await world.sign_in(client_id)
    return pool_id, client_id, await world.set_totp_up(first["access_token"])


# The pool's side


async def test_pool_offers_what_it_was_told(world: World) -> None:
    pool_id, _ = await pool_with_mfa(world, "ON", sms=True, email=True)

    answer = await world.get_user_pool_mfa_config(user_pool_id=pool_id)

    assert answer["mfa_configuration"] == "ON"
    assert answer["software_token_mfa_configuration"] == {"enabled": True}
    assert answer["sms_mfa_configuration"]["sms_configuration"]["sns_caller_arn"]
    assert answer["email_mfa_configuration"] == {}
    described = await world.describe_user_pool(user_pool_id=pool_id)
    assert described["user_pool"]["mfa_configuration"] == "ON"


async def test_pool_that_asks_for_a_second_factor_must_offer_one(world: World) -> None:
    pool_id = await world.pool()
    message = "Invalid MFA configuration given, can't disable all MFAs with a required or optional configuration."

    for mfa in ("ON", "OPTIONAL"):
        async with refused("InvalidParameterException", message):
            await world.set_user_pool_mfa_config(user_pool_id=pool_id, mfa_configuration=mfa)
        async with refused("InvalidParameterException", message):
            await world.pool(mfa_configuration=mfa)
    await world.pool(mfa_configuration="ON", sms_configuration=SMS.sms_configuration)


async def test_mfa_and_passkey_settings_are_not_switched_off_by_an_omission(world: World) -> None:
    pool_id, client_id, _ = await pool_with_totp_user(world)
    web_authn = WebAuthnConfiguration(relying_party_id="example.com", user_verification="required")
    await world.set_user_pool_mfa_config(
        user_pool_id=pool_id,
        web_authn_configuration=web_authn,
        software_token_mfa_configuration=SoftwareTokenMfaConfig(enabled=True),
    )

    await world.update_user_pool(user_pool_id=pool_id)
    await world.set_user_pool_mfa_config(
        user_pool_id=pool_id, software_token_mfa_configuration=SoftwareTokenMfaConfig(enabled=True)
    )

    answer = await world.get_user_pool_mfa_config(user_pool_id=pool_id)
    assert answer["mfa_configuration"] == "OPTIONAL"
    assert answer["web_authn_configuration"] == {"relying_party_id": "example.com", "user_verification": "required"}
    assert (await world.sign_in(client_id))["challenge_name"] == "SOFTWARE_TOKEN_MFA"


# Setting up


@pytest.mark.parametrize(
    "name",
    ["https://example.com", "example.com/", "example.com:443", "*.example.com", "Example.com", "com", "10.0.0.1"],
)
async def test_relying_party_is_a_domain_name(world: World, name: str) -> None:
    pool_id = await world.pool()

    async with refused("InvalidParameterException", f"The relying party ID {name} is not a domain name."):
        await world.set_user_pool_mfa_config(
            user_pool_id=pool_id, web_authn_configuration=WebAuthnConfiguration(relying_party_id=name)
        )

    for right in ("localhost", "login.example.com"):
        answer = await world.set_user_pool_mfa_config(
            user_pool_id=pool_id, web_authn_configuration=WebAuthnConfiguration(relying_party_id=right)
        )
        assert answer["web_authn_configuration"]["relying_party_id"] == right


async def test_secret_is_not_taken_before_a_code_shows_that_an_app_has_it(world: World) -> None:
    pool_id, client_id = await pool_with_mfa(world)
    token = (await world.sign_in(client_id))["access_token"]
    async with refused("SoftwareTokenMFANotFoundException"):
        await world.verify_software_token(access_token=token, user_code="000000")
    secret = (await world.associate_software_token(access_token=token))["secret_code"]

    async with refused("EnableSoftwareTokenMFAException", "Code mismatch"):
        await world.verify_software_token(access_token=token, user_code=world.totp(secret, steps=5))
    async with refused("InvalidParameterException", "User has not verified software token mfa"):
        await world.set_user_mfa_preference(access_token=token, software_token_mfa_settings=ON)
    async with refused("InvalidParameterException", "User has not verified software token mfa"):
        await world.admin_set_user_mfa_preference(user_pool_id=pool_id, username="anna", software_token_mfa_settings=ON)
    assert "access_token" in await world.sign_in(client_id)


async def test_pool_without_authenticator_apps_gives_no_secret(world: World) -> None:
    _, client_id = await pool_with_mfa(world, sms=True, totp=False)
    token = (await world.sign_in(client_id))["access_token"]

    async with refused("SoftwareTokenMFANotFoundException"):
        await world.associate_software_token(access_token=token)


async def test_preference_needs_an_address(world: World) -> None:
    pool_id, client_id = await pool_with_mfa(world, sms=True, email=True, nickname="A")
    token = (await world.sign_in(client_id))["access_token"]

    async with refused("InvalidParameterException", "User does not have delivery config set to turn on SMS_MFA"):
        await world.set_user_mfa_preference(access_token=token, sms_mfa_settings=ON)
    async with refused("InvalidParameterException", "User does not have delivery config set to turn on EMAIL_OTP"):
        await world.admin_set_user_mfa_preference(user_pool_id=pool_id, username="anna", email_mfa_settings=ON)


async def test_one_factor_is_preferred_at_the_most(world: World) -> None:
    _, client_id = await pool_with_mfa(world, sms=True, email=True)
    token = (await world.sign_in(client_id))["access_token"]

    async with refused("InvalidParameterException"):
        await world.set_user_mfa_preference(
            access_token=token, sms_mfa_settings=PREFERRED, email_mfa_settings=PREFERRED
        )
    async with refused("InvalidParameterException"):
        await world.set_user_mfa_preference(access_token=token, sms_mfa_settings=MfaSettings(preferred_mfa=True))
    await world.set_user_mfa_preference(access_token=token, sms_mfa_settings=PREFERRED, email_mfa_settings=ON)
    shown = await world.get_user(access_token=token)
    assert (shown["preferred_mfa_setting"], set(shown["user_mfa_setting_list"])) == (
        "SMS_MFA",
        {"SMS_MFA", "EMAIL_OTP"},
    )
    await world.set_user_mfa_preference(access_token=token, sms_mfa_settings=MfaSettings())
    shown = await world.get_user(access_token=token)
    assert (shown["preferred_mfa_setting"], shown["user_mfa_setting_list"]) == (None, ("EMAIL_OTP",))


async def test_old_settings_switch_sms_on_and_off_and_know_nothing_else(world: World) -> None:
    pool_id, client_id = await pool_with_mfa(world, sms=True)
    token = (await world.sign_in(client_id))["access_token"]
    sms = MfaOption(delivery_medium="SMS", attribute_name="phone_number")

    for wrong in (MfaOption(delivery_medium="EMAIL", attribute_name="email"), MfaOption(delivery_medium="SMS")):
        async with refused("InvalidParameterException"):
            await world.set_user_settings(access_token=token, mfa_options=(wrong,))
    await world.set_user_settings(access_token=token, mfa_options=(sms,))
    assert (await world.get_user(access_token=token))["user_mfa_setting_list"] == ("SMS_MFA",)
    await world.admin_set_user_settings(user_pool_id=pool_id, username="anna", mfa_options=())
    assert (await world.get_user(access_token=token))["user_mfa_setting_list"] is None


# TOTP at sign-in


async def test_totp_signs_in(world: World) -> None:
    _, client_id, secret = await pool_with_totp_user(world)
    challenge = await world.sign_in(client_id)

    answer = await world.respond(client_id, challenge, {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret)})

    assert claims_of(answer["authentication_result"]["id_token"])["cognito:username"] == "anna"


async def test_srp_does_not_get_past_the_second_factor(world: World) -> None:
    """The peers' open door: tokens right after the proof."""
    pool_id, client_id, secret = await pool_with_totp_user(world)

    challenge = await world.srp_sign_in(pool_id, client_id)

    assert challenge["challenge_name"] == "SOFTWARE_TOKEN_MFA"
    assert "authentication_result" not in challenge
    answer = await world.respond(client_id, challenge, {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret)})
    assert answer["authentication_result"]["access_token"]


async def test_admin_sign_in_does_not_get_past_the_second_factor(world: World) -> None:
    pool_id, client_id, secret = await pool_with_totp_user(world)

    challenge = await world.admin_initiate_auth(
        user_pool_id=pool_id,
        client_id=client_id,
        auth_flow="ADMIN_USER_PASSWORD_AUTH",
        auth_parameters={"USERNAME": "anna", "PASSWORD": PASSWORD},
    )
    answer = await world.admin_respond_to_auth_challenge(
        user_pool_id=pool_id,
        client_id=client_id,
        challenge_name=challenge["challenge_name"],
        session=challenge["session"],
        challenge_responses={"USERNAME": "anna", "SOFTWARE_TOKEN_MFA_CODE": world.totp(secret)},
    )

    assert challenge["challenge_name"] == "SOFTWARE_TOKEN_MFA"
    assert answer["authentication_result"]["access_token"]


async def test_session_of_one_challenge_answers_no_other(world: World) -> None:
    """A session that waits for a code is not one that waits for a new password, a choice, or nothing at all."""
    _, client_id, _ = await pool_with_totp_user(world)
    challenge = await world.sign_in(client_id)

    for name, responses in {
        "NEW_PASSWORD_REQUIRED": {"NEW_PASSWORD": "Another-horse-1"},
        "SMS_MFA": {"SMS_MFA_CODE": "000000"},
        "EMAIL_OTP": {"EMAIL_OTP_CODE": "000000"},
        "SELECT_MFA_TYPE": {"ANSWER": "SMS_MFA"},
        "SELECT_CHALLENGE": {"ANSWER": "PASSWORD", "PASSWORD": PASSWORD},
        "MFA_SETUP": {},
        "CUSTOM_CHALLENGE": {"ANSWER": "x"},
        "DEVICE_SRP_AUTH": {"DEVICE_KEY": "us-west-2_0", "SRP_A": "2"},
        "WEB_AUTHN": {"CREDENTIAL": "{}"},
        "PASSWORD": {"PASSWORD": PASSWORD},
    }.items():
        async with refused("NotAuthorizedException", "Invalid session for the user."):
            await world.respond(client_id, challenge, responses, name=name)


async def test_wrong_code_leaves_the_session_usable_and_guessing_is_slowed_down(world: World) -> None:
    _, client_id, secret = await pool_with_totp_user(world)
    challenge = await world.sign_in(client_id)
    wrong = {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret, steps=9)}

    for _ in range(5):
        async with refused("CodeMismatchException", "Invalid code received for user"):
            await world.respond(client_id, challenge, wrong)
    async with refused("NotAuthorizedException", "Password attempts exceeded"):
        await world.respond(client_id, challenge, {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret)})
    fresh = await world.sign_in(client_id)
    async with refused("NotAuthorizedException", "Password attempts exceeded"):
        await world.respond(client_id, fresh, wrong)
    world.later(seconds=1)
    await world.respond(client_id, challenge, {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret)})


async def test_code_is_spent_by_its_first_use(world: World) -> None:
    _, client_id, secret = await pool_with_totp_user(world)
    code = {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret)}
    earlier = {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret, steps=-1)}
    first, second = await world.sign_in(client_id), await world.sign_in(client_id)
    await world.respond(client_id, first, code)

    for spent in (code, earlier):
        async with refused("ExpiredCodeException", "Your software token has already been used once."):
            await world.respond(client_id, second, spent)


async def test_code_that_set_the_app_up_signs_nobody_in(world: World) -> None:
    _, client_id = await pool_with_mfa(world)
    token = (await world.sign_in(client_id))["access_token"]
    secret = (await world.associate_software_token(access_token=token))["secret_code"]
    code = world.totp(secret)
    await world.verify_software_token(access_token=token, user_code=code)
    await world.set_user_mfa_preference(access_token=token, software_token_mfa_settings=ON)
    challenge = await world.sign_in(client_id)

    async with refused("ExpiredCodeException"):
        await world.respond(client_id, challenge, {"SOFTWARE_TOKEN_MFA_CODE": code})


async def test_session_is_spent_by_the_answer_it_accepts(world: World) -> None:
    _, client_id, secret = await pool_with_totp_user(world)
    challenge = await world.sign_in(client_id)
    await world.respond(client_id, challenge, {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret)})

    async with refused("NotAuthorizedException", "Invalid session for the user, session can only be used once."):
        await world.respond(client_id, challenge, {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret, steps=1)})


async def test_of_two_answers_with_one_code_sent_at_once_one_signs_in(world: World) -> None:
    _, client_id, secret = await pool_with_totp_user(world)
    challenges = [await world.sign_in(client_id) for _ in range(4)]

    answers = await asyncio.gather(
        *(world.respond(client_id, each, {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret)}) for each in challenges),
        return_exceptions=True,
    )

    assert sum(isinstance(answer, dict) for answer in answers) == 1


async def test_codes_one_step_off_are_taken_and_two_steps_off_are_not(world: World) -> None:
    _, client_id, secret = await pool_with_totp_user(world)

    for steps in (-2, 2):
        challenge = await world.sign_in(client_id)
        async with refused("CodeMismatchException"):
            await world.respond(client_id, challenge, {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret, steps=steps)})
    await world.respond(client_id, challenge, {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret, steps=1)})


async def test_session_ends_with_the_clients_auth_session_validity(world: World) -> None:
    pool_id, client_id, secret = await pool_with_totp_user(world)
    longer = await world.client(pool_id, auth_session_validity=15)

    for client, minutes in ((client_id, 3), (longer, 15)):
        challenge = await world.sign_in(client)
        world.later(minutes=minutes)
        async with refused("NotAuthorizedException", "Invalid session for the user, session is expired."):
            await world.respond(client, challenge, {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret)})
        challenge = await world.sign_in(client)
        world.later(minutes=minutes, seconds=-1)
        await world.respond(client, challenge, {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret)})


async def test_session_of_another_client_or_user_is_refused(world: World) -> None:
    pool_id, client_id, secret = await pool_with_totp_user(world)
    other = await world.client(pool_id)
    await world.user(pool_id, "berta")
    challenge = await world.sign_in(client_id)
    code = {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret)}

    async with refused("NotAuthorizedException", "Invalid session for the user."):
        await world.respond(other, challenge, code)
    async with refused("NotAuthorizedException", "Invalid session for the user."):
        await world.respond(client_id, challenge, {**code, "USERNAME": "berta"})


async def test_secret_hash_is_asked_for_with_every_answer(world: World) -> None:
    pool_id, _, secret = await pool_with_totp_user(world)
    made = await world.create_user_pool_client(
        user_pool_id=pool_id,
        client_name="server",
        generate_secret=True,
        explicit_auth_flows=("ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"),
    )
    client = made["user_pool_client"]
    client_id = client["client_id"]
    right = secret_hash("anna", client_id, client["client_secret"])
    challenge = await world.sign_in(client_id, SECRET_HASH=right)
    code = {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret)}

    async with refused(
        "NotAuthorizedException", f"Client {client_id} is configured with secret but SECRET_HASH was not received"
    ):
        await world.respond(client_id, challenge, code)
    async with refused("NotAuthorizedException", f"Unable to verify secret hash for client {client_id}"):
        await world.respond(client_id, challenge, {**code, "SECRET_HASH": right[::-1]})
    await world.respond(client_id, challenge, {**code, "SECRET_HASH": right})


# Codes by mail and SMS


@pytest.mark.parametrize(
    ("mfa", "medium", "destination"),
    [("SMS_MFA", "SMS", "+*******4567"), ("EMAIL_OTP", "EMAIL", "a***@e***")],
)
async def test_code_by_message(world: World, mfa: str, medium: str, destination: str) -> None:
    pool_id, client_id = await pool_with_mfa(world, sms=True, email=True)
    token = (await world.sign_in(client_id))["access_token"]
    member = "sms_mfa_settings" if mfa == "SMS_MFA" else "email_mfa_settings"
    await world.set_user_mfa_preference(access_token=token, **{member: PREFERRED})

    challenge = await world.sign_in(client_id)

    assert challenge["challenge_name"] == mfa
    assert challenge["challenge_parameters"]["CODE_DELIVERY_DELIVERY_MEDIUM"] == medium
    assert challenge["challenge_parameters"]["CODE_DELIVERY_DESTINATION"] == destination
    code = await world.last_code(pool_id)
    assert len(code) == 6
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    async with refused("CodeMismatchException", "Invalid code or auth state for the user."):
        await world.respond(client_id, challenge, {f"{mfa}_CODE": wrong})
    answer = await world.respond(client_id, challenge, {f"{mfa}_CODE": code})
    assert answer["authentication_result"]["access_token"]
    async with refused("NotAuthorizedException", "Invalid session for the user, session can only be used once."):
        await world.respond(client_id, challenge, {f"{mfa}_CODE": code})


async def test_code_of_another_session_is_wrong(world: World) -> None:
    pool_id, client_id = await pool_with_mfa(world, email=True)
    token = (await world.sign_in(client_id))["access_token"]
    await world.set_user_mfa_preference(access_token=token, email_mfa_settings=PREFERRED)
    first = await world.sign_in(client_id)
    code_of_first = await world.last_code(pool_id)
    second = await world.sign_in(client_id)

    async with refused("CodeMismatchException"):
        await world.respond(client_id, second, {"EMAIL_OTP_CODE": code_of_first})
    await world.respond(client_id, first, {"EMAIL_OTP_CODE": code_of_first})


async def test_guesses_at_codes_are_slowed_down_over_all_sessions(world: World) -> None:
    pool_id, client_id = await pool_with_mfa(world, email=True)
    token = (await world.sign_in(client_id))["access_token"]
    await world.set_user_mfa_preference(access_token=token, email_mfa_settings=PREFERRED)

    for _ in range(5):
        challenge = await world.sign_in(client_id)
        async with refused("CodeMismatchException"):
            await world.respond(client_id, challenge, {"EMAIL_OTP_CODE": "x"})

    async with refused("NotAuthorizedException", "Password attempts exceeded"):
        await world.respond(client_id, challenge, {"EMAIL_OTP_CODE": await world.last_code(pool_id)})


@pytest.mark.parametrize("between", ["|", "\0"])
async def test_nobody_is_called_by_what_is_counted_of_somebody_else(world: World, between: str) -> None:
    """Or they would keep anna from her codes by wrong passwords of their own, knowing nothing of hers."""
    pool_id, client_id = await pool_with_mfa(world, email=True)
    token = (await world.sign_in(client_id))["access_token"]
    await world.set_user_mfa_preference(access_token=token, email_mfa_settings=PREFERRED)

    for counted in (f"code{between}anna", f"second_factor{between}anna"):
        for _ in range(6):
            async with refused("NotAuthorizedException"):
                await world.sign_in(client_id, counted, "x")

    challenge = await world.sign_in(client_id)
    code = {"EMAIL_OTP_CODE": await world.last_code(pool_id)}
    assert (await world.respond(client_id, challenge, code))["authentication_result"]["access_token"]


async def test_nobody_clears_what_is_counted_of_somebody_else_by_signing_in(world: World) -> None:
    """Or whoever has a password would guess at its user's codes without end."""
    pool_id, client_id, secret = await pool_with_totp_user(world)
    await world.user(pool_id, "code|anna")
    challenge = await world.sign_in(client_id)

    for _ in range(5):
        async with refused("CodeMismatchException"):
            await world.respond(client_id, challenge, {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret, steps=9)})
        await world.sign_in(client_id, "code|anna")

    async with refused("NotAuthorizedException", "Password attempts exceeded"):
        await world.respond(client_id, challenge, {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret)})


async def test_messages_are_the_pools_own(world: World) -> None:
    pool_id = await world.pool()
    await world.set_user_pool_mfa_config(
        user_pool_id=pool_id,
        mfa_configuration="ON",
        email_mfa_configuration=EmailMfaConfig(message="Psst: {####}!", subject="Psst"),
    )
    client_id = await world.client(pool_id)
    await world.user(pool_id, email="anna@example.com", email_verified="true")

    await world.sign_in(client_id)

    written = (await world.pools.outbox.messages(pool_id))[0]
    assert (written.subject, written.to, written.kind) == ("Psst", "anna@example.com", "CustomMessage_Authentication")
    assert written.text == f"Psst: {await world.last_code(pool_id)}!"


# Which factor


async def test_several_factors_are_offered_for_choice(world: World) -> None:
    pool_id, client_id = await pool_with_mfa(world, sms=True, email=True)
    token = (await world.sign_in(client_id))["access_token"]
    await world.set_user_mfa_preference(access_token=token, sms_mfa_settings=ON, email_mfa_settings=ON)
    challenge = await world.sign_in(client_id)
    assert challenge["challenge_name"] == "SELECT_MFA_TYPE"
    assert json.loads(challenge["challenge_parameters"]["MFAS_CAN_CHOOSE"]) == ["SMS_MFA", "EMAIL_OTP"]

    async with refused("InvalidParameterException"):
        await world.respond(client_id, challenge, {"ANSWER": "SOFTWARE_TOKEN_MFA"})
    chosen = await world.respond(client_id, challenge, {"ANSWER": "EMAIL_OTP"})

    assert chosen["challenge_name"] == "EMAIL_OTP"
    async with refused("NotAuthorizedException", "Invalid session for the user, session can only be used once."):
        await world.respond(client_id, challenge, {"ANSWER": "SMS_MFA"})
    answer = await world.respond(client_id, chosen, {"EMAIL_OTP_CODE": await world.last_code(pool_id)})
    assert answer["authentication_result"]["access_token"]


async def test_preferred_factor_is_asked_for_at_once(world: World) -> None:
    _, client_id = await pool_with_mfa(world, sms=True, email=True)
    token = (await world.sign_in(client_id))["access_token"]
    await world.set_user_mfa_preference(access_token=token, sms_mfa_settings=ON, email_mfa_settings=PREFERRED)

    assert (await world.sign_in(client_id))["challenge_name"] == "EMAIL_OTP"


async def test_optional_mfa_leaves_users_alone_who_switched_nothing_on(world: World) -> None:
    _, client_id = await pool_with_mfa(world, "OPTIONAL", sms=True, email=True)

    assert "access_token" in await world.sign_in(client_id)


async def test_required_mfa_asks_for_what_the_user_can_answer(world: World) -> None:
    _, client_id = await pool_with_mfa(world, "ON", sms=True)

    assert (await world.sign_in(client_id))["challenge_name"] == "SMS_MFA"


async def test_factor_that_cannot_be_asked_for_any_more_lets_nobody_in(world: World) -> None:
    pool_id, client_id = await pool_with_mfa(world, sms=True)
    token = (await world.sign_in(client_id))["access_token"]
    await world.set_user_mfa_preference(access_token=token, sms_mfa_settings=PREFERRED)
    await world.admin_update_user_attributes(
        user_pool_id=pool_id, username="anna", user_attributes=attribute_list(phone_number="")
    )

    async with refused("MFAMethodNotFoundException"):
        await world.sign_in(client_id)


# MFA_SETUP


async def test_required_mfa_is_set_up_before_the_first_tokens(world: World) -> None:
    _, client_id = await pool_with_mfa(world, "ON", nickname="A")
    challenge = await world.sign_in(client_id)
    assert challenge["challenge_name"] == "MFA_SETUP"
    assert json.loads(challenge["challenge_parameters"]["MFAS_CAN_SETUP"]) == ["SOFTWARE_TOKEN_MFA"]

    begun = await world.associate_software_token(session=challenge["session"])
    secret = begun["secret_code"]
    async with refused("EnableSoftwareTokenMFAException", "Code mismatch"):
        await world.verify_software_token(session=begun["session"], user_code=world.totp(secret, steps=7))
    verified = await world.verify_software_token(session=begun["session"], user_code=world.totp(secret))
    answer = await world.respond(client_id, {**challenge, "session": verified["session"]}, {})

    assert answer["authentication_result"]["access_token"]
    world.later(seconds=30)
    challenge = await world.sign_in(client_id)
    assert challenge["challenge_name"] == "SOFTWARE_TOKEN_MFA"
    await world.respond(client_id, challenge, {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret)})


async def test_setup_is_not_skipped_by_answering_it_with_nothing_set_up(world: World) -> None:
    _, client_id = await pool_with_mfa(world, "ON", nickname="A")
    challenge = await world.sign_in(client_id)
    begun = await world.associate_software_token(session=challenge["session"])

    for session in (challenge["session"], begun["session"]):
        async with refused("InvalidParameterException", "MFA has not been set up on this session."):
            await world.respond(client_id, {**challenge, "session": session}, {})


async def test_setup_sessions_are_worth_one_setup(world: World) -> None:
    """Two sessions of one password: whoever sets up first is the user, and the other cannot replace their app."""
    _, client_id = await pool_with_mfa(world, "ON", nickname="A")
    first, second = await world.sign_in(client_id), await world.sign_in(client_id)
    begun = [await world.associate_software_token(session=each["session"]) for each in (first, second)]
    await world.verify_software_token(session=begun[0]["session"], user_code=world.totp(begun[0]["secret_code"]))

    async with refused("NotAuthorizedException", "Invalid session for the user."):
        await world.verify_software_token(session=begun[1]["session"], user_code=world.totp(begun[1]["secret_code"]))


async def test_session_of_a_code_sets_no_app_up(world: World) -> None:
    """Who knows the password of a user with MFA cannot answer the challenge by setting up an app of their own."""
    _, client_id, _ = await pool_with_totp_user(world)
    challenge = await world.sign_in(client_id)

    async with refused("NotAuthorizedException", "Invalid session for the user."):
        await world.associate_software_token(session=challenge["session"])


async def test_new_password_comes_before_the_second_factor_and_does_not_replace_it(world: World) -> None:
    pool_id, client_id, secret = await pool_with_totp_user(world)
    await world.admin_set_user_password(user_pool_id=pool_id, username="anna", password="Temporary-1", permanent=False)
    challenge = await world.srp_sign_in(pool_id, client_id, password="Temporary-1")
    assert challenge["challenge_name"] == "NEW_PASSWORD_REQUIRED"

    challenge = await world.respond(client_id, challenge, {"NEW_PASSWORD": "Another-horse-1"})

    assert challenge["challenge_name"] == "SOFTWARE_TOKEN_MFA"
    await world.respond(client_id, challenge, {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret)})


async def test_administrator_takes_a_lost_app_away_and_the_user_sets_another_one_up(world: World) -> None:
    pool_id, client_id, secret = await pool_with_totp_user(world)
    assert (await world.sign_in(client_id))["challenge_name"] == "SOFTWARE_TOKEN_MFA"

    assert await world.admin_delete_software_token(user_pool_id=pool_id, username="anna") == {}

    factors = await world.admin_get_user_auth_factors(user_pool_id=pool_id, username="anna")
    assert (factors["username"], factors["preferred_mfa_setting"]) == ("anna", None)
    assert factors["user_mfa_setting_list"] is None
    assert factors["configured_user_auth_factors"] == ["PASSWORD"]
    tokens = await world.sign_in(client_id)
    other = await world.set_totp_up(tokens["access_token"])
    assert other != secret
    assert (await world.sign_in(client_id))["challenge_name"] == "SOFTWARE_TOKEN_MFA"
    async with refused("UserNotFoundException"):
        await world.admin_delete_software_token(user_pool_id=pool_id, username="nobody")
    await world.user(pool_id, "bea")
    async with refused("ResourceNotFoundException", "The user has no software token."):
        await world.admin_delete_software_token(user_pool_id=pool_id, username="bea")


@pytest.mark.parametrize(
    ("mfa", "goes_to"), [("sms_mfa_settings", "a***@e***"), ("email_mfa_settings", "+*******4567")]
)
async def test_a_recovery_code_does_not_go_where_the_second_factor_goes(world: World, mfa: str, goes_to: str) -> None:
    """Whoever has the phone, or reads the mail, would have both factors."""
    pool_id, client_id = await pool_with_mfa(world, sms=True, email=True)
    token = (await world.sign_in(client_id))["access_token"]
    await world.set_user_mfa_preference(access_token=token, **{mfa: PREFERRED})

    answer = await world.forgot_password(client_id=client_id, username="anna")
    assert answer["code_delivery_details"]["destination"] == goes_to

    other = "phone_number" if mfa == "email_mfa_settings" else "email"
    await world.admin_update_user_attributes(
        user_pool_id=pool_id, username="anna", user_attributes=attribute_list(**{f"{other}_verified": "false"})
    )
    async with refused("InvalidParameterException", NOWHERE):
        await world.admin_reset_user_password(user_pool_id=pool_id, username="anna")


async def test_a_recovery_code_does_not_go_where_a_required_second_factor_would_go(world: World) -> None:
    """Whoever reads the mail would choose a password by one code and sign in with it by another."""
    pool_id, client_id = await pool_with_mfa(world, "ON", email=True, totp=False)
    await world.admin_update_user_attributes(
        user_pool_id=pool_id, username="anna", user_attributes=attribute_list(phone_number="")
    )
    assert (await world.sign_in(client_id))["challenge_name"] == "EMAIL_OTP"

    async with refused("InvalidParameterException", NOWHERE) as refusal:
        await world.admin_reset_user_password(user_pool_id=pool_id, username="anna")
    assert refusal.value.detail == "email receives second factors"
    await world.forgot_password(client_id=client_id, username="anna")
    assert [one.kind for one in await world.pools.outbox.messages(pool_id)] == ["CustomMessage_Authentication"]


async def test_a_recovery_code_goes_to_an_address_that_the_users_own_factor_does_not_use(world: World) -> None:
    pool_id, client_id, _ = await pool_with_totp_user(world)
    await world.set_user_pool_mfa_config(
        user_pool_id=pool_id,
        mfa_configuration="ON",
        software_token_mfa_configuration=SoftwareTokenMfaConfig(enabled=True),
        email_mfa_configuration=EmailMfaConfig(),
    )
    await world.admin_update_user_attributes(
        user_pool_id=pool_id, username="anna", user_attributes=attribute_list(phone_number="")
    )

    answer = await world.forgot_password(client_id=client_id, username="anna")

    assert answer["code_delivery_details"]["destination"] == "a***@e***"
    assert [one.kind for one in await world.pools.outbox.messages(pool_id)] == ["CustomMessage_ForgotPassword"]
