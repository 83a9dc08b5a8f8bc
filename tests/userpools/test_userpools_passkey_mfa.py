"""Passkeys as MFA: the pool allows it, the user switches it on, and the authenticator verifies who touches it."""

from typing import Any, Final

import pytest

from support.authenticator import Authenticator
from support.passkeys import DOMAIN, PAGE, WRONG, answer, ask, options_of, pool_with_passkeys, register
from support.userpools import PASSWORD, World, refused
from velvetrope.store.tables.userpools import (
    EmailMfaConfig,
    PasswordPolicySettings,
    SoftwareTokenMfaConfig,
    WebAuthnConfiguration,
)
from velvetrope.userpools.factors.mfa_operations import MfaOption, MfaSettings
from velvetrope.userpools.factors.passkey_mfa import WebAuthnMfaSettings
from velvetrope.userpools.shapes import SignInPolicy, UserPoolPolicies

BOTH: Final = "MULTI_FACTOR_WITH_USER_VERIFICATION"
ON, OFF = MfaSettings(enabled=True), MfaSettings()
PASSKEY_ON, PASSKEY_OFF = WebAuthnMfaSettings(enabled=True), WebAuthnMfaSettings()
ALONE = "WebAuthn MFA requires enabling an additional MFA setting."


async def anna_with_both(world: World, mfa: str = "OPTIONAL") -> tuple[str, str, str, Authenticator]:
    """The pool, a client, and anna's access token and device: an app and a passkey, which are both switched on."""
    pool_id, client_id, token = await pool_with_passkeys(world, factor_configuration=BOTH)
    await world.set_totp_up(token)
    authenticator = Authenticator(PAGE)
    await register(world, token, authenticator)
    await world.set_user_mfa_preference(
        access_token=token, software_token_mfa_settings=ON, web_authn_mfa_settings=PASSKEY_ON
    )
    if mfa == "ON":
        await require_mfa(world, pool_id)
    return pool_id, client_id, token, authenticator


async def require_mfa(world: World, pool_id: str, **web_authn: Any) -> None:
    await world.set_user_pool_mfa_config(
        user_pool_id=pool_id,
        mfa_configuration="ON",
        software_token_mfa_configuration=SoftwareTokenMfaConfig(enabled=True),
        web_authn_configuration=WebAuthnConfiguration(
            **{"relying_party_id": DOMAIN, "factor_configuration": BOTH, **web_authn}
        ),
    )


# Signing in


@pytest.mark.parametrize("mfa", ["OPTIONAL", "ON"])
async def test_a_passkey_that_stands_for_both_factors_signs_in_alone(world: World, mfa: str) -> None:
    pool_id, client_id, token, authenticator = await anna_with_both(world, mfa)

    challenge = await ask(world, client_id)
    done = await answer(world, client_id, challenge, authenticator)

    assert options_of(challenge)["userVerification"] == "required"
    assert challenge["available_challenges"] == ("PASSWORD_SRP", "PASSWORD", "WEB_AUTHN")
    assert done["authentication_result"]["access_token"]
    # A password is one factor still.
    assert (await world.sign_in(client_id))["challenge_name"] == "SOFTWARE_TOKEN_MFA"
    for shown in (
        await world.get_user(access_token=token),
        await world.admin_get_user(user_pool_id=pool_id, username="anna"),
        await world.get_user_auth_factors(access_token=token),
    ):
        assert shown["user_mfa_setting_list"] == ("SOFTWARE_TOKEN_MFA", "WEB_AUTHN_MFA")
        assert shown["preferred_mfa_setting"] is None


@pytest.mark.parametrize("mfa", ["OPTIONAL", "ON"])
async def test_an_authenticator_that_has_not_verified_its_user_is_refused(world: World, mfa: str) -> None:
    _, client_id, _, authenticator = await anna_with_both(world, mfa)

    authenticator.verifies_users = False

    async with refused("NotAuthorizedException", WRONG):
        await answer(world, client_id, await ask(world, client_id), authenticator)


async def test_a_pool_of_verified_passkeys_registers_no_other(world: World) -> None:
    _, _, token = await pool_with_passkeys(world, factor_configuration=BOTH)

    options = (await world.start_web_authn_registration(access_token=token))["credential_creation_options"]

    assert options["authenticatorSelection"]["userVerification"] == "required"
    async with refused("WebAuthnCredentialNotSupportedException"):
        await register(world, token, Authenticator(PAGE, verifies_users=False))


