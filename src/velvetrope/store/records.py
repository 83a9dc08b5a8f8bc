"""What tables with a column `record` have in common.

session = await take_record(tx.connection, _sessions, _sessions.c.session_hash == session_hash)
"""

from typing import Any

from sqlalchemy import ColumnElement, Table, delete

from velvetrope.store.database import Connection

__all__ = ["take_record"]


async def take_record(connection: Connection, table: Table, *where: ColumnElement[bool]) -> Any | None:  # noqa: ANN401
    """The record of the one row that is meant, which is gone then: of any number of callers one gets it.

    None for all the others, and where there is none. The type is the column's.
    """
    return (await connection.execute(delete(table).where(*where).returning(table.c.record))).scalar_one_or_none()
