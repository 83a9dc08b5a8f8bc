"""Which second factor follows the password: the pool's setting, what it offers, and what the user has and prefers.

Each row holds for every way in which a password is shown.
"""

import pytest

from support.userpools import PASSWORD, World
from velvetrope.store.tables.userpools import EmailMfaConfig, SmsConfiguration, SmsMfaConfig, SoftwareTokenMfaConfig
from velvetrope.userpools.factors.mfa_operations import MfaSettings

SMS = SmsMfaConfig(sms_configuration=SmsConfiguration(sns_caller_arn="arn:aws:iam::123456789012:role/sms"))
FLOWS = ("ALLOW_USER_SRP_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_USER_AUTH")
BOTH = ("email", "phone_number")
VALUES = {"email": "anna@example.com", "phone_number": "+15555550100"}
TOKENS, CHOICE, SETUP = "tokens", "SELECT_MFA_TYPE", "MFA_SETUP"
APP, TEXT, MAIL = "SOFTWARE_TOKEN_MFA", "SMS_MFA", "EMAIL_OTP"


async def offer(world: World, pool_id: str, mfa: str, offered: tuple[str, ...]) -> None:
    await world.set_user_pool_mfa_config(
        user_pool_id=pool_id,
        mfa_configuration=mfa,
        **(
            {} if mfa == "OFF" else {"software_token_mfa_configuration": SoftwareTokenMfaConfig(enabled=APP in offered)}
        ),
        **({"sms_mfa_configuration": SMS} if TEXT in offered else {}),
        **({"email_mfa_configuration": EmailMfaConfig()} if MAIL in offered else {}),
    )


async def prefer(world: World, access_token: str, switched_on: tuple[str, ...], preferred: str | None) -> None:
    members = {APP: "software_token_mfa_settings", TEXT: "sms_mfa_settings", MAIL: "email_mfa_settings"}
    settings = {members[one]: MfaSettings(enabled=True, preferred_mfa=one == preferred) for one in switched_on}
    await world.set_user_mfa_preference(access_token=access_token, **settings)


async def asked_after_the_password(world: World, pool_id: str, client_id: str) -> set[str]:
    """What each way of showing the password leads to."""
    by_password = {"USERNAME": "anna", "PASSWORD": PASSWORD}
    client = {"client_id": client_id}
    answers = [
        await world.initiate_auth(**client, auth_flow="USER_PASSWORD_AUTH", auth_parameters=by_password),
        await world.srp_sign_in(pool_id, client_id),
        await world.admin_initiate_auth(
            **client, user_pool_id=pool_id, auth_flow="ADMIN_USER_PASSWORD_AUTH", auth_parameters=by_password
        ),
        await world.initiate_auth(
            **client, auth_flow="USER_AUTH", auth_parameters={**by_password, "PREFERRED_CHALLENGE": "PASSWORD"}
        ),
    ]
    return {TOKENS if answer.get("authentication_result") else str(answer["challenge_name"]) for answer in answers}


@pytest.mark.parametrize(
    ("mfa", "offered", "has", "switched_on", "preferred", "asked"),
    [
        ("OFF", (), BOTH, (), None, TOKENS),
        ("OPTIONAL", (APP, TEXT, MAIL), BOTH, (), None, TOKENS),
        ("OPTIONAL", (APP, TEXT, MAIL), BOTH, (APP,), None, APP),
        ("OPTIONAL", (APP, TEXT, MAIL), BOTH, (TEXT,), None, TEXT),
        ("OPTIONAL", (APP, TEXT, MAIL), BOTH, (MAIL,), None, MAIL),
        ("OPTIONAL", (APP, TEXT, MAIL), BOTH, (APP, TEXT), None, CHOICE),
        ("OPTIONAL", (APP, TEXT, MAIL), BOTH, (APP, TEXT, MAIL), TEXT, TEXT),
        ("OPTIONAL", (APP, TEXT, MAIL), BOTH, (APP, MAIL), APP, APP),
        ("ON", (APP,), BOTH, (), None, SETUP),
        ("ON", (APP, TEXT), ("email",), (), None, SETUP),
        ("ON", (APP, TEXT), BOTH, (), None, TEXT),
        ("ON", (APP, MAIL), BOTH, (), None, MAIL),
        ("ON", (APP, TEXT, MAIL), BOTH, (), None, CHOICE),
        ("ON", (APP, TEXT, MAIL), BOTH, (APP,), None, APP),
        ("ON", (APP, TEXT, MAIL), BOTH, (APP, TEXT), TEXT, TEXT),
    ],
    ids=lambda value: "+".join(value) or "nothing" if isinstance(value, tuple) else str(value),
)
async def test_every_way_of_showing_a_password_leads_to_the_same_factor(
    world: World,
    mfa: str,
    offered: tuple[str, ...],
    has: tuple[str, ...],
    switched_on: tuple[str, ...],
    preferred: str | None,
    asked: str,
) -> None:
    pool_id = await world.pool()
    client_id = await world.client(pool_id, explicit_auth_flows=(*FLOWS, "ALLOW_REFRESH_TOKEN_AUTH"))
    addresses = {name: VALUES[name] for name in has} | {f"{name}_verified": "true" for name in has}
    await world.user(pool_id, **addresses)
    if switched_on:
        await offer(world, pool_id, "OPTIONAL", offered)
        token = (await world.sign_in(client_id))["access_token"]
        if APP in switched_on:
            await world.set_totp_up(token, preferred=False)
        await prefer(world, token, switched_on, preferred)
    await offer(world, pool_id, mfa, offered)

    assert await asked_after_the_password(world, pool_id, client_id) == {asked}
