"""PostgreSQL: sessions, transactions that begin when we say so, and one writer at a time over all nodes.

**Writers take turns, on all nodes together.** A transaction that may write begins with one advisory lock, which
PostgreSQL gives to one of them at a time and takes back with the transaction, whatever becomes of the node. So what a
transaction finds stays so until it has committed: "look, then insert" is as safe as on SQLite, no transaction is ever
rolled back for another one's sake, and there is nothing to retry. It is READ COMMITTED, whose statements each see what
had been committed when they began; the lock is had before the first of them. Readers see one committed state
(REPEATABLE READ) and wait for nobody. Decision 0040 says what else there was, and what the turns cost.

**Nobody holds everybody up.** A node that stands still in the middle of a transaction is cut off by the server after
`_IDLE_SECONDS`, one that waits for its turn gives up after `_TURN_SECONDS`, and neither has changed anything.

**The order of texts** is that of their bytes, as on SQLite (`COLLATE "C"`), whatever the database's language is, and
their length is not bounded by the database (an over-long value is refused where it comes in, on both).

Statements are sent by psycopg, which has the session in autocommit: BEGIN, the lock and how a commit waits for the disk
travel together, and so do the notifications of a commit and the COMMIT.

Sources: PostgreSQL manual, "Transaction Isolation", "Explicit Locking" (advisory locks), "NOTIFY", "Client Connection
Defaults" and "Asynchronous Commit"; psycopg 3, "Transactions management".
"""

import ipaddress
import re
import secrets
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.dialects.postgresql.base import PGTypeCompiler
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.types import TypeEngine

from velvetrope.store.dialects import DatabaseUnreachable, DatabaseUnsupported, Listening
from velvetrope.store.dialects.whole_tables import WholeTables

if TYPE_CHECKING:
    import psycopg

__all__ = ["CHANNEL", "WRITERS", "PostgreSql", "connection_parameters", "open_engine"]

CHANNEL = "velvetrope"
"""Where commits are told, as `NODE,TOPIC,…`."""

WRITERS = 0x76656C766574
"""The advisory lock that whoever may write holds."""
_TURN_SECONDS = 15
_IDLE_SECONDS = 15
_STATEMENT_SECONDS = 60
_CONNECT_SECONDS = 10
_UNANSWERED_MS = 10_000
_OLDEST = 14
_IDLE_CONNECTIONS = 16

_TOPIC = re.compile(r"[a-z0-9 ._-]+")
_ALLOWED = frozenset({"host", "passfile", "sslcert", "sslkey", "sslmode", "sslrootcert"})
"""What may stand behind the URL's `?`."""


