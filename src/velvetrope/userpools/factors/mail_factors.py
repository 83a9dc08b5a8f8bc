"""Setting mail up as the second factor in the middle of a sign-in: an address is named, and shows that it is reached.

MFA_SETUP is answered with EMAIL, and the challenge that follows is EMAIL_OTP, with a code to that address. The right
code makes the address the user's own, verified, and switches mail on; until then nothing of the user has changed. As
with authenticator apps, who has a second factor by now cannot set another one up without it.

Source: what Amplify 6 sends (MFA_SETUP with EMAIL, then EMAIL_OTP). That the attribute is written with the code and not
before is UNVERIFIED, and the safer reading.
"""

from collections.abc import Mapping

import msgspec

from velvetrope.store.tables.userpools import StoredUser, User, UserConflict, UserPool, UserPoolStore
from velvetrope.userpools.challenges import MfaSetupAsked, Session, SignIn
from velvetrope.userpools.directory import aliases_of
from velvetrope.userpools.errors import AliasExistsException, InvalidParameterException, NotAuthorizedException
from velvetrope.userpools.factors.authenticator_apps import AuthenticatorApps
from velvetrope.userpools.factors.mfa_preferences import switched_on, with_mfa_enabled
from velvetrope.userpools.factors.one_time_codes import OneTimeCodes
from velvetrope.userpools.shapes import AttributeType
from velvetrope.userpools.turns import NextChallenge, Turn, check_stands, required
from velvetrope.userpools.users.attributes import changed_attributes

__all__ = ["MailFactors"]


class MailFactors:
    """Sets mail up."""

    def __init__(self, store: UserPoolStore, codes: OneTimeCodes, apps: AuthenticatorApps) -> None:
        self._store = store
        self._codes = codes
        self._apps = apps

    async def check(self, turn: Turn, session: Session, asked: MfaSetupAsked, responses: Mapping[str, str]) -> User:
        """The user as they would be with the address in EMAIL. Nothing is sent yet, and nothing kept.

        Raises:
            InvalidParameterException: the pool sends no codes by mail, or it is no address.
            NotAuthorizedException: the client may not write it, or the user is gone or has a factor by now.
        """
        address = required(responses, "EMAIL")
        if "EMAIL_OTP" not in asked.choices or "EMAIL_OTP" not in turn.pool.mfa_types:
            raise InvalidParameterException("EMAIL_OTP is not enabled for the user pool.")  # text UNVERIFIED
        stored = await self._standing(turn, session.sign_in)
        return _with_address(turn, stored.user, address)

    async def ask(self, turn: Turn, sign_in: SignIn, user: User) -> NextChallenge:
        """EMAIL_OTP, with a code to the address of `user`, whom `check` returned."""
        return await self._codes.ask(
            turn, sign_in, user, "EMAIL_OTP", second_factor=True, sets_up=user.attributes["email"]
        )

    async def keep(self, turn: Turn, sign_in: SignIn, address: str) -> None:
        """The address is the user's, verified, and codes go to it from now on.

        Raises:
            AliasExistsException: it signs somebody else in.
            NotAuthorizedException: the user is gone, or has another password or a factor by now.
        """
        stored = await self._standing(turn, sign_in)

        def change(user: User) -> User:
            _check_no_factor(turn.pool, user)
            changed = _with_address(turn, user, address)
            return with_mfa_enabled(changed, "EMAIL_OTP", on=True)

        changed = await self._store.change_user(stored, change, expected_password=stored.password_sealed)
        if changed is None:
            raise NotAuthorizedException("Invalid session for the user.", detail="the user is gone")
        if isinstance(changed, UserConflict):
            raise AliasExistsException(f"An account with the {changed.kind} already exists.")

    async def _standing(self, turn: Turn, sign_in: SignIn) -> StoredUser:
        stored = await self._store.load_user(turn.pool.id, sign_in.username_key)
        if stored is None or stored.user.sub != sign_in.sub or not stored.user.enabled:
            raise NotAuthorizedException("Invalid session for the user.", detail="the user is gone")
        check_stands(sign_in, stored)
        _check_no_factor(turn.pool, stored.user)
        if "SOFTWARE_TOKEN_MFA" in turn.pool.mfa_types and await self._apps.is_set_up(turn.pool, sign_in.username_key):
            raise _has_factor()
        return stored


def _check_no_factor(pool: UserPool, user: User) -> None:
    if switched_on(pool, user):
        raise _has_factor()


def _has_factor() -> NotAuthorizedException:
    return NotAuthorizedException("Invalid session for the user.", detail="the user has a second factor by now")


def _with_address(turn: Turn, user: User, address: str) -> User:
    pool: UserPool = turn.pool
    given = [AttributeType(name="email", value=address)]
    attributes = changed_attributes(pool, user.attributes, given, client=turn.client)
    attributes["email_verified"] = "true"
    return msgspec.structs.replace(
        user, attributes=attributes, sign_in_aliases=aliases_of(pool, user, attributes), modified_at=turn.now
    )
