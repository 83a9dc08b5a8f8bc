"""Attributes of users: what a pool knows, what is taken away, and addresses that are shown to be one's own.

Changing an address writes a code to the new one if the pool verifies such addresses, whoever changes it; an
administrator may say in the same call that it is verified. In a pool that wants it so
(`AttributesRequireVerificationBeforeUpdate`), the old address stays until that code is shown; the new one travels with
the code. What a user has sent to addresses so is counted together with what they ask for by name, since it may be
anybody's inbox (`call_limits`; AWS is not known to count it). A verified address becomes a sign-in alias where the pool
has aliases; somebody who has it already keeps it.

Source: Cognito Developer Guide, "Verifying updates to email addresses and phone numbers"; Cognito user pools API,
VerifyUserAttribute and its siblings.
"""

from collections.abc import Callable, Collection, Sequence

import msgspec

from velvetrope.operations import Answer, Call, operation
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import (
    AppClient,
    CodePurpose,
    SchemaAttribute,
    StoredUser,
    User,
    UserConflict,
    UserPool,
    UserPoolStore,
)
from velvetrope.userpools.directory import PoolDirectory, aliases_of
from velvetrope.userpools.errors import (
    AliasExistsException,
    InvalidParameterException,
    ResourceNotFoundException,
    user_missing,
)
from velvetrope.userpools.messages.call_limits import CallLimits
from velvetrope.userpools.messages.outbox import Address, CodeDelivery, CodeOccasion
from velvetrope.userpools.messages.sent_codes import SentCodes, check_sent_to, code_expired
from velvetrope.userpools.messages.writing import MessageWriter
from velvetrope.userpools.shapes import AttributeType
from velvetrope.userpools.tokens.signed_in import AccessTokens, SignedIn
from velvetrope.userpools.triggers.invocations import Occasion
from velvetrope.userpools.users.attributes import added_to_schema, changed_attributes

__all__ = ["AttributeOperations"]

_ADDRESSES: tuple[Address, Address] = ("email", "phone_number")


