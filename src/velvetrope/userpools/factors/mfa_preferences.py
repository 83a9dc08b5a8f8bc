"""Which second factors a user has switched on, as part of the user.

Source: Cognito user pools API, SetUserMFAPreference.
"""

import msgspec

from velvetrope.store.tables.userpools import MfaType, User, UserPool

__all__ = ["switched_on", "with_mfa_enabled"]


def switched_on(pool: UserPool, user: User) -> list[MfaType]:
    """The user's factors that the pool asks for: one that it no longer offers neither protects nor is in the way."""
    return [name for name in user.mfa_enabled if name in pool.mfa_types]


def with_mfa_enabled(user: User, mfa: MfaType, *, on: bool) -> User:
    """The user with this factor switched on or off, the others as they were: but for passkey MFA, which goes with the
    last of them (`passkey_mfa`)."""
    rest = tuple(name for name in user.mfa_enabled if name != mfa)
    enabled = (*rest, mfa) if on else rest
    return msgspec.structs.replace(user, mfa_enabled=enabled, passkey_mfa=user.passkey_mfa and bool(enabled))
