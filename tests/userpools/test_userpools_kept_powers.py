"""Passwords that were set before powers of their verifiers were kept, or when three were, get them once they are shown,
and not before."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from sqlalchemy import update

from support.userpools import PASSWORD, World, refused, srp_client
from velvetrope.secret import Secret
from velvetrope.srp import verifier_powers
from velvetrope.store.tables.userpools import EmailMfaConfig, StoredUser
from velvetrope.store.tables.userpools_users import users
from velvetrope.userpools.passwords.vault import PasswordVault, SrpVerifier
from velvetrope.userpools.workers import Workers

WRONG = "Incorrect username or password."
PURPOSE = "userpools.password"
FLOWS = ("ALLOW_USER_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH")
Way = Callable[[World, str, str, str], Awaitable[Any]]


async def someone_of_before(world: World, *, powers: int = 0) -> tuple[str, str]:
    """A pool, a client and the user anna, whose password is kept as databases of before keep it."""
    pool_id, client_id = await world.some_user(explicit_auth_flows=FLOWS)
    stored = await stored_user(world, pool_id)
    context = f"{pool_id}|{stored.user.sub}".encode()
    opened = msgspec.msgpack.decode(world.master_keys.open(sealed_of(stored), purpose=PURPOSE, context=context))
    form = [*opened[:3], opened[3][1::2]] if powers else opened[:3]
    shorter = world.master_keys.seal(
        msgspec.msgpack.encode(form), purpose=PURPOSE, entropy=world.entropy, context=context
    )
    async with world.database.transaction() as tx:
        await tx.connection.execute(update(users).where(users.c.sub == stored.user.sub).values(password_sealed=shorter))
    return pool_id, client_id


async def stored_user(world: World, pool_id: str) -> StoredUser:
    stored = await world.store.load_user(pool_id, "anna")
    assert stored is not None
    return stored


def sealed_of(stored: StoredUser) -> bytes:
    assert stored.password_sealed is not None
    return stored.password_sealed


async def kept(world: World, pool_id: str) -> SrpVerifier:
    pool, stored = await world.store.load_pool(pool_id), await stored_user(world, pool_id)
    assert pool is not None
    vault = PasswordVault(world.master_keys, world.entropy, Workers(world.database, 1))
    return vault.srp(sealed_of(stored), pool=pool, sub=stored.user.sub)


async def by_proof(world: World, pool_id: str, client_id: str, password: str) -> Any:
    return (await world.srp_sign_in(pool_id, client_id, password=password))["authentication_result"]


async def by_password(world: World, _pool_id: str, client_id: str, password: str) -> Any:
    return await world.sign_in(client_id, password=password)


async def by_choice(world: World, _pool_id: str, client_id: str, password: str) -> Any:
    given = {"USERNAME": "anna", "PREFERRED_CHALLENGE": "PASSWORD", "PASSWORD": password}
    answer = await world.initiate_auth(auth_flow="USER_AUTH", client_id=client_id, auth_parameters=given)
    return answer["authentication_result"]


WAYS = [by_proof, by_password, by_choice]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: str(way.__name__))
async def test_powers_are_kept_with_the_first_right_sign_in(world: World, way: Way) -> None:
    pool_id, client_id = await someone_of_before(world)
    before, user = await kept(world, pool_id), (await stored_user(world, pool_id)).user
    assert before.powers == ()

    first = await way(world, pool_id, client_id, PASSWORD)
    after, sealed = await kept(world, pool_id), sealed_of(await stored_user(world, pool_id))
    for each in WAYS:
        assert await each(world, pool_id, client_id, PASSWORD)

    assert (after.salt, after.verifier) == (before.salt, before.verifier)
    assert after.powers == verifier_powers(before.verifier)
    assert sealed_of(await stored_user(world, pool_id)) == sealed, "they are kept once"
    assert (await stored_user(world, pool_id)).user == user
    assert (await world.refresh(client_id, first["refresh_token"]))["access_token"]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: str(way.__name__))
async def test_a_failed_sign_in_changes_nothing(world: World, way: Way) -> None:
    pool_id, client_id = await someone_of_before(world)
    sealed = sealed_of(await stored_user(world, pool_id))

    async with refused("NotAuthorizedException", WRONG):
        await way(world, pool_id, client_id, "another password")

    assert sealed_of(await stored_user(world, pool_id)) == sealed


async def test_a_challenge_alone_changes_nothing(world: World) -> None:
    pool_id, client_id = await someone_of_before(world)
    sealed = sealed_of(await stored_user(world, pool_id))

    await begun(world, pool_id, client_id)

    assert sealed_of(await stored_user(world, pool_id)) == sealed


async def begun(world: World, pool_id: str, client_id: str) -> dict[str, str]:
    """The right answer to a challenge, not given yet."""
    them = srp_client(pool_id, client_id)
    challenge = await world.initiate_auth(
        auth_flow="USER_SRP_AUTH", client_id=client_id, auth_parameters=them.get_auth_params()
    )
    return world.srp_answer(them, challenge["challenge_parameters"])


@pytest.mark.parametrize("powers", [0, 3])
async def test_challenges_that_were_asked_before_are_answered_after(world: World, powers: int) -> None:
    """Two tabs begin, one ends first: the password is the same one still."""
    pool_id, client_id = await someone_of_before(world, powers=powers)
    assert len((await kept(world, pool_id)).powers) == powers
    tabs = [await begun(world, pool_id, client_id) for _ in range(2)]

    for responses in tabs:
        answer = await world.respond_to_auth_challenge(
            client_id=client_id, challenge_name="PASSWORD_VERIFIER", challenge_responses=responses
        )
        assert answer["authentication_result"]
    after = await kept(world, pool_id)
    assert after.powers == verifier_powers(after.verifier)


@pytest.mark.parametrize("password", [PASSWORD, "Another-horse-1"], ids=["set again", "another"])
async def test_a_password_that_was_replaced_meanwhile_is_another_one(world: World, password: str) -> None:
    pool_id, client_id = await someone_of_before(world)
    responses = await begun(world, pool_id, client_id)
    await world.admin_set_user_password(
        user_pool_id=pool_id, username="anna", password=Secret(password), permanent=True
    )

    async with refused("NotAuthorizedException", WRONG):
        await world.respond_to_auth_challenge(
            client_id=client_id, challenge_name="PASSWORD_VERIFIER", challenge_responses=responses
        )


@pytest.mark.parametrize("way", WAYS, ids=lambda way: str(way.__name__))
async def test_the_rest_of_that_sign_in_goes_on(world: World, way: Way) -> None:
    """A second factor is shown for the password as it is sealed by then."""
    pool_id, client_id = await someone_of_before(world)
    await world.set_user_pool_mfa_config(
        user_pool_id=pool_id, mfa_configuration="ON", email_mfa_configuration=EmailMfaConfig()
    )

    challenge = await first_step(world, pool_id, client_id, way)

    assert (await kept(world, pool_id)).powers
    assert challenge["challenge_name"] == "EMAIL_OTP"
    code = await world.last_code(pool_id)
    assert (await world.respond(client_id, challenge, {"EMAIL_OTP_CODE": code}))["authentication_result"]


async def first_step(world: World, pool_id: str, client_id: str, way: Way) -> Any:
    """What a right password leads to."""
    if way is by_proof:
        return await world.srp_sign_in(pool_id, client_id)
    if way is by_password:
        return await world.sign_in(client_id)
    given = {"USERNAME": "anna", "PREFERRED_CHALLENGE": "PASSWORD", "PASSWORD": PASSWORD}
    return await world.initiate_auth(auth_flow="USER_AUTH", client_id=client_id, auth_parameters=given)


async def test_of_first_sign_ins_at_the_same_moment_all_go_through(world: World) -> None:
    pool_id, client_id = await someone_of_before(world)
    proofs = [await begun(world, pool_id, client_id) for _ in range(3)]

    answers = await asyncio.gather(
        *(by_password(world, pool_id, client_id, PASSWORD) for _ in range(3)),
        *(
            world.respond_to_auth_challenge(
                client_id=client_id, challenge_name="PASSWORD_VERIFIER", challenge_responses=responses
            )
            for responses in proofs
        ),
    )

    assert all(answer.get("authentication_result", answer)["access_token"] for answer in answers)
    assert (await kept(world, pool_id)).powers
