"""Back off after wrong passwords.

The fifth failure in a row locks the name for one second, each further one for twice as long, up to 15 minutes. Attempts
during a lock are answered `Password attempts exceeded` without looking at the password, and do not lengthen it. After
15 quiet minutes the count starts anew; a good password clears it.

The count is kept per name as it is looked up, whether or not somebody has it, so that a lock says nothing about that.
It is asked twice: before the work, to save it, and after a good password, because of many guesses sent at the same
moment only those that finish before the lock may count (`SignInStore.forget_failures`).

Source: Cognito Developer Guide, "User pool authentication flow", on lockout behaviour.
"""

import hashlib
from datetime import datetime, timedelta

from velvetrope.store.tables.userpools import UserPool
from velvetrope.store.tables.userpools_sign_in import SignInStore
from velvetrope.userpools.errors import attempts_exceeded

__all__ = ["LOCKS", "QUIET_FOR", "BackOff"]

QUIET_FOR = timedelta(minutes=15)
_FREE_FAILURES = 4
LOCKS = (
    *[timedelta(0)] * _FREE_FAILURES,
    *(timedelta(seconds=2**n) for n in range(10)),
    QUIET_FOR,
)
"""How long the n-th failure in a row locks: nothing four times, then 1 s, 2 s, 4 s … 512 s, then 15 minutes."""


class BackOff:
    """Counts failures and refuses while locked."""

    def __init__(self, store: SignInStore) -> None:
        self._store = store

    async def check_not_locked(self, pool: UserPool, username_key: str, *, now: datetime) -> None:
        """
        Raises:
            NotAuthorizedException: the name is locked.
        """
        attempts = await self._store.load_attempts(pool.id, _hash(username_key))
        if attempts is not None and now < attempts.locked_until:
            raise attempts_exceeded()

    async def failed(self, pool: UserPool, username_key: str, *, now: datetime) -> None:
        """A wrong password for this name."""
        await self._store.record_failure(pool.id, _hash(username_key), now=now, locks=LOCKS, forget_after=QUIET_FOR)

    async def succeeded(self, pool: UserPool, username_key: str, *, now: datetime) -> None:
        """A good password for this name.

        Raises:
            NotAuthorizedException: the name was locked meanwhile, so the password does not count.
        """
        if not await self._store.forget_failures(pool.id, _hash(username_key), now=now):
            raise attempts_exceeded()


def _hash(username_key: str) -> str:
    # Names of strangers can be of any length; the table's keys cannot.
    return hashlib.sha256(username_key.encode()).hexdigest()
