"""Lists in pages: `NextToken` is where the last page ended, `MaxResults` is how many.

Both are text in this version of the API. The token is opaque to clients; how many items AWS gives when nobody says is
UNVERIFIED (25 here, as in its first version).
"""

from collections.abc import Sequence
from typing import TypeVar

from velvetrope.apigatewayv2.errors import BadRequestException
from velvetrope.page_tokens import UnknownPageToken, parse_page_offset

__all__ = ["page_of"]

T = TypeVar("T")
_DEFAULT_RESULTS = 25
_MAX_RESULTS = 500


def page_of(items: Sequence[T], next_token: str | None, max_results: str | None) -> tuple[Sequence[T], str | None]:
    """The items of one page, and the token of the next one (None at the end)."""
    size = _whole_number(max_results, "MaxResults") if max_results is not None else _DEFAULT_RESULTS
    if not 1 <= size <= _MAX_RESULTS:
        raise BadRequestException(f"MaxResults must be between 1 and {_MAX_RESULTS}")
    try:
        start = parse_page_offset(next_token)
    except UnknownPageToken:
        raise BadRequestException("Invalid NextToken specified") from None
    end = start + size
    return items[start:end], str(end) if end < len(items) else None


def _whole_number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise BadRequestException(f"Invalid {name} specified")
    return int(text)
