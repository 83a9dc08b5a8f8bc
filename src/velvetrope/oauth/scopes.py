"""Scopes: what was asked for, held against what the client may have.

Source: RFC 6749 section 3.3; Cognito Developer Guide, "Authorize endpoint", scope.
"""

import re

from velvetrope.oauth.errors import InvalidScope

__all__ = ["OPENID", "parse_scopes"]

OPENID = "openid"
_NEED_OPENID = frozenset({"email", "phone", "profile"})
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 section 3.3, scope-token


def parse_scopes(text: str | None, *, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """The scopes granted: each one asked for, once, in that order; all of the client's when none is asked for.

    Raises:
        InvalidScope: malformed, not allowed for the client, or email, phone or profile without openid. For the last,
            AWS's page only says that they need it; refusing is the reading that gives nothing away.
    """
    if text is None:
        if not allowed:
            raise InvalidScope("the client has no scopes")
        return allowed
    asked = tuple(dict.fromkeys(text.split(" ")))
    for scope in asked:
        if not _SCOPE.fullmatch(scope):
            raise InvalidScope("scope is a list of names separated by single spaces")
        if scope not in allowed:
            raise InvalidScope(detail=f"the client may not ask for the scope {scope}")
    if _NEED_OPENID & set(asked) and OPENID not in asked:
        raise InvalidScope("email, phone and profile need openid")
    return asked
