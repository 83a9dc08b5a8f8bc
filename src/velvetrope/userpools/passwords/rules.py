"""The pool's password settings as `passwords` understands them."""

from datetime import datetime, timedelta

from velvetrope.passwords import PasswordPolicy, PasswordPolicyViolation, check_password_policy
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import UserPool
from velvetrope.userpools.errors import InvalidPasswordException

__all__ = ["check_new_password", "may_lack_password", "policy_of", "temporary_password_expiry"]

_PASSWORDLESS = frozenset({"EMAIL_OTP", "SMS_OTP"})


def policy_of(pool: UserPool) -> PasswordPolicy:
    settings = pool.password_policy
    return PasswordPolicy(
        minimum_length=settings.minimum_length,
        require_uppercase=settings.require_uppercase,
        require_lowercase=settings.require_lowercase,
        require_numbers=settings.require_numbers,
        require_symbols=settings.require_symbols,
    )


def may_lack_password(pool: UserPool) -> bool:
    """Whether codes sign people in, so that somebody may be made without a password."""
    return not _PASSWORDLESS.isdisjoint(pool.allowed_first_auth_factors)


def check_new_password(pool: UserPool, password: Secret[str]) -> None:
    """
    Raises:
        InvalidPasswordException: the pool's policy does not allow it.
    """
    try:
        check_password_policy(password, policy_of(pool))
    except PasswordPolicyViolation as broken:
        raise InvalidPasswordException(broken.message) from None


def temporary_password_expiry(pool: UserPool, *, now: datetime) -> datetime:
    """When a temporary password that is set now stops working."""
    return now + timedelta(days=pool.password_policy.temporary_password_validity_days or 7)