class PostgreSql:
    """PostgreSQL, as `Dialect` has it."""

    threads = 16
    max_readers: int | None = 16
    is_shared = True
    log = None

    def __init__(self, url: URL, *, durable: bool) -> None:
        self._url = url
        self._durable = durable
        self._node = secrets.token_hex(8)

    def check_server(self, driver: DBAPIConnection) -> None:
        connection = cast("psycopg.Connection[Any]", driver)
        if connection.info.server_version < _OLDEST * 10_000:
            raise DatabaseUnsupported(f"PostgreSQL {_OLDEST} or newer is needed.")
        row = connection.execute(b"SELECT current_setting('server_encoding'), pg_is_in_recovery()").fetchone()
        encoding, is_replica = row if row is not None else ("unknown", True)
        if encoding != "UTF8":
            raise DatabaseUnsupported(
                f"The database's encoding is {encoding}; it has to be UTF8, as names are in any script."
            )
        if is_replica:
            raise DatabaseUnsupported("This PostgreSQL is a replica, in which nothing can be written.")

    def plain_cursor(self, driver: DBAPIConnection) -> DBAPICursor:
        return driver.cursor()

    def begin(
        self,
        driver: DBAPIConnection,
        *,
        writes: bool,
        waits_for_disk: bool,
        is_patient: bool = True,  # noqa: ARG002  brief work is done elsewhere, and waits
    ) -> None:
        if not writes:
            _run(driver, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            return
        # What waiting means is the database's own setting: for its disk, or for those of its replicas too.
        disk = "" if self._durable and waits_for_disk else "SET LOCAL synchronous_commit TO off; "
        _run(driver, f"BEGIN ISOLATION LEVEL READ COMMITTED; {disk}SELECT pg_advisory_xact_lock({WRITERS})")

    def commit(self, driver: DBAPIConnection, topics: Collection[str]) -> None:
        if not _is_good(driver):
            # PostgreSQL would answer COMMIT with ROLLBACK, and no error.
            raise RuntimeError("a transaction in which a statement has failed cannot be committed")
        if not all(_TOPIC.fullmatch(topic) for topic in topics):
            raise ValueError(f"a topic has only small letters: {sorted(topics)}")
        told = f"SELECT pg_notify('{CHANNEL}', '{','.join([self._node, *sorted(topics)])}'); " if topics else ""
        _run(driver, f"{told}COMMIT")

    def leave(self, driver: DBAPIConnection, *, writes: bool) -> None:
        if not writes and _is_good(driver):
            # It was READ ONLY, so this is as good as ROLLBACK, after which psycopg forgets what it has prepared.
            _run(driver, "COMMIT")
        else:
            driver.rollback()

    def is_busy(self, error: Exception) -> bool:  # noqa: ARG002  whoever writes waits in the server
        return False

    def is_lost(self, driver: DBAPIConnection) -> bool:
        return cast("psycopg.Connection[Any]", driver).closed

    def listen(self, told: Callable[[Collection[str] | None], None]) -> Listening:
        import psycopg

        from velvetrope.store.dialects.notifications import Notifications

        parameters = connection_parameters(self._url)
        try:
            with psycopg.connect(**parameters) as connection:
                self.check_server(cast("DBAPIConnection", connection))
            return Notifications(parameters, CHANNEL, self._node, told)
        except psycopg.Error as error:
            where = f"{parameters['host']}, database {self._url.database}"
            raise DatabaseUnreachable(f"PostgreSQL on {where}: {' '.join(str(error).split())}") from None

    def whole_tables(self, connection: Connection) -> WholeTables:
        from velvetrope.store.dialects.postgresql_tables import PostgreSqlTables

        return PostgreSqlTables(connection)


def open_engine(url: URL) -> Engine:
    """An engine for the URL's database.

    Raises:
        DatabaseUnsupported: the driver is missing; the URL says something that we do not know, or leads over a network
            without proof of who answers.
    """
    try:
        import psycopg  # noqa: F401  is it there?
    except ImportError:
        raise DatabaseUnsupported(
            "PostgreSQL needs the driver psycopg: install velvetrope with its extra, as velvetrope[postgresql]."
        ) from None
    from velvetrope.store.dialects.psycopg_cursor import TerseCursor
    from velvetrope.store.dialects.psycopg_texts import keep_all_texts

    engine = create_engine(
        url.set(drivername="postgresql+psycopg", query={}),
        connect_args=connection_parameters(url) | {"cursor_factory": TerseCursor},
        hide_parameters=True,
        paramstyle="format",
        use_native_hstore=False,
        pool_size=_IDLE_CONNECTIONS,  # to make one costs a password's proof
        max_overflow=-1,  # as for SQLite; `Dialect.max_readers` bounds them
    )
    engine.dialect.type_compiler_instance = _Types(engine.dialect)

    @event.listens_for(engine, "connect")
    def connect(dbapi_connection: DBAPIConnection, _record: object) -> None:
        keep_all_texts(cast("psycopg.Connection[Any]", dbapi_connection))

    return engine


def connection_parameters(url: URL) -> dict[str, Any]:
    """What psycopg is to connect with: libpq's parameters, and autocommit.

    Raises:
        DatabaseUnsupported: see `open_engine`.
    """
    _check_readable(url)
    unknown = sorted(url.query.keys() - _ALLOWED)
    if unknown or any(not isinstance(value, str) for value in url.query.values()):
        raise DatabaseUnsupported(
            f"The PostgreSQL URL may say {', '.join(sorted(_ALLOWED))} behind its ?, each once"
            + (f"; not {', '.join(unknown)}." if unknown else ".")
        )
    asked = {key: value for key, value in url.query.items() if isinstance(value, str)}
    host = asked.pop("host", None) or url.host
    if not host or not url.database or "," in host:
        raise DatabaseUnsupported(
            "The PostgreSQL URL names one host and a database: postgresql://USER@HOST:5432/NAME, or "
            "postgresql://USER@/NAME?host=/FOLDER for a socket."
        )
    if not _is_here(host):
        asked.setdefault("sslmode", "verify-full")
        if asked["sslmode"] != "verify-full":
            raise DatabaseUnsupported(
                f"PostgreSQL on {host} is reached over a network, and sslmode={asked['sslmode']} does not prove who it "
                "is that answers; use sslmode=verify-full, with sslrootcert=FILE for a CA of your own."
            )
        asked.setdefault("sslrootcert", "system")
    return {
        **asked,
        "host": host,
        "dbname": url.database,
        **({} if url.port is None else {"port": url.port}),
        **({} if url.username is None else {"user": url.username}),
        **({} if url.password is None else {"password": str(url.password)}),
        "autocommit": True,
        "application_name": "velvetrope",
        "client_encoding": "utf8",
        "connect_timeout": _CONNECT_SECONDS,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": _UNANSWERED_MS,
        "options": " ".join(
            f"-c {name}={value}"
            for name, value in {
                "idle_in_transaction_session_timeout": f"{_IDLE_SECONDS}s",
                "lock_timeout": f"{_TURN_SECONDS}s",
                "statement_timeout": f"{_STATEMENT_SECONDS}s",
                "standard_conforming_strings": "on",
                "TimeZone": "UTC",
            }.items()
        ),
    }


def _check_readable(url: URL) -> None:
    """Refuse what an @ that stands in a password as it is leaves of it behind: it would be told as a host or a name."""
    values = [value for value in url.query.values() if isinstance(value, str)]
    rest = (f".{url.host}", f".{url.database}", *(f".{key}" for key in url.query), *values)
    # A value may begin with one: a socket's folder does.
    if any("@" in text[1:] for text in rest):
        raise DatabaseUnsupported("The database URL cannot be read: an @ in a password is written %40.")


def _is_here(host: str) -> bool:
    if host.startswith(("/", "@")) or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Types(PGTypeCompiler):
    """Texts of any length, in the order of their bytes."""

    def visit_VARCHAR(self, type_: TypeEngine[Any], **kw: Any) -> str:  # noqa: ANN401, ARG002, N802  SQLAlchemy's
        # A column's type, and not what a value in a statement is cast to.
        return 'TEXT COLLATE "C"' if kw.get("type_expression") is not None else "TEXT"

    visit_TEXT = visit_VARCHAR  # noqa: N815  as above


def _is_good(driver: DBAPIConnection) -> bool:
    from psycopg.pq import TransactionStatus

    return cast("psycopg.Connection[Any]", driver).info.transaction_status == TransactionStatus.INTRANS


def _run(driver: DBAPIConnection, statements: str) -> None:
    # Statements without values travel together; such a text cannot be prepared, so psycopg is told not to try.
    cast("psycopg.Connection[Any]", driver).execute(statements.encode(), prepare=False)
