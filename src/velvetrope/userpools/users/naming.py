"""What a new user is called.

In a pool whose user names are addresses, people sign up with an address and are called by a UUID, which is their `sub`
too; the address becomes an attribute and an alias. Elsewhere the name is what they chose, as long as it does not look
like an alias of the pool, so that nobody can be found under somebody else's address.

Every name has the form that the model gives it, wherever it comes from: a file, a page, or a function's answer is not
held against the model as a call is, and a user with another name could not be named in any call.

Source: Cognito Developer Guide, "Customizing sign-in attributes"; cognito-idp model, UsernameType.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from velvetrope.clock import Entropy
from velvetrope.identifiers import new_uuid
from velvetrope.store.tables.userpools import UserConflict, UserPool
from velvetrope.userpools.directory import EMAIL, PHONE_NUMBER, username_form
from velvetrope.userpools.errors import InvalidParameterException, UsernameExistsException
from velvetrope.userpools.shapes import AttributeType

__all__ = ["NewName", "address_alias", "broken_form", "check_no_alias", "name_new_user", "name_taken"]

_MAX_CHARACTERS: Final = 128
_CATEGORIES: Final = frozenset("LMSNP")


@dataclass(frozen=True, slots=True)
class NewName:
    username: str
    sub: str
    brings: Mapping[str, str]
    """The attribute that the name is, where names are addresses."""


def name_new_user(pool: UserPool, username: str, given: Sequence[AttributeType], entropy: Entropy) -> NewName:
    """
    Raises:
        InvalidParameterException: the name has not the shape that the pool, or the model, asks for.
    """
    _check_form(username)
    sub = new_uuid(entropy)
    if not pool.username_attributes:
        check_no_alias(pool, username)
        return NewName(username=username_form(pool, username), sub=sub, brings={})
    address, form = _address_kind(pool, username), username_form(pool, username)
    if any(one.name == address and username_form(pool, one.value or "") != form for one in given):
        raise InvalidParameterException(f"Username and {address} must be the same.")  # text UNVERIFIED
    return NewName(username=sub, sub=sub, brings={address: username})


def name_taken(pool: UserPool, conflict: UserConflict) -> UsernameExistsException:
    """The sentence for a name that somebody has."""
    if pool.username_attributes and conflict.kind != "username":
        return UsernameExistsException(f"An account with the given {conflict.kind} already exists.")
    if conflict.kind not in {"username", "identity"}:
        # AWS names the address too, in a sentence that was not seen (UNVERIFIED).
        return UsernameExistsException(f"An account with the {conflict.kind} already exists.")
    return UsernameExistsException("User already exists")


def broken_form(username: str) -> str | None:
    """What UsernameType has against a name, None if nothing: up to 128 letters, marks, symbols, numbers, punctuation.

    So no name has a space in it, or a character that nobody sees.
    """
    if not username:
        return "Member must have length greater than or equal to 1"
    if len(username.lower()) > _MAX_CHARACTERS:  # as it is compared in most pools; U+0130 is two letters then
        return f"Member must have length less than or equal to {_MAX_CHARACTERS}"
    if any(unicodedata.category(character)[0] not in _CATEGORIES for character in username):
        return r"Member must satisfy regular expression pattern: [\p{L}\p{M}\p{S}\p{N}\p{P}]+"
    return None


def _check_form(username: str) -> None:
    broken = broken_form(username)
    if broken is not None:
        raise InvalidParameterException(
            f"1 validation error detected: Value at 'username' failed to satisfy constraint: {broken}"
        )


def _address_kind(pool: UserPool, username: str) -> str:
    if "email" in pool.username_attributes and EMAIL.fullmatch(username):
        return "email"
    if "phone_number" in pool.username_attributes and PHONE_NUMBER.fullmatch(username):
        return "phone_number"
    if pool.username_attributes == ("email",):
        raise InvalidParameterException("Username should be an email.")
    if pool.username_attributes == ("phone_number",):
        raise InvalidParameterException("Username should be a phone number.")  # text UNVERIFIED
    raise InvalidParameterException("Username should be either an email or a phone number.")  # text UNVERIFIED


def check_no_alias(pool: UserPool, username: str) -> None:
    """
    Raises:
        InvalidParameterException: it looks like an address that somebody of this pool signs in with.
    """
    match address_alias(pool, username):
        case "email":
            raise InvalidParameterException(
                "Username cannot be of email format, since user pool is configured for email alias."
            )
        case "phone number":
            raise InvalidParameterException(
                "Username cannot be of phone number format, since user pool is configured for phone number alias."
            )  # text UNVERIFIED


def address_alias(pool: UserPool, name: str) -> Literal["email", "phone number"] | None:
    """What kind of alias a name must be, since no user name of this pool looks so."""
    if "email" in pool.alias_attributes and EMAIL.fullmatch(name):
        return "email"
    if "phone_number" in pool.alias_attributes and PHONE_NUMBER.fullmatch(name):
        return "phone number"
    return None
