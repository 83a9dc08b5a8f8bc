"""Challenges that have been answered, so that none is answered twice.

Challenges (SRP secret blocks, challenge sessions) carry their own state, sealed (`userpools.challenges`); what is kept
here is only that one has been used, until it would have expired anyway and nobody can still be answering it: an answer
is judged by the time at which it came in, and may be spent seconds later, when a trigger has been asked.
"""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from sqlalchemy import Column, String, Table, bindparam, delete, insert
from sqlalchemy.exc import IntegrityError

from velvetrope.store.columns import UtcTime
from velvetrope.store.database import Database
from velvetrope.store.intervals import Interval
from velvetrope.store.schema import METADATA
from velvetrope.store.tables.userpools_attempts import AttemptStore, attempts_key, clear_attempts, count_failure
from velvetrope.store.tables.userpools_directory import user_and_attempts
from velvetrope.store.tables.userpools_families import NewFamily, forget_old_families, keep_family
from velvetrope.store.tables.userpools_users import StoredUser
from velvetrope.store.visits import Prepared, Visit

__all__ = ["ChallengeStore", "Settled"]

_FORGOTTEN_EVERY = timedelta(minutes=1)
_ANSWERED_LATE = timedelta(minutes=5)
"""How long after its end a challenge is kept: longer than any call takes that came in before it."""

spent_challenges = Table(
    "userpools_spent_challenges",
    METADATA,
    Column("challenge_id", String(64), primary_key=True),
    # Not indexed: rows live for some minutes, and are looked through once in a minute.
    Column("expires_at", UtcTime, nullable=False),
    sqlite_with_rowid=False,
)

_OLD_CHALLENGES = Prepared(
    delete(spent_challenges).where(spent_challenges.c.expires_at <= bindparam("end", type_=UtcTime()))
)
_NEW_CHALLENGE = Prepared(insert(spent_challenges), "challenge_id", "expires_at")


class Settled(msgspec.Struct, frozen=True):
    """What became of an answer, and the user as they were then.

    `right` and `wrong` were counted; `begun` is the family that a right one began in the same transaction.
    `spent_before`: by another answer; this one was not looked at, and nobody was looked up. `locked`: the name is;
    nothing was looked at and nothing spent.
    """

    outcome: Literal["right", "wrong", "spent_before", "locked"]
    found: StoredUser | None
    begun: NewFamily | None = None


class ChallengeStore(AttemptStore):
    """Spends challenges and counts attempts, one method one transaction."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._forgetting = Interval(_FORGOTTEN_EVERY)

    async def forget_old(self, now: datetime) -> None:
        """Remove, once a minute, spent challenges and families that can matter no more.

        Asked before what is written in a sign-in, and in a visit of its own: many rows take their time.
        """
        if self._forgetting.is_due(now):
            await self._database.write_at_once(lambda visit: _forget_old(visit, now), waits_for_disk=False)

    async def spend_challenge(self, challenge_id: str, *, expires_at: datetime, now: datetime) -> bool:
        """Whether this caller is the one who may use the challenge. True exactly once per id, until it expires."""
        await self.forget_old(now)
        try:
            await self._database.write_at_once(lambda visit: _spend(visit, challenge_id, expires_at))
        except IntegrityError:
            return False
        return True

    def settle_challenge(
        self,
        challenge_id: str,
        *,
        expires_at: datetime,
        user_pool_id: str,
        username_key: str,
        right: Callable[[StoredUser | None], bool],
        now: datetime,
        locks: Collection[timedelta],
        forget_after: timedelta,
        begins: Callable[[StoredUser], NewFamily | None] | None = None,
    ) -> Settled:
        """Spend a challenge that is worth one answer, and count whether it is `right` for the user as they are now.

        All in one transaction, so that of answers sent at the same moment none is looked at once the others have
        locked the name; a locked name keeps its challenge.

        `begins` says which family begins with a right answer, if nothing else is to be shown: it is kept in the same
        transaction. It must not raise, or the challenge could be answered again.

        In the caller's thread, which waits for its turn (`Database.write_here`), or in brief work (`Database.brief`).
        Where a family may begin it waits for the disk. Elsewhere a power cut may take a wrong answer's count and the
        spending of a challenge that lives a minute; of a right answer nothing, since the tokens' family is kept after
        it and waits for both.
        """

        def settle(visit: Visit) -> Settled:
            found, counted = user_and_attempts(visit, user_pool_id, username_key)
            if counted is not None and now < counted.locked_until:
                return Settled("locked", found)
            _spend(visit, challenge_id, expires_at)
            if not right(found):
                count_failure(visit, user_pool_id, attempts_key(username_key), now, list(locks), forget_after)
                return Settled("wrong", found)
            if counted is not None:
                clear_attempts(visit, user_pool_id, attempts_key(username_key), now)
            begun = None if begins is None or found is None else begins(found)
            if begun is not None:
                keep_family(visit, begun, now)
            return Settled("right", found, begun)

        try:
            return self._database.write_here(settle, waits_for_disk=begins is not None)
        except IntegrityError:
            return Settled("spent_before", None)


def _forget_old(visit: Visit, now: datetime) -> None:
    visit.change(_OLD_CHALLENGES, {"end": now - _ANSWERED_LATE})
    forget_old_families(visit, now)


def _spend(visit: Visit, challenge_id: str, expires_at: datetime) -> None:
    """Raises IntegrityError where somebody did before."""
    visit.change(_NEW_CHALLENGE, {"challenge_id": challenge_id, "expires_at": expires_at})
