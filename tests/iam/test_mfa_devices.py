"""Virtual MFA devices: made, enabled, shown, and what their codes open in STS. A code counts once."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyotp
import pytest

from support.iam import ACCOUNT, NOW, ROOT, Iam, allow, call_by, document, make_user, open_iam, trust
from velvetrope.clock import CountingEntropy
from velvetrope.errors import ServiceError
from velvetrope.iam.mfa_codes import spend_code
from velvetrope.iam.tags import Tag
from velvetrope.policy import request_context
from velvetrope.principals import Principal
from velvetrope.sealing import MasterKeys
from velvetrope.secret import Secret
from velvetrope.store.tables.iam_mfa_devices import MfaDevice
from velvetrope.sts import RoleAssumption, Sessions, StsOperations
from velvetrope.tokens import IssuerMismatch

SERIAL = f"arn:aws:iam::{ACCOUNT}:mfa/phone"
STEP = timedelta(seconds=30)
WRONG_CODE = ("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code.")
NOT_ASSOCIATED = (
    "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and "
    "associated with this user."
)
NO_DEVICE = ("AccessDenied", NOT_ASSOCIATED)
NOT_VALID = ("InvalidAuthenticationCode", "Authentication code for device is not valid.")


class NoPools:
    async def verify_web_identity_token(self, token: str, *, now: datetime) -> Any:
        raise IssuerMismatch("not a pool's")


@dataclass
class World:
    """IAM and STS, a user, and her phone."""

    iam: Iam
    alice: Principal
    seed: str = ""

    def __post_init__(self) -> None:
        self.sessions = Sessions(MasterKeys.generate(CountingEntropy()), CountingEntropy())
        assumption = RoleAssumption(self.iam.store, self.sessions, self.iam.gatherer)
        self.sts = StsOperations(
            assumption,
            self.sessions,
            access_keys=self.iam.keys,
            web_identity_tokens=NoPools(),
            mfa_devices=self.iam.mfa_devices,
        )

    @property
    def now(self) -> datetime:
        return self.iam.now

    def wait(self, time: timedelta = STEP) -> None:
        self.iam.now += time

    def code(self, *, steps: int = 0, seed: str | None = None) -> str:
        """What the phone shows; `steps` periods from now."""
        return pyotp.TOTP(seed or self.seed).at(self.now + steps * STEP)

    async def make(self, name: str = "phone", **members: Any) -> str:
        made = await self.iam.call("create_virtual_mfa_device", virtual_mfa_device_name=name, **members)
        seed: bytes = made["virtual_mfa_device"]["base32_string_seed"]
        return seed.decode()

    async def enable(self, first: str, second: str, *, user: str = "alice", serial: str = SERIAL) -> Any:
        return await self.iam.call(
            "enable_mfa_device",
            user_name=user,
            serial_number=serial,
            authentication_code1=first,
            authentication_code2=second,
        )

    async def get_session_token(self, code: str | None, *, caller: Principal | None = None, **members: Any) -> Any:
        named = {} if code is None else {"serial_number": SERIAL, "token_code": code}
        call = msgspec.structs.replace(call_by(caller or self.alice), now=self.now)
        return await self.sts.get_session_token(call, **{**named, **members})

    async def assume(self, **members: Any) -> Any:
        call = msgspec.structs.replace(call_by(self.alice), now=self.now)
        return await self.sts.assume_role(
            call, role_arn=f"arn:aws:iam::{ACCOUNT}:role/Admin", role_session_name="s1", **members
        )

    def holder(self, answer: Any) -> Principal:
        given = answer["credentials"]
        return self.sessions.open(given["access_key_id"], given["session_token"], self.now).principal


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[World]:
    """Without a device."""
    async with open_iam(tmp_path) as iam:
        yield World(iam, await make_user(iam, allow("iam:ListUsers"), allow("sts:*")))


@pytest.fixture
async def world(bare: World) -> World:
    """With a device that alice has enabled two minutes ago."""
    bare.seed = await bare.make()
    await bare.enable(bare.code(steps=-1), bare.code())
    bare.wait(timedelta(minutes=2))
    return bare


async def refused(call: Awaitable[Any]) -> tuple[str, str]:
    with pytest.raises(ServiceError) as error:
        await call
    return error.value.code, error.value.message


# RFC 4226, appendix D: codes of the ASCII seed "12345678901234567890" by counter.
RFC_4226 = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]


@pytest.mark.parametrize(("counter", "code"), list(enumerate(RFC_4226)), ids=range(10))
def test_codes_are_those_of_rfc_4226(counter: int, code: str) -> None:
    seed = Secret("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
    at = datetime.fromtimestamp(counter * 30, NOW.tzinfo)
    device = MfaDevice(serial_number=SERIAL, account_id=ACCOUNT, seed_sealed=b"", created_at=NOW, last_step=-1)

    changed, verdict = spend_code(device, seed, code, at)

    assert (verdict, changed.last_step) == ("good", counter)
    assert spend_code(changed, seed, code, at)[1] == "wrong"


async def test_a_new_device_shows_its_seed_once_and_belongs_to_nobody(bare: World) -> None:
    answer = await bare.iam.call(
        "create_virtual_mfa_device", virtual_mfa_device_name="phone", path="/a/", tags=(Tag(key="k", value="v"),)
    )
    made = answer["virtual_mfa_device"]

    assert made["serial_number"] == f"arn:aws:iam::{ACCOUNT}:mfa/a/phone"
    assert len(made["base32_string_seed"]) == 64
    assert made["qr_code_png"].startswith(b"\x89PNG")
    assert made["tags"] == [{"key": "k", "value": "v"}]
    listed = await bare.iam.call("list_virtual_mfa_devices")
    assert listed["virtual_mfa_devices"] == [
        {"serial_number": made["serial_number"], "user": None, "enable_date": None}
    ]
    assert made["base32_string_seed"].decode() not in str(listed)
    assert (await refused(bare.make(path="/a/")))[0] == "EntityAlreadyExists"


async def test_a_serial_number_is_not_too_long_to_be_named_again(bare: World) -> None:
    room = 256 - len(f"arn:aws:iam::{ACCOUNT}:mfa/")

    await bare.make("x" * room)
    assert (await refused(bare.make("x" * (room + 1))))[0] == "ValidationError"


async def test_two_codes_in_a_row_enable_a_device(bare: World) -> None:
    bare.seed = await bare.make()
    await bare.enable(bare.code(steps=-1), bare.code())

    shown = await bare.iam.call("list_mfa_devices", caller=bare.alice)
    assert shown["mfa_devices"] == [{"user_name": "alice", "serial_number": SERIAL, "enable_date": bare.now}]
    got = await bare.iam.call("get_mfa_device", serial_number=SERIAL, user_name="alice")
    assert (got["user_name"], got["enable_date"]) == ("alice", bare.now)


@pytest.mark.parametrize("steps", [(0, 0), (0, -1), (-2, 0), (0, 2), (-30, -29)], ids=str)
async def test_codes_that_are_not_two_in_a_row_enable_nothing(bare: World, steps: tuple[int, int]) -> None:
    bare.seed = await bare.make()

    assert await refused(bare.enable(bare.code(steps=steps[0]), bare.code(steps=steps[1]))) == NOT_VALID
    assert (await bare.iam.call("list_mfa_devices", user_name="alice"))["mfa_devices"] == []


async def test_a_device_is_one_users_at_a_time(world: World) -> None:
    await make_user(world.iam, name="bob")

    assert (await refused(world.enable(world.code(steps=-1), world.code(), user="bob")))[0] == "EntityAlreadyExists"
    assert (await refused(world.enable("000000", "000001", user="nobody")))[0] == "NoSuchEntity"
    assert (await refused(world.enable("000000", "000001", serial=f"{SERIAL}2")))[0] == "NoSuchEntity"


async def test_a_user_has_eight_devices_at_the_most(bare: World) -> None:
    for number in range(9):
        seed = await bare.make(f"d{number}")
        enable = bare.enable(
            bare.code(steps=-1, seed=seed),
            bare.code(seed=seed),
            serial=f"arn:aws:iam::{ACCOUNT}:mfa/d{number}",
        )
        if number < 8:
            await enable
        else:
            assert await refused(enable) == ("LimitExceeded", "Cannot exceed quota for MfaDevicesPerUser: 8")


async def test_a_device_in_use_is_not_deleted_and_neither_is_its_user(world: World) -> None:
    await world.iam.call("delete_user_policy", user_name="alice", policy_name="own")
    assert await refused(world.iam.call("delete_virtual_mfa_device", serial_number=SERIAL)) == (
        "DeleteConflict",
        "MFA VirtualDevice in use. Must deactivate first.",
    )
    assert await refused(world.iam.call("delete_user", user_name="alice")) == (
        "DeleteConflict",
        "Cannot delete entity, must delete MFA device first.",
    )

    await world.iam.call("deactivate_mfa_device", user_name="alice", serial_number=SERIAL)
    await world.iam.call("delete_user", user_name="alice")
    await world.iam.call("delete_virtual_mfa_device", serial_number=SERIAL)

    assert (await world.iam.call("list_virtual_mfa_devices"))["virtual_mfa_devices"] == []


async def test_a_deactivated_device_opens_nothing(world: World) -> None:
    await world.iam.call("deactivate_mfa_device", caller=world.alice, serial_number=SERIAL)

    assert await refused(world.get_session_token(world.code())) == NO_DEVICE
    assert (await refused(world.iam.call("deactivate_mfa_device", user_name="alice", serial_number=SERIAL)))[0] == (
        "NoSuchEntity"
    )


async def test_devices_are_listed_by_whether_they_are_in_use(world: World) -> None:
    await world.make("spare")

    async def serials(status: str) -> list[str]:
        found = await world.iam.call("list_virtual_mfa_devices", assignment_status=status)
        return [device["serial_number"].rpartition("/")[2] for device in found["virtual_mfa_devices"]]

    assert await serials("Assigned") == ["phone"]
    assert await serials("Unassigned") == ["spare"]
    assert await serials("Any") == ["phone", "spare"]
    summary = (await world.iam.call("get_account_summary"))["summary_map"]
    assert (summary["MFADevices"], summary["MFADevicesInUse"]) == (2, 1)


async def test_tags_are_set_listed_and_taken_away(world: World) -> None:
    tags = (Tag(key="a", value="1"), Tag(key="b", value="2"))
    await world.iam.call("tag_mfa_device", serial_number=SERIAL, tags=tags)
    await world.iam.call("untag_mfa_device", serial_number=SERIAL, tag_keys=("a",))

    assert (await world.iam.call("list_mfa_device_tags", serial_number=SERIAL))["tags"] == [{"key": "b", "value": "2"}]
    assert (await refused(world.iam.call("tag_mfa_device", serial_number=f"{SERIAL}2", tags=tags)))[0] == "NoSuchEntity"


async def test_a_code_opens_a_session_that_says_so_for_as_long_as_it_lasts(world: World) -> None:
    holder = world.holder(await world.get_session_token(world.code()))
    later = world.now + timedelta(minutes=10)
    keys = request_context(holder, now=later, source_ip="")

    assert keys["aws:multifactorauthpresent"] == ("true",)
    assert keys["aws:multifactorauthage"] == ("600",)
    without = request_context(world.holder(await world.get_session_token(None)), now=later, source_ip="")
    assert without["aws:multifactorauthpresent"] == ("false",)
    assert "aws:multifactorauthage" not in without


async def test_iam_can_be_called_with_a_session_only_if_a_code_was_shown(world: World) -> None:
    with_code = world.holder(await world.get_session_token(world.code()))
    without = world.holder(await world.get_session_token(None))

    async def may(action: str, caller: Principal) -> bool:
        service, _, operation = action.partition(":")
        judged = await world.iam.judge.judge(
            service, operation, {}, msgspec.structs.replace(call_by(caller), now=world.now)
        )
        return judged.decision.allowed

    assert await may("iam:ListUsers", with_code)
    assert not await may("iam:ListUsers", without)
    assert not await may("iam:ListRoles", with_code)
    assert not await may("sts:GetFederationToken", with_code)


async def test_a_code_counts_once(world: World) -> None:
    code = world.code()
    await world.get_session_token(code)

    assert await refused(world.get_session_token(code)) == WRONG_CODE
    world.wait()
    assert await refused(world.get_session_token(code)) == WRONG_CODE
    assert await world.get_session_token(world.code())


async def test_with_a_code_go_all_before_it(world: World) -> None:
    earlier = world.code(steps=-1)
    await world.get_session_token(world.code())

    assert await refused(world.get_session_token(earlier)) == WRONG_CODE


async def test_of_two_who_show_a_code_at_once_one_is_let_in(world: World) -> None:
    code = world.code()

    done = await asyncio.gather(*(world.get_session_token(code) for _ in range(4)), return_exceptions=True)

    assert sum(not isinstance(answer, Exception) for answer in done) == 1


async def test_the_codes_that_enabled_a_device_open_nothing(bare: World) -> None:
    bare.seed = await bare.make()
    await bare.enable(bare.code(steps=-1), bare.code())

    assert await refused(bare.get_session_token(bare.code())) == WRONG_CODE
    assert await refused(bare.get_session_token(bare.code(steps=-1))) == WRONG_CODE
    bare.wait()
    assert await bare.get_session_token(bare.code())


@pytest.mark.parametrize(("steps", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
async def test_clocks_may_differ_by_one_period(world: World, steps: int, good: bool) -> None:
    attempt = world.get_session_token(world.code(steps=steps))

    if good:
        assert await attempt
    else:
        assert await refused(attempt) == WRONG_CODE


async def test_a_device_that_drifted_is_brought_back_by_two_codes(world: World) -> None:
    drift = 7

    assert await refused(world.get_session_token(world.code(steps=drift))) == WRONG_CODE
    await world.iam.call(
        "resync_mfa_device",
        user_name="alice",
        serial_number=SERIAL,
        authentication_code1=world.code(steps=drift - 1),
        authentication_code2=world.code(steps=drift),
    )
    world.wait()
    assert await world.get_session_token(world.code(steps=drift))
    assert await refused(world.get_session_token(world.code())) == WRONG_CODE


async def test_a_device_that_drifted_too_far_is_not_brought_back(world: World) -> None:
    async def resync(steps: int, user: str = "alice") -> Any:
        return await world.iam.call(
            "resync_mfa_device",
            user_name=user,
            serial_number=SERIAL,
            authentication_code1=world.code(steps=steps - 1),
            authentication_code2=world.code(steps=steps),
        )

    await make_user(world.iam, name="bob")
    assert await refused(resync(21)) == NOT_VALID
    assert (await refused(resync(0, "bob")))[0] == "NoSuchEntity"
    await resync(20)


async def test_wrong_codes_lock_a_device_for_longer_and_longer(world: World) -> None:
    for _ in range(5):
        assert await refused(world.get_session_token("000000")) == WRONG_CODE

    assert await refused(world.get_session_token(world.code())) == WRONG_CODE
    world.wait(timedelta(seconds=1))
    assert await refused(world.get_session_token("000000")) == WRONG_CODE
    world.wait(timedelta(seconds=1))
    assert await refused(world.get_session_token(world.code())) == WRONG_CODE
    world.wait(timedelta(seconds=1))
    assert await world.get_session_token(world.code())


async def test_a_good_code_clears_the_count(world: World) -> None:
    for _ in range(2):
        for _ in range(4):
            await refused(world.get_session_token("000000"))
        world.wait()
        assert await world.get_session_token(world.code())


async def test_another_users_device_is_like_none(world: World) -> None:
    bob = await make_user(world.iam, name="bob")

    assert await refused(world.get_session_token(world.code(), caller=bob)) == NO_DEVICE
    assert await refused(world.get_session_token(world.code(), caller=ROOT)) == NO_DEVICE
    assert await refused(world.get_session_token(world.code(), serial_number=f"{SERIAL}2")) == NO_DEVICE
    assert await world.get_session_token(world.code())


@pytest.mark.parametrize("left_out", ["serial_number", "token_code"])
async def test_serial_number_and_code_go_together(world: World, left_out: str) -> None:
    both: dict[str, Any] = {"serial_number": SERIAL, "token_code": world.code()}
    del both[left_out]

    assert await refused(world.get_session_token(None, **both)) == (
        "ValidationError",
        "SerialNumber and TokenCode must be provided together.",
    )


MFA_TRUST = trust({"AWS": ACCOUNT}, condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}})
RECENT_TRUST = trust({"AWS": ACCOUNT}, condition={"NumericLessThan": {"aws:MultiFactorAuthAge": "300"}})


@pytest.mark.parametrize("policy", [MFA_TRUST, RECENT_TRUST], ids=["present", "age"])
async def test_a_role_that_asks_for_a_code_is_assumed_with_one_only(world: World, policy: str) -> None:
    await world.iam.call("create_role", role_name="Admin", assume_role_policy_document=policy)

    assert (await refused(world.assume()))[0] == "AccessDenied"
    assert await refused(world.assume(serial_number=SERIAL, token_code="000000")) == WRONG_CODE
    code = world.code()
    session = world.holder(await world.assume(serial_number=SERIAL, token_code=code))
    assert await refused(world.assume(serial_number=SERIAL, token_code=code)) == WRONG_CODE

    # IAM User Guide, "Secure API access with MFA": a role's own session carries no word of the code.
    assert request_context(session, now=world.now, source_ip="")["aws:multifactorauthpresent"] == ("false",)


async def test_a_session_with_a_code_assumes_a_role_that_asks_for_one(world: World) -> None:
    await world.iam.call("create_role", role_name="Admin", assume_role_policy_document=MFA_TRUST)
    signed_in = world.holder(await world.get_session_token(world.code()))
    world.alice = signed_in

    assert world.holder(await world.assume()).name == "Admin"


async def test_a_policy_of_the_users_own_may_ask_for_a_code(bare: World) -> None:
    own = document(
        allow("sts:AssumeRole", condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}),
        allow("sts:GetSessionToken"),
    )
    await bare.iam.call("put_user_policy", user_name="alice", policy_name="own", policy_document=own)
    await bare.iam.call("create_role", role_name="Admin", assume_role_policy_document=trust({"AWS": ACCOUNT}))
    bare.seed = await bare.make()
    await bare.enable(bare.code(steps=-1), bare.code())
    bare.wait()

    assert (await refused(bare.assume()))[0] == "AccessDenied"
    assert await bare.assume(serial_number=SERIAL, token_code=bare.code())


async def test_who_may_touch_a_device_is_said_by_its_arn(world: World) -> None:
    own = allow(["iam:CreateVirtualMFADevice", "iam:DeleteVirtualMFADevice"], f"arn:aws:iam::{ACCOUNT}:mfa/alice-*")
    carol = await make_user(world.iam, own, name="carol")

    async def may(operation: str, parameters: dict[str, object]) -> bool:
        judged = await world.iam.judge.judge("iam", operation, parameters, call_by(carol))
        return judged.decision.allowed

    assert await may("CreateVirtualMFADevice", {"VirtualMFADeviceName": "alice-1"})
    assert not await may("CreateVirtualMFADevice", {"VirtualMFADeviceName": "bob-1"})
    assert not await may("CreateVirtualMFADevice", {"VirtualMFADeviceName": "alice-1", "Tags": [{"Key": "a"}]})
    assert await may("DeleteVirtualMFADevice", {"SerialNumber": f"arn:aws:iam::{ACCOUNT}:mfa/alice-1"})
    assert not await may("DeleteVirtualMFADevice", {"SerialNumber": SERIAL})


async def test_seeds_are_sealed_in_the_store(world: World) -> None:
    from velvetrope.store.tables.iam_mfa_devices import MfaDeviceStore

    device = await MfaDeviceStore(world.iam.database).load_device(SERIAL)

    assert device is not None
    assert world.seed.encode() not in device.seed_sealed
    assert world.seed not in json.dumps(str(device))
