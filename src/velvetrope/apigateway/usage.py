"""What plans' keys have used, and an extension of what is left.

Before an answer this node reports what it let through and gives back what it holds of quotas, so within one node
`GetUsage` is exact. What another node holds counts as used until that node says otherwise, and what a crashed one held
counts as used for good: used and remaining are what the quota goes by. A day without an entry has what the last one of
its period left. The map of the answer is keyed by key id (the model's text says key value; what AWS does is UNVERIFIED,
and a value has no place in a report).

Sources: API Gateway API reference, GetUsage, UpdateUsage.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol

from velvetrope.apigateway.api_keys import no_such_key
from velvetrope.apigateway.errors import BadRequestException
from velvetrope.apigateway.pages import page_of
from velvetrope.apigateway.patches import PatchOperation, invalid_patch, patch_int, pointer_parts
from velvetrope.apigateway.usage_plans import no_such_plan
from velvetrope.metering import QuotaPeriod, quota_allowance, quota_period_start
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.apigateway import ApiGatewayStore, Quota, UsagePlan
from velvetrope.store.tables.usage import DayOfUsage, UsageStore

__all__ = ["UsageOperations", "UsageReporter"]

_MAX_DAYS = 366
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class UsageReporter(Protocol):
    """The request lane, as far as usage is concerned."""

    async def settle_usage(self) -> None:
        """Report what was let through, and give back the quota that was taken and not spent."""
        ...


class UsageOperations:
    """GetUsage, UpdateUsage."""

    def __init__(self, store: ApiGatewayStore, usage: UsageStore, reporter: UsageReporter) -> None:
        self._store = store
        self._usage = usage
        self._reporter = reporter

    @operation
    async def get_usage(
        self,
        call: Call,
        *,
        usage_plan_id: str,
        start_date: str,
        end_date: str,
        key_id: str | None = None,
        position: str | None = None,
        limit: int | None = None,
    ) -> Answer:
        start, end = _day(start_date), _day(end_date)
        if end < start or (end - start).days > _MAX_DAYS:
            raise BadRequestException("Invalid date range specified")
        plan = await self._plan(call, usage_plan_id)
        await self._reporter.settle_usage()
        keys = [key.id for key in await self._store.load_usage_plan_keys(usage_plan_id) if key_id in {None, key.id}]
        if key_id is not None and not keys:
            raise no_such_key()
        page, following = page_of(keys, position, limit)
        first = start if plan.quota is None else _period_start(plan.quota, start)
        entries: dict[str, dict[date, DayOfUsage]] = {key: {} for key in page}
        for entry in await self._usage.load_used(usage_plan_id, first, end, key_id):
            if entry.key_id in entries:
                entries[entry.key_id][entry.day] = entry
        return {
            "usage_plan_id": usage_plan_id,
            "start_date": start_date,
            "end_date": end_date,
            "position": following,
            "items": {key: _days_of_usage(plan.quota, entries[key], start, end) for key in page},
        }

    @operation
    async def update_usage(
        self, call: Call, *, usage_plan_id: str, key_id: str, patch_operations: tuple[PatchOperation, ...] = ()
    ) -> Answer:
        plan = await self._plan(call, usage_plan_id)
        if usage_plan_id not in await self._store.load_plan_ids_of_key(key_id):
            raise no_such_key()
        if plan.quota is None:
            raise BadRequestException(f"Usage plan {usage_plan_id} has no quota")
        remaining: int | None = None
        for patch in patch_operations:
            if (patch.op, pointer_parts(patch.path)) != ("replace", ("remaining",)):
                raise invalid_patch(patch, ("/remaining",))
            remaining = patch_int(patch)
            if remaining < 0:
                raise BadRequestException("The remaining quota must not be negative")
        await self._reporter.settle_usage()
        today = call.now.date()
        start = _period_start(plan.quota, today)
        if remaining is None:
            allowance = _allowance(plan.quota, today)
            remaining = await self._usage.load_quota_remaining(usage_plan_id, key_id, start, allowance=allowance)
        else:
            await self._usage.save_quota_remaining(usage_plan_id, key_id, start, remaining=remaining)
            await self._usage.save_used(usage_plan_id, key_id, {today: 0}, remaining=remaining)
        used = await self._usage.load_used(usage_plan_id, today, today, key_id)
        return {
            "usage_plan_id": usage_plan_id,
            "start_date": today.isoformat(),
            "end_date": today.isoformat(),
            "items": {key_id: [[used[0].used if used else 0, remaining]]},
        }

    async def _plan(self, call: Call, usage_plan_id: str) -> UsagePlan:
        plan = await self._store.load_usage_plan(call.account_id, usage_plan_id)
        if plan is None:
            raise no_such_plan()
        return plan


def _days_of_usage(quota: Quota | None, entries: Mapping[date, DayOfUsage], start: date, end: date) -> list[list[int]]:
    # Used and remaining, day by day; entries from before `start` are of the period that it is in.
    found: list[list[int]] = []
    before = max((day for day in entries if day < start), default=None)
    remaining = 0 if before is None else entries[before].remaining
    for day in (start + timedelta(days=n) for n in range((end - start).days + 1)):
        entry = entries.get(day)
        if entry is not None:
            remaining = entry.remaining
        elif quota is not None and (day == _period_start(quota, day) or (day == start and before is None)):
            remaining = _allowance(quota, day)
        found.append([0 if entry is None else entry.used, remaining])
    return found


def _period(quota: Quota) -> QuotaPeriod:
    periods: dict[str, QuotaPeriod] = {"DAY": "DAY", "WEEK": "WEEK", "MONTH": "MONTH"}
    return periods[quota.period]


def _period_start(quota: Quota, day: date) -> date:
    return quota_period_start(_period(quota), datetime.combine(day, time(), UTC))


def _allowance(quota: Quota, day: date) -> int:
    moment = datetime.combine(day, time(), UTC)
    return quota_allowance(quota.limit, quota.offset, _period(quota), first_day=quota.first_day, now=moment)


def _day(text: str) -> date:
    # Python reads other forms of ISO 8601 too (`20260101`, `2026-W01-1`).
    try:
        if _DATE.fullmatch(text) is not None:
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise BadRequestException(f"Invalid date specified: {text}, must be of the form YYYY-MM-DD")
