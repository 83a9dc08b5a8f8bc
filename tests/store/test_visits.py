"""Prepared statements bind and read what SQLAlchemy would, inside one transaction with everything else."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Column, Integer, LargeBinary, MetaData, String, Table, bindparam, delete, insert, select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError

from support.stores import open_store, store_url
from velvetrope.store import Database
from velvetrope.store.columns import Record, UtcTime
from velvetrope.store.visits import Prepared, TransactionUndone, Visit


class Note(msgspec.Struct, frozen=True):
    text: str


metadata = MetaData()
notes = Table(
    "notes",
    metadata,
    Column("id", String, primary_key=True),
    Column("size", Integer),
    Column("at", UtcTime, nullable=False),
    Column("sealed", LargeBinary),
    Column("record", Record(Note), nullable=False),
)
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
KEEP = Prepared(insert(notes), "id", "size", "at", "sealed", "record")
LOAD = Prepared(select(notes.c.id, notes.c.size, notes.c.at, notes.c.sealed, notes.c.record).order_by(notes.c.id))
LOAD_ONE = Prepared(select(notes.c.record).where(notes.c.id == bindparam("id"), notes.c.size > 1))
FORGET_OLD = Prepared(delete(notes).where(notes.c.at <= bindparam("now", type_=UtcTime())))


def note(key: str, **changed: object) -> dict[str, object]:
    return {"id": key, "size": 2, "at": NOON, "sealed": b"\0\xff", "record": Note(key)} | changed


async def opened(folder: Path) -> Database:
    database = await open_store(folder)
    async with database.transaction() as tx:
        await tx.connection.run_sync(metadata.create_all)
    return database


async def test_values_come_back_as_their_types_have_them(tmp_path: Path) -> None:
    database = await opened(tmp_path)

    await database.write_at_once(lambda visit: visit.change(KEEP, note("a", size=None, sealed=None)))
    await database.write_at_once(lambda visit: visit.change(KEEP, note("b")))

    rows = await database.read_at_once(lambda visit: visit.rows(LOAD, {}))
    assert rows == [("a", None, NOON, None, Note("a")), ("b", 2, NOON, b"\0\xff", Note("b"))]
    assert await database.read_at_once(lambda visit: visit.one(LOAD_ONE, {"id": "b"})) == (Note("b"),)
    assert await database.read_at_once(lambda visit: visit.one(LOAD_ONE, {"id": "a"})) is None
    await database.close()


async def test_a_change_says_how_many_rows_it_changed(tmp_path: Path) -> None:
    database = await opened(tmp_path)
    for key in ("a", "b"):
        await database.write_at_once(lambda visit, key=key: visit.change(KEEP, note(key)))  # type: ignore[misc]  # mypy knows no defaults of a lambda

    assert await database.write_at_once(lambda visit: visit.change(FORGET_OLD, {"now": NOON})) == 2
    assert await database.write_at_once(lambda visit: visit.change(FORGET_OLD, {"now": NOON})) == 0
    await database.close()


async def test_prepared_and_other_statements_are_one_transaction(tmp_path: Path) -> None:
    database = await opened(tmp_path)

    def keep_three(visit: Visit) -> None:
        visit.change(KEEP, note("a"))
        visit.execute(insert(notes).values(**note("b")))
        visit.change(KEEP, note("a"))

    with pytest.raises(IntegrityError):
        await database.write_at_once(keep_three)

    assert await database.read_at_once(lambda visit: visit.rows(LOAD, {})) == []
    # The connection is kept, and good for the next.
    await database.write_at_once(lambda visit: visit.execute(insert(notes).values(**note("c"))).rowcount)
    assert [row[0] for row in await database.read_at_once(lambda visit: visit.rows(LOAD, {}))] == ["c"]
    await database.close()


async def test_what_the_driver_refuses_is_told_without_the_values(tmp_path: Path) -> None:
    database = await opened(tmp_path)
    await database.write_at_once(lambda visit: visit.change(KEEP, note("a", record=Note("a secret"))))

    with pytest.raises(IntegrityError) as refused:
        await database.write_at_once(lambda visit: visit.change(KEEP, note("a", record=Note("a secret"))))

    assert "secret" not in str(refused.value)
    await database.close()


async def test_a_reader_writes_nothing_that_stays(tmp_path: Path) -> None:
    database = await opened(tmp_path)

    with suppress(DBAPIError):  # PostgreSQL says so, SQLite undoes it
        await database.read_at_once(lambda visit: visit.change(KEEP, note("a")))

    assert await database.read_at_once(lambda visit: visit.rows(LOAD, {})) == []
    await database.close()


async def test_a_statement_that_cannot_be_run_leaves_the_thread_usable(tmp_path: Path) -> None:
    database = await opened(tmp_path)
    elsewhere = Table("elsewhere", MetaData(), Column("id", String))

    with pytest.raises(DBAPIError):
        await database.read_at_once(lambda visit: visit.rows(Prepared(select(elsewhere.c.id)), {}))

    assert await database.read_at_once(lambda visit: visit.rows(LOAD, {})) == []
    await database.close()


@pytest.mark.parametrize("values", [{}, {"id": "a", "size": 1}], ids=["one is missing", "one is unknown"])
async def test_values_are_exactly_those_of_the_statement(tmp_path: Path, values: dict[str, object]) -> None:
    database = await opened(tmp_path)

    with pytest.raises(KeyError):
        await database.read_at_once(lambda visit: visit.one(LOAD_ONE, values))

    await database.close()


def test_lists_of_any_length_are_not_prepared() -> None:
    with pytest.raises(ValueError, match="as many values"):
        Prepared(select(notes.c.id).where(notes.c.id.in_(["a", "b"]))).spelled(sqlite.dialect())


@pytest.mark.parametrize("durable", [True, False], ids=["durable", "not durable"])
async def test_what_does_not_wait_for_the_disk_changes_nothing_for_what_does(tmp_path: Path, durable: bool) -> None:
    """1 is SQLite's NORMAL and 2 its FULL; https://www.sqlite.org/pragma.html#pragma_synchronous."""
    url = store_url(tmp_path)
    on_sqlite = url.startswith("sqlite:")
    asked = text("PRAGMA synchronous" if on_sqlite else "SHOW synchronous_commit")
    waits, does_not_wait = (2, 1) if on_sqlite else ("on", "off")
    usual = waits if durable else does_not_wait
    database = await Database.open(url, durable=durable)

    def level(visit: Visit) -> object:
        return visit.execute(asked).scalar()

    def fail(visit: Visit) -> None:
        level(visit)
        raise LookupError("undone")

    assert await database.write_at_once(level) == usual
    assert await database.write_at_once(level, waits_for_disk=False) == does_not_wait
    with pytest.raises(LookupError):
        await database.write_at_once(fail, waits_for_disk=False)
    assert [await database.write_at_once(level) for _ in range(8)] == [usual] * 8
    await database.close()


