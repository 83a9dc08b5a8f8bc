"""What is changed while somebody signs in: a sign-in stands for the password and the factor of then, and not of now."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from support.federated_users import come_from_google, federated_pool
from support.userpools import PASSWORD, World, attribute_list, refused, srp_client
from velvetrope.store.tables.userpools import (
    EmailMfaConfig,
    FirstFactor,
    LambdaConfig,
    SmsConfiguration,
    SmsMfaConfig,
    SoftwareTokenMfaConfig,
)
from velvetrope.userpools.factors.mfa_operations import MfaSettings
from velvetrope.userpools.shapes import ProviderUserIdentifier, SignInPolicy, UserPoolPolicies

NEXT = "An0ther!pw"
INVALID = "Invalid session for the user."
SMS = SmsMfaConfig(sms_configuration=SmsConfiguration(sns_caller_arn="arn:aws:iam::123456789012:role/sms"))


async def pool_with_mfa(world: World, mfa: str) -> tuple[str, str]:
    """Authenticator apps and SMS; anna has a phone. With ON she has to set an app up, since there is no SMS then."""
    pool_id = await world.pool()
    await world.set_user_pool_mfa_config(
        user_pool_id=pool_id,
        mfa_configuration=mfa,
        software_token_mfa_configuration=SoftwareTokenMfaConfig(enabled=True),
        **({"sms_mfa_configuration": SMS} if mfa == "OPTIONAL" else {}),
        **({"email_mfa_configuration": EmailMfaConfig()} if mfa == "ON" else {}),
    )
    await world.user(pool_id, phone_number="+15551234567")
    return pool_id, await world.client(pool_id)


async def set_password(world: World, pool_id: str, password: str = NEXT) -> None:
    await world.admin_set_user_password(user_pool_id=pool_id, username="anna", password=password, permanent=True)


def while_asked(world: World, monkeypatch: pytest.MonkeyPatch, happens: Callable[[], Awaitable[object]]) -> None:
    """What happens while a function is being asked, the first time."""
    invoke = world.functions.invoke

    async def asked(*given: Any, **more: Any) -> Any:
        monkeypatch.setattr(world.functions, "invoke", invoke)
        await happens()
        return await invoke(*given, **more)

    monkeypatch.setattr(world.functions, "invoke", asked)


async def made_anew(world: World, pool_id: str) -> None:
    await world.admin_delete_user(user_pool_id=pool_id, username="anna")
    await world.user(pool_id, email="other@example.com", email_verified="true")


async def address_of_anna(world: World, pool_id: str) -> str:
    found = await world.admin_get_user(user_pool_id=pool_id, username="anna")
    return next(str(one["value"]) for one in found["user_attributes"] if one["name"] == "email")


async def test_second_factor_of_a_password_that_was_changed_since_signs_nobody_in(world: World) -> None:
    pool_id, client_id = await pool_with_mfa(world, "OPTIONAL")
    secret = await world.set_totp_up((await world.sign_in(client_id))["access_token"])
    asked = await world.sign_in(client_id)

    await set_password(world, pool_id)

    async with refused("NotAuthorizedException", INVALID):
        await world.respond(client_id, asked, {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret)})
    world.later(seconds=30)
    again = await world.sign_in(client_id, password=NEXT)
    done = await world.respond(client_id, again, {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret)})
    assert done["authentication_result"]["access_token"]


async def test_second_factor_of_a_proof_of_a_password_that_was_changed_since_signs_nobody_in(world: World) -> None:
    pool_id, client_id = await pool_with_mfa(world, "OPTIONAL")
    secret = await world.set_totp_up((await world.sign_in(client_id))["access_token"])
    asked = await world.srp_sign_in(pool_id, client_id)

    await set_password(world, pool_id)

    async with refused("NotAuthorizedException", INVALID):
        await world.respond(client_id, asked, {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret)})


async def test_who_had_the_old_password_sets_no_app_up_once_it_was_changed(world: World) -> None:
    """Else they would keep the user out, who has the new one."""
    pool_id, client_id = await pool_with_mfa(world, "ON")
    asked = await world.sign_in(client_id)
    begun = await world.associate_software_token(session=asked["session"])
    code = world.totp(begun["secret_code"])

    await set_password(world, pool_id)

    async with refused("NotAuthorizedException", INVALID):
        await world.associate_software_token(session=asked["session"])
    async with refused("NotAuthorizedException", INVALID):
        await world.verify_software_token(session=begun["session"], user_code=code)
    again = await world.sign_in(client_id, password=NEXT)
    assert again["challenge_name"] == "MFA_SETUP"


async def test_who_had_the_old_password_sets_no_mail_address_up_once_it_was_changed(world: World) -> None:
    pool_id, client_id = await pool_with_mfa(world, "ON")
    asked = await world.sign_in(client_id)
    sent = await world.respond(client_id, asked, {"EMAIL": "mallory@example.com"})
    code = await world.last_code(pool_id)
    later = await world.sign_in(client_id)

    await set_password(world, pool_id)

    async with refused("NotAuthorizedException", INVALID):
        await world.respond(client_id, sent, {"EMAIL_OTP_CODE": code})
    async with refused("NotAuthorizedException", INVALID):
        await world.respond(client_id, later, {"EMAIL": "mallory@example.com"})
    shown = await world.admin_get_user(user_pool_id=pool_id, username="anna")
    assert "email" not in {one["name"] for one in shown["user_attributes"]}
    assert shown["user_mfa_setting_list"] is None


async def test_a_temporary_password_that_was_replaced_is_followed_by_no_new_one(world: World) -> None:
    pool_id = await world.pool()
    client_id = await world.client(pool_id)
    invited = {"user_pool_id": pool_id, "username": "anna", "user_attributes": attribute_list(email="anna@example.com")}
    await world.admin_create_user(**invited, temporary_password="Temporary-1")
    asked = await world.sign_in(client_id, password="Temporary-1")

    await world.admin_create_user(**invited, message_action="RESEND", temporary_password="Temporary-2")

    async with refused("NotAuthorizedException", INVALID):
        await world.respond(client_id, asked, {"NEW_PASSWORD": NEXT})
    again = await world.sign_in(client_id, password="Temporary-2")
    done = await world.respond(client_id, again, {"NEW_PASSWORD": NEXT})
    assert done["authentication_result"]["access_token"]


async def test_new_password_set_in_the_sign_in_itself_ends_nothing(world: World) -> None:
    pool_id, client_id = await pool_with_mfa(world, "ON")
    await world.admin_set_user_password(user_pool_id=pool_id, username="anna", password="Temporary-1", permanent=False)
    asked = await world.sign_in(client_id, password="Temporary-1")

    asked = await world.respond(client_id, asked, {"NEW_PASSWORD": NEXT})
    begun = await world.associate_software_token(session=asked["session"])
    verified = await world.verify_software_token(session=begun["session"], user_code=world.totp(begun["secret_code"]))
    done = await world.respond(client_id, {**asked, "session": verified["session"]}, {})

    assert done["authentication_result"]["access_token"]


async def test_factor_that_was_switched_off_since_does_not_count(world: World) -> None:
    """Somebody's phone number was taken over; they switch to their app, and a code that is under way is in vain."""
    pool_id, client_id = await pool_with_mfa(world, "OPTIONAL")
    token = (await world.sign_in(client_id))["access_token"]
    on, off = MfaSettings(enabled=True), MfaSettings(enabled=False)
    await world.set_user_mfa_preference(access_token=token, sms_mfa_settings=on)
    asked = await world.sign_in(client_id)
    assert asked["challenge_name"] == "SMS_MFA"
    code = await world.last_code(pool_id)
    secret = await world.set_totp_up(token)

    await world.set_user_mfa_preference(access_token=token, sms_mfa_settings=off)

    next_one = await world.respond(client_id, asked, {"SMS_MFA_CODE": code})
    assert next_one["challenge_name"] == "SOFTWARE_TOKEN_MFA"
    done = await world.respond(client_id, next_one, {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret)})
    assert done["authentication_result"]["access_token"]


