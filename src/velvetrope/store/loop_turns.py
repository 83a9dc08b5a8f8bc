"""One piece of work in each turn of the event loop, so that what else is ready comes in between.

    await turns.come()      the caller goes on in a turn of the loop that it has for itself
    ...                     a millisecond of work, without waiting for anything

Whoever comes first in a turn goes on at once. The others go on one a turn, in the order in which they came: however
many there are, a request that comes in waits for one piece and not for all of them.
"""

import asyncio
from collections import deque
from collections.abc import Callable

__all__ = ["LoopTurns"]


class LoopTurns:
    """Of one event loop."""

    def __init__(self, between: Callable[[bool], None]) -> None:
        """`between` is called at the end of each turn, and told whether others wait. It must not raise."""
        self._between = between
        self._taken = False
        """Whether somebody has had the present turn."""
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def come(self, *, first: bool = False) -> None:
        """Wait for a turn that nobody else has; as the `first` of those who wait."""
        loop = asyncio.get_running_loop()
        if not self._taken:
            self._taken = True
            loop.call_soon(self._next)
            return
        told = loop.create_future()
        if first:
            self._waiting.appendleft(told)
        else:
            self._waiting.append(told)
        await told

    def _next(self) -> None:
        while self._waiting and self._waiting[0].done():  # whoever waited was cancelled
            self._waiting.popleft()
        self._between(bool(self._waiting))
        if self._waiting:
            self._waiting.popleft().set_result(None)
            asyncio.get_running_loop().call_soon(self._next)
        else:
            self._taken = False
