"""ConfirmDevice, and looking at devices, remembering and forgetting them, for users and administrators.

A device key is confirmed by the sign-in that was given it: the access token names it. What is confirmed is remembered
at once, unless the pool leaves that to the user (DeviceOnlyRememberedOnUserPrompt). Forgetting a device ends the
sessions that it began.

Source: Cognito user pools API, ConfirmDevice, UpdateDeviceStatus and siblings; user-pools reference section 3 for what
a client sends.
"""

from datetime import datetime
from typing import Literal

import msgspec

from velvetrope.clock import Entropy
from velvetrope.operations import Answer, Call, operation
from velvetrope.sealing import MasterKeys
from velvetrope.secret import Secret
from velvetrope.srp import is_verifier
from velvetrope.store.tables.userpools import StoredUser, UserPool
from velvetrope.store.tables.userpools_factors import Device, FactorStore
from velvetrope.userpools.challenges import decode_base64
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.errors import (
    DeviceKeyExistsException,
    InvalidParameterException,
    NotAuthorizedException,
)
from velvetrope.userpools.factors.devices import group_key_of, seal_device_verifier
from velvetrope.userpools.factors.password_proofs import device_missing
from velvetrope.userpools.pages import next_page, page_start
from velvetrope.userpools.tokens.signed_in import AccessTokens

__all__ = ["DeviceOperations", "DeviceSecretVerifierConfig"]

RememberedStatus = Literal["remembered", "not_remembered"]

_MAX_SALT_BYTES = 64
_MAX_VERIFIER_BYTES = 385  # 3072 bits, and the zero byte in front that clients write


class DeviceSecretVerifierConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Salt and verifier of the device's secret, each in base64."""

    password_verifier: Secret[str] | None = None
    salt: str | None = None


