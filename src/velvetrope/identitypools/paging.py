"""Pages of identity pools' lists: this service's word for a token that it has not given out."""

from velvetrope.identitypools.errors import InvalidParameterException
from velvetrope.page_tokens import UnknownPageToken, parse_page_token

__all__ = ["page_start"]


def page_start(next_token: str | None) -> str:
    """The key behind which the page begins; empty for the first.

    Raises:
        InvalidParameterException: not a token of ours.
    """
    try:
        return parse_page_token(next_token)
    except UnknownPageToken:
        raise InvalidParameterException("Invalid NextToken.") from None
