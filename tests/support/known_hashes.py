"""Argon2 that was computed before. One takes 20 ms of a processor, and tests give most users the same password.

Salts are counted in tests (`CountingEntropy`), so that most hashes come again in the next test. What is asked for the
first time is computed with the parameters that it is asked with. Servers that run in processes of their own, and the
tests beside the ground floor, compute all of them.
"""

from functools import cache
from typing import Literal

from argon2 import low_level
from argon2.exceptions import VerifyMismatchError

__all__ = ["hash_secret", "verify_secret"]

_verify = low_level.verify_secret

hash_secret = cache(low_level.hash_secret)
"""Stands in for `argon2.low_level.hash_secret`, which is not ours."""


def verify_secret(encoded: bytes, secret: bytes, kind: low_level.Type) -> Literal[True]:
    """Stands in for `argon2.low_level.verify_secret`.

    Raises:
        argon2.exceptions.VerifyMismatchError: it is the hash of another password.
    """
    if not _matches(encoded, secret, kind):
        raise VerifyMismatchError
    return True


@cache
def _matches(encoded: bytes, secret: bytes, kind: low_level.Type) -> bool:
    try:
        return _verify(encoded, secret, kind)
    except VerifyMismatchError:
        return False
