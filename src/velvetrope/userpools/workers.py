"""Where the arithmetic of sign-in is done, and what is read and kept along with it.

`run`: in a few threads. An Argon2 takes some tens of milliseconds and lets go of the GIL meanwhile, and so does the
making of keys. Hardly more threads than there are processors: sixty people who sign in at once wait for each other
rather than take 19 MiB each and slow everything down. One more, since one of them may wait for the disk.

`brief`: a step of SRP or the signing of tokens takes a millisecond or half of one, and is done on the event loop
itself, one such piece in each of its turns (`Database.brief`, which also says where not). In a thread it costs the
processor more: the way there and back is as much as a visit to the database, and at each statement of the database the
thread and the loop hand the interpreter to each other, from one processor to the other (decision 0046).
"""

import os
from collections.abc import Callable
from typing import TypeVar

from velvetrope.store.database import Database
from velvetrope.store.threads import Threads

__all__ = ["Workers"]

T = TypeVar("T")


class Workers:
    """Runs functions on the event loop, or in its own threads, which are started when first needed."""

    def __init__(self, database: Database, threads: int | None = None) -> None:
        self._database = database
        self._threads = Threads(threads or min(8, os.cpu_count() or 1) + 1, name="sign-in")

    async def run(self, work: Callable[[], T]) -> T:
        """What `work()` returns or raises, done in a thread."""
        return await self._threads.run(work)

    async def brief(self, work: Callable[[], T]) -> T:
        """What `work()` returns or raises, which takes a millisecond. It may be begun twice (`Database.brief`)."""
        return await self._database.brief(work, self.run)

    def close(self) -> None:
        """Let the threads end; work already begun is finished."""
        self._threads.close(wait=False)
