"""Pages of lists: a marker says where the last page ended.

A marker is the last item's name or number in base64, so that nobody takes it for something to write by hand. Lists are
in a stable order, so that a page never repeats or skips what was there all along.
"""

import base64
import binascii

from velvetrope.functions.errors import InvalidParameterValueException

__all__ = ["invalid_marker", "page_size", "parse_marker", "render_marker"]

MAX_PAGE = 50
"""Lambda gives at most 50 items a page, however many were asked for."""


def page_size(max_items: int | None) -> int:
    """How many items the page has at most."""
    return min(max_items or MAX_PAGE, MAX_PAGE)


def render_marker(last: str) -> str:
    """The marker of a page whose last item is `last`."""
    return base64.urlsafe_b64encode(last.encode()).decode()


def parse_marker(marker: str | None) -> str:
    """The last item of the page before; empty for the first page.

    Raises:
        InvalidParameterValueException: not a marker of ours.
    """
    try:
        return base64.b64decode(marker or "", altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise invalid_marker() from None


def invalid_marker() -> InvalidParameterValueException:
    """What a marker is answered with that we did not give out."""
    return InvalidParameterValueException("The Marker is not valid.")
