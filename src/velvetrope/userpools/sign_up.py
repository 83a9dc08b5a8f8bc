"""SignUp, ConfirmSignUp and AdminConfirmSignUp.

A sign-up keeps the user, the code's hash and the message in one transaction. Of two people who sign up with one name at
the same moment, one gets it. A code is good for 24 hours and for 15 guesses an hour, and is spent in the same
transaction that confirms the user.

SignUp says when a name is taken; AWS does too, since the person has to choose another. ConfirmSignUp does not say
whether there is such a user if the client hides that.

Source: user-pools reference sections 5 and 6; Cognito user pools API, SignUp, ConfirmSignUp.
"""

from datetime import datetime

import msgspec

from velvetrope.clock import Entropy
from velvetrope.operations import Answer, Call, operation
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import (
    AppClient,
    StoredCode,
    StoredUser,
    User,
    UserConflict,
    UserPool,
    UserPoolStore,
)
from velvetrope.userpools.attributes import new_attributes
from velvetrope.userpools.directory import PoolDirectory, sign_in_aliases, username_form
from velvetrope.userpools.errors import (
    AliasExistsException,
    CodeMismatchException,
    ExpiredCodeException,
    InvalidParameterException,
    LimitExceededException,
    NotAuthorizedException,
    UserNotFoundException,
    UserPoolError,
)
from velvetrope.userpools.naming import name_new_user, name_taken
from velvetrope.userpools.outbox import Address, CodeDelivery, Outbox
from velvetrope.userpools.password_rules import check_new_password
from velvetrope.userpools.shapes import AnalyticsMetadata, AttributeType, UserContextData
from velvetrope.userpools.vault import PasswordVault

__all__ = ["SignUpOperations"]

_GUESSES_PER_HOUR = 15


