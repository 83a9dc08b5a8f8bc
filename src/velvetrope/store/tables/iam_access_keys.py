"""Long-term access keys of users. Their secrets are sealed before they come here."""

from collections.abc import Callable

import msgspec
from sqlalchemy import Column, ColumnElement, Index, LargeBinary, String, Table, func, insert, select, update

from velvetrope.store.columns import Record
from velvetrope.store.database import Connection
from velvetrope.store.records import take_record
from velvetrope.store.schema import METADATA
from velvetrope.store.tables.iam_entities import TOPIC, EntityStore, load_entity
from velvetrope.store.tables.iam_records import AccessKey, KeyUse, User

__all__ = ["AccessKeyStore", "access_keys", "count_access_keys"]

access_keys = Table(
    "iam_access_keys",
    METADATA,
    Column("access_key_id", String(128), primary_key=True),
    Column("account_id", String(12), nullable=False),
    Column("user_name", String(64), nullable=False),
    Column("secret_sealed", LargeBinary, nullable=False),
    Column("record", Record(AccessKey), nullable=False),
    Index("iam_access_keys_by_user", "account_id", "user_name"),
)


class AccessKeyStore(EntityStore):
    """Access keys, one method one transaction."""

    async def save_new_access_key(self, key: AccessKey, check: Callable[[int], None]) -> bool:
        """Keep a new key if `check`, told how many the user has, lets it pass; False if there is no such user."""
        async with self._database.transaction() as tx:
            user = await load_entity(tx.connection, User, key.account_id, key.user_name, lock=True)
            if user is None:
                return False
            check(await count_access_keys(tx.connection, key.account_id, key.user_name))
            await tx.connection.execute(
                insert(access_keys).values(
                    access_key_id=key.access_key_id,
                    account_id=key.account_id,
                    user_name=key.user_name,
                    secret_sealed=key.secret_sealed,
                    record=msgspec.structs.replace(key, secret_sealed=b""),
                )
            )
            tx.changed(TOPIC)
            return True

    async def load_access_key(self, access_key_id: str) -> tuple[AccessKey, User] | None:
        """The key and whose it is."""
        async with self._database.read() as connection:
            row = (
                await connection.execute(
                    select(access_keys.c.record, access_keys.c.secret_sealed).where(
                        access_keys.c.access_key_id == access_key_id
                    )
                )
            ).one_or_none()
            if row is None:
                return None
            key: AccessKey = msgspec.structs.replace(row[0], secret_sealed=row[1])
            user = await load_entity(connection, User, key.account_id, key.user_name)
            return None if user is None else (key, user)

    async def list_access_keys(self, account_id: str, user_name: str) -> list[AccessKey]:
        """The user's keys, oldest first, without their secrets."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(access_keys.c.record).where(
                    access_keys.c.account_id == account_id, access_keys.c.user_name == user_name
                )
            )
            return sorted(rows.scalars(), key=lambda key: (key.created_at, key.access_key_id))

    async def set_access_key_active(
        self, account_id: str, user_name: str, access_key_id: str, *, active: bool
    ) -> AccessKey | None:
        """Switch the user's key on or off; None if the user has no such key."""
        this_key = _key_of(account_id, user_name, access_key_id)
        async with self._database.transaction() as tx:
            present: AccessKey | None = (
                await tx.connection.execute(select(access_keys.c.record).where(*this_key).with_for_update())
            ).scalar_one_or_none()
            if present is None:
                return None
            changed = msgspec.structs.replace(present, active=active)
            await tx.connection.execute(update(access_keys).where(*this_key).values(record=changed))
            tx.changed(TOPIC)
            return changed

    async def delete_access_key(self, account_id: str, user_name: str, access_key_id: str) -> AccessKey | None:
        """Forget the user's key, and give it (without its secret); None if the user has no such key."""
        async with self._database.transaction() as tx:
            gone: AccessKey | None = await take_record(
                tx.connection, access_keys, *_key_of(account_id, user_name, access_key_id)
            )
            tx.changed(TOPIC)
            return gone

    async def save_key_use(self, access_key_id: str, use: KeyUse) -> None:
        """Keep when a key was last used. May be lost; publishes nothing."""
        this_key = access_keys.c.access_key_id == access_key_id
        async with self._database.transaction() as tx:
            present: AccessKey | None = (
                await tx.connection.execute(select(access_keys.c.record).where(this_key).with_for_update())
            ).scalar_one_or_none()
            if present is not None:
                used = msgspec.structs.replace(present, last_use=use)
                await tx.connection.execute(update(access_keys).where(this_key).values(record=used))


async def count_access_keys(connection: Connection, account_id: str, user_name: str) -> int:
    count = await connection.scalar(
        select(func.count()).where(access_keys.c.account_id == account_id, access_keys.c.user_name == user_name)
    )
    return count or 0


def _key_of(account_id: str, user_name: str, access_key_id: str) -> tuple[ColumnElement[bool], ...]:
    return (
        access_keys.c.access_key_id == access_key_id,
        access_keys.c.account_id == account_id,
        access_keys.c.user_name == user_name,
    )
