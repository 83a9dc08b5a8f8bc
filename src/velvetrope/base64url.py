"""base64url without padding, as it stands in tokens, URLs and cookies (RFC 4648 section 5, RFC 7515 section 2)."""

from base64 import urlsafe_b64decode
from binascii import b2a_base64

__all__ = ["decode_base64url", "encode_base64url"]

_IN_URLS = bytes.maketrans(b"+/", b"-_")


def encode_base64url(value: bytes) -> str:
    """`value` as a text."""
    return b2a_base64(value, newline=False).translate(_IN_URLS).rstrip(b"=").decode()


def decode_base64url(text: str) -> bytes:
    """The bytes that `text` is a spelling of. Signs that are none of base64's are passed over: who minds looks first.

    Raises:
        ValueError: it is no spelling of anything.
    """
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
