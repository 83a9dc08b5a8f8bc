"""By which names people of a pool sign in and sign up: for the label of the field.

Source: Cognito Developer Guide, "Customizing sign-in attributes".
"""

from typing import Literal

from velvetrope.store.tables.userpools import UserPool

__all__ = ["NameKind", "names_to_sign_in", "names_to_sign_up"]

NameKind = Literal["username", "email", "phone_number"]


def names_to_sign_in(pool: UserPool) -> frozenset[NameKind]:
    """What may be typed at the sign-in page. The preferred user name counts as a user name."""
    if pool.username_attributes:
        return frozenset(pool.username_attributes)
    aliases: set[NameKind] = {kind for kind in pool.alias_attributes if kind != "preferred_username"}
    return frozenset({"username", *aliases})


def names_to_sign_up(pool: UserPool) -> frozenset[NameKind]:
    """What a new user may be called: an alias is an attribute, and no name, until it is verified."""
    return frozenset(pool.username_attributes or ("username",))
