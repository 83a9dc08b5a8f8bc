"""A world for each test, on a database of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.identitypools import World
from support.stores import open_store
from velvetrope.store.tables.identitypools import IdentityPoolStore


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    database = await open_store(tmp_path)
    yield World(IdentityPoolStore(database))
    await database.close()
