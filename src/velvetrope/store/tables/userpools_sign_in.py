"""What signing in leaves behind: token families, refresh tokens, spent challenges and failed attempts.

A family is one sign-in: everything issued from it, over any number of refreshes, shares its `origin_jti` and dies with
it. Refresh tokens are kept as SHA-256 of a value with 256 bits of entropy, which nobody can search for. Under rotation
a token is spent once by a conditional update; a second use, after the grace period, ends the whole family (RFC 9700
section 4.14.2).

Challenges (SRP secret blocks, challenge sessions) carry their own state, sealed; what is kept here is only that one has
been used, until it would have expired anyway. Failed attempts are counted per user name as presented, whether or not
there is such a user. Rows that can matter no more are removed by a later write, one a minute.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Index,
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
from sqlalchemy.exc import IntegrityError

from velvetrope.store.columns import Record, UtcTime
from velvetrope.store.database import Connection, Database
from velvetrope.store.schema import METADATA
from velvetrope.store.visits import Prepared, Visit

__all__ = ["Attempts", "Rotation", "SignInStore", "TokenFamily", "attempts_key", "attempts_of"]

_PRUNED_EVERY = timedelta(minutes=1)
_LONGEST_ACCESS_TOKEN = timedelta(days=1)
"""A family is remembered this long after its last refresh token, since its access tokens are judged by it."""


class TokenFamily(msgspec.Struct, frozen=True, kw_only=True):
    """One sign-in and what tokens issued from it say. `expires_at` ends its refresh tokens, rotated ones too."""

    origin_jti: str
    user_pool_id: str
    client_id: str
    sub: str
    scopes: tuple[str, ...]
    authenticated_at: datetime
    expires_at: datetime
    device_key: str | None = None
    """The device that signed in; a refresh has to name it."""
    hosted: bool = False
    """Signed in through the hosted pages, whose access tokens say `version` 2."""
    resource: str | None = None
    """Whom the access tokens are for (`aud`), where the app has said so."""
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rotation:
    """What became of a refresh token that was presented for rotation.

    `rotated`: it was current, or spent within the grace period; the new token is good. `reused`: it had been spent
    before; the family is revoked now. `not_current`: unknown, or its family is revoked or expired; nothing changed.
    """

    outcome: Literal["rotated", "reused", "not_current"]
    family: TokenFamily | None = None


@dataclass(frozen=True, slots=True)
class Attempts:
    """Failures so far in one row, and until when no further attempt is looked at."""

    failures: int
    locked_until: datetime
    last_failure_at: datetime


families = Table(
    "userpools_token_families",
    METADATA,
    Column("origin_jti", String(36), primary_key=True),
    Column("user_pool_id", String(55), nullable=False),
    Column("client_id", String(128), nullable=False, index=True),
    Column("sub", String(36), nullable=False),
    Column("device_key", String(55)),
    Column("revoked_at", UtcTime),
    Column("forget_at", UtcTime, nullable=False, index=True),
    Column("record", Record(TokenFamily), nullable=False),
    Index("userpools_token_families_user", "user_pool_id", "sub"),
)
refresh_tokens = Table(
    "userpools_refresh_tokens",
    METADATA,
    Column("token_hash", String(64), primary_key=True),
    Column("origin_jti", String(36), nullable=False, index=True),
    Column("spent_at", UtcTime),
    Column("forget_at", UtcTime, nullable=False, index=True),
)
spent_challenges = Table(
    "userpools_spent_challenges",
    METADATA,
    Column("challenge_id", String(64), primary_key=True),
    Column("expires_at", UtcTime, nullable=False, index=True),
)
attempts = Table(
    "userpools_attempts",
    METADATA,
    Column("user_pool_id", String(55), primary_key=True),
    Column("name_hash", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("locked_until", UtcTime, nullable=False),
    Column("last_failure_at", UtcTime, nullable=False, index=True),
)


# What every sign-in asks, built once: building a statement costs more than running it.
_OLD_CHALLENGES = Prepared(
    delete(spent_challenges).where(spent_challenges.c.expires_at <= bindparam("now", type_=UtcTime()))
)
_NEW_CHALLENGE = Prepared(insert(spent_challenges), "challenge_id", "expires_at")
_MY_ATTEMPTS = and_(
    attempts.c.user_pool_id == bindparam("user_pool_id_"), attempts.c.name_hash == bindparam("name_hash_")
)
_LOAD_ATTEMPTS = Prepared(
    select(attempts.c.failures, attempts.c.locked_until, attempts.c.last_failure_at).where(_MY_ATTEMPTS)
)
_CLEAR_ATTEMPTS = Prepared(
    delete(attempts).where(_MY_ATTEMPTS, attempts.c.locked_until <= bindparam("now", type_=UtcTime()))
)
_OLD_FAMILIES = Prepared(delete(families).where(families.c.forget_at <= bindparam("now", type_=UtcTime())))
_OLD_TOKENS = Prepared(delete(refresh_tokens).where(refresh_tokens.c.forget_at <= bindparam("now", type_=UtcTime())))
_NEW_FAMILY = Prepared(
    insert(families), "origin_jti", "user_pool_id", "client_id", "sub", "device_key", "forget_at", "record"
)
_NEW_TOKEN = Prepared(insert(refresh_tokens), "token_hash", "origin_jti", "forget_at")


class SignInStore:
    """Everything of this file, one method one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pruned_at: dict[str, datetime] = {}

    def _is_time_to_prune(self, what: Literal["challenges", "families"], now: datetime) -> bool:
        """Whether this write removes what matters no more: the first of a process, and then one a minute."""
        pruned_at = self._pruned_at.get(what)
        if pruned_at is not None and abs(now - pruned_at) < _PRUNED_EVERY:
            return False
        self._pruned_at[what] = now
        return True

    # Challenges

    async def spend_challenge(self, challenge_id: str, *, expires_at: datetime, now: datetime) -> bool:
        """Whether this caller is the one who may use the challenge. True exactly once per id, until it expires."""
        prune = self._is_time_to_prune("challenges", now)
        try:
            await self._database.write_at_once(lambda visit: _spend(visit, challenge_id, expires_at, now, prune=prune))
        except IntegrityError:
            return False
        return True

    async def settle_challenge(
        self,
        challenge_id: str,
        *,
        expires_at: datetime,
        user_pool_id: str,
        name_hash: str,
        right: bool,
        now: datetime,
        locks: Collection[timedelta],
        forget_after: timedelta,
    ) -> Literal["settled", "spent_before", "locked"]:
        """Spend a challenge whose answer is `right` or not, and count that, in one transaction.

        `spent_before`: by another answer; this one is not counted. `locked`: it was right, and the name was locked
        meanwhile, so that it does not count (`forget_failures`).

        It does not wait for the disk. A power cut may take a wrong answer's count and the spending of a challenge that
        lives a minute; of a right answer nothing, since the tokens' family is kept after it and waits for both.
        """

        prune = self._is_time_to_prune("challenges", now)

        def settle(visit: Visit) -> bool:
            _spend(visit, challenge_id, expires_at, now, prune=prune)
            if right:
                return _forget_failures(visit, user_pool_id, name_hash, now)
            _record_failure(visit, user_pool_id, name_hash, now, list(locks), forget_after)
            return True

        try:
            return "settled" if await self._database.write_at_once(settle, waits_for_disk=False) else "locked"
        except IntegrityError:
            return "spent_before"

    # Failed attempts

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
            lambda visit: _record_failure(visit, user_pool_id, name_hash, now, list(locks), forget_after)
        )

    async def forget_failures(self, user_pool_id: str, name_hash: str, *, now: datetime) -> bool:
        """Clear the count after a good password; False if the name is locked at `now`, and then nothing changes.

        Asked after the password was checked: of many guesses sent at once, those that finish after the lock was set are
        refused, the right one too.
        """
        if await self.load_attempts(user_pool_id, name_hash) is None:
            return True
        return await self._database.write_at_once(lambda visit: _forget_failures(visit, user_pool_id, name_hash, now))

    # Token families

    async def create_family(self, family: TokenFamily, *, token_hash: str | None, now: datetime) -> None:
        """Keep a new family, with its first refresh token if it has one."""
        forget_at = family.expires_at + _LONGEST_ACCESS_TOKEN
        prune = self._is_time_to_prune("families", now)

        def create(visit: Visit) -> None:
            if prune:
                visit.change(_OLD_FAMILIES, {"now": now})
                visit.change(_OLD_TOKENS, {"now": now})
            visit.change(
                _NEW_FAMILY,
                {
                    "origin_jti": family.origin_jti,
                    "user_pool_id": family.user_pool_id,
                    "client_id": family.client_id,
                    "sub": family.sub,
                    "device_key": family.device_key,
                    "forget_at": forget_at,
                    "record": family,
                },
            )
            if token_hash is not None:
                given = {"token_hash": token_hash, "origin_jti": family.origin_jti, "forget_at": forget_at}
                visit.change(_NEW_TOKEN, given)

        await self._database.write_at_once(create)

    async def load_family(self, origin_jti: str) -> TokenFamily | None:
        async with self._database.read() as connection:
            return await _one_family(connection, origin_jti)

    async def load_family_of_token(self, token_hash: str) -> TokenFamily | None:
        """The family of a refresh token, current or spent, revoked or not."""
        async with self._database.read() as connection:
            row = (
                await connection.execute(
                    select(refresh_tokens.c.origin_jti).where(refresh_tokens.c.token_hash == token_hash)
                )
            ).one_or_none()
            return None if row is None else await _one_family(connection, row.origin_jti)

    async def load_family_of_current_token(self, token_hash: str) -> TokenFamily | None:
        """The family of a refresh token that has not been spent by rotation."""
        async with self._database.read() as connection:
            row = (
                await connection.execute(
                    select(refresh_tokens.c.origin_jti).where(
                        refresh_tokens.c.token_hash == token_hash, refresh_tokens.c.spent_at.is_(None)
                    )
                )
            ).one_or_none()
            return None if row is None else await _one_family(connection, row.origin_jti)

    async def rotate_refresh_token(
        self, token_hash: str, *, new_token_hash: str, client_id: str, now: datetime, grace: timedelta
    ) -> Rotation:
        """Spend one refresh token for the next. Of racing callers one spends it; see `Rotation` for the others."""
        this_token = refresh_tokens.c.token_hash == token_hash
        async with self._database.transaction() as tx:
            row = (
                await tx.connection.execute(
                    select(refresh_tokens.c.origin_jti, refresh_tokens.c.spent_at, refresh_tokens.c.forget_at).where(
                        this_token
                    )
                )
            ).one_or_none()
            family = None if row is None else await _one_family(tx.connection, row.origin_jti)
            if row is None or family is None or family.client_id != client_id:
                return Rotation("not_current")
            if family.revoked_at is not None or family.expires_at <= now:
                return Rotation("not_current", family)
            spent = await tx.connection.execute(
                update(refresh_tokens)
                .where(this_token, refresh_tokens.c.spent_at.is_(None))
                .values(spent_at=now)
                .returning(refresh_tokens.c.token_hash)
            )
            if spent.one_or_none() is None:
                first_spent_at = (
                    await tx.connection.execute(select(refresh_tokens.c.spent_at).where(this_token))
                ).scalar_one()
                # Without grace there is none for whoever came first and was served second either: `now` is from before.
                if not grace or first_spent_at is None or now >= first_spent_at + grace:
                    await _revoke(tx.connection, family, now)
                    return Rotation("reused", family)
            await tx.connection.execute(
                insert(refresh_tokens).values(
                    token_hash=new_token_hash, origin_jti=family.origin_jti, forget_at=row.forget_at
                )
            )
        return Rotation("rotated", family)

    async def load_families_of_user(
        self, user_pool_id: str, sub: str, *, now: datetime, limit: int
    ) -> Sequence[TokenFamily]:
        """Up to `limit` families of the user that stand at `now`, the newest first."""
        theirs = and_(families.c.user_pool_id == user_pool_id, families.c.sub == sub, families.c.revoked_at.is_(None))
        async with self._database.read() as connection:
            rows = (await connection.execute(select(families.c.record).where(theirs))).scalars()
            standing = [family for family in rows if now < family.expires_at]
        return sorted(standing, key=lambda family: family.authenticated_at, reverse=True)[:limit]

    async def revoke_family(self, origin_jti: str, *, now: datetime) -> bool:
        """End the family and all its tokens; False if it is not there or was ended before."""
        async with self._database.transaction() as tx:
            family = await _one_family(tx.connection, origin_jti)
            if family is None or family.revoked_at is not None:
                return False
            await _revoke(tx.connection, family, now)
        return True


