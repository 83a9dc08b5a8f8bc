"""ForgotPassword, ConfirmForgotPassword, AdminResetUserPassword: a new password for whoever reads the user's mail.

A code goes to a verified address, in the order of the pool's recovery settings; without any, to the phone first and
then to the mail address, as in AWS's older pools. An address that receives the user's second factor is not used, nor
one that would where MFA is required and the user has switched none on: one stolen phone, or one open mailbox, would
then be both (Developer Guide, "SMS and email message MFA"). A client that hides who exists is answered the same for a
user who is not there, is disabled or has no such address, and a code never comes (Developer Guide, "Managing user
existence error responses").

Setting the password spends the code in the same transaction. Sessions go on, as on AWS; GlobalSignOut ends them.

Source: Cognito user pools API, ForgotPassword and its siblings; user-pools reference sections 5 and 6.
"""

from dataclasses import replace

import msgspec

from velvetrope.operations import Answer, Call, operation
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import MfaType, RecoveryOption, StoredUser, User, UserPool, UserPoolStore
from velvetrope.userpools.directory import PoolDirectory, PresentedName
from velvetrope.userpools.errors import (
    InvalidParameterException,
    NotAuthorizedException,
    UserPoolError,
    user_missing_for_client,
)
from velvetrope.userpools.factors.second_factors import receives_second_factors
from velvetrope.userpools.imports.migrations import UserMigrations
from velvetrope.userpools.messages.call_limits import CallLimits
from velvetrope.userpools.messages.decoys import Decoys, usual_addresses
from velvetrope.userpools.messages.outbox import Address, CodeOccasion, delivery_details
from velvetrope.userpools.messages.sent_codes import SentCodes, check_sent_to, code_expired
from velvetrope.userpools.messages.writing import MessageWriter
from velvetrope.userpools.passwords.changes import PasswordChanges
from velvetrope.userpools.shapes import AnalyticsMetadata, UserContextData
from velvetrope.userpools.triggers.invocations import Occasion
from velvetrope.userpools.triggers.sign_up import SignUpTriggers

__all__ = ["RecoveryOperations"]

_ADDRESSES: dict[str, Address] = {"verified_email": "email", "verified_phone_number": "phone_number"}
_MFA_AT: dict[Address, MfaType] = {"email": "EMAIL_OTP", "phone_number": "SMS_MFA"}
_OLDER_ORDER = (
    RecoveryOption(priority=1, name="verified_phone_number"),
    RecoveryOption(priority=2, name="verified_email"),
)
_CODE = CodeOccasion("forgot_password", "CustomMessage_ForgotPassword")
_NO_ADDRESS = "Cannot reset password for the user as there is no registered/verified email or phone_number"