def keep_here(database: Database, key: str) -> int:
    return database.write_here(lambda visit: visit.change(KEEP, note(key)))


async def test_a_thread_writes_and_reads_in_visits_of_its_own_and_in_its_turn(tmp_path: Path) -> None:
    database = await opened(tmp_path)

    async def keep_in_steps(key: str) -> None:
        async with database.transaction() as tx:
            await tx.connection.execute(insert(notes).values(**note(f"{key} first")))
            await tx.connection.execute(insert(notes).values(**note(f"{key} then")))

    in_threads = (asyncio.to_thread(keep_here, database, f"b{n}") for n in range(8))
    await asyncio.gather(*(keep_in_steps(f"a{n}") for n in range(8)), *in_threads)

    found = await asyncio.to_thread(database.read_here, lambda visit: visit.rows(LOAD, {}))
    assert len(found) == 3 * 8
    await database.close()


async def test_a_thread_that_fails_has_written_nothing_and_the_next_one_has_its_turn(tmp_path: Path) -> None:
    database = await opened(tmp_path)
    keep_here(database, "a")

    with pytest.raises(IntegrityError):
        database.write_here(lambda visit: visit.change(KEEP, note("b")) + visit.change(KEEP, note("a")))

    assert keep_here(database, "c") == 1
    assert len(database.read_here(lambda visit: visit.rows(LOAD, {}))) == 2
    await database.close()


