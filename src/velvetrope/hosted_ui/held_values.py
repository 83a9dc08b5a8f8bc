"""Random values that somebody else holds for us, a browser or a provider, and the hash by which we find them again.

    held = new_held_value(entropy)              # goes out: a cookie, a state
    await store.save(held_hash(held), …)        # stays here

Only the hash is kept. What goes out has 256 random bits, so a plain hash cannot be searched backwards, and whoever
reads the database holds nothing.
"""

from base64 import urlsafe_b64encode
from hashlib import sha256

from velvetrope.clock import Entropy

__all__ = ["as_held_value", "held_hash", "new_held_value"]

_BYTES = 32


def new_held_value(entropy: Entropy) -> str:
    """43 characters that are safe in URLs and cookies, of 32 random bytes."""
    return as_held_value(entropy.token_bytes(_BYTES))


def as_held_value(value: bytes) -> str:
    """Bytes as a text that is safe in URLs and cookies: base64url without padding (RFC 4648 section 5)."""
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def held_hash(value: str) -> str:
    """By what it is found: SHA-256, 64 hex digits."""
    return sha256(value.encode()).hexdigest()