class RecoveryOperations:
    """See the module."""

    def __init__(
        self,
        *,
        store: UserPoolStore,
        directory: PoolDirectory,
        passwords: PasswordChanges,
        writer: MessageWriter,
        codes: SentCodes,
        limits: CallLimits,
        decoys: Decoys,
        triggers: SignUpTriggers,
        migrations: UserMigrations,
    ) -> None:
        self._store = store
        self._directory = directory
        self._passwords = passwords
        self._writer = writer
        self._codes = codes
        self._limits = limits
        self._decoys = decoys
        self._triggers = triggers
        self._migrations = migrations

    @operation
    async def forgot_password(
        self,
        call: Call,
        *,
        client_id: str,
        username: str,
        secret_hash: str | None = None,
        user_context_data: UserContextData | None = None,  # noqa: ARG002  see shapes
        analytics_metadata: AnalyticsMetadata | None = None,  # noqa: ARG002  see shapes
        client_metadata: dict[str, str] | None = None,
    ) -> Answer:
        pool, client = await self._directory.client_and_pool(client_id)
        self._directory.check_secret_hash(client, secret_hash, [username])
        name = await self._directory.presented(pool, username)
        await self._limits.take(pool, name.key, "forgot", now=call.now)
        occasion = Occasion(pool, username, call.now, client.client_id, client_metadata)
        try:
            name = await self._migrations.at_forgotten_password(name, occasion)
            found, address = _recoverable(pool, name.found)
        except UserPoolError:
            if not client.hides_missing_users:
                raise
            return await self._seem_to_send(pool, name, call)
        return await self._send(found, address, replace(occasion, username=found.user.username))

    @operation
    async def confirm_forgot_password(
        self,
        call: Call,
        *,
        client_id: str,
        username: str,
        confirmation_code: str,
        password: Secret[str],
        secret_hash: str | None = None,
        analytics_metadata: AnalyticsMetadata | None = None,  # noqa: ARG002  see shapes
        user_context_data: UserContextData | None = None,  # noqa: ARG002  see shapes
        client_metadata: dict[str, str] | None = None,
    ) -> Answer:
        pool, client = await self._directory.client_and_pool(client_id)
        self._directory.check_secret_hash(client, secret_hash, [username])
        self._passwords.check_policy(pool, password)
        name = await self._directory.presented(pool, username)
        found = name.found
        if found is None or not found.user.enabled:
            if client.hides_missing_users:
                raise await self._codes.refuse_for_nobody(
                    pool, name, "forgot_password", confirmation_code, now=call.now
                )
            raise user_missing_for_client() if found is None else NotAuthorizedException("User is disabled.")
        code = await self._codes.check(pool, found, "forgot_password", confirmation_code, now=call.now)

        def recovered(user: User) -> User:
            check_sent_to(code, user)
            _check_resettable(user)  # a temporary password may have come since
            return msgspec.structs.replace(
                user, status="CONFIRMED", temporary_password_expires_at=None, modified_at=call.now
            )

        changed = await self._passwords.change(pool, found, password, recovered, spend_code=code)
        if changed is None:
            raise code_expired("another call has used it, or the user is gone")
        occasion = Occasion(pool, changed.username, call.now, client.client_id, client_metadata)
        await self._triggers.post_confirmation("PostConfirmation_ConfirmForgotPassword", occasion, changed)
        return {}

    @operation
    async def admin_reset_user_password(
        self,
        call: Call,
        *,
        user_pool_id: str,
        username: str,
        client_metadata: dict[str, str] | None = None,
    ) -> Answer:
        """The user has to choose another password before the next sign-in."""
        pool = await self._directory.pool(user_pool_id)
        found = await self._directory.user(pool, username)
        address = _reset_address(pool, found.user)
        occasion = Occasion(pool, found.user.username, call.now, client_metadata=client_metadata)
        await self._send(found, address, occasion, reset=True)
        return {}

    async def _send(self, found: StoredUser, address: Address, occasion: Occasion, *, reset: bool = False) -> Answer:
        delivery = await self._writer.code(found.user, _CODE, address, occasion)
        pool_id, key, now = occasion.pool.id, found.username_key, occasion.now
        if not reset:
            await self._store.send_code(pool_id, key, delivery.code, delivery.message, now=now)
            return {"code_delivery_details": delivery.details}

        def asked(user: User) -> User:
            return msgspec.structs.replace(user, status="RESET_REQUIRED", modified_at=now)

        await self._store.change_user(
            found,
            asked,
            code=delivery.code,
            messages_to_send=(delivery.message,),
        )
        return {"code_delivery_details": delivery.details}

    async def _seem_to_send(self, pool: UserPool, name: PresentedName, call: Call) -> Answer:
        usual = usual_addresses(pool, name.text)
        known = pool.username_attributes or pool.auto_verified_attributes
        order = _recovery_addresses(pool) if known else usual
        address = next((one for one in order if one in usual), usual[0])
        seeming = self._writer.seeming_code(pool, _CODE, address, now=call.now)
        await self._store.send_code(pool.id, name.key, seeming.code, seeming.message, now=call.now, to_nobody=True)
        return {"code_delivery_details": delivery_details(address, self._decoys.destination(pool, name, address))}


def _recoverable(pool: UserPool, found: StoredUser | None) -> tuple[StoredUser, Address]:
    """The user who may choose another password, and where the code for that goes.

    Raises:
        UserNotFoundException, NotAuthorizedException, InvalidParameterException: nobody, or nowhere.
    """
    if found is None:
        raise user_missing_for_client()
    if not found.user.enabled:
        raise NotAuthorizedException("User is disabled.")
    return found, _reset_address(pool, found.user)


def _reset_address(pool: UserPool, user: User) -> Address:
    _check_resettable(user)
    passed_over: list[str] = []
    for address in _recovery_addresses(pool):
        if address is None:
            # Text UNVERIFIED: clients quote it.
            raise NotAuthorizedException("Contact administrator to reset password.")
        if receives_second_factors(pool, user, _MFA_AT[address]):
            passed_over.append(f"{address} receives second factors")
            continue
        if user.attributes.get(f"{address}_verified") == "true" and user.attributes.get(address):
            return address
    raise InvalidParameterException(_NO_ADDRESS, detail="; ".join(passed_over))


def _check_resettable(user: User) -> None:
    if user.status in {"FORCE_CHANGE_PASSWORD", "EXTERNAL_PROVIDER"}:
        raise NotAuthorizedException("User password cannot be reset in the current state.")


def _recovery_addresses(pool: UserPool) -> list[Address | None]:
    """In the order of the pool's settings; None stands for `admin_only`."""
    setting = pool.account_recovery_setting
    options = setting.recovery_mechanisms if setting is not None and setting.recovery_mechanisms else _OLDER_ORDER
    return [_ADDRESSES.get(option.name) for option in sorted(options, key=lambda one: one.priority)]
