"""Usage plans in memory: leased buckets, leased quotas, and what was let through.

A request reads and writes only this file's objects. A bucket's piece is leased from the store for one second at a time
(`metering.slices` has the arithmetic and why no limit is exceeded by any number of nodes); the first request after that
second waits for one transaction, all others for nothing. Of a quota a hundredth is taken at a time (at least one
request, at most 1,000): of 10,000 a day that is one transaction for every hundred requests, and a crash loses 99. A key
that spends a slice in less than a second gets one of twice the size, up to a tenth of the quota, so that a busy key
does not wait for the store more than once a second or so. One node alone takes until nothing is left, so its limit is
exact to the request; when several share a quota, what the others hold is not there for a caller who comes to the last
one.

A request that a bucket refuses takes nothing from any bucket and nothing from the quota (AWS is reported to do so,
UNVERIFIED). A bucket is looked at before the quota: an over-quota caller who also calls too fast hears "Too Many
Requests".
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from velvetrope.metering import (
    BucketLimits,
    BucketState,
    QuotaPeriod,
    quota_allowance,
    quota_period_end,
    quota_period_start,
)
from velvetrope.metering.buckets import MICROS
from velvetrope.store.tables.apigateway import Quota
from velvetrope.store.tables.usage import UsageStore

__all__ = ["LeasedBucket", "LeasedQuota", "Meter", "Meters", "Verdict", "epoch_us"]

Verdict = Literal["admitted", "throttled", "over quota", "not leased"]
"""`not leased` says nothing about the limits: what memory knows of them is out of date, and has to be renewed."""

_TERM_US = MICROS
_LEAST_QUOTA_SLICE = 1_000
_REPORT_US = MICROS
_RETRY_EXHAUSTED_US = MICROS  # other nodes may give quota back; ask again once a second
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY_US = 86_400 * MICROS


def epoch_us(moment: datetime) -> int:
    """Whole microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


class LeasedBucket:
    """This node's piece of one bucket."""

    __slots__ = ("_capacity_micros", "_rate", "bucket_id", "expires_us", "level", "limits", "lock", "updated_us")

    def __init__(self, bucket_id: str, limits: BucketLimits) -> None:
        self.bucket_id = bucket_id
        self.limits = limits
        self.lock = asyncio.Lock()
        self.expires_us = 0
        self.updated_us = 0
        self.level = 0.0
        self._capacity_micros = -1.0
        self._rate = 0.0

    def refill(self, now_us: int) -> None:
        """Up to `now_us`, which is later than the last time. The same rule as `metering.take_token`, in place."""
        level = self.level + (now_us - self.updated_us) * self._rate
        self.level = min(level, self._capacity_micros)
        self.updated_us = now_us

    async def renew(self, usage: UsageStore, node_id: str, now_us: int) -> None:
        """Report the level and lease for another term. Whoever comes meanwhile waits here."""
        async with self.lock:
            if now_us < self.expires_us:
                return
            # From here on the old lease is over for everybody, also for requests with an earlier `now`.
            self.expires_us = 0
            known = self._capacity_micros >= 0
            piece = await usage.take_bucket_slice(
                self.bucket_id,
                node_id,
                self.limits,
                now_us,
                term_us=_TERM_US,
                spent_down_to=BucketState(self.level, self.updated_us) if known else None,
            )
            self._capacity_micros = float(piece.capacity_requests * MICROS)
            self._rate = piece.rate_per_second(self.limits)
            self.level, self.updated_us = piece.micro_tokens, piece.updated_at_us
            self.expires_us = piece.expires_at_us

    async def release(self, usage: UsageStore, node_id: str, now_us: int) -> None:
        """Give the piece back."""
        async with self.lock:
            self.expires_us = 0
            if self._capacity_micros >= 0:
                await usage.release_bucket_slice(
                    self.bucket_id,
                    node_id,
                    self.limits,
                    now_us,
                    spent_down_to=BucketState(self.level, self.updated_us),
                )
                self._capacity_micros = -1.0


