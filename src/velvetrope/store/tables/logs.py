"""Log groups and log streams: their names, retention and tags. The events themselves are in files (`velvetrope.logs`),
or, where nodes share the store, in chunks (`log_chunks`).

A stream belongs to its group and goes with it.
"""

from collections.abc import Callable
from datetime import datetime

import msgspec
from sqlalchemy import Column, ForeignKey, String, Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from velvetrope.store.columns import Record
from velvetrope.store.database import Database
from velvetrope.store.schema import METADATA

__all__ = ["LOGS_TOPIC", "LogGroup", "LogStore", "LogStream"]

LOGS_TOPIC = "logs"
"""What the change feed tells of groups and streams that are gone."""


class LogGroup(msgspec.Struct, frozen=True, kw_only=True):
    """One log group."""

    name: str
    created_at: datetime
    retention_days: int | None = None
    """How old an event may become; None: as old as the room for the group's events allows."""
    tags: dict[str, str] = {}


class LogStream(msgspec.Struct, frozen=True, kw_only=True):
    """One log stream."""

    group_name: str
    name: str
    created_at: datetime


_groups = Table(
    "logs_groups",
    METADATA,
    Column("name", String(512), primary_key=True),
    Column("record", Record(LogGroup), nullable=False),
)

_streams = Table(
    "logs_streams",
    METADATA,
    Column("group_name", String(512), ForeignKey("logs_groups.name", ondelete="CASCADE"), primary_key=True),
    Column("name", String(512), primary_key=True),
    Column("record", Record(LogStream), nullable=False),
)


class LogStore:
    """Groups and streams."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_group(self, group: LogGroup) -> bool:
        """Keep a new group; False if its name is taken."""
        return await self._insert(_groups, {"name": group.name, "record": group})

    async def load_group(self, name: str) -> LogGroup | None:
        """The group of that name, or None."""
        async with self._database.read() as connection:
            found: LogGroup | None = await connection.scalar(select(_groups.c.record).where(_groups.c.name == name))
            return found

    async def load_groups(self, *, prefix: str, after_name: str, limit: int) -> list[LogGroup]:
        """Up to `limit` groups in the order of their names, of those that begin with `prefix`."""
        query = (
            select(_groups.c.record)
            .where(_groups.c.name.startswith(prefix, autoescape=True), _groups.c.name > after_name)
            .order_by(_groups.c.name)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return list((await connection.execute(query)).scalars())

    async def change_group(self, name: str, change: Callable[[LogGroup], LogGroup]) -> LogGroup | None:
        """Save what `change` makes of the group, and return it; None if there is no such group."""
        here = _groups.c.name == name
        async with self._database.transaction() as tx:
            found = await tx.connection.scalar(select(_groups.c.record).where(here).with_for_update())
            if found is None:
                return None
            changed = change(found)
            await tx.connection.execute(update(_groups).where(here).values(record=changed))
            return changed

    async def delete_group(self, name: str) -> bool:
        """Forget a group and its streams; False if there was none."""
        async with self._database.transaction() as tx:
            tx.changed(LOGS_TOPIC)
            return (await tx.connection.execute(delete(_groups).where(_groups.c.name == name))).rowcount > 0

    async def create_stream(self, stream: LogStream) -> bool:
        """Keep a new stream; False if its name is taken, or there is no such group."""
        row = {"group_name": stream.group_name, "name": stream.name, "record": stream}
        return await self._insert(_streams, row)

    async def load_stream(self, group_name: str, name: str) -> LogStream | None:
        """One stream, or None."""
        query = select(_streams.c.record).where(_streams.c.group_name == group_name, _streams.c.name == name)
        async with self._database.read() as connection:
            found: LogStream | None = await connection.scalar(query)
            return found

    async def load_streams(self, group_name: str, *, prefix: str) -> list[LogStream]:
        """The streams of a group that begin with `prefix`, in the order of their names."""
        query = (
            select(_streams.c.record)
            .where(_streams.c.group_name == group_name, _streams.c.name.startswith(prefix, autoescape=True))
            .order_by(_streams.c.name)
        )
        async with self._database.read() as connection:
            return list((await connection.execute(query)).scalars())

    async def delete_streams(self, group_name: str, names: list[str]) -> int:
        """Forget these streams; how many there were."""
        here = (_streams.c.group_name == group_name) & _streams.c.name.in_(names)
        async with self._database.transaction() as tx:
            tx.changed(LOGS_TOPIC)
            return (await tx.connection.execute(delete(_streams).where(here))).rowcount

    async def _insert(self, table: Table, row: dict[str, object]) -> bool:
        try:
            async with self._database.transaction() as tx:
                await tx.connection.execute(insert(table).values(row))
        except IntegrityError:
            return False
        return True
