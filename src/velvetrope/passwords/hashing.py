"""Argon2id for the flows in which the server is sent the password.

Parameters: 19 MiB of memory, two passes, one lane, the smallest that OWASP's Password Storage Cheat Sheet lists. They
are written into the hash (PHC string format), so that they can be raised later without breaking hashes that exist. The
library's own default takes 200 ms of CPU; ours takes 20, which a sign-in can afford and back-off makes enough online.
Offline, a hash is sealed besides: a stolen database has no hash to guess at.

Both functions take their 20 ms with the GIL released; a service runs them in a thread.
"""

from velvetrope.secret import Secret

__all__ = ["hash_password", "password_matches"]

MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1
HASH_BYTES = 32
SALT_BYTES = 16


def hash_password(password: Secret[str], *, salt: bytes) -> bytes:
    """`$argon2id$v=19$m=19456,t=2,p=1$salt$hash`, with 16 random bytes as the salt."""
    from argon2.low_level import Type, hash_secret

    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt is {SALT_BYTES} bytes")
    return hash_secret(
        password.reveal().encode(),
        salt,
        time_cost=PASSES,
        memory_cost=MEMORY_KIB,
        parallelism=LANES,
        hash_len=HASH_BYTES,
        type=Type.ID,
    )


def password_matches(password: Secret[str], encoded: bytes) -> bool:
    """Whether `encoded` was made from `password`; compares in constant time."""
    from argon2.exceptions import VerifyMismatchError
    from argon2.low_level import Type, verify_secret

    try:
        return verify_secret(encoded, password.reveal().encode(), Type.ID)
    except VerifyMismatchError:
        return False
