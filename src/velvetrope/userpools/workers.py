"""A few threads for the arithmetic of sign-in.

Argon2, RSA and the big powers of SRP take from one to some tens of milliseconds each and let go of the GIL meanwhile.
They run here and not on the event loop, and in no more threads than there are processors: sixty people who sign in at
once wait for each other rather than take 19 MiB each and slow everything down.
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
        self._threads = Threads(threads or min(8, os.cpu_count() or 1), name="sign-in")

    async def run(self, work: Callable[[], T]) -> T:
        """What `work()` returns or raises."""
        return await self._threads.run(work)

    def close(self) -> None:
        """Let the threads end; work already begun is finished."""
        self._threads.close(wait=False)
