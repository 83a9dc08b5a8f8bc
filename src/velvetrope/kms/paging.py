"""Pages of lists, as KMS names their parts: `Marker`, `NextMarker` and `Truncated`."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from velvetrope import page_tokens
from velvetrope.kms.errors import InvalidMarkerException

__all__ = ["page_of", "parse_marker"]

T = TypeVar("T")


def page_of(found: Sequence[T], limit: int, key: Callable[[T], str]) -> tuple[Sequence[T], dict[str, object]]:
    """The first `limit` of `found`, and the members of an answer that say whether there are more."""
    page, marker = page_tokens.page_of(found, limit, key)
    return page, {"truncated": marker is not None, "next_marker": marker}


def parse_marker(marker: str | None) -> str:
    """The last item of the page before; empty for the first page.

    Raises:
        InvalidMarkerException: not a marker of ours.
    """
    try:
        return page_tokens.parse_page_token(marker)
    except page_tokens.UnknownPageToken:
        raise InvalidMarkerException("The marker is not valid.") from None