def attempts_key(username_key: str) -> str:
    """Under what failures of a name are kept: names of strangers can be of any length, the table's keys cannot."""
    return hashlib.sha256(username_key.encode()).hexdigest()


def attempts_of(visit: Visit, user_pool_id: str, name_hash: str) -> Attempts | None:
    """Part of a reading: the failures of one name."""
    row = visit.one(_LOAD_ATTEMPTS, _mine(user_pool_id, name_hash))
    return None if row is None else Attempts(*row)


def _mine(user_pool_id: str, name_hash: str) -> dict[str, str]:
    return {"user_pool_id_": user_pool_id, "name_hash_": name_hash}


def _spend(visit: Visit, challenge_id: str, expires_at: datetime, now: datetime, *, prune: bool) -> None:
    """Raises IntegrityError where somebody did before."""
    if prune:
        visit.change(_OLD_CHALLENGES, {"now": now})
    visit.change(_NEW_CHALLENGE, {"challenge_id": challenge_id, "expires_at": expires_at})


def _forget_failures(visit: Visit, user_pool_id: str, name_hash: str, now: datetime) -> bool:
    mine = _mine(user_pool_id, name_hash)
    if visit.one(_LOAD_ATTEMPTS, mine) is None:
        return True
    return visit.change(_CLEAR_ATTEMPTS, {**mine, "now": now}) == 1


