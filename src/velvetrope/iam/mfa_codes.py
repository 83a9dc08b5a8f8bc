"""One-time codes of virtual MFA devices: which step a code is of, and whether it may still be spent.

A code is of a step of 30 seconds (RFC 6238: HMAC-SHA-1, six digits, as every authenticator app has it). Ours and the
device's clock may differ by one step, about the drift that was seen when the device was enabled or resynchronised. A
code counts once: with it go all codes of its step and before (RFC 6238 section 5.2).

Guessing is held up: the fifth wrong code in a row locks the device for a second, each further one for twice as long, up
to a quarter of an hour. During a lock no code is looked at. A million codes of which three are good at a time would be
guessed in a week at AWS's request rates (how AWS itself holds it up is not documented).

Pure: the moment is an argument, and what comes out is the next record.
"""

import hmac
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from velvetrope.secret import Secret
from velvetrope.store.tables.iam_mfa_devices import MfaDevice

__all__ = ["spend_code", "spend_consecutive_codes"]

_STEP_SECONDS: Final = 30
_WINDOW_STEPS: Final = 1
_RESYNC_STEPS: Final = 20
"""How far a device may have drifted when two codes in a row bring it back: ten minutes either way."""
_FREE_FAILURES: Final = 4
_LONGEST_LOCK: Final = timedelta(minutes=15)

Verdict = Literal["good", "wrong", "locked"]


def spend_code(device: MfaDevice, seed: Secret[str], code: str, now: datetime) -> tuple[MfaDevice, Verdict]:
    """The device after somebody has shown `code`, and whether it was good. `seed` is base32."""
    if _is_locked(device, now):
        return device, "locked"
    expected = _step_at(now) + device.drift_steps
    for step in range(expected - _WINDOW_STEPS, expected + _WINDOW_STEPS + 1):
        if step > device.last_step and _is_code_of(seed, step, code):
            return msgspec.structs.replace(device, last_step=step, failures=0, failed_at=None), "good"
    return _failed(device, now), "wrong"


def spend_consecutive_codes(
    device: MfaDevice, seed: Secret[str], first: str, second: str, now: datetime
) -> tuple[MfaDevice, Verdict]:
    """The same for two codes that follow each other, which also say how far the device's clock is off."""
    if _is_locked(device, now):
        return device, "locked"
    current = _step_at(now)
    for drift in sorted(range(-_RESYNC_STEPS, _RESYNC_STEPS + 1), key=abs):
        step = current + drift
        if step - 1 > device.last_step and _is_code_of(seed, step - 1, first) and _is_code_of(seed, step, second):
            synced = msgspec.structs.replace(device, last_step=step, drift_steps=drift, failures=0, failed_at=None)
            return synced, "good"
    return _failed(device, now), "wrong"


def _step_at(now: datetime) -> int:
    return int(now.timestamp()) // _STEP_SECONDS


def _is_code_of(seed: Secret[str], step: int, code: str) -> bool:
    from pyotp import HOTP

    return hmac.compare_digest(HOTP(seed.reveal()).at(step), code)


def _is_locked(device: MfaDevice, now: datetime) -> bool:
    if device.failed_at is None or device.failures <= _FREE_FAILURES:
        return False
    lock = min(timedelta(seconds=2.0 ** min(device.failures - _FREE_FAILURES - 1, 20)), _LONGEST_LOCK)
    return now < device.failed_at + lock


def _failed(device: MfaDevice, now: datetime) -> MfaDevice:
    quiet = device.failed_at is not None and now >= device.failed_at + _LONGEST_LOCK
    return msgspec.structs.replace(device, failures=1 if quiet else device.failures + 1, failed_at=now)
