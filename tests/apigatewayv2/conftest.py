"""An empty control plane of HTTP APIs."""

from collections.abc import AsyncIterator

import pytest

from support.http_apis import HttpApiPlane
from velvetrope.store import Database


@pytest.fixture
async def plane(database: Database) -> AsyncIterator[HttpApiPlane]:
    plane = HttpApiPlane(database)
    yield plane
    await plane.lookup.stop()
