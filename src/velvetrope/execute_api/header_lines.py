"""Headers of an answer as they go on the wire.

    header_lines([(b"Content-Type", b"text/plain")])        # b"Content-Type: text/plain\\r\\n"

A name that is no token, or a value with a line's end or a NUL in it, would split the answer in two: such a header is
left out. Every answer's headers pass here, whoever made them.

Source: RFC 9110 sections 5.1, 5.5 and 5.6.2.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

__all__ = ["header_lines"]

_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Asked for by number: `b"\n" in value` costs five times as much.
_LF: Final = 0x0A
_CR: Final = 0x0D
_NUL: Final = 0x00


def header_lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """One line for each, in their order."""
    parts: list[bytes] = []
    for name, value in headers:
        if not (_LF in value or _CR in value or _NUL in value) and _is_token(name):
            parts += (name, b": ", value, b"\r\n")
    return b"".join(parts)


@lru_cache(maxsize=1024)
def _is_token(name: bytes) -> bool:
    return _TOKEN.fullmatch(name) is not None