async def test_factor_that_is_on_beside_another_one_counts(world: World) -> None:
    pool_id, client_id = await pool_with_mfa(world, "OPTIONAL")
    token = (await world.sign_in(client_id))["access_token"]
    await world.set_user_mfa_preference(access_token=token, sms_mfa_settings=MfaSettings(enabled=True))
    asked = await world.sign_in(client_id)
    code = await world.last_code(pool_id)

    await world.set_totp_up(token)

    done = await world.respond(client_id, asked, {"SMS_MFA_CODE": code})
    assert done["authentication_result"]["access_token"]


async def test_app_set_up_meanwhile_is_not_replaced_by_who_has_the_password_alone(world: World) -> None:
    """With an access token, which switches it on only with the preference."""
    pool_id, client_id = await pool_with_mfa(world, "OPTIONAL")
    token = (await world.sign_in(client_id))["access_token"]
    await world.set_user_pool_mfa_config(
        user_pool_id=pool_id,
        mfa_configuration="ON",
        software_token_mfa_configuration=SoftwareTokenMfaConfig(enabled=True),
    )
    asked = await world.sign_in(client_id)
    begun = await world.associate_software_token(session=asked["session"])

    own = await world.associate_software_token(access_token=token)
    await world.verify_software_token(access_token=token, user_code=world.totp(own["secret_code"]))

    async with refused("NotAuthorizedException", INVALID):
        await world.verify_software_token(session=begun["session"], user_code=world.totp(begun["secret_code"]))
    async with refused("NotAuthorizedException", INVALID):
        await world.associate_software_token(session=asked["session"])
    world.later(seconds=30)
    again = await world.sign_in(client_id)
    done = await world.respond(client_id, again, {"SOFTWARE_TOKEN_MFA_CODE": world.totp(own["secret_code"])})
    assert done["authentication_result"]["access_token"]


