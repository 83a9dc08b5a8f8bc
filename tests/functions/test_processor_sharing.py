"""When the event loop and a sandbox share a processor: only while it is quicker, and nobody else is there."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from velvetrope.functions.sharing import (
    CROWDED_SECONDS,
    FIRST_PAUSE_SECONDS,
    LATE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    LONGEST_SECONDS,
    OUTLIERS,
    PAUSE_SECONDS,
    QUICK_SECONDS,
    RUN,
    TRIAL,
    WATCH_SECONDS,
    ProcessorSharing,
)

APART, TOGETHER = 0.0002, 0.0001
HERE = 3


class FakeAffinity:
    """A thread that is on processor `HERE`, if it can be held at all."""

    def __init__(self) -> None:
        self.can_be_held = True
        self.held = False
        self.holds = 0

    def hold(self) -> int | None:
        self.held = self.can_be_held
        self.holds += 1
        return HERE if self.held else None

    def let_go(self) -> None:
        self.held = False


class Sandbox:
    """One that remembers from where it was let go."""

    def __init__(self) -> None:
        self.spread_from: list[int] = []

    def spread(self, processor: int) -> None:
        self.spread_from.append(processor)


class Rig:
    """A policy, with a clock that stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 100.0
        self.affinity = FakeAffinity()
        self.sharing = ProcessorSharing(self.affinity, seconds=lambda: self.now)
        self.sandbox = Sandbox()

    def invoke(self, times: int = 1, *, apart: float = APART, together: float = TOGETHER) -> list[int | None]:
        """So many, one after the other; the processors that were named."""
        named = []
        for _ in range(times):
            self.sharing.begin()
            named.append(self.sharing.next_processor(self.sandbox))
            self.pass_and_answer(together if self.sharing.together else apart)
            self.sharing.end()
        return named

    def pass_and_answer(self, seconds: float) -> None:
        self.now += seconds
        self.sharing.answered(seconds)

    def is_held(self) -> bool:
        return self.affinity.held

    def begin_one(self) -> None:
        self.sharing.begin()
        self.sharing.next_processor(self.sandbox)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    yield made
    made.sharing.close()


async def test_a_run_of_quick_invocations_brings_them_together(rig: Rig) -> None:
    assert rig.invoke(RUN) == [None] * RUN
    assert rig.affinity.holds == 0

    assert rig.invoke(2) == [HERE, HERE]
    assert rig.is_held()


async def test_an_invocation_at_the_limit_is_quick_and_one_beyond_it_begins_a_new_run(rig: Rig) -> None:
    rig.invoke(RUN - 1)
    rig.invoke(apart=QUICK_SECONDS)
    assert rig.invoke() == [HERE]

    rig.invoke(together=QUICK_SECONDS * 1.01)
    assert not rig.is_held()
    assert rig.invoke(RUN) == [None] * RUN


async def test_a_pause_at_the_limit_is_short_and_one_beyond_it_begins_a_new_run(rig: Rig) -> None:
    rig.invoke(RUN)
    rig.now += PAUSE_SECONDS * 0.999
    assert rig.invoke() == [HERE]

    rig.now += PAUSE_SECONDS * 1.001
    assert rig.invoke(RUN) == [None] * RUN
    assert not rig.is_held()


async def test_a_second_invocation_lets_both_go_the_first_ones_sandbox_at_once(rig: Rig) -> None:
    rig.invoke(RUN)
    rig.begin_one()

    rig.sharing.begin()

    assert not rig.is_held()
    assert rig.sandbox.spread_from == [HERE]
    assert rig.sharing.next_processor(Sandbox()) is None


async def test_while_two_are_under_way_they_stay_apart(rig: Rig) -> None:
    rig.sharing.begin()

    assert rig.invoke(3 * RUN) == [None] * 3 * RUN
    assert rig.affinity.holds == 0


async def test_who_has_answered_need_not_be_let_go_from_outside(rig: Rig) -> None:
    rig.invoke(RUN + 1)
    rig.sharing.begin()
    rig.sharing.begin()

    assert not rig.is_held()
    assert rig.sandbox.spread_from == []


async def test_what_is_not_quicker_is_not_tried_again_for_a_while_each_time_longer(rig: Rig) -> None:
    pause = FIRST_PAUSE_SECONDS
    rig.invoke(RUN)
    for _ in range(12):
        assert rig.invoke(TRIAL, together=APART) == [HERE] * TRIAL
        assert not rig.is_held()

        rig.now += pause - (RUN + 2) * APART
        rig.invoke(RUN + 1)
        assert not rig.is_held()

        rig.now += 2 * APART
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


async def test_what_is_quicker_goes_on(rig: Rig) -> None:
    rig.invoke(RUN)

    assert rig.invoke(10 * TRIAL) == [HERE] * 10 * TRIAL


async def test_a_few_that_were_interrupted_say_nothing_and_one_more_does(rig: Rig) -> None:
    rig.invoke(RUN)
    rig.invoke(OUTLIERS, together=QUICK_SECONDS)
    rig.invoke(TRIAL - OUTLIERS)
    assert rig.is_held()

    rig.invoke(OUTLIERS + 3, together=QUICK_SECONDS)
    rig.invoke(TRIAL - OUTLIERS - 3)
    assert not rig.is_held()


async def test_after_a_while_it_is_measured_anew(rig: Rig) -> None:
    rig.invoke(RUN)
    rig.invoke(int(LONGEST_SECONDS / TOGETHER) - 1)
    assert rig.is_held()

    rig.invoke(2)
    assert not rig.is_held()
    rig.invoke(RUN)
    assert rig.is_held()


async def test_a_thread_that_was_let_go_of_to_begin_another_is_not_counted_on(rig: Rig) -> None:
    rig.invoke(RUN + 1)
    rig.affinity.held = False

    assert rig.invoke() == [None]


async def test_where_nothing_can_be_held_it_is_seldom_tried(rig: Rig) -> None:
    rig.affinity.can_be_held = False

    assert rig.invoke(10 * RUN) == [None] * 10 * RUN
    assert rig.affinity.holds == 1


async def test_an_invocation_that_takes_long_is_let_go_in_its_course(rig: Rig) -> None:
    rig.invoke(RUN)
    rig.begin_one()
    async with asyncio.timeout(60):
        while rig.is_held():  # noqa: ASYNC110  the timer is the event loop's own
            await asyncio.sleep(WATCH_SECONDS)

    assert rig.sandbox.spread_from == [HERE]


async def test_who_waits_for_the_next_invocation_too_long_is_let_go(rig: Rig) -> None:
    rig.invoke(RUN + 1)
    async with asyncio.timeout(60):
        while rig.is_held():  # noqa: ASYNC110
            await asyncio.sleep(WATCH_SECONDS)

    assert rig.sandbox.spread_from == []


async def test_a_loop_that_gets_its_turn_late_shares_nothing_for_a_while(rig: Rig) -> None:
    rig.invoke(RUN)
    rig.begin_one()
    rig.now += WATCH_SECONDS + LATE_SECONDS * 1.001
    async with asyncio.timeout(60):
        while rig.is_held():  # noqa: ASYNC110
            await asyncio.sleep(WATCH_SECONDS)
    rig.pass_and_answer(APART)
    rig.sharing.end()

    assert rig.invoke(2 * RUN) == [None] * 2 * RUN
    rig.now += CROWDED_SECONDS
    rig.invoke(RUN)
    assert rig.invoke() == [HERE]


async def test_closing_lets_go(rig: Rig) -> None:
    rig.invoke(RUN + 1)

    rig.sharing.close()

    assert not rig.is_held()
