"""Threads that take work from the event loop, as cheaply as that goes.

    threads = Threads(4, name="velvetrope-store")
    answer = await threads.run(work)

`ThreadPoolExecutor` behind `run_in_executor` makes two futures for each call, chains them, and guards each with a
condition of its own: three times the processor of a visit whose work is short, and a sign-in makes five visits.

A caller who is cancelled waits all the same until the work is done, so that what it holds (a connection, a turn) is
never in two hands; it is cancelled then.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

__all__ = ["Threads"]

T = TypeVar("T")


class _Outcome(asyncio.Future[Any]):
    """What a thread will say. It cannot be cancelled: whoever waits is cancelled when it is there."""

    def cancel(self, msg: object = None) -> bool:  # noqa: ARG002  asyncio's signature
        return False


class Threads:
    """Up to `count` threads, started when first needed. They end with `close`, or with the process."""

    def __init__(self, count: int, *, name: str) -> None:
        self._count = count
        self._name = name
        self._queue: SimpleQueue[tuple[Callable[[], object], asyncio.AbstractEventLoop, _Outcome] | None]
        self._queue = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._busy = 0
        self._closed = False

    async def run(self, work: Callable[[], T]) -> T:
        """What `work()` returns or raises, done in a thread.

        Raises:
            RuntimeError: the threads are closed.
        """
        if self._closed:
            raise RuntimeError(f"the threads {self._name} are closed")
        loop = asyncio.get_running_loop()
        outcome = _Outcome(loop=loop)
        self._queue.put((work, loop, outcome))
        self._busy += 1
        if self._busy > len(self._threads) < self._count:
            self._start_one()
        try:
            answer: T = await outcome
        finally:
            self._busy -= 1
        return answer

    def close(self, *, wait: bool = True) -> None:
        """Let the threads end once what was begun and what waits is done."""
        self._closed = True
        for _ in self._threads:
            self._queue.put(None)
        if wait:
            for thread in self._threads:
                thread.join()
        self._threads = []

    def _start_one(self) -> None:
        # A daemon: a process that ends without `close` does not wait for threads that wait for work.
        thread = threading.Thread(target=self._work, name=f"{self._name}_{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while (given := self._queue.get()) is not None:
            work, loop, outcome = given
            try:
                deliver, answer = outcome.set_result, work()
            except BaseException as error:  # noqa: BLE001  whatever it is, it belongs to the caller
                deliver, answer = outcome.set_exception, error
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(deliver, answer)
            del given, work, loop, outcome, deliver, answer  # kept alive by nothing while this waits
