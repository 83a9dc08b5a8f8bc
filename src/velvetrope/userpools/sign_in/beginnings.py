"""How a sign-in begins: who it is about, also where nobody has the name.

A client that hides missing users is told of an internal user id and works with a `sub` for every name; the made-up ones
are always the same for one name (`PasswordVault.decoy_user_id`).
"""

from typing import Literal

from velvetrope.userpools.challenges import SignIn
from velvetrope.userpools.directory import PresentedName, username_form
from velvetrope.userpools.passwords.vault import PasswordVault
from velvetrope.userpools.turns import Turn
from velvetrope.userpools.users.naming import address_alias

__all__ = ["Flow", "begun_sign_in"]

Flow = Literal["PASSWORD", "USER_SRP_AUTH", "USER_AUTH", "CUSTOM_AUTH"]


def begun_sign_in(
    turn: Turn, name: PresentedName, flow: Flow, vault: PasswordVault, *, device_key: str | None = None
) -> SignIn:
    """A sign-in in which nothing has been shown yet."""
    pool, found = turn.pool, name.found
    if found is not None:
        user_id, sub = found.user.username, found.user.sub
    else:
        # Where people sign in with addresses, a real user's internal name is a UUID; elsewhere it is what was typed.
        by_address = pool.username_attributes or address_alias(pool, name.text)
        decoy = vault.decoy_user_id(pool, name.key)
        user_id, sub = decoy if by_address else username_form(pool, name.text), decoy
    return SignIn(
        flow=flow,
        username=name.text,
        username_key=name.key,
        user_id=user_id,
        sub=sub,
        begun_at=turn.now,
        missing=found is None,
        device_key=device_key,
    )
