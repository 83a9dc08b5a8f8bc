"""How often somebody may have a code sent to them: five times, then not for an hour.

Counted by the name as it is looked up, whether or not somebody has it, so that a limit says nothing about that, and so
that a stranger cannot fill an inbox. Codes of sign-ins are counted too, apart from each other: anybody may have a first
factor sent, a second one only whoever has shown a first. Whoever shows such a code has had a right to it, and starts
from none again.

Names are free, so codes are counted by where they go as well, as long as the address was not shown to be the user's:
twenty in an hour, whatever they are for and whoever asks, until somebody shows one of them. A proven address has no
such count, or strangers could keep its owner from signing in; and what administrators send is not counted. AWS is not
known to count by address. It is compared as written, in lower case: whoever reads `anna+1@…` may read `anna@…` too, and
is sent twenty codes to each.

Source: Cognito Developer Guide, "Quotas" (ResendConfirmationCode, GetUserAttributeVerificationCode, ForgotPassword).
For codes of sign-ins AWS's figure was not seen; ours is the same (UNVERIFIED).
"""

from datetime import datetime, timedelta
from typing import Literal

from velvetrope.store.tables.userpools import UserPool
from velvetrope.store.tables.userpools_sign_in import SignInStore, attempts_key
from velvetrope.userpools.messages.sent_codes import too_often

__all__ = ["CallLimits", "LimitedCall"]

LimitedCall = Literal["resend", "forgot", "verify", "first_factor", "second_factor"]

_HOUR = timedelta(hours=1)
_FREE_CALLS = 5
_LOCKS = (*[timedelta(0)] * _FREE_CALLS, _HOUR)
_FREE_CODES = 20
_ADDRESS_LOCKS = (*[timedelta(0)] * _FREE_CODES, _HOUR)


class CallLimits:
    """Counts calls and refuses too many of them."""

    def __init__(self, store: SignInStore) -> None:
        self._store = store

    async def take(self, pool: UserPool, username_key: str, what: LimitedCall, *, now: datetime) -> None:
        """Count one call.

        Raises:
            LimitExceededException: it was the sixth within an hour, or a later one.
        """
        await self._take(pool, attempts_key(username_key, what), _LOCKS, f"{_FREE_CALLS} codes to this name", now=now)

    async def take_for_address(self, pool: UserPool, destination: str, *, now: datetime) -> None:
        """Count one code to an address that was not shown to be the user's.

        Raises:
            LimitExceededException: it was the twenty-first within an hour, or a later one.
        """
        codes = f"{_FREE_CODES} codes to this address, which nobody has proven,"
        await self._take(pool, _address(destination), _ADDRESS_LOCKS, codes, now=now)

    async def forget_address(self, pool: UserPool, destination: str, *, now: datetime) -> None:
        """Whoever reads what goes there has shown a code. Start from none again, unless the limit was reached."""
        await self._store.forget_failures(pool.id, _address(destination), now=now)

    async def _take(
        self, pool: UserPool, name: str, locks: tuple[timedelta, ...], asked: str, *, now: datetime
    ) -> None:
        refusal = too_often(f"{asked} were asked for within an hour")
        counted = await self._store.load_attempts(pool.id, name)
        if counted is not None and now < counted.locked_until:
            raise refusal
        number = await self._store.record_failure(pool.id, name, now=now, locks=locks, forget_after=_HOUR)
        # Of calls at the same moment no more get through than one after the other.
        if number is None or number >= len(locks):
            raise refusal

    async def forget(self, pool: UserPool, username_key: str, what: LimitedCall, *, now: datetime) -> None:
        """Start from none again, unless the limit was reached."""
        await self._store.forget_failures(pool.id, attempts_key(username_key, what), now=now)


def _address(destination: str) -> str:
    return attempts_key(destination.lower(), "address")
