"""The password policy of a pool, with the sentences AWS says when a password does not conform.

The first rule that fails is the one named: length, then upper case, lower case, numbers, symbols. AWS's own order where
several fail is not documented (UNVERIFIED).

Letters and digits are the ASCII ones: what counts as upper case elsewhere is a longer story than a password rule.

Source: Cognito Developer Guide, "Adding user pool password requirements".
"""

import string
from dataclasses import dataclass

from velvetrope.errors import ReasonError
from velvetrope.secret import Secret

__all__ = ["SYMBOLS", "PasswordPolicy", "PasswordPolicyViolation", "check_password_policy"]

SYMBOLS = "^$*.[]{}()?-\"!@#%&/\\,><':;|_~`+="
MAX_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """What a password must have."""

    minimum_length: int
    require_uppercase: bool
    require_lowercase: bool
    require_numbers: bool
    require_symbols: bool


class PasswordPolicyViolation(ReasonError):
    """The password does not conform; the message is AWS's and names the rule, never the password."""


def check_password_policy(password: Secret[str], policy: PasswordPolicy) -> None:
    """Refuse a password that the policy does not allow.

    Raises:
        PasswordPolicyViolation: the first rule that fails.
    """
    text = password.reveal()
    # A space counts as a symbol, but not in front or at the end (Developer Guide, as above).
    symbols = any(c in SYMBOLS for c in text) or " " in text.strip(" ")
    for broken, rule in (
        (len(text) < policy.minimum_length, "Password not long enough"),
        (len(text) > MAX_CHARACTERS, "Password too long"),
        (
            policy.require_uppercase and not _has(text, string.ascii_uppercase),
            "Password must have uppercase characters",
        ),
        (
            policy.require_lowercase and not _has(text, string.ascii_lowercase),
            "Password must have lowercase characters",
        ),
        (policy.require_numbers and not _has(text, string.digits), "Password must have numeric characters"),
        (policy.require_symbols and not symbols, "Password must have symbol characters"),
    ):
        if broken:
            raise PasswordPolicyViolation(f"Password did not conform with policy: {rule}")


def _has(text: str, alphabet: str) -> bool:
    return any(c in alphabet for c in text)
