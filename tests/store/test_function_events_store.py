"""What the store of asynchronous invocations promises: one taker for each event, and none is lost."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy.exc import IntegrityError

from support.functions import new_function
from support.stores import open_store
from velvetrope.store.tables.function_events import EventStore, FunctionEvent
from velvetrope.store.tables.functions import FunctionStore

ARN = new_function().latest.function_arn
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(seconds=60)


def event(number: int, **changes: object) -> FunctionEvent:
    made = FunctionEvent(
        event_id=f"event-{number}",
        request_id=f"request-{number}",
        function_arn=ARN,
        qualifier="",
        accepted_at=NOW + timedelta(milliseconds=number),
    )
    return msgspec.structs.replace(made, **changes)


@pytest.fixture
async def events(tmp_path: Path) -> AsyncIterator[EventStore]:
    database = await open_store(tmp_path)
    await FunctionStore(database).create_function(new_function())
    yield EventStore(database)
    await database.close()


async def take(events: EventStore, taker: str, *, at: datetime = LATER, limit: int = 10) -> list[str]:
    taken = await events.take_events(taker, now=at, until=at + timedelta(seconds=60), limit=limit)
    return [one.event.event_id for one in taken]


async def test_of_takers_who_race_each_gets_other_events_and_together_they_get_all(events: EventStore) -> None:
    for number in range(20):
        await events.add_event(event(number), b"{}")

    taken = await asyncio.gather(*(take(events, f"node-{number}", limit=5) for number in range(8)))

    everything = [event_id for some in taken for event_id in some]
    assert len(everything) == 20
    assert len(set(everything)) == 20


async def test_those_that_are_due_longest_are_taken_first_and_those_that_are_not_due_are_left(
    events: EventStore,
) -> None:
    for number in (3, 1, 2):
        await events.add_event(event(number), b"{}")

    taken = await take(events, "node", at=NOW + timedelta(milliseconds=2))

    assert taken == ["event-1", "event-2"]


async def test_what_was_taken_is_free_again_at_the_end_of_its_time_and_not_before(events: EventStore) -> None:
    await events.add_event(event(1), b"{}")
    await take(events, "gone")
    ends = LATER + timedelta(seconds=60)

    before = await take(events, "node", at=ends - timedelta(microseconds=1))
    after = await take(events, "node", at=ends)

    assert (before, after) == ([], ["event-1"])


async def test_what_is_held_on_to_is_not_free_at_the_end_of_its_first_time(events: EventStore) -> None:
    await events.add_event(event(1), b"{}")
    await take(events, "node")

    await events.hold_events("node", ["event-1"], until=LATER + timedelta(seconds=120))

    assert await take(events, "other", at=LATER + timedelta(seconds=119)) == []


async def test_a_taker_that_starts_anew_frees_its_own_and_nobody_elses(events: EventStore) -> None:
    for number in (1, 2):
        await events.add_event(event(number), b"{}")
    await take(events, "first", limit=1)
    await take(events, "second", limit=1)

    await events.give_back_events("first")

    assert await take(events, "third") == ["event-1"]


async def test_who_has_lost_an_event_can_neither_finish_nor_postpone_nor_change_it(events: EventStore) -> None:
    await events.add_event(event(1), b"{}")
    await take(events, "slow")
    await take(events, "quick", at=LATER + timedelta(seconds=60))

    assert not await events.finish_event("slow", "event-1")
    assert not await events.postpone_event("slow", event(1), due_at=LATER)
    assert not await events.save_event("slow", event(1))
    assert await events.finish_event("quick", "event-1")
    assert await events.count_events(ARN) == 0


async def test_the_next_is_due_when_it_can_be_taken(events: EventStore) -> None:
    assert await events.load_next_due() is None
    await events.add_event(event(1), b"{}")
    assert await events.load_next_due() == NOW + timedelta(milliseconds=1)
    assert await events.load_next_due(except_functions=[ARN]) is None
    assert await events.load_next_due(except_events=["event-1"]) is None

    await take(events, "other")

    assert await events.load_next_due() == LATER + timedelta(seconds=60)


async def test_who_is_at_an_event_is_not_given_it_again_when_its_time_is_over(events: EventStore) -> None:
    await events.add_event(event(1), b"{}")
    await take(events, "node")
    much_later = LATER + timedelta(hours=1)

    mine = await events.take_events("node", now=much_later, until=much_later, limit=9, except_events=["event-1"])

    assert mine == []
    assert await take(events, "other", at=much_later) == ["event-1"]


async def test_events_of_a_busy_function_are_left_for_later(events: EventStore) -> None:
    await events.add_event(event(1), b"{}")

    taken = await events.take_events("node", now=LATER, until=LATER, limit=9, except_functions=[ARN])

    assert taken == []


async def test_an_event_of_a_function_that_is_gone_cannot_be_kept(events: EventStore) -> None:
    with pytest.raises(IntegrityError):
        await events.add_event(event(1, function_arn=ARN + "s"), b"{}")
