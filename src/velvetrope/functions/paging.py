"""Pages of Lambda's lists: how long they are, and its word for a marker that it has not given out."""

from velvetrope.functions.errors import InvalidParameterValueException
from velvetrope.page_tokens import UnknownPageToken, parse_page_token

__all__ = ["invalid_marker", "page_size", "parse_marker"]

MAX_PAGE = 50
"""Lambda gives at most 50 items a page, however many were asked for."""


def page_size(max_items: int | None) -> int:
    """How many items the page has at most."""
    return min(max_items or MAX_PAGE, MAX_PAGE)


def parse_marker(marker: str | None) -> str:
    """The last item of the page before; empty for the first page.

    Raises:
        InvalidParameterValueException: not a marker of ours.
    """
    try:
        return parse_page_token(marker)
    except UnknownPageToken:
        raise invalid_marker() from None


def invalid_marker() -> InvalidParameterValueException:
    """What a marker is answered with that we did not give out."""
    return InvalidParameterValueException("The Marker is not valid.")
