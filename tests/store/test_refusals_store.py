"""Refusals in the store: found by their id, newest first, bounded in number and in age."""

from datetime import UTC, datetime, timedelta

from velvetrope.store import Database
from velvetrope.store.tables.refusals import KEPT_FOR, KeptSummary, RefusalStore, SealedRefusal

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def sealed(request_id: str, at: datetime = NOON) -> SealedRefusal:
    return SealedRefusal(request_id=request_id, at=at, sealed=f"sealed {request_id}\0\xff".encode("latin-1"))


async def test_what_was_kept_is_found_by_its_id_and_told_newest_first(database: Database) -> None:
    store = RefusalStore(database)

    await store.keep([sealed("a"), sealed("b")], lost=0, now=NOON)
    await store.keep([sealed("c")], lost=0, now=NOON)

    assert await store.find("b") == [sealed("b")]
    assert await store.find("z") == []
    assert await store.load_newest(2) == [sealed("c"), sealed("b")]


async def test_beyond_so_many_the_oldest_go(database: Database) -> None:
    store = RefusalStore(database, max_kept=3)

    for number in range(5):
        await store.keep([sealed(str(number))], lost=0, now=NOON)

    assert [kept.request_id for kept in await store.load_newest(10)] == ["4", "3", "2"]
    assert await store.find("1") == []


async def test_a_week_old_refusal_goes_with_the_next_batch_and_a_younger_one_stays(database: Database) -> None:
    store = RefusalStore(database)
    await store.keep([sealed("old", NOON), sealed("younger", NOON + timedelta(microseconds=1))], lost=0, now=NOON)

    later = NOON + KEPT_FOR
    await store.keep([sealed("new", later)], lost=0, now=later)

    assert [kept.request_id for kept in await store.load_newest(10)] == ["new", "younger"]


async def test_what_was_not_kept_is_counted_as_long_as_what_came_with_it_is_there(database: Database) -> None:
    store = RefusalStore(database, max_kept=2)

    assert await store.load_summary() == KeptSummary(refusals=0, since=None, lost=0)
    await store.keep([sealed("a"), sealed("b")], lost=7, now=NOON)
    await store.keep([sealed("c", NOON + timedelta(seconds=1))], lost=0, now=NOON)
    assert await store.load_summary() == KeptSummary(refusals=2, since=NOON, lost=0)

    await store.keep([sealed("d")], lost=5, now=NOON)
    assert (await store.load_summary()).lost == 5
