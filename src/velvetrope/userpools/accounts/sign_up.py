"""SignUp, ConfirmSignUp, ResendConfirmationCode and AdminConfirmSignUp.

A sign-up keeps the user, the code's hash and the message in one transaction. Of two people who sign up with one name at
the same moment, one gets it. A code is good for 24 hours and for 15 guesses an hour, and is spent in the same
transaction that confirms the user.

SignUp says when a name is taken; AWS does too, since the person has to choose another. ConfirmSignUp and
ResendConfirmationCode tell a client that hides missing users nothing that SignUp does not tell as well: that a user is
confirmed is said of a user name in a pool where people sign themselves up, as on AWS, and not of an alias, nor in a
pool whose users are its administrators' (AWS says it there too, as far as clients show).

Names that begin as those of federated users do are not to be had (`check_not_federated`).

Source: user-pools reference sections 5 and 6; Cognito user pools API, SignUp, ConfirmSignUp.
"""

from collections.abc import Container

import msgspec

from velvetrope.clock import Entropy
from velvetrope.operations import Answer, Call, operation
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import AppClient, StoredUser, User, UserConflict, UserPool, UserPoolStore
from velvetrope.userpools.challenges import ChallengeSealer
from velvetrope.userpools.directory import PoolDirectory, PresentedName, sign_in_aliases, username_form
from velvetrope.userpools.errors import (
    AliasExistsException,
    InvalidParameterException,
    NotAuthorizedException,
    UserPoolError,
    user_missing_for_client,
)
from velvetrope.userpools.federation.identity_providers import ProviderDirectory
from velvetrope.userpools.messages.call_limits import CallLimits
from velvetrope.userpools.messages.decoys import Decoys, usual_addresses
from velvetrope.userpools.messages.outbox import Address, CodeDelivery, CodeOccasion, delivery_details
from velvetrope.userpools.messages.sent_codes import SentCodes, check_sent_to, code_expired, code_mismatch
from velvetrope.userpools.messages.writing import MessageWriter
from velvetrope.userpools.passwords.rules import check_new_password, may_lack_password
from velvetrope.userpools.passwords.vault import PasswordVault
from velvetrope.userpools.shapes import AnalyticsMetadata, AttributeType, UserContextData
from velvetrope.userpools.sign_in.auth_operations import allowed_flows
from velvetrope.userpools.triggers.invocations import Occasion
from velvetrope.userpools.triggers.sign_up import SignUpTriggers
from velvetrope.userpools.users.attributes import new_attributes
from velvetrope.userpools.users.naming import name_new_user, name_taken

__all__ = ["SignUpOperations"]


