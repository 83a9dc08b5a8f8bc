"""What usage plans have let through: shared token buckets, quotas, and what was used on which day.

Nodes lease: a node takes a piece of a bucket, or so many requests of a quota, in one transaction BEFORE it spends
them. A crash loses what the node had not spent and nothing more, and no limit is ever exceeded. What a bucket's pieces
mean is `velvetrope.metering`'s; here they are kept.

What is taken of a quota is entered as used on the day on which it is taken, in the same transaction; with the next
slice, or when `GetUsage` asks, the node says on which days it was really used, and gives the rest back. So the days of
a period always add up to what the quota has let go of: what a crashed node held counts as used in both, for good.
Where there is no quota nothing is taken: requests are reported afterwards, and a crash loses what was not.

None of this is published on the change feed: limits do not change when they are used.
"""

from collections.abc import Mapping
from datetime import date

import msgspec
from sqlalchemy import BigInteger, Column, ColumnElement, Date, Index, String, Table, select, update

from velvetrope.metering import (
    BucketLedger,
    BucketLimits,
    BucketSlice,
    BucketState,
    new_ledger,
    release_slice,
    take_slice,
)
from velvetrope.store.columns import Record
from velvetrope.store.database import Connection, Database
from velvetrope.store.dialects.first_rows import insert_unless_there
from velvetrope.store.schema import METADATA

__all__ = ["DayOfUsage", "QuotaTaken", "UsageStore"]

_NOTHING_USED: Mapping[date, int] = {}

_buckets = Table(
    "usage_buckets",
    METADATA,
    Column("bucket_id", String(512), primary_key=True),
    Column("record", Record(BucketLedger), nullable=False),
)
_quotas = Table(
    "usage_quotas",
    METADATA,
    Column("usage_plan_id", String(64), primary_key=True),
    Column("key_id", String(64), primary_key=True),
    Column("period_start", Date, primary_key=True),
    Column("taken", BigInteger, nullable=False),
    Column("granted", BigInteger, nullable=True),
)
_days = Table(
    "usage_days",
    METADATA,
    Column("usage_plan_id", String(64), primary_key=True),
    Column("key_id", String(64), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("used", BigInteger, nullable=False),
    Column("remaining", BigInteger, nullable=False),
    Index("ix_usage_days_plan_day", "usage_plan_id", "day"),
)


class QuotaTaken(msgspec.Struct, frozen=True, kw_only=True):
    """What a node was given: `count` requests that it may now spend. 0 means that the quota is used up."""

    count: int


class DayOfUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of one key on one day, and how many were left of its quota when it last reported."""

    key_id: str
    day: date
    used: int
    remaining: int


class UsageStore:
    """The transactions of metering."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take_bucket_slice(
        self,
        bucket_id: str,
        node_id: str,
        limits: BucketLimits,
        now_us: int,
        *,
        term_us: int,
        spent_down_to: BucketState | None,
    ) -> BucketSlice:
        """Lease a piece of a bucket, or renew it with the level that the node has spent it down to."""
        async with self._database.transaction() as tx:
            present = await _find_ledger(tx.connection, bucket_id)
            if present is None:
                present = new_ledger(limits, now_us)
                await insert_unless_there(tx.connection, _buckets, bucket_id=bucket_id, record=present)
                present = await _find_ledger(tx.connection, bucket_id) or present
            ledger, piece = take_slice(
                present,
                node_id,
                limits,
                now_us,
                term_us=term_us,
                spent_down_to=spent_down_to,
            )
            await tx.connection.execute(update(_buckets).where(_buckets.c.bucket_id == bucket_id).values(record=ledger))
            return piece

    async def release_bucket_slice(
        self, bucket_id: str, node_id: str, limits: BucketLimits, now_us: int, *, spent_down_to: BucketState
    ) -> None:
        """Give a piece back with what is left in it."""
        async with self._database.transaction() as tx:
            present = await _find_ledger(tx.connection, bucket_id)
            if present is not None:
                ledger = release_slice(present, node_id, limits, now_us, spent_down_to=spent_down_to)
                await tx.connection.execute(
                    update(_buckets).where(_buckets.c.bucket_id == bucket_id).values(record=ledger)
                )

    async def take_quota(
        self,
        usage_plan_id: str,
        key_id: str,
        period_start: date,
        *,
        allowance: int,
        wanted: int,
        today: date,
        returned: int = 0,
        used_by_day: Mapping[date, int] = _NOTHING_USED,
    ) -> QuotaTaken:
        """Take up to `wanted` requests of a period's allowance, after giving `returned` unspent ones back.

        What is taken is entered as used `today`, a day of the period, whose entry always has what is left now.
        `used_by_day` corrects what was entered with the slice before: what
        was used by day, less that slice on the day on which it was taken; it adds up to `-returned`.
        """
        async with self._database.transaction() as tx:
            taken, granted = await _find_quota(tx.connection, usage_plan_id, key_id, period_start)
            left = (allowance if granted is None else granted) - (taken - returned)
            count = max(0, min(wanted, left))
            await tx.connection.execute(
                update(_quotas)
                .where(*_quota_key(usage_plan_id, key_id, period_start))
                .values(taken=max(0, taken - returned) + count)
            )
            used = {**used_by_day, today: used_by_day.get(today, 0) + count}
            await _add_used(tx.connection, usage_plan_id, key_id, used, remaining=max(0, left) - count)
            return QuotaTaken(count=count)

    async def load_quota_remaining(self, usage_plan_id: str, key_id: str, period_start: date, *, allowance: int) -> int:
        """How much of a period's allowance has not been taken by any node."""
        async with self._database.read() as connection:
            row = (
                await connection.execute(
                    select(_quotas.c.taken, _quotas.c.granted).where(*_quota_key(usage_plan_id, key_id, period_start))
                )
            ).one_or_none()
        if row is None:
            return allowance
        taken: int = row.taken
        return max(0, (allowance if row.granted is None else row.granted) - taken)

    async def save_quota_remaining(
        self, usage_plan_id: str, key_id: str, period_start: date, *, remaining: int
    ) -> None:
        """Let so many more requests through in this period, whatever the plan's limit says."""
        async with self._database.transaction() as tx:
            taken, _ = await _find_quota(tx.connection, usage_plan_id, key_id, period_start)
            await tx.connection.execute(
                update(_quotas)
                .where(*_quota_key(usage_plan_id, key_id, period_start))
                .values(granted=taken + remaining)
            )

    async def save_used(
        self, usage_plan_id: str, key_id: str, used_by_day: Mapping[date, int], *, remaining: int
    ) -> None:
        """Add what a node has let through since its last report, where there is no quota."""
        async with self._database.transaction() as tx:
            await _add_used(tx.connection, usage_plan_id, key_id, used_by_day, remaining=remaining)

    async def load_used(self, usage_plan_id: str, start: date, end: date, key_id: str | None) -> list[DayOfUsage]:
        """The days with usage from `start` to `end`, both included; of one key, or of all."""
        query = select(_days.c.key_id, _days.c.day, _days.c.used, _days.c.remaining).where(
            _days.c.usage_plan_id == usage_plan_id, _days.c.day >= start, _days.c.day <= end
        )
        if key_id is not None:
            query = query.where(_days.c.key_id == key_id)
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(_days.c.key_id, _days.c.day))
            return [DayOfUsage(key_id=row.key_id, day=row.day, used=row.used, remaining=row.remaining) for row in rows]


