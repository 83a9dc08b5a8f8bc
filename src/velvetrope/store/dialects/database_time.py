"""What time it is by the database's clock, for what nodes compare with each other: their own clocks need not agree.

On PostgreSQL it is the moment in which the statement runs and not that in which its transaction began, since writers
wait for their turn in between.

Sources: PostgreSQL manual, "Date/Time Functions and Operators" (clock_timestamp); SQLite, "Date And Time Functions".
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import TextClause, text

from velvetrope.store.database import Connection

__all__ = ["database_time"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECONDS: Mapping[str, TextClause] = {
    "sqlite": text("SELECT CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"),
    "postgresql": text("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"),
}
"""Since 1970-01-01 UTC; SQLite's are whole milliseconds."""


async def database_time(connection: Connection) -> datetime:
    """Aware, UTC."""
    found = await connection.run_sync(lambda engine: engine.execute(_MICROSECONDS[engine.dialect.name]).scalar_one())
    return _EPOCH + timedelta(microseconds=found)
