"""Authenticator apps: secrets, and the codes they show.

Codes are RFC 6238 with SHA-1, 30 seconds and six digits, which is all that apps agree on. A code is taken for its own
time step and the one before and after (RFC 6238 section 5.2; how much AWS allows is UNVERIFIED), and a step is spent by
whoever shows its code first: neither it nor an earlier one is taken again.

A secret is 32 random bytes, as long as AWS's, in base32; it is sealed for its user.
"""

import base64
import hmac
from datetime import datetime

from velvetrope.clock import Entropy
from velvetrope.sealing import MasterKeys
from velvetrope.store.tables.userpools import UserPool
from velvetrope.store.tables.userpools_factors import FactorStore

__all__ = ["NOT_THE_APPS", "AuthenticatorApps", "base32"]

_PURPOSE = "userpools.software-token"
_SECRET_BYTES = 32
_STEP_SECONDS = 30
_STEPS_OFF = (0, -1, 1)
NOT_THE_APPS = "not what the app shows now, half a minute ago or in half a minute; is its clock right?"
"""For the log, of a wrong code."""


class AuthenticatorApps:
    """Makes secrets and checks codes."""

    def __init__(self, store: FactorStore, master_keys: MasterKeys, entropy: Entropy) -> None:
        self._store = store
        self._master_keys = master_keys
        self._entropy = entropy

    def new_secret(self) -> bytes:
        return self._entropy.token_bytes(_SECRET_BYTES)

    def seal(self, secret: bytes, *, pool: UserPool, sub: str) -> bytes:
        return self._master_keys.seal(
            secret, purpose=_PURPOSE, entropy=self._entropy, context=f"{pool.id}|{sub}".encode()
        )

    def open(self, sealed: bytes, *, pool: UserPool, sub: str) -> bytes:
        return self._master_keys.open(sealed, purpose=_PURPOSE, context=f"{pool.id}|{sub}".encode())

    def step_of(self, secret: bytes, code: str, *, now: datetime) -> int | None:
        """The time step whose code this is; None if it is nobody's. Each is compared in constant time."""
        import pyotp  # where it is needed first, since a start does not need it

        app = pyotp.TOTP(base32(secret))
        present = int(now.timestamp()) // _STEP_SECONDS
        found = None
        for off in _STEPS_OFF:
            if hmac.compare_digest(app.generate_otp(present + off).encode(), code.encode()) and found is None:
                found = present + off
        return found

    async def is_set_up(self, pool: UserPool, username_key: str) -> bool:
        """Whether the user has an app that has shown a code, switched on or not."""
        token = await self._store.load_software_token(pool.id, username_key)
        return token is not None and token.secret_sealed is not None

    async def take_step(self, pool: UserPool, username_key: str, step: int) -> bool:
        """Whether the step had not been used, nor a later one."""
        return await self._store.take_time_step(pool.id, username_key, step)


def base32(secret: bytes) -> str:
    """The form in which apps are told the secret; without the padding, which the model does not allow."""
    return base64.b32encode(secret).decode().rstrip("=")
