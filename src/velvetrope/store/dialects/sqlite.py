"""SQLite: pragmas, transactions that begin when we say so, and rows that are read where the statement runs.

Python's driver starts transactions by itself, late and as readers; two such transactions that both go on to write end
in `database is locked`. The driver's own handling is switched off and `BEGIN` or `BEGIN IMMEDIATE` sent by us.

SQLite computes rows while they are fetched. Statements run in the store's threads and results are read on the event
loop, so the cursor fetches everything at once, in the thread: a long list never holds the loop up.

**The log.** Commits are appended to the log (`-wal`); what makes them last is that the log is written to the disk, and
SQLite's own way of waiting (`synchronous=FULL`) is one fdatasync of it after each commit. One by us, later, makes all
commits before it last as well (`_Log.write`), which is how several wait together. Moving them to their place in the
database (a checkpoint) takes some tens of milliseconds of the disk. SQLite does it within the commit that finds a
thousand pages in the log; short work does not, and `_Log.tidy` does it elsewhere.

Source: https://www.sqlite.org/lang_transaction.html, https://www.sqlite.org/pragma.html, https://www.sqlite.org/wal.html.
"""

import os
import sqlite3
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, cast

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor

from velvetrope.store.dialects.whole_tables import WholeTables

__all__ = ["Sqlite", "open_engine"]

_BUSY_SECONDS = 10.0
_PRIMARY_CODE = 0xFF
"""Of an extended error code, what kind of error it is (https://www.sqlite.org/rescode.html)."""
_MOST_PAGES = 8192
"""How long the log may become before a commit that is waited for elsewhere tidies it itself: 32 MB, twice what short
work leaves until then. Writings are counted, and some are large."""


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
    is_patient = True
    """Whether it waits for another process that writes."""

    def cursor(self, _factory: object = None, /) -> _Cursor:  # type: ignore[override]  # one kind of cursor only
        return super().cursor(_Cursor)


class _Log:
    """The `-wal` file, as `Log` has it."""

    def __init__(self, *, durable: bool) -> None:
        self._durable = durable
        self._file: int | None = None

    def set_up_writer(self, driver: DBAPIConnection) -> None:
        cast("_Connection", driver).execute(f"PRAGMA wal_autocheckpoint={_MOST_PAGES}")

    def write(self, driver: DBAPIConnection) -> None:
        if not self._durable:
            return
        if self._file is None:
            # The log is the same file for as long as a connection is open. SQLite has no locks on it that closing it
            # elsewhere in the process would take away (https://www.sqlite.org/howtocorrupt.html, section 2.2).
            connection = cast("_Connection", driver)
            # As bytes: a path need not be text.
            named = "SELECT CAST(file AS BLOB) FROM pragma_database_list WHERE name = 'main'"
            ((database,),) = connection.execute(named).fetchall()
            self._file = os.open(database + b"-wal", os.O_RDWR | os.O_CLOEXEC)
        _write_to_disk(self._file)

    def tidy(self, driver: DBAPIConnection) -> None:
        # PASSIVE: whatever a reader still needs, or somebody has just written, stays for the next time.
        cast("_Connection", driver).execute("PRAGMA wal_checkpoint(PASSIVE)")

    def begin_anew(self, driver: DBAPIConnection) -> None:
        # The first commit in a log waits until the disk has its head, however little else waits. This is one, of
        # nothing: a number in the database's own head that nobody asks for becomes what it is.
        cast("_Connection", driver).execute("PRAGMA user_version=0")

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


class Sqlite:
    """SQLite, as `Dialect` has it. Nobody else hears of changes: a state folder has one server at a time."""

    threads = 4
    max_readers: int | None = None
    is_shared = False

    def __init__(self, *, durable: bool) -> None:
        self._durable = durable
        self.log = _Log(durable=durable)

    def check_server(self, driver: DBAPIConnection) -> None:
        """Nothing: it is a part of this process."""

    def plain_cursor(self, driver: DBAPIConnection) -> DBAPICursor:
        return cast("DBAPICursor", sqlite3.Connection.cursor(cast("_Connection", driver)))

    def begin(self, driver: DBAPIConnection, *, writes: bool, waits_for_disk: bool, is_patient: bool = True) -> None:
        connection = cast("_Connection", driver)
        if writes and connection.is_patient != is_patient:
            connection.execute(f"PRAGMA busy_timeout={int(_BUSY_SECONDS * 1000) if is_patient else 0}")
            connection.execute(f"PRAGMA wal_autocheckpoint={_MOST_PAGES if is_patient else 0}")
            connection.is_patient = is_patient
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

    def is_busy(self, error: Exception) -> bool:
        return (
            isinstance(error, sqlite3.OperationalError)
            and error.sqlite_errorcode & _PRIMARY_CODE == sqlite3.SQLITE_BUSY
        )

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


_write_to_disk: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)
"""fdatasync where the system has it, as SQLite does."""


def _disk_statement(*, waits: bool) -> str:
    """What has a connection's commits wait for the disk, or not. With WAL both survive the process, in any order."""
    return "PRAGMA synchronous=FULL" if waits else "PRAGMA synchronous=NORMAL"
