"""Scopes: what was asked for, held against what the client may have.

Source: RFC 6749 sections 3.3 and 4.4.2; Cognito Developer Guide, "Authorize endpoint", scope, and "Scopes, M2M, and
resource servers".
"""

import re

from velvetrope.oauth.errors import InvalidScope

__all__ = ["OPENID", "SYSTEM_SCOPES", "parse_machine_scopes", "parse_scopes"]

OPENID = "openid"
SYSTEM_SCOPES = frozenset({"openid", "email", "phone", "profile", "aws.cognito.signin.user.admin"})
"""Scopes about a user. All others are resource servers' (`identifier/name`)."""
_NEED_OPENID = frozenset({"email", "phone", "profile"})
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 section 3.3, scope-token


def parse_scopes(
    text: str | None, *, allowed: tuple[str, ...], inactive: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """The scopes granted: each one asked for, once, in that order; all of the client's when none is asked for.

    Those in `inactive` are left out without a word, as on AWS: the client was allowed them once, and their resource
    server has let go of them.

    Raises:
        InvalidScope: malformed, not allowed for the client, nothing left, or email, phone or profile without openid.
            For the last, AWS's page only says that they need it; refusing is the reading that gives nothing away.
    """
    asked = allowed if text is None else _asked(text, allowed)
    if _NEED_OPENID & set(asked) and OPENID not in asked and text is not None:
        raise InvalidScope("email, phone and profile need openid")
    return _standing(asked, inactive)


def parse_machine_scopes(
    text: str | None, *, allowed: tuple[str, ...], inactive: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """The scopes of a client that asks for itself: resource servers' only, as there is no user to know things about.

    AWS's pages disagree about one bad scope among good ones; it is refused, so that nobody takes a token for more than
    it is.

    Raises:
        InvalidScope: malformed, not allowed for the client, about a user, or nothing left.
    """
    custom = tuple(scope for scope in allowed if scope not in SYSTEM_SCOPES)
    return _standing(custom if text is None else _asked(text, custom), inactive)


def _standing(scopes: tuple[str, ...], inactive: frozenset[str]) -> tuple[str, ...]:
    standing = tuple(scope for scope in scopes if scope not in inactive)
    if not standing:
        raise InvalidScope(detail="no scope is left that the client may be given")
    return standing


def _asked(text: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    asked = tuple(dict.fromkeys(text.split(" ")))
    for scope in asked:
        if not _SCOPE.fullmatch(scope):
            raise InvalidScope("scope is a list of names separated by single spaces")
        if scope not in allowed:
            raise InvalidScope(detail=f"the client may not ask for the scope {scope}")
    return asked
