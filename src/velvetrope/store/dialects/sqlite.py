"""SQLite: pragmas, transactions that begin when we say so, and rows that are read where the statement runs.

Python's driver starts transactions by itself, late and as readers; two such transactions that both go on to write end
in `database is locked`. The driver's own handling is switched off and `BEGIN` or `BEGIN IMMEDIATE` sent by us.

SQLite computes rows while they are fetched. Statements run in the store's threads and results are read on the event
loop, so the cursor fetches everything at once, in the thread: a long list never holds the loop up.

Source: https://www.sqlite.org/lang_transaction.html, https://www.sqlite.org/pragma.html.
"""

import sqlite3
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, cast

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection

from velvetrope.store.dialects.whole_tables import WholeTables

__all__ = ["Sqlite", "open_engine"]

_BUSY_SECONDS = 10.0


class _Cursor(sqlite3.Cursor):
    """Has all rows as soon as the statement has run."""

    _rows: deque[Any]

    def execute(self, sql: str, parameters: Any = (), /) -> "_Cursor":  # noqa: ANN401  whatever the driver binds
        super().execute(sql, parameters)
        self._rows = deque(super().fetchall()) if self.description is not None else deque()
        return self

    def fetchone(self) -> Any:  # noqa: ANN401  a row is what the driver makes of it
        return self._rows.popleft() if self._rows else None

    def fetchmany(self, size: int | None = None) -> list[Any]:
        return [self._rows.popleft() for _ in range(min(self.arraysize if size is None else size, len(self._rows)))]

    def fetchall(self) -> list[Any]:
        rows = list(self._rows)
        self._rows.clear()
        return rows

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # typeshed says Self; a cursor is iterated for its rows
        return iter(self.fetchall())


class _Connection(sqlite3.Connection):
    waits: bool | None = None
    """Whether its commits wait for the disk; None before that was said."""

    def cursor(self, _factory: object = None, /) -> _Cursor:  # type: ignore[override]  # one kind of cursor only
        return super().cursor(_Cursor)


class Sqlite:
    """SQLite, as `Dialect` has it. Nobody else hears of changes: a state folder has one server at a time."""

    threads = 4
    max_readers: int | None = None
    is_shared = False
    leaves_at_once = True

    def __init__(self, *, durable: bool) -> None:
        self._durable = durable

    def check_server(self, driver: DBAPIConnection) -> None:
        """Nothing: it is a part of this process."""

    def begin(self, driver: DBAPIConnection, *, writes: bool, waits_for_disk: bool) -> None:
        connection = cast("_Connection", driver)
        waits = self._durable and waits_for_disk
        if writes and connection.waits != waits:
            connection.waits = None  # whatever comes of the statement
            connection.execute(_disk_statement(waits=waits))
            connection.waits = waits
        connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")

    def commit(self, driver: DBAPIConnection, topics: Collection[str]) -> None:  # noqa: ARG002
        driver.commit()

    def leave(self, driver: DBAPIConnection, *, writes: bool) -> None:  # noqa: ARG002
        driver.rollback()

    def is_lost(self, driver: DBAPIConnection) -> bool:  # noqa: ARG002  a file is not lost
        return False

    def listen(self, told: Callable[[Collection[str] | None], None]) -> None:  # noqa: ARG002  there is nobody to hear
        return None

    def whole_tables(self, connection: Connection) -> WholeTables:
        from velvetrope.store.dialects.sqlite_tables import SqliteTables

        return SqliteTables(connection)


def open_engine(url: URL, *, durable: bool) -> Engine:
    """An engine whose connections are set up: WAL, foreign keys on, and how long a commit waits for the disk."""
    engine = create_engine(
        url,
        hide_parameters=True,  # some are secret
        connect_args={
            "isolation_level": None,  # leaves BEGIN to us
            "timeout": _BUSY_SECONDS,
            "check_same_thread": False,  # the store runs one statement of a connection at a time
            "factory": _Connection,
        },
        # Each thread that makes visits keeps one, and a thread that waited here for one could be the one that others
        # need to give theirs back.
        max_overflow=-1,
    )
    pragmas: Sequence[str] = ("journal_mode=WAL", "foreign_keys=ON", "temp_store=MEMORY")

    @event.listens_for(engine, "connect")
    def connect(dbapi_connection: DBAPIConnection, _record: object) -> None:
        connection = cast("_Connection", dbapi_connection)
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(_disk_statement(waits=durable))
        connection.waits = durable

    return engine


def _disk_statement(*, waits: bool) -> str:
    """What has a connection's commits wait for the disk, or not. With WAL both survive the process, in any order."""
    return "PRAGMA synchronous=FULL" if waits else "PRAGMA synchronous=NORMAL"
