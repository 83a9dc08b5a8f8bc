"""Commits wait for the disk together, and each for a writing that began after it."""

import asyncio

import pytest

from support.functions import until
from velvetrope.store.disk_waits import DiskWaits


class Disk:
    """Writes when it is told to."""

    def __init__(self) -> None:
        self.begun = 0
        self._may_end = asyncio.Semaphore(0)
        self.error: Exception | None = None

    async def write(self) -> None:
        self.begun += 1
        await self._may_end.acquire()
        if self.error is not None:
            raise self.error

    def end_one(self) -> None:
        self._may_end.release()


async def reached(waits: DiskWaits) -> None:
    told = asyncio.get_running_loop().create_future()
    waits.tell_when_reached(told)
    await told


async def begun(disk: Disk, times: int) -> None:
    await until(lambda: disk.begun >= times)


async def test_whoever_comes_while_the_disk_writes_waits_for_the_next_time_with_all_others() -> None:
    disk = Disk()
    waits = DiskWaits(disk.write)
    first = asyncio.create_task(reached(waits))
    await begun(disk, 1)
    late = [asyncio.create_task(reached(waits)) for _ in range(5)]

    disk.end_one()
    await first
    await begun(disk, 2)
    assert not any(one.done() for one in late), "what began before them says nothing of theirs"
    disk.end_one()
    await asyncio.gather(*late)

    assert disk.begun == 2


async def test_once_the_disk_has_failed_nothing_is_said_to_be_on_it() -> None:
    """What could not be written may be gone although a later writing succeeds."""
    disk = Disk()
    waits, disk.error = DiskWaits(disk.write), OSError("input/output error")
    first = asyncio.create_task(reached(waits))
    await begun(disk, 1)
    meanwhile = asyncio.create_task(reached(waits))
    await asyncio.sleep(0)
    disk.end_one()
    for waiting in (first, meanwhile):
        with pytest.raises(OSError, match="input/output error"):
            await waiting

    disk.error = None
    with pytest.raises(OSError, match="has failed before"):
        await reached(waits)
    assert disk.begun == 1


async def test_what_fails_besides_the_disk_fails_those_who_waited_for_it_and_nobody_else() -> None:
    disk = Disk()
    waits, disk.error = DiskWaits(disk.write), RuntimeError("no thread")
    first = asyncio.create_task(reached(waits))
    await begun(disk, 1)
    disk.end_one()
    with pytest.raises(RuntimeError, match="no thread"):
        await first

    disk.error = None
    disk.end_one()
    await reached(waits)


async def test_whoever_is_cancelled_takes_nobody_along_and_closing_waits_for_the_others() -> None:
    disk = Disk()
    waits = DiskWaits(disk.write)
    cancelled, other = asyncio.create_task(reached(waits)), asyncio.create_task(reached(waits))
    await begun(disk, 1)
    cancelled.cancel()
    closing = asyncio.create_task(waits.close())

    disk.end_one()
    await other
    await closing

    assert cancelled.cancelled() or cancelled.cancelling()
    await waits.close()


async def test_who_is_cancelled_while_closing_leaves_those_who_wait_their_answers() -> None:
    disk = Disk()
    waits = DiskWaits(disk.write)
    waiting = asyncio.create_task(reached(waits))
    await begun(disk, 1)
    closing = asyncio.create_task(waits.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])

    disk.end_one()
    await asyncio.wait_for(waiting, 60)
