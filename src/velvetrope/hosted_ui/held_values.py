"""Random values that somebody else holds for us, a browser or a provider, and the hash by which we find them again.

    held = new_held_value(entropy)              # goes out: a cookie, a state
    await store.save(held_hash(held), …)        # stays here

Only the hash is kept. What goes out has 256 random bits, so a plain hash cannot be searched backwards, and whoever
reads the database holds nothing.
"""

from hashlib import sha256

from velvetrope.base64url import encode_base64url
from velvetrope.clock import Entropy

__all__ = ["held_hash", "new_held_value"]

_BYTES = 32


def new_held_value(entropy: Entropy) -> str:
    """43 characters that are safe in URLs and cookies, of 32 random bytes."""
    return encode_base64url(entropy.token_bytes(_BYTES))


def held_hash(value: str) -> str:
    """By what it is found: SHA-256, 64 hex digits."""
    return sha256(value.encode()).hexdigest()
