"""How often something is done that need not be done each time."""

from datetime import datetime, timedelta

__all__ = ["Interval"]


class Interval:
    """Says yes the first time, and then at most once in `every`."""

    def __init__(self, every: timedelta) -> None:
        self._every = every
        self._last: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """Whether it is to be done now; whoever is told so does it. A clock that was set back does not stop it."""
        if self._last is not None and abs(now - self._last) < self._every:
            return False
        self._last = now
        return True
