"""Virtual MFA devices: made, enabled for a user, brought back into step, taken away.

    owner = MfaDeviceOperations(iam_store, device_store, MfaDevices(device_store, master_keys), entropy=entropy)

CreateVirtualMFADevice shows the seed, as text and as a QR code of the URI that authenticator apps read; nobody sees it
again. Two codes in a row enable the device, and are spent by that. Hardware devices and passkeys are not supported: a
serial number that is not a virtual device's is not found. The root user's devices are made by AWS's console only, which
we do not have.

Sources: IAM API Reference, CreateVirtualMFADevice and its siblings; IAM User Guide, "AWS Multi-factor authentication in
IAM"; Key Uri Format of Google Authenticator. Texts as seen on AWS where known, else UNVERIFIED.
"""

import io
from collections.abc import Callable
from typing import Final, Literal
from urllib.parse import quote

import msgspec

from velvetrope.clock import Entropy
from velvetrope.iam.entities import caller_user_name, no_such_entity
from velvetrope.iam.errors import (
    DeleteConflict,
    EntityAlreadyExists,
    InvalidAuthenticationCode,
    NoSuchEntity,
    ValidationError,
)
from velvetrope.iam.mfa_codes import Verdict
from velvetrope.iam.mfa_devices import MfaDevices
from velvetrope.iam.paging import page_of
from velvetrope.iam.quotas import within_quota
from velvetrope.iam.tags import Tag, add_tags, new_tags, remove_tags, render_tags
from velvetrope.iam.user_operations import render_listed_user
from velvetrope.operations import Answer, Call, operation
from velvetrope.secret import Secret
from velvetrope.store.tables.iam import IamStore, User
from velvetrope.store.tables.iam_mfa_devices import MfaDevice, MfaDeviceStore

__all__ = ["MfaDeviceOperations"]

_ISSUER: Final = "Amazon Web Services"
_MAX_SERIAL_NUMBER: Final = 256
TagChange = Callable[[dict[str, str]], dict[str, str]]


