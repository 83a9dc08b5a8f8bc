"""One database: open it, read from it, change it in transactions, and hear of what was changed.

    database = await Database.open("sqlite+aiosqlite:///state/velvetrope.db", durable=True)
    async with database.transaction() as tx:
        await tx.connection.execute(insert(users).values(...))
        tx.changed("userpools")                      # said to the change feed once the commit has succeeded
    async with database.read() as connection:
        row = (await connection.execute(select(users))).one_or_none()

Services never see a connection: the classes in `store/tables/` open and close what they need, one method one
transaction. On SQLite there is one writer at a time (`BEGIN IMMEDIATE` behind an asyncio lock, so that nobody waits in
SQLite's busy loop) and any number of readers (WAL). What else differs between databases is in `store/dialects/`.

`durable=True` makes every commit wait for the disk (survives a power cut); False survives a crash of the process and
never corrupts, which is what `velvetrope dev` wants.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection, event
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from velvetrope.store.dialects import sqlite
from velvetrope.store.schema import prepare_schema

__all__ = ["ChangeFeed", "Database", "Transaction"]

_WRITES = "velvetrope_writes"


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


@dataclass
class Transaction:
    """An open transaction. It commits when its block ends well and rolls back when the block raises."""

    connection: AsyncConnection
    topics: set[str] = field(default_factory=set)

    def changed(self, topic: str) -> None:
        """Publish `topic` on the change feed after the commit."""
        self.topics.add(topic)


class Database:
    """An opened database at the newest schema."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writer = asyncio.Lock()
        self.changes = ChangeFeed()

    @classmethod
    async def open(cls, url: str, *, durable: bool) -> "Database":
        """Connect, and bring the schema up to date.

        Raises:
            velvetrope.store.SchemaTooNew: the database was written by a newer velvetrope.
            velvetrope.store.DatabaseUnsupported: the URL names a database that we do not know.
        """
        parsed = make_url(url)
        sqlite.check_url(parsed)
        engine = create_async_engine(parsed, connect_args=sqlite.CONNECT_ARGS)
        sqlite.prepare_engine(engine.sync_engine, durable=durable)

        @event.listens_for(engine.sync_engine, "begin")
        def begin(connection: Connection) -> None:
            sqlite.begin(connection, writes=bool(connection.get_execution_options().get(_WRITES)))

        try:
            async with engine.execution_options(**{_WRITES: True}).begin() as connection:
                await connection.run_sync(prepare_schema)
        except BaseException:
            await engine.dispose()
            raise
        return cls(engine)

    async def close(self) -> None:
        """Let go of all connections."""
        await self._engine.dispose()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection that sees one committed state and changes nothing."""
        async with self._engine.connect() as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction that may write; all of it happens, or none."""
        async with self._writer:
            async with self._engine.execution_options(**{_WRITES: True}).begin() as connection:
                tx = Transaction(connection)
                yield tx
            for topic in sorted(tx.topics):
                self.changes.publish(topic)