@pytest.mark.parametrize("mfa", ["OPTIONAL", "ON"])
async def test_who_has_not_switched_it_on_is_not_offered_the_passkey(world: World, mfa: str) -> None:
    _, client_id, token, _ = await anna_with_both(world, mfa)

    await world.set_user_mfa_preference(access_token=token, web_authn_mfa_settings=PASSKEY_OFF)
    challenge = await ask(world, client_id)

    assert (challenge["challenge_name"], challenge["available_challenges"]) == (
        "SELECT_CHALLENGE",
        ("PASSWORD_SRP", "PASSWORD"),
    )
    assert (await world.get_user(access_token=token))["user_mfa_setting_list"] == ("SOFTWARE_TOKEN_MFA",)
    async with refused("InvalidParameterException"):
        await world.respond(client_id, challenge, {"ANSWER": "WEB_AUTHN"})


async def test_switched_off_between_question_and_answer_the_other_factor_is_owed(world: World) -> None:
    _, client_id, token, authenticator = await anna_with_both(world)
    challenge = await ask(world, client_id)
    await world.set_user_mfa_preference(access_token=token, web_authn_mfa_settings=PASSKEY_OFF)

    second = await answer(world, client_id, challenge, authenticator)

    assert second["challenge_name"] == "SOFTWARE_TOKEN_MFA"


async def test_the_pools_setting_taken_back_a_passkey_is_one_factor_and_verified_still(world: World) -> None:
    """What its user has asked for, verification, holds whatever the pool says."""
    pool_id, client_id, token, authenticator = await anna_with_both(world)
    challenge = await ask(world, client_id)
    await world.set_user_pool_mfa_config(
        user_pool_id=pool_id,
        mfa_configuration="OPTIONAL",
        software_token_mfa_configuration=SoftwareTokenMfaConfig(enabled=True),
        web_authn_configuration=WebAuthnConfiguration(relying_party_id=DOMAIN),
    )

    second = await answer(world, client_id, challenge, authenticator)

    assert second["challenge_name"] == "SOFTWARE_TOKEN_MFA"
    assert (await ask(world, client_id))["available_challenges"] == ("PASSWORD_SRP", "PASSWORD")
    options = (await world.start_web_authn_registration(access_token=token))["credential_creation_options"]
    assert options["authenticatorSelection"]["userVerification"] == "required"


async def test_who_owes_no_second_factor_signs_in_with_a_verified_passkey_alone(world: World) -> None:
    _, client_id, token = await pool_with_passkeys(world, factor_configuration=BOTH)
    authenticator = Authenticator(PAGE)
    await register(world, token, authenticator)

    assert (await answer(world, client_id, await ask(world, client_id), authenticator))["authentication_result"]
    assert (await world.get_user(access_token=token))["user_mfa_setting_list"] is None


async def test_where_mfa_is_required_a_passkey_alone_sets_none_up(world: World) -> None:
    """Anna has a passkey and no second factor: her password leads to MFA_SETUP, as anybody's does."""
    pool_id, client_id, token = await pool_with_passkeys(world, factor_configuration=BOTH)
    await register(world, token, Authenticator(PAGE))
    await require_mfa(world, pool_id)

    choice = await ask(world, client_id)
    setup = await world.respond(client_id, choice, {"ANSWER": "PASSWORD", "PASSWORD": PASSWORD})

    assert choice["available_challenges"] == ("PASSWORD_SRP", "PASSWORD")
    assert setup["challenge_name"] == "MFA_SETUP"


# The user's setting


async def test_it_is_switched_on_beside_another_factor_of_the_same_call(world: World) -> None:
    _, _, token = await pool_with_passkeys(world, factor_configuration=BOTH)
    await world.set_totp_up(token)
    await register(world, token, Authenticator(PAGE))
    await world.set_user_mfa_preference(access_token=token, software_token_mfa_settings=ON)

    async with refused("InvalidParameterException", ALONE):  # although one is switched on already
        await world.set_user_mfa_preference(access_token=token, web_authn_mfa_settings=PASSKEY_ON)
    async with refused("InvalidParameterException", ALONE):
        await world.set_user_mfa_preference(
            access_token=token, software_token_mfa_settings=OFF, web_authn_mfa_settings=PASSKEY_ON
        )
    assert (await world.get_user(access_token=token))["user_mfa_setting_list"] == ("SOFTWARE_TOKEN_MFA",)


