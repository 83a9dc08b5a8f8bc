"""Texts that begin with another one, found by an index where the database's order allows it.

SQLite orders texts by their bytes: what begins with a prefix stands together, and past it nothing else does. PostgreSQL
orders them by the language of the database, in which a prefix stands before what begins with it, and no more is known;
there the end is not bounded.
"""

from typing import Any

from sqlalchemy import ColumnElement, and_, func, true
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

__all__ = ["begins_with"]

_LAST_CHARACTER = "\U0010ffff"


def begins_with(column: ColumnElement[Any], prefix: str) -> ColumnElement[bool]:
    """Whether the column's text begins with `prefix`, letter by letter."""
    return and_(column >= prefix, func.substr(column, 1, len(prefix)) == prefix, _NotPast(column, prefix))


class _NotPast(ColumnElement[bool]):
    inherit_cache = False

    def __init__(self, column: ColumnElement[Any], prefix: str) -> None:
        self.below = column < prefix + _LAST_CHARACTER


@compiles(_NotPast)
def _unbounded(_element: _NotPast, compiler: SQLCompiler, **kwargs: Any) -> str:  # noqa: ANN401  whatever SQLAlchemy hands on
    return compiler.process(true(), **kwargs)


@compiles(_NotPast, "sqlite")
def _bounded(element: _NotPast, compiler: SQLCompiler, **kwargs: Any) -> str:  # noqa: ANN401  as above
    return compiler.process(element.below, **kwargs)
