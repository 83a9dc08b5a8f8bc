"""Back off after wrong passwords.

The fifth failure in a row locks the name for one second, each further one for twice as long, up to 15 minutes. Attempts
during a lock are answered `Password attempts exceeded` without looking at the password, and do not lengthen it. After
15 quiet minutes the count starts anew; a good password clears it.

The count is kept per name as it is looked up, whether or not somebody has it, so that a lock says nothing about that.
It is asked twice: before the work, to save it, and after a good password, because of many guesses sent at the same
moment only those that finish before the lock may count (`SignInStore.forget_failures`, `settle_challenge`).

Source: Cognito Developer Guide, "User pool authentication flow", on lockout behaviour.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from velvetrope.store.tables.userpools import StoredUser, UserPool
from velvetrope.store.tables.userpools_sign_in import Attempts, NewFamily, Settled, SignInStore, attempts_key
from velvetrope.userpools.errors import UserPoolError, attempts_exceeded, wrong_credentials
from velvetrope.userpools.workers import Workers

__all__ = ["LOCKS", "QUIET_FOR", "BackOff", "check_attempts", "is_locked"]

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

    def __init__(self, store: SignInStore, workers: Workers) -> None:
        self._store = store
        self._workers = workers

    async def check_not_locked(self, pool: UserPool, username_key: str, *, now: datetime) -> None:
        """
        Raises:
            NotAuthorizedException: the name is locked.
        """
        check_attempts(await self._store.load_attempts(pool.id, attempts_key(username_key)), now=now)

    async def settle(
        self,
        pool: UserPool,
        username_key: str,
        challenge_id: str,
        *,
        expires_at: datetime,
        right: Callable[[StoredUser | None], bool],
        refusal: Callable[[StoredUser | None], UserPoolError],
        now: datetime,
        begins: Callable[[StoredUser], NewFamily | None] | None = None,
        kept: Callable[[], None] | None = None,
    ) -> StoredUser | None:
        """Spend a challenge that is worth one answer, and count that answer, in one transaction. Returns the user.

        `right` says whether the answer is, for the user as they are in that transaction; `refusal` what to say
        otherwise. `begins` names the family of tokens that a right answer begins in the same transaction, if it does;
        `kept` is called in the same visit to a worker once that was written; nobody is answered before it is committed.

        Raises:
            NotAuthorizedException: the name is locked, or the challenge was answered before.
            UserPoolError: `refusal`'s.
        """

        def settle() -> Settled:
            settled = self._store.settle_challenge(
                challenge_id,
                expires_at=expires_at,
                user_pool_id=pool.id,
                username_key=username_key,
                right=right,
                now=now,
                locks=LOCKS,
                forget_after=QUIET_FOR,
                begins=begins,
            )
            if kept is not None and settled.begun is not None:
                kept()
            return settled

        await self._store.forget_old(now)
        settled = await self._workers.brief(settle)
        match settled.outcome:
            case "right":
                return settled.found
            case "spent_before":
                raise wrong_credentials("the secret block has been used")
            case "locked":
                raise attempts_exceeded()
            case "wrong":
                raise refusal(settled.found)

    async def failed(self, pool: UserPool, username_key: str, *, now: datetime) -> None:
        """A wrong password for this name."""
        await self._store.record_failure(
            pool.id, attempts_key(username_key), now=now, locks=LOCKS, forget_after=QUIET_FOR
        )

    async def succeeded(self, pool: UserPool, username_key: str, *, now: datetime) -> None:
        """A good password for this name.

        Raises:
            NotAuthorizedException: the name was locked meanwhile, so the password does not count.
        """
        if not await self._store.forget_failures(pool.id, attempts_key(username_key), now=now):
            raise attempts_exceeded()


def check_attempts(attempts: Attempts | None, *, now: datetime) -> None:
    """`check_not_locked`, for failures that were loaded with the user.

    Raises:
        NotAuthorizedException: the name is locked.
    """
    if is_locked(attempts, now=now):
        raise attempts_exceeded()


def is_locked(attempts: Attempts | None, *, now: datetime) -> bool:
    """Whether no attempt is looked at, after these failures."""
    return attempts is not None and now < attempts.locked_until
