"""Where a quota's period begins and ends, and how much it allows."""

from datetime import UTC, date, datetime, timedelta

import pytest

from velvetrope.metering import QuotaPeriod, quota_allowance, quota_period_end, quota_period_start


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        pytest.param("DAY", date(2026, 2, 26), datetime(2026, 2, 27, tzinfo=UTC), id="a day"),
        pytest.param("WEEK", date(2026, 2, 23), datetime(2026, 3, 2, tzinfo=UTC), id="a week begins on Monday"),
        pytest.param("MONTH", date(2026, 2, 1), datetime(2026, 3, 1, tzinfo=UTC), id="a month begins on the 1st"),
    ],
)
def test_periods_are_calendar_periods_in_utc(period: QuotaPeriod, start: date, end: datetime) -> None:
    now = datetime(2026, 2, 26, 23, 59, 59, tzinfo=UTC)

    assert quota_period_start(period, now) == start
    assert quota_period_end(period, now) == end


@pytest.mark.parametrize("period", ["DAY", "WEEK", "MONTH"])
def test_the_end_of_one_period_is_the_start_of_the_next(period: QuotaPeriod) -> None:
    end = quota_period_end(period, datetime(2026, 12, 31, 12, tzinfo=UTC))

    assert quota_period_start(period, end) == end.date()
    assert quota_period_start(period, end - timedelta(microseconds=1)) < end.date()


def test_offset_counts_in_the_first_period_only() -> None:
    first, second = datetime(2026, 2, 28, 9, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)

    assert quota_allowance(100, 30, "MONTH", first_day=date(2026, 2, 5), now=first) == 70
    assert quota_allowance(100, 30, "MONTH", first_day=date(2026, 2, 5), now=second) == 100
    assert quota_allowance(10, 30, "DAY", first_day=date(2026, 2, 28), now=first) == 0
