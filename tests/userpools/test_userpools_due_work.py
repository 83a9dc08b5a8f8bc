"""Background work that fails: it goes on, in its own time, and the log says so once."""

import asyncio
import logging
from datetime import timedelta

import pytest

from velvetrope.store import ChangeFeed
from velvetrope.userpools.due_work import DueWork

TOPIC = "things"


async def test_work_that_fails_whyever_goes_on_and_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    calls = 0
    done = asyncio.Event()

    async def do() -> timedelta | None:
        nonlocal calls
        calls += 1
        if calls <= 3:
            raise ZeroDivisionError
        done.set()
        return None

    work = DueWork(do, ChangeFeed(), TOPIC, longest_wait=timedelta(milliseconds=1), failed="things were not done")
    work.start()
    async with asyncio.timeout(60):
        await done.wait()
    await work.stop()

    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert told == ["things were not done; it is tried again"]


async def test_work_that_fails_after_it_changed_something_does_not_spin() -> None:
    changes, calls = ChangeFeed(), 0

    async def do() -> timedelta | None:
        nonlocal calls
        calls += 1
        changes.publish(TOPIC)
        raise ZeroDivisionError

    work = DueWork(do, changes, TOPIC, longest_wait=timedelta(hours=1), failed="things were not done")
    work.start()
    for _ in range(20):
        await asyncio.sleep(0)
    await work.stop()

    assert calls == 1


async def test_work_is_done_again_as_soon_as_something_changed() -> None:
    changes, done = ChangeFeed(), asyncio.Semaphore(0)

    async def do() -> timedelta | None:
        done.release()
        return None

    work = DueWork(do, changes, TOPIC, longest_wait=timedelta(hours=1), failed="things were not done")
    work.start()
    async with asyncio.timeout(60):
        await done.acquire()
        changes.publish(TOPIC)
        await done.acquire()
    await work.stop()
