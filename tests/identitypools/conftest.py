"""A world for each test, on a database of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.identitypools import World
from velvetrope.store import Database
from velvetrope.store.tables.identitypools import IdentityPoolStore


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    database = await Database.open(f"sqlite:///{tmp_path}/pools.db", durable=False)
    yield World(IdentityPoolStore(database))
    await database.close()
