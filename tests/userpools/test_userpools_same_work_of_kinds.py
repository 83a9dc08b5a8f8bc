"""Whatever state somebody is in, trying their name says and costs what it does for a name that nobody has.

Two things show, and are said in `docs/threat-model.md`: USER_AUTH offers a person what that person can answer; and a
code that an administrator had sent, or the person, can be guessed at by somebody who has not asked for one.
"""

from collections import Counter
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from support.federated_users import GOOGLE, MAPPING, come_from_google
from support.same_work import FLOWS, SIGN_UP_WAYS, WAYS, work_done
from support.userpools import PASSWORD, World, attribute_list
from velvetrope.errors import ServiceError
from velvetrope.store.tables.userpools import (
    AdminCreateUserConfig,
    PasswordPolicySettings,
    SoftwareTokenMfaConfig,
    User,
)
from velvetrope.userpools.shapes import SignInPolicy, UserPoolPolicies

Kind = Callable[[World, str, str, str], Awaitable[str]]
"""Makes somebody, and says under which name they are tried."""


def address(name: str) -> dict[str, str]:
    return {"email": f"{name}@example.com", "email_verified": "true"}


async def confirmed(world: World, pool_id: str, client_id: str, name: str) -> str:
    await world.user(pool_id, name, **address(name))
    return name


async def disabled(world: World, pool_id: str, client_id: str, name: str) -> str:
    await confirmed(world, pool_id, client_id, name)
    await world.admin_disable_user(user_pool_id=pool_id, username=name)
    return name


async def unconfirmed(world: World, pool_id: str, client_id: str, name: str) -> str:
    given = attribute_list(email=f"{name}@example.com")
    await world.sign_up(client_id=client_id, username=name, password=PASSWORD, user_attributes=given)
    return name


async def without_an_address(world: World, pool_id: str, client_id: str, name: str) -> str:
    await world.user(pool_id, name)
    return name


async def invited(world: World, pool_id: str, client_id: str, name: str) -> str:
    await world.admin_create_user(
        user_pool_id=pool_id,
        username=name,
        temporary_password=PASSWORD,
        message_action="SUPPRESS",
        user_attributes=attribute_list(**address(name)),
    )
    return name


async def without_a_password(world: World, pool_id: str, client_id: str, name: str) -> str:
    given = attribute_list(**address(name))
    await world.admin_create_user(user_pool_id=pool_id, username=name, message_action="SUPPRESS", user_attributes=given)
    return name


async def imported(world: World, pool_id: str, client_id: str, name: str) -> str:
    """As an import job leaves people: they have a proven address, no password, and to choose one."""

    def to_reset(user: User) -> User:
        return msgspec.structs.replace(user, status="RESET_REQUIRED")

    await without_a_password(world, pool_id, client_id, name)
    found = await world.store.load_user(pool_id, name)
    assert found is not None
    await world.store.change_user(found, to_reset)
    return name


async def to_reset(world: World, pool_id: str, client_id: str, name: str) -> str:
    await confirmed(world, pool_id, client_id, name)
    await world.admin_reset_user_password(user_pool_id=pool_id, username=name)
    return name


async def with_a_second_factor(world: World, pool_id: str, client_id: str, name: str) -> str:
    await confirmed(world, pool_id, client_id, name)
    await world.set_totp_up((await world.sign_in(client_id, username=name))["access_token"])
    return name


async def federated(world: World, pool_id: str, client_id: str, name: str) -> str:
    return (await come_from_google(world, pool_id, client_id, sub=name, **address(name))).username


SHOWN: dict[Kind, set[str]] = {
    confirmed: set(),
    disabled: set(),
    unconfirmed: {"code"},
    without_an_address: {"code"},
    invited: {"code"},
    without_a_password: {"chosen_password"},
    imported: {"chosen_password"},
    to_reset: {"wrong_recovery_code", "recovery"},
    with_a_second_factor: {"code"},
    federated: {"chosen_password"},
}
"""By which ways a kind of people shows, see the module's text; and by no others."""