async def test_it_takes_a_passkey_of_the_pools_relying_party(world: World) -> None:
    pool_id, _, token = await pool_with_passkeys(world, factor_configuration=BOTH)
    await world.set_totp_up(token)
    missing = "User does not have applicable WebAuthn credentials to enable WebAuthn MFA."

    async def switch_on() -> None:
        await world.set_user_mfa_preference(
            access_token=token, software_token_mfa_settings=ON, web_authn_mfa_settings=PASSKEY_ON
        )

    async with refused("InvalidParameterException", missing):
        await switch_on()
    await register(world, token, Authenticator(PAGE))
    await require_mfa(world, pool_id, relying_party_id="example.org")
    async with refused("InvalidParameterException", missing):
        await switch_on()
    await require_mfa(world, pool_id)
    await switch_on()


async def test_it_takes_a_pool_that_has_it(world: World) -> None:
    pool_id, client_id, token = await pool_with_passkeys(world)
    await world.set_totp_up(token)
    await register(world, token, Authenticator(PAGE))

    async with refused("InvalidParameterException", "WebAuthn MFA is not enabled for the user pool."):
        await world.set_user_mfa_preference(
            access_token=token, software_token_mfa_settings=ON, web_authn_mfa_settings=PASSKEY_ON
        )
    async with refused("InvalidParameterException", "WebAuthn MFA is not enabled for the user pool."):
        await world.admin_set_user_mfa_preference(
            user_pool_id=pool_id,
            username="anna",
            software_token_mfa_settings=ON,
            web_authn_mfa_settings=PASSKEY_ON,
        )
    assert (await ask(world, client_id))["available_challenges"] == ("PASSWORD_SRP", "PASSWORD")


async def test_an_administrator_switches_it_on_and_off(world: World) -> None:
    pool_id, client_id, token = await pool_with_passkeys(world, factor_configuration=BOTH)
    await world.set_totp_up(token)
    await register(world, token, Authenticator(PAGE))
    who = {"user_pool_id": pool_id, "username": "anna"}

    await world.admin_set_user_mfa_preference(**who, software_token_mfa_settings=ON, web_authn_mfa_settings=PASSKEY_ON)
    assert (await world.admin_get_user(**who))["user_mfa_setting_list"] == ("SOFTWARE_TOKEN_MFA", "WEB_AUTHN_MFA")
    await world.admin_set_user_mfa_preference(
        **who, software_token_mfa_settings=OFF, web_authn_mfa_settings=PASSKEY_OFF
    )

    assert (await world.admin_get_user(**who))["user_mfa_setting_list"] is None
    assert (await ask(world, client_id))["challenge_name"] == "WEB_AUTHN"


async def test_it_is_never_left_alone(world: World) -> None:
    pool_id, _, token, _ = await anna_with_both(world)

    async with refused("InvalidParameterException", ALONE):
        await world.set_user_mfa_preference(access_token=token, software_token_mfa_settings=OFF)
    assert "WEB_AUTHN_MFA" in (await world.get_user(access_token=token))["user_mfa_setting_list"]

    await world.admin_delete_software_token(user_pool_id=pool_id, username="anna")
    assert (await world.get_user(access_token=token))["user_mfa_setting_list"] is None


async def test_the_old_way_to_switch_sms_off_does_not_leave_it_alone_either(world: World) -> None:
    pool_id, _, token, _ = await anna_with_both(world)
    await world.set_user_settings(access_token=token, mfa_options=())
    await world.set_user_pool_mfa_config(
        user_pool_id=pool_id,
        mfa_configuration="OPTIONAL",
        email_mfa_configuration=EmailMfaConfig(),
        web_authn_configuration=WebAuthnConfiguration(relying_party_id=DOMAIN, factor_configuration=BOTH),
    )

    assert "WEB_AUTHN_MFA" in (await world.get_user(access_token=token))["user_mfa_setting_list"]
    async with refused("InvalidParameterException"):
        await world.set_user_settings(
            access_token=token, mfa_options=(MfaOption(delivery_medium="EMAIL", attribute_name="email"),)
        )


