"""The keys that a pool signs its tokens with; the private halves are sealed before they come here."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Literal

import msgspec
from sqlalchemy import Column, String, Table, and_, delete, insert, select, update

from velvetrope.store.columns import Record
from velvetrope.store.database import Database
from velvetrope.store.schema import METADATA
from velvetrope.store.tables.userpools_pools import pools

__all__ = ["KEYS_TOPIC", "KeyStore", "PoolSigningKey", "keys"]

KEYS_TOPIC = "userpools keys"


class PoolSigningKey(msgspec.Struct, frozen=True, kw_only=True):
    """One of a pool's RSA keys; the private half is sealed with the pool's id and `kid` as its context."""

    kid: str
    token_use: Literal["id", "access"]
    private_key_sealed: bytes
    public_key_der: bytes
    signs_from: datetime | None = None
    """When it begins to sign; None for keys that always did. Until then it is only published."""
    verifies_until: datetime | None = None
    """When the last token that it signed is dead; None while it is not replaced."""


keys = Table(
    "userpools_keys",
    METADATA,
    Column("user_pool_id", String(55), primary_key=True),
    Column("kid", String(64), primary_key=True),
    Column("record", Record(PoolSigningKey), nullable=False),
)


class KeyStore:
    """Signing keys of pools that are there. One method, one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_keys(self, user_pool_id: str) -> Sequence[PoolSigningKey]:
        """The pool's signing keys, in no particular order."""
        async with self._database.read() as connection:
            rows = await connection.execute(select(keys.c.record).where(keys.c.user_pool_id == user_pool_id))
            return [row.record for row in rows]

    async def replace_keys(
        self, user_pool_id: str, signing_keys: Collection[PoolSigningKey], *, now: datetime, verifies_until: datetime
    ) -> bool:
        """Add keys, and have those that were not replaced yet verify until then. Keys that are dead by now go.

        Keys that were to begin to sign are replaced as well: of two rotations at once both take effect, one after the
        other. False if there is no such pool.
        """
        async with self._database.transaction() as tx:
            there = await tx.connection.execute(select(pools.c.id).where(pools.c.id == user_pool_id).with_for_update())
            if there.one_or_none() is None:
                return False
            rows = await tx.connection.execute(select(keys.c.record).where(keys.c.user_pool_id == user_pool_id))
            for kept in [row.record for row in rows]:
                this_one = and_(keys.c.user_pool_id == user_pool_id, keys.c.kid == kept.kid)
                until = verifies_until if kept.verifies_until is None else min(kept.verifies_until, verifies_until)
                if until <= now:
                    await tx.connection.execute(delete(keys).where(this_one))
                else:
                    replaced = msgspec.structs.replace(kept, verifies_until=until)
                    await tx.connection.execute(update(keys).where(this_one).values(record=replaced))
            for key in signing_keys:
                await tx.connection.execute(insert(keys).values(user_pool_id=user_pool_id, kid=key.kid, record=key))
            tx.changed(KEYS_TOPIC)
        return True
