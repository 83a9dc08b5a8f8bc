"""Codes that were sent to users, and the guesses at them that are counted."""

from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec
from sqlalchemy import (
    Column,
    Integer,
    LargeBinary,
    String,
    Table,
    and_,
    case,
    delete,
    insert,
    literal,
    or_,
    select,
    update,
)

from velvetrope.store.columns import Record, UtcTime
from velvetrope.store.database import Connection, Database
from velvetrope.store.schema import METADATA
from velvetrope.store.tables.userpools_messages import OutgoingMessage, messages, save_message

__all__ = ["CodePurpose", "CodeStore", "StoredCode", "codes", "save_code"]

CodePurpose = Literal["sign_up", "forgot_password", "verify_email", "verify_phone_number"]
_CODES_KEPT_FOR = timedelta(days=1)
"""As long as the longest of them is good for."""


class StoredCode(msgspec.Struct, frozen=True, kw_only=True):
    """A code that was sent, as a keyed hash: the key is a master key, so that the row alone gives nothing away."""

    purpose: CodePurpose
    mac: bytes
    key_id: bytes
    expires_at: datetime
    proves: Literal["email", "phone_number"]
    """The attribute that whoever knows the code has shown to be theirs."""
    sent_to: str = ""
    """The address it went to. It proves no other one, whatever the attribute has become since; rows of before this was
    kept have none, and prove nothing but their `pending_value`."""
    pending_value: str | None = None
    """What that attribute becomes when the code is shown, in pools that change addresses only then."""


codes = Table(
    "userpools_codes",
    METADATA,
    Column("user_pool_id", String(55), primary_key=True),
    Column("username_key", String(128), primary_key=True),
    Column("purpose", String(16), primary_key=True),
    Column("record", Record(StoredCode), nullable=False),
    Column("mac", LargeBinary, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("attempts_since", UtcTime, nullable=False),
)


class CodeStore:
    """Codes of users, and of names that nobody has. One method, one transaction."""

    _codes_pruned_at = datetime(1970, 1, 1, tzinfo=UTC)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take_code_attempt(
        self, user_pool_id: str, username_key: str, purpose: CodePurpose, *, now: datetime, limit: int
    ) -> StoredCode | Literal["no_code", "too_many"]:
        """Count one guess at the code and hand it out to compare with; at most `limit` guesses in an hour."""
        mine = and_(
            codes.c.user_pool_id == user_pool_id,
            codes.c.username_key == username_key,
            codes.c.purpose == purpose,
        )
        fresh = codes.c.attempts_since <= now - timedelta(hours=1)
        async with self._database.transaction() as tx:
            taken = await tx.connection.execute(
                update(codes)
                .where(mine, or_(fresh, codes.c.attempts < limit))
                .values(
                    attempts=case((fresh, 1), else_=codes.c.attempts + 1),
                    attempts_since=case((fresh, literal(now, UtcTime())), else_=codes.c.attempts_since),
                )
                .returning(codes.c.record)
            )
            row = taken.one_or_none()
            if row is not None:
                code: StoredCode = row.record
                return code
            there = await tx.connection.execute(select(codes.c.purpose).where(mine))
            return "no_code" if there.one_or_none() is None else "too_many"

    async def send_code(
        self,
        user_pool_id: str,
        username_key: str,
        code: StoredCode,
        message: OutgoingMessage,
        *,
        now: datetime,
        to_nobody: bool = False,
    ) -> None:
        """Keep a code and the message with it, for a user who is otherwise left as they are.

        `to_nobody` does the same for a name that nobody has, or whose owner is to get no code, and keeps the message
        from being sent: whoever guesses at the code is then counted and answered as if there were somebody. Codes of
        that purpose that are long dead go, now and then.
        """
        async with self._database.transaction() as tx:
            if now >= self._codes_pruned_at + _CODES_KEPT_FOR:
                self._codes_pruned_at = now
                dead = and_(codes.c.purpose == code.purpose, codes.c.attempts_since <= now - _CODES_KEPT_FOR)
                await tx.connection.execute(delete(codes).where(dead))
            await save_code(tx.connection, user_pool_id, username_key, code, now=now)
            await save_message(tx, message)
            gone = message.id if to_nobody else ""
            await tx.connection.execute(delete(messages).where(messages.c.id == gone))


async def save_code(
    connection: Connection, user_pool_id: str, username_key: str, code: StoredCode, *, now: datetime
) -> None:
    """Replace the code of that purpose. Guesses already counted in this hour stay counted, and older ones do not."""
    mine = and_(
        codes.c.user_pool_id == user_pool_id,
        codes.c.username_key == username_key,
        codes.c.purpose == code.purpose,
    )
    old = codes.c.attempts_since <= now - timedelta(hours=1)
    changed = await connection.execute(
        update(codes)
        .where(mine)
        .values(
            record=code,
            mac=code.mac,
            attempts=case((old, 0), else_=codes.c.attempts),
            attempts_since=case((old, literal(now, UtcTime())), else_=codes.c.attempts_since),
        )
        .returning(codes.c.purpose)
    )
    if changed.one_or_none() is None:
        await connection.execute(
            insert(codes).values(
                user_pool_id=user_pool_id,
                username_key=username_key,
                purpose=code.purpose,
                record=code,
                mac=code.mac,
                attempts=0,
                attempts_since=now,
            )
        )