async def test_session_of_a_client_that_is_gone_sets_no_app_up(world: World) -> None:
    pool_id, client_id = await pool_with_mfa(world, "ON")
    asked = await world.sign_in(client_id)
    begun = await world.associate_software_token(session=asked["session"])

    await world.delete_user_pool_client(user_pool_id=pool_id, client_id=client_id)

    async with refused("NotAuthorizedException", INVALID):
        await world.associate_software_token(session=asked["session"])
    async with refused("NotAuthorizedException", INVALID):
        await world.verify_software_token(session=begun["session"], user_code=world.totp(begun["secret_code"]))
    another = await world.client(pool_id)
    assert (await world.sign_in(another))["challenge_name"] == "MFA_SETUP"


@pytest.mark.parametrize(
    ("challenge", "address", "first", "other"),
    [
        ("EMAIL_OTP", "email", "anna@example.com", "new@example.com"),
        ("SMS_OTP", "phone_number", "+15551234567", "+15557654321"),
    ],
)
async def test_code_of_a_sign_in_is_worth_nothing_once_the_address_is_another_one(
    world: World, challenge: str, address: str, first: str, other: str
) -> None:
    pool_id, client_id = await pool_with_codes(world)
    asked = await first_factor(world, client_id, challenge)
    code = await world.last_code(pool_id)

    await change_address(world, pool_id, address, other)

    async with refused("NotAuthorizedException", INVALID):
        await world.respond(client_id, asked, {f"{challenge}_CODE": code})
    await change_address(world, pool_id, address, first)
    done = await world.respond(client_id, asked, {f"{challenge}_CODE": code})
    assert done["authentication_result"]["access_token"]


async def test_second_factor_to_a_phone_that_was_lost_since_signs_nobody_in(world: World) -> None:
    pool_id, client_id = await pool_with_mfa(world, "OPTIONAL")
    token = (await world.sign_in(client_id))["access_token"]
    await world.set_user_mfa_preference(access_token=token, sms_mfa_settings=MfaSettings(enabled=True))
    asked = await world.sign_in(client_id)
    code = await world.last_code(pool_id)

    await change_address(world, pool_id, "phone_number", "+15557654321")

    async with refused("NotAuthorizedException", INVALID):
        await world.respond(client_id, asked, {"SMS_MFA_CODE": code})


async def test_code_that_the_pool_takes_no_more_signs_nobody_in(world: World) -> None:
    pool_id, client_id = await pool_with_codes(world)
    chosen = await first_factor(world, client_id, "EMAIL_OTP")
    code = await world.last_code(pool_id)
    choice = await world.initiate_auth(auth_flow="USER_AUTH", client_id=client_id, auth_parameters={"USERNAME": "anna"})

    await world.update_user_pool(user_pool_id=pool_id, policies=factors("PASSWORD"))

    async with refused("NotAuthorizedException", INVALID):
        await world.respond(client_id, chosen, {"EMAIL_OTP_CODE": code})
    async with refused("InvalidParameterException", "EMAIL_OTP is not one of the available challenges."):
        await world.respond(client_id, choice, {"ANSWER": "EMAIL_OTP"})


async def pool_with_codes(world: World) -> tuple[str, str]:
    pool_id = await world.pool(policies=factors("PASSWORD", "EMAIL_OTP", "SMS_OTP"))
    client_id = await world.client(pool_id, explicit_auth_flows=("ALLOW_USER_AUTH",))
    await world.user(
        pool_id,
        email="anna@example.com",
        email_verified="true",
        phone_number="+15551234567",
        phone_number_verified="true",
    )
    return pool_id, client_id


