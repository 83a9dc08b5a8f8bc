"""The MD5 digests by which clients see that a message arrived as it was sent. They protect nobody from anybody.

Source: Amazon SQS Developer Guide, "Calculating the MD5 message digest for message attributes".
"""

import hashlib
import struct
from collections.abc import Mapping

from velvetrope.store.tables.queues import MessageAttribute

__all__ = ["md5_of_attributes", "md5_of_body"]

_STRING_TRANSPORT, _BINARY_TRANSPORT = b"\x01", b"\x02"


def md5_of_body(body: str) -> str:
    """Of the body's UTF-8."""
    return hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()


def md5_of_attributes(attributes: Mapping[str, MessageAttribute]) -> str | None:
    """Of all attributes, by name: each name, type and value with its length before it; None without any."""
    if not attributes:
        return None
    digest = hashlib.md5(usedforsecurity=False)
    for name, attribute in sorted(attributes.items()):
        digest.update(_sized(name.encode()) + _sized(attribute.data_type.encode()))
        if attribute.binary_value is not None:
            digest.update(_BINARY_TRANSPORT + _sized(attribute.binary_value))
        else:
            digest.update(_STRING_TRANSPORT + _sized((attribute.string_value or "").encode()))
    return digest.hexdigest()


def _sized(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value
