"""KMS keys and their aliases.

A key is a row; its material is sealed under the server's master keys and bound to the key's ARN, and leaves this table
for nobody but `velvetrope.kms`. A key whose deletion is due is gone: no method here answers it, whatever the row says,
and the next change of any key removes the row with its material and aliases.

Changes are conditional on what the change started from, and return whether they were made. Nobody keeps a key in
memory, so they are not published.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Column, ColumnElement, LargeBinary, String, Table, and_, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.dml import ReturningDelete, ReturningUpdate

from velvetrope.store.columns import Record, UtcTime
from velvetrope.store.database import Database, Transaction
from velvetrope.store.schema import METADATA

__all__ = ["KeyAlias", "KeyStore", "KmsKey"]


class KmsKey(msgspec.Struct, frozen=True, kw_only=True):
    """A symmetric encryption key, without its material."""

    account_id: str
    region: str
    key_id: str
    created_at: datetime
    policy: str
    """The key policy; roles and users by their unique ids."""
    description: str = ""
    enabled: bool = True
    deletion_at: datetime | None = None
    """When a key that awaits its deletion will be gone."""
    tags: dict[str, str] = {}

    @property
    def arn(self) -> str:
        return f"arn:aws:kms:{self.region}:{self.account_id}:key/{self.key_id}"


class KeyAlias(msgspec.Struct, frozen=True, kw_only=True):
    """Another name of a key. `name` begins with `alias/`."""

    account_id: str
    region: str
    name: str
    key_arn: str
    created_at: datetime
    updated_at: datetime

    @property
    def arn(self) -> str:
        return f"arn:aws:kms:{self.region}:{self.account_id}:{self.name}"


_keys = Table(
    "kms_keys",
    METADATA,
    Column("key_arn", String(256), primary_key=True),
    Column("deletion_at", UtcTime, index=True),
    Column("material_sealed", LargeBinary, nullable=False),
    Column("record", Record(KmsKey), nullable=False),
)
_aliases = Table(
    "kms_aliases",
    METADATA,
    Column("alias_arn", String(384), primary_key=True),
    Column("key_arn", String(256), nullable=False, index=True),
    Column("record", Record(KeyAlias), nullable=False),
)


class KeyStore:
    """See the module. One method, one transaction; `now` says which keys are gone already."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_key(self, key: KmsKey, material_sealed: bytes) -> None:
        """Keep a new key."""
        async with self._database.transaction() as tx:
            await _remove_gone(tx, key.created_at)
            await tx.connection.execute(
                insert(_keys).values(key_arn=key.arn, material_sealed=material_sealed, record=key)
            )

    async def load_key(self, key_arn: str, now: datetime) -> KmsKey | None:
        """The key of that ARN."""
        statement = select(_keys.c.record).where(_keys.c.key_arn == key_arn, _is_there(now))
        async with self._database.read() as connection:
            found: KmsKey | None = await connection.scalar(statement)
            return found

    async def load_material(self, key_arn: str, now: datetime) -> bytes | None:
        """The sealed material of that key."""
        statement = select(_keys.c.material_sealed).where(_keys.c.key_arn == key_arn, _is_there(now))
        async with self._database.read() as connection:
            found: bytes | None = await connection.scalar(statement)
            return found

    async def load_keys(self, prefix: str, now: datetime, *, after_arn: str, limit: int) -> list[KmsKey]:
        """The keys whose ARNs begin so, in the order of their ARNs."""
        statement = (
            select(_keys.c.record)
            .where(_keys.c.key_arn.startswith(prefix, autoescape=True), _keys.c.key_arn > after_arn, _is_there(now))
            .order_by(_keys.c.key_arn)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return list((await connection.execute(statement)).scalars())

    async def change_key(self, key_arn: str, now: datetime, change: Callable[[KmsKey], KmsKey]) -> KmsKey | None:
        """The key as `change` has made it of what is kept; None if there is none. What `change` raises ends it."""
        async with self._database.transaction() as tx:
            await _remove_gone(tx, now)
            query = select(_keys.c.record).where(_keys.c.key_arn == key_arn).with_for_update()
            found: KmsKey | None = await tx.connection.scalar(query)
            if found is None:
                return None
            changed = change(found)
            await tx.connection.execute(
                update(_keys).where(_keys.c.key_arn == key_arn).values(record=changed, deletion_at=changed.deletion_at)
            )
            return changed

    # Aliases

    async def create_alias(self, alias: KeyAlias) -> bool:
        """Keep a new alias; False if its name is taken."""
        try:
            async with self._database.transaction() as tx:
                await _remove_gone(tx, alias.created_at)
                await tx.connection.execute(
                    insert(_aliases).values(alias_arn=alias.arn, key_arn=alias.key_arn, record=alias)
                )
        except IntegrityError:
            return False
        return True

    async def load_alias(self, alias_arn: str, now: datetime) -> KeyAlias | None:
        """The alias of that ARN, if its key is there."""
        statement = (
            select(_aliases.c.record)
            .join(_keys, _keys.c.key_arn == _aliases.c.key_arn)
            .where(_aliases.c.alias_arn == alias_arn, _is_there(now))
        )
        async with self._database.read() as connection:
            found: KeyAlias | None = await connection.scalar(statement)
            return found

    async def load_aliases(
        self, prefix: str, now: datetime, *, key_arn: str | None = None, after_arn: str, limit: int
    ) -> list[KeyAlias]:
        """The aliases whose ARNs begin so, of one key or of all, in the order of their ARNs."""
        conditions: list[ColumnElement[bool]] = [
            _aliases.c.alias_arn.startswith(prefix, autoescape=True),
            _aliases.c.alias_arn > after_arn,
            _is_there(now),
        ]
        if key_arn is not None:
            conditions.append(_aliases.c.key_arn == key_arn)
        statement = (
            select(_aliases.c.record)
            .join(_keys, _keys.c.key_arn == _aliases.c.key_arn)
            .where(*conditions)
            .order_by(_aliases.c.alias_arn)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return list((await connection.execute(statement)).scalars())

    async def move_alias(self, alias: KeyAlias, key_arn: str, now: datetime) -> bool:
        """Let the alias name another key; False if it is no longer what it was."""
        moved = msgspec.structs.replace(alias, key_arn=key_arn, updated_at=now)
        return await self._change_alias(
            update(_aliases).where(*_same(alias)).values(key_arn=key_arn, record=moved).returning(_aliases.c.alias_arn)
        )

    async def delete_alias(self, alias: KeyAlias) -> bool:
        """Forget the alias; False if it is no longer what it was."""
        return await self._change_alias(delete(_aliases).where(*_same(alias)).returning(_aliases.c.alias_arn))

    async def _change_alias(self, statement: ReturningUpdate[Any] | ReturningDelete[Any]) -> bool:
        async with self._database.transaction() as tx:
            return (await tx.connection.execute(statement)).one_or_none() is not None


def _is_there(now: datetime) -> ColumnElement[bool]:
    return or_(_keys.c.deletion_at.is_(None), _keys.c.deletion_at > now)


def _same(alias: KeyAlias) -> tuple[ColumnElement[bool], ...]:
    return (and_(_aliases.c.alias_arn == alias.arn, _aliases.c.key_arn == alias.key_arn),)


async def _remove_gone(tx: Transaction, now: datetime) -> None:
    """Remove what is due, material and aliases with it."""
    gone = select(_keys.c.key_arn).where(_keys.c.deletion_at <= now)
    await tx.connection.execute(delete(_aliases).where(_aliases.c.key_arn.in_(gone)))
    await tx.connection.execute(delete(_keys).where(_keys.c.deletion_at <= now))
