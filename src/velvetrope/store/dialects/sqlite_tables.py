"""SQLite's tables, whole. See `whole_tables`.

Source: https://www.sqlite.org/autoinc.html ("The AUTOINCREMENT Keyword"), for `sqlite_sequence`.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

from sqlalchemy import Connection, Table

from velvetrope.store.dialects.whole_tables import Row, kept_type
from velvetrope.store.drivers import driver_of

__all__ = ["SqliteTables"]

_Process = Callable[[Any], Any]


class SqliteTables:
    """See `WholeTables`."""

    def __init__(self, connection: Connection) -> None:
        self._driver = cast("sqlite3.Connection", driver_of(connection))
        self._dialect = connection.dialect

    def read(self, table: Table) -> Iterator[Row]:
        processes = [
            (place, process)
            for place, column in enumerate(table.columns)
            if (process := kept_type(column).dialect_impl(self._dialect).result_processor(self._dialect, None))
        ]
        for row in self._cursor().execute(f"SELECT {_names(table)} FROM {table.name}"):  # noqa: S608  names of ours
            yield _processed(row, processes)

    def write(self, table: Table, rows: Iterable[Row]) -> None:
        processes = [
            (place, process)
            for place, column in enumerate(table.columns)
            if (process := kept_type(column).dialect_impl(self._dialect).bind_processor(self._dialect))
        ]
        marks = ", ".join("?" for _ in table.columns)
        self._cursor().executemany(
            f"INSERT INTO {table.name} ({_names(table)}) VALUES ({marks})",  # noqa: S608  as above
            (_processed(row, processes) for row in rows),
        )

    def last_number(self, table: Table) -> int:
        found = self._cursor().execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)).fetchone()
        return int(found[0]) if found else 0

    def set_last_number(self, table: Table, number: int) -> None:
        cursor = self._cursor()
        cursor.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table.name,))
        cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table.name, number))

    def faults(self) -> list[str]:
        found = [str(row[0]) for row in self._cursor().execute("PRAGMA integrity_check")]
        return [] if found == ["ok"] else found

    def finish(self) -> None:
        """Nothing: SQLite plans its queries without statistics."""

    def _cursor(self) -> sqlite3.Cursor:
        # The store's own cursors read all rows at once.
        return sqlite3.Connection.cursor(self._driver)


def _names(table: Table) -> str:
    return ", ".join(f'"{column.name}"' for column in table.columns)


def _processed(row: tuple[Any, ...], processes: Sequence[tuple[int, _Process]]) -> Row:
    if not processes:
        return row
    values = list(row)
    for place, process in processes:
        values[place] = process(values[place])
    return tuple(values)
