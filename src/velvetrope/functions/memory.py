"""The watch over memory: a sandbox that holds more than its function's memory size is ended.

Lambda's limit is a control group's; those are not for every server to make, so we measure. The resident memory of
each sandbox is read every `BUSY_SECONDS` while any of them is at an invocation or starting, else every `IDLE_SECONDS`.
What a process takes and gives back in between is not seen; how far it gets is bounded by the limit of
private memory that it begins with (`launches`). Children of a sandbox's process count too, and orphans
of it: all where it has a user of its own, else those that stayed in its session.
"""

import asyncio
from typing import Protocol

__all__ = ["MemoryWatch", "Watched"]

BUSY_SECONDS = 0.02
IDLE_SECONDS = 1.0


class Watched(Protocol):
    """A sandbox, as far as the watch is concerned."""

    @property
    def busy(self) -> bool:
        """Whether it is at work."""
        ...

    def exceeds_memory(self) -> bool: ...
    def end_for_memory(self) -> None: ...


class MemoryWatch:
    """Watches over sandboxes while there are any. Belongs to one event loop."""

    def __init__(self) -> None:
        self._watched: set[Watched] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._quick = False

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
        if self._timer is not None:
            self._timer.cancel()
        self._quick = True
        self._timer = asyncio.get_running_loop().call_later(BUSY_SECONDS, self._look)

    def _look(self) -> None:
        busy = False
        for sandbox in list(self._watched):
            busy = busy or sandbox.busy
            if sandbox.exceeds_memory():
                sandbox.end_for_memory()
        self._quick = busy
        self._timer = None
        if self._watched:
            delay = BUSY_SECONDS if busy else IDLE_SECONDS
            self._timer = asyncio.get_running_loop().call_later(delay, self._look)
