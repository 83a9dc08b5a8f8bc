"""What signing in leaves behind: token families and refresh tokens; and the face of what else it changes.

A family is one sign-in: everything issued from it, over any number of refreshes, shares its `origin_jti` and dies with
it. Refresh tokens are kept as SHA-256 of a value with 256 bits of entropy, which nobody can search for. Under rotation
a token is spent once by a conditional update; a second use, after the grace period, ends the whole family (RFC 9700
section 4.14.2).

Spent challenges and failed attempts are kept in the files of those names beside this one. Rows that can matter no more
are removed by a later write, one a minute.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Index,
    String,
    Table,
    and_,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from velvetrope.store.columns import Record, UtcTime
from velvetrope.store.database import Connection, Database
from velvetrope.store.intervals import Interval
from velvetrope.store.schema import METADATA
from velvetrope.store.tables import userpools_attempts
from velvetrope.store.tables.userpools_attempts import Attempts, attempts_key
from velvetrope.store.tables.userpools_challenges import ChallengeStore, Settled
from velvetrope.store.visits import Prepared, Visit

__all__ = ["Attempts", "Rotation", "Settled", "SignInStore", "TokenFamily", "attempts_key"]

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
    used_at: datetime | None = None
    """When it was refreshed last, in pools that track sessions."""

    @property
    def last_active_at(self) -> datetime:
        return self.used_at or self.authenticated_at


@dataclass(frozen=True, slots=True)
class Rotation:
    """What became of a refresh token that was presented for rotation.

    `rotated`: it was current, or spent within the grace period; the new token is good. `reused`: it had been spent
    before; the family is revoked now. `not_current`: unknown, or its family is revoked or expired; nothing changed.
    """

    outcome: Literal["rotated", "reused", "not_current"]
    family: TokenFamily | None = None


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


# What every sign-in asks, built once: building a statement costs more than running it.
_OLD_FAMILIES = Prepared(delete(families).where(families.c.forget_at <= bindparam("now", type_=UtcTime())))
_OLD_TOKENS = Prepared(delete(refresh_tokens).where(refresh_tokens.c.forget_at <= bindparam("now", type_=UtcTime())))
_NEW_FAMILY = Prepared(
    insert(families), "origin_jti", "user_pool_id", "client_id", "sub", "device_key", "forget_at", "record"
)
_NEW_TOKEN = Prepared(insert(refresh_tokens), "token_hash", "origin_jti", "forget_at")


class SignInStore(ChallengeStore):
    """Everything that a sign-in changes, one method one transaction."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._pruning_families = Interval(_PRUNED_EVERY)

    # Token families

    def create_family(
        self, family: TokenFamily, *, token_hash: str | None, now: datetime, most: int | None = None
    ) -> None:
        """Keep a new family, with its first refresh token if it has one.

        With `most`, so many of the user's families stand afterwards: those that were not used for longest end before.
        (Of two that begin at once on two nodes neither sees the other; the next one makes up for it.)

        In the caller's thread, which waits for its turn (`Database.write_here`) and for the disk.
        """
        forget_at = family.expires_at + _LONGEST_ACCESS_TOKEN
        prune = self._pruning_families.is_due(now)

        def create(visit: Visit) -> None:
            if prune:
                visit.change(_OLD_FAMILIES, {"now": now})
                visit.change(_OLD_TOKENS, {"now": now})
            if most is not None:
                _end_least_used(visit, family.user_pool_id, family.sub, keep=most - 1, now=now)
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

        self._database.write_here(create)

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

    async def mark_used(self, origin_jti: str, *, now: datetime) -> None:
        """Keep that the family was used."""
        this = families.c.origin_jti == origin_jti
        async with self._database.transaction() as tx:
            found = await tx.connection.execute(select(families.c.record).where(this).with_for_update())
            record: TokenFamily | None = found.scalar_one_or_none()
            if record is not None:
                used = msgspec.structs.replace(record, used_at=now)
                await tx.connection.execute(update(families).where(this).values(record=used))

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


def _end_least_used(visit: Visit, user_pool_id: str, sub: str, *, keep: int, now: datetime) -> None:
    """End all but `keep` of the user's standing families: those whose last use is longest ago."""
    theirs = and_(families.c.user_pool_id == user_pool_id, families.c.sub == sub, families.c.revoked_at.is_(None))
    rows = visit.execute(select(families.c.record).where(theirs)).scalars()
    standing = sorted((one for one in rows if now < one.expires_at), key=lambda one: one.last_active_at, reverse=True)
    for family in standing[keep:]:
        visit.execute(update(families).where(families.c.origin_jti == family.origin_jti).values(revoked_at=now))


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
    await userpools_attempts.delete_of_pool(connection, user_pool_id)


async def _forget(connection: Connection, which: ColumnElement[bool]) -> None:
    theirs = select(families.c.origin_jti).where(which)
    await connection.execute(delete(refresh_tokens).where(refresh_tokens.c.origin_jti.in_(theirs)))
    await connection.execute(delete(families).where(which))
