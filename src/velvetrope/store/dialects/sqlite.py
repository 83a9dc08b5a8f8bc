"""SQLite: pragmas, and transactions that begin when we say so.

Python's driver starts transactions by itself, late and as readers; two such transactions that both go on to write end
in `database is locked`. The driver's own handling is switched off and `BEGIN` or `BEGIN IMMEDIATE` sent by us.

Source: https://www.sqlite.org/lang_transaction.html, https://www.sqlite.org/pragma.html.
"""

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection

from velvetrope.errors import VelvetropeError

__all__ = ["CONNECT_ARGS", "DatabaseUnsupported", "begin", "check_url", "prepare_engine"]

CONNECT_ARGS = {"isolation_level": None, "timeout": 10.0}
"""`isolation_level=None` leaves BEGIN to us; `timeout` is in seconds."""


class DatabaseUnsupported(VelvetropeError):
    """The database URL names a driver that we do not know."""


def check_url(url: URL) -> None:
    """Refuse everything but SQLite.

    Raises:
        DatabaseUnsupported: another dialect or driver.
    """
    if url.drivername != "sqlite+aiosqlite":
        raise DatabaseUnsupported(f"The database {url.drivername} is not supported; use sqlite+aiosqlite:///FILE.")


def prepare_engine(engine: Engine, *, durable: bool) -> None:
    """Set each new connection up: WAL, foreign keys on, and how long a commit waits for the disk."""
    synchronous = "FULL" if durable else "NORMAL"

    @event.listens_for(engine, "connect")
    def connect(dbapi_connection: DBAPIConnection, _record: object) -> None:
        cursor = dbapi_connection.cursor()
        for pragma in ("journal_mode=WAL", f"synchronous={synchronous}", "foreign_keys=ON", "temp_store=MEMORY"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


def begin(connection: Connection, *, writes: bool) -> None:
    """Start the transaction: as the one writer, or as a reader."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
