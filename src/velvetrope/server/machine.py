"""The real clock and the real randomness: the only place in velvetrope that knows them."""

import os
import time
from datetime import UTC, datetime

__all__ = ["SystemClock", "SystemEntropy"]


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time(), UTC)  # noqa: TID251  this is the Clock that everybody asks


class SystemEntropy:
    """The operating system's random bytes."""

    def token_bytes(self, count: int) -> bytes:
        return os.urandom(count)
