"""What differs between databases, each in one file: `sqlite`, `postgresql`, and statements that are spelled for both.

`Dialect` is what the store asks of a database; `open_engine` picks it by the URL, and knows no third.
"""

from collections.abc import Callable, Collection
from typing import Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import ArgumentError

from velvetrope.errors import VelvetropeError
from velvetrope.store.dialects.whole_tables import WholeTables

__all__ = ["DatabaseUnreachable", "DatabaseUnsupported", "Dialect", "Listening", "Log", "open_engine", "parse_url"]


class DatabaseUnsupported(VelvetropeError):
    """The database URL names a database that we do not know, or one that cannot keep our promises; or its driver is
    missing."""


class DatabaseUnreachable(VelvetropeError):
    """The database does not answer, or does not let us in. The message holds no password."""


class Listening(Protocol):
    """Hears what other nodes have committed, until it is closed."""

    def close(self) -> None:
        """Stop. Nothing is told after it."""


class Log(Protocol):
    """What commits are appended to, before it is moved to its place in the database."""

    def set_up_writer(self, driver: DBAPIConnection) -> None:
        """For the connection that short work is written with, where a commit seldom does anything but commit (`tidy`),
        and never if `begin` was not patient."""

    def write(self, driver: DBAPIConnection) -> None:
        """Return when the disk has all that was committed before, by any connection."""

    def tidy(self, driver: DBAPIConnection) -> None:
        """Move what was committed to its place.

        Where nobody writes meanwhile the log is empty afterwards, and where somebody does it is shorter.
        """

    def begin_anew(self, driver: DBAPIConnection) -> None:
        """Write to a log that is empty, so that whoever commits next need not begin it. Nobody else writes."""

    def close(self) -> None:
        """Let go of what is held besides connections."""


class Dialect(Protocol):
    """How one database is spoken to. `driver` is a connection as its driver has it, out of any transaction."""

    threads: int
    """How many threads the store has for it. They stand still while the database works."""
    max_readers: int | None
    """How many reads of several statements may be under way at once, since each holds a connection; None: any."""
    is_shared: bool
    """Whether several nodes may have it open."""

    @property
    def log(self) -> Log | None:
        """The database's log, where statements run within this process, and a short one that waits for nobody may be
        run anywhere. None where the database is a server, which looks after its own."""

    def check_server(self, driver: DBAPIConnection) -> None:
        """
        Raises:
            DatabaseUnsupported: the server cannot keep what we promise.
        """

    def plain_cursor(self, driver: DBAPIConnection) -> DBAPICursor:
        """A cursor for who fetches all rows in the thread in which the statement was run."""

    def begin(self, driver: DBAPIConnection, *, writes: bool, waits_for_disk: bool, is_patient: bool = True) -> None:
        """Start a transaction: as a reader, who sees one committed state, or as the one writer there is.

        `waits_for_disk` says whether a writer's commit returns only when the disk has it. A writer who `is_patient`
        waits for another process that writes; `is_busy` tells the error that others get.
        """

    def is_busy(self, error: Exception) -> bool:
        """Whether `begin` failed because another process is writing."""

    def commit(self, driver: DBAPIConnection, topics: Collection[str]) -> None:
        """Make it last, and tell other nodes of `topics` in the moment in which they can read it."""

    def leave(self, driver: DBAPIConnection, *, writes: bool) -> None:
        """Undo what was done since `begin`, whose `writes` this is; nothing, where the transaction has ended."""

    def is_lost(self, driver: DBAPIConnection) -> bool:
        """Whether the connection is of no use any more."""

    def listen(self, told: Callable[[Collection[str] | None], None]) -> Listening | None:
        """Call `told`, in a thread, with the topics of each commit of another node; with None where commits may have
        gone unheard, once each second for as long as that is so. None where there are no other nodes."""

    def whole_tables(self, connection: Connection) -> WholeTables:
        """The tables, whole, inside the transaction that has begun."""


def parse_url(url: str | URL) -> URL:
    """The parts of a database URL. One that has parts already need not be percent-encoded.

    Raises:
        DatabaseUnsupported: it is none. The message is without what it says, which may be a password.
    """
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        raise DatabaseUnsupported("The database URL cannot be read; is everything in it percent-encoded?") from None


def open_engine(url: URL, *, durable: bool) -> tuple[Engine, Dialect]:
    """An engine for the URL's database, with what it has to be asked for. Nothing is connected yet.

    Raises:
        DatabaseUnsupported: another database or driver, or a way there that others can read.
    """
    if url.drivername == "sqlite":
        from velvetrope.store.dialects import sqlite

        return sqlite.open_engine(url, durable=durable), sqlite.Sqlite(durable=durable)
    if url.drivername == "postgresql":
        from velvetrope.store.dialects import postgresql

        return postgresql.open_engine(url), postgresql.PostgreSql(url, durable=durable)
    raise DatabaseUnsupported(
        f"The database {url.drivername} is not supported; use sqlite:///FILE or postgresql://HOST/NAME."
    )
