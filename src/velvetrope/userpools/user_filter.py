"""The Filter of ListUsers: one attribute, `=` or `^=`, one value in quotes.

    email = "anna@example.com"      family_name ^= "Red"      cognito:user_status = "CONFIRMED"

`username` and `status` are compared as they are written, the rest of the searchable names likewise;
`cognito:user_status` ignores case. The empty filter matches everybody.

Source: botocore's model, ListUsersRequest.Filter.
"""

import re
from collections.abc import Callable

from velvetrope.store.tables.userpools import User
from velvetrope.userpools.errors import InvalidParameterException

__all__ = ["parse_user_filter"]

_SEARCHABLE = ("email", "phone_number", "name", "given_name", "family_name", "preferred_username")
_FILTER = re.compile(r'\s*([A-Za-z_:]+)\s*(\^?=)\s*"((?:[^"\\]|\\.)*)"\s*', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def parse_user_filter(text: str | None) -> Callable[[User], bool]:
    """A function that says whether a user matches.

    Raises:
        InvalidParameterException: not a filter, or of an attribute that cannot be searched. Texts UNVERIFIED.
    """
    if text is None or not text.strip():
        return lambda _user: True
    found = _FILTER.fullmatch(text)
    if found is None:
        raise InvalidParameterException("Error while parsing filter.")
    name, comparison, quoted = found.groups()
    wanted = _ESCAPED.sub(r"\1", quoted)
    read = _reader(name)
    if read is None:
        raise InvalidParameterException(f"Invalid search attribute: {name}")
    if name == "cognito:user_status":
        wanted = wanted.upper()
    if comparison == "=":
        return lambda user: read(user) == wanted
    return lambda user: read(user).startswith(wanted)


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
