"""An empty control plane of HTTP APIs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.http_apis import HttpApiPlane
from velvetrope.store import Database


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[HttpApiPlane]:
    database = await Database.open(f"sqlite:///{tmp_path}/gateway.db", durable=False)
    yield HttpApiPlane(database)
    await database.close()
