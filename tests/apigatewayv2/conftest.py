"""An empty control plane of HTTP APIs."""

import pytest

from support.http_apis import HttpApiPlane
from velvetrope.store import Database


@pytest.fixture
def plane(database: Database) -> HttpApiPlane:
    return HttpApiPlane(database)
