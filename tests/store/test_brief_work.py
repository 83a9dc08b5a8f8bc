"""Short work that comes together writes in one transaction, on SQLite; each piece of it stands or falls alone."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Column, ForeignKey, MetaData, String, Table, insert, select, text
from sqlalchemy.exc import IntegrityError

from support.functions import until
from velvetrope.store import Database
from velvetrope.store.visits import Prepared, TransactionUndone, Visit

T = TypeVar("T")
Keep = Callable[[str], None]

metadata = MetaData()
names = Table("names", metadata, Column("name", String, primary_key=True))
nicknames = Table(
    "nicknames",
    metadata,
    Column("name", String, ForeignKey(names.c.name, deferrable=True, initially="DEFERRED"), primary_key=True),
)
KEEP = Prepared(insert(names), "name")
KEEP_NICKNAME = Prepared(insert(nicknames), "name")
ALL = Prepared(select(names.c.name).order_by(names.c.name))
UNDO_EVERYTHING = text("INSERT OR ROLLBACK INTO names VALUES ('taken')")


@pytest.fixture
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not in `tmp_path`, which comes once for each kind of database."""
    return tmp_path_factory.mktemp("brief") / "store.db"


@pytest.fixture
async def database(file: Path) -> AsyncIterator[Database]:
    database = await Database.open(f"sqlite:///{file}", durable=True)
    async with database.transaction() as tx:
        await tx.connection.run_sync(metadata.create_all)
        await tx.connection.execute(insert(names).values(name="taken"))
    yield database
    await database.close()


@pytest.fixture
def said(database: Database) -> list[str]:
    """What those who write say from now on to begin a transaction and to end it."""
    said = list[str]()

    def trace(statement: str) -> None:
        if statement.startswith(("BEGIN", "COMMIT")):
            said.append(statement.partition(" ")[0])

    visit = database.write_here(lambda visit: visit)
    driver = visit.driver
    assert isinstance(driver, sqlite3.Connection)
    driver.set_trace_callback(trace)
    return said


async def never(work: Callable[[], T]) -> T:
    raise AssertionError(f"{work} was not to be done elsewhere")


def keep(database: Database, *given: str) -> str:
    """In one writing; the answer is the last of the names."""

    def work(visit: Visit) -> None:
        for name in given:
            visit.change(KEEP, {"name": name})

    database.write_here(work)
    return given[-1]


def kept(database: Database) -> list[str]:
    return [name for (name,) in database.rows_here(ALL, {}) if name != "taken"]


async def together(database: Database, *works: Callable[[], T]) -> list[T | BaseException]:
    """What becomes of them, when they come in the same moment."""
    return await asyncio.gather(*(database.brief(work, never) for work in works), return_exceptions=True)


async def test_those_that_come_together_write_in_one_transaction(database: Database, said: list[str]) -> None:
    answers = await together(database, *(partial(keep, database, name) for name in "abc"))

    assert answers == ["a", "b", "c"]
    assert kept(database) == ["a", "b", "c"]
    assert said == ["BEGIN", "COMMIT"]


async def test_whoever_comes_alone_waits_for_nobody(database: Database, said: list[str]) -> None:
    for name in "ab":
        await database.brief(partial(keep, database, name), never)
        assert kept(database)[-1] == name

    assert said == ["BEGIN", "COMMIT"] * 2