class DeviceOperations:
    """Devices of one user."""

    def __init__(
        self,
        factors: FactorStore,
        directory: PoolDirectory,
        tokens: AccessTokens,
        master_keys: MasterKeys,
        entropy: Entropy,
    ) -> None:
        self._factors = factors
        self._directory = directory
        self._tokens = tokens
        self._master_keys = master_keys
        self._entropy = entropy

    @operation
    async def confirm_device(
        self,
        call: Call,
        *,
        access_token: Secret[str],
        device_key: str,
        device_secret_verifier_config: DeviceSecretVerifierConfig | None = None,
        device_name: str | None = None,
    ) -> Answer:
        signed_in = await self._tokens.signed_in(call, access_token)
        pool, stored = signed_in.pool, signed_in.stored
        settings = pool.device_configuration
        if settings is None:
            # Text UNVERIFIED.
            raise InvalidParameterException("Device tracking is not enabled for the user pool.")
        if signed_in.token.claims.get("device_key") != device_key:
            raise NotAuthorizedException("Invalid device key given.")  # text UNVERIFIED
        config = device_secret_verifier_config or DeviceSecretVerifierConfig()
        verifier = None if config.password_verifier is None else decode_base64(config.password_verifier.reveal())
        salt = None if config.salt is None else decode_base64(config.salt)
        if not salt or not verifier or len(salt) > _MAX_SALT_BYTES or len(verifier) > _MAX_VERIFIER_BYTES:
            raise InvalidParameterException("Invalid device secret verifier config given.")  # text UNVERIFIED
        if not is_verifier(int.from_bytes(verifier)):
            raise InvalidParameterException(
                "Invalid device secret verifier config given.", detail="anybody could answer for that verifier"
            )
        device = Device(
            device_key=device_key,
            group_key=group_key_of(self._master_keys, pool, device_key),
            name=device_name,
            salt=salt,
            verifier_sealed=seal_device_verifier(
                self._master_keys, self._entropy, verifier, pool=pool, sub=stored.user.sub, device_key=device_key
            ),
            remembered=not settings.device_only_remembered_on_user_prompt,
            created_at=call.now,
            modified_at=call.now,
            authenticated_at=call.now,
            last_ip_used=call.source_ip,
        )
        if not await self._factors.create_device(pool.id, stored.username_key, device):
            raise DeviceKeyExistsException("Device already exists")  # text UNVERIFIED
        return {"user_confirmation_necessary": settings.device_only_remembered_on_user_prompt}

    @operation
    async def get_device(self, call: Call, *, device_key: str, access_token: Secret[str] | None = None) -> Answer:
        if access_token is None:
            raise InvalidParameterException("Missing required parameter AccessToken")
        signed_in = await self._tokens.signed_in(call, access_token)
        return {"device": _described(await self._device(signed_in.pool, signed_in.stored, device_key))}

    @operation
    async def list_devices(
        self, call: Call, *, access_token: Secret[str], limit: int = 60, pagination_token: str | None = None
    ) -> Answer:
        signed_in = await self._tokens.signed_in(call, access_token)
        return await self._list(signed_in.pool, signed_in.stored, limit, pagination_token)

    @operation
    async def update_device_status(
        self,
        call: Call,
        *,
        access_token: Secret[str],
        device_key: str,
        device_remembered_status: RememberedStatus | None = None,
    ) -> Answer:
        signed_in = await self._tokens.signed_in(call, access_token)
        await self._remember(signed_in.pool, signed_in.stored, device_key, device_remembered_status, now=call.now)
        return {}

    @operation
    async def forget_device(self, call: Call, *, device_key: str, access_token: Secret[str] | None = None) -> Answer:
        if access_token is None:
            raise InvalidParameterException("Missing required parameter AccessToken")
        signed_in = await self._tokens.signed_in(call, access_token)
        await self._forget(signed_in.pool, signed_in.stored, device_key, now=call.now)
        return None

    # Administrators

    @operation
    async def admin_get_device(self, call: Call, *, user_pool_id: str, username: str, device_key: str) -> Answer:  # noqa: ARG002
        pool = await self._directory.pool(user_pool_id)
        stored = await self._directory.user(pool, username)
        return {"device": _described(await self._device(pool, stored, device_key))}

    @operation
    async def admin_list_devices(
        self,
        call: Call,  # noqa: ARG002
        *,
        user_pool_id: str,
        username: str,
        limit: int = 60,
        pagination_token: str | None = None,
    ) -> Answer:
        pool = await self._directory.pool(user_pool_id)
        return await self._list(pool, await self._directory.user(pool, username), limit, pagination_token)

    @operation
    async def admin_update_device_status(
        self,
        call: Call,
        *,
        user_pool_id: str,
        username: str,
        device_key: str,
        device_remembered_status: RememberedStatus | None = None,
    ) -> Answer:
        pool = await self._directory.pool(user_pool_id)
        stored = await self._directory.user(pool, username)
        await self._remember(pool, stored, device_key, device_remembered_status, now=call.now)
        return {}

    @operation
    async def admin_forget_device(self, call: Call, *, user_pool_id: str, username: str, device_key: str) -> Answer:
        pool = await self._directory.pool(user_pool_id)
        await self._forget(pool, await self._directory.user(pool, username), device_key, now=call.now)
        return None

    async def _device(self, pool: UserPool, stored: StoredUser, device_key: str) -> Device:
        device = await self._factors.load_device(pool.id, stored.username_key, device_key)
        if device is None:
            raise device_missing()
        return device

    async def _list(self, pool: UserPool, stored: StoredUser, limit: int, token: str | None) -> Answer:
        after = page_start(token, member="PaginationToken")
        wanted = limit or 60
        devices = await self._factors.load_devices(pool.id, stored.username_key, after=after, limit=wanted)
        return {
            "devices": [_described(device) for device in devices],
            "pagination_token": next_page(devices, devices[-1].device_key if devices else "", limit=wanted),
        }

    async def _remember(
        self, pool: UserPool, stored: StoredUser, device_key: str, status: RememberedStatus | None, *, now: datetime
    ) -> None:
        remembered = status == "remembered"
        changed = await self._factors.change_device(
            pool.id,
            stored.username_key,
            device_key,
            lambda device: msgspec.structs.replace(device, remembered=remembered, modified_at=now),
        )
        if changed is None:
            raise device_missing()

    async def _forget(self, pool: UserPool, stored: StoredUser, device_key: str, *, now: datetime) -> None:
        if not await self._factors.delete_device(
            pool.id, stored.username_key, device_key, sub=stored.user.sub, now=now
        ):
            raise device_missing()


def _described(device: Device) -> dict[str, object]:
    """DeviceType, with the attributes that AWS shows."""
    attributes = {
        "device_status": "valid",
        "device_name": device.name or "",
        "dev:device_remembered_status": "remembered" if device.remembered else "not_remembered",
        "last_ip_used": device.last_ip_used,
    }
    return {
        "device_key": device.device_key,
        "device_attributes": [{"name": name, "value": value} for name, value in attributes.items()],
        "device_create_date": device.created_at,
        "device_last_modified_date": device.modified_at,
        "device_last_authenticated_date": device.authenticated_at,
    }
