"""Where a page of a list ended, as clients carry it to the next one: the last item's key, in base64url.

    after = parse_page_token(next_token)
    page, token = page_of(load(after, limit + 1), limit, key=lambda item: item.name)

Clients are to take a token for opaque; it is no secret, since whoever lists has seen that key. A list by keys neither
repeats nor skips what was there all along, whatever comes and goes in between. Where AWS's own lists are read whole
and in an order that has no key, the token is how many items the pages before had.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from velvetrope.errors import ReasonError

__all__ = ["UnknownPageToken", "page_of", "parse_page_offset", "parse_page_token", "render_page_token"]

T = TypeVar("T")
_MAX_DIGITS: Final = 9


class UnknownPageToken(ReasonError):
    """A token that we have not given out."""


def render_page_token(last_key: str) -> str:
    """The token of the page behind `last_key`."""
    return base64.urlsafe_b64encode(last_key.encode()).decode()


def parse_page_token(token: str | None) -> str:
    """The key behind which the page begins; empty for the first page, which has no token.

    Raises:
        UnknownPageToken: it is none of ours.
    """
    try:
        return base64.b64decode(token or "", altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise UnknownPageToken("the token is not valid") from None


def parse_page_offset(token: str | None) -> int:
    """How many items the pages before had; 0 for the first page, which has no token.

    Raises:
        UnknownPageToken: no number, or one of more digits than any list of ours needs.
    """
    if token is None:
        return 0
    if not (token.isascii() and token.isdecimal() and len(token) <= _MAX_DIGITS):
        raise UnknownPageToken("the token is not valid")
    return int(token)


def page_of(found: Sequence[T], size: int, key: Callable[[T], str]) -> tuple[Sequence[T], str | None]:
    """The first `size` of `found`, and the token of the page behind them; None where `found` holds no more."""
    page = found[:size]
    return page, render_page_token(key(page[-1])) if len(found) > size else None
