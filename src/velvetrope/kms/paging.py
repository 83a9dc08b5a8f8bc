"""Pages of lists: a marker is the last item of the page before, in base64.

Lists are in a stable order, so that a page never repeats or skips what was there all along.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import TypeVar

from velvetrope.kms.errors import InvalidMarkerException

__all__ = ["page_of", "parse_marker"]

T = TypeVar("T")


def page_of(found: Sequence[T], limit: int, names: Sequence[str]) -> tuple[Sequence[T], dict[str, object]]:
    """The first `limit` of `found`, which may be longer, and the members of an answer that say whether there are more.

    `names` are the items' own, in their order.
    """
    if len(found) <= limit:
        return found, {"truncated": False}
    marker = base64.urlsafe_b64encode(names[limit - 1].encode()).decode()
    return found[:limit], {"truncated": True, "next_marker": marker}


def parse_marker(marker: str | None) -> str:
    """The last item of the page before; empty for the first page.

    Raises:
        InvalidMarkerException: not a marker of ours.
    """
    try:
        return base64.b64decode(marker or "", altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise InvalidMarkerException("The marker is not valid.") from None
