"""Users who come from another directory the first time they sign in, or ask for a new password.

    name = await migrations.at_sign_in(turn, name, password, validation_data)

Where nobody has a name, and the pool has a user migration function, the function is asked whether its directory knows
the name and the password. What it answers is kept as a user of ours with that password, and the sign-in goes on as
anybody's: the password is checked again, against what was kept. So of two sign-ins that migrate one name at the same
moment one keeps a user, and the other signs in as that user or is refused.

A function that fails means that there is nobody: the failure is counted like a wrong password, since it may have been
one over there, and a client that hides who exists is told what it always is. The function's own words go to the log.
What a function takes longer than we do cannot be hidden; a stranger can tell by the time that a name is not here yet.

The pool's password policy is not asked, as on AWS; a function that wants another password says RESET_REQUIRED. Three
things are stricter than AWS: a required attribute that is missing is not filled with a default, the name that was typed
has to lead to the user who is made, and a welcome message has asterisks where the password would stand, because here
that is the person's own.

Source: Cognito Developer Guide, "Migrate user Lambda trigger", "Importing users with a user migration Lambda trigger".
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from velvetrope.clock import Entropy
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import User, UserPool, UserPoolStore
from velvetrope.userpools.directory import PoolDirectory, PresentedName, alias_form, sign_in_aliases, username_form
from velvetrope.userpools.errors import (
    InvalidLambdaResponseException,
    UserNotFoundException,
    UserPoolError,
    wrong_credentials,
)
from velvetrope.userpools.messages.writing import MessageWriter
from velvetrope.userpools.passwords.back_off import BackOff, check_attempts
from velvetrope.userpools.passwords.vault import PasswordVault
from velvetrope.userpools.shapes import AttributeType
from velvetrope.userpools.triggers.invocations import Occasion, Triggers, function_of
from velvetrope.userpools.triggers.sign_up import SignUpVerdict
from velvetrope.userpools.turns import Turn
from velvetrope.userpools.users.attributes import new_attributes
from velvetrope.userpools.users.naming import name_new_user, name_taken

__all__ = ["UserMigrations", "migrates"]

_NOT_SHOWN: Secret[str] = Secret("********")


class _Migrated(msgspec.Struct, frozen=True, rename="camel"):
    """The response of the function."""

    user_attributes: dict[str, str]
    final_user_status: Literal["CONFIRMED", "RESET_REQUIRED"] = "RESET_REQUIRED"
    message_action: Literal["SUPPRESS", "RESEND"] | None = None
    desired_delivery_mediums: tuple[Literal["SMS", "EMAIL"], ...] = ()
    force_alias_creation: bool = False
    enable_sms_mfa: bool = msgspec.field(default=False, name="enableSMSMFA")


class UserMigrations:
    """Asks the function, and keeps whom it knows."""

    def __init__(
        self,
        *,
        store: UserPoolStore,
        directory: PoolDirectory,
        vault: PasswordVault,
        back_off: BackOff,
        writer: MessageWriter,
        triggers: Triggers,
        entropy: Entropy,
    ) -> None:
        self._store = store
        self._directory = directory
        self._vault = vault
        self._back_off = back_off
        self._writer = writer
        self._triggers = triggers
        self._entropy = entropy

    async def at_sign_in(
        self, turn: Turn, name: PresentedName, password: Secret[str], validation_data: Mapping[str, str] | None
    ) -> PresentedName:
        """The name again, with its user if there is one by now. Nobody's password has been checked.

        Raises:
            NotAuthorizedException: the name is locked, or the function failed and the client hides who exists.
            UserNotFoundException: the function failed.
        """
        if name.found is not None or not migrates(turn.pool):
            return name
        check_attempts(name.attempts, now=turn.now)
        request = {
            "password": password.reveal(),
            "validationData": None if validation_data is None else dict(validation_data),
        }
        try:
            await self._migrate("UserMigration_Authentication", turn.occasion(name.text), request, password)
        except UserPoolError as failed:
            await self._back_off.failed(turn.pool, name.key, now=turn.now)
            detail = f"not migrated: {failed.detail or failed.message}"
            if turn.client.hides_missing_users:
                raise wrong_credentials(detail) from failed
            raise _not_migrated(turn.client.client_id, detail) from failed
        return await self._directory.presented(turn.pool, name.text)

    async def at_forgotten_password(self, name: PresentedName, occasion: Occasion) -> PresentedName:
        """The same for somebody who wants another password: the user who is made has none yet.

        Raises:
            UserNotFoundException: the function failed.
        """
        if name.found is not None or not migrates(occasion.pool):
            return name
        try:
            await self._migrate("UserMigration_ForgotPassword", occasion, {"validationData": None}, None)
        except UserPoolError as failed:
            raise _not_migrated(occasion.client_id, f"not migrated: {failed.detail or failed.message}") from failed
        return await self._directory.presented(occasion.pool, name.text)

    async def _migrate(
        self, source: str, occasion: Occasion, request: Mapping[str, object], password: Secret[str] | None
    ) -> None:
        """Keep the user whom the function knows, unless somebody has been quicker.

        Raises:
            UserPoolError: the function failed, or what it answered makes no user.
        """
        pool = occasion.pool
        blank = dict.fromkeys(
            ("userAttributes", "finalUserStatus", "messageAction", "desiredDeliveryMediums", "forceAliasCreation")
        )
        known = await self._triggers.ask("UserMigration", source, occasion, request, blank, _Migrated)
        if known is None:
            return
        if known.enable_sms_mfa:
            raise _senseless("enableSMSMFA is not supported by velvetrope")
        user = self._user(occasion, known, has_password=password is not None)
        sealed = None
        if password is not None:
            sealed = await self._vault.seal(password, pool=pool, username=user.username, sub=user.sub)
        messages = []
        if known.message_action != "SUPPRESS":
            messages = await self._writer.invitations(
                user, known.desired_delivery_mediums, occasion, temporary_password=_NOT_SHOWN
            )
        conflict = await self._store.create_user(
            user,
            username_form(pool, user.username),
            password_sealed=sealed,
            messages_to_send=messages,
            force_aliases=known.force_alias_creation,
        )
        if conflict is not None and (await self._directory.presented(pool, occasion.username)).found is None:
            raise name_taken(pool, conflict)

    def _user(self, occasion: Occasion, known: _Migrated, *, has_password: bool) -> User:
        pool, typed = occasion.pool, occasion.username
        attributes = dict(known.user_attributes)
        username = attributes.pop("username", typed)
        given = [AttributeType(name=name, value=value) for name, value in attributes.items()]
        name = name_new_user(pool, typed if pool.username_attributes else username, given, self._entropy)
        kept = new_attributes(pool, given, client=None, brought_by_name=name.brings)
        SignUpVerdict().mark_verified(kept)
        aliases = sign_in_aliases(pool, kept)
        leads_here = username_form(pool, typed) == username_form(pool, name.username)
        if not leads_here and alias_form(pool, typed) not in aliases.values():
            raise _senseless("the name that was typed is neither the user's name nor an alias of theirs")
        return User(
            user_pool_id=pool.id,
            username=name.username,
            sub=name.sub,
            attributes=kept,
            enabled=True,
            status=known.final_user_status if has_password else "RESET_REQUIRED",
            created_at=occasion.now,
            modified_at=occasion.now,
            sign_in_aliases=aliases,
        )


def migrates(pool: UserPool) -> bool:
    """Whether a name that nobody has may be somebody's elsewhere."""
    return function_of(pool, "UserMigration") is not None


def _senseless(detail: str) -> InvalidLambdaResponseException:
    return InvalidLambdaResponseException("Unrecognizable lambda output", detail=detail)


def _not_migrated(client_id: str | None, detail: str) -> UserNotFoundException:
    """What AWS's clients quote for a function that failed; UNVERIFIED otherwise."""
    return UserNotFoundException(f"Exception migrating user in app client {client_id}", detail=detail)
