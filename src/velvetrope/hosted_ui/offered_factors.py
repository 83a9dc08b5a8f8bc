"""First factors besides the password: which of them a client's people may use."""

from velvetrope.store.tables.userpools import AppClient, UserPool

__all__ = ["offered_factors"]

_FIRST_FACTORS = ("WEB_AUTHN", "EMAIL_OTP", "SMS_OTP")
"""In the order in which they are offered."""


def offered_factors(pool: UserPool, client: AppClient) -> tuple[str, ...]:
    """WEB_AUTHN, EMAIL_OTP, SMS_OTP: where the client has USER_AUTH, and the pool allows them."""
    if "ALLOW_USER_AUTH" not in client.explicit_auth_flows:
        return ()
    return tuple(name for name in _FIRST_FACTORS if name in pool.allowed_first_auth_factors)