class SignUpOperations:
    """How people become users by themselves."""

    def __init__(
        self,
        *,
        store: UserPoolStore,
        directory: PoolDirectory,
        vault: PasswordVault,
        writer: MessageWriter,
        codes: SentCodes,
        limits: CallLimits,
        decoys: Decoys,
        triggers: SignUpTriggers,
        challenges: ChallengeSealer,
        providers: ProviderDirectory,
        entropy: Entropy,
    ) -> None:
        self._store = store
        self._directory = directory
        self._vault = vault
        self._writer = writer
        self._codes = codes
        self._limits = limits
        self._decoys = decoys
        self._triggers = triggers
        self._challenges = challenges
        self._providers = providers
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
        validation_data: tuple[AttributeType, ...] = (),
        analytics_metadata: AnalyticsMetadata | None = None,  # noqa: ARG002  see shapes
        user_context_data: UserContextData | None = None,  # noqa: ARG002  see shapes
        client_metadata: dict[str, str] | None = None,
    ) -> Answer:
        pool, client = await self._directory.client_and_pool(client_id)
        self._directory.check_secret_hash(client, secret_hash, [username])
        _check_permitted(pool, password)
        name = name_new_user(pool, username, user_attributes, self._entropy)
        await self._providers.check_not_federated(pool, name.username)
        attributes = new_attributes(pool, user_attributes, client=client, brought_by_name=name.brings)
        occasion = Occasion(pool, name.username, call.now, client.client_id, client_metadata)
        verdict = await self._triggers.pre_sign_up("PreSignUp_SignUp", occasion, attributes, validation_data)
        verdict.mark_verified(attributes)
        user = User(
            user_pool_id=pool.id,
            username=name.username,
            sub=name.sub,
            attributes=attributes,
            enabled=True,
            status="CONFIRMED" if verdict.auto_confirm_user else "UNCONFIRMED",
            created_at=call.now,
            modified_at=call.now,
            sign_in_aliases=sign_in_aliases(pool, attributes),
        )
        delivery = None if verdict.auto_confirm_user else await self._code_to_send(user, "SignUp", occasion)
        conflict = await self._store.create_user(
            user,
            username_form(pool, user.username),
            password_sealed=None
            if password is None
            else await self._vault.seal(password, pool=pool, username=user.username, sub=user.sub),
            code=None if delivery is None else delivery.code,
            messages_to_send=() if delivery is None else (delivery.message,),
        )
        if conflict is not None:
            raise name_taken(pool, conflict)
        if verdict.auto_confirm_user:
            await self._triggers.post_confirmation("PostConfirmation_ConfirmSignUp", occasion, user)
        session = None
        if not verdict.auto_confirm_user and _takes_sessions(client):
            key = username_form(pool, user.username)
            session = self._challenges.begin_sign_up(username, user, key, pool=pool, client=client, now=call.now)
        return {
            "user_confirmed": verdict.auto_confirm_user,
            "user_sub": user.sub,
            "code_delivery_details": None if delivery is None else delivery.details,
            "session": session,
        }

    @operation
    async def resend_confirmation_code(
        self,
        call: Call,
        *,
        client_id: str,
        username: str,
        secret_hash: str | None = None,
        analytics_metadata: AnalyticsMetadata | None = None,  # noqa: ARG002  see shapes
        user_context_data: UserContextData | None = None,  # noqa: ARG002  see shapes
        client_metadata: dict[str, str] | None = None,
    ) -> Answer:
        pool, client = await self._directory.client_and_pool(client_id)
        self._directory.check_secret_hash(client, secret_hash, [username])
        name = await self._directory.presented(pool, username)
        await self._limits.take(pool, name.key, "resend", now=call.now)
        found = name.found
        if found is None or not found.user.enabled or _is_hidden(pool, client, name):
            if not client.hides_missing_users:
                raise _missing(client) if found is None else _disabled()
            address = _address_to_confirm(pool, usual_addresses(pool, username))
            if address is None:
                raise _cannot_resend()
            seeming = self._writer.seeming_code(pool, _sign_up_code("ResendCode"), address, now=call.now)
            await self._store.queue_message(seeming.message, to_nobody=True)
            return {"code_delivery_details": delivery_details(address, self._decoys.destination(pool, name, address))}
        if found.user.status != "UNCONFIRMED":
            raise InvalidParameterException("User is already confirmed.")
        occasion = Occasion(pool, found.user.username, call.now, client.client_id, client_metadata)
        delivery = await self._code_to_send(found.user, "ResendCode", occasion)
        if delivery is None:
            raise _cannot_resend()
        await self._store.change_user(
            found,
            lambda user: user,
            code=delivery.code,
            messages_to_send=(delivery.message,),
        )
        return {"code_delivery_details": delivery.details}

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
        client_metadata: dict[str, str] | None = None,
        session: str | None = None,
    ) -> Answer:
        pool, client = await self._directory.client_and_pool(client_id)
        self._directory.check_secret_hash(client, secret_hash, [username])
        name = await self._directory.presented(pool, username)
        found = name.found
        if found is None or _is_hidden(pool, client, name):
            raise _missing(client)
        _check_unconfirmed(found.user)
        if not found.user.enabled:
            raise code_mismatch("the user is disabled") if client.hides_missing_users else _disabled()
        if session is not None:
            self._check_session(session, found, pool, client)
        code = await self._codes.check(pool, found, "sign_up", confirmation_code, now=call.now)

        def confirm(user: User) -> User:
            check_sent_to(code, user)
            attributes = {**user.attributes, f"{code.proves}_verified": "true"}
            return msgspec.structs.replace(
                user,
                status="CONFIRMED",
                attributes=attributes,
                sign_in_aliases=sign_in_aliases(pool, attributes),
                modified_at=call.now,
            )

        changed = await self._store.change_user(found, confirm, spend_code=code, force_aliases=force_alias_creation)
        if changed is None:
            raise code_expired("another call has used it, or the user is gone")
        if isinstance(changed, UserConflict):
            raise AliasExistsException(f"An account with the {changed.kind} already exists.")
        await self._limits.forget_address(pool, changed.attributes[code.proves], now=call.now)
        occasion = Occasion(pool, changed.username, call.now, client.client_id, client_metadata)
        await self._triggers.post_confirmation("PostConfirmation_ConfirmSignUp", occasion, changed)
        if not _takes_sessions(client):
            return {}
        # For InitiateAuth with USER_AUTH: whoever has just shown the code need not show another factor first.
        confirmed = StoredUser(changed, found.username_key, found.password_sealed)
        return {"session": self._challenges.after_sign_up(username, confirmed, pool=pool, client=client, now=call.now)}

    @operation
    async def admin_confirm_sign_up(
        self,
        call: Call,
        *,
        user_pool_id: str,
        username: str,
        client_metadata: dict[str, str] | None = None,
    ) -> Answer:
        pool = await self._directory.pool(user_pool_id)
        found = await self._directory.user(pool, username)

        def confirm(user: User) -> User:
            _check_unconfirmed(user)
            return msgspec.structs.replace(user, status="CONFIRMED", modified_at=call.now)

        changed = await self._store.change_user(found, confirm)
        if isinstance(changed, User):
            occasion = Occasion(pool, changed.username, call.now, client_metadata=client_metadata)
            await self._triggers.post_confirmation("PostConfirmation_ConfirmSignUp", occasion, changed)
        return {}

    def _check_session(self, text: str, found: StoredUser, pool: UserPool, client: AppClient) -> None:
        """SignUp's session need not come along, since the code proves more; one that does is the user's.

        Raises:
            NotAuthorizedException: it is another one.
        """
        if self._challenges.begun_sign_up(text, pool=pool, client=client).sub != found.user.sub:
            raise NotAuthorizedException("Invalid session for the user.", detail="the session is another user's")

    async def _code_to_send(self, user: User, occurrence: str, occasion: Occasion) -> CodeDelivery | None:
        """A code to the phone if it is to be verified, else to the mail address, else none."""
        address = _address_to_confirm(occasion.pool, user.attributes)
        return None if address is None else await self._writer.code(user, _sign_up_code(occurrence), address, occasion)