class LeasedQuota:
    """What this node may still spend of one key's quota, and what it has spent since it last reported.

    Without a `quota` there is nothing to lease: requests are counted, and once a second the next one waits until what
    was counted has been reported. A crash loses what was not. What is held of a quota counts as used from the moment at
    which it is taken, so that a crash takes it from the quota and enters it as usage alike.
    """

    __slots__ = (
        "_held",
        "_slice",
        "_taken_on",
        "_taken_us",
        "ask_again_us",
        "key_id",
        "left",
        "lock",
        "period_end_us",
        "period_start",
        "plan_id",
        "quota",
        "spent",
    )

    def __init__(self, plan_id: str, key_id: str, quota: Quota | None) -> None:
        self.plan_id = plan_id
        self.key_id = key_id
        self.quota = quota
        self.lock = asyncio.Lock()
        self.left = 0
        self.period_start = date.min
        self.period_end_us = 0
        self.ask_again_us = 0
        self._slice = 0 if quota is None else _least_slice(quota)
        self._held = 0
        self._taken_on = date.min
        self._taken_us = 0
        self.spent: dict[int, int] = {}
        """Requests let through by day since 1970."""

    def is_leased(self, now_us: int) -> bool:
        """Whether `left` can be believed."""
        if self.quota is None:
            return now_us < self.ask_again_us or not self.spent
        return now_us < self.period_end_us and (self.left > 0 or now_us < self.ask_again_us)

    async def renew(self, usage: UsageStore, now: datetime, now_us: int) -> None:
        """Take the next slice of the period that `now` is in."""
        async with self.lock:
            if self.is_leased(now_us):
                return
            quota = self.quota
            if quota is None:
                self.ask_again_us = now_us + _REPORT_US
                await self._report(usage)
                return
            period = _period(quota)
            start = quota_period_start(period, now)
            if start != self.period_start:
                await self._give_back(usage, quota, now)
            self._resize(quota, now_us)
            today = now.astimezone(UTC).date()
            returned, used = self._let_go()
            taken = await usage.take_quota(
                self.plan_id,
                self.key_id,
                start,
                allowance=_allowance(quota, now),
                wanted=self._slice,
                today=today,
                returned=returned,
                used_by_day=used,
            )
            self.period_start, self.period_end_us = start, epoch_us(quota_period_end(period, now))
            self.left = self._held = taken.count
            self._taken_on = today
            self.ask_again_us = 0 if taken.count else now_us + _RETRY_EXHAUSTED_US

    async def settle(self, usage: UsageStore, now: datetime) -> None:
        """Give back what was not spent and report what was."""
        async with self.lock:
            self.ask_again_us = 0
            if self.quota is None:
                await self._report(usage)
            else:
                await self._give_back(usage, self.quota, now)

    async def _report(self, usage: UsageStore) -> None:
        spent, self.spent = self.spent, {}
        if spent:
            await usage.save_used(self.plan_id, self.key_id, _by_date(spent), remaining=0)

    async def _give_back(self, usage: UsageStore, quota: Quota, now: datetime) -> None:
        # To the period that it is of, which may be over.
        if not self._held:
            return
        returned, used = self._let_go()
        is_over = quota_period_start(_period(quota), now) != self.period_start
        await usage.take_quota(
            self.plan_id,
            self.key_id,
            self.period_start,
            allowance=_allowance(quota, datetime.combine(self.period_start, time(), UTC)),
            wanted=0,
            today=self._taken_on if is_over else now.astimezone(UTC).date(),
            returned=returned,
            used_by_day=used,
        )

    def _let_go(self) -> tuple[int, dict[date, int]]:
        # What was not spent, and what the days of the slice have to be corrected by. Out of our hands before any write:
        # if that fails the slice counts as used, as it does when we crash.
        used = _by_date(self.spent)
        if self._held:
            used[self._taken_on] = used.get(self._taken_on, 0) - self._held
        returned, self.left, self._held, self.spent = self.left, 0, 0, {}
        return returned, used

    def _resize(self, quota: Quota, now_us: int) -> None:
        lasted_us = now_us - self._taken_us
        if lasted_us < MICROS:
            self._slice = max(self._slice, min(self._slice * 2, quota.limit // 10))
        elif lasted_us > 10 * MICROS:
            self._slice = max(_least_slice(quota), self._slice // 2)
        self._taken_us = now_us


class Meter:
    """All that one request is counted against: buckets in order, then the quota."""

    __slots__ = ("buckets", "quota")

    def __init__(self, buckets: tuple[LeasedBucket, ...], quota: LeasedQuota | None) -> None:
        self.buckets = buckets
        self.quota = quota

    def take(self, now_us: int) -> Verdict:
        """Count one request, or say which limit it is over; a refused one is not counted anywhere."""
        for bucket in self.buckets:
            if now_us >= bucket.expires_us:
                return "not leased"
        quota = self.quota
        if quota is not None and not quota.is_leased(now_us):
            return "not leased"
        for bucket in self.buckets:
            if now_us > bucket.updated_us:
                bucket.refill(now_us)
            if bucket.level < MICROS:
                return "throttled"
        if quota is not None:
            if quota.quota is not None:
                if quota.left <= 0:
                    return "over quota"
                quota.left -= 1
            day = now_us // _DAY_US
            quota.spent[day] = quota.spent.get(day, 0) + 1
        for bucket in self.buckets:
            bucket.level -= MICROS
        return "admitted"


class Meters:
    """This node's leases. One bucket or quota is one object, however many methods count against it."""

    def __init__(self, usage: UsageStore, node_id: str) -> None:
        self._usage = usage
        self._node_id = node_id
        self._buckets: dict[str, LeasedBucket] = {}
        self._quotas: dict[tuple[str, str, Quota | None], LeasedQuota] = {}

    def bucket(self, name: str, limits: BucketLimits) -> LeasedBucket:
        """The bucket of that name with those limits. Other limits make another bucket, which starts full."""
        bucket_id = f"{name}|{limits.rate_per_second!r}|{limits.burst_requests}"
        found = self._buckets.get(bucket_id)
        if found is None:
            found = self._buckets[bucket_id] = LeasedBucket(bucket_id, limits)
        return found

    def quota(self, plan_id: str, key_id: str, quota: Quota | None) -> LeasedQuota:
        """The counter of one key in one plan."""
        identity = (plan_id, key_id, quota)
        found = self._quotas.get(identity)
        if found is None:
            found = self._quotas[identity] = LeasedQuota(plan_id, key_id, quota)
        return found

    async def renew(self, meter: Meter, now: datetime, now_us: int) -> None:
        """Lease whatever of `meter` is not leased at `now`."""
        for bucket in meter.buckets:
            if now_us >= bucket.expires_us:
                await bucket.renew(self._usage, self._node_id, now_us)
        if meter.quota is not None and not meter.quota.is_leased(now_us):
            await meter.quota.renew(self._usage, now, now_us)

    async def settle(self, now: datetime) -> None:
        """Report all usage, and give unspent quota back."""
        for quota in tuple(self._quotas.values()):
            await quota.settle(self._usage, now)

    async def retire_quotas(self, is_in_use: Callable[[str, str, Quota | None], bool], now: datetime) -> None:
        """Settle and forget the quotas of keys that left their plan, and of plans whose quota was changed.

        `is_in_use` is asked with plan id, key id and quota.
        """
        for identity, quota in tuple(self._quotas.items()):
            if not is_in_use(*identity):
                del self._quotas[identity]
                await quota.settle(self._usage, now)

    async def release(self, now: datetime) -> None:
        """Give everything back, before a stop."""
        now_us = epoch_us(now)
        for bucket in tuple(self._buckets.values()):
            await bucket.release(self._usage, self._node_id, now_us)
        await self.settle(now)


def _least_slice(quota: Quota) -> int:
    return max(1, min(quota.limit // 100, _LEAST_QUOTA_SLICE))


def _by_date(spent: Mapping[int, int]) -> dict[date, int]:
    return {_EPOCH.date() + timedelta(days=day): count for day, count in spent.items()}


def _period(quota: Quota) -> QuotaPeriod:
    periods: dict[str, QuotaPeriod] = {"DAY": "DAY", "WEEK": "WEEK", "MONTH": "MONTH"}
    return periods[quota.period]


def _allowance(quota: Quota, now: datetime) -> int:
    return quota_allowance(quota.limit, quota.offset, _period(quota), first_day=quota.first_day, now=now)
