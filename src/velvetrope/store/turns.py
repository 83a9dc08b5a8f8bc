"""Whose turn it is to write: one at a time, on the event loop or in a thread.

    async with turns:                    on the event loop
        ...
    with turns.in_thread():              in a thread, which stands still until it is its turn
        ...
    turns.take()                         anywhere, if nobody has it
    turns.pass_on()

Turns come in the order in which they were asked for. A thread that waits for its turn must be none that whoever has the
turn may need: the store's own threads carry out what transactions on the event loop ask, and so never wait here.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

__all__ = ["TurnTaken", "Turns"]


class TurnTaken(Exception):
    """Somebody else is writing."""


class Turns:
    """Like `asyncio.Lock`, for threads too."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._taken = False
        self._waiting: deque[Callable[[], object]] = deque()
        """How each of those who wait is told, in order."""

    async def __aenter__(self) -> None:
        loop = asyncio.get_running_loop()
        with self._guard:
            if not self._taken:
                self._taken = True
                return
            told: asyncio.Future[None] = loop.create_future()
            self._waiting.append(lambda: loop.call_soon_threadsafe(self._tell, told))
        try:
            await told
        except asyncio.CancelledError:
            if told.done() and not told.cancelled():
                self.pass_on()  # it came in the same moment
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pass_on()

    @contextmanager
    def in_thread(self) -> Iterator[None]:
        """A turn of the calling thread."""
        with self._guard:
            gate = threading.Lock() if self._taken else None
            if gate is not None:
                gate.acquire()
                self._waiting.append(gate.release)
            self._taken = True
        if gate is not None:
            gate.acquire()
        try:
            yield
        finally:
            self.pass_on()

    def take(self) -> None:
        """A turn of whoever does not wait, which ends with `pass_on`.

        Raises:
            TurnTaken: somebody else has it. Nothing was done.
        """
        with self._guard:
            if self._taken:
                raise TurnTaken
            self._taken = True

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def pass_on(self) -> None:
        """End a turn."""
        while True:
            with self._guard:
                if not self._waiting:
                    self._taken = False
                    return
                tell = self._waiting.popleft()
            try:
                tell()
            except RuntimeError:  # its event loop has ended: it waits no more
                continue
            return

    def _tell(self, told: "asyncio.Future[None]") -> None:
        if told.done():
            self.pass_on()  # whoever waited was cancelled
        else:
            told.set_result(None)
