"""A few threads for the arithmetic of sign-in.

Argon2, RSA and the big powers of SRP take from one to some tens of milliseconds each and let go of the GIL meanwhile.
They run here and not on the event loop, and in no more threads than there are processors: sixty people who sign in at
once wait for each other rather than take 19 MiB each and slow everything down.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["Workers"]

T = TypeVar("T")


class Workers:
    """Runs functions in its own threads, which are started when first needed."""

    def __init__(self, threads: int | None = None) -> None:
        self._pool = ThreadPoolExecutor(threads or min(8, os.cpu_count() or 1), thread_name_prefix="sign-in")

    async def run(self, work: Callable[[], T]) -> T:
        """What `work()` returns or raises."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Let the threads end; work already begun is finished."""
        self._pool.shutdown(wait=False, cancel_futures=True)
