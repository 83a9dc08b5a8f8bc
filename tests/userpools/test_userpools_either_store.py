"""What a stranger sends reaches the database: on SQLite and on PostgreSQL the answer is the same refusal."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.stores import open_store
from support.userpools import PASSWORD, World, attribute_list, refused
from velvetrope.clock import CountingEntropy
from velvetrope.errors import ServiceError
from velvetrope.sealing import MasterKeys


@pytest.fixture
async def world(either_store: str, tmp_path: Path) -> AsyncIterator[World]:
    database = await open_store(tmp_path)
    made = World(database, MasterKeys.generate(CountingEntropy()))
    yield made
    made.pools.close()
    await database.close()


@pytest.mark.parametrize("aliases", [(), ("email", "preferred_username")], ids=["names", "aliases"])
async def test_a_name_that_no_database_keeps_is_nobody_s(world: World, aliases: tuple[str, ...]) -> None:
    """PostgreSQL takes no U+0000; what is in AuthParameters has no pattern that would keep it out."""
    pool_id = await world.pool(alias_attributes=aliases)
    client_id = await world.client(pool_id)
    await world.user(pool_id)

    async with refused("NotAuthorizedException", "Incorrect username or password."):
        await world.sign_in(client_id, username="an\x00na")
    async with refused("NotAuthorizedException", "Incorrect username or password."):
        await world.srp_sign_in(pool_id, client_id, "anna\x00")

    assert "access_token" in await world.sign_in(client_id)


async def test_of_sign_ups_with_one_address_at_the_same_moment_twenty_send_a_code(world: World) -> None:
    pool_id = await world.pool(auto_verified_attributes=("email",))
    client_id = await world.client(pool_id)

    async def sign_up(number: int) -> None:
        await world.sign_up(
            client_id=client_id,
            username=f"stranger{number}",
            password=PASSWORD,
            user_attributes=attribute_list(email="victim@example.com"),
        )

    outcomes = await asyncio.gather(*map(sign_up, range(24)), return_exceptions=True)

    refusals = [outcome for outcome in outcomes if outcome is not None]
    assert [one.code for one in refusals if isinstance(one, ServiceError)] == ["LimitExceededException"] * 4
    assert len(refusals) == 4
    assert len(await world.pools.outbox.messages(pool_id)) == 20


async def test_alias_that_no_index_takes_whole_is_one_all_the_same(world: World) -> None:
    """2048 characters of four bytes each, in a random order so that nothing is compressed."""
    pool_id = await world.pool(alias_attributes=("preferred_username",))
    client_id = await world.client(pool_id)
    chosen = random.Random(0)
    long = "".join(chr(chosen.randrange(0x20000, 0x2A000)) for _ in range(2048))
    await world.user(pool_id, preferred_username=long)
    await world.user(pool_id, "bob", preferred_username=long[:-1])

    assert "access_token" in await world.sign_in(client_id, username=long)
    async with refused("UsernameExistsException"):
        await world.user(pool_id, "carl", preferred_username=long)
