"""A store copied whole to another one: from SQLite to PostgreSQL, back, or from file to file.

    with whole_store(from_url, writes=False) as source, whole_store(to_url, writes=True) as target:
        copied = copy_store(source, target, told=print)

Every table that `schema.METADATA` has is copied, so that a table of tomorrow is, too. What is read is one committed
state of the source, whoever writes to it meanwhile; nobody there waits. All is written in one transaction, in which it
is also read back and compared: the target has everything afterwards, or nothing. It has to be empty, and nobody else
writes to it meanwhile.

Rows pass one by one, as the databases have them (`dialects.whole_tables`), so a copy takes as much memory for a million
users as for ten. What is compared is how many rows a table has, and the sum of their digests: the databases give rows
in orders of their own.

What belongs to a store but is not in it (master keys) is `server`'s affair. Nothing here is asynchronous: no server
runs where this does.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from velvetrope.errors import VelvetropeError
from velvetrope.store.dialects import DatabaseUnreachable, Dialect, open_engine, parse_url
from velvetrope.store.dialects.whole_tables import Row, WholeTables
from velvetrope.store.drivers import close_connection, driver_of
from velvetrope.store.schema import HEAD, METADATA, prepare_schema, schema_version

__all__ = ["Copied", "CopyRefused", "WholeStore", "check_schema", "copy_store", "whole_store"]

_DIGEST_BYTES = 16
_DATA_EXCEPTIONS = "22"
"""The class of SQLSTATEs that are about a value."""


class CopyRefused(VelvetropeError):
    """The source is not one to copy, or the target not one to copy to, or it has not become the same. The message is
    one sentence for the person at the terminal."""


@dataclass(frozen=True)
class Copied:
    """What a copy came to."""

    tables: int
    rows: int


class WholeStore:
    """A store inside one transaction of a connection of its own."""

    def __init__(self, name: str, connection: Connection, tables: WholeTables) -> None:
        self.name = name
        self.connection = connection
        self._tables = tables

    def read(self, table: Table) -> Iterator[Row]:
        """Every row of a table.

        Raises:
            DatabaseUnreachable: it cannot be read.
        """
        with self._telling():
            rows = self._tables.read(table)
        while True:
            with self._telling():
                row = next(rows, None)
            if row is None:
                return
            yield row

    def write(self, table: Table, rows: Iterable[Row]) -> None:
        """Insert rows."""
        with self._telling():
            self._tables.write(table, rows)

    def last_number(self, table: Table) -> int:
        """The last number that the table has given to a row by itself; 0 before the first, or where it gives none."""
        if table.autoincrement_column is None:
            return 0
        with self._telling():
            return self._tables.last_number(table)

    def set_last_number(self, table: Table, number: int) -> None:
        """Have the table go on after `number`, which is not 0."""
        with self._telling():
            self._tables.set_last_number(table, number)

    def faults(self) -> list[str]:
        """What the database itself finds damaged."""
        with self._telling():
            return self._tables.faults()

    def finish(self) -> None:
        """Have the database do what it does once all has been written."""
        with self._telling():
            self._tables.finish()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        errors = self.connection.dialect.loaded_dbapi.Error
        try:
            yield
        except errors as error:
            raise DatabaseUnreachable(f"{self.name}: {_why(error)}") from error


@contextmanager
def whole_store(url: str | URL, *, writes: bool) -> Iterator[WholeStore]:
    """A store to copy from, or (`writes`) to copy to: then it is committed at the end of the block, unless that raises.

    A file of SQLite's has to be there for reading; it is made for writing.

    Raises:
        DatabaseUnsupported: the URL names a database that we do not know, or one that cannot keep what we promise.
        DatabaseUnreachable: the database does not answer, does not let us in, or breaks off.
    """
    parsed = parse_url(url)
    engine, dialect = open_engine(parsed, durable=True)
    name = _name(parsed)
    if not writes and parsed.drivername == "sqlite" and not Path(name).is_file():
        raise DatabaseUnreachable(f"{name}: there is no such file")
    try:
        try:
            connection = engine.connect()
            try:
                yield from _in_transaction(connection, dialect, name, writes=writes)
            finally:
                close_connection(connection, dialect)
        except DBAPIError as error:
            raise DatabaseUnreachable(f"{name}: {_why(error.orig or error)}") from error
    finally:
        engine.dispose()


def _in_transaction(connection: Connection, dialect: Dialect, name: str, *, writes: bool) -> Iterator[WholeStore]:
    driver = driver_of(connection)
    errors = connection.dialect.loaded_dbapi.Error
    try:
        if writes:
            dialect.check_server(driver)
        connection.begin()
        dialect.begin(driver, writes=writes, waits_for_disk=True)
        tables = dialect.whole_tables(connection)
    except errors as error:
        raise DatabaseUnreachable(f"{name}: {_why(error)}") from error
    try:
        yield WholeStore(name, connection, tables)
        if writes:
            dialect.commit(driver, ())
    except errors as error:
        raise DatabaseUnreachable(f"{name}: {_why(error)}") from error
    finally:
        with suppress(errors):
            if not dialect.is_lost(driver):
                dialect.leave(driver, writes=writes)


def check_schema(store: WholeStore) -> None:
    """
    Raises:
        CopyRefused: there is none in the store, or an older one.
        SchemaTooNew: it was written by a newer velvetrope.
    """
    found = schema_version(store.connection)
    if found is None:
        raise CopyRefused(f"{store.name} holds no velvetrope's state.")
    if found < HEAD:
        raise CopyRefused(
            f"{store.name} was written by an older velvetrope (schema {found}; this one has {HEAD}). Start this "
            "version with it once, which changes the tables."
        )


def copy_store(source: WholeStore, target: WholeStore, *, told: Callable[[str, int], None]) -> Copied:
    """Copy every table, and compare. `told` hears of each table that has rows, and how many, once they are written.

    Raises:
        CopyRefused: see `check_schema`; or the target is not empty, or has not become the same.
        SchemaTooNew: the source or the target was written by a newer velvetrope.
        DatabaseUnreachable: one of the two broke off.
    """
    check_schema(source)
    _make_empty_tables(target)
    written: dict[Table, _Sum] = {}
    for table in METADATA.sorted_tables:
        written[table] = _Sum()
        target.write(table, written[table].of(source.read(table)))
        if number := source.last_number(table):
            target.set_last_number(table, number)
        if written[table].rows:
            told(table.name, written[table].rows)
    for table, expected in written.items():
        found = _Sum()
        for _ in found.of(target.read(table)):
            pass
        if (found.rows, found.digest) != (expected.rows, expected.digest):
            raise CopyRefused(f"{target.name} does not give back what was written to {table.name}. Nothing was copied.")
    target.finish()
    return Copied(len(written), sum(one.rows for one in written.values()))


def _make_empty_tables(target: WholeStore) -> None:
    prepare_schema(target.connection)
    for table in METADATA.sorted_tables:
        if target.connection.execute(select(1).select_from(table).limit(1)).first() is not None:
            raise CopyRefused(
                f"{target.name} is not empty: there are rows in {table.name}. A store is copied to one that no "
                "velvetrope has run with."
            )


class _Sum:
    """How many rows have passed, and the sum of their digests, in which order matters not."""

    def __init__(self) -> None:
        self.rows = 0
        self.digest = 0

    def of(self, rows: Iterable[Row]) -> Iterator[Row]:
        encode = msgspec.msgpack.encode
        for row in rows:
            self.rows += 1
            self.digest += int.from_bytes(blake2b(encode(row), digest_size=_DIGEST_BYTES).digest())
            yield row


def _name(url: URL) -> str:
    """A store as a person is told of it, without a password."""
    if url.drivername == "sqlite":
        return str(url.database)
    host = url.query.get("host") or url.host
    return f"PostgreSQL on {host}, database {url.database}"


def _why(error: Any) -> str:  # noqa: ANN401  either driver's
    """What went wrong, without values: PostgreSQL adds the row that it was at, and quotes what it cannot take."""
    if getattr(error, "sqlstate", None) is None:
        return " ".join(str(error).split())
    if str(error.sqlstate).startswith(_DATA_EXCEPTIONS):
        return f"a value that it cannot keep ({type(error).__name__})"
    return " ".join(str(error.diag.message_primary).split())
