"""Who was refused, and why, by request id: written by each node in batches, read by all of them.

What was decided is sealed by whoever writes it (`velvetrope.decisions`); here are the id that it is found by and its
age. A batch is one transaction that does not wait for the disk. `MAX_KEPT` and `KEPT_FOR` bound what is here, and each
batch takes away what is beyond them; how large each one is, whoever seals it bounds.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Table, bindparam, delete, func, insert, select

from velvetrope.store.columns import UtcTime
from velvetrope.store.database import Database
from velvetrope.store.schema import METADATA
from velvetrope.store.visits import Prepared, Visit

__all__ = ["KEPT_FOR", "MAX_KEPT", "KeptSummary", "RefusalStore", "SealedRefusal"]

MAX_KEPT = 50_000
KEPT_FOR = timedelta(days=7)


class SealedRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """One refusal, as it is kept."""

    request_id: str
    at: datetime
    sealed: bytes


class KeptSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept: how many refusals, the time of the oldest, and how many were not kept among them."""

    refusals: int
    since: datetime | None
    lost: int
    """How many came faster than they could be kept, since the oldest that was."""


_refusals = Table(
    "refusals",
    METADATA,
    Column("sequence", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("request_id", String(64), nullable=False, index=True),
    Column("at", UtcTime, nullable=False, index=True),
    Column("lost_before", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

_KEPT = (_refusals.c.request_id, _refusals.c.at, _refusals.c.sealed)
"""What `SealedRefusal` is made of, in its order."""
_INSERT = Prepared(insert(_refusals), "request_id", "at", "lost_before", "sealed")
_DELETE_OLD = Prepared(delete(_refusals).where(_refusals.c.at <= bindparam("before", type_=UtcTime())))
_NEWEST = Prepared(select(func.max(_refusals.c.sequence)))
_DELETE_UP_TO = Prepared(delete(_refusals).where(_refusals.c.sequence <= bindparam("last")))


class RefusalStore:
    """See the module. `max_kept` is for tests."""

    def __init__(self, database: Database, *, max_kept: int = MAX_KEPT) -> None:
        self._database = database
        self._max_kept = max_kept

    async def keep(self, refusals: Sequence[SealedRefusal], *, lost: int, now: datetime) -> None:
        """Keep a batch, and that `lost` others came with it and are not kept."""
        rows = [
            {
                "request_id": refusal.request_id,
                "at": refusal.at,
                "lost_before": lost if number == 0 else 0,
                "sealed": refusal.sealed,
            }
            for number, refusal in enumerate(refusals)
        ]

        def write(visit: Visit) -> None:
            visit.change_each(_INSERT, rows)
            visit.change(_DELETE_OLD, {"before": now - KEPT_FOR})
            newest = visit.one(_NEWEST, {})
            if newest is not None and newest[0] is not None:
                visit.change(_DELETE_UP_TO, {"last": newest[0] - self._max_kept})

        await self._database.write_at_once(write, waits_for_disk=False)

    async def find(self, request_id: str) -> list[SealedRefusal]:
        """The refusals of one request, newest first: one, unless something was asked on the way to its answer."""
        query = select(*_KEPT).where(_refusals.c.request_id == request_id).order_by(_refusals.c.sequence.desc())
        async with self._database.read() as connection:
            return [_as_kept(row) for row in await connection.execute(query)]

    async def load_newest(self, limit: int) -> list[SealedRefusal]:
        """At most `limit`, newest first."""
        query = select(*_KEPT).order_by(_refusals.c.at.desc(), _refusals.c.sequence.desc()).limit(limit)
        async with self._database.read() as connection:
            return [_as_kept(row) for row in await connection.execute(query)]

    async def load_summary(self) -> KeptSummary:
        """How much is kept, and how much was not."""
        query = select(func.count(), func.min(_refusals.c.at), func.sum(_refusals.c.lost_before)).select_from(_refusals)
        async with self._database.read() as connection:
            count, since, lost = (await connection.execute(query)).one()
        return KeptSummary(refusals=count, since=since, lost=int(lost or 0))


def _as_kept(row: Sequence[object]) -> SealedRefusal:
    return SealedRefusal(**dict(zip(SealedRefusal.__struct_fields__, row, strict=True)))  # type: ignore[arg-type]  # the columns' types are the fields'
