"""The watch over memory: it measures beside the event loop, and ends who holds too much."""

import asyncio
import threading

import pytest

from velvetrope.functions.memory import MemoryWatch


class Box:
    """A sandbox that is as large as it is told to be."""

    def __init__(self, *, too_large: bool = False, busy: bool = True, stored: int = 0) -> None:
        self.too_large = too_large
        self.stored = stored
        self.busy = busy
        self.measured: asyncio.Queue[str] = asyncio.Queue()
        self.ended = asyncio.Event()
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self._loop = asyncio.get_running_loop()

    def exceeds_memory(self) -> bool:
        self._loop.call_soon_threadsafe(self.measured.put_nowait, threading.current_thread().name)
        self.may_go_on.wait(10)
        return self.too_large

    def stored_bytes(self) -> int:
        return self.stored

    def end_for_memory(self) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.ended.set()


async def test_a_sandbox_that_holds_too_much_is_ended_and_others_are_not() -> None:
    watch, large, small = MemoryWatch(), Box(too_large=True), Box()
    watch.add(large)
    watch.add(small)

    await asyncio.wait_for(large.ended.wait(), 10)

    assert not small.ended.is_set()
    await watch.close()


async def test_of_files_that_take_too_much_together_the_greatest_holder_is_ended() -> None:
    watch = MemoryWatch(max_stored_bytes=99)
    less, more = Box(stored=40), Box(stored=60)
    watch.add(less)
    watch.add(more)

    await asyncio.wait_for(more.ended.wait(), 10)

    assert not less.ended.is_set()
    await watch.close()


async def test_files_that_take_just_as_much_as_they_may_end_nobody() -> None:
    watch = MemoryWatch(max_stored_bytes=100)
    boxes = [Box(stored=40), Box(stored=60)]
    for box in boxes:
        watch.add(box)

    for _ in range(3):
        for box in boxes:
            await asyncio.wait_for(box.measured.get(), 10)

    assert not any(box.ended.is_set() for box in boxes)
    await watch.close()


async def test_a_measurement_that_takes_long_holds_nobody_up() -> None:
    watch, slow = MemoryWatch(), Box()
    slow.may_go_on.clear()
    watch.add(slow)

    name = await asyncio.wait_for(slow.measured.get(), 10)
    for _ in range(100):
        await asyncio.sleep(0)  # the loop turns while the measurement waits

    assert name.startswith("memory-watch")
    assert slow.measured.empty()  # one follows the other
    slow.may_go_on.set()
    await asyncio.wait_for(slow.measured.get(), 10)
    await watch.close()


async def test_a_measurement_that_fails_is_told_of_once_and_the_watch_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Box):
        def stored_bytes(self) -> int:
            raise ZeroDivisionError

    watch, broken, large = MemoryWatch(), Broken(), Box(too_large=True)
    watch.add(broken)
    for _ in range(3):
        await asyncio.wait_for(broken.measured.get(), 10)
    watch.discard(broken)
    watch.add(large)

    await asyncio.wait_for(large.ended.wait(), 10)

    assert [record.getMessage() for record in caplog.records] == [
        "the memory of functions could not be measured; it is tried again"
    ]
    await watch.close()


async def test_who_ended_while_it_was_measured_is_not_ended_again() -> None:
    watch, large, other = MemoryWatch(), Box(too_large=True), Box()
    large.may_go_on.clear()
    watch.add(large)
    watch.add(other)

    await asyncio.wait_for(large.measured.get(), 10)
    watch.discard(large)
    large.may_go_on.set()
    await asyncio.wait_for(other.measured.get(), 10)
    await asyncio.wait_for(other.measured.get(), 10)  # a whole look later

    assert not large.ended.is_set()
    await watch.close()


async def test_a_sandbox_at_work_is_looked_at_soon_though_the_others_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("velvetrope.functions.memory.IDLE_SECONDS", 3600)
    watch, box = MemoryWatch(), Box(busy=False)
    watch.add(box)
    await asyncio.wait_for(box.measured.get(), 10)
    watch.add(other := Box(busy=False))  # the look that this asks for is the last one for an hour
    await asyncio.wait_for(other.measured.get(), 10)

    box.busy = True
    watch.hurry()

    await asyncio.wait_for(other.measured.get(), 10)
    await watch.close()
