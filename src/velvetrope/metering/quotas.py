"""Quotas: so many requests per calendar day, week or month.

Periods are UTC: a day starts at midnight, a week on Monday, a month on the 1st. AWS's pages do not say where periods
begin (UNVERIFIED); the calendar is what most people assume, and it is the same on every node.

Source: API Gateway API reference, QuotaSettings: `offset` is "the number of requests subtracted from the given limit
in the initial time period".
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

__all__ = ["QuotaPeriod", "quota_allowance", "quota_period_end", "quota_period_start"]

QuotaPeriod = Literal["DAY", "WEEK", "MONTH"]


def quota_period_start(period: QuotaPeriod, now: datetime) -> date:
    """The first day of the period that `now` is in."""
    today = now.astimezone(UTC).date()
    if period == "DAY":
        return today
    if period == "WEEK":
        return today - timedelta(days=today.weekday())
    return today.replace(day=1)


def quota_period_end(period: QuotaPeriod, now: datetime) -> datetime:
    """The moment at which the next period begins; it is not part of this one."""
    start = quota_period_start(period, now)
    if period == "DAY":
        following = start + timedelta(days=1)
    elif period == "WEEK":
        following = start + timedelta(days=7)
    else:
        following = (start.replace(day=28) + timedelta(days=4)).replace(day=1)
    return datetime.combine(following, time(), tzinfo=UTC)


def quota_allowance(limit: int, offset: int, period: QuotaPeriod, *, first_day: date, now: datetime) -> int:
    """How many requests the period of `now` allows: the limit, less the offset in the period that has `first_day`."""
    first = quota_period_start(period, datetime.combine(first_day, time(), tzinfo=UTC))
    return max(0, limit - offset) if quota_period_start(period, now) == first else limit
