"""Every promise of the store is kept on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.stores import PostgresStores


@pytest.fixture(params=["sqlite", "postgresql"])
def tmp_path(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Whatever keeps things in a folder runs twice, and `store_url` of the folder is on one database or the other."""
    if request.param == "sqlite":
        yield tmp_path
        return
    stores: PostgresStores = request.getfixturevalue("postgres_stores")
    with stores.lent(tmp_path):
        yield tmp_path