def factors(*allowed: FirstFactor) -> UserPoolPolicies:
    return UserPoolPolicies(sign_in_policy=SignInPolicy(allowed_first_auth_factors=allowed))


async def first_factor(world: World, client_id: str, challenge: str) -> Any:
    asked = await world.initiate_auth(
        auth_flow="USER_AUTH",
        client_id=client_id,
        auth_parameters={"USERNAME": "anna", "PREFERRED_CHALLENGE": challenge},
    )
    assert asked["challenge_name"] == challenge
    return asked


async def change_address(world: World, pool_id: str, address: str, value: str) -> None:
    await world.admin_update_user_attributes(
        user_pool_id=pool_id,
        username="anna",
        user_attributes=attribute_list(**{address: value, f"{address}_verified": "true"}),
    )


async def test_app_of_a_pool_that_takes_apps_no_more_keeps_nobody_from_setting_mail_up(world: World) -> None:
    pool_id, client_id = await pool_with_mfa(world, "OPTIONAL")
    await world.set_totp_up((await world.sign_in(client_id))["access_token"])
    await world.set_user_pool_mfa_config(
        user_pool_id=pool_id, mfa_configuration="ON", email_mfa_configuration=EmailMfaConfig()
    )
    asked = await world.sign_in(client_id)
    assert asked["challenge_name"] == "MFA_SETUP"

    sent = await world.respond(client_id, asked, {"EMAIL": "anna@example.com"})
    done = await world.respond(client_id, sent, {"EMAIL_OTP_CODE": await world.last_code(pool_id)})

    assert done["authentication_result"]["access_token"]


async def test_sms_of_a_pool_that_sends_none_any_more_keeps_nobody_from_setting_an_app_up(world: World) -> None:
    pool_id, client_id = await pool_with_mfa(world, "OPTIONAL")
    await world.admin_set_user_mfa_preference(
        user_pool_id=pool_id, username="anna", sms_mfa_settings=MfaSettings(enabled=True)
    )
    await world.set_user_pool_mfa_config(
        user_pool_id=pool_id,
        mfa_configuration="ON",
        software_token_mfa_configuration=SoftwareTokenMfaConfig(enabled=True),
    )
    asked = await world.sign_in(client_id)
    assert asked["challenge_name"] == "MFA_SETUP"

    begun = await world.associate_software_token(session=asked["session"])
    verified = await world.verify_software_token(session=begun["session"], user_code=world.totp(begun["secret_code"]))
    done = await world.respond(client_id, {**asked, "session": verified["session"]}, {})

    assert done["authentication_result"]["access_token"]


async def test_second_factor_of_somebody_made_anew_is_none_of_who_had_the_name_before(world: World) -> None:
    pool_id, client_id = await pool_with_mfa(world, "OPTIONAL")
    secret = await world.set_totp_up((await world.sign_in(client_id))["access_token"])
    challenge = await world.sign_in(client_id)
    await world.admin_delete_user(user_pool_id=pool_id, username="anna")
    async with refused("NotAuthorizedException", "Invalid session for the user."):
        await world.respond(client_id, challenge, {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret)})

    await world.user(pool_id, email="anna@example.com", email_verified="true")
    other = await world.set_totp_up((await world.sign_in(client_id))["access_token"])

    for of_whom in (secret, other):
        async with refused("NotAuthorizedException", "Invalid session for the user."):
            await world.respond(client_id, challenge, {"SOFTWARE_TOKEN_MFA_CODE": world.totp(of_whom)})


@pytest.mark.parametrize("ends", ["global_sign_out", "admin_user_global_sign_out", "admin_disable_user"])
async def test_who_is_signed_out_everywhere_has_no_sign_in_under_way_either(world: World, ends: str) -> None:
    pool_id, client_id = await pool_with_mfa(world, "OPTIONAL")
    token = (await world.sign_in(client_id))["access_token"]
    secret = await world.set_totp_up(token)
    asked = await world.sign_in(client_id)

    world.later(seconds=1)
    if ends == "global_sign_out":
        await world.global_sign_out(access_token=token)
    else:
        await getattr(world, ends)(user_pool_id=pool_id, username="anna")
    if ends == "admin_disable_user":
        await world.admin_enable_user(user_pool_id=pool_id, username="anna")

    async with refused("NotAuthorizedException", INVALID):
        await world.respond(client_id, asked, {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret)})
    world.later(seconds=30)
    again = await world.sign_in(client_id)
    done = await world.respond(client_id, again, {"SOFTWARE_TOKEN_MFA_CODE": world.totp(secret)})
    assert done["authentication_result"]["access_token"]


