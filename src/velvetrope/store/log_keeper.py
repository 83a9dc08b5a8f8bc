"""The log of a database that runs in this process: who waits for the disk, and when the log is tidied.

Commits are appended to the log. `tell_when_reached` says when the disk has it, to several together (`DiskWaits`). After
so many short writings it is tidied in a thread, so that no commit has to do it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sqlalchemy.engine.interfaces import DBAPIConnection

from velvetrope.store.dialects import Log
from velvetrope.store.disk_waits import DiskWaits
from velvetrope.store.turns import Turns

__all__ = ["LogKeeper"]

_TIDIED_AFTER = 512
"""Short writings after which the log is tidied: some four thousand pages, where SQLite by itself does it after one
thousand. A page that was written often is moved once."""

_logger = logging.getLogger(__name__)

InThread = Callable[[Callable[[DBAPIConnection], None]], Awaitable[None]]
"""Lets work have a connection that is out of any transaction, in a thread."""


class LogKeeper:
    """Of one database, whose writers take `turns`."""

    def __init__(self, log: Log, in_thread: InThread, turns: Turns) -> None:
        self._log = log
        self._in_thread = in_thread
        self._turns = turns
        self._waits = DiskWaits(lambda: in_thread(log.write))
        self._untidied = 0
        self._tidying: asyncio.Task[None] | None = None

    def set_up_writer(self, driver: DBAPIConnection) -> None:
        """For the connection that short work is written with."""
        self._log.set_up_writer(driver)

    def committed(self, writings: int = 1) -> None:
        """So many short writings were. Called by whoever has the turn, in any thread."""
        self._untidied += writings

    def tell_when_reached(self, told: asyncio.Future[None]) -> None:
        """`DiskWaits.tell_when_reached`."""
        self._waits.tell_when_reached(told)

    def tidy_if_due(self) -> None:
        """Begin to tidy, if much was written."""
        if self._untidied >= _TIDIED_AFTER and self._tidying is None:
            self._untidied = 0
            self._tidying = asyncio.get_running_loop().create_task(self._tidy())

    async def close(self) -> None:
        """Wait until nobody waits for the disk any more, and let go of the log."""
        await self._waits.close()
        if self._tidying is not None:
            await self._tidying
        self._log.close()

    async def _tidy(self) -> None:
        """Most of it while others write; the rest, which is little, in a turn of its own."""
        try:
            await self._in_thread(self._log.tidy)
            async with self._turns:
                await self._in_thread(self._log.tidy)
                await self._in_thread(self._log.begin_anew)
        except Exception:  # what was committed is in the log, and the log stays where it is
            _logger.exception("the database's log could not be tidied and grows; it is tried again later")
        finally:
            self._tidying = None
