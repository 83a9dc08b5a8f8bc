"""How often somebody may have a code sent to them: five times, then not for an hour.

Counted by the name as it is looked up, whether or not somebody has it, so that a limit says nothing about that, and so
that a stranger cannot fill an inbox.

Source: Cognito Developer Guide, "Quotas" (ResendConfirmationCode, GetUserAttributeVerificationCode, ForgotPassword).
"""

import hashlib
from datetime import datetime, timedelta
from typing import Literal

from velvetrope.store.tables.userpools import UserPool
from velvetrope.store.tables.userpools_sign_in import SignInStore
from velvetrope.userpools.sent_codes import too_often

__all__ = ["CallLimits"]

_HOUR = timedelta(hours=1)
_FREE_CALLS = 4
_LOCKS = (*[timedelta(0)] * _FREE_CALLS, _HOUR)


class CallLimits:
    """Counts calls and refuses too many of them."""

    def __init__(self, store: SignInStore) -> None:
        self._store = store

    async def take(
        self, pool: UserPool, username_key: str, what: Literal["resend", "forgot", "verify"], *, now: datetime
    ) -> None:
        """Count one call.

        Raises:
            LimitExceededException: it was the sixth within an hour, or a later one.
        """
        name = hashlib.sha256(f"{what}|{username_key}".encode()).hexdigest()
        counted = await self._store.load_attempts(pool.id, name)
        if counted is not None and now < counted.locked_until:
            raise too_often()
        await self._store.record_failure(pool.id, name, now=now, locks=_LOCKS, forget_after=_HOUR)
