"""An empty control plane that nobody has called through."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.gateway import ControlPlane, NoTraffic
from velvetrope.store import Database


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[ControlPlane]:
    database = await Database.open(f"sqlite:///{tmp_path}/gateway.db", durable=False)
    yield ControlPlane(database, NoTraffic())
    await database.close()
