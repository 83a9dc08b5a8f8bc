"""base64url without padding, as it stands in tokens, URLs and cookies (RFC 4648 section 5, RFC 7515 section 2)."""

from binascii import b2a_base64

__all__ = ["encode_base64url"]

_IN_URLS = bytes.maketrans(b"+/", b"-_")


def encode_base64url(value: bytes) -> str:
    """`value` as a text."""
    return b2a_base64(value, newline=False).translate(_IN_URLS).rstrip(b"=").decode()
