"""Operating-system users for sandboxes: one each, out of a range of numbers that belong to nobody.

A server that runs as root gives every living sandbox a user id of its own. The range is `FIRST` to `LAST`: numbers that
systemd leaves unused and distributions do not give out; numbers that the machine's user database knows are passed over.
A number in use is locked by a file under `/run/velvetrope`, so that two servers on one machine never share one. The
lock is the kernel's and ends with the server and its zygote, however they end: a zygote outlives a server that is
killed, by a moment in which it still kills whatever runs as the users that it knows.

Source: "Users, Groups, UIDs and GIDs on systemd systems", the table of the 16-bit range.
"""

import fcntl
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from velvetrope.functions.errors import ServiceException

__all__ = ["FIRST", "LAST", "LeasedUser", "SandboxUsers"]

FIRST, LAST = 60_706, 61_183

_LOCKS = Path("/run/velvetrope/sandbox-users")


@dataclass(frozen=True, slots=True)
class LeasedUser:
    """A user id that no other sandbox has."""

    user_id: int
    fresh: bool
    """Whether it was not used by this server before: somebody may have left processes that run as it."""
    lock: int
    """The descriptor that it is locked by: nobody else gets it until all copies are closed (flock(2))."""


class SandboxUsers:
    """See the module. Needs root."""

    def __init__(self, locks: Path = _LOCKS, *, first: int = FIRST, last: int = LAST) -> None:
        self._locks = locks
        self._free: list[int] = []
        self._untried = iter(range(first, last + 1))
        self._held: dict[int, int] = {}
        """The descriptors of the locks, by user."""

    def lease(self) -> LeasedUser:
        """A user of nobody else's, until it is released.

        Raises:
            ServiceException: all are in use.
        """
        if self._free:
            user_id = self._free.pop()
            return LeasedUser(user_id, fresh=False, lock=self._held[user_id])
        for user_id in self._untried:
            if self._lock(user_id):
                return LeasedUser(user_id, fresh=True, lock=self._held[user_id])
        raise ServiceException("There is no user left that the function could run as.")

    def release(self, user_id: int) -> None:
        """Give a user back. No process may run as it any more."""
        self._free.append(user_id)

    def close(self) -> None:
        """Let other servers have them all, once the zygote has ended too."""
        for descriptor in self._held.values():
            os.close(descriptor)
        self._held.clear()
        self._free.clear()

    def _lock(self, user_id: int) -> bool:
        try:
            pwd.getpwuid(user_id)
        except KeyError:
            pass
        else:
            return False
        self._locks.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._locks / str(user_id), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._held[user_id] = descriptor
        return True
