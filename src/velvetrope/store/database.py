"""One database: open it, read from it, change it in transactions, and hear of what was changed.

    database = await Database.open("sqlite:///state/velvetrope.db", durable=True)
    async with database.transaction() as tx:
        await tx.connection.execute(insert(users).values(...))
        tx.changed("userpools")                      # said to the change feed once the commit has succeeded
    async with database.read() as connection:
        row = (await connection.execute(select(users))).one_or_none()

Services never see a connection: the classes in `store/tables/` open and close what they need, one method one
transaction. There is one writer at a time and any number of readers, on both databases: on SQLite by `BEGIN IMMEDIATE`
when it is one's turn, so that nobody waits in SQLite's busy loop, on PostgreSQL by a lock that all nodes share. What
else differs between databases is in `store/dialects/`.

Nodes that share a PostgreSQL hear of each other's commits on the same change feed. A node that might not have heard of
one is told that everything was changed.

Statements run in a few threads of the store's own, with SQLAlchemy's plain engine. Its asyncio engine would do the
same through one thread per connection and a greenlet per call; it costs four times as much per transaction, and
importing it brings the ORM along, a sixth of the time in which a server is to be ready.

Work of a millisecond may be done on the event loop itself where the database runs in this process (`brief`); on a way
to a thread and back such work costs half as much again. Whatever might take longer is not waited for there: it is given
up where somebody else is writing, until it is its turn; the disk, and tidying what was written, have threads. What
comes at the same time writes in one transaction. Decisions 0046 and 0055 weigh it.

`durable=True` makes every commit wait for the disk (survives a power cut); False survives a crash of the process and
never corrupts, which is what `velvetrope dev` wants.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar, TypeVarTuple, overload

from sqlalchemy import Connection as EngineConnection
from sqlalchemy import CursorResult, Engine, Executable
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.selectable import TypedReturnsRows

from velvetrope.store.brief_work import BriefWork
from velvetrope.store.dialects import DatabaseUnreachable, Dialect, Listening, open_engine, parse_url
from velvetrope.store.drivers import close_connection, driver_of, named_error
from velvetrope.store.schema import prepare_schema
from velvetrope.store.threads import Threads
from velvetrope.store.turns import Turns
from velvetrope.store.visits import Prepared, Visit

__all__ = ["ChangeFeed", "Connection", "Database", "Transaction"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""Bound values by name; a sequence of them runs the statement once for each."""


class ChangeFeed:
    """Who wants to know that something was committed. Topics are room names: `iam`, `apigateway`, `functions` …"""

    def __init__(self) -> None:
        self._listeners: dict[str, list[Callable[[], None]]] = {}

    def subscribe(self, topic: str, listener: Callable[[], None]) -> None:
        """Call `listener` after each commit that touched `topic`. It must be quick: drop a cache, set an event."""
        self._listeners.setdefault(topic, []).append(listener)

    def publish(self, topic: str) -> None:
        """Tell the listeners of `topic`."""
        for listener in self._listeners.get(topic, ()):
            listener()

    def publish_all(self) -> None:
        """Tell the listeners of all topics: anything may have been changed."""
        for topic in list(self._listeners):
            self.publish(topic)


