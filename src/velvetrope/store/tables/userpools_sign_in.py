"""What becomes of a sign-in: its tokens are refreshed, rotated and ended; and the face of what else signing in changes.

Under rotation a refresh token is spent once by a conditional update; a second use, after the grace period, ends the
whole family (RFC 9700 section 4.14.2). Families themselves, spent challenges and failed attempts are kept in the files
of those names beside this one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from sqlalchemy import ColumnElement, and_, delete, insert, select, update

from velvetrope.store.database import Connection
from velvetrope.store.tables import userpools_attempts
from velvetrope.store.tables.userpools_attempts import Attempts, attempts_key
from velvetrope.store.tables.userpools_challenges import ChallengeStore, Settled
from velvetrope.store.tables.userpools_families import (
    FAMILY_COLUMNS,
    NewFamily,
    TokenFamily,
    families,
    family_of,
    keep_family,
    record_of,
    refresh_tokens,
)

__all__ = ["Attempts", "NewFamily", "Rotation", "Settled", "SignInStore", "TokenFamily", "attempts_key"]


@dataclass(frozen=True, slots=True)
class Rotation:
    """What became of a refresh token that was presented for rotation.

    `rotated`: it was current, or spent within the grace period; the new token is good. `reused`: it had been spent
    before; the family is revoked now. `not_current`: unknown, or its family is revoked or expired; nothing changed.
    """

    outcome: Literal["rotated", "reused", "not_current"]
    family: TokenFamily | None = None


class SignInStore(ChallengeStore):
    """Everything that a sign-in changes, one method one transaction."""

    # Token families

    def create_family(self, new: NewFamily, *, now: datetime) -> None:
        """Keep a family, with its first refresh token if it has one.

        In the caller's thread, which waits for its turn (`Database.write_here`), or in brief work (`Database.brief`);
        both wait for the disk.
        """
        self._database.write_here(lambda visit: keep_family(visit, new, now))

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
            found = await tx.connection.execute(select(*FAMILY_COLUMNS).where(this).with_for_update())
            row = found.one_or_none()
            if row is not None:
                used = msgspec.structs.replace(family_of(row), used_at=now)
                await tx.connection.execute(update(families).where(this).values(record=record_of(used)))

    async def load_families_of_user(
        self, user_pool_id: str, sub: str, *, now: datetime, limit: int
    ) -> Sequence[TokenFamily]:
        """Up to `limit` families of the user that stand at `now`, the newest first."""
        theirs = and_(families.c.user_pool_id == user_pool_id, families.c.sub == sub, families.c.revoked_at.is_(None))
        async with self._database.read() as connection:
            found = map(family_of, await connection.execute(select(*FAMILY_COLUMNS).where(theirs)))
            standing = [family for family in found if now < family.expires_at]
        return sorted(standing, key=lambda family: family.authenticated_at, reverse=True)[:limit]

    async def revoke_family(self, origin_jti: str, *, now: datetime) -> bool:
        """End the family and all its tokens; False if it is not there or was ended before."""
        async with self._database.transaction() as tx:
            family = await _one_family(tx.connection, origin_jti)
            if family is None or family.revoked_at is not None:
                return False
            await _revoke(tx.connection, family, now)
        return True


async def _one_family(connection: Connection, origin_jti: str) -> TokenFamily | None:
    statement = select(*FAMILY_COLUMNS).where(families.c.origin_jti == origin_jti)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else family_of(row)


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


async def delete_of_client(connection: Connection, user_pool_id: str, client_id: str) -> None:
    """Forget every session that was started through the client. All of the pool's are looked through: clients are
    seldom deleted, and an index of them would be written with every sign-in."""
    await _forget(connection, and_(families.c.user_pool_id == user_pool_id, families.c.client_id == client_id))


async def delete_of_pool(connection: Connection, user_pool_id: str) -> None:
    """Forget every session and every failed attempt of the pool."""
    await _forget(connection, families.c.user_pool_id == user_pool_id)
    await userpools_attempts.delete_of_pool(connection, user_pool_id)


async def _forget(connection: Connection, which: ColumnElement[bool]) -> None:
    theirs = select(families.c.origin_jti).where(which)
    await connection.execute(delete(refresh_tokens).where(refresh_tokens.c.origin_jti.in_(theirs)))
    await connection.execute(delete(families).where(which))
