"""Lists in pages: `position` is where the last page ended, `limit` is how many.

API Gateway gives 25 items unless asked for another number, and never more than 500. The position is opaque to clients.

Source: API Gateway API reference, GetRestApis.
"""

from collections.abc import Sequence
from typing import TypeVar

from velvetrope.apigateway.errors import BadRequestException
from velvetrope.page_tokens import UnknownPageToken, parse_page_offset

__all__ = ["page_of"]

T = TypeVar("T")
_DEFAULT_LIMIT = 25
_MAX_LIMIT = 500


def page_of(items: Sequence[T], position: str | None, limit: int | None) -> tuple[Sequence[T], str | None]:
    """The items of one page, and the position of the next one (None at the end)."""
    size = _DEFAULT_LIMIT if limit is None else limit
    if not 1 <= size <= _MAX_LIMIT:
        raise BadRequestException(f"Invalid limit specified, must be between 1 and {_MAX_LIMIT}")
    try:
        start = parse_page_offset(position)
    except UnknownPageToken:
        raise BadRequestException("Invalid position parameter specified") from None
    end = start + size
    return items[start:end], str(end) if end < len(items) else None