async def _find_ledger(connection: Connection, bucket_id: str) -> BucketLedger | None:
    found: BucketLedger | None = (
        await connection.execute(select(_buckets.c.record).where(_buckets.c.bucket_id == bucket_id).with_for_update())
    ).scalar_one_or_none()
    return found


def _quota_key(usage_plan_id: str, key_id: str, period_start: date) -> tuple[ColumnElement[bool], ...]:
    return (
        _quotas.c.usage_plan_id == usage_plan_id,
        _quotas.c.key_id == key_id,
        _quotas.c.period_start == period_start,
    )


async def _find_quota(
    connection: Connection, usage_plan_id: str, key_id: str, period_start: date
) -> tuple[int, int | None]:
    mine = _quota_key(usage_plan_id, key_id, period_start)
    query = select(_quotas.c.taken, _quotas.c.granted).where(*mine).with_for_update()
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        await insert_unless_there(
            connection, _quotas, usage_plan_id=usage_plan_id, key_id=key_id, period_start=period_start, taken=0
        )
        row = (await connection.execute(query)).one()
    return row.taken, row.granted


async def _add_used(
    connection: Connection, usage_plan_id: str, key_id: str, used_by_day: Mapping[date, int], *, remaining: int
) -> None:
    for day, used in used_by_day.items():
        added = (
            update(_days)
            .where(_days.c.usage_plan_id == usage_plan_id, _days.c.key_id == key_id, _days.c.day == day)
            .values(used=_days.c.used + used, remaining=remaining)
        )
        if (await connection.execute(added)).rowcount == 0:
            await insert_unless_there(
                connection, _days, usage_plan_id=usage_plan_id, key_id=key_id, day=day, used=0, remaining=remaining
            )
            await connection.execute(added)
