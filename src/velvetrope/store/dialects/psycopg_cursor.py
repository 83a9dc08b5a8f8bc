"""A cursor whose errors say what went wrong, and not with which values.

PostgreSQL adds a detail to many of its errors, such as `Key (username)=(anna) already exists.`; psycopg makes it a part
of the message, and messages end in logs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

__all__ = ["TerseCursor"]


class TerseCursor(psycopg.Cursor[Any]):
    """A cursor of psycopg's, in all else."""

    def execute(self, *given: Any, **options: Any) -> "TerseCursor":  # noqa: ANN401  what psycopg takes is handed on
        with _terse():
            super().execute(*given, **options)
        return self

    def executemany(self, *given: Any, **options: Any) -> None:  # noqa: ANN401  as above
        with _terse():
            super().executemany(*given, **options)


@contextmanager
def _terse() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        if error.diag.message_primary is not None:
            error.args = (error.diag.message_primary,)
        raise