async def test_one_statement_sees_what_was_committed_and_leaves_nothing_open(tmp_path: Path) -> None:
    database = await opened(tmp_path)
    keep_here(database, "a")

    def look_while_somebody_writes(visit: Visit) -> int:
        visit.change(KEEP, note("b"))
        return len(database.rows_here(LOAD, {}))

    during = await asyncio.to_thread(database.write_here, look_while_somebody_writes)

    assert during == 1, "what is not committed yet is not seen, by the same thread either"
    assert len(await asyncio.to_thread(database.rows_here, LOAD, {})) == 2
    await database.close()


async def test_a_part_that_fails_is_undone_alone(tmp_path: Path) -> None:
    database = await opened(tmp_path)

    def keep(keys: str, visit: Visit) -> None:
        for key in keys:
            visit.change(KEEP, note(key))

    def keep_some(visit: Visit) -> list[str]:
        failed = list[str]()
        for keys in ("a", "ba", "c"):
            try:
                visit.part(partial(keep, keys))
            except IntegrityError:
                failed.append(keys)
        return failed

    assert database.write_here(keep_some) == ["ba"]
    database.write_here(partial(keep, "b"))
    assert [row[0] for row in database.rows_here(LOAD, {})] == ["a", "b", "c"]
    await database.close()


async def test_a_part_says_so_if_the_database_has_undone_everything(tmp_path: Path) -> None:
    """As SQLite may by itself, and does for a statement that asks for it; on PostgreSQL `ROLLBACK` is as good."""
    database = await opened(tmp_path)
    undo = (
        "INSERT OR ROLLBACK INTO notes SELECT * FROM notes" if store_url(tmp_path).startswith("sqlite") else "ROLLBACK"
    )

    def lose(visit: Visit) -> None:
        with suppress(IntegrityError):
            visit.execute(text(undo))

    def keep_and_lose(visit: Visit) -> None:
        visit.part(lambda visit: visit.change(KEEP, note("a")))
        visit.part(lose)

    with pytest.raises(TransactionUndone):
        database.write_here(keep_and_lose)

    assert keep_here(database, "b") == 1
    assert [row[0] for row in database.rows_here(LOAD, {})] == ["b"]
    await database.close()


async def test_writers_in_many_threads_share_one_visit_in_turns(tmp_path: Path) -> None:
    database = await opened(tmp_path)
    seen: set[int] = set()

    def keep(key: str) -> None:
        def work(visit: Visit) -> None:
            seen.add(id(visit))
            visit.change(KEEP, note(key))

        database.write_here(work)

    await asyncio.gather(*(asyncio.to_thread(keep, f"k{n}") for n in range(16)))

    assert len(seen) == 1
    assert len(await asyncio.to_thread(database.rows_here, LOAD, {})) == 16
    await database.close()


async def test_more_visits_are_kept_than_a_pool_of_connections_has(tmp_path: Path) -> None:
    """A thread that waited for a connection could be the one that others need to give theirs back."""
    database, all_of_them = await opened(tmp_path), threading.Barrier(20)

    def read() -> object:
        all_of_them.wait(10)
        return database.read_here(lambda visit: visit.one(LOAD, {}))

    threads = ThreadPoolExecutor(20)
    found = await asyncio.gather(*(asyncio.get_running_loop().run_in_executor(threads, read) for _ in range(20)))

    assert found == [None] * 20
    threads.shutdown()
    await database.close()


async def test_texts_that_differ_stay_different_whatever_is_in_them(tmp_path: Path) -> None:
    """PostgreSQL keeps no U+0000; a name that has one is nobody's, and no reason to fail."""
    database = await opened(tmp_path)
    texts = ["a\0", "a", "a\ufdd0", "a\ufdd00", "a\ufdd01", "a\ufdd0\0", "\0a", "a\uffff"]

    for text_ in texts:
        assert await database.read_at_once(lambda visit, key=text_: visit.one(LOAD_ONE, {"id": key})) is None  # type: ignore[misc]  # as above
        await database.write_at_once(
            lambda visit, key=text_: visit.change(KEEP, note(key, record=Note(key)))  # type: ignore[misc]  # as above
        )

    for text_ in texts:
        found = await database.read_at_once(lambda visit, key=text_: visit.one(LOAD_ONE, {"id": key}))  # type: ignore[misc]  # as above
        assert found == (Note(text_),)
        async with database.read() as connection:
            row = (await connection.execute(select(notes.c.id, notes.c.record).where(notes.c.id == text_))).one()
        assert tuple(row) == (text_, Note(text_))
    await database.close()
