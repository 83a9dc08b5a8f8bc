"""Short work: on the event loop itself where the database runs in this process, in a thread where not."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Column, MetaData, String, Table, insert, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import IntegrityError

from support.functions import until
from support.stores import store_url
from velvetrope.store import Database
from velvetrope.store.dialects import sqlite
from velvetrope.store.drivers import driver_of
from velvetrope.store.visits import Prepared

T = TypeVar("T")

metadata = MetaData()
names = Table("names", metadata, Column("name", String, primary_key=True))
KEEP = Prepared(insert(names), "name")
ALL = Prepared(select(names.c.name).order_by(names.c.name))
AUTOMATIC = text("PRAGMA wal_autocheckpoint")


@pytest.fixture
def on_sqlite(tmp_path: Path) -> bool:
    return store_url(tmp_path).startswith("sqlite:")


async def opened(folder: Path, *, durable: bool = False) -> Database:
    database = await Database.open(store_url(folder), durable=durable)
    async with database.transaction() as tx:
        await tx.connection.run_sync(metadata.create_all)
    return database


async def in_a_thread(work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work)


def fail(error: Exception) -> None:
    raise error


async def never(work: Callable[[], T]) -> T:
    raise AssertionError(f"{work} was not to be done elsewhere")


def keep(database: Database, name: str, *, waits_for_disk: bool = True) -> int:
    """The thread that kept it."""
    database.write_here(lambda visit: visit.change(KEEP, {"name": name}), waits_for_disk=waits_for_disk)
    return threading.get_ident()


def kept(database: Database) -> list[str]:
    return [name for (name,) in database.rows_here(ALL, {})]


async def test_it_is_done_where_the_database_is(tmp_path: Path, on_sqlite: bool) -> None:
    database = await opened(tmp_path)

    where = await database.brief(lambda: keep(database, "a"), never if on_sqlite else in_a_thread)

    assert (where == threading.get_ident()) == on_sqlite
    assert await in_a_thread(lambda: kept(database)) == ["a"]
    await database.close()


async def test_what_fails_has_written_nothing_and_the_next_one_has_its_turn(tmp_path: Path) -> None:
    database = await opened(tmp_path)
    await database.brief(lambda: keep(database, "a"), in_a_thread)

    with pytest.raises(IntegrityError):
        await database.brief(lambda: keep(database, "a"), in_a_thread)
    with pytest.raises(LookupError):
        await database.brief(lambda: fail(LookupError()), in_a_thread)

    await asyncio.wait_for(in_a_thread(lambda: keep(database, "b")), 10)
    await database.brief(lambda: keep(database, "c"), in_a_thread)
    assert await in_a_thread(lambda: kept(database)) == ["a", "b", "c"]
    await database.close()


async def test_a_turn_that_somebody_else_has_is_waited_for_while_the_loop_goes_on(
    tmp_path: Path, on_sqlite: bool
) -> None:
    database, calls = await opened(tmp_path), list[int]()

    def work() -> int:
        calls.append(threading.get_ident())
        return keep(database, "later")

    async with database.transaction() as tx:
        await tx.connection.execute(insert(names).values(name="first"))
        brief = asyncio.create_task(database.brief(work, never if on_sqlite else in_a_thread))
        await until(lambda: bool(calls))  # the loop runs meanwhile
        assert not brief.done()

    assert await brief == calls[-1]
    assert await in_a_thread(lambda: kept(database)) == ["first", "later"]
    await database.close()


async def test_readers_need_no_turn(tmp_path: Path) -> None:
    database = await opened(tmp_path)
    await database.brief(lambda: keep(database, "a"), in_a_thread)

    async with database.transaction() as tx:
        await tx.connection.execute(insert(names).values(name="b"))
        assert await database.brief(lambda: kept(database), in_a_thread) == ["a"]
    await database.close()


async def test_many_at_once_all_write(tmp_path: Path) -> None:
    """More than the log may hold before it is tidied; transactions and threads write in between."""
    database = await opened(tmp_path)

    async def in_steps(name: str) -> None:
        async with database.transaction() as tx:
            await tx.connection.execute(insert(names).values(name=name))

    wanted = [f"{kind}{number:04d}" for kind in "abc" for number in range(600 if kind == "a" else 20)]
    writers: dict[str, Callable[[str], Awaitable[object]]] = {
        "a": lambda name: database.brief(partial(keep, database, name), in_a_thread),
        "b": in_steps,
        "c": lambda name: in_a_thread(partial(keep, database, name)),
    }
    await asyncio.gather(*(writers[name[0]](name) for name in wanted))

    assert await in_a_thread(lambda: kept(database)) == wanted
    await database.close()


class TestOnSqlite:
    @pytest.fixture(autouse=True)
    def only_sqlite(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        """What these say holds for SQLite alone, and so is asked of it alone."""
        self.file = tmp_path_factory.mktemp("brief") / "sqlite.db"
        self.url = f"sqlite:///{self.file}"

    async def opened(self, *, durable: bool) -> Database:
        database = await Database.open(self.url, durable=durable)
        async with database.transaction() as tx:
            await tx.connection.run_sync(metadata.create_all)
        return database

    async def test_another_process_that_writes_is_waited_for_elsewhere(self) -> None:
        database = await self.opened(durable=False)
        await database.brief(lambda: keep(database, "a"), never)
        other = sqlite3.connect(self.file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        elsewhere = asyncio.Event()

        async def tell(work: Callable[[], T]) -> T:
            elsewhere.set()
            return await asyncio.to_thread(work)

        brief = asyncio.create_task(database.brief(lambda: keep(database, "b"), tell))
        await elsewhere.wait()
        assert not brief.done()
        other.execute("COMMIT")
        other.close()

        await brief
        await database.brief(lambda: keep(database, "c"), never)
        assert kept(database) == ["a", "b", "c"]
        await database.close()

    async def test_what_found_somebody_writing_is_done_on_the_loop_and_waits_for_the_disk(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In threads each would hold its turn until the disk has it, and those that come after would find it taken."""
        database, written, ended = await self.opened(durable=True), list[int](), list[int]()
        sync = os.fdatasync

        def counted(descriptor: int) -> None:
            sync(descriptor)
            written.append(descriptor)

        monkeypatch.setattr("velvetrope.store.dialects.sqlite._write_to_disk", counted)

        async def one(number: int) -> None:
            assert await database.brief(partial(keep, database, f"{number:02d}"), never) == threading.get_ident()
            ended.append(len(written))

        async with database.transaction() as tx:
            await tx.connection.execute(insert(names).values(name="first"))
            briefs = [asyncio.create_task(one(number)) for number in range(20)]
            await until(lambda: len(database._writer) == len(briefs))
        await asyncio.gather(*briefs)

        assert min(ended) > 0
        assert len(written) < len(briefs), "they wait together"
        assert kept(database) == [*(f"{number:02d}" for number in range(20)), "first"]
        await database.close()

    async def test_who_is_cancelled_while_somebody_else_writes_has_written_nothing_and_keeps_no_turn(self) -> None:
        database = await self.opened(durable=False)
        async with database.transaction() as tx:
            await tx.connection.execute(insert(names).values(name="first"))
            gone, later = (
                asyncio.create_task(database.brief(partial(keep, database, name), never)) for name in ("gone", "later")
            )
            await until(lambda: len(database._writer) == 2)
            gone.cancel()

        await asyncio.wait_for(later, 60)
        assert gone.cancelled()
        assert kept(database) == ["first", "later"]
        await database.close()

    async def test_it_returns_when_the_disk_has_it_and_the_loop_goes_on_meanwhile(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        database = await self.opened(durable=True)
        await database.brief(lambda: keep(database, "first"), never)
        told, may_end, written = asyncio.Event(), threading.Event(), list[tuple[str, int]]()
        loop, sync = asyncio.get_running_loop(), os.fdatasync

        def held(descriptor: int) -> None:
            written.append((str(Path(f"/proc/self/fd/{descriptor}").readlink()), threading.get_ident()))
            loop.call_soon_threadsafe(told.set)
            may_end.wait(30)
            sync(descriptor)

        monkeypatch.setattr("velvetrope.store.dialects.sqlite._write_to_disk", held)
        brief = asyncio.create_task(database.brief(lambda: keep(database, "a"), never))
        await told.wait()
        assert kept(database) == ["a", "first"], "others see what was committed"
        others = [asyncio.create_task(database.brief(partial(keep, database, name), never)) for name in "bcd"]
        lazy = asyncio.create_task(database.brief(lambda: keep(database, "lazy", waits_for_disk=False), never))
        await asyncio.wait_for(lazy, 60)  # a task of its own, behind the others
        assert not any(one.done() for one in (brief, *others))
        may_end.set()
        await asyncio.gather(brief, *others)

        assert {path for path, _ in written} == {f"{self.file}-wal"}
        assert len(written) == 2, "those that came meanwhile waited together"
        assert all(thread != threading.get_ident() for _, thread in written)
        await database.close()

    async def test_the_disk_is_waited_for_wherever_the_database_is(self) -> None:
        folder = self.file.parent / os.fsdecode(b"what?#%41 \xff")
        folder.mkdir()
        database = await Database.open(URL.create("sqlite", database=str(folder / "store.db")), durable=True)
        async with database.transaction() as tx:
            await tx.connection.run_sync(metadata.create_all)

        await database.brief(lambda: keep(database, "a"), never)

        assert kept(database) == ["a"]
        assert {found.name for found in folder.iterdir()} == {"store.db", "store.db-shm", "store.db-wal"}
        await database.close()

    async def test_nothing_waits_for_the_disk_where_nothing_is_to_last(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            "velvetrope.store.dialects.sqlite._write_to_disk", lambda _: fail(AssertionError("the disk was written"))
        )
        database = await self.opened(durable=False)
        await database.brief(lambda: keep(database, "a"), never)
        await database.close()

        durable = await self.opened(durable=True)
        await durable.brief(lambda: kept(durable), never)
        await durable.brief(lambda: keep(durable, "b", waits_for_disk=False), never)
        await durable.close()

    async def test_the_log_is_tidied_elsewhere_and_begins_anew(self) -> None:
        """SQLite itself does it at a thousand pages, within the commit that finds them."""
        database = await self.opened(durable=False)
        log, written = Path(f"{self.file}-wal"), 0
        assert await database.brief(lambda: automatic(database), never) == 0
        begun = log_begun(log)
        while log_begun(log) == begun:
            written += 1
            await database.brief(partial(keep, database, f"{written:06d}"), in_a_thread)
            await asyncio.sleep(0)

        await database.close()
        again = await self.opened(durable=False)
        assert len(kept(again)) == written > 100
        await again.close()

    async def test_a_log_that_was_tidied_is_begun_by_whoever_tidied_it(self) -> None:
        """The commit that begins one waits for the disk."""
        engine, log = sqlite.open_engine(make_url(self.url), durable=False), sqlite.Sqlite(durable=False).log
        written = Path(f"{self.file}-wal")
        with engine.connect() as one, engine.connect() as other:
            writer, tidier = driver_of(one), driver_of(other)
            log.set_up_writer(writer)
            writer.cursor().execute("CREATE TABLE names (name TEXT)")
            begun = log_begun(written)
            for _ in range(3):
                log.tidy(tidier)
                log.begin_anew(tidier)
                assert log_begun(written) != begun
                begun = log_begun(written)
                writer.cursor().execute("INSERT INTO names VALUES ('a')")
                assert log_begun(written) == begun
        engine.dispose()

    async def test_a_log_that_cannot_be_tidied_is_told_of_and_tidied_later(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr("velvetrope.store.log_keeper._TIDIED_AFTER", 3)
        database, tidy, tried = await self.opened(durable=False), sqlite._Log.tidy, list[None]()

        def fail_first(log: sqlite._Log, driver: DBAPIConnection) -> None:
            tried.append(None)
            if len(tried) == 1:
                raise sqlite3.OperationalError("disk I/O error")
            tidy(log, driver)

        monkeypatch.setattr(sqlite._Log, "tidy", fail_first)
        for number in range(6):
            await database.brief(partial(keep, database, str(number)), never)
            await until(lambda: database._log is not None and database._log._tidying is None)

        assert len(tried) == 3
        assert caplog.text.count("log could not be tidied") == 1
        assert "disk I/O error" in caplog.text
        await database.close()

    async def test_the_log_of_those_who_write_and_have_no_answer_is_tidied_too(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("velvetrope.store.log_keeper._TIDIED_AFTER", 3)
        database = await self.opened(durable=False)
        log, written = Path(f"{self.file}-wal"), 0

        def keep_and_fail() -> None:
            keep(database, str(written))
            raise LookupError

        await database.brief(partial(keep, database, "a"), never)
        begun = log_begun(log)
        while log_begun(log) == begun:
            written += 1
            with pytest.raises(LookupError):
                await database.brief(keep_and_fail, never)

        await database.close()

    async def test_the_log_of_large_writings_is_tidied_before_there_are_many(self) -> None:
        database = await self.opened(durable=False)
        await database.brief(lambda: keep(database, "a"), never)

        pages = await database.write_at_once(lambda visit: visit.execute(AUTOMATIC).scalar())

        assert pages is not None
        assert pages * 4096 == 32 * 1024 * 1024
        await database.close()


def automatic(database: Database) -> object:
    """How many pages the log has when a commit tidies it; 0 for any."""
    return database.write_here(lambda visit: visit.execute(AUTOMATIC).scalar())


def log_begun(log: Path) -> bytes:
    """What is another number each time that the log is begun (https://www.sqlite.org/fileformat2.html#walformat)."""
    return log.read_bytes()[16:20]
