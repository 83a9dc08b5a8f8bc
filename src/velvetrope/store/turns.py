"""Whose turn it is to write: one at a time, on the event loop or in a thread.

    async with turns:                    on the event loop
        ...
    with turns.in_thread():              in a thread, which stands still until it is its turn
        ...
    with turns.if_free():                anywhere, if nobody has it
        ...

Turns come in the order in which they were asked for. A thread that waits for its turn must be none that whoever has the
turn may need: the store's own threads carry out what transactions on the event loop ask, and so never wait here.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType

__all__ = ["TurnTaken", "Turns"]


class TurnTaken(Exception):
    """Somebody else is writing."""


class Turns:
    """Like `asyncio.Lock`, for threads too."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._taken = False
        self._if_free = _IfFree(self._take, self._pass_on)
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
                self._pass_on()  # it came in the same moment
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pass_on()

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
            self._pass_on()

    def if_free(self) -> AbstractContextManager[None]:
        """A turn of whoever does not wait.

        Raises:
            TurnTaken: somebody else has it. Nothing was done.
        """
        return self._if_free

    def _take(self) -> None:
        with self._guard:
            if self._taken:
                raise TurnTaken
            self._taken = True

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def _pass_on(self) -> None:
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
            self._pass_on()  # whoever waited was cancelled
        else:
            told.set_result(None)


class _IfFree(AbstractContextManager[None]):
    """`Turns.if_free`. It keeps nothing, so that one does for all: every sign-in asks for it."""

    def __init__(self, take: Callable[[], None], pass_on: Callable[[], None]) -> None:
        self._take = take
        self._pass_on = pass_on

    def __enter__(self) -> None:
        self._take()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pass_on()
