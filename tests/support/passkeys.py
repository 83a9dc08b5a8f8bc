"""Pools with passkeys, and one user's way through registering one and signing in with it."""

import json
from typing import Any

from support.authenticator import Authenticator
from support.userpools import World
from velvetrope.store.tables.userpools import (
    PasswordPolicySettings,
    SoftwareTokenMfaConfig,
    WebAuthnConfiguration,
)
from velvetrope.userpools.shapes import SignInPolicy, UserPoolPolicies

__all__ = ["DOMAIN", "FLOWS", "PAGE", "WRONG", "answer", "ask", "options_of", "pool_with_passkeys", "register"]

FLOWS = ("ALLOW_USER_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH")
DOMAIN, PAGE = "example.com", "https://app.example.com"
WRONG = "Incorrect username or password."


async def pool_with_passkeys(
    world: World, *, mfa_configuration: str = "OPTIONAL", **web_authn: Any
) -> tuple[str, str, str]:
    """A pool whose relying party is example.com, a client, and an access token of the user anna."""
    pool_id = await world.pool(
        policies=UserPoolPolicies(
            password_policy=PasswordPolicySettings(),
            sign_in_policy=SignInPolicy(allowed_first_auth_factors=("PASSWORD", "WEB_AUTHN")),
        )
    )
    await world.set_user_pool_mfa_config(
        user_pool_id=pool_id,
        mfa_configuration=mfa_configuration,
        software_token_mfa_configuration=SoftwareTokenMfaConfig(enabled=True),
        web_authn_configuration=WebAuthnConfiguration(**{"relying_party_id": DOMAIN, **web_authn}),
    )
    client_id = await world.client(pool_id, explicit_auth_flows=FLOWS)
    await world.user(pool_id)
    return pool_id, client_id, (await world.sign_in(client_id))["access_token"]


async def register(world: World, token: str, authenticator: Authenticator) -> None:
    options = (await world.start_web_authn_registration(access_token=token))["credential_creation_options"]
    await world.complete_web_authn_registration(access_token=token, credential=authenticator.register(options))


async def ask(world: World, client_id: str, username: str = "anna") -> Any:
    return await world.initiate_auth(
        auth_flow="USER_AUTH",
        client_id=client_id,
        auth_parameters={"USERNAME": username, "PREFERRED_CHALLENGE": "WEB_AUTHN"},
    )


async def answer(world: World, client_id: str, challenge: Any, authenticator: Authenticator) -> Any:
    signed = authenticator.sign(options_of(challenge))
    return await world.respond(client_id, challenge, {"CREDENTIAL": json.dumps(signed)})


def options_of(challenge: Any) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(challenge["challenge_parameters"]["CREDENTIAL_REQUEST_OPTIONS"])
    return read