def _check_permitted(pool: UserPool, password: Secret[str] | None) -> None:
    """Whether people sign themselves up in this pool, and with such a password or none."""
    if pool.admin_create_user_config.allow_admin_create_user_only:
        raise NotAuthorizedException("SignUp is not permitted for this user pool")
    if password is not None:
        check_new_password(pool, password)
    elif not may_lack_password(pool):
        raise InvalidParameterException(
            "1 validation error detected: Value at 'password' failed to satisfy constraint: Member must not be null"
        )


def _sign_up_code(occurrence: str) -> CodeOccasion:
    return CodeOccasion("sign_up", f"CustomMessage_{occurrence}")


def _address_to_confirm(pool: UserPool, has: Container[str]) -> Address | None:
    """Where a code for a sign-up goes, of the addresses that somebody has."""
    addresses: tuple[Address, Address] = ("phone_number", "email")
    return next((one for one in addresses if one in pool.auto_verified_attributes and one in has), None)


def _check_unconfirmed(user: User) -> None:
    if user.status != "UNCONFIRMED":
        raise NotAuthorizedException(f"User cannot be confirmed. Current status is {user.status}")


def _takes_sessions(client: AppClient) -> bool:
    """Whether a sign-up can go over into a sign-in, which USER_AUTH does."""
    return "ALLOW_USER_AUTH" in allowed_flows(client)


def _is_hidden(pool: UserPool, client: AppClient, name: PresentedName) -> bool:
    """Whether the client is not to learn that somebody with this name is confirmed, or is there at all."""
    if not client.hides_missing_users or name.found is None or name.found.user.status == "UNCONFIRMED":
        return False
    by_alias = not pool.username_attributes and username_form(pool, name.text) != name.key
    return by_alias or pool.admin_create_user_config.allow_admin_create_user_only


def _cannot_resend() -> InvalidParameterException:
    return InvalidParameterException("Cannot resend codes. Auto verification not turned on.")  # clients quote it


def _disabled() -> NotAuthorizedException:
    return NotAuthorizedException("User is disabled.")


def _missing(client: AppClient) -> UserPoolError:
    """What a client is told of a user that is not there: the same as of a wrong code, if it hides that."""
    if client.hides_missing_users:
        return code_mismatch("nobody of this name waits for it; the client hides that")
    return user_missing_for_client()
