"""User pools on a real SQLite file."""

from collections.abc import AsyncIterator

import pytest

from support.userpools import World
from velvetrope.clock import CountingEntropy
from velvetrope.sealing import MasterKeys
from velvetrope.store import Database


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    made = World(database, MasterKeys.generate(CountingEntropy()))
    yield made
    made.pools.close()


@pytest.fixture
async def world_with_url(database: Database) -> AsyncIterator[World]:
    """The same with a public URL as the issuer's base."""
    made = World(database, MasterKeys.generate(CountingEntropy()), public_url="https://auth.example.com/")
    yield made
    made.pools.close()
