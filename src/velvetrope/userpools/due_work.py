"""Work in the background that is done as soon as it is due, whoever has made it so.

    work = DueWork(do, changes, IMPORTS_TOPIC, longest_wait=timedelta(minutes=1), failed="jobs could not be worked on")
    work.start()
    ...
    await work.stop()

`do` does everything that is due and says when the next will be; it is called again then, or when something of the topic
was committed by any node. A database that is away is waited for.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from velvetrope.store import ChangeFeed

__all__ = ["DueWork"]

_log = logging.getLogger(__name__)


class DueWork:
    """See the module."""

    def __init__(
        self,
        do: Callable[[], Awaitable[timedelta | None]],
        changes: ChangeFeed,
        topic: str,
        *,
        longest_wait: timedelta,
        failed: str,
    ) -> None:
        """`do` returns how long it is until the next is due, None if nobody knows. It is called after `longest_wait` at
        the latest: the clock of the machine may be set meanwhile. `failed` is what the log says when the store fails.
        """
        self._do = do
        self._longest_wait = longest_wait
        self._failed = failed
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        changes.subscribe(topic, self._changed.set)

    def start(self) -> None:
        """Begin. Needs the running event loop."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Cancel what is being done, and come back when it has ended."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            wait = self._longest_wait
            try:
                until_next = await self._do()
                if until_next is not None:
                    wait = min(max(until_next, timedelta()), self._longest_wait)
            except SQLAlchemyError:
                _log.exception("%s", self._failed)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait.total_seconds())
