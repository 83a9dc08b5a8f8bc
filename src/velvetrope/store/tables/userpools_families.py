"""Token families and refresh tokens: their tables, and how one begins.

A family is one sign-in: everything issued from it, over any number of refreshes, shares its `origin_jti` and dies with
it. Refresh tokens are kept as SHA-256 of a value with 256 bits of entropy, which nobody can search for. Rows that can
matter no more are removed by a later write, one a minute.

Every sign-in writes here, so rows are small and indexes few. On SQLite the tables are kept in the order of their keys
(`WITHOUT ROWID`): one tree each, where there otherwise is one by row number and one by key, and a page of each is
written. A database of before keeps its two trees, which answer the same. A page that is full is divided, and its
neighbours are written along with it: the fewer rows a page holds, the more often. So a record says nothing that is in a
column, and `origin_jti` begins with the time (`identifiers.UuidSource`).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Column, Index, String, Table, and_, bindparam, delete, insert, select, update

from velvetrope.store.columns import Record, UtcTime
from velvetrope.store.schema import METADATA
from velvetrope.store.visits import Prepared, Visit

__all__ = [
    "FAMILY_COLUMNS",
    "NewFamily",
    "TokenFamily",
    "families",
    "family_of",
    "forget_old_families",
    "keep_family",
    "record_of",
    "refresh_tokens",
]

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


class FamilyRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a row says besides its columns. Records of before say those too, which nobody reads."""

    scopes: tuple[str, ...]
    authenticated_at: datetime
    expires_at: datetime
    hosted: bool = False
    resource: str | None = None
    used_at: datetime | None = None


class NewFamily(msgspec.Struct, frozen=True):
    """A family that is about to be kept.

    `token_hash` is that of its first refresh token, None where it has none. With `most`, so many of the user's families
    stand afterwards: those that were not used for longest end before. (Of two that begin at once on two nodes neither
    sees the other; the next one makes up for it.)
    """

    family: TokenFamily
    token_hash: str | None
    most: int | None = None


families = Table(
    "userpools_token_families",
    METADATA,
    Column("origin_jti", String(36), primary_key=True),
    Column("user_pool_id", String(55), nullable=False),
    Column("client_id", String(128), nullable=False),
    Column("sub", String(36), nullable=False),
    Column("device_key", String(55)),
    Column("revoked_at", UtcTime),
    Column("forget_at", UtcTime, nullable=False, index=True),
    Column("record", Record(FamilyRecord), nullable=False),
    Index("userpools_token_families_user", "user_pool_id", "sub"),
    sqlite_with_rowid=False,
)
refresh_tokens = Table(
    "userpools_refresh_tokens",
    METADATA,
    Column("token_hash", String(64), primary_key=True),
    Column("origin_jti", String(36), nullable=False, index=True),
    Column("spent_at", UtcTime),
    Column("forget_at", UtcTime, nullable=False),
    sqlite_with_rowid=False,
)
FAMILY_COLUMNS = (
    families.c.origin_jti,
    families.c.user_pool_id,
    families.c.client_id,
    families.c.sub,
    families.c.device_key,
    families.c.revoked_at,
    families.c.record,
)
"""What a `TokenFamily` is made of (`family_of`)."""


# What every sign-in asks, built once: building a statement costs more than running it.
_IS_OLD = families.c.forget_at <= bindparam("now", type_=UtcTime())
_OLD_FAMILIES = Prepared(delete(families).where(_IS_OLD))
# Tokens are forgotten with their family.
_OLD_TOKENS = Prepared(
    delete(refresh_tokens).where(refresh_tokens.c.origin_jti.in_(select(families.c.origin_jti).where(_IS_OLD)))
)
_NEW_FAMILY = Prepared(
    insert(families), "origin_jti", "user_pool_id", "client_id", "sub", "device_key", "forget_at", "record"
)
_NEW_TOKEN = Prepared(insert(refresh_tokens), "token_hash", "origin_jti", "forget_at")


def forget_old_families(visit: Visit, now: datetime) -> None:
    """Part of a writing: families that can matter no more are removed, and their tokens."""
    visit.change(_OLD_TOKENS, {"now": now})
    visit.change(_OLD_FAMILIES, {"now": now})


def keep_family(visit: Visit, new: NewFamily, now: datetime) -> None:
    """Part of a writing: the family, and its first refresh token."""
    family = new.family
    if new.most is not None:
        _end_least_used(visit, family.user_pool_id, family.sub, keep=new.most - 1, now=now)
    forget_at = family.expires_at + _LONGEST_ACCESS_TOKEN
    visit.change(
        _NEW_FAMILY,
        {
            "origin_jti": family.origin_jti,
            "user_pool_id": family.user_pool_id,
            "client_id": family.client_id,
            "sub": family.sub,
            "device_key": family.device_key,
            "forget_at": forget_at,
            "record": record_of(family),
        },
    )
    if new.token_hash is not None:
        given = {"token_hash": new.token_hash, "origin_jti": family.origin_jti, "forget_at": forget_at}
        visit.change(_NEW_TOKEN, given)


def family_of(row: Sequence[Any]) -> TokenFamily:
    """A family from its row of `FAMILY_COLUMNS`."""
    origin_jti, user_pool_id, client_id, sub, device_key, revoked_at, record = row
    return TokenFamily(
        origin_jti=origin_jti,
        user_pool_id=user_pool_id,
        client_id=client_id,
        sub=sub,
        scopes=record.scopes,
        authenticated_at=record.authenticated_at,
        expires_at=record.expires_at,
        device_key=device_key,
        hosted=record.hosted,
        resource=record.resource,
        revoked_at=revoked_at,
        used_at=record.used_at,
    )


def record_of(family: TokenFamily) -> FamilyRecord:
    """What its row keeps of a family besides its columns."""
    return FamilyRecord(
        scopes=family.scopes,
        authenticated_at=family.authenticated_at,
        expires_at=family.expires_at,
        hosted=family.hosted,
        resource=family.resource,
        used_at=family.used_at,
    )


def _end_least_used(visit: Visit, user_pool_id: str, sub: str, *, keep: int, now: datetime) -> None:
    """End all but `keep` of the user's standing families: those whose last use is longest ago."""
    theirs = and_(families.c.user_pool_id == user_pool_id, families.c.sub == sub, families.c.revoked_at.is_(None))
    found = map(family_of, visit.execute(select(*FAMILY_COLUMNS).where(theirs)))
    standing = sorted((one for one in found if now < one.expires_at), key=lambda one: one.last_active_at, reverse=True)
    for family in standing[keep:]:
        visit.execute(update(families).where(families.c.origin_jti == family.origin_jti).values(revoked_at=now))
