"""What users prove themselves with besides a password: authenticator apps, passkeys and remembered devices.

Secrets are sealed before they come here. What may happen once is one conditional write: a time step of an authenticator
app is taken by whoever moves `last_step` past it, a begun passkey registration by whoever deletes its row, and a
passkey's counter only grows.

Rows belong to a user by `user_pool_id` and `username_key` and go with them (`OF_A_USER`).
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Index,
    LargeBinary,
    String,
    Table,
    and_,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from velvetrope.store.columns import Record, UtcTime
from velvetrope.store.database import Database
from velvetrope.store.records import take_record
from velvetrope.store.schema import METADATA
from velvetrope.store.tables import userpools_sign_in

__all__ = ["OF_A_USER", "Device", "FactorStore", "Passkey", "PasskeyRegistration", "SoftwareToken"]


class SoftwareToken(msgspec.Struct, frozen=True, kw_only=True):
    """A user's authenticator app. `pending_sealed` is a secret that was handed out and not proven yet."""

    secret_sealed: bytes | None = None
    pending_sealed: bytes | None = None
    friendly_name: str | None = None


class Passkey(msgspec.Struct, frozen=True, kw_only=True):
    """A WebAuthn credential. `credential_id` is base64url, `public_key` its COSE form."""

    credential_id: str
    public_key: bytes
    friendly_name: str
    relying_party_id: str
    transports: tuple[str, ...]
    attachment: str | None
    created_at: datetime