class AttributeOperations:
    """See the module."""

    def __init__(
        self,
        *,
        store: UserPoolStore,
        directory: PoolDirectory,
        tokens: AccessTokens,
        writer: MessageWriter,
        codes: SentCodes,
        limits: CallLimits,
    ) -> None:
        self._store = store
        self._directory = directory
        self._tokens = tokens
        self._writer = writer
        self._codes = codes
        self._limits = limits

    @operation
    async def update_user_attributes(
        self,
        call: Call,
        *,
        user_attributes: tuple[AttributeType, ...],
        access_token: Secret[str],
        client_metadata: dict[str, str] | None = None,
    ) -> Answer:
        signed_in = await self._tokens.signed_in(call, access_token)
        pool, user = signed_in.pool, signed_in.stored.user
        after = changed_attributes(pool, user.attributes, user_attributes, client=signed_in.client)
        waiting = [one for one in _changed_addresses(user, after) if one in pool.verified_before_update]
        occasion = self._occasion(signed_in, client_metadata)
        verified = [one for one in _changed_addresses(user, after) if one in pool.auto_verified_attributes]
        if verified:
            await self._limits.take(pool, signed_in.stored.username_key, "verify", now=call.now)
        deliveries = [
            await self._code_for(user, address, after[address], occasion, waits=address in waiting)
            for address in verified
        ]
        at_once = tuple(one for one in user_attributes if one.name not in waiting)

        def change(before: User) -> User:
            attributes = changed_attributes(pool, before.attributes, at_once, client=signed_in.client)
            return _with_attributes(pool, before, attributes, call)

        await self._change(signed_in.stored, change, deliveries)
        return {"code_delivery_details_list": [delivery.details for delivery in deliveries]}

    @operation
    async def admin_update_user_attributes(
        self,
        call: Call,
        *,
        user_pool_id: str,
        username: str,
        user_attributes: tuple[AttributeType, ...],
        client_metadata: dict[str, str] | None = None,
    ) -> Answer:
        """As the user's own change, but for an address that the administrator says is verified, which needs no code."""
        pool = await self._directory.pool(user_pool_id)
        found = await self._directory.user(pool, username)
        user = found.user
        after = changed_attributes(pool, user.attributes, user_attributes, client=None)
        unproven = [one for one in _changed_addresses(user, after) if after.get(f"{one}_verified") != "true"]
        waiting = [one for one in unproven if one in pool.verified_before_update]
        occasion = Occasion(pool, user.username, call.now, client_metadata=client_metadata)
        deliveries = [
            await self._code_for(user, address, after[address], occasion, waits=address in waiting)
            for address in unproven
            if address in pool.auto_verified_attributes
        ]
        not_yet = {*waiting, *(f"{address}_verified" for address in waiting)}
        at_once = tuple(one for one in user_attributes if one.name not in not_yet)

        def change(before: User) -> User:
            return _with_attributes(
                pool, before, changed_attributes(pool, before.attributes, at_once, client=None), call
            )

        await self._change(found, change, deliveries)
        return {}

    @operation
    async def get_user_attribute_verification_code(
        self,
        call: Call,
        *,
        access_token: Secret[str],
        attribute_name: str,
        client_metadata: dict[str, str] | None = None,
    ) -> Answer:
        signed_in = await self._tokens.signed_in(call, access_token)
        address = _address(attribute_name)
        value = signed_in.stored.user.attributes.get(address)
        if not value:
            # Text UNVERIFIED.
            raise InvalidParameterException(f"The user has no {address} that a code could be sent to.")
        await self._limits.take(signed_in.pool, signed_in.stored.username_key, "verify", now=call.now)
        occasion = self._occasion(signed_in, client_metadata)
        about = CodeOccasion(_purpose(address), "CustomMessage_VerifyUserAttribute")
        delivery = await self._writer.code(signed_in.stored.user, about, address, occasion)
        await self._change(signed_in.stored, lambda user: user, [delivery])
        return {"code_delivery_details": delivery.details}

    @operation
    async def verify_user_attribute(
        self, call: Call, *, access_token: Secret[str], attribute_name: str, code: str
    ) -> Answer:
        signed_in = await self._tokens.signed_in(call, access_token)
        pool, address = signed_in.pool, _address(attribute_name)
        kept = await self._codes.check(pool, signed_in.stored, _purpose(address), code, now=call.now)

        def verify(user: User) -> User:
            check_sent_to(kept, user)
            # A change that waited since before codes kept where they went has only the value that it waited with.
            proven = kept.sent_to if kept.pending_value is None else kept.pending_value
            attributes = {**user.attributes, address: proven, f"{address}_verified": "true"}
            return _with_attributes(pool, user, attributes, call)

        changed = await self._store.change_user(signed_in.stored, verify, spend_code=kept)
        if changed is None:
            raise code_expired("another call has used it")
        if isinstance(changed, UserConflict):
            raise AliasExistsException(f"An account with the {changed.kind} already exists.")
        await self._limits.forget_address(pool, changed.attributes[address], now=call.now)
        return {}

    @operation
    async def delete_user_attributes(
        self, call: Call, *, user_attribute_names: tuple[str, ...], access_token: Secret[str]
    ) -> Answer:
        signed_in = await self._tokens.signed_in(call, access_token)
        pool, client = signed_in.pool, signed_in.client
        await self._change(
            signed_in.stored, lambda user: _without(pool, user, user_attribute_names, call, client=client), ()
        )
        return {}

    @operation
    async def admin_delete_user_attributes(
        self, call: Call, *, user_pool_id: str, username: str, user_attribute_names: tuple[str, ...]
    ) -> Answer:
        pool = await self._directory.pool(user_pool_id)
        found = await self._directory.user(pool, username)
        await self._change(found, lambda user: _without(pool, user, user_attribute_names, call, client=None), ())
        return {}

    @operation
    async def add_custom_attributes(
        self,
        call: Call,
        *,
        user_pool_id: str,
        custom_attributes: tuple[SchemaAttribute, ...],
    ) -> Answer:
        """All of them or none."""

        def change(pool: UserPool) -> UserPool:
            schema = added_to_schema(pool.schema_attributes, custom_attributes)
            return msgspec.structs.replace(pool, schema_attributes=schema, modified_at=call.now)

        if await self._store.change_pool(user_pool_id, change) is None:
            raise ResourceNotFoundException(f"User pool {user_pool_id} does not exist.")
        return {}

    async def _code_for(
        self, user: User, address: Address, value: str, occasion: Occasion, *, waits: bool
    ) -> CodeDelivery:
        about = CodeOccasion(_purpose(address), "CustomMessage_UpdateUserAttribute", value if waits else None)
        return await self._writer.code(user, about, address, occasion, destination=value)

    async def _change(
        self, stored: StoredUser, change: Callable[[User], User], deliveries: Sequence[CodeDelivery]
    ) -> None:
        changed = await self._store.change_user(
            stored,
            change,
            codes_to_keep=[delivery.code for delivery in deliveries],
            messages_to_send=[delivery.message for delivery in deliveries],
        )
        if changed is None:
            raise user_missing()
        if isinstance(changed, UserConflict):
            raise AliasExistsException(f"An account with the given {changed.kind} already exists.")

    def _occasion(self, signed_in: SignedIn, metadata: dict[str, str] | None) -> Occasion:
        user = signed_in.stored.user
        return Occasion(signed_in.pool, user.username, signed_in.now, signed_in.client.client_id, metadata)


def _address(name: str) -> Address:
    if name == "email":
        return "email"
    if name == "phone_number":
        return "phone_number"
    raise InvalidParameterException(f"Invalid attribute type: {name}. Only email and phone_number can be verified.")


def _purpose(address: Address) -> CodePurpose:
    return "verify_email" if address == "email" else "verify_phone_number"


def _changed_addresses(user: User, after: dict[str, str]) -> list[Address]:
    return [one for one in _ADDRESSES if one in after and after[one] != user.attributes.get(one)]


def _with_attributes(pool: UserPool, user: User, attributes: dict[str, str], call: Call) -> User:
    return msgspec.structs.replace(
        user,
        attributes=attributes,
        sign_in_aliases=aliases_of(pool, user, attributes),
        modified_at=call.now,
    )


def _without(pool: UserPool, user: User, names: Collection[str], call: Call, *, client: AppClient | None) -> User:
    gone = [AttributeType(name=name, value="") for name in names]
    return _with_attributes(pool, user, changed_attributes(pool, user.attributes, gone, client=client), call)
