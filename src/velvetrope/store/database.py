"""One database: open it, read from it, change it in transactions, and hear of what was changed.

    database = await Database.open("sqlite:///state/velvetrope.db", durable=True)
    async with database.transaction() as tx:
        await tx.connection.execute(insert(users).values(...))
        tx.changed("userpools")                      # said to the change feed once the commit has succeeded
    async with database.read() as connection:
        row = (await connection.execute(select(users))).one_or_none()

Services never see a connection: the classes in `store/tables/` open and close what they need, one method one
transaction. On SQLite there is one writer at a time (`BEGIN IMMEDIATE` when it is one's turn, so that nobody waits in
SQLite's busy loop) and any number of readers (WAL). What else differs between databases is in `store/dialects/`.

Statements run in a few threads of the store's own, with SQLAlchemy's plain engine. Its asyncio engine would do the
same through one thread per connection and a greenlet per call; it costs four times as much per transaction, and
importing it brings the ORM along, a sixth of the time in which a server is to be ready.

`durable=True` makes every commit wait for the disk (survives a power cut); False survives a crash of the process and
never corrupts, which is what `velvetrope dev` wants.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, TypeVarTuple, overload

from sqlalchemy import Connection as EngineConnection
from sqlalchemy import CursorResult, Engine, Executable
from sqlalchemy.engine import make_url
from sqlalchemy.sql.selectable import TypedReturnsRows

from velvetrope.store.dialects import sqlite
from velvetrope.store.schema import prepare_schema
from velvetrope.store.threads import Threads
from velvetrope.store.turns import Turns
from velvetrope.store.visits import Visit

__all__ = ["ChangeFeed", "Connection", "Database", "Transaction"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""Bound values by name; a sequence of them runs the statement once for each."""

_THREADS = 4


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


class Connection:
    """A connection inside a transaction. One statement at a time; results are complete when they arrive.

    The transaction begins with its first statement, in the same visit to a thread: a visit costs more than most
    statements do.
    """

    def __init__(self, begin: Callable[[], EngineConnection], threads: Threads) -> None:
        self._begin = begin
        self._threads = threads
        self._begun: EngineConnection | None = None
        self.committed = False

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

    async def commit(self) -> None:
        """Make it last. Whatever happens, the connection is done with."""
        if self._begun is not None:
            await self._threads.run(self._commit)

    async def rollback(self) -> None:
        """Undo everything, and be done with the connection."""
        if self._begun is not None:
            await self._threads.run(self.let_go)

    def let_go(self) -> None:
        """End a transaction that has changed nothing. Quick: nothing is written."""
        if self._begun is not None:
            self._end(EngineConnection.rollback)

    def _commit(self) -> None:
        self._end(EngineConnection.commit)
        self.committed = True

    def _open(self) -> EngineConnection:
        if self._begun is None:
            self._begun = self._begin()
        return self._begun

    def _end(self, how: Callable[[EngineConnection], None]) -> None:
        connection, self._begun = self._open(), None
        try:
            how(connection)
        finally:
            connection.close()


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

    def __init__(self, engine: Engine, *, durable: bool) -> None:
        self._engine = engine
        self._durable = durable
        self._writer = Turns()
        self._threads = Threads(_THREADS, name="velvetrope-store")
        self._kept = threading.local()
        self._visits: list[Visit] = []
        self.changes = ChangeFeed()

    @classmethod
    async def open(cls, url: str, *, durable: bool) -> "Database":
        """Connect, and bring the schema up to date.

        Raises:
            velvetrope.store.SchemaTooNew: the database was written by a newer velvetrope.
            velvetrope.store.DatabaseUnsupported: the URL names a database that we do not know.
        """
        database = cls(sqlite.open_engine(make_url(url), durable=durable), durable=durable)
        try:
            async with database.transaction() as tx:
                await tx.connection.run_sync(prepare_schema)
        except BaseException:
            await database.close()
            raise
        return database

    async def close(self) -> None:
        """Let go of all connections and threads. Closing twice does nothing more."""
        await asyncio.to_thread(self._threads.close)
        visits, self._visits = self._visits, []
        for visit in visits:
            await asyncio.to_thread(visit.close)
        await asyncio.to_thread(self._engine.dispose)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        """A connection that sees one committed state and changes nothing."""
        connection = Connection(lambda: self._begin(writes=False), self._threads)
        try:
            yield connection
        finally:
            connection.let_go()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction that may write; all of it happens, or none."""
        async with self._writer:
            tx = Transaction(Connection(lambda: self._begin(writes=True), self._threads))
            try:
                yield tx
            except BaseException:
                await tx.connection.rollback()
                raise
            try:
                await tx.connection.commit()
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
        visit = self._visit()
        with visit.in_use:
            visit.begin(writes=False)
            try:
                return work(visit)
            finally:
                visit.rollback()

    async def write_at_once(self, work: Callable[[Visit], T], *topics: str, waits_for_disk: bool = True) -> T:
        """What `work` answers, as one transaction in one visit; `topics` are published when it has been committed.

        Without `waits_for_disk` it survives the end of the process as any other, and a power cut only if a later
        transaction that waits has been committed before that: each of those takes what came before it along.
        """
        committed = False

        def write() -> T:
            nonlocal committed
            answer = self._write(work, waits_for_disk)
            committed = True
            return answer

        async with self._writer:
            try:
                return await self._threads.run(write)
            finally:
                if committed:
                    for topic in topics:
                        self.changes.publish(topic)

    def write_here(self, work: Callable[[Visit], T], *, waits_for_disk: bool = True) -> T:
        """`write_at_once` for who is in a thread already, which stands still until its turn; it publishes nothing.

        Not for work that somebody who has the turn to write may wait for (`Turns`).
        """
        with self._writer.in_thread():
            return self._write(work, waits_for_disk)

    def _write(self, work: Callable[[Visit], T], waits_for_disk: bool) -> T:
        visit = self._visit()
        with visit.in_use:
            if self._durable:
                visit.wait_for_disk(waits_for_disk)
            try:
                visit.begin(writes=True)
                answer = work(visit)
                visit.commit()
            except BaseException:
                visit.rollback()
                raise
            return answer

    def _visit(self) -> Visit:
        """The connection that the calling thread keeps."""
        visit: Visit | None = getattr(self._kept, "visit", None)
        if visit is None:
            visit = self._kept.visit = Visit(self._engine.connect())
            self._visits.append(visit)
        return visit

    def _begin(self, *, writes: bool) -> EngineConnection:
        connection = self._engine.connect()
        try:
            connection.begin()
            sqlite.begin(connection, writes=writes)
        except BaseException:
            connection.close()
            raise
        return connection
