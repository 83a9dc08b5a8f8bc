"""Signing keys: published before they sign, verifying as long as their tokens live, gone at once when one got out."""

from datetime import timedelta

import jwt as pyjwt
import pytest
from jwt import PyJWK

from support.userpools import World, refused
from velvetrope.tokens import InvalidToken
from velvetrope.userpools.errors import ResourceNotFoundException
from velvetrope.userpools.tokens.signing_keys import LONGEST_TOKEN, PUBLISHED_AHEAD


async def published(world: World, pool_id: str) -> list[str]:
    pool = await world.store.load_pool(pool_id)
    assert pool is not None
    return [key["kid"] for key in (await world.pools.sign_in.jwks(pool))["keys"]]


def kid(token: str) -> str:
    return str(pyjwt.get_unverified_header(token)["kid"])


async def test_new_keys_are_published_before_they_sign(world: World) -> None:
    pool_id, client_id = await world.some_user()
    before = await published(world, pool_id)

    made = await world.pools.signing_keys.rotate(pool_id, at_once=False)

    assert made is not None
    assert set(await published(world, pool_id)) == {*before, *made}
    world.later(seconds=PUBLISHED_AHEAD.total_seconds() - 1)
    assert kid((await world.sign_in(client_id))["access_token"]) in before
    world.later(seconds=1)
    tokens = await world.sign_in(client_id)
    assert {kid(tokens["id_token"]), kid(tokens["access_token"])} == set(made)


async def test_old_keys_verify_until_the_last_token_they_signed_is_dead(world: World) -> None:
    pool_id, _ = await world.some_user()
    long_lived = await world.client(pool_id, access_token_validity=24)
    before = await published(world, pool_id)
    made = await world.pools.signing_keys.rotate(pool_id, at_once=False)
    world.later(seconds=PUBLISHED_AHEAD.total_seconds() - 1)
    token = (await world.sign_in(long_lived))["access_token"]

    world.later(seconds=LONGEST_TOKEN.total_seconds() - 1)
    await world.get_user(access_token=token)
    assert set(before) < set(await published(world, pool_id))
    world.later(seconds=2)

    assert made is not None
    assert set(await published(world, pool_id)) == set(made)
    async with refused("NotAuthorizedException"):
        await world.get_user(access_token=token)


async def test_key_that_got_out_verifies_nothing_from_now_on(world: World) -> None:
    pool_id, client_id = await world.some_user()
    token = (await world.sign_in(client_id))["access_token"]
    await world.get_user(access_token=token)

    made = await world.pools.signing_keys.rotate(pool_id, at_once=True)

    assert made is not None
    assert set(await published(world, pool_id)) == set(made)
    async with refused("NotAuthorizedException", "Invalid Access Token"):
        await world.get_user(access_token=token)
    await world.get_user(access_token=(await world.sign_in(client_id))["access_token"])


async def test_rotation_at_once_ends_the_overlap_of_one_before(world: World) -> None:
    pool_id, client_id = await world.some_user()
    await world.pools.signing_keys.rotate(pool_id, at_once=False)

    made = await world.pools.signing_keys.rotate(pool_id, at_once=True)

    assert made is not None
    assert set(await published(world, pool_id)) == set(made)
    assert kid((await world.sign_in(client_id))["id_token"]) in made


async def test_two_rotations_at_once_leave_keys_that_sign_and_verify(world: World) -> None:
    pool_id, client_id = await world.some_user()
    first = await world.pools.signing_keys.rotate(pool_id, at_once=False)
    second = await world.pools.signing_keys.rotate(pool_id, at_once=False)
    world.later(seconds=PUBLISHED_AHEAD.total_seconds())

    tokens = await world.sign_in(client_id)

    assert first is not None
    assert second is not None
    assert len(await published(world, pool_id)) == 6
    assert {kid(tokens["id_token"]), kid(tokens["access_token"])} <= {*first, *second}
    await world.get_user(access_token=tokens["access_token"])


async def test_pool_that_is_not_there_has_no_keys_to_rotate(world: World) -> None:
    assert await world.pools.signing_keys.rotate("us-west-2_nothere00", at_once=True) is None


async def test_tokens_of_a_pool_that_was_deleted_prove_nothing(world: World) -> None:
    """Keys are remembered: they must go with the pool, or its tokens open APIs and identity pools until they expire."""
    pool_id, client_id = await world.some_user()
    token = (await world.sign_in(client_id))["access_token"]
    verifier = world.pools.token_verifier
    now = world.clock.now()
    await verifier.verify_pool_token(token, user_pool_id=pool_id, token_use="access", now=now)

    await world.delete_user_pool(user_pool_id=pool_id)

    with pytest.raises((InvalidToken, ResourceNotFoundException)):
        await verifier.verify_pool_token(token, user_pool_id=pool_id, token_use="access", now=now)


async def test_published_keys_verify_what_other_peoples_libraries_verify(world: World) -> None:
    pool_id, client_id = await world.some_user()
    await world.pools.signing_keys.rotate(pool_id, at_once=False)
    world.later(seconds=PUBLISHED_AHEAD.total_seconds())
    token = (await world.sign_in(client_id))["id_token"]
    pool = await world.store.load_pool(pool_id)
    assert pool is not None
    keys = {key["kid"]: PyJWK.from_dict(key) for key in (await world.pools.sign_in.jwks(pool))["keys"]}

    claims = pyjwt.decode(
        token,
        keys[kid(token)],
        algorithms=["RS256"],
        audience=client_id,
        options={"verify_exp": False, "verify_iat": False},
    )

    assert claims["cognito:username"] == "anna"
    assert timedelta(seconds=claims["exp"] - claims["iat"]) == timedelta(hours=1)
