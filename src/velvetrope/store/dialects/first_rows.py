"""A row that several nodes may be the first to write: whoever is late goes on with the one that is there.

    await insert_unless_there(connection, quotas, usage_plan_id=…, key_id=…, period_start=…, taken=0)
    row = (await connection.execute(select(…).with_for_update())).one()

Two transactions that both look for a row and then insert it do not collide on SQLite, where writers wait for each
other. On PostgreSQL both see nothing, and the second insert is an error once the first has committed. With ON CONFLICT
DO NOTHING it waits and does nothing, and the statement after it (READ COMMITTED) sees what the first one wrote.

Sources: PostgreSQL manual, INSERT ("ON CONFLICT Clause") and "Read Committed Isolation Level"; SQLite, "UPSERT".
"""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection as EngineConnection
from sqlalchemy import Executable, Table

from velvetrope.store.database import Connection

__all__ = ["insert_unless_there"]


def _sqlite(table: Table, values: Mapping[str, object]) -> Executable:
    from sqlalchemy.dialects.sqlite import insert

    return insert(table).values(values).on_conflict_do_nothing()


def _postgresql(table: Table, values: Mapping[str, object]) -> Executable:
    from sqlalchemy.dialects.postgresql import insert  # not needed, and not loaded, where SQLite is the database

    return insert(table).values(values).on_conflict_do_nothing()


_INSERTS: Mapping[str, Callable[[Table, Mapping[str, object]], Executable]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
}


async def insert_unless_there(connection: Connection, table: Table, **values: object) -> None:
    """Insert the row, or leave the one that has its key as it is."""

    def run(engine: EngineConnection) -> Any:  # noqa: ANN401  what SQLAlchemy answers is not looked at
        return engine.execute(_INSERTS[engine.dialect.name](table, values))

    await connection.run_sync(run)
