"""Threads for the event loop's work: answers, failures, cancellation, and their end."""

import asyncio
import inspect
import threading

import pytest

from velvetrope.store.threads import Threads


async def test_work_is_done_in_a_thread_and_answers_its_caller() -> None:
    threads = Threads(2, name="probe")

    answers = await asyncio.gather(*(threads.run(lambda n=n: (n, threading.current_thread().name)) for n in range(20)))  # type: ignore[misc]  # mypy knows no defaults of a lambda

    assert [n for n, _ in answers] == list(range(20))
    assert {name for _, name in answers} <= {"probe_0", "probe_1"}
    threads.close()


async def test_an_exception_reaches_the_caller_and_the_thread_goes_on() -> None:
    threads = Threads(1, name="probe")

    def fail() -> None:
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        await threads.run(fail)

    assert await threads.run(lambda: "still here") == "still here"
    threads.close()


async def test_no_more_threads_than_were_allowed_work_at_once() -> None:
    threads, gate, lock, two = Threads(2, name="probe"), threading.Event(), threading.Lock(), threading.Event()
    working, most = 0, 0

    def work() -> None:
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
            if working == 2:
                two.set()
        gate.wait(10)
        with lock:
            working -= 1

    tasks = [asyncio.create_task(threads.run(work)) for _ in range(6)]
    assert await asyncio.to_thread(two.wait, 10)
    gate.set()
    await asyncio.gather(*tasks)

    assert most == 2
    threads.close()


async def test_work_goes_to_the_thread_that_has_waited_least() -> None:
    threads, both = Threads(2, name="probe"), threading.Barrier(2)
    await asyncio.gather(*(threads.run(lambda: both.wait(10)) for _ in range(2)))

    last = await threads.run(threading.get_ident)

    assert {await threads.run(threading.get_ident) for _ in range(20)} == {last}
    threads.close()


async def test_a_caller_who_is_cancelled_waits_until_the_work_is_done() -> None:
    threads, begun, gate = Threads(1, name="probe"), threading.Event(), threading.Event()
    done: list[bool] = []

    def work() -> None:
        begun.set()
        gate.wait(10)
        done.append(True)

    task = asyncio.create_task(threads.run(work))
    assert await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()

    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == [True]
    threads.close()


async def test_closed_threads_finish_what_waits_and_take_nothing_new() -> None:
    threads = Threads(1, name="probe")
    tasks = [asyncio.create_task(threads.run(lambda n=n: n)) for n in range(5)]  # type: ignore[misc]  # mypy knows no defaults of a lambda
    await asyncio.sleep(0)

    threads.close()

    assert await asyncio.gather(*tasks) == list(range(5))
    with pytest.raises(RuntimeError, match="probe are closed"):
        await threads.run(lambda: None)


def test_a_loop_that_has_ended_leaves_no_thread_hanging() -> None:
    threads, gate = Threads(1, name="probe"), threading.Event()
    loop = asyncio.new_event_loop()
    waiting = threads.run(lambda: gate.wait(10))
    loop.call_soon(waiting.send, None)  # no task, which would complain of its end to standard error
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()

    gate.set()
    threads.close()  # the answer comes to a loop that is closed

    assert inspect.getcoroutinestate(waiting) == inspect.CORO_SUSPENDED
    waiting.close()
