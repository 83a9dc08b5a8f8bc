"""Tables read and written whole, one row after the other, as the database has them.

    for row in tables.read(users): ...           # one committed state, whoever writes meanwhile
    tables.write(users, rows)

A row is a tuple in the order of the table's columns, of `str`, `bytes`, `int`, `bool`, `date` and None. What our own
types make of a column is left out (`kept_type`): a record is its JSON text, a time its microseconds. So a row is the
same on every database, byte for byte, and nothing is lost that this version does not know. Neither way are there ever
more rows in memory than the driver has in its hands.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, Protocol

from sqlalchemy import BigInteger, Boolean, Column, Date, Integer, LargeBinary, String, Table
from sqlalchemy.types import TypeDecorator, TypeEngine

__all__ = ["Row", "WholeTables", "kept_type"]

Row = tuple[str | bytes | int | bool | date | None, ...]

_KEPT: tuple[type[TypeEngine[Any]], ...] = (BigInteger, Integer, Boolean, Date, LargeBinary, String)


class WholeTables(Protocol):
    """The tables of one database, on one connection, inside its transaction."""

    def read(self, table: Table) -> Iterator[Row]:
        """Every row, in no order."""

    def write(self, table: Table, rows: Iterable[Row]) -> None:
        """Insert the rows."""

    def last_number(self, table: Table) -> int:
        """The last number that the table has given to a row by itself, which may be gone; 0 before the first."""

    def set_last_number(self, table: Table, number: int) -> None:
        """Have the table go on after `number`."""

    def faults(self) -> list[str]:
        """What the database itself finds damaged, as far as it can be asked."""

    def finish(self) -> None:
        """What the database is to do once all has been written."""


def kept_type(column: Column[Any]) -> TypeEngine[Any]:
    """The type in which the database keeps the column.

    Raises:
        TypeError: one of which nobody has said how it is to be read and written here.
    """
    declared = column.type
    kept = declared.impl_instance if isinstance(declared, TypeDecorator) else declared
    if not isinstance(kept, _KEPT):
        raise TypeError(f"{column.table.name}.{column.name} is {kept!r}, which cannot be copied")
    return kept
