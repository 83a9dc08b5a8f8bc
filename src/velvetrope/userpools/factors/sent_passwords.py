"""Passwords that were sent to us, and the words for those that are wrong.

The order is the argument. A locked name is refused before any work. The password is looked at before the user's state
is told (`users.standing`), so that only who knows the password learns that the account is disabled, unconfirmed or to
be reset. For a name that nobody has, the same work is done and the same failure counted; what is answered is the
client's choice (PreventUserExistenceErrors): the sentence of a wrong password, or AWS's old `User does not exist.`

Source: user-pools reference sections 2, 5 and 6.
"""

from datetime import datetime

from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import AppClient, StoredUser, UserPool
from velvetrope.userpools.directory import PresentedName
from velvetrope.userpools.errors import (
    PasswordResetRequiredException,
    UserPoolError,
    user_missing,
    wrong_credentials,
)
from velvetrope.userpools.passwords.back_off import BackOff, check_attempts
from velvetrope.userpools.passwords.kept_powers import KeptPowers
from velvetrope.userpools.passwords.vault import PasswordVault

__all__ = [
    "PasswordSignIn",
    "missing_user_error",
    "wrong_password_error",
]


class PasswordSignIn:
    """Checks passwords that were sent to us."""

    def __init__(self, vault: PasswordVault, powers: KeptPowers, back_off: BackOff) -> None:
        self._vault = vault
        self._powers = powers
        self._back_off = back_off

    async def verify(
        self, pool: UserPool, client: AppClient, name: PresentedName, password: Secret[str], *, now: datetime
    ) -> StoredUser:
        """The user whose name and password these are. Their state is not looked at (`users.standing`).

        Raises:
            NotAuthorizedException: locked, or wrong.
            UserNotFoundException: nobody has that name, and the client does not hide it.
            PasswordResetRequiredException: there is no password yet (`wrong_password_error`).
        """
        check_attempts(name.attempts, now=now)
        sealed = None if name.found is None else name.found.password_sealed
        sub = "" if name.found is None else name.found.user.sub
        right = await self._vault.matches(password, sealed, pool=pool, sub=sub)
        if not right or name.found is None:
            await self._back_off.failed(pool, name.key, now=now)
            if name.found is None:
                raise missing_user_error(client)
            raise wrong_password_error(client, name.found)
        await self._back_off.succeeded(pool, name.key, now=now)
        return await self._powers.keep(pool, name.found)


def missing_user_error(client: AppClient) -> UserPoolError:
    """What a client is told about a name that nobody has."""
    return wrong_credentials("no such user") if client.hides_missing_users else user_missing()


def wrong_password_error(client: AppClient, stored: StoredUser) -> UserPoolError:
    """What a client is told about a password that is not the user's.

    Users who were imported have none until they have reset it, and apps send them to do so when they are told. A
    client that hides who exists is not told: nothing was proven. (That AWS tells any client is UNVERIFIED.)
    """
    if stored.password_sealed is None and stored.user.status == "RESET_REQUIRED" and not client.hides_missing_users:
        return PasswordResetRequiredException("Password reset required for the user")
    return wrong_credentials("wrong password")
