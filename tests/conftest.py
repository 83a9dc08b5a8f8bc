"""Fixtures shared by the tests that need a real server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.postgres import Postgres
from support.running import RunningServer


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The demo, running in a process of its own. Tests that change its state make what they need beside it."""
    folder: Path = tmp_path_factory.mktemp("demo") / "state"
    with RunningServer("demo", state_folder=folder) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL of its own. Tests make roles and databases of their own in it."""
    with Postgres() as running:
        yield running
