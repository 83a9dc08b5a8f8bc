"""Reserved concurrency over nodes: never more than the reservation, wherever the calls come, and slots follow them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.stores import open_store
from velvetrope.clock import FrozenClock
from velvetrope.functions import shared_slots
from velvetrope.functions.shared_slots import TERM, SharedSlots
from velvetrope.server.machine import SystemClock
from velvetrope.store import Database
from velvetrope.store.database import Connection
from velvetrope.store.dialects.database_time import database_time
from velvetrope.store.tables.function_slots import FunctionSlotStore, SlotsTaken

ARN = "arn:aws:lambda:us-west-2:123456789012:function:orders"


async def read(clock: FrozenClock, _connection: Connection) -> datetime:
    """The database's clock, which the test moves."""
    return clock.now()


class Node:
    """One server's slots, and what runs on it."""

    def __init__(self, name: str, database: Database, clock: FrozenClock) -> None:
        self.store = FunctionSlotStore(database, time=partial(read, clock))
        self.slots = SharedSlots(self.store, database.changes, node=name, seconds=lambda: clock.now().timestamp())
        self.running = 0

    async def begin(self, reserved: int, *, arn: str = ARN) -> bool:
        """Begin one call, if it may."""
        if not await self.slots.have(arn, reserved, lambda: self.running):
            return False
        self.running += 1
        return True

    def end(self) -> None:
        self.running -= 1


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture(autouse=True)
def no_matter_how_slow_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test says what happens after a refusal without waiting, and answers are waited for."""
    monkeypatch.setattr(shared_slots, "FULL_SECONDS", 0.0)
    monkeypatch.setattr(shared_slots, "PATIENCE_SECONDS", 60.0)


@pytest.fixture
async def database(tmp_path: Path, either_store: str) -> AsyncIterator[Database]:
    database = await open_store(tmp_path)
    yield database
    await database.close()


@pytest.fixture
async def nodes(database: Database, clock: FrozenClock) -> AsyncIterator[tuple[Node, Node]]:
    both = Node("here", database, clock), Node("there", database, clock)
    for node in both:
        await node.slots.open()
    yield both
    for node in both:
        await node.slots.close()


async def test_as_many_begin_as_are_reserved_on_all_nodes_together(nodes: tuple[Node, Node]) -> None:
    here, there = nodes

    begun = [await node.begin(3) for node in (here, there, here, there, here)]

    assert begun == [True, True, True, False, False]


async def test_a_call_that_ended_on_one_node_makes_room_on_the_other(nodes: tuple[Node, Node]) -> None:
    here, there = nodes
    assert await here.begin(1)
    assert not await there.begin(1)

    here.end()

    assert await there.begin(1)
    assert not await here.begin(1)


async def test_of_racing_calls_as_many_begin_as_may(nodes: tuple[Node, Node]) -> None:
    for _ in range(5):
        begun = await asyncio.gather(*(node.begin(4) for _ in range(5) for node in nodes))

        assert begun.count(True) == sum(node.running for node in nodes) == 4
        for node in nodes:
            node.running = 0


async def test_what_is_not_used_is_given_back_to_whoever_needs_it(nodes: tuple[Node, Node]) -> None:
    here, there = nodes
    assert [await here.begin(4) for _ in range(4)] == [True] * 4
    here.running = 1

    assert [await there.begin(4) for _ in range(4)] == [True, True, True, False]


async def test_a_call_on_a_node_with_a_slot_to_spare_asks_nobody(
    nodes: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, _ = nodes
    assert await here.begin(2)
    here.end()
    monkeypatch.setattr(FunctionSlotStore, "take", None)

    assert await here.begin(2)


async def test_a_lowered_reservation_counts_at_once(nodes: tuple[Node, Node]) -> None:
    here, there = nodes
    assert [await here.begin(3) for _ in range(3)] == [True] * 3
    here.running = 1

    assert not await here.begin(1)
    assert not await there.begin(1)


async def test_functions_do_not_take_each_others_slots(nodes: tuple[Node, Node], database: Database) -> None:
    here, _ = nodes
    other = Node("here", database, FrozenClock())

    assert await here.begin(1)
    assert await other.begin(1, arn=ARN + "-2")


async def test_what_a_killed_node_had_is_free_when_its_time_is_over_and_not_before(
    nodes: tuple[Node, Node], clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_slots, "PATIENCE_SECONDS", 0.01)
    _, there = nodes
    # One that never answers: nobody listens for it any more.
    await there.store.take(ARN, "killed", wanted=1, reserved=1, term=TERM)

    clock.advance(TERM - timedelta(microseconds=1))
    assert not await there.begin(1)

    clock.advance(timedelta(microseconds=1))
    assert await there.begin(1)


async def test_a_node_that_starts_again_gives_back_what_it_had(database: Database, clock: FrozenClock) -> None:
    before, other = Node("here", database, clock), Node("there", database, clock)
    await other.slots.open()
    assert await before.begin(1)  # and is killed

    again = Node("here", database, clock)
    await again.slots.open()

    assert await other.begin(1)
    for node in (again, other):
        await node.slots.close()


async def test_what_is_used_is_kept_for_as_long_as_it_is_and_the_rest_is_not(
    nodes: tuple[Node, Node], clock: FrozenClock
) -> None:
    here, there = nodes
    assert [await here.begin(2) for _ in range(2)] == [True, True]
    here.end()

    for _ in range(3):
        clock.advance(TERM / 2)
        await here.slots.renew()

    assert [await there.begin(2) for _ in range(2)] == [True, False]


async def test_a_node_that_was_cut_off_for_too_long_takes_nothing_from_who_has_it_now(
    nodes: tuple[Node, Node], clock: FrozenClock
) -> None:
    here, there = nodes
    assert await here.begin(1)
    clock.advance(TERM)
    assert await there.begin(1)
    here.end()

    await here.slots.renew()

    assert not await here.begin(1)


async def test_a_node_that_stops_gives_everything_back(nodes: tuple[Node, Node]) -> None:
    here, there = nodes
    assert await here.begin(1)

    await here.slots.close()

    assert await there.begin(1)
    await here.slots.open()


async def test_a_flood_of_calls_that_are_refused_is_none_of_transactions_whatever_is_heard(
    nodes: tuple[Node, Node], clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two nodes that refuse would have each other ask again and again if the answer to one were news to the other."""
    monkeypatch.setattr(shared_slots, "FULL_SECONDS", 60.0)
    here, there = nodes
    assert await here.begin(1)
    assert not await there.begin(1)
    here.end()
    await here.slots.close()  # which is heard of
    taken = FunctionSlotStore.take
    monkeypatch.setattr(FunctionSlotStore, "take", None)

    assert [await there.begin(1) for _ in range(100)] == [False] * 100

    monkeypatch.setattr(FunctionSlotStore, "take", taken)
    clock.advance(timedelta(seconds=60))
    assert await there.begin(1)
    await here.slots.open()


