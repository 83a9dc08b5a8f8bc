"""Metering in the store: nodes that race never get more than there is, and restarts forget nothing."""

import asyncio
from datetime import date
from pathlib import Path

from support.stores import store_url
from velvetrope.metering import BucketLimits, BucketState
from velvetrope.store import Database
from velvetrope.store.tables.usage import UsageStore

_LIMITS = BucketLimits(rate_per_second=10.0, burst_requests=20)
_TODAY = date(2026, 1, 1)
_NOW = 1_767_225_600_000_000


async def test_racing_nodes_never_hold_more_than_the_bucket(database: Database) -> None:
    store = UsageStore(database)

    pieces = await asyncio.gather(
        *(
            store.take_bucket_slice("plan|key", f"node-{n}", _LIMITS, _NOW, term_us=1_000_000, spent_down_to=None)
            for n in range(5)
        )
    )

    assert sum(piece.capacity_requests for piece in pieces) == 20


async def test_a_released_piece_goes_to_the_next_node_with_what_was_left(database: Database) -> None:
    store = UsageStore(database)
    await store.take_bucket_slice("plan|key", "a", _LIMITS, _NOW, term_us=1_000_000, spent_down_to=None)
    await store.release_bucket_slice("plan|key", "a", _LIMITS, _NOW, spent_down_to=BucketState(3_000_000.0, _NOW))

    piece = await store.take_bucket_slice("plan|key", "b", _LIMITS, _NOW, term_us=1_000_000, spent_down_to=None)

    assert (piece.capacity_requests, piece.micro_tokens) == (20, 3_000_000.0)


async def test_racing_nodes_take_exactly_the_quota(database: Database) -> None:
    store = UsageStore(database)

    taken = await asyncio.gather(
        *(store.take_quota("plan", "key", _TODAY, allowance=25, wanted=10, today=_TODAY) for _ in range(6))
    )

    assert sorted(t.count for t in taken) == [0, 0, 0, 5, 10, 10]


async def test_what_is_given_back_can_be_taken_again(database: Database) -> None:
    store = UsageStore(database)
    await store.take_quota("plan", "key", _TODAY, allowance=10, wanted=10, today=_TODAY)

    back = await store.take_quota("plan", "key", _TODAY, allowance=10, wanted=0, today=_TODAY, returned=4)
    again = await store.take_quota("plan", "key", _TODAY, allowance=10, wanted=10, today=_TODAY)

    assert (back.count, again.count) == (0, 4)


async def test_taken_quota_survives_a_restart(tmp_path: Path) -> None:
    url = store_url(tmp_path)
    first = await Database.open(url, durable=False)
    await UsageStore(first).take_quota("plan", "key", _TODAY, allowance=10, wanted=7, today=_TODAY)
    await first.close()

    second = await Database.open(url, durable=False)
    taken = await UsageStore(second).take_quota("plan", "key", _TODAY, allowance=10, wanted=7, today=_TODAY)
    await second.close()

    assert taken.count == 3


async def test_a_granted_remainder_replaces_the_allowance_of_this_period_only(database: Database) -> None:
    store = UsageStore(database)
    await store.take_quota("plan", "key", _TODAY, allowance=5, wanted=5, today=_TODAY)

    await store.save_quota_remaining("plan", "key", _TODAY, remaining=2)

    assert (await store.take_quota("plan", "key", _TODAY, allowance=5, wanted=9, today=_TODAY)).count == 2
    assert await store.load_quota_remaining("plan", "key", date(2026, 1, 2), allowance=5) == 5


async def test_reported_usage_adds_up_by_day(database: Database) -> None:
    store = UsageStore(database)
    await store.save_used("plan", "key", {_TODAY: 3}, remaining=7)
    await store.save_used("plan", "key", {_TODAY: 2, date(2026, 1, 2): 1}, remaining=4)

    days = await store.load_used("plan", _TODAY, date(2026, 1, 2), None)

    assert [(d.day.day, d.used, d.remaining) for d in days] == [(1, 5, 4), (2, 1, 4)]
    assert await store.load_used("plan", _TODAY, _TODAY, "another") == []
