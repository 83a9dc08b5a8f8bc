"""Bearer tokens in the Authorization header, and nowhere else.

Tokens in the query or the body (RFC 6750 sections 2.2 and 2.3) are not read: both end up in logs.

Source: RFC 6750 section 2.1.
"""

import re

from velvetrope.oauth.errors import BadBearerRequest
from velvetrope.secret import Secret

__all__ = ["parse_bearer_token"]

_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]+=*)")


def parse_bearer_token(authorization: str | None) -> Secret[str]:
    """The token as presented; nothing about it is proven.

    Raises:
        BadBearerRequest: no header, another scheme, or something that cannot be a token.
    """
    found = _BEARER.fullmatch(authorization or "")
    if found is None:
        raise BadBearerRequest
    return Secret(found.group(1))