class MfaDeviceOperations:
    """The operations on virtual MFA devices."""

    def __init__(self, users: IamStore, store: MfaDeviceStore, devices: MfaDevices, *, entropy: Entropy) -> None:
        self._users = users
        self._store = store
        self._devices = devices
        self._entropy = entropy

    @operation
    async def create_virtual_mfa_device(
        self, call: Call, *, virtual_mfa_device_name: str, path: str = "/", tags: tuple[Tag, ...] = ()
    ) -> Answer:
        """A new device that is nobody's yet."""
        serial_number = call.arn("iam", f"mfa{path}{virtual_mfa_device_name}", region="")
        if len(serial_number) > _MAX_SERIAL_NUMBER:
            # UNVERIFIED: the sentence. A longer one could never be named again: no other operation takes it.
            raise ValidationError(f"A serial number can have {_MAX_SERIAL_NUMBER} characters.")
        seed = self._devices.new_seed(self._entropy)
        device = MfaDevice(
            serial_number=serial_number,
            account_id=call.account_id,
            seed_sealed=self._devices.seal(serial_number, seed, self._entropy),
            created_at=call.now.replace(microsecond=0),
            tags=new_tags(tags),
        )
        if not await self._store.save_new_device(device):
            raise EntityAlreadyExists("MFADevice entity at the same path and name already exists.")
        return {
            "virtual_mfa_device": {
                "serial_number": serial_number,
                "base32_string_seed": seed.reveal().encode(),
                "qr_code_png": _qr_code(seed, f"{virtual_mfa_device_name}@{call.account_id}"),
                "tags": render_tags(device.tags) or None,
            }
        }

    @operation
    async def enable_mfa_device(
        self, call: Call, *, user_name: str, serial_number: str, authentication_code1: str, authentication_code2: str
    ) -> Answer:
        """The device is the user's from now on."""
        user = await self._user(call, user_name)
        verdict: Verdict = "wrong"
        within = within_quota("MfaDevicesPerUser")

        def enable(present: MfaDevice, devices: int) -> MfaDevice:
            nonlocal verdict
            _check_account(call, present)
            if present.user_name:
                raise EntityAlreadyExists(f"MFA Device with serial number {serial_number} is already in use.")
            within(devices)
            changed, verdict = self._devices.synchronised(present, authentication_code1, authentication_code2, call.now)
            if verdict != "good":
                return changed
            enabled_at = call.now.replace(microsecond=0)
            return msgspec.structs.replace(changed, user_name=user.user_name, enabled_at=enabled_at)

        if await self._store.change_device(serial_number, enable, for_user=user.user_name) is None:
            raise _no_such_device(serial_number)
        _check_good(verdict)
        return None

    @operation
    async def resync_mfa_device(
        self, call: Call, *, user_name: str, serial_number: str, authentication_code1: str, authentication_code2: str
    ) -> Answer:
        """Codes count again although the device's clock has drifted."""
        user = await self._user(call, user_name)
        verdict: Verdict = "wrong"

        def resync(present: MfaDevice, _count: int) -> MfaDevice:
            nonlocal verdict
            _check_owner(call, present, user)
            changed, verdict = self._devices.synchronised(present, authentication_code1, authentication_code2, call.now)
            return changed

        if await self._store.change_device(serial_number, resync) is None:
            raise _no_such_device(serial_number)
        _check_good(verdict)
        return None

    @operation
    async def deactivate_mfa_device(self, call: Call, *, serial_number: str, user_name: str | None = None) -> Answer:
        """The device is nobody's any more; it can be enabled anew."""
        user = await self._user(call, caller_user_name(call, user_name))

        def deactivate(present: MfaDevice, _count: int) -> MfaDevice:
            _check_owner(call, present, user)
            return msgspec.structs.replace(present, user_name="", enabled_at=None)

        if await self._store.change_device(serial_number, deactivate) is None:
            raise _no_such_device(serial_number)
        return None

    @operation
    async def delete_virtual_mfa_device(self, call: Call, *, serial_number: str) -> Answer:
        """The device is gone, and its seed with it."""

        def check(present: MfaDevice) -> None:
            _check_account(call, present)
            if present.user_name:
                raise DeleteConflict("MFA VirtualDevice in use. Must deactivate first.")

        if await self._store.delete_device(serial_number, check) is None:
            raise _no_such_device(serial_number)
        return None

    @operation
    async def list_mfa_devices(
        self, call: Call, *, user_name: str | None = None, marker: str | None = None, max_items: int | None = None
    ) -> Answer:
        """The devices of the user named, or of the caller."""
        user = await self._user(call, caller_user_name(call, user_name))
        found = await self._store.list_devices(call.account_id, user_name=user.user_name)
        page = page_of(found, lambda device: device.serial_number, marker=marker, max_items=max_items)
        return page.answer(
            "mfa_devices",
            [
                {
                    "user_name": device.user_name,
                    "serial_number": device.serial_number,
                    "enable_date": device.enabled_at,
                }
                for device in page.items
            ],
        )

    @operation
    async def list_virtual_mfa_devices(
        self,
        call: Call,
        *,
        assignment_status: Literal["Assigned", "Unassigned", "Any"] = "Any",
        marker: str | None = None,
        max_items: int | None = None,
    ) -> Answer:
        """All devices of the account; of those that are enabled also whose they are."""
        wanted = {"Assigned": (True,), "Unassigned": (False,), "Any": (True, False)}[assignment_status]
        found = [
            device for device in await self._store.list_devices(call.account_id) if bool(device.user_name) in wanted
        ]
        page = page_of(found, lambda device: device.serial_number, marker=marker, max_items=max_items)
        return page.answer("virtual_mfa_devices", [await self._listed(device) for device in page.items])

    @operation
    async def get_mfa_device(self, call: Call, *, serial_number: str, user_name: str | None = None) -> Answer:
        """Whose the device is and since when. With a user named it must be that user's."""
        device = await self._load(call, serial_number)
        if user_name is not None:
            _check_owner(call, device, await self._user(call, user_name))
        return {
            "serial_number": device.serial_number,
            "user_name": device.user_name or None,
            "enable_date": device.enabled_at,
        }

    @operation
    async def tag_mfa_device(self, call: Call, *, serial_number: str, tags: tuple[Tag, ...]) -> Answer:
        """The tags are set; others stay."""
        await self._retag(call, serial_number, lambda present: add_tags(present, tags))
        return None

    @operation
    async def untag_mfa_device(self, call: Call, *, serial_number: str, tag_keys: tuple[str, ...]) -> Answer:
        """The tags are gone, if they were there."""
        await self._retag(call, serial_number, lambda present: remove_tags(present, tag_keys))
        return None

    @operation
    async def list_mfa_device_tags(
        self, call: Call, *, serial_number: str, marker: str | None = None, max_items: int | None = None
    ) -> Answer:
        """The device's tags, in pages."""
        device = await self._load(call, serial_number)
        page = page_of(render_tags(device.tags), lambda tag: tag["key"], marker=marker, max_items=max_items)
        return page.answer("tags", page.items)

    async def _user(self, call: Call, user_name: str) -> User:
        user = await self._users.load_user(call.account_id, user_name)
        if user is None:
            raise no_such_entity("user", user_name)
        return user

    async def _load(self, call: Call, serial_number: str) -> MfaDevice:
        device = await self._store.load_device(serial_number)
        if device is None:
            raise _no_such_device(serial_number)
        _check_account(call, device)
        return device

    async def _listed(self, device: MfaDevice) -> dict[str, object]:
        user = await self._users.load_user(device.account_id, device.user_name) if device.user_name else None
        return {
            "serial_number": device.serial_number,
            "user": None if user is None else render_listed_user(user),
            "enable_date": device.enabled_at,
        }

    async def _retag(self, call: Call, serial_number: str, change: TagChange) -> None:
        def retagged(present: MfaDevice, _count: int) -> MfaDevice:
            _check_account(call, present)
            return msgspec.structs.replace(present, tags=change(present.tags))

        if await self._store.change_device(serial_number, retagged) is None:
            raise _no_such_device(serial_number)


def _no_such_device(serial_number: str) -> NoSuchEntity:
    return NoSuchEntity(f"VirtualMFADevice with serial number {serial_number} does not exist.")


def _check_account(call: Call, device: MfaDevice) -> None:
    if device.account_id != call.account_id:
        raise _no_such_device(device.serial_number)


def _check_owner(call: Call, device: MfaDevice, user: User) -> None:
    _check_account(call, device)
    if device.user_name != user.user_name:
        raise NoSuchEntity(
            f"Device with serial number {device.serial_number} is not associated with user {user.user_name}."
        )


def _check_good(verdict: Verdict) -> None:
    if verdict != "good":
        raise InvalidAuthenticationCode(
            "Authentication code for device is not valid.",
            detail="no two codes of the device in a row" if verdict == "wrong" else "locked after wrong codes",
        )


def _qr_code(seed: Secret[str], label: str) -> bytes:
    """A PNG of the URI that authenticator apps scan."""
    import segno

    account, issuer = quote(label), quote(_ISSUER)
    uri = f"otpauth://totp/{issuer}:{account}?secret={seed.reveal()}&issuer={issuer}"
    png = io.BytesIO()
    segno.make_qr(uri).save(png, kind="png", scale=4)
    return png.getvalue()
