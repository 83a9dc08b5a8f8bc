"""An empty control plane that nobody has called through."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.gateway import ControlPlane, NoTraffic
from support.stores import open_store


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[ControlPlane]:
    database = await open_store(tmp_path)
    plane = ControlPlane(database, NoTraffic())
    yield plane
    await plane.lookup.stop()
    await database.close()