WARMING = ("srp", "code", "recovery")
"""What is swept now and then has been swept when these have been gone, and the pool's signing keys are read: the first
answer to a password's challenge reads them, whoever it is for."""


async def tried_pool(world: World) -> tuple[str, str]:
    allowed = SignInPolicy(allowed_first_auth_factors=("PASSWORD", "EMAIL_OTP"))
    pool_id = await world.pool(
        policies=UserPoolPolicies(password_policy=PasswordPolicySettings(), sign_in_policy=allowed),
        auto_verified_attributes=("email",),
    )
    await world.set_user_pool_mfa_config(
        user_pool_id=pool_id,
        mfa_configuration="OPTIONAL",
        software_token_mfa_configuration=SoftwareTokenMfaConfig(enabled=True),
    )
    await world.create_identity_provider(
        user_pool_id=pool_id,
        provider_name="Google",
        provider_type="Google",
        provider_details=GOOGLE,
        attribute_mapping=dict(MAPPING),
    )
    return pool_id, await world.client(pool_id, explicit_auth_flows=FLOWS)


@pytest.mark.parametrize("kind", SHOWN, ids=lambda kind: kind.__name__)
async def test_whatever_state_somebody_is_in(world: World, monkeypatch: pytest.MonkeyPatch, kind: Kind) -> None:
    pool_id, client_id = await tried_pool(world)
    somebody, nobody = (
        await kind(world, pool_id, client_id, "anna"),
        f"{await kind(world, pool_id, client_id, 'bert')}x",
    )

    async def tried(way: str, username: str) -> Counter[str]:
        with work_done(world, monkeypatch) as done:
            try:
                await WAYS[way](world, pool_id, client_id, username)
            except ServiceError as refusal:
                done[f"{refusal.code}: {refusal.message}"] += 1
        return done

    for way in WARMING:
        await tried(way, "warm")
    shown = set()
    for way in WAYS:
        if await tried(way, somebody) != await tried(way, nobody):
            shown.add(way)
        world.later(minutes=20)  # failures are forgotten
    assert shown == SHOWN[kind]


@pytest.mark.parametrize("kind", [kind for kind in SHOWN if kind is not unconfirmed], ids=lambda kind: kind.__name__)
async def test_where_nobody_may_sign_up_the_codes_of_sign_ups_say_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    """Whoever was never confirmed is the exception: the code that they were sent while they could sign up stands."""
    pool_id, client_id = await tried_pool(world)
    somebody = await kind(world, pool_id, client_id, "anna")
    await world.update_user_pool(
        user_pool_id=pool_id,
        admin_create_user_config=AdminCreateUserConfig(allow_admin_create_user_only=True),
        auto_verified_attributes=("email",),
    )

    async def tried(way: str, username: str) -> Counter[str]:
        with work_done(world, monkeypatch) as done:
            try:
                await SIGN_UP_WAYS[way](world, pool_id, client_id, username)
            except ServiceError as refusal:
                done[f"{refusal.code}: {refusal.message}"] += 1
        return done

    for way in SIGN_UP_WAYS:
        await tried(way, "warm")
        assert await tried(way, somebody) == await tried(way, f"{somebody}x"), way


async def test_in_back_off_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pool_id, client_id = await tried_pool(world)
    somebody = await confirmed(world, pool_id, client_id, "anna")

    async def tried(way: str, username: str) -> list[Counter[str]]:
        costs = []
        for _ in range(7):
            with work_done(world, monkeypatch) as done:
                try:
                    await WAYS[way](world, pool_id, client_id, username)
                except ServiceError as refusal:
                    done[f"{refusal.code}: {refusal.message}"] += 1
            costs.append(done)
        return costs

    for way in ("password", "srp", "chosen_password"):
        await tried(way, "warm")
        costs = await tried(way, somebody)
        assert costs == await tried(way, "nobo"), way
        assert costs[0] != costs[-1]  # it was locked
        world.later(minutes=20)
