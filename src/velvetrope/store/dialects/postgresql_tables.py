"""PostgreSQL's tables, whole, by COPY: rows come and go one by one, without a round trip for each. See `whole_tables`.

Sources: PostgreSQL manual, "COPY", "Sequence Manipulation Functions" and "ANALYZE"; psycopg 3, "Using COPY TO and COPY
FROM".
"""

from collections.abc import Iterable, Iterator
from typing import Any, cast

import psycopg
from psycopg.sql import SQL, Composed, Identifier
from sqlalchemy import BigInteger, Boolean, Connection, Date, Integer, LargeBinary, Table

from velvetrope.store.dialects.whole_tables import Row, kept_type
from velvetrope.store.drivers import driver_of

__all__ = ["PostgreSqlTables"]

_NAMES = ((BigInteger, "int8"), (Integer, "int4"), (Boolean, "bool"), (Date, "date"), (LargeBinary, "bytea"))


class PostgreSqlTables:
    """See `WholeTables`. A table may take its time: the bounds that other transactions have do not hold in this one."""

    def __init__(self, connection: Connection) -> None:
        self._driver = cast("psycopg.Connection[Any]", driver_of(connection))
        self._written: list[Table] = []
        self._driver.execute(b"SET LOCAL statement_timeout TO 0")
        self._driver.execute(b"SET LOCAL idle_in_transaction_session_timeout TO 0")

    def read(self, table: Table) -> Iterator[Row]:
        statement = SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(_names(table), Identifier(table.name))
        with self._driver.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(_types(table))
            yield from copy.rows()

    def write(self, table: Table, rows: Iterable[Row]) -> None:
        statement = SQL("COPY {} ({}) FROM STDIN").format(Identifier(table.name), _names(table))
        self._written.append(table)
        with self._driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)

    def last_number(self, table: Table) -> int:
        found = self._driver.execute(
            "SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence(%s, %s)::regclass), 0)", _numbered(table)
        ).fetchone()
        return int(found[0]) if found else 0

    def set_last_number(self, table: Table, number: int) -> None:
        self._driver.execute("SELECT setval(pg_get_serial_sequence(%s, %s)::regclass, %s)", (*_numbered(table), number))

    def faults(self) -> list[str]:
        """Nothing: PostgreSQL's `pg_amcheck` asks that, and not every user may."""
        return []

    def finish(self) -> None:
        """Count what is there, so that queries are planned for it from the first one on."""
        names = SQL(", ").join(Identifier(table.name) for table in self._written)
        self._driver.execute(SQL("ANALYZE {}").format(names))


def _numbered(table: Table) -> tuple[str, str]:
    """The table, and its column whose values it gives by itself."""
    column = table.autoincrement_column
    if column is None:
        raise ValueError(f"{table.name} gives its rows no numbers")
    return table.name, column.name


def _names(table: Table) -> Composed:
    return SQL(", ").join(Identifier(column.name) for column in table.columns)


def _types(table: Table) -> list[str]:
    kinds = (kept_type(column) for column in table.columns)
    return [next((name for kind, name in _NAMES if isinstance(kept, kind)), "text") for kept in kinds]
