"""Virtual MFA devices of accounts, and whose they are.

A device is known by its serial number, which is its ARN. It belongs to nobody until it is enabled for a user; the
user's name is a column, so that a user who has devices is not deleted from under them. The seed is sealed; the master
key is not in the database.

Changes to a record are functions handed to `change_device`; they run inside the transaction, with the row locked, and
may raise, which leaves the record as it was. That is how a code is spent once: of two calls that show the same one, the
second sees what the first has written.
"""

from collections.abc import Callable
from datetime import datetime

import msgspec
from sqlalchemy import Column, Index, String, Table, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from velvetrope.store.columns import Record
from velvetrope.store.database import Connection, Database
from velvetrope.store.schema import METADATA

__all__ = ["MfaDevice", "MfaDeviceStore", "count_devices_of_user", "move_devices_of_user"]

_TOPIC = "iam"


class MfaDevice(msgspec.Struct, frozen=True, kw_only=True):
    """One device. Steps count the periods of 30 seconds since 1970 (RFC 6238 section 4.2).

    `last_step` is the step of the last code that was taken: no code of it or before counts again. `drift_steps` is how
    far the device's clock was ahead of ours when it was last in step with it. `user_name` is empty while the device is
    nobody's.
    """

    serial_number: str
    account_id: str
    seed_sealed: bytes
    created_at: datetime
    tags: dict[str, str] = {}
    user_name: str = ""
    enabled_at: datetime | None = None
    last_step: int = 0
    drift_steps: int = 0
    failures: int = 0
    failed_at: datetime | None = None


_devices = Table(
    "iam_mfa_devices",
    METADATA,
    Column("serial_number", String(1024), primary_key=True),
    Column("account_id", String(12), nullable=False),
    Column("user_name", String(128), nullable=False),
    Column("record", Record(MfaDevice), nullable=False),
    Index("iam_mfa_devices_of_account", "account_id", "user_name"),
)


async def count_devices_of_user(connection: Connection, account_id: str, user_name: str) -> int:
    """How many devices are enabled for the user, within a transaction of somebody else's."""
    of_user = select(func.count()).where(_devices.c.account_id == account_id, _devices.c.user_name == user_name)
    return await connection.scalar(of_user) or 0


async def move_devices_of_user(connection: Connection, account_id: str, user_name: str, new_name: str) -> None:
    """The user has another name; within a transaction of somebody else's."""
    of_user = (_devices.c.account_id == account_id, _devices.c.user_name == user_name)
    found = list((await connection.execute(select(_devices.c.record).where(*of_user).with_for_update())).scalars())
    for device in found:
        await connection.execute(
            update(_devices)
            .where(_devices.c.serial_number == device.serial_number)
            .values(user_name=new_name, record=msgspec.structs.replace(device, user_name=new_name))
        )


class MfaDeviceStore:
    """Where devices are kept."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save_new_device(self, device: MfaDevice) -> bool:
        """Keep a new device. False if there is one of this serial number already."""
        try:
            async with self._database.transaction() as tx:
                await tx.connection.execute(
                    insert(_devices).values(
                        serial_number=device.serial_number,
                        account_id=device.account_id,
                        user_name=device.user_name,
                        record=device,
                    )
                )
                tx.changed(_TOPIC)
        except IntegrityError:
            return False
        return True

    async def load_device(self, serial_number: str) -> MfaDevice | None:
        """The device of this serial number."""
        async with self._database.read() as connection:
            wanted = select(_devices.c.record).where(_devices.c.serial_number == serial_number)
            found: MfaDevice | None = (await connection.execute(wanted)).scalar_one_or_none()
            return found

    async def list_devices(self, account_id: str, *, user_name: str | None = None) -> list[MfaDevice]:
        """All devices of the account, or those of one user, in order of their serial numbers."""
        wanted = select(_devices.c.record).where(_devices.c.account_id == account_id)
        if user_name is not None:
            wanted = wanted.where(_devices.c.user_name == user_name)
        async with self._database.read() as connection:
            return list((await connection.execute(wanted.order_by(_devices.c.serial_number))).scalars())

    async def change_device(
        self, serial_number: str, change: Callable[[MfaDevice, int], MfaDevice], *, for_user: str = ""
    ) -> MfaDevice | None:
        """Run `change` on the present record and keep what it returns; None if there is no such device.

        `change` is also told how many devices `for_user` has.
        """
        async with self._database.transaction() as tx:
            wanted = select(_devices.c.record).where(_devices.c.serial_number == serial_number).with_for_update()
            present: MfaDevice | None = (await tx.connection.execute(wanted)).scalar_one_or_none()
            if present is None:
                return None
            changed = change(present, await count_devices_of_user(tx.connection, present.account_id, for_user))
            await tx.connection.execute(
                update(_devices)
                .where(_devices.c.serial_number == serial_number)
                .values(user_name=changed.user_name, record=changed)
            )
            if (changed.user_name, changed.tags) != (present.user_name, present.tags):
                # Codes that are spent change nobody's permissions, so nothing has to be forgotten for them.
                tx.changed(_TOPIC)
            return changed

    async def delete_device(self, serial_number: str, check: Callable[[MfaDevice], None]) -> MfaDevice | None:
        """Delete the device if `check` lets it pass; None if there is no such device."""
        async with self._database.transaction() as tx:
            wanted = select(_devices.c.record).where(_devices.c.serial_number == serial_number).with_for_update()
            present: MfaDevice | None = (await tx.connection.execute(wanted)).scalar_one_or_none()
            if present is None:
                return None
            check(present)
            await tx.connection.execute(delete(_devices).where(_devices.c.serial_number == serial_number))
            tx.changed(_TOPIC)
            return present
