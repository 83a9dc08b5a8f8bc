"""A real database in a file, an engine on it, and a whole server in the process."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.cloudformation import Stacks, make_stacks
from velvetrope.server.assembly import Server
from velvetrope.server.machine import SystemEntropy
from velvetrope.server.settings import Settings
from velvetrope.server.state_folder import StateFolder
from velvetrope.store import Database


@pytest.fixture
async def stacks(database: Database) -> AsyncIterator[Stacks]:
    made = make_stacks(database)
    yield made
    if made.world.gate is not None:
        made.world.gate.set()
    await made.engine.close()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    folder = StateFolder.open(tmp_path / "state", SystemEntropy())
    opened = await Server.open(Settings(state_folder=folder.path, durable=False), folder, port=4800)
    yield opened
    await opened.stop()
    folder.close()
