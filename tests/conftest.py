"""Fixtures shared by the tests that need a real server."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from argon2 import low_level
from cryptography.hazmat.primitives.asymmetric import rsa

from support import known_hashes
from support.key_stock import KeyStock
from support.postgres import Postgres
from support.running import RunningServer
from support.stores import PostgresStores, open_store
from velvetrope.store import Database


@pytest.fixture(scope="session")
def key_stock() -> KeyStock:
    return KeyStock()


@pytest.fixture(scope="module", autouse=True)
def _computed_before(key_stock: KeyStock) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, key_stock.lent():
        patch.setattr(rsa, "generate_private_key", key_stock.take)
        patch.setattr(low_level, "hash_secret", known_hashes.hash_secret)
        patch.setattr(low_level, "verify_secret", known_hashes.verify_secret)
        yield


@pytest.fixture(autouse=True)
def _keys_of_this_test(_computed_before: None, key_stock: KeyStock) -> Iterator[None]:
    with key_stock.lent():
        yield


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


@pytest.fixture(scope="session")
def postgres_stores(postgres: Postgres) -> PostgresStores:
    """Clean databases for one test after the other."""
    return PostgresStores(postgres)


@pytest.fixture
def postgresql_store(postgres_stores: PostgresStores, tmp_path: Path) -> Iterator[str]:
    """The URL of a clean store on PostgreSQL, which `store_url(tmp_path)` gives too."""
    with postgres_stores.lent(tmp_path) as url:
        yield url


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """An open store in the test's folder, which waits for no disk; on PostgreSQL where one was lent to the folder."""
    opened = await open_store(tmp_path)
    yield opened
    await opened.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def either_store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The test runs twice, with `store_url(tmp_path)` on SQLite and on PostgreSQL; which of them."""
    which: str = request.param
    if which == "postgresql":
        request.getfixturevalue("postgresql_store")
    return which
