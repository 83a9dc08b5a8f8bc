"""The store's own promises: transactions are whole, writers take turns, changes are told, newer schemas are refused."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from support.stores import open_store
from velvetrope.store import Database, DatabaseUnsupported, SchemaTooNew
from velvetrope.store.visits import Visit


class Probe(msgspec.Struct, frozen=True):
    count: int
    note: str = "a later field"


metadata = MetaData()
probes = Table("probes", metadata, Column("id", String, primary_key=True), Column("count", Integer, nullable=False))


async def open_database(folder: Path) -> Database:
    return await open_store(folder)


async def with_probes(folder: Path) -> Database:
    database = await open_database(folder)
    async with database.transaction() as tx:
        await tx.connection.run_sync(metadata.create_all)
        await tx.connection.execute(insert(probes).values(id="a", count=0))
    return database


async def count_of(database: Database) -> int:
    async with database.read() as connection:
        return int((await connection.execute(select(probes.c.count))).scalar_one())


async def test_a_transaction_that_fails_changes_nothing_and_tells_nobody(tmp_path: Path) -> None:
    database = await with_probes(tmp_path)
    told: list[str] = []
    database.changes.subscribe("probes", lambda: told.append("probes"))

    async def change_then_fail() -> None:
        async with database.transaction() as tx:
            await tx.connection.execute(update(probes).values(count=1))
            tx.changed("probes")
            await tx.connection.execute(insert(probes).values(id="a", count=2))

    with pytest.raises(IntegrityError):
        await change_then_fail()

    assert await count_of(database) == 0
    assert told == []
    await database.close()


async def test_a_change_is_told_after_it_can_be_read(tmp_path: Path) -> None:
    database = await with_probes(tmp_path)
    told: list[str] = []
    database.changes.subscribe("probes", lambda: told.append("probes"))
    database.changes.subscribe("others", lambda: told.append("others"))

    async with database.transaction() as tx:
        await tx.connection.execute(update(probes).values(count=1))
        tx.changed("probes")
        assert told == []

    assert told == ["probes"]
    await database.close()


async def test_a_cancelled_writer_either_tells_or_changes_nothing(tmp_path: Path) -> None:
    """Whenever the cancellation comes: what was committed was told, and what was not told was not committed."""
    database = await with_probes(tmp_path)
    told: list[int] = []
    database.changes.subscribe("probes", lambda: told.append(1))

    async def add_one() -> None:
        async with database.transaction() as tx:
            await tx.connection.execute(update(probes).values(count=probes.c.count + 1))
            tx.changed("probes")

    for steps in range(12):
        task = asyncio.create_task(add_one())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

        assert await count_of(database) == len(told)
    await database.close()


async def test_racing_writers_lose_no_update(tmp_path: Path) -> None:
    database = await with_probes(tmp_path)

    async def add_one() -> None:
        async with database.transaction() as tx:
            found = (await tx.connection.execute(select(probes.c.count))).scalar_one()
            await tx.connection.execute(update(probes).values(count=found + 1))

    await asyncio.gather(*(add_one() for _ in range(20)))

    assert await count_of(database) == 20
    await database.close()


async def test_two_processes_worth_of_connections_take_turns(tmp_path: Path) -> None:
    """Two `Database` objects share no lock of ours, only SQLite's."""
    first, second = await with_probes(tmp_path), await open_database(tmp_path)

    async def add_one(database: Database) -> None:
        async with database.transaction() as tx:
            found = (await tx.connection.execute(select(probes.c.count))).scalar_one()
            await tx.connection.execute(update(probes).values(count=found + 1))

    await asyncio.gather(*(add_one(database) for database in [first, second] * 10))

    assert await count_of(first) == 20
    await first.close()
    await second.close()


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    database = await open_database(tmp_path)
    async with database.transaction() as tx:
        await tx.connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await database.close()

    with pytest.raises(SchemaTooNew, match="newer velvetrope"):
        await open_database(tmp_path)


@pytest.mark.parametrize(
    "url", ["mysql://localhost/x", "sqlite+pysqlcipher:///x.db", "postgresql+asyncpg://localhost/x"]
)
async def test_an_unknown_database_is_refused_by_name(url: str) -> None:
    with pytest.raises(DatabaseUnsupported):
        await Database.open(url, durable=True)


async def test_what_is_written_at_once_is_whole_and_told_after_it_can_be_read(tmp_path: Path) -> None:
    database = await with_probes(tmp_path)
    told: list[str] = []
    database.changes.subscribe("probes", lambda: told.append("probes"))

    def change(visit: Visit) -> int:
        return visit.execute(update(probes).values(count=probes.c.count + 1)).rowcount

    def change_then_fail(visit: Visit) -> None:
        change(visit)
        visit.execute(insert(probes).values(id="a", count=2))

    assert await database.write_at_once(change, "probes") == 1
    with pytest.raises(IntegrityError):
        await database.write_at_once(change_then_fail, "probes")

    assert told == ["probes"]
    assert await database.read_at_once(lambda visit: visit.execute(select(probes.c.count)).scalar()) == 1
    await database.close()


async def test_writers_at_once_take_turns_with_the_others(tmp_path: Path) -> None:
    database = await with_probes(tmp_path)

    async def add_in_steps() -> None:
        async with database.transaction() as tx:
            count = await tx.connection.scalar(select(probes.c.count))
            await tx.connection.execute(update(probes).values(count=(count or 0) + 1))

    def add(visit: Visit) -> None:
        count = visit.execute(select(probes.c.count)).scalar_one()
        visit.execute(update(probes).values(count=count + 1))

    await asyncio.gather(*(work for _ in range(10) for work in (add_in_steps(), database.write_at_once(add))))

    assert await count_of(database) == 20
    await database.close()
