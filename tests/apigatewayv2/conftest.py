"""An empty control plane of HTTP APIs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.http_apis import HttpApiPlane
from velvetrope.store import Database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(f"sqlite:///{tmp_path}/gateway.db", durable=False)
    yield database
    await database.close()


@pytest.fixture
def plane(database: Database) -> HttpApiPlane:
    return HttpApiPlane(database)
