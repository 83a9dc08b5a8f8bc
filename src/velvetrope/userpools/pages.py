"""Pages of user pools' lists. A page that is full has a token, whether or not more is behind it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from velvetrope.page_tokens import UnknownPageToken, parse_page_token, render_page_token
from velvetrope.userpools.errors import InvalidParameterException

__all__ = ["load_page", "next_page", "page_start"]

T = TypeVar("T")


def page_start(token: str | None, *, member: str) -> str:
    """The key after which the page starts; the empty text for the first page.

    Raises:
        InvalidParameterException: the token is not one of ours.
    """
    try:
        return parse_page_token(token)
    except UnknownPageToken:
        raise InvalidParameterException(f"Invalid {member}") from None


def next_page(rows: Sequence[T], last_key: str, *, limit: int) -> str | None:
    """The token for the page after `rows`; None where they did not fill theirs."""
    return render_page_token(last_key) if len(rows) >= limit else None


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