async def test_proof_to_a_challenge_of_before_the_sign_out_signs_nobody_in(world: World) -> None:
    pool_id, client_id = await world.some_user()

    token = (await world.sign_in(client_id))["access_token"]
    them = srp_client(pool_id, client_id)
    challenge = await world.initiate_auth(
        auth_flow="USER_SRP_AUTH", client_id=client_id, auth_parameters=them.get_auth_params()
    )
    world.later(seconds=1)
    await world.global_sign_out(access_token=token)

    async with refused("NotAuthorizedException", INVALID):
        await world.respond_to_auth_challenge(
            client_id=client_id,
            challenge_name="PASSWORD_VERIFIER",
            challenge_responses=world.srp_answer(them, challenge["challenge_parameters"]),
        )
    world.later(seconds=1)
    assert (await world.srp_sign_in(pool_id, client_id))["authentication_result"]["access_token"]


async def test_new_password_of_before_the_sign_out_is_not_kept(world: World) -> None:
    pool_id = await world.pool()
    client_id = await world.client(pool_id)
    await world.admin_create_user(
        user_pool_id=pool_id, username="anna", temporary_password=PASSWORD, message_action="SUPPRESS"
    )
    asked = await world.sign_in(client_id)
    world.later(seconds=1)
    await world.admin_user_global_sign_out(user_pool_id=pool_id, username="anna")

    async with refused("NotAuthorizedException", INVALID):
        await world.respond(client_id, asked, {"NEW_PASSWORD": NEXT})

    world.later(seconds=1)
    assert (await world.sign_in(client_id))["challenge_name"] == "NEW_PASSWORD_REQUIRED"


async def test_tokens_that_a_function_held_up_while_the_user_was_signed_out_stand_for_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool_id = await world.lax_pool(lambda_config=LambdaConfig(pre_token_generation=world.functions.answers("tokens")))
    client_id = await world.client(pool_id)
    await world.user(pool_id)

    async def signed_out() -> None:
        world.later(seconds=1)
        await world.admin_user_global_sign_out(user_pool_id=pool_id, username="anna")

    while_asked(world, monkeypatch, signed_out)
    held_up = await world.sign_in(client_id)
    world.later(seconds=1)

    async with refused("NotAuthorizedException", "Access Token has been revoked"):
        await world.get_user(access_token=held_up["access_token"])
    async with refused("NotAuthorizedException", "Refresh Token has been revoked"):
        await world.refresh(client_id, held_up["refresh_token"])
    anna = {"user_pool_id": pool_id, "username": "anna"}
    assert (await world.admin_list_user_sessions(**anna))["sessions"] == []
    again = await world.sign_in(client_id)
    assert len((await world.admin_list_user_sessions(**anna))["sessions"]) == 1
    assert await world.get_user(access_token=again["access_token"])
    assert await world.refresh(client_id, again["refresh_token"])


async def test_change_that_a_function_held_up_is_not_made_to_who_has_the_name_by_then(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = world.functions.define("words", lambda event: event)
    pool_id = await world.pool(auto_verified_attributes=("email",), lambda_config=LambdaConfig(custom_message=words))
    client_id = await world.client(pool_id)
    await world.user(pool_id, email="anna@example.com", email_verified="true")
    token = (await world.sign_in(client_id))["access_token"]
    while_asked(world, monkeypatch, lambda: made_anew(world, pool_id))

    async with refused("UserNotFoundException", "User does not exist."):
        await world.update_user_attributes(access_token=token, user_attributes=attribute_list(email="evil@example.com"))

    assert await address_of_anna(world, pool_id) == "other@example.com"


async def test_federated_sign_in_that_a_function_held_up_is_none_of_who_has_the_name_by_then(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    entering = world.functions.define("entering", lambda event: event)
    pool_id, client_id = await federated_pool(world, lambda_config=LambdaConfig(pre_authentication=entering))
    await world.user(pool_id, email="anna@example.com", email_verified="true")
    await world.admin_link_provider_for_user(
        user_pool_id=pool_id,
        destination_user=ProviderUserIdentifier(provider_name="Cognito", provider_attribute_value="anna"),
        source_user=ProviderUserIdentifier(
            provider_name="Google", provider_attribute_name="Cognito_Subject", provider_attribute_value="1234"
        ),
    )
    while_asked(world, monkeypatch, lambda: made_anew(world, pool_id))

    async with refused("UserNotFoundException", "User does not exist."):
        await come_from_google(world, pool_id, client_id)

    assert await address_of_anna(world, pool_id) == "other@example.com"
