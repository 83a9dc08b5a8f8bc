"""The Filter of ListUsers: one attribute, `=` or `^=`, one value in quotes.

    email = "anna@example.com"      family_name ^= "Red"      cognito:user_status = "CONFIRMED"

`username` and `status` are compared as they are written, the rest of the searchable names likewise;
`cognito:user_status` ignores case. The empty filter matches everybody. Names, subs, addresses and status are looked up
by an index (`UserFilter.search`); what that finds is compared all the same. For other names the pool is read.

Source: botocore's model, ListUsersRequest.Filter.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from velvetrope.store.tables.userpools import User, UserPool
from velvetrope.store.tables.userpools_search import UserSearch
from velvetrope.userpools.directory import username_form
from velvetrope.userpools.errors import InvalidParameterException

__all__ = ["UserFilter", "parse_user_filter"]

_SEARCHABLE = ("email", "phone_number", "name", "given_name", "family_name", "preferred_username")
_FILTER = re.compile(r'\s*([A-Za-z_:]+)\s*(\^?=)\s*"((?:[^"\\]|\\.)*)"\s*', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ENABLED = {"Enabled": True, "Disabled": False}


@dataclass(frozen=True, slots=True)
class UserFilter:
    """Whom a list is about. `search` finds all of them and perhaps others; None: everybody has to be looked at."""

    matches: Callable[[User], bool]
    search: UserSearch | None = None


def parse_user_filter(pool: UserPool, text: str | None) -> UserFilter:
    """
    Raises:
        InvalidParameterException: not a filter, or of an attribute that cannot be searched. Texts UNVERIFIED.
    """
    if text is None or not text.strip():
        return UserFilter(lambda _user: True)
    found = _FILTER.fullmatch(text)
    if found is None:
        raise InvalidParameterException("Error while parsing filter.")
    name, comparison, quoted = found.groups()
    wanted, is_prefix = _ESCAPED.sub(r"\1", quoted), comparison == "^="
    read = _reader(name)
    if read is None:
        raise InvalidParameterException(f"Invalid search attribute: {name}")
    if name == "cognito:user_status":
        wanted = wanted.upper()
    search = _search(pool, name, wanted, is_prefix=is_prefix)
    if is_prefix:
        return UserFilter(lambda user: read(user).startswith(wanted), search)
    return UserFilter(lambda user: read(user) == wanted, search)


def _reader(name: str) -> Callable[[User], str] | None:
    match name:
        case "username":
            return lambda user: user.username
        case "sub":
            return lambda user: user.sub
        case "cognito:user_status":
            return lambda user: user.status
        case "status":
            return lambda user: "Enabled" if user.enabled else "Disabled"
        case _ if name in _SEARCHABLE:
            return lambda user: user.attributes.get(name, "")
    return None


def _search(pool: UserPool, name: str, wanted: str, *, is_prefix: bool) -> UserSearch | None:
    if not wanted:
        return None  # whoever has no such attribute, or everybody: columns say nothing about that
    match name:
        case "username":
            return UserSearch("username_key", username_form(pool, wanted), is_prefix)
        case "sub" | "email" | "phone_number":
            return UserSearch(name, wanted, is_prefix)
        case "cognito:user_status":
            return UserSearch("status", wanted, is_prefix)
        case "status":
            meant = [word for word in _ENABLED if (word.startswith(wanted) if is_prefix else word == wanted)]
            return UserSearch("enabled", _ENABLED[meant[0]]) if meant else None
    return None
