"""NEW_PASSWORD_REQUIRED: whoever signs in with a temporary password sets one of their own, and what is missing.

The session is spent when a new password has been accepted for it; one that the policy refuses may be followed by
another. The temporary password must still be the one that was shown.

What the user has already is not changed with it: required attributes, as AWS says, and addresses besides, since no code
goes to a new one here. The challenge tells the attributes that the client may read (UNVERIFIED; AWS seems to tell all).

Source: Cognito user pools API, RespondToAuthChallenge; user-pools reference section 2.
"""

import json
from collections.abc import Mapping, Sequence

import msgspec

from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import StoredUser, User, UserConflict, UserPool, UserPoolStore
from velvetrope.userpools.challenges import ChallengeSealer, NewPasswordAsked, SignIn
from velvetrope.userpools.directory import PoolDirectory, aliases_of
from velvetrope.userpools.errors import InvalidParameterException, NotAuthorizedException
from velvetrope.userpools.passwords.changes import PasswordChanges, former_passwords_kept
from velvetrope.userpools.passwords.vault import PasswordVault, fingerprint_of
from velvetrope.userpools.shapes import AttributeType
from velvetrope.userpools.turns import Answered, NextChallenge, Turn, check_stands, check_username, required
from velvetrope.userpools.users.attributes import changed_attributes, missing_required, readable
from velvetrope.userpools.users.standing import check_may_sign_in

__all__ = ["NewPasswords"]

_PREFIX = "userAttributes."
_ADDRESSES = frozenset({"email", "phone_number"})


class NewPasswords:
    """Asks for a new password and keeps it."""

    def __init__(
        self,
        store: UserPoolStore,
        challenges: ChallengeSealer,
        directory: PoolDirectory,
        vault: PasswordVault,
        passwords: PasswordChanges,
    ) -> None:
        self._store = store
        self._challenges = challenges
        self._directory = directory
        self._vault = vault
        self._passwords = passwords

    def ask(self, turn: Turn, sign_in: SignIn, stored: StoredUser) -> NextChallenge:
        user = stored.user
        session = self._challenges.new_session(
            sign_in,
            NewPasswordAsked(password=fingerprint_of(stored.password_sealed)),
            pool=turn.pool,
            client=turn.client,
            now=turn.now,
        )
        shown = {name: value for name, value in user.attributes.items() if readable(turn.client, name)}
        missing = [f"{_PREFIX}{name}" for name in missing_required(turn.pool, user.attributes)]
        return NextChallenge(
            "NEW_PASSWORD_REQUIRED",
            {
                "USER_ID_FOR_SRP": user.username,
                "requiredAttributes": json.dumps(missing, separators=(",", ":")),
                "userAttributes": json.dumps(shown, separators=(",", ":")),
            },
            session,
        )

    async def answer(self, turn: Turn, session_text: str | None, responses: Mapping[str, str]) -> Answered:
        """The user with their own password.

        Raises:
            InvalidPasswordException, PasswordHistoryPolicyViolationException: the pool's policy does not allow it.
            InvalidParameterException: a required attribute is missing still, or one is not allowed.
            NotAuthorizedException: the session does not stand, the user may not sign in, or has that attribute already.
        """
        pool, now = turn.pool, turn.now
        session, asked = self._challenges.open_session(
            session_text, NewPasswordAsked, pool=pool, client=turn.client, now=now
        )
        sign_in = session.sign_in
        check_username(turn, sign_in, responses, self._directory)
        password = Secret(required(responses, "NEW_PASSWORD"))
        found = await self._store.load_user(pool.id, sign_in.username_key)
        if found is None or found.user.sub != sign_in.sub:
            raise NotAuthorizedException("Invalid session for the user.", detail="the session is another user's")
        if fingerprint_of(found.password_sealed) != asked.password:
            await self._challenges.spend_session(session, now=now)  # it may be this very session that has changed it
            raise NotAuthorizedException("Invalid session for the user.", detail="the password was changed meanwhile")
        check_stands(sign_in, found)
        user = found.user
        check_may_sign_in(user, now=now)
        self._passwords.check_policy(pool, password)
        await self._passwords.check_not_used_before(pool, found, password)
        _completed_attributes(turn, user, responses)  # refused before the session is spent
        sealed = await self._vault.seal(password, pool=pool, username=user.username, sub=user.sub)
        await self._challenges.spend_session(session, now=now)
        stored = await self._keep(turn, found, sealed, responses)
        return Answered(sign_in.with_password("NEW_PASSWORD_REQUIRED", fingerprint_of(sealed)), stored)

    async def _keep(self, turn: Turn, found: StoredUser, sealed: bytes, responses: Mapping[str, str]) -> StoredUser:
        """The user with the new password, if nobody has changed the old one meanwhile; of attributes what is new."""
        pool, now = turn.pool, turn.now

        def confirm(before: User) -> User:
            attributes = _completed_attributes(turn, before, responses)
            return msgspec.structs.replace(
                before,
                attributes=attributes,
                sign_in_aliases=aliases_of(pool, before, attributes),
                status="CONFIRMED",
                temporary_password_expires_at=None,
                modified_at=now,
            )

        changed = await self._store.change_user(
            found,
            confirm,
            password_sealed=sealed,
            former_passwords_kept=former_passwords_kept(pool),
            expected_password=found.password_sealed,
        )
        if changed is None:
            raise NotAuthorizedException("Invalid session for the user.", detail="the password was changed meanwhile")
        if isinstance(changed, UserConflict):
            raise InvalidParameterException(f"An account with the given {changed.kind} already exists.")
        return StoredUser(changed, found.username_key, sealed)


def _completed_attributes(turn: Turn, user: User, responses: Mapping[str, str]) -> dict[str, str]:
    """The user's attributes with those of the answer.

    Raises:
        InvalidParameterException: a required one is missing still, or one is not allowed.
        NotAuthorizedException: one is there already, or the client may not write it.
    """
    given = [
        AttributeType(name=key.removeprefix(_PREFIX), value=value)
        for key, value in responses.items()
        if key.startswith(_PREFIX)
    ]
    _check_not_provided(turn.pool, user, given)
    attributes = changed_attributes(turn.pool, user.attributes, given, client=turn.client)
    missing = missing_required(turn.pool, attributes)
    if missing:
        raise InvalidParameterException(
            "Attributes did not conform to the schema: "
            + "\n".join(f"{attribute}: The attribute is required" for attribute in missing)
        )
    return attributes


def _check_not_provided(pool: UserPool, user: User, given: Sequence[AttributeType]) -> None:
    """
    Raises:
        NotAuthorizedException: one is there already. Text as clients have seen it; the same value is refused too.
    """
    fixed = {one.name for one in pool.schema_attributes if one.required} | _ADDRESSES
    for attribute in given:
        if attribute.name in fixed and user.attributes.get(attribute.name):
            raise NotAuthorizedException(f"Cannot modify an already provided {attribute.name}")
