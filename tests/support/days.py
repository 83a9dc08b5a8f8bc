"""Quotas begin anew at midnight of UTC, and a real server's clock is nobody's to hold (decision 0020)."""

from collections.abc import Callable
from typing import TypeVar

from velvetrope.server.machine import SystemClock

__all__ = ["in_one_day"]

T = TypeVar("T")


def in_one_day(act: Callable[[], T]) -> T:
    """What `act` says of a day that did not end while it acted, and so neither did its week or month.

    It is asked once more if midnight came in between, so it begins with a quota of its own each time, and leaves it to
    its caller to say what is right.
    """
    clock = SystemClock()
    for _ in range(2):
        day = clock.now().date()
        found = act()
        if clock.now().date() == day:
            return found
    raise AssertionError("it took more than a day")
