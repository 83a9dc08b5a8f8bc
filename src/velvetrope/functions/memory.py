"""The watch over memory: a sandbox that holds more than its function's memory size is ended.

Lambda's limit is a control group's; those are not for every server to make, so we measure. The resident memory of
each sandbox is read every `BUSY_SECONDS` while any of them is at an invocation or starting, else every `IDLE_SECONDS`.
What a process takes and gives back in between is not seen; how far it gets is bounded by the limit of
private memory that it begins with (`launches`). Children of a sandbox's process count too, and orphans
of it: all where it has a user of its own, else those that stayed in its session.

Where sandboxes have a file system of their own it is in memory too. Each is as large as its function may have it; all
of them together may take half of the machine's memory, and past that whoever holds most is ended.

Reading is done in a thread: a function with hundreds of processes takes 30 ms to be measured, and nobody else waits for
that. One measurement follows the other, and all of them take at most a fifth of one processor.
"""

import asyncio
import logging
import os
from collections.abc import Sequence
from time import perf_counter
from typing import Protocol

from velvetrope.store.threads import Threads

__all__ = ["MemoryWatch", "Watched"]

BUSY_SECONDS = 0.02
IDLE_SECONDS = 1.0

_REST = 4
"""How many times as long as a measurement took it is waited before the next, at least."""

_log = logging.getLogger(__name__)


class Watched(Protocol):
    """A sandbox, as far as the watch is concerned."""

    @property
    def busy(self) -> bool:
        """Whether it is at work."""
        ...

    def exceeds_memory(self) -> bool:
        """Whether it holds too much. Asked in a thread."""
        ...

    def stored_bytes(self) -> int:
        """What its files take of memory. Asked in a thread."""
        ...

    def end_for_memory(self) -> None:
        """End it. Called on the event loop."""
        ...


class MemoryWatch:
    """Watches over sandboxes while there are any. Belongs to one event loop; `close` it."""

    def __init__(self, *, max_stored_bytes: int | None = None) -> None:
        """`max_stored_bytes` is what the files of all together may take of memory: if not given, half of it."""
        self._max_stored_bytes = _half_of_memory() if max_stored_bytes is None else max_stored_bytes
        self._watched: set[Watched] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._look: asyncio.Task[None] | None = None
        self._quick = False
        self._is_failing = False
        self._rest_until = 0.0
        self._threads = Threads(1, name="memory-watch")

    def add(self, sandbox: Watched) -> None:
        """Watch over it from now on."""
        self._watched.add(sandbox)
        self.hurry()

    def discard(self, sandbox: Watched) -> None:
        """It has ended."""
        self._watched.discard(sandbox)
        if not self._watched and self._timer is not None:
            self._timer.cancel()
            self._timer, self._quick = None, False

    def hurry(self) -> None:
        """A sandbox is at work: look soon."""
        if self._quick or not self._watched:
            return
        self._quick = True
        if self._look is None:
            self._look_in(BUSY_SECONDS)

    async def close(self) -> None:
        """Watch over nothing any more; returns when the thread has ended."""
        self._watched.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._look is not None:
            await self._look
        await asyncio.to_thread(self._threads.close)

    def _look_in(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_later(max(seconds, self._rest_until - perf_counter()), self._begin_look)

    def _begin_look(self) -> None:
        self._timer = None
        self._look = asyncio.get_running_loop().create_task(self._look_now())

    async def _look_now(self) -> None:
        sandboxes = list(self._watched)
        self._quick = any(sandbox.busy for sandbox in sandboxes)
        since = perf_counter()
        too_large: list[Watched] = []
        try:
            too_large = await self._threads.run(lambda: self._find_too_large(sandboxes))
        except Exception:  # noqa: BLE001  whatever it is: nobody else keeps functions within their memory
            if not self._is_failing:
                _log.exception("the memory of functions could not be measured; it is tried again")
            self._is_failing = True
        else:
            self._is_failing = False
        finally:
            self._look = None
        now = perf_counter()
        self._rest_until = now + _REST * (now - since)
        for sandbox in too_large:
            if sandbox in self._watched:
                sandbox.end_for_memory()
        if self._watched:
            self._look_in(BUSY_SECONDS if self._quick else IDLE_SECONDS)

    def _find_too_large(self, sandboxes: Sequence[Watched]) -> list[Watched]:
        found = [one for one in sandboxes if one.exceeds_memory()]
        stored = {one: one.stored_bytes() for one in sandboxes if one not in found}
        if sum(stored.values()) > self._max_stored_bytes:
            found.append(max(stored, key=lambda one: stored[one]))
        return found


def _half_of_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
