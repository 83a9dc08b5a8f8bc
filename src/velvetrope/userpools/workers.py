"""A few threads for the arithmetic of sign-in, and for what is read and kept along with it.

Argon2, RSA and the big powers of SRP take from one to some tens of milliseconds each and let go of the GIL meanwhile.
They run here and not on the event loop, and in hardly more threads than there are processors: sixty people who sign in
at once wait for each other rather than take 19 MiB each and slow everything down. One more, since one of them may wait
for the disk.

The way from the event loop to a thread and back costs as much as a visit to the database does. So what a sign-in reads
or writes next to its arithmetic is done in the same visit (`Database.read_here`, `write_here`), and not by the store's
own threads, which others wait for.
"""

import os
from collections.abc import Callable
from typing import TypeVar

from velvetrope.store.threads import Threads

__all__ = ["Workers"]

T = TypeVar("T")


class Workers:
    """Runs functions in its own threads, which are started when first needed."""

    def __init__(self, threads: int | None = None) -> None:
        self._threads = Threads(threads or min(8, os.cpu_count() or 1) + 1, name="sign-in")

    async def run(self, work: Callable[[], T]) -> T:
        """What `work()` returns or raises."""
        return await self._threads.run(work)

    def close(self) -> None:
        """Let the threads end; work already begun is finished."""
        self._threads.close(wait=False)
