"""MFA devices in the store: one of two callers spends a code; a new name reaches all that is the user's."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import pytest

from velvetrope.store import Database
from velvetrope.store.tables.iam import AccessKey, Group, IamStore, User
from velvetrope.store.tables.iam_mfa_devices import MfaDevice, MfaDeviceStore

ACCOUNT = "111111111111"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Refused(Exception):
    """Raised by the conditions below."""


def device(name: str = "d", user_name: str = "") -> MfaDevice:
    serial = f"arn:aws:iam::{ACCOUNT}:mfa/{name}"
    return MfaDevice(serial_number=serial, account_id=ACCOUNT, seed_sealed=b"x", created_at=NOW, user_name=user_name)


def user(name: str = "alice") -> User:
    arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
    return User(account_id=ACCOUNT, user_name=name, user_id=f"AIDA{name}", arn=arn, path="/", created_at=NOW)


async def test_of_many_who_spend_a_step_at_once_one_does(database: Database) -> None:
    store = MfaDeviceStore(database)
    await store.save_new_device(device())

    def change(present: MfaDevice, _count: int) -> MfaDevice:
        if present.last_step >= 7:
            raise Refused
        return msgspec.structs.replace(present, last_step=7)

    done = await asyncio.gather(
        *(store.change_device(device().serial_number, change) for _ in range(5)), return_exceptions=True
    )

    assert sum(isinstance(outcome, MfaDevice) for outcome in done) == 1
    assert sum(isinstance(outcome, Refused) for outcome in done) == 4


async def test_of_two_who_make_a_device_at_once_one_does(database: Database) -> None:
    store = MfaDeviceStore(database)

    assert sorted(await asyncio.gather(*(store.save_new_device(device()) for _ in range(2)))) == [False, True]


async def test_whoever_enables_a_device_is_told_how_many_the_user_has(database: Database) -> None:
    store = MfaDeviceStore(database)
    await store.save_new_device(device("a", "alice"))
    await store.save_new_device(device("b"))
    seen: list[int] = []

    def enable(present: MfaDevice, count: int) -> MfaDevice:
        seen.append(count)
        return msgspec.structs.replace(present, user_name="alice")

    await store.change_device(device("b").serial_number, enable, for_user="alice")
    await store.change_device(device("b").serial_number, enable, for_user="alice")

    assert seen == [1, 2]
    assert [found.serial_number for found in await store.list_devices(ACCOUNT, user_name="alice")] == [
        device("a").serial_number,
        device("b").serial_number,
    ]


async def test_a_device_is_deleted_only_as_the_condition_says(database: Database) -> None:
    store = MfaDeviceStore(database)
    await store.save_new_device(device())

    def refuse(_device: MfaDevice) -> None:
        raise Refused

    with pytest.raises(Refused):
        await store.delete_device(device().serial_number, refuse)
    assert await store.load_device(device().serial_number) == device()
    assert await store.delete_device(device().serial_number, lambda _device: None) == device()
    assert await store.delete_device(device().serial_number, lambda _device: None) is None


async def test_a_new_name_reaches_keys_groups_and_devices_or_nothing(database: Database) -> None:
    store, devices = IamStore(database), MfaDeviceStore(database)
    for name in ("alice", "bob"):
        await store.save_new_user(user(name))
    group = Group(
        account_id=ACCOUNT,
        group_name="staff",
        group_id="AGPA1",
        arn="arn:aws:iam::1:group/staff",
        path="/",
        created_at=NOW,
    )
    await store.save_new_group(group)
    await store.add_member(ACCOUNT, "staff", "alice", lambda _count: None)
    key = AccessKey(account_id=ACCOUNT, user_name="alice", access_key_id="AKIA1", secret_sealed=b"s", created_at=NOW)
    await store.save_new_access_key(key, lambda _count: None)
    await devices.save_new_device(device(user_name="alice"))

    def named(name: str) -> Callable[[User], User]:
        return lambda present: msgspec.structs.replace(present, user_name=name)

    async def whose() -> tuple[list[str], str | None, list[str]]:
        members = [found.user_name for found in await store.list_members(ACCOUNT, "staff")]
        found = await store.load_access_key("AKIA1")
        owners = [each.user_name for each in await devices.list_devices(ACCOUNT)]
        return members, None if found is None else found[1].user_name, owners

    assert await store.rename_user(ACCOUNT, "alice", named("bob")) == "taken"
    assert await whose() == (["alice"], "alice", ["alice"])
    assert await store.rename_user(ACCOUNT, "alice", named("alicia")) == "renamed"
    assert await whose() == (["alicia"], "alicia", ["alicia"])
    assert await store.rename_user(ACCOUNT, "alice", named("anna")) == "no entity"
