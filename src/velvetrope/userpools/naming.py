"""What a new user is called.

In a pool whose user names are addresses, people sign up with an address and are called by a UUID, which is their `sub`
too; the address becomes an attribute and an alias. Elsewhere the name is what they chose, as long as it does not look
like an alias of the pool, so that nobody can be found under somebody else's address.

Source: Cognito Developer Guide, "Customizing sign-in attributes".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from velvetrope.clock import Entropy
from velvetrope.identifiers import new_uuid
from velvetrope.store.tables.userpools import UserConflict, UserPool
from velvetrope.userpools.directory import EMAIL, PHONE_NUMBER
from velvetrope.userpools.errors import InvalidParameterException, UsernameExistsException
from velvetrope.userpools.shapes import AttributeType

__all__ = ["NewName", "check_no_alias", "name_new_user", "name_taken"]


@dataclass(frozen=True, slots=True)
class NewName:
    username: str
    sub: str
    brings: Mapping[str, str]
    """The attribute that the name is, where names are addresses."""


def name_new_user(pool: UserPool, username: str, given: Sequence[AttributeType], entropy: Entropy) -> NewName:
    """
    Raises:
        InvalidParameterException: the name has not the shape that the pool asks for.
    """
    sub = new_uuid(entropy)
    if not pool.username_attributes:
        check_no_alias(pool, username)
        return NewName(username=username, sub=sub, brings={})
    address = _address_kind(pool, username)
    if any(attribute.name == address and attribute.value != username for attribute in given):
        raise InvalidParameterException(f"Username and {address} must be the same.")  # text UNVERIFIED
    return NewName(username=sub, sub=sub, brings={address: username})


def name_taken(pool: UserPool, conflict: UserConflict) -> UsernameExistsException:
    """The sentence for a name that somebody has."""
    if pool.username_attributes and conflict.kind != "username":
        return UsernameExistsException(f"An account with the given {conflict.kind} already exists.")
    return UsernameExistsException("User already exists")


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
    if "email" in pool.alias_attributes and EMAIL.fullmatch(username):
        raise InvalidParameterException(
            "Username cannot be of email format, since user pool is configured for email alias."
        )
    if "phone_number" in pool.alias_attributes and PHONE_NUMBER.fullmatch(username):
        raise InvalidParameterException(
            "Username cannot be of phone number format, since user pool is configured for phone number alias."
        )  # text UNVERIFIED
