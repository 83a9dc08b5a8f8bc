"""Commits that wait for the disk together.

    waits.tell_when_reached(told)       `told` is done once everything that was committed before this is on the disk

A disk takes as long for ten small commits as for one, and so does the processor. Commits that are to last are made
without waiting; each then waits for the next time that the log is written, which begins as soon as the one under way
has ended (group commit).

Once the disk has failed nothing is said to have reached it any more, until the server is started anew: the system may
have let go of what could not be written, so that a later writing that succeeds says nothing of it, and what comes
behind it in the log is lost with it.
"""

import asyncio
from collections.abc import Awaitable, Callable

__all__ = ["DiskWaits"]


class DiskWaits:
    """Waits for `write`, which returns when all that was committed before it began is on the disk."""

    def __init__(self, write: Callable[[], Awaitable[None]]) -> None:
        self._write = write
        self._waiting: list[asyncio.Future[None]] = []
        self._writing: asyncio.Task[None] | None = None
        self._failure: OSError | None = None

    def tell_when_reached(self, told: asyncio.Future[None]) -> None:
        """Have it done once the disk has what was committed before; with an OSError, if the disk fails or has failed
        before, and what was committed may not be there."""
        if self._failure is not None:
            error = OSError("the disk has failed before; the server has to be started anew")
            error.__cause__ = self._failure
            told.set_exception(error)
            return
        self._waiting.append(told)
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write_while_somebody_waits())

    async def close(self) -> None:
        """Wait until nobody waits any more."""
        if self._writing is not None:
            # Whoever is cancelled while closing leaves the others their answers.
            await asyncio.shield(self._writing)

    async def _write_while_somebody_waits(self) -> None:
        try:
            while self._waiting:
                served, self._waiting = self._waiting, []
                error: Exception | None = None
                try:
                    await self._write()
                except Exception as raised:  # noqa: BLE001  it belongs to those who wait
                    error = raised
                if isinstance(error, OSError):
                    self._failure = error
                    served += self._waiting
                    self._waiting = []
                for told in served:
                    if told.done():  # whoever waited was cancelled
                        continue
                    if error is None:
                        told.set_result(None)
                    else:
                        told.set_exception(error)
        finally:
            self._writing = None
