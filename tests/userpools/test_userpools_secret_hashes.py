"""A client with a secret shows its hash with every call that nobody signs: flows, their challenges, operations.

Each call is made as the client would make it, without the hash, and with one of another name; and then, where it is
right, it is not the hash that stands in the way. (Second factors: `test_userpools_mfa`.)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from support.userpools import MODEL, PASSWORD, World, attribute_list, refused, secret_hash, srp_client
from velvetrope.errors import ServiceError
from velvetrope.store.tables.userpools import PasswordPolicySettings
from velvetrope.userpools.shapes import SignInPolicy, UserPoolPolicies

ANSWERS = {
    "NEW_PASSWORD": PASSWORD,
    "ANSWER": "PASSWORD",
    "PASSWORD": PASSWORD,
    "SRP_A": "ab" * 384,
    "SOFTWARE_TOKEN_MFA_CODE": "123456",
    "SMS_MFA_CODE": "123456",
    "SMS_OTP_CODE": "12345678",
    "EMAIL_OTP_CODE": "12345678",
    "CREDENTIAL": "{}",
    "DEVICE_KEY": "us-west-2_00000000-0000-4000-8000-000000000000",
    "PASSWORD_CLAIM_SECRET_BLOCK": "AAAA",
    "PASSWORD_CLAIM_SIGNATURE": "AAAA",
    "TIMESTAMP": "Thu Jan 1 12:00:00 UTC 2026",
}


@dataclass
class Server:
    """A client with a secret, and what it would send for anna."""

    world: World
    pool_id: str
    client_id: str
    secret: str

    @classmethod
    async def of(cls, world: World) -> "Server":
        factors = SignInPolicy(allowed_first_auth_factors=("PASSWORD", "EMAIL_OTP"))
        pool_id = await world.pool(
            policies=UserPoolPolicies(password_policy=PasswordPolicySettings(), sign_in_policy=factors)
        )
        flows = (
            *("ALLOW_USER_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_CUSTOM_AUTH"),
            *("ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"),
        )
        client_id = await world.client(pool_id, explicit_auth_flows=flows, generate_secret=True)
        described = await world.describe_user_pool_client(user_pool_id=pool_id, client_id=client_id)
        await world.user(pool_id, email="anna@example.com", email_verified="true")
        return cls(world, pool_id, client_id, described["user_pool_client"]["client_secret"])

    def hash(self, username: str) -> str:
        return secret_hash(username, self.client_id, self.secret)

    async def refused_without(self, run: Any) -> None:
        """`run` makes the call with the hash that it is given."""
        received = f"Client {self.client_id} is configured with secret but SECRET_HASH was not received"
        async with refused("NotAuthorizedException", received):
            await run(None)
        for wrong in (self.hash("berta"), self.hash("anna")[::-1], "", "x"):
            async with refused("NotAuthorizedException") as refusal:
                await run(wrong)
            assert "secret" in refusal.value.message.lower(), refusal.value.message

    async def not_refused_for_it(self, run: Any) -> None:
        try:
            await run(self.hash("anna"))
            message = ""
        except ServiceError as refusal:
            message = refusal.message
        assert "secret hash" not in message
        assert "SECRET_HASH" not in message


def with_hash(given: Mapping[str, str], value: str | None) -> dict[str, str]:
    return dict(given) if value is None else {**given, "SECRET_HASH": value}


@pytest.mark.parametrize(
    "flow", ["USER_PASSWORD_AUTH", "USER_SRP_AUTH", "CUSTOM_AUTH", "USER_AUTH", "ADMIN_USER_PASSWORD_AUTH"]
)
async def test_every_flow_begins_with_it(world: World, flow: str) -> None:
    server = await Server.of(world)
    given = {
        "USERNAME": "anna",
        "PASSWORD": PASSWORD,
        "SRP_A": srp_client(server.pool_id, server.client_id).get_auth_params()["SRP_A"],
    }
    used = {
        "USER_PASSWORD_AUTH": ("USERNAME", "PASSWORD"),
        "ADMIN_USER_PASSWORD_AUTH": ("USERNAME", "PASSWORD"),
        "USER_SRP_AUTH": ("USERNAME", "SRP_A"),
    }.get(flow, ("USERNAME",))

    async def run(value: str | None) -> None:
        parameters = with_hash({name: given[name] for name in used}, value)
        if flow.startswith("ADMIN"):
            await world.admin_initiate_auth(
                user_pool_id=server.pool_id, client_id=server.client_id, auth_flow=flow, auth_parameters=parameters
            )
        else:
            await world.initiate_auth(client_id=server.client_id, auth_flow=flow, auth_parameters=parameters)

    await server.refused_without(run)
    await server.not_refused_for_it(run)


async def test_a_refresh_token_needs_it(world: World) -> None:
    server = await Server.of(world)
    token = (await world.sign_in(server.client_id, SECRET_HASH=server.hash("anna")))["refresh_token"]

    async def run(value: str | None) -> None:
        await world.refresh(server.client_id, token, **with_hash({}, value))

    await server.refused_without(run)
    await run(server.hash("anna"))


BEGINNINGS: dict[str, dict[str, str]] = {
    "SELECT_CHALLENGE": {},
    "EMAIL_OTP": {"PREFERRED_CHALLENGE": "EMAIL_OTP"},
    "PASSWORD": {"PREFERRED_CHALLENGE": "PASSWORD"},
    "PASSWORD_SRP": {"PREFERRED_CHALLENGE": "PASSWORD_SRP"},
    "PASSWORD_VERIFIER": {"PREFERRED_CHALLENGE": "PASSWORD_SRP", "SRP_A": "ab" * 384},
    "DEVICE_PASSWORD_VERIFIER": {},
}
"""How USER_AUTH is begun so that the challenge is asked. What a device answers shows the hash before all else."""


@pytest.mark.parametrize("admin", [False, True], ids=["by the app", "by an administrator"])
@pytest.mark.parametrize("name", BEGINNINGS)
async def test_every_answer_shows_it(world: World, name: str, admin: bool) -> None:
    server = await Server.of(world)
    begun = await world.initiate_auth(
        client_id=server.client_id,
        auth_flow="USER_AUTH",
        auth_parameters=with_hash({"USERNAME": "anna", **BEGINNINGS[name]}, server.hash("anna")),
    )

    async def run(value: str | None) -> None:
        answer: dict[str, Any] = {
            "client_id": server.client_id,
            "challenge_name": name,
            "session": begun["session"],
            "challenge_responses": with_hash({"USERNAME": "anna", **ANSWERS}, value),
        }
        if admin:
            await world.admin_respond_to_auth_challenge(user_pool_id=server.pool_id, **answer)
        else:
            await world.respond_to_auth_challenge(**answer)

    await server.refused_without(run)
    await server.not_refused_for_it(run)


async def test_a_new_password_shows_it(world: World) -> None:
    server = await Server.of(world)
    await world.admin_set_user_password(
        user_pool_id=server.pool_id, username="anna", password=PASSWORD, permanent=False
    )
    challenge = await world.sign_in(server.client_id, SECRET_HASH=server.hash("anna"))
    assert challenge["challenge_name"] == "NEW_PASSWORD_REQUIRED"

    async def run(value: str | None) -> None:
        await world.respond(server.client_id, challenge, with_hash({"NEW_PASSWORD": "Another-horse-1"}, value))

    await server.refused_without(run)
    await run(server.hash("anna"))


OPERATIONS: dict[str, dict[str, Any]] = {
    "sign_up": {"password": PASSWORD, "user_attributes": attribute_list(email="a@example.com")},
    "confirm_sign_up": {"confirmation_code": "123456"},
    "resend_confirmation_code": {},
    "forgot_password": {},
    "confirm_forgot_password": {"confirmation_code": "123456", "password": PASSWORD},
}


def test_the_operations_are_all_that_have_a_hash() -> None:
    shapes = {
        name: MODEL["shapes"][operation["input"]["shape"]]["members"] for name, operation in MODEL["operations"].items()
    }

    found = {name for name, members in shapes.items() if "SecretHash" in members}
    assert found == {"".join(word.title() for word in name.split("_")) for name in OPERATIONS}


@pytest.mark.parametrize("name", OPERATIONS)
async def test_every_operation_without_a_signature_shows_it(world: World, name: str) -> None:
    server = await Server.of(world)

    async def run(value: str | None) -> None:
        shown = {} if value is None else {"secret_hash": value}
        await getattr(world, name)(client_id=server.client_id, username="anna", **OPERATIONS[name], **shown)

    await server.refused_without(run)
    await server.not_refused_for_it(run)
