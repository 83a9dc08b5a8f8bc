"""What the hosted UI keeps: authorization codes that can be spent once, and half-done sign-ins.

Sessions have a file of their own (`hosted_ui_sessions`). Codes are kept as SHA-256 of what the browser holds. They are
random and long, so a plain hash cannot be searched backwards, and a stolen database redeems no code.

A spent code is kept for a day, so that spending it again is noticed and ends the tokens of the first time (RFC 6749
section 4.1.2). How far a half-done sign-in has come is sealed by whoever keeps it here (`hosted_ui.pending_sign_ins`),
under a key that the browser holds. Rows past their use are deleted when a new one is written.
"""

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Column, LargeBinary, String, Table, and_, bindparam, delete, func, insert, select, update

from velvetrope.store.columns import Record, UtcTime
from velvetrope.store.database import Database
from velvetrope.store.schema import METADATA
from velvetrope.store.tables.hosted_ui_sessions import BrowserSessionStore
from velvetrope.store.visits import Prepared, Visit

__all__ = ["AuthorizationCode", "HostedUiStore", "SpentCode"]

_TOPIC = "hosted_ui"
_SPENT_CODES_KEPT = timedelta(days=1)


class AuthorizationCode(msgspec.Struct, frozen=True, kw_only=True):
    """What a code stands for, and all that it is bound to."""

    user_pool_id: str
    client_id: str
    sub: str
    redirect_uri: str
    scopes: tuple[str, ...]
    code_challenge: str | None
    nonce: str | None
    authenticated_at: datetime
    expires_at: datetime
    """The first moment at which it is worth nothing."""
    resource: str | None = None
    """Whom the access token will be for, where the authorization request said so."""


class SpentCode(msgspec.Struct, frozen=True, kw_only=True):
    """A code that was presented after it had been spent."""

    origin_jti: str | None
    """The token family of the first time; None when none was issued, or not yet."""


_codes = Table(
    "hosted_ui_authorization_codes",
    METADATA,
    Column("code_hash", String(64), primary_key=True),
    Column("user_pool_id", String(64), nullable=False),
    Column("client_id", String(128), nullable=False),
    Column("expires_at", UtcTime, nullable=False, index=True),
    Column("consumed_at", UtcTime, nullable=True),
    Column("reused_at", UtcTime, nullable=True),
    Column("origin_jti", String(64), nullable=True),
    Column("record", Record(AuthorizationCode), nullable=False),
)

_pending = Table(
    "hosted_ui_pending_sign_ins",
    METADATA,
    Column("id_hash", String(64), primary_key=True),
    Column("user_pool_id", String(64), nullable=False),
    Column("expires_at", UtcTime, nullable=False, index=True),
    Column("sealed", LargeBinary, nullable=False),
)


# What every authorization asks, built once: building a statement costs more than running it.
_OLD_CODES = Prepared(delete(_codes).where(_codes.c.expires_at <= bindparam("until", type_=UtcTime())))
_NEW_CODE = Prepared(insert(_codes), "code_hash", "user_pool_id", "client_id", "expires_at", "record")
_THIS_CODE = and_(
    _codes.c.code_hash == bindparam("code_hash_"),
    _codes.c.user_pool_id == bindparam("user_pool_id_"),
    _codes.c.client_id == bindparam("client_id_"),
)
_NOW = bindparam("now", type_=UtcTime())
_TAKE_CODE = Prepared(
    update(_codes)
    .where(_THIS_CODE, _codes.c.consumed_at.is_(None), _codes.c.expires_at > _NOW)
    .values(consumed_at=_NOW)
)
_NOTE_REUSE = Prepared(
    update(_codes)
    .where(_THIS_CODE, _codes.c.consumed_at.is_not(None))
    .values(reused_at=func.coalesce(_codes.c.reused_at, _NOW))
)
_NOTE_FAMILY = Prepared(
    update(_codes)
    .where(_codes.c.code_hash == bindparam("code_hash_"), _codes.c.reused_at.is_(None))
    .values(origin_jti=bindparam("family"))
)
_LOAD_CODE = Prepared(select(_codes.c.record).where(_THIS_CODE))
_LOAD_FAMILY = Prepared(select(_codes.c.origin_jti).where(_THIS_CODE))