async def test_nobody_is_answered_before_what_they_wrote_is_committed_and_on_the_disk(
    database: Database, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, on_disk, answered = os.fdatasync, list[list[str]](), list[tuple[str, bool, bool]]()

    def committed() -> list[str]:
        other = sqlite3.connect(file)
        found = [name for (name,) in other.execute("SELECT name FROM names")]
        other.close()
        return found

    def write_to_disk(descriptor: int) -> None:
        there = committed()
        sync(descriptor)
        on_disk.append(there)

    monkeypatch.setattr("velvetrope.store.dialects.sqlite._write_to_disk", write_to_disk)

    async def one(name: str) -> None:
        await database.brief(partial(keep, database, name), never)
        answered.append((name, name in committed(), any(name in there for there in on_disk)))

    await asyncio.gather(*map(one, "abcdef"))

    assert answered == [(name, True, True) for name in "abcdef"]


async def test_a_piece_that_fails_takes_its_own_changes_along_and_nobody_elses(
    database: Database, said: list[str]
) -> None:
    def keep_then_fail() -> None:
        keep(database, "before it failed")
        raise LookupError

    first, taken, late, last = await together(
        database,
        partial(keep, database, "a"),
        partial(keep, database, "b", "taken"),
        keep_then_fail,
        partial(keep, database, "b"),
    )

    assert (first, last) == ("a", "b")
    assert isinstance(taken, IntegrityError)
    assert isinstance(late, LookupError)
    assert kept(database) == ["a", "b", "before it failed"], "what was written before, and not in what failed, stays"
    assert said == ["BEGIN", "COMMIT"]


async def test_each_sees_what_those_before_it_have_written(database: Database) -> None:
    first, second = await together(database, partial(keep, database, "a"), partial(keep, database, "a"))

    assert first == "a"
    assert isinstance(second, IntegrityError)


async def test_a_commit_that_fails_fails_all_who_have_written(database: Database) -> None:
    def keep_what_cannot_be() -> None:
        database.write_here(lambda visit: visit.change(KEEP_NICKNAME, {"name": "of nobody"}))

    answers = await together(
        database,
        partial(keep, database, "a"),
        keep_what_cannot_be,
        partial(kept, database),
        partial(keep, database, "b"),
    )

    assert [type(answer) for answer in answers] == [IntegrityError, IntegrityError, list, IntegrityError]
    assert kept(database) == []
    assert await together(database, partial(keep, database, "later")) == ["later"]


async def test_what_the_database_has_undone_by_itself_is_told_to_all_whom_it_was_taken_from(database: Database) -> None:
    def undo_everything() -> None:
        database.write_here(lambda visit: visit.execute(UNDO_EVERYTHING))

    answers = await together(
        database,
        partial(keep, database, "a"),
        partial(keep, database, "b"),
        undo_everything,
        partial(keep, database, "c"),
    )

    assert [type(answer) for answer in answers] == [TransactionUndone, TransactionUndone, TransactionUndone, str]
    assert kept(database) == ["c"], "who comes after it begins another"


async def test_whoever_else_wants_to_write_need_not_wait_until_nobody_comes_any_more(database: Database) -> None:
    written = list[str]()

    async def one_after_the_other(name: str) -> None:
        """With two of them somebody always waits for a turn."""
        number = 0
        while "in steps" not in written:
            number += 1
            await database.brief(partial(keep, database, f"{name}{number}"), never)
            written.append(name)

    async def in_steps() -> None:
        await until(lambda: len(written) > 4)
        async with database.transaction() as tx:
            await tx.connection.execute(insert(names).values(name="in steps"))
        written.append("in steps")

    await asyncio.wait_for(asyncio.gather(one_after_the_other("a"), one_after_the_other("b"), in_steps()), 60)


async def test_the_first_of_many_are_answered_before_the_last_have_come(database: Database, said: list[str]) -> None:
    done, answered = list[int](), list[int]()

    def piece(number: int) -> None:
        database.write_here(lambda visit: visit.change(KEEP, {"name": str(number)}), waits_for_disk=False)
        done.append(number)

    async def one(number: int) -> None:
        await database.brief(partial(piece, number), never)
        answered.append(len(done))

    await asyncio.gather(*map(one, range(40)))

    assert said.count("COMMIT") == 3
    assert answered == sorted(answered)
    assert answered[0] < 40


async def test_those_who_go_away_leave_nothing_open(database: Database) -> None:
    pieces = [asyncio.create_task(database.brief(partial(keep, database, name), never)) for name in "abc"]
    await asyncio.sleep(0)
    for gone in pieces[1:]:
        gone.cancel()

    assert await asyncio.wait_for(pieces[0], 60) == "a"
    async with database.transaction() as tx:
        await tx.connection.execute(insert(names).values(name="later"))
    assert kept(database) == ["a", "later"]


async def test_who_goes_away_after_having_written_takes_nothing_along(database: Database, said: list[str]) -> None:
    def keep_and_go() -> str:
        keep(database, "a")
        pieces[0].cancel()  # it is this one that is being done
        return "a"

    pieces = [asyncio.create_task(database.brief(work, never)) for work in (keep_and_go, partial(keep, database, "b"))]
    gone, stayed = await asyncio.wait_for(asyncio.gather(*pieces, return_exceptions=True), 60)

    assert isinstance(gone, asyncio.CancelledError)
    assert stayed == "b"
    assert kept(database) == ["a", "b"]
    assert said == ["BEGIN", "COMMIT"]


async def test_closing_commits_what_was_written(database: Database, file: Path) -> None:
    piece = asyncio.create_task(database.brief(partial(keep, database, "a"), never))
    await asyncio.sleep(0)

    await database.close()

    assert await piece == "a"
    other = sqlite3.connect(file)
    assert ("a",) in other.execute("SELECT name FROM names").fetchall()
    other.close()
