"""Headers of an answer as they go on the wire.

    header_lines([(b"Content-Type", b"text/plain")])        # b"Content-Type: text/plain\\r\\n"

A name that is no token, or a value with a line's end or a NUL in it, would split the answer in two: such a header is
left out. Every answer's headers pass here, whoever made them.

Source: RFC 9110 sections 5.1, 5.5 and 5.6.2.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Final

__all__ = ["header_lines"]

_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Asked for by number: `b"\n" in value` costs five times as much.
_LF: Final = 0x0A
_CR: Final = 0x0D
_NUL: Final = 0x00


_name_of = itemgetter(0)


def header_lines(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """One line for each, in their order."""
    lines = b"\r\n".join(map(b": ".join, headers))
    # Looked at together: whatever a value has of a line's end is one more than those that were put in between.
    ends = len(headers) - 1
    if lines.count(_LF) == lines.count(_CR) == ends and _NUL not in lines and _are_tokens(*map(_name_of, headers)):
        return lines + b"\r\n"
    return b"".join([b"%b: %b\r\n" % header for header in headers if _is_whole(*header)])


def _is_whole(name: bytes, value: bytes) -> bool:
    return not (_LF in value or _CR in value or _NUL in value) and _are_tokens(name)


@lru_cache(maxsize=1024)
def _are_tokens(*names: bytes) -> bool:
    return all(map(_TOKEN.fullmatch, names))