class HostedUiStore:
    """Codes and half-done sign-ins, found by the hash of what the browser holds (64 hex digits), and the `sessions`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.sessions = BrowserSessionStore(database)

    async def save_authorization_code(self, code_hash: str, code: AuthorizationCode, *, now: datetime) -> None:
        """Keep a new code, and let go of those that nobody needs to recognise any more.

        A power cut may take it, and the browser asks again.
        """
        new = {
            "code_hash": code_hash,
            "user_pool_id": code.user_pool_id,
            "client_id": code.client_id,
            "expires_at": code.expires_at,
            "record": code,
        }

        def save(visit: Visit) -> None:
            visit.change(_OLD_CODES, {"until": now - _SPENT_CODES_KEPT})
            visit.change(_NEW_CODE, new)

        await self._database.write_at_once(save, _TOPIC, waits_for_disk=False)

    async def consume_authorization_code(
        self, code_hash: str, *, user_pool_id: str, client_id: str, now: datetime
    ) -> AuthorizationCode | SpentCode | None:
        """Spend the code, once: of any number of callers one gets it, and the others learn that it is spent.

        None when this client was never given such a code, or let it expire unspent. A code of another client is left
        as it is. That a spent code was presented again is remembered (see `save_code_family`).

        It does not wait for the disk: the tokens' family is kept after it and does. A power cut may take the spending
        of a code that became no tokens.
        """
        this_code = {"code_hash_": code_hash, "user_pool_id_": user_pool_id, "client_id_": client_id}

        def consume(visit: Visit) -> AuthorizationCode | SpentCode | None:
            if visit.change(_TAKE_CODE, {**this_code, "now": now}):
                row = visit.one(_LOAD_CODE, this_code)
                code: AuthorizationCode | None = None if row is None else row[0]
                return code
            if visit.change(_NOTE_REUSE, {**this_code, "now": now}):
                row = visit.one(_LOAD_FAMILY, this_code)
                return None if row is None else SpentCode(origin_jti=row[0])
            return None

        return await self._database.write_at_once(consume, _TOPIC, waits_for_disk=False)

    async def save_code_family(self, code_hash: str, origin_jti: str) -> bool:
        """Note which token family a spent code became, unless the code was presented again in the meantime.

        False means that it was: the family must not be handed out. Whoever presented the code again could not name a
        family to end, because this had not been written; so either they or we see the other, never neither.
        """
        noted = {"code_hash_": code_hash, "family": origin_jti}
        return await self._database.write_at_once(lambda visit: visit.change(_NOTE_FAMILY, noted) == 1, _TOPIC)

    async def replace_pending_sign_in(
        self,
        id_hash: str,
        sealed: bytes,
        *,
        user_pool_id: str,
        expires_at: datetime,
        earlier_hash: str | None,
        now: datetime,
    ) -> None:
        """Keep how far a sign-in has come, in the place of what the browser had before. Expired ones are let go of."""
        async with self._database.transaction() as tx:
            await tx.connection.execute(
                delete(_pending).where((_pending.c.expires_at <= now) | (_pending.c.id_hash == (earlier_hash or "")))
            )
            await tx.connection.execute(
                insert(_pending).values(
                    id_hash=id_hash, user_pool_id=user_pool_id, expires_at=expires_at, sealed=sealed
                )
            )
            tx.changed(_TOPIC)

    async def load_pending_sign_in(self, id_hash: str, *, user_pool_id: str, now: datetime) -> bytes | None:
        """How far the sign-in has come, if it is one of this pool and not over."""
        async with self._database.read() as connection:
            sealed: bytes | None = (
                await connection.execute(
                    select(_pending.c.sealed).where(
                        _pending.c.id_hash == id_hash,
                        _pending.c.user_pool_id == user_pool_id,
                        _pending.c.expires_at > now,
                    )
                )
            ).scalar_one_or_none()
            return sealed

    async def end_pending_sign_in(self, id_hash: str, *, user_pool_id: str) -> None:
        """Forget the sign-in; it is done, or given up."""
        async with self._database.transaction() as tx:
            await tx.connection.execute(
                delete(_pending).where(_pending.c.id_hash == id_hash, _pending.c.user_pool_id == user_pool_id)
            )
            tx.changed(_TOPIC)
