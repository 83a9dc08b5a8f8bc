"""Rows that two nodes are the first to write: on a real PostgreSQL, where they can; on SQLite writers wait."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import URL, Engine, create_engine
from sqlalchemy import Connection as EngineConnection

from support.postgres import Postgres
from velvetrope.store.database import Connection
from velvetrope.store.schema import METADATA
from velvetrope.store.tables.apigateway_key_changes import load_version, note_changed_keys
from velvetrope.store.threads import Threads


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Postgres() as postgres:
        engine = create_engine(
            URL.create(
                "postgresql+psycopg",
                username=postgres.superuser,
                password=postgres.password,
                host=postgres.host,
                port=postgres.port,
                database="postgres",
            )
        )
        names = ("apigateway_key_changes", "apigateway_key_version")
        METADATA.create_all(engine, tables=[METADATA.tables[name] for name in names])
        yield engine
        engine.dispose()


@pytest.fixture
async def threads() -> AsyncIterator[Threads]:
    threads = Threads(2, name="nodes")
    yield threads
    threads.close()


async def test_the_first_change_of_a_key_gets_a_number_on_each_of_two_nodes(engine: Engine, threads: Threads) -> None:
    def begin() -> EngineConnection:
        connection = engine.connect()
        connection.begin()
        return connection

    first, second = Connection(begin, threads), Connection(begin, threads)
    # Both have looked before either has written.
    before = [await load_version(first), await load_version(second)]
    await note_changed_keys(first, ["a"])
    late = asyncio.create_task(note_changed_keys(second, ["b"]))
    waiting = Connection(begin, threads)
    await asyncio.to_thread(_wait_until_one_waits_for_another, engine)
    await first.commit()
    await late
    await second.commit()

    assert before == [0, 0]
    assert await load_version(waiting) == 2
    await waiting.rollback()


def _wait_until_one_waits_for_another(engine: Engine) -> None:
    with engine.connect() as connection:
        while not connection.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE NOT granted").scalar():
            connection.rollback()