class SignUpOperations:
    """How people become users by themselves."""

    def __init__(
        self,
        store: UserPoolStore,
        directory: PoolDirectory,
        vault: PasswordVault,
        outbox: Outbox,
        entropy: Entropy,
    ) -> None:
        self._store = store
        self._directory = directory
        self._vault = vault
        self._outbox = outbox
        self._entropy = entropy

    @operation
    async def sign_up(
        self,
        call: Call,
        *,
        client_id: str,
        username: str,
        password: Secret[str] | None = None,
        secret_hash: str | None = None,
        user_attributes: tuple[AttributeType, ...] = (),
        validation_data: tuple[AttributeType, ...] = (),  # noqa: ARG002  for triggers, of which there are none
        analytics_metadata: AnalyticsMetadata | None = None,  # noqa: ARG002  see shapes
        user_context_data: UserContextData | None = None,  # noqa: ARG002  see shapes
        client_metadata: dict[str, str] | None = None,  # noqa: ARG002  for triggers, of which there are none
    ) -> Answer:
        pool, client = await self._directory.client_and_pool(client_id)
        self._directory.check_secret_hash(client, secret_hash, [username])
        if pool.admin_create_user_config.allow_admin_create_user_only:
            raise NotAuthorizedException("SignUp is not permitted for this user pool")
        if password is None or not password:
            # Users without a password need the passwordless flows, which are not built.
            raise InvalidParameterException(
                "1 validation error detected: Value at 'password' failed to satisfy constraint: Member must not be null"
            )
        check_new_password(pool, password)
        name = name_new_user(pool, username, user_attributes, self._entropy)
        attributes = new_attributes(pool, user_attributes, client=client, brought_by_name=name.brings)
        delivery = self._code_to_send(pool, name.username, name.sub, attributes, now=call.now)
        user = User(
            user_pool_id=pool.id,
            username=name.username,
            sub=name.sub,
            attributes=attributes,
            enabled=True,
            status="UNCONFIRMED",
            created_at=call.now,
            modified_at=call.now,
            sign_in_aliases=sign_in_aliases(pool, attributes),
        )
        conflict = await self._store.create_user(
            user,
            username_form(pool, user.username),
            password_sealed=await self._vault.seal(password, pool=pool, username=user.username, sub=user.sub),
            code=None if delivery is None else delivery.code,
            messages_to_send=() if delivery is None else (delivery.message,),
        )
        if conflict is not None:
            raise name_taken(pool, conflict)
        return {
            "user_confirmed": False,
            "user_sub": user.sub,
            "code_delivery_details": None if delivery is None else delivery.details,
        }

    @operation
    async def confirm_sign_up(
        self,
        call: Call,
        *,
        client_id: str,
        username: str,
        confirmation_code: str,
        secret_hash: str | None = None,
        force_alias_creation: bool = False,
        analytics_metadata: AnalyticsMetadata | None = None,  # noqa: ARG002  see shapes
        user_context_data: UserContextData | None = None,  # noqa: ARG002  see shapes
        client_metadata: dict[str, str] | None = None,  # noqa: ARG002  for triggers, of which there are none
    ) -> Answer:
        pool, client = await self._directory.client_and_pool(client_id)
        self._directory.check_secret_hash(client, secret_hash, [username])
        found = (await self._directory.presented(pool, username)).found
        if found is None:
            raise _missing(client)
        _check_unconfirmed(found.user)
        code = await self._right_code(pool, found, confirmation_code, now=call.now)

        def confirm(user: User) -> User:
            attributes = {**user.attributes, f"{code.proves}_verified": "true"}
            return msgspec.structs.replace(
                user,
                status="CONFIRMED",
                attributes=attributes,
                sign_in_aliases=sign_in_aliases(pool, attributes),
                modified_at=call.now,
            )

        changed = await self._store.change_user(
            pool.id, found.username_key, confirm, spend_code=code, force_aliases=force_alias_creation
        )
        if changed is None:
            raise _expired()  # another call has spent the code, or the user is gone
        if isinstance(changed, UserConflict):
            raise AliasExistsException(f"An account with the {changed.kind} already exists.")
        return {}

    @operation
    async def admin_confirm_sign_up(
        self,
        call: Call,
        *,
        user_pool_id: str,
        username: str,
        client_metadata: dict[str, str] | None = None,  # noqa: ARG002  for triggers, of which there are none
    ) -> Answer:
        pool = await self._directory.pool(user_pool_id)
        found = await self._directory.user(pool, username)

        def confirm(user: User) -> User:
            _check_unconfirmed(user)
            return msgspec.structs.replace(user, status="CONFIRMED", modified_at=call.now)

        await self._store.change_user(pool.id, found.username_key, confirm)
        return {}

    def _code_to_send(
        self, pool: UserPool, username: str, sub: str, attributes: dict[str, str], *, now: datetime
    ) -> CodeDelivery | None:
        """A code to the phone if it is to be verified, else to the mail address, else none."""
        addresses: tuple[Address, Address] = ("phone_number", "email")
        for address in addresses:
            if address in pool.auto_verified_attributes and address in attributes:
                return self._outbox.sign_up_code(
                    pool, username=username, sub=sub, address=address, destination=attributes[address], now=now
                )
        return None

    async def _right_code(self, pool: UserPool, found: StoredUser, presented: str, *, now: datetime) -> StoredCode:
        """The code that is kept, if it is the one presented.

        Raises:
            LimitExceededException, ExpiredCodeException, CodeMismatchException: it is not, or nobody may ask now.
        """
        kept = await self._store.take_code_attempt(
            pool.id, found.username_key, "sign_up", now=now, limit=_GUESSES_PER_HOUR
        )
        if kept == "too_many":
            raise LimitExceededException("Attempt limit exceeded, please try after some time.")
        if kept == "no_code":
            raise _expired()
        if not self._outbox.code_matches(pool, found.user.sub, kept, presented):
            raise _mismatch()
        if now >= kept.expires_at:
            raise _expired()
        return kept


def _check_unconfirmed(user: User) -> None:
    if user.status != "UNCONFIRMED":
        raise NotAuthorizedException(f"User cannot be confirmed. Current status is {user.status}")


def _missing(client: AppClient) -> UserPoolError:
    """What a client is told of a user that is not there: the same as of a wrong code, if it hides that."""
    if client.hides_missing_users:
        return _mismatch()
    return UserNotFoundException("Username/client id combination not found.")


def _mismatch() -> CodeMismatchException:
    return CodeMismatchException("Invalid verification code provided, please try again.")


def _expired() -> ExpiredCodeException:
    return ExpiredCodeException("Invalid code provided, please request a code again.")
