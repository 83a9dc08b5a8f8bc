"""Virtual MFA devices as verifiers need them: seeds opened, codes spent.

    devices = MfaDevices(store, master_keys)
    await devices.spend_token_code(caller, serial_number, token_code, now)       # STS, for SerialNumber and TokenCode

Seeds are sealed under the master keys, each bound to its device's serial number. Of the caller's own devices only one
that is enabled for it counts; another's is the same finding as one that does not exist.

Texts as seen on AWS.
"""

import base64
from datetime import datetime
from typing import Final

from velvetrope.clock import Entropy
from velvetrope.errors import ReasonError
from velvetrope.iam.mfa_codes import Verdict, spend_code, spend_consecutive_codes
from velvetrope.principals import Principal
from velvetrope.sealing import MasterKeys
from velvetrope.secret import Secret
from velvetrope.store.tables.iam_mfa_devices import MfaDevice, MfaDeviceStore

__all__ = ["MfaDevices", "MultiFactorRefused"]

_PURPOSE: Final = "iam mfa device seeds"
_SEED_BYTES: Final = 40
"""64 characters of base32, the length of the seeds that AWS makes."""


class MultiFactorRefused(ReasonError):
    """The device is not the caller's, or the code is not one that counts."""


class MfaDevices:
    """Opens seeds and spends codes."""

    def __init__(self, store: MfaDeviceStore, master_keys: MasterKeys) -> None:
        self._store = store
        self._master_keys = master_keys

    def new_seed(self, entropy: Entropy) -> Secret[str]:
        """A seed for a new device, in base32."""
        return Secret(base64.b32encode(entropy.token_bytes(_SEED_BYTES)).decode())

    def seal(self, serial_number: str, seed: Secret[str], entropy: Entropy) -> bytes:
        """The seed as the store keeps it."""
        return self._master_keys.seal(
            seed.reveal().encode(), purpose=_PURPOSE, entropy=entropy, context=serial_number.encode()
        )

    async def spend_token_code(self, caller: Principal, serial_number: str, token_code: str, now: datetime) -> None:
        """The caller has shown the code of a device of its own.

        Raises:
            MultiFactorRefused: it has no such device, or the code is wrong, was spent, or is not looked at for now.
        """
        verdict: Verdict | None = None

        def spend(present: MfaDevice, _count: int) -> MfaDevice:
            nonlocal verdict
            mine = caller.kind == "User" and (present.account_id, present.user_name) == (
                caller.account_id,
                caller.name,
            )
            if not mine:
                return present
            changed, verdict = spend_code(present, self._open(present), token_code, now)
            return changed

        await self._store.change_device(serial_number, spend)
        if verdict is None:
            raise MultiFactorRefused(
                "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number "
                "is valid and associated with this user.",
                detail=f"{caller.arn} has no device {serial_number}",
            )
        if verdict != "good":
            raise MultiFactorRefused(
                "MultiFactorAuthentication failed with invalid MFA one time pass code.",
                detail="the code is wrong or was spent" if verdict == "wrong" else "locked after wrong codes",
            )

    def synchronised(self, device: MfaDevice, first: str, second: str, now: datetime) -> tuple[MfaDevice, Verdict]:
        """The device after two codes in a row were shown, and whether they were good."""
        return spend_consecutive_codes(device, self._open(device), first, second, now)

    def _open(self, device: MfaDevice) -> Secret[str]:
        seed = self._master_keys.open(device.seed_sealed, purpose=_PURPOSE, context=device.serial_number.encode())
        return Secret(seed.decode())