class PasskeyRegistration(msgspec.Struct, frozen=True, kw_only=True):
    """A registration that was begun: what the authenticator has to sign, and through which client."""

    challenge: bytes
    client_id: str
    relying_party_id: str
    expires_at: datetime


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A confirmed device. Salt and verifier are those of device SRP."""

    device_key: str
    group_key: str
    name: str | None
    salt: bytes
    verifier_sealed: bytes
    remembered: bool
    created_at: datetime
    modified_at: datetime
    authenticated_at: datetime
    last_ip_used: str


software_tokens = Table(
    "userpools_software_tokens",
    METADATA,
    Column("user_pool_id", String(55), primary_key=True),
    Column("username_key", String(128), primary_key=True),
    Column("last_step", BigInteger, nullable=False),
    Column("record", Record(SoftwareToken), nullable=False),
)
passkeys = Table(
    "userpools_passkeys",
    METADATA,
    Column("user_pool_id", String(55), primary_key=True),
    Column("credential_id", String(1400), primary_key=True),
    Column("username_key", String(128), nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("record", Record(Passkey), nullable=False),
    Index("userpools_passkeys_owner", "user_pool_id", "username_key"),
)
passkey_registrations = Table(
    "userpools_passkey_registrations",
    METADATA,
    Column("user_pool_id", String(55), primary_key=True),
    Column("username_key", String(128), primary_key=True),
    Column("challenge", LargeBinary, nullable=False),
    Column("record", Record(PasskeyRegistration), nullable=False),
)
devices = Table(
    "userpools_devices",
    METADATA,
    Column("user_pool_id", String(55), primary_key=True),
    Column("username_key", String(128), primary_key=True),
    Column("device_key", String(55), primary_key=True),
    Column("authenticated_at", UtcTime, nullable=False),
    Column("record", Record(Device), nullable=False),
)

OF_A_USER = (software_tokens, passkeys, passkey_registrations, devices)


class FactorStore:
    """Everything of this file, one method one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Authenticator apps

    async def load_software_token(self, user_pool_id: str, username_key: str) -> SoftwareToken | None:
        mine = and_(software_tokens.c.user_pool_id == user_pool_id, software_tokens.c.username_key == username_key)
        async with self._database.read() as connection:
            row = (await connection.execute(select(software_tokens.c.record).where(mine))).one_or_none()
        return None if row is None else row.record

    async def change_software_token(
        self, user_pool_id: str, username_key: str, change: Callable[[SoftwareToken], SoftwareToken | None]
    ) -> SoftwareToken | None:
        """Replace the user's token by `change(token)`, an empty one where there is none yet; None changes nothing."""
        mine = and_(software_tokens.c.user_pool_id == user_pool_id, software_tokens.c.username_key == username_key)
        async with self._database.transaction() as tx:
            row = (
                await tx.connection.execute(select(software_tokens.c.record).where(mine).with_for_update())
            ).one_or_none()
            changed = change(SoftwareToken() if row is None else row.record)
            if changed is None:
                return None
            if row is None:
                await tx.connection.execute(
                    insert(software_tokens).values(
                        user_pool_id=user_pool_id, username_key=username_key, last_step=-1, record=changed
                    )
                )
            else:
                await tx.connection.execute(update(software_tokens).where(mine).values(record=changed))
        return changed

    async def delete_software_token(self, user_pool_id: str, username_key: str) -> bool:
        """Forget the user's app; False if there was none."""
        mine = and_(software_tokens.c.user_pool_id == user_pool_id, software_tokens.c.username_key == username_key)
        async with self._database.transaction() as tx:
            gone = await tx.connection.execute(
                delete(software_tokens).where(mine).returning(software_tokens.c.username_key)
            )
            return gone.one_or_none() is not None

    async def take_time_step(self, user_pool_id: str, username_key: str, step: int) -> bool:
        """Whether this caller is the one who may use the code of `step`: true once, and never for an earlier step."""
        mine = and_(software_tokens.c.user_pool_id == user_pool_id, software_tokens.c.username_key == username_key)
        async with self._database.transaction() as tx:
            taken = await tx.connection.execute(
                update(software_tokens)
                .where(mine, software_tokens.c.last_step < step)
                .values(last_step=step)
                .returning(software_tokens.c.last_step)
            )
            return taken.one_or_none() is not None

    # Passkeys

    async def begin_passkey_registration(
        self, user_pool_id: str, username_key: str, registration: PasskeyRegistration
    ) -> None:
        """Keep what was asked of the authenticator, in the place of an earlier registration."""
        mine = and_(
            passkey_registrations.c.user_pool_id == user_pool_id, passkey_registrations.c.username_key == username_key
        )
        async with self._database.transaction() as tx:
            await tx.connection.execute(delete(passkey_registrations).where(mine))
            await tx.connection.execute(
                insert(passkey_registrations).values(
                    user_pool_id=user_pool_id,
                    username_key=username_key,
                    challenge=registration.challenge,
                    record=registration,
                )
            )

    async def consume_passkey_registration(self, user_pool_id: str, username_key: str) -> PasskeyRegistration | None:
        """The registration that was begun; it is gone afterwards, so one answer is looked at."""
        async with self._database.transaction() as tx:
            begun: PasskeyRegistration | None = await take_record(
                tx.connection,
                passkey_registrations,
                passkey_registrations.c.user_pool_id == user_pool_id,
                passkey_registrations.c.username_key == username_key,
            )
            return begun

    async def create_passkey(
        self, user_pool_id: str, username_key: str, passkey: Passkey, *, sign_count: int, limit: int
    ) -> Literal["created", "exists", "too_many"]:
        """Keep a new credential, if the pool has none of that id and the user fewer than `limit`."""
        mine = and_(passkeys.c.user_pool_id == user_pool_id, passkeys.c.username_key == username_key)
        try:
            async with self._database.transaction() as tx:
                there = (await tx.connection.execute(select(passkeys.c.credential_id).where(mine))).all()
                if len(there) >= limit:
                    return "too_many"
                await tx.connection.execute(
                    insert(passkeys).values(
                        user_pool_id=user_pool_id,
                        username_key=username_key,
                        credential_id=passkey.credential_id,
                        sign_count=sign_count,
                        record=passkey,
                    )
                )
        except IntegrityError:
            return "exists"
        return "created"

    async def load_passkeys(self, user_pool_id: str, username_key: str) -> Sequence[Passkey]:
        """The user's credentials, in order of their ids."""
        statement = (
            select(passkeys.c.record)
            .where(passkeys.c.user_pool_id == user_pool_id, passkeys.c.username_key == username_key)
            .order_by(passkeys.c.credential_id)
        )
        async with self._database.read() as connection:
            return [row.record for row in await connection.execute(statement)]

    async def load_passkey(
        self, user_pool_id: str, username_key: str, credential_id: str
    ) -> tuple[Passkey, int] | None:
        """One credential of the user and its counter."""
        statement = select(passkeys.c.record, passkeys.c.sign_count).where(
            passkeys.c.user_pool_id == user_pool_id,
            passkeys.c.username_key == username_key,
            passkeys.c.credential_id == credential_id,
        )
        async with self._database.read() as connection:
            row = (await connection.execute(statement)).one_or_none()
        return None if row is None else (row.record, row.sign_count)

    async def advance_passkey(self, user_pool_id: str, credential_id: str, *, sign_count: int) -> bool:
        """Whether the counter grew (WebAuthn section 6.1.1); authenticators without one say 0 every time."""
        this_one = and_(passkeys.c.user_pool_id == user_pool_id, passkeys.c.credential_id == credential_id)
        grows = passkeys.c.sign_count < sign_count
        if sign_count == 0:
            grows = or_(grows, passkeys.c.sign_count == 0)
        async with self._database.transaction() as tx:
            grown = await tx.connection.execute(
                update(passkeys).where(this_one, grows).values(sign_count=sign_count).returning(passkeys.c.sign_count)
            )
            return grown.one_or_none() is not None

    async def delete_passkey(self, user_pool_id: str, username_key: str, credential_id: str) -> bool:
        """Remove one credential of the user; False if there was none."""
        async with self._database.transaction() as tx:
            gone = await tx.connection.execute(
                delete(passkeys)
                .where(
                    passkeys.c.user_pool_id == user_pool_id,
                    passkeys.c.username_key == username_key,
                    passkeys.c.credential_id == credential_id,
                )
                .returning(passkeys.c.credential_id)
            )
            return gone.one_or_none() is not None

    # Devices

    async def create_device(self, user_pool_id: str, username_key: str, device: Device) -> bool:
        """Keep a confirmed device; False if its key was confirmed before."""
        try:
            async with self._database.transaction() as tx:
                await tx.connection.execute(
                    insert(devices).values(
                        user_pool_id=user_pool_id,
                        username_key=username_key,
                        device_key=device.device_key,
                        authenticated_at=device.authenticated_at,
                        record=device,
                    )
                )
        except IntegrityError:
            return False
        return True

    async def load_device(self, user_pool_id: str, username_key: str, device_key: str) -> Device | None:
        async with self._database.read() as connection:
            row = (
                await connection.execute(
                    select(devices.c.record).where(_this_device(user_pool_id, username_key, device_key))
                )
            ).one_or_none()
        return None if row is None else row.record

    async def load_devices(self, user_pool_id: str, username_key: str, *, after: str, limit: int) -> Sequence[Device]:
        """Up to `limit` devices whose key is greater than `after`, in order of key."""
        statement = (
            select(devices.c.record)
            .where(
                devices.c.user_pool_id == user_pool_id,
                devices.c.username_key == username_key,
                devices.c.device_key > after,
            )
            .order_by(devices.c.device_key)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [row.record for row in await connection.execute(statement)]

    async def change_device(
        self, user_pool_id: str, username_key: str, device_key: str, change: Callable[[Device], Device]
    ) -> Device | None:
        """Replace the device by `change(device)`; None if there is none."""
        mine = _this_device(user_pool_id, username_key, device_key)
        async with self._database.transaction() as tx:
            row = (await tx.connection.execute(select(devices.c.record).where(mine).with_for_update())).one_or_none()
            if row is None:
                return None
            device = change(row.record)
            await tx.connection.execute(
                update(devices).where(mine).values(record=device, authenticated_at=device.authenticated_at)
            )
        return device

    async def delete_device(
        self, user_pool_id: str, username_key: str, device_key: str, *, sub: str, now: datetime
    ) -> bool:
        """Forget the device and end the sessions that were begun with it; False if there was none."""
        async with self._database.transaction() as tx:
            gone = await tx.connection.execute(
                delete(devices)
                .where(_this_device(user_pool_id, username_key, device_key))
                .returning(devices.c.device_key)
            )
            if gone.one_or_none() is None:
                return False
            await userpools_sign_in.revoke_of_device(tx.connection, user_pool_id, sub, device_key, now)
        return True


def _this_device(user_pool_id: str, username_key: str, device_key: str) -> ColumnElement[bool]:
    return and_(
        devices.c.user_pool_id == user_pool_id,
        devices.c.username_key == username_key,
        devices.c.device_key == device_key,
    )
