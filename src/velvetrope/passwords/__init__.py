"""Passwords: which ones a pool accepts, and how one that was sent to us is checked.

    check_password_policy(password, policy)                       # raises PasswordPolicyViolation with AWS's sentence
    encoded = hash_password(password, salt=random_16_bytes)       # kept, sealed
    password_matches(password, encoded)                           # True or False, 20 ms either way

Users, lockouts and where hashes are kept are not known here, nor is the SRP verifier (`srp`), the other form in which a
password is kept.
"""

from velvetrope.passwords.hashing import hash_password, password_matches
from velvetrope.passwords.policy import SYMBOLS, PasswordPolicy, PasswordPolicyViolation, check_password_policy
from velvetrope.passwords.temporary import make_temporary_password

__all__ = [
    "SYMBOLS",
    "PasswordPolicy",
    "PasswordPolicyViolation",
    "check_password_policy",
    "hash_password",
    "make_temporary_password",
    "password_matches",
]
