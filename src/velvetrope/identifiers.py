"""New identifiers in the shapes that AWS gives them, from random bytes that are handed in.

Sources: IAM User Guide, "IAM identifiers" (the four-letter prefixes); the botocore models' patterns for pool, client,
identity and API ids. Lengths of generated values are as seen on AWS where the models leave them open.
"""

import base64
from binascii import hexlify
from collections.abc import Iterator
from datetime import datetime
from struct import Struct
from typing import Final

from velvetrope.clock import Entropy

__all__ = [
    "UUID_BYTES",
    "UuidSource",
    "new_access_key_id",
    "new_alphanumeric",
    "new_iam_unique_id",
    "new_uuid",
    "uuids_of",
]

_LOWER = "abcdefghijklmnopqrstuvwxyz0123456789"
_MIXED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

UUID_BYTES: Final = 16
_UUID_DIGITS: Final = Struct("8s4sx3s1s3s12s")
"""The fields of a UUID in 32 hex digits, without the digit that says its version; the fourth is the one that says its
variant with two of its four bits."""
_VARIANTS: Final = {b"%x" % digit: b"-%x" % (0b1000 | digit & 0b11) for digit in range(16)}  # RFC 9562 section 4.1


def new_uuid(entropy: Entropy) -> str:
    """A version 4 UUID in its 36-character lower-case form (RFC 9562 section 5.4)."""
    return next(uuids_of(entropy.token_bytes(UUID_BYTES))).decode()


def uuids_of(random_bytes: bytes) -> Iterator[bytes]:
    """As many version 4 UUIDs as there are times `UUID_BYTES`."""
    # By hand, since every request and every token has one: `uuid.UUID` takes four times as long.
    for low, middle, high, variant, sequence, node in _UUID_DIGITS.iter_unpack(hexlify(random_bytes)):
        yield b"".join((low, b"-", middle, b"-4", high, _VARIANTS[variant], sequence, b"-", node))


class UuidSource:
    """UUIDs that are no secrets, in any thread: a hundred are drawn at once, since each draw is a system call."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._drawn: list[bytes] = []

    def next(self) -> str:
        """A version 4 UUID that nobody was given before."""
        while True:
            try:
                return self._drawn.pop().decode()
            except IndexError:
                self._drawn = list(uuids_of(self._entropy.token_bytes(100 * UUID_BYTES)))

    def next_ordered(self, now: datetime) -> str:
        """A version 7 UUID: 74 random bits behind the millisecond (RFC 9562 section 5.7).

        For keys of tables that much is written to: rows that come one after the other stand side by side, so that a
        page is written and not one anywhere.
        """
        time = f"{int(now.timestamp() * 1000):012x}"
        return f"{time[:8]}-{time[8:]}-7{self.next()[15:]}"


def new_alphanumeric(entropy: Entropy, length: int, *, mixed_case: bool = False) -> str:
    """`length` letters and digits without bias: lower case, or both cases."""
    alphabet = _MIXED if mixed_case else _LOWER
    limit = 256 - 256 % len(alphabet)
    out = ""
    while len(out) < length:
        out += "".join(alphabet[b % len(alphabet)] for b in entropy.token_bytes(length * 2) if b < limit)
    return out[:length]


def new_iam_unique_id(entropy: Entropy, prefix: str) -> str:
    """`prefix` (AIDA, AROA, AGPA, ANPA …) and 17 characters of base32."""
    return prefix + base64.b32encode(entropy.token_bytes(11)).decode()[:17]


def new_access_key_id(entropy: Entropy, prefix: str) -> str:
    """`prefix` (AKIA for long-term, ASIA for temporary keys) and 16 characters of base32."""
    return prefix + base64.b32encode(entropy.token_bytes(10)).decode()[:16]
