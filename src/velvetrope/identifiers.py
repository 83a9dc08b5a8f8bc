"""New identifiers in the shapes that AWS gives them, from random bytes that are handed in.

Sources: IAM User Guide, "IAM identifiers" (the four-letter prefixes); the botocore models' patterns for pool, client,
identity and API ids. Lengths of generated values are as seen on AWS where the models leave them open.
"""

import base64

from velvetrope.clock import Entropy

__all__ = [
    "new_access_key_id",
    "new_alphanumeric",
    "new_iam_unique_id",
    "new_uuid",
]

_LOWER = "abcdefghijklmnopqrstuvwxyz0123456789"
_MIXED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def new_uuid(entropy: Entropy) -> str:
    """A version 4 UUID in its 36-character lower-case form (RFC 9562 section 5.4)."""
    random = bytearray(entropy.token_bytes(16))
    random[6] = random[6] & 0x0F | 0x40  # the version
    random[8] = random[8] & 0x3F | 0x80  # the variant
    # By hand, since every request and every token has one: `uuid.UUID` takes four times as long.
    text = random.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


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
