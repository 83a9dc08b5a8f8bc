"""Passkeys as MFA: when one passkey stands for both factors, and when its user must have been verified.

A passkey is a first factor and never a second one. Signing in with it satisfies MFA where all of this holds: the pool's
FactorConfiguration is MULTI_FACTOR_WITH_USER_VERIFICATION, the user has switched passkey MFA on (WebAuthnMfaSettings;
UserMFASettingList then names it), and the authenticator has verified the user. The setting stands beside another factor
and never alone, so that whoever loses the authenticator is not locked out: it is switched on in a call that switches
another factor on too, and goes when the last other one or the last passkey goes.

Verification is demanded, and an answer without it refused, where the pool says so in either of its two ways
(UserVerification `required`, or MULTI_FACTOR_WITH_USER_VERIFICATION) and from whoever has switched passkey MFA on.

Sources: botocore's cognito-idp model, WebAuthnMfaSettingsType, WebAuthnFactorConfigurationType and
WebAuthnConfigurationType. That the other factor is named in the same call, what the list calls it, and the sentences
below except the first: as applications in public repositories record them of AWS (August to October 2026). UNVERIFIED:
the first sentence; what AWS does when the last other factor is switched off alone (we refuse), and with the last
passkey (we switch it off).
"""

from collections.abc import Sequence

import msgspec

from velvetrope.store.tables.userpools import User, UserPool
from velvetrope.store.tables.userpools_factors import Passkey
from velvetrope.userpools.errors import InvalidParameterException
from velvetrope.userpools.factors.mfa_settings import relying_party_id

__all__ = [
    "PASSKEY_MFA",
    "WebAuthnMfaSettings",
    "check_not_alone",
    "check_passkey_mfa",
    "stands_for_both_factors",
    "user_verification",
]

PASSKEY_MFA = "WEB_AUTHN_MFA"
"""What UserMFASettingList calls it."""


class WebAuthnMfaSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user's wish. There is nothing to prefer: it applies where the passkey came first."""

    enabled: bool = False


def stands_for_both_factors(pool: UserPool, user: User) -> bool:
    """Whether a passkey of this user, whose authenticator verified them, satisfies MFA in this pool."""
    return user.passkey_mfa and _is_multi_factor(pool)


def user_verification(pool: UserPool, user: User) -> str:
    """`required` or `preferred`: what authenticators are asked for, by WebAuthn's own words (section 5.8.6)."""
    if user.passkey_mfa or _is_multi_factor(pool):
        return "required"
    return pool.web_authn.user_verification or "preferred"


def check_passkey_mfa(pool: UserPool, passkeys: Sequence[Passkey], *, names_another: bool) -> None:
    """Passkey MFA can be switched on. `names_another`: the call switches another factor on too.

    Raises:
        InvalidParameterException: the pool has none, no other factor is named, or the user has no passkey of the
            pool's relying party.
    """
    if "WEB_AUTHN" not in pool.allowed_first_auth_factors or not _is_multi_factor(pool):
        raise InvalidParameterException("WebAuthn MFA is not enabled for the user pool.")
    if not names_another:
        raise InvalidParameterException(_NEEDS_ANOTHER)
    if not any(passkey.relying_party_id == relying_party_id(pool) for passkey in passkeys):
        raise InvalidParameterException("User does not have applicable WebAuthn credentials to enable WebAuthn MFA.")


def check_not_alone(user: User) -> None:
    """
    Raises:
        InvalidParameterException: passkey MFA would be the only factor that is switched on.
    """
    if user.passkey_mfa and not user.mfa_enabled:
        raise InvalidParameterException(_NEEDS_ANOTHER)


_NEEDS_ANOTHER = "WebAuthn MFA requires enabling an additional MFA setting."


def _is_multi_factor(pool: UserPool) -> bool:
    return pool.web_authn.factor_configuration == "MULTI_FACTOR_WITH_USER_VERIFICATION"
