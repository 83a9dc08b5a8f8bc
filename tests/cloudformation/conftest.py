"""A real database in a file, and an engine on it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.cloudformation import Stacks, make_stacks
from velvetrope.store import Database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(f"sqlite:///{tmp_path / 'state.db'}", durable=False)
    yield opened
    await opened.close()


@pytest.fixture
async def stacks(database: Database) -> AsyncIterator[Stacks]:
    made = make_stacks(database)
    yield made
    await made.engine.close()
