"""Work in the background that is done as soon as it is due, whoever has made it so.

    work = DueWork(do, changes, IMPORTS_TOPIC, longest_wait=timedelta(minutes=1), failed="jobs could not be worked on")
    work.start()
    ...
    await work.stop()

`do` does everything that is due and says when the next will be; it is called again then, or when something of the topic
was committed by any node. When it fails, whyever, it is called again after a pause that grows with the failures in a
row, and not before: work that fails may have committed something of its own topic. The log tells of the first.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from velvetrope.store import ChangeFeed

__all__ = ["DueWork"]

_MOST_DOUBLINGS: Final = 10

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
        the latest: the clock of the machine may be set meanwhile. `failed` is what the log says when it fails.
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
        failures = 0
        while True:
            self._changed.clear()
            try:
                until_next = await self._do()
            except Exception:  # noqa: BLE001  whatever it is: what is due later is to be done
                if not failures:
                    _log.exception("%s; it is tried again", self._failed)
                pause = timedelta(seconds=2 ** min(failures, _MOST_DOUBLINGS))
                failures += 1
                await asyncio.sleep(min(pause, self._longest_wait).total_seconds())
                continue
            failures = 0
            wait = self._longest_wait if until_next is None else min(max(until_next, timedelta()), self._longest_wait)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait.total_seconds())