async def test_it_goes_with_the_last_passkey_and_not_before(world: World) -> None:
    _, _, token, _ = await anna_with_both(world)
    await register(world, token, Authenticator(PAGE))

    listed = (await world.list_web_authn_credentials(access_token=token))["credentials"]
    settings = []
    for one in listed:
        await world.delete_web_authn_credential(access_token=token, credential_id=one["credential_id"])
        settings.append((await world.get_user(access_token=token))["user_mfa_setting_list"])

    assert settings == [("SOFTWARE_TOKEN_MFA", "WEB_AUTHN_MFA"), ("SOFTWARE_TOKEN_MFA",)]


# The pool's settings


async def test_where_mfa_is_required_passkeys_stand_for_both_factors_or_are_not_allowed(world: World) -> None:
    pool_id, _, _ = await pool_with_passkeys(world)
    sentence = (
        "Cannot set WebAuthn factor configuration to SINGLE_FACTOR if MFA is required and WebAuthn is an allowed first "
        "auth factor"
    )

    async with refused("InvalidParameterException", sentence):
        await require_mfa(world, pool_id, factor_configuration="SINGLE_FACTOR")
    await require_mfa(world, pool_id)
    async with refused("InvalidParameterException", sentence):  # left out, it is SINGLE_FACTOR here
        await world.set_user_pool_mfa_config(
            user_pool_id=pool_id,
            mfa_configuration="ON",
            software_token_mfa_configuration=SoftwareTokenMfaConfig(enabled=True),
        )

    configured = await world.get_user_pool_mfa_config(user_pool_id=pool_id)
    assert configured["mfa_configuration"] == "ON"
    assert configured["web_authn_configuration"]["factor_configuration"] == BOTH


@pytest.mark.parametrize(
    ("allowed", "sentence"),
    [
        ("WEB_AUTHN", "WEB_AUTHN cannot be used as an auth factor when MFA is enabled if not configured for MFA."),
        ("EMAIL_OTP", "Only PASSWORD and WEB_AUTHN (if configured) can be enabled as an auth factor if MFA is enabled"),
        ("SMS_OTP", "Only PASSWORD and WEB_AUTHN (if configured) can be enabled as an auth factor if MFA is enabled"),
    ],
)
async def test_a_pool_that_requires_mfa_begins_with_nothing_that_leaves_none(
    world: World, allowed: Any, sentence: str
) -> None:
    pool_id = await world.pool()
    await require_mfa(world, pool_id, factor_configuration=None)
    policies = UserPoolPolicies(
        password_policy=PasswordPolicySettings(),
        sign_in_policy=SignInPolicy(allowed_first_auth_factors=("PASSWORD", allowed)),
    )

    async with refused("InvalidParameterException", sentence):
        await world.update_user_pool(user_pool_id=pool_id, policies=policies)
    await world.set_user_pool_mfa_config(
        user_pool_id=pool_id,
        mfa_configuration="OPTIONAL",
        software_token_mfa_configuration=SoftwareTokenMfaConfig(enabled=True),
    )
    await world.update_user_pool(user_pool_id=pool_id, policies=policies)
    async with refused("InvalidParameterException", sentence):
        await world.update_user_pool(user_pool_id=pool_id, policies=policies, mfa_configuration="ON")


@pytest.mark.parametrize(
    "block",
    [
        {"software_token_mfa_configuration": SoftwareTokenMfaConfig(enabled=True)},
        {"software_token_mfa_configuration": SoftwareTokenMfaConfig(enabled=False)},
        {"email_mfa_configuration": EmailMfaConfig()},
    ],
)
async def test_mfa_is_not_switched_off_and_configured_in_one_call(world: World, block: Any) -> None:
    pool_id = await world.pool()

    async with refused(
        "InvalidParameterException",
        "Invalid MFA configuration given, can't turn off MFA and configure an MFA together.",
    ):
        await world.set_user_pool_mfa_config(user_pool_id=pool_id, mfa_configuration="OFF", **block)
    await world.set_user_pool_mfa_config(
        user_pool_id=pool_id,
        mfa_configuration="OFF",
        web_authn_configuration=WebAuthnConfiguration(relying_party_id=DOMAIN, factor_configuration=BOTH),
    )
