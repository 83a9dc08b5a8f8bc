"""A cursor whose errors say what went wrong, and not with which values.

PostgreSQL adds a detail to many of its errors, such as `Key (username)=(anna) already exists.`; psycopg makes it a part
of the message, and messages end in logs.
"""

from typing import Any

import psycopg

__all__ = ["TerseCursor"]


class TerseCursor(psycopg.Cursor[Any]):
    """A cursor of psycopg's, in all else."""

    def execute(self, *given: Any, **options: Any) -> "TerseCursor":  # noqa: ANN401  what psycopg takes is handed on
        try:
            super().execute(*given, **options)
        except psycopg.Error as error:
            if error.diag.message_primary is not None:
                error.args = (error.diag.message_primary,)
            raise
        return self