class Connection:
    """A connection inside a transaction. One statement at a time; results are complete when they arrive.

    The transaction begins with its first statement, in the same visit to a thread: a visit costs more than most
    statements do.
    """

    def __init__(
        self, begin: Callable[[], EngineConnection], threads: Threads, dialect: Dialect, *, writes: bool
    ) -> None:
        self._begin = begin
        self._writes = writes
        self._threads = threads
        self._dialect = dialect
        self._begun: EngineConnection | None = None
        self.committed = False
        """Whether others may see what was done here: it was committed, or the connection was lost on the way."""

    @overload
    async def execute(
        self, statement: TypedReturnsRows[*Ts], parameters: Parameters | None = None
    ) -> CursorResult[*Ts]: ...

    @overload
    async def execute(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> CursorResult[*tuple[Any, ...]]: ...

    async def execute(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> CursorResult[*tuple[Any, ...]]:
        """Run one statement."""
        return await self.run_sync(lambda connection: connection.execute(statement, parameters))

    async def scalar(self, statement: TypedReturnsRows[T], parameters: Parameters | None = None) -> T | None:
        """The first column of the first row, or None."""
        return (await self.execute(statement, parameters)).scalar()

    async def run_sync(self, work: Callable[[EngineConnection], T]) -> T:
        """Let `work` have SQLAlchemy's own connection, in a thread of the store's."""
        return await self._threads.run(lambda: work(self._open()))

    async def commit(self, topics: Collection[str] = ()) -> None:
        """Make it last, and tell other nodes of `topics`. Whatever happens, the connection is done with."""
        if self._begun is not None:
            await self._threads.run(lambda: self._commit(topics))

    async def rollback(self) -> None:
        """Undo everything, and be done with the connection."""
        if self._begun is not None:
            await self._threads.run(self._leave)

    async def let_go(self) -> None:
        """End a transaction that has changed nothing."""
        if self._begun is not None:
            if self._dialect.log is not None:
                self._leave()
            else:
                await self._threads.run(self._leave)

    def _open(self) -> EngineConnection:
        if self._begun is None:
            self._begun = self._begin()
        return self._begun

    def _commit(self, topics: Collection[str]) -> None:
        connection, self._begun = self._open(), None
        try:
            driver = driver_of(connection)
            try:
                self._dialect.commit(driver, topics)
            except connection.dialect.loaded_dbapi.Error as error:
                self.committed = self._dialect.is_lost(driver)
                raise named_error(error, "COMMIT") from error
            self.committed = True
        finally:
            close_connection(connection, self._dialect)

    def _leave(self) -> None:
        connection, self._begun = self._open(), None
        try:
            if not connection.invalidated:
                driver = driver_of(connection)
                if not self._dialect.is_lost(driver):
                    self._dialect.leave(driver, writes=self._writes)
        except connection.dialect.loaded_dbapi.Error as error:
            raise named_error(error, "ROLLBACK") from error
        finally:
            close_connection(connection, self._dialect)


@dataclass
class Transaction:
    """An open transaction. It commits when its block ends well and rolls back when the block raises."""

    connection: Connection
    topics: set[str] = field(default_factory=set)

    def changed(self, topic: str) -> None:
        """Publish `topic` on the change feed after the commit."""
        self.topics.add(topic)


class Database:
    """An opened database at the newest schema."""

    def __init__(self, engine: Engine, dialect: Dialect) -> None:
        self._engine = engine
        self._dialect = dialect
        self._writer = Turns()
        self._readers = nullcontext() if dialect.max_readers is None else asyncio.Semaphore(dialect.max_readers)
        self._threads = Threads(dialect.threads, name="velvetrope-store")
        self._kept = threading.local()
        self._visits: list[Visit] = []
        self._writing: Visit | None = None
        """The visit of whoever has the turn to write: what it has read and written stays in its connection's cache."""
        self._brief = (
            None
            if dialect.log is None
            else BriefWork(
                dialect.log,
                self._with_driver,
                self._writer,
                begin=lambda: self._begun_visit(writes=True, waits_for_disk=False, is_patient=False),
                end=self._end_visit,
            )
        )
        """None where the database is a server, and so is `_log`."""
        self._log = None if self._brief is None else self._brief.log
        self._listening: Listening | None = None
        self.changes = ChangeFeed()

    @classmethod
    async def open(cls, url: str | URL, *, durable: bool) -> "Database":
        """Connect, and bring the schema up to date.

        Raises:
            velvetrope.store.SchemaTooNew: the database was written by a newer velvetrope.
            velvetrope.store.DatabaseUnsupported: the URL names a database that we do not know, or one that cannot keep
                what we promise.
            velvetrope.store.DatabaseUnreachable: the database does not answer, or does not let us in.
        """
        database = cls(*open_engine(parse_url(url), durable=durable))
        try:
            # Heard from before anything is read, so that nothing is remembered that has changed unheard.
            await database._listen()
            async with database.transaction() as tx:
                await tx.connection.run_sync(prepare_schema)
        except DBAPIError as error:
            await database.close()
            if not database.is_shared:
                raise
            why = " ".join(str(error.orig).split())
            raise DatabaseUnreachable(f"The database's tables cannot be made, or not be read: {why}") from error
        except BaseException:
            await database.close()
            raise
        return database

    @property
    def is_shared(self) -> bool:
        """Whether other nodes may have it open too."""
        return self._dialect.is_shared

    async def close(self) -> None:
        """Let go of all connections and threads. Closing twice does nothing more."""
        listening, self._listening = self._listening, None
        if listening is not None:
            await asyncio.to_thread(listening.close)
        if self._brief is not None:
            await self._brief.close()
        await asyncio.to_thread(self._threads.close)
        visits, self._visits = self._visits, []
        for visit in visits:
            await asyncio.to_thread(visit.close)
        await asyncio.to_thread(self._engine.dispose)

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()

        def told(topics: Collection[str] | None) -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._hear, topics)

        self._listening = await self._threads.run(lambda: self._dialect.listen(told))

    def _hear(self, topics: Collection[str] | None) -> None:
        if topics is None:
            self.changes.publish_all()
        else:
            for topic in topics:
                self.changes.publish(topic)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        """A connection that sees one committed state and changes nothing."""
        async with self._readers:
            connection = Connection(lambda: self._begin(writes=False), self._threads, self._dialect, writes=False)
            try:
                yield connection
            finally:
                await connection.let_go()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction that may write; all of it happens, or none."""
        async with self._writer:
            tx = Transaction(Connection(lambda: self._begin(writes=True), self._threads, self._dialect, writes=True))
            try:
                yield tx
            except BaseException:
                await tx.connection.rollback()
                raise
            try:
                await tx.connection.commit(tx.topics)
            finally:
                # A caller who was cancelled meanwhile has committed all the same, and caches must hear of it.
                if tx.connection.committed:
                    for topic in sorted(tx.topics):
                        self.changes.publish(topic)

    async def read_at_once(self, work: Callable[[Visit], T]) -> T:
        """What `work` reads, in one visit to a thread; for what is asked so often that a second one is felt."""
        return await self._threads.run(lambda: self.read_here(work))

    def read_here(self, work: Callable[[Visit], T]) -> T:
        """`read_at_once` for who is in a thread already: the visit is this thread's own."""
        visit = self._begun_visit(writes=False)
        try:
            return work(visit)
        finally:
            self._end_visit(visit)

    def rows_here(self, statement: Prepared, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """What one `select` finds, for who is in a thread already: one committed state, without a transaction."""
        for is_last_try in (False, True):
            visit = self._visit(writes=False)
            visit.in_use.acquire()
            try:
                return visit.rows(statement, values)
            except DBAPIError:
                if is_last_try or not visit.is_lost:
                    raise
            finally:
                self._release(visit)
        raise AssertionError("the last try answers or raises")

    async def write_at_once(self, work: Callable[[Visit], T], *topics: str, waits_for_disk: bool = True) -> T:
        """What `work` answers, as one transaction in one visit; `topics` are published when it has been committed.

        Without `waits_for_disk` it survives the end of the process as any other, and a power cut only if a later
        transaction that waits has been committed before that: each of those takes what came before it along.
        """
        written: list[bool] = []

        async with self._writer:
            try:
                return await self._threads.run(
                    lambda: self._write(work, topics, written, waits_for_disk=waits_for_disk)
                )
            finally:
                if self._log is not None:
                    self._log.tidy_if_due()
                if written:
                    for topic in topics:
                        self.changes.publish(topic)

    async def brief(self, work: Callable[[], T], elsewhere: Callable[[Callable[[], T]], Awaitable[T]]) -> T:
        """What `work()` answers: a millisecond of arithmetic, of `read_here`, `rows_here` and of `write_here`.

        It is done on the event loop itself where the database runs in this process (`BriefWork`), and by `elsewhere`,
        which is to use a thread, where not. If somebody else is writing it is stopped at its first `write_here` and
        done anew: before that it may only read and compute. It is done anew on the loop, once it is its turn to write;
        by `elsewhere`, if it is another process that writes. What it wrote is committed when this returns or raises,
        and has reached the disk unless it did not want to wait for that.
        """
        if self._brief is None:
            return await elsewhere(work)
        try:
            return await self._brief.do(work, elsewhere)
        finally:
            self._brief.log.tidy_if_due()

    def write_here(self, work: Callable[[Visit], T], *, waits_for_disk: bool = True) -> T:
        """`write_at_once` for who is in a thread already, which stands still until its turn; it publishes nothing.

        Not for work that somebody who has the turn to write may wait for (`Turns`). Within `brief` nothing is waited
        for, and it is a part of a transaction that is committed afterwards.

        Raises:
            TurnTaken: somebody else is writing; only within `brief`, which knows what to do.
            TransactionUndone: what was written together was undone; only within `brief`.
        """
        if self._brief is not None and self._brief.is_under_way:
            return self._brief.write(work, waits_for_disk=waits_for_disk)
        with self._writer.in_thread():
            return self._write(work, (), [], waits_for_disk=waits_for_disk)

    def _write(
        self,
        work: Callable[[Visit], T],
        topics: Collection[str],
        written: list[bool],
        *,
        waits_for_disk: bool,
    ) -> T:
        """`written` gets an entry where others may see what was done, whatever is raised here."""
        visit = self._begun_visit(writes=True, waits_for_disk=waits_for_disk)
        try:
            answer = work(visit)
            try:
                visit.commit(topics)
            except DBAPIError:
                if visit.is_lost:
                    written.append(True)
                raise
            written.append(True)
            if self._log is not None:
                self._log.committed()
            return answer
        finally:
            self._end_visit(visit)

    def _begun_visit(self, *, writes: bool, waits_for_disk: bool = True, is_patient: bool = True) -> Visit:
        """The visit that the calling thread keeps, or that of whoever writes, in use and in a transaction.

        One that was lost since it was last used (the database was started anew) is replaced: nothing was done on it.
        """
        for is_last_try in (False, True):
            visit = self._visit(writes=writes)
            visit.in_use.acquire()
            try:
                visit.begin(writes=writes, waits_for_disk=waits_for_disk, is_patient=is_patient)
            except BaseException:
                is_lost = visit.is_lost
                self._end_visit(visit)
                if is_last_try or not is_lost:
                    raise
            else:
                break
        return visit

    def _end_visit(self, visit: Visit) -> None:
        try:
            visit.leave()
        finally:
            self._release(visit)

    def _release(self, visit: Visit) -> None:
        visit.in_use.release()
        if visit.is_lost:
            if self._writing is visit:
                self._writing = None
            else:
                self._kept.visit = None
            with suppress(ValueError):  # the database is being closed
                self._visits.remove(visit)
            visit.close()

    def _visit(self, *, writes: bool) -> Visit:
        """The connection that the calling thread keeps, or the one of whoever has the turn to write."""
        visit: Visit | None = self._writing if writes else getattr(self._kept, "visit", None)
        if visit is None:
            visit = Visit(self._engine.connect(), self._dialect)
            self._visits.append(visit)
            if writes:
                if self._log is not None:
                    self._log.set_up_writer(visit.driver)
                self._writing = visit
            else:
                self._kept.visit = visit
        return visit

    async def _with_driver(self, work: Callable[[DBAPIConnection], None]) -> None:
        """Let `work` have the connection that a thread keeps, out of any transaction."""

        def visit_and_work() -> None:
            visit = self._visit(writes=False)
            with visit.in_use:
                work(visit.driver)

        await self._threads.run(visit_and_work)

    def _begin(self, *, writes: bool) -> EngineConnection:
        for is_last_try in (False, True):
            connection = self._engine.connect()
            try:
                connection.begin()
                self._dialect.begin(driver_of(connection), writes=writes, waits_for_disk=True)
            except BaseException as error:
                is_lost = not connection.invalidated and self._dialect.is_lost(driver_of(connection))
                if is_lost:
                    with suppress(DBAPIError):
                        # SQLAlchemy sees it then, and takes none of those out of its pool that were there before.
                        connection.exec_driver_sql("SELECT 1")
                close_connection(connection, self._dialect)
                if is_last_try or not is_lost:
                    if isinstance(error, connection.dialect.loaded_dbapi.Error):
                        raise named_error(error, "BEGIN") from error
                    raise
            else:
                break
        return connection
