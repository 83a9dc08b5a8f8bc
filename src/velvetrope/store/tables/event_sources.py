"""Event source mappings: which function is invoked from which queue, and how.

One queue feeds one function (or version, or alias) by one mapping at most; the pair is unique. A mapping outlives its
function, as on Lambda. Every change is published as topic `functions.event_sources`.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Column, Index, Select, String, Table, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from velvetrope.store.columns import Record
from velvetrope.store.database import Database
from velvetrope.store.records import take_record
from velvetrope.store.schema import METADATA

__all__ = ["TOPIC", "EventSourceMapping", "EventSourceStore"]

TOPIC = "functions.event_sources"


class EventSourceMapping(msgspec.Struct, frozen=True, kw_only=True):
    """One mapping. `function_arn` has the qualifier that was asked for."""

    mapping_id: str
    """A UUID."""
    function_arn: str
    event_source_arn: str
    modified_at: datetime
    enabled: bool = True
    batch_size: int = 10
    batching_window_seconds: int = 0
    maximum_concurrency: int | None = None
    filters: tuple[str, ...] = ()
    """Patterns as they were given."""
    report_batch_item_failures: bool = False


_mappings = Table(
    "functions_event_source_mappings",
    METADATA,
    Column("mapping_id", String(36), primary_key=True),
    Column("function_arn", String(256), nullable=False),
    Column("event_source_arn", String(256), nullable=False),
    Column("record", Record(EventSourceMapping), nullable=False),
    Index("ix_functions_event_source_mappings_pair", "event_source_arn", "function_arn", unique=True),
)


class EventSourceStore:
    """Event source mappings by their UUIDs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_mapping(self, mapping: EventSourceMapping) -> str | None:
        """Keep a new mapping; the UUID of the one that queue and function have already, None if it was kept."""
        try:
            async with self._database.transaction() as tx:
                await tx.connection.execute(
                    insert(_mappings).values(
                        mapping_id=mapping.mapping_id,
                        function_arn=mapping.function_arn,
                        event_source_arn=mapping.event_source_arn,
                        record=mapping,
                    )
                )
                tx.changed(TOPIC)
        except IntegrityError:
            query = select(_mappings.c.mapping_id).where(
                _mappings.c.event_source_arn == mapping.event_source_arn,
                _mappings.c.function_arn == mapping.function_arn,
            )
            async with self._database.read() as connection:
                return await connection.scalar(query) or ""
        return None

    async def load_mapping(self, mapping_id: str) -> EventSourceMapping | None:
        """The mapping, or None."""
        async with self._database.read() as connection:
            return await connection.scalar(select(_mappings.c.record).where(_mappings.c.mapping_id == mapping_id))

    async def load_mappings(
        self, *, function_arn: str | None, event_source_arn: str | None, after_id: str, limit: int
    ) -> list[EventSourceMapping]:
        """Up to `limit` mappings in the order of their UUIDs, from the first past `after_id` on.

        An unqualified function's ARN stands for its versions and aliases too.
        """
        query = select(_mappings.c.record).where(_mappings.c.mapping_id > after_id)
        if function_arn is not None:
            query = query.where(
                or_(
                    _mappings.c.function_arn == function_arn,
                    _mappings.c.function_arn.startswith(f"{function_arn}:", autoescape=True),
                )
            )
        if event_source_arn is not None:
            query = query.where(_mappings.c.event_source_arn == event_source_arn)
        return await self._load_all(query.order_by(_mappings.c.mapping_id).limit(limit))

    async def load_enabled(self) -> list[EventSourceMapping]:
        """All mappings that are to be polled."""
        return [found for found in await self._load_all(select(_mappings.c.record)) if found.enabled]

    async def change_mapping(
        self, mapping_id: str, change: Callable[[EventSourceMapping], EventSourceMapping]
    ) -> EventSourceMapping | None:
        """Save what `change` makes of the mapping, and return it; None if there is no such mapping.

        Raises:
            IntegrityError: queue and function have another mapping.
        """
        here = _mappings.c.mapping_id == mapping_id
        async with self._database.transaction() as tx:
            found = await tx.connection.scalar(select(_mappings.c.record).where(here).with_for_update())
            if found is None:
                return None
            changed = change(found)
            await tx.connection.execute(
                update(_mappings).where(here).values(function_arn=changed.function_arn, record=changed)
            )
            tx.changed(TOPIC)
            return changed

    async def delete_mapping(self, mapping_id: str) -> EventSourceMapping | None:
        """Forget the mapping, and return it; None if there was none."""
        async with self._database.transaction() as tx:
            gone: EventSourceMapping | None = await take_record(
                tx.connection, _mappings, _mappings.c.mapping_id == mapping_id
            )
            tx.changed(TOPIC)
            return gone

    async def _load_all(self, query: Select[Any]) -> list[EventSourceMapping]:
        async with self._database.read() as connection:
            return list((await connection.execute(query)).scalars())
