"""Turns to write: one holder at a time, in order, of the event loop and of threads."""

import asyncio
import threading
from contextlib import suppress

import pytest

from support.functions import until
from velvetrope.store.turns import Turns, TurnTaken


async def test_turns_come_one_at_a_time_and_in_order_to_the_loop_and_to_threads() -> None:
    turns, order, holders = Turns(), list[str](), 0
    begun = threading.Semaphore(0)

    async def on_the_loop(name: str) -> None:
        nonlocal holders
        async with turns:
            holders += 1
            assert holders == 1
            order.append(name)
            await asyncio.sleep(0)
            holders -= 1

    def in_a_thread(name: str) -> None:
        nonlocal holders
        begun.release()
        with turns.in_thread():
            holders += 1
            assert holders == 1
            order.append(name)
            holders -= 1

    async with turns:
        first = asyncio.create_task(on_the_loop("a"))
        await asyncio.sleep(0)
        second = asyncio.create_task(asyncio.to_thread(in_a_thread, "b"))
        assert await asyncio.to_thread(begun.acquire, timeout=10)
        await until(lambda: len(turns) == 2)
        third = asyncio.create_task(on_the_loop("c"))
        await asyncio.sleep(0)
        assert order == []
    await asyncio.gather(first, second, third)

    assert order == ["a", "b", "c"]
    async with asyncio.timeout(60), turns:
        pass


async def test_who_is_cancelled_while_waiting_leaves_the_turn_to_the_next() -> None:
    turns = Turns()

    async def take() -> str:
        async with turns:
            return "taken"

    async with turns:
        waiting = asyncio.create_task(take())
        next_one = asyncio.create_task(take())
        await asyncio.sleep(0)
        waiting.cancel()

    assert await next_one == "taken"
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_who_is_cancelled_in_the_moment_of_its_turn_passes_it_on() -> None:
    turns = Turns()

    async def take() -> str:
        async with turns:
            return "taken"

    async with turns:
        waiting = asyncio.create_task(take())
        await asyncio.sleep(0)
    # The turn is on its way through the loop; whoever comes to it first, the next one gets one.
    asyncio.get_running_loop().call_soon(waiting.cancel)
    await asyncio.wait([waiting])

    assert await asyncio.wait_for(take(), 10) == "taken"
    with suppress(asyncio.CancelledError):
        await waiting


async def test_a_turn_is_given_back_when_its_holder_fails() -> None:
    turns = Turns()

    def fail() -> None:
        with turns.in_thread():
            raise LookupError

    with pytest.raises(LookupError):
        await asyncio.to_thread(fail)
    with pytest.raises(LookupError):
        async with turns:
            raise LookupError

    async with asyncio.timeout(60), turns:
        pass


def test_who_waited_on_a_loop_that_has_ended_is_passed_over() -> None:
    turns, gate, held = Turns(), threading.Event(), threading.Event()

    def hold() -> None:
        with turns.in_thread():
            held.set()
            gate.wait(10)

    async def wait_for_it() -> None:
        async with turns:
            raise AssertionError

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    loop = asyncio.new_event_loop()
    waiting = wait_for_it()
    loop.call_soon(waiting.send, None)  # no task, which would complain of its end to standard error
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    gate.set()
    holder.join(10)

    with turns.in_thread():
        pass
    waiting.close()


async def test_whoever_does_not_wait_has_a_turn_only_if_it_is_free() -> None:
    turns = Turns()
    turns.take()
    with pytest.raises(TurnTaken):
        turns.take()
    waiting = asyncio.create_task(_one_turn(turns))
    await until(lambda: len(turns) == 1)
    turns.pass_on()
    await waiting

    async with turns:
        with pytest.raises(TurnTaken):
            turns.take()
    turns.take()


async def _one_turn(turns: Turns) -> None:
    async with turns:
        await asyncio.sleep(0)