async def test_the_databases_clock_says_when_a_term_is_over_and_no_nodes(database: Database) -> None:
    """A node whose clock is ahead would take for free what others use."""
    before = SystemClock().now()
    async with database.read() as connection:
        now = await database_time(connection)
    after = SystemClock().now()
    apart = timedelta(seconds=1)  # it is this machine's clock; SQLite's has milliseconds

    assert before - apart < now < after + apart
    taken = FunctionSlotStore(database)
    await taken.take(ARN, "here", wanted=1, reserved=1, term=timedelta(days=1))
    assert (await taken.take(ARN, "there", wanted=1, reserved=1, term=TERM)).held == 0
    await taken.take(ARN, "here", wanted=1, reserved=1, term=timedelta(days=-1))
    assert (await taken.take(ARN, "there", wanted=1, reserved=1, term=TERM)).held == 1


async def test_a_node_counts_its_term_from_before_it_asked(
    nodes: tuple[Node, Node], clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store's answer may take as long as it likes: the store's own term is over no sooner than the node's."""
    here, _ = nodes
    take = here.store.take

    async def slowly(*arguments: Any, **named: Any) -> SlotsTaken:
        clock.advance(TERM)
        return await take(*arguments, **named)

    monkeypatch.setattr(here.store, "take", slowly)

    assert not await here.begin(1)


async def test_no_error_ends_the_keeping_of_what_is_used(
    database: Database, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shared_slots, "RENEW_SECONDS", 0.0)
    node, tries, again = Node("here", database, clock), list[None](), asyncio.Event()

    async def fail_twice() -> None:
        tries.append(None)
        if len(tries) < 3:
            raise RuntimeError("no thread can be started")
        again.set()
        monkeypatch.setattr(shared_slots, "RENEW_SECONDS", 60.0)

    monkeypatch.setattr(node.slots, "renew", fail_twice)
    await node.slots.open()

    async with asyncio.timeout(60):
        await again.wait()
    await node.slots.close()
    assert caplog.text.count("reserved concurrency could not be kept") == 2
