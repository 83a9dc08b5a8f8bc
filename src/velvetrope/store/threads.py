"""Threads that take work from the event loop, as cheaply as that goes.

    threads = Threads(4, name="velvetrope-store")
    answer = await threads.run(work)

`ThreadPoolExecutor` behind `run_in_executor` makes two futures for each call, chains them, and guards each with a
condition of its own: three times the processor of a visit whose work is short, and a sign-in makes three visits.

Of threads that wait for work the one that has waited least is given it. What it used last (its stack, the pages of the
database that its connection keeps) is still at hand; a connection that has not written what another one has since reads
every page anew.

A caller who is cancelled waits all the same until the work is done, so that what it holds (a connection, a turn) is
never in two hands; it is cancelled then.
"""

import asyncio
import threading
from collections import deque
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


_Given = tuple[Callable[[], object], asyncio.AbstractEventLoop, _Outcome]
_Inbox = SimpleQueue[_Given | None]


class Threads:
    """Up to `count` threads, started when first needed. They end with `close`, or with the process."""

    def __init__(self, count: int, *, name: str) -> None:
        self._count = count
        self._name = name
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._guard = threading.Lock()
        """Of the two below: work waits only where no thread does."""
        self._idle: list[_Inbox] = []
        self._waiting: deque[_Given] = deque()

    async def run(self, work: Callable[[], T]) -> T:
        """What `work()` returns or raises, done in a thread.

        Raises:
            RuntimeError: the threads are closed.
        """
        if self._closed:
            raise RuntimeError(f"the threads {self._name} are closed")
        loop = asyncio.get_running_loop()
        outcome = _Outcome(loop=loop)
        self._give((work, loop, outcome))
        answer: T = await outcome
        return answer

    def close(self, *, wait: bool = True) -> None:
        """Let the threads end once what was begun and what waits is done."""
        self._closed = True
        with self._guard:
            idle, self._idle = self._idle, []
        for inbox in idle:
            inbox.put(None)
        if wait:
            for thread in self._threads:
                thread.join()
        self._threads = []

    def _give(self, given: _Given) -> None:
        with self._guard:
            if self._idle:
                self._idle.pop().put(given)
            elif len(self._threads) < self._count:
                self._start_one(given)
            else:
                self._waiting.append(given)

    def _start_one(self, given: _Given) -> None:
        # A daemon: a process that ends without `close` does not wait for threads that wait for work.
        name = f"{self._name}_{len(self._threads)}"
        thread = threading.Thread(target=self._work, args=(given,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self, first: _Given) -> None:
        inbox: _Inbox = SimpleQueue()
        given: _Given | None = first
        del first
        while given is not None:
            work, loop, outcome = given
            try:
                deliver, answer = outcome.set_result, work()
            except BaseException as error:  # noqa: BLE001  whatever it is, it belongs to the caller
                deliver, answer = outcome.set_exception, error
            # Before the answer is told: what its caller asks next comes back to this thread.
            given = self._next(inbox)
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(deliver, answer)
            del work, loop, outcome, deliver, answer  # kept alive by nothing while this waits
            if given is None:
                given = inbox.get()

    def _next(self, inbox: _Inbox) -> _Given | None:
        """What waits for a thread; where nothing does, `inbox` is where the next work comes, or the end."""
        with self._guard:
            if self._waiting:
                return self._waiting.popleft()
            if self._closed:
                inbox.put(None)
            else:
                self._idle.append(inbox)
            return None
