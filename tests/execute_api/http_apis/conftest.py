"""A gateway of HTTP APIs with nothing deployed."""

import pytest

from support.http_apis import HttpGateway
from velvetrope.store import Database


@pytest.fixture
async def gateway(database: Database) -> HttpGateway:
    return HttpGateway(database)
