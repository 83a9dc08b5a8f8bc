"""Failed attempts, counted per name as it was presented, whether or not somebody has it.

A count belongs to a pool and the hash of a name, and grows and locks in one statement
(`userpools.passwords.back_off` says for how long). Rows that can matter no more are removed by a later write.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    Column,
    Integer,
    String,
    Table,
    and_,
    bindparam,
    case,
    delete,
    insert,
    literal,
    or_,
    select,
    update,
)

from velvetrope.store.columns import UtcTime
from velvetrope.store.database import Connection, Database
from velvetrope.store.schema import METADATA
from velvetrope.store.visits import Prepared, Visit

__all__ = [
    "ATTEMPT_COLUMNS",
    "AttemptStore",
    "Attempts",
    "attempts",
    "attempts_key",
    "clear_attempts",
    "count_failure",
]


@dataclass(frozen=True, slots=True)
class Attempts:
    """Failures so far in one row, and until when no further attempt is looked at."""

    failures: int
    locked_until: datetime
    last_failure_at: datetime


attempts = Table(
    "userpools_attempts",
    METADATA,
    Column("user_pool_id", String(55), primary_key=True),
    Column("name_hash", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("locked_until", UtcTime, nullable=False),
    Column("last_failure_at", UtcTime, nullable=False, index=True),
)

_MY_ATTEMPTS = and_(
    attempts.c.user_pool_id == bindparam("user_pool_id_"), attempts.c.name_hash == bindparam("name_hash_")
)
ATTEMPT_COLUMNS = (attempts.c.failures, attempts.c.locked_until, attempts.c.last_failure_at)
"""What `Attempts` are made of, in its order."""
_LOAD_ATTEMPTS = Prepared(select(*ATTEMPT_COLUMNS).where(_MY_ATTEMPTS))
_CLEAR_ATTEMPTS = Prepared(
    delete(attempts).where(_MY_ATTEMPTS, attempts.c.locked_until <= bindparam("now", type_=UtcTime()))
)


class AttemptStore:
    """Counts, one method one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_attempts(self, user_pool_id: str, name_hash: str) -> Attempts | None:
        return await self._database.read_at_once(lambda visit: attempts_of(visit, user_pool_id, name_hash))

    async def record_failure(
        self,
        user_pool_id: str,
        name_hash: str,
        *,
        now: datetime,
        locks: Collection[timedelta],
        forget_after: timedelta,
    ) -> int | None:
        """Count one failure and lock: the n-th in a row for `locks[n - 1]`, further ones for as long as the last.

        A failure while locked does not count, and neither do ones older than `forget_after`: it starts from one again.
        The answer is which in a row it was; None if it did not count.
        """
        return await self._database.write_at_once(
            lambda visit: count_failure(visit, user_pool_id, name_hash, now, list(locks), forget_after)
        )

    async def forget_failures(self, user_pool_id: str, name_hash: str, *, now: datetime) -> bool:
        """Clear the count after a good password; False if the name is locked at `now`, and then nothing changes.

        Asked after the password was checked: of many guesses sent at once, those that finish after the lock was set are
        refused, the right one too.
        """
        if await self.load_attempts(user_pool_id, name_hash) is None:
            return True
        return await self._database.write_at_once(
            lambda visit: _clear_unless_locked(visit, user_pool_id, name_hash, now)
        )


def attempts_key(username_key: str, what: str | None = None) -> str:
    """Under what failures of a name are kept: names of strangers can be of any length, the table's keys cannot.

    `what` is counted apart from passwords. No name has U+0000 in it (`userpools.directory.username_form`), so that
    nobody is called by what is counted of somebody else: they would fill that count, or clear it by signing in.
    """
    return hashlib.sha256((username_key if what is None else f"{what}\0{username_key}").encode()).hexdigest()


def attempts_of(visit: Visit, user_pool_id: str, name_hash: str) -> Attempts | None:
    """Part of a reading: the failures of one name."""
    row = visit.one(_LOAD_ATTEMPTS, _mine(user_pool_id, name_hash))
    return None if row is None else Attempts(*row)


def clear_attempts(visit: Visit, user_pool_id: str, name_hash: str, now: datetime) -> bool:
    """Part of a writing: the failures of a name are over; False if it is locked at `now`, and then nothing changes."""
    return visit.change(_CLEAR_ATTEMPTS, {**_mine(user_pool_id, name_hash), "now": now}) == 1


def count_failure(
    visit: Visit,
    user_pool_id: str,
    name_hash: str,
    now: datetime,
    locks: list[timedelta],
    forget_after: timedelta,
) -> int | None:
    """Part of a writing: see `AttemptStore.record_failure`."""
    quiet = attempts.c.last_failure_at <= now - forget_after
    counted = case((quiet, 1), else_=attempts.c.failures + 1)
    until = case(
        *((counted == n, literal(now + lock, UtcTime())) for n, lock in enumerate(locks, start=1)),
        else_=literal(now + locks[-1], UtcTime()),
    )
    mine = (attempts.c.user_pool_id == user_pool_id, attempts.c.name_hash == name_hash)
    changed = visit.execute(
        update(attempts)
        .where(*mine, or_(attempts.c.locked_until <= now, quiet))
        .values(failures=counted, locked_until=until, last_failure_at=now)
        .returning(attempts.c.failures)
    )
    count: int | None = changed.scalar_one_or_none()
    if count is not None:
        return count
    if visit.execute(select(attempts.c.failures).where(*mine)).one_or_none() is not None:
        return None  # locked: the attempt was not looked at, so it does not lengthen the lock
    visit.execute(delete(attempts).where(attempts.c.last_failure_at <= now - forget_after))
    visit.execute(
        insert(attempts).values(
            user_pool_id=user_pool_id,
            name_hash=name_hash,
            failures=1,
            locked_until=now + locks[0],
            last_failure_at=now,
        )
    )
    return 1


async def delete_of_pool(connection: Connection, user_pool_id: str) -> None:
    """Forget every failed attempt of the pool."""
    await connection.execute(delete(attempts).where(attempts.c.user_pool_id == user_pool_id))


def _clear_unless_locked(visit: Visit, user_pool_id: str, name_hash: str, now: datetime) -> bool:
    counted = attempts_of(visit, user_pool_id, name_hash)
    return counted is None or clear_attempts(visit, user_pool_id, name_hash, now)


def _mine(user_pool_id: str, name_hash: str) -> dict[str, str]:
    return {"user_pool_id_": user_pool_id, "name_hash_": name_hash}
