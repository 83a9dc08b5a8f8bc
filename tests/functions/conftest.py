"""Fixtures for the tests of functions: an empty database, and a service that runs over it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.functions import Lambda, running_lambda
from velvetrope.store import Database


@pytest.fixture
async def functions(database: Database, tmp_path: Path) -> AsyncIterator[Lambda]:
    async with running_lambda(database, tmp_path / "functions") as started:
        yield started
