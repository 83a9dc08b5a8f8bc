"""Time and randomness, as things that are handed in.

The ground floor takes `now` and random bytes as arguments; services are handed a `Clock` and an `Entropy` by
`server.py`, which holds the real ones. Tests use the frozen ones below: `FrozenClock` moves when told to,
`CountingEntropy` gives different but repeatable bytes.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["Clock", "CountingEntropy", "Entropy", "FrozenClock"]


class Clock(Protocol):
    """Says what time it is."""

    def now(self) -> datetime:
        """The present moment: aware, UTC."""
        ...


class Entropy(Protocol):
    """Hands out bytes that nobody can guess."""

    def token_bytes(self, count: int) -> bytes:
        """`count` bytes, fit for keys, codes and identifiers."""
        ...


class FrozenClock:
    """A clock that stands still until it is told to move."""

    def __init__(self, at: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = at

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by


class CountingEntropy:
    """Repeatable bytes for tests: block n is SHA-256 of n. Never two equal blocks, and never a secret."""

    def __init__(self) -> None:
        self._count = 0

    def token_bytes(self, count: int) -> bytes:
        out = b""
        while len(out) < count:
            self._count += 1
            out += hashlib.sha256(str(self._count).encode()).digest()
        return out[:count]
