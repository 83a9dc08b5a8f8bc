"""Tokens by which lists are read page after page: the last key of the page before, in base64url.

They hold nothing secret: whoever may list has seen that key already.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from velvetrope.userpools.errors import InvalidParameterException

__all__ = ["load_page", "next_page", "page_start"]

T = TypeVar("T")


def page_start(token: str | None, *, member: str) -> str:
    """The key after which the page starts; the empty text for the first page.

    Raises:
        InvalidParameterException: the token is not one of ours.
    """
    if token is None:
        return ""
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise InvalidParameterException(f"Invalid {member}") from None


def next_page(rows: Sequence[T], last_key: str, *, limit: int) -> str | None:
    """The token for the page after `rows`; None where they did not fill theirs."""
    return base64.urlsafe_b64encode(last_key.encode()).decode() if len(rows) >= limit else None


async def load_page(
    load: Callable[[str], Awaitable[Sequence[T]]],
    key: Callable[[T], str],
    *,
    token: str | None,
    limit: int,
    member: str = "NextToken",
) -> tuple[Sequence[T], str | None]:
    """The rows that `load` has behind the key that it is given, up to `limit`, and the token for the page after them.

    Raises:
        InvalidParameterException: the token is not one of ours.
    """
    rows = await load(page_start(token, member=member))
    return rows, next_page(rows, key(rows[-1]) if rows else "", limit=limit)