def _record_failure(
    visit: Visit,
    user_pool_id: str,
    name_hash: str,
    now: datetime,
    locks: list[timedelta],
    forget_after: timedelta,
) -> int | None:
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


async def _one_family(connection: Connection, origin_jti: str) -> TokenFamily | None:
    row = (
        await connection.execute(
            select(families.c.record, families.c.revoked_at).where(families.c.origin_jti == origin_jti)
        )
    ).one_or_none()
    return None if row is None else msgspec.structs.replace(row.record, revoked_at=row.revoked_at)


async def _revoke(connection: Connection, family: TokenFamily, now: datetime) -> None:
    await connection.execute(
        update(families)
        .where(families.c.origin_jti == family.origin_jti, families.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )


# Parts of the transactions of `userpools.UserPoolStore`


async def revoke_of_user(connection: Connection, user_pool_id: str, sub: str, now: datetime) -> None:
    """End every session of the user."""
    await connection.execute(
        update(families)
        .where(families.c.user_pool_id == user_pool_id, families.c.sub == sub, families.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )


async def revoke_of_device(connection: Connection, user_pool_id: str, sub: str, device_key: str, now: datetime) -> None:
    """End every session that the user began with the device."""
    await connection.execute(
        update(families)
        .where(
            families.c.user_pool_id == user_pool_id,
            families.c.sub == sub,
            families.c.device_key == device_key,
            families.c.revoked_at.is_(None),
        )
        .values(revoked_at=now)
    )


async def delete_of_user(connection: Connection, user_pool_id: str, sub: str) -> None:
    """Forget every session of the user; a token whose family is not there is dead."""
    await _forget(connection, and_(families.c.user_pool_id == user_pool_id, families.c.sub == sub))


async def delete_of_client(connection: Connection, client_id: str) -> None:
    """Forget every session that was started through the client."""
    await _forget(connection, families.c.client_id == client_id)


async def delete_of_pool(connection: Connection, user_pool_id: str) -> None:
    """Forget every session and every failed attempt of the pool."""
    await _forget(connection, families.c.user_pool_id == user_pool_id)
    await connection.execute(delete(attempts).where(attempts.c.user_pool_id == user_pool_id))


async def _forget(connection: Connection, which: ColumnElement[bool]) -> None:
    theirs = select(families.c.origin_jti).where(which)
    await connection.execute(delete(refresh_tokens).where(refresh_tokens.c.origin_jti.in_(theirs)))
    await connection.execute(delete(families).where(which))
