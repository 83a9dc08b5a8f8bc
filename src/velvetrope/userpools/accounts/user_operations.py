"""What administrators do with users.

Who is made without a password, where codes sign in, is CONFIRMED at once (seen on AWS: user-pools reference section 2).

Every operation finds the user by user name or alias and says `User does not exist.` where there is none: the caller is
signed in to the account and may know. Disabling and deleting a user ends all of their sessions; so does
AdminUserGlobalSignOut.

Source: Cognito user pools API, the Admin operations and ListUsers; user-pools reference section 5.
"""

from collections.abc import Callable, Collection
from typing import Literal

import msgspec

from velvetrope.clock import Entropy
from velvetrope.operations import Answer, Call, operation
from velvetrope.passwords import make_temporary_password
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import OutgoingMessage, StoredUser, User, UserConflict, UserPool, UserPoolStore
from velvetrope.userpools.accounts.user_filter import parse_user_filter
from velvetrope.userpools.accounts.user_pages import UserPages
from velvetrope.userpools.directory import PoolDirectory, sign_in_aliases, username_form
from velvetrope.userpools.errors import (
    AliasExistsException,
    InvalidParameterException,
    UnsupportedUserStateException,
    user_missing,
)
from velvetrope.userpools.factors.mfa_operations import shown_mfa
from velvetrope.userpools.messages.writing import MessageWriter
from velvetrope.userpools.passwords.changes import PasswordChanges
from velvetrope.userpools.passwords.rules import (
    check_new_password,
    may_lack_password,
    policy_of,
    temporary_password_expiry,
)
from velvetrope.userpools.passwords.vault import PasswordVault
from velvetrope.userpools.shapes import AttributeType
from velvetrope.userpools.triggers.invocations import Occasion
from velvetrope.userpools.triggers.sign_up import SignUpTriggers
from velvetrope.userpools.users.attributes import new_attributes, rendered
from velvetrope.userpools.users.identities import attributes_with_identities
from velvetrope.userpools.users.naming import name_new_user, name_taken

__all__ = ["UserOperations", "described_user"]


class UserOperations:
    """Users, for administrators."""

    def __init__(
        self,
        store: UserPoolStore,
        directory: PoolDirectory,
        vault: PasswordVault,
        passwords: PasswordChanges,
        writer: MessageWriter,
        triggers: SignUpTriggers,
        pages: UserPages,
        entropy: Entropy,
    ) -> None:
        self._store = store
        self._pages = pages
        self._directory = directory
        self._vault = vault
        self._passwords = passwords
        self._writer = writer
        self._triggers = triggers
        self._entropy = entropy

    @operation
    async def admin_create_user(
        self,
        call: Call,
        *,
        user_pool_id: str,
        username: str,
        user_attributes: tuple[AttributeType, ...] = (),
        validation_data: tuple[AttributeType, ...] = (),
        temporary_password: Secret[str] | None = None,
        force_alias_creation: bool = False,
        message_action: Literal["RESEND", "SUPPRESS"] | None = None,
        desired_delivery_mediums: tuple[Literal["SMS", "EMAIL"], ...] = (),
        client_metadata: dict[str, str] | None = None,
    ) -> Answer:
        pool = await self._directory.pool(user_pool_id)
        given = temporary_password if temporary_password is not None and temporary_password.reveal() else None
        reachable = any(one.name in {"email", "phone_number"} and one.value for one in user_attributes)
        passwordless = given is None and message_action != "RESEND" and reachable and may_lack_password(pool)
        password = None if passwordless else given or make_temporary_password(policy_of(pool), self._entropy)
        if password is not None:
            check_new_password(pool, password)
            if message_action == "RESEND":
                return await self._invite_again(
                    call, pool, username, password, desired_delivery_mediums, client_metadata
                )
        name = name_new_user(pool, username, user_attributes, self._entropy)
        # Required ones may be left to the user (model, AdminCreateUserRequest, UserAttributes), who is asked for them
        # with the first password; who has none is not asked. (What AWS does of them then is UNVERIFIED.)
        attributes = new_attributes(
            pool, user_attributes, client=None, brought_by_name=name.brings, may_lack_required=password is not None
        )
        occasion = Occasion(pool, name.username, call.now, client_metadata=client_metadata)
        verdict = await self._triggers.pre_sign_up("PreSignUp_AdminCreateUser", occasion, attributes, validation_data)
        verdict.mark_verified(attributes)
        user = User(
            user_pool_id=pool.id,
            username=name.username,
            sub=name.sub,
            attributes=attributes,
            enabled=True,
            status="CONFIRMED" if password is None else "FORCE_CHANGE_PASSWORD",
            created_at=call.now,
            modified_at=call.now,
            sign_in_aliases=sign_in_aliases(pool, attributes),
            temporary_password_expires_at=None if password is None else temporary_password_expiry(pool, now=call.now),
        )
        suppressed = message_action == "SUPPRESS"
        conflict = await self._store.create_user(
            user,
            username_form(pool, user.username),
            password_sealed=None
            if password is None
            else await self._vault.seal(password, pool=pool, username=user.username, sub=user.sub),
            messages_to_send=[]
            if suppressed
            else await self._writer.invitations(user, desired_delivery_mediums, occasion, temporary_password=password),
            force_aliases=force_alias_creation,
        )
        if conflict is not None:
            raise name_taken(pool, conflict)
        return {"user": described_user(user)}

    async def _invite_again(
        self,
        call: Call,
        pool: UserPool,
        username: str,
        password: Secret[str],
        mediums: Collection[str],
        client_metadata: dict[str, str] | None,
    ) -> Answer:
        """A new temporary password, and the invitation once more."""
        found = await self._directory.user(pool, username)
        if found.user.status != "FORCE_CHANGE_PASSWORD":
            # Text UNVERIFIED; the code is the model's.
            raise UnsupportedUserStateException(
                f"Resend not possible. {found.user.status} status is not FORCE_CHANGE_PASSWORD."
            )
        user = await self._change(
            found,
            lambda user: msgspec.structs.replace(
                user,
                temporary_password_expires_at=temporary_password_expiry(pool, now=call.now),
                modified_at=call.now,
            ),
            password_sealed=await self._vault.seal(
                password, pool=pool, username=found.user.username, sub=found.user.sub
            ),
            messages_to_send=await self._writer.invitations(
                found.user,
                mediums,
                Occasion(pool, found.user.username, call.now, client_metadata=client_metadata),
                temporary_password=password,
            ),
        )
        return {"user": described_user(user)}

    @operation
    async def admin_set_user_password(
        self, call: Call, *, user_pool_id: str, username: str, password: Secret[str], permanent: bool = False
    ) -> Answer:
        pool = await self._directory.pool(user_pool_id)
        found = await self._directory.user(pool, username)

        def change(user: User) -> User:
            return msgspec.structs.replace(
                user,
                status="CONFIRMED" if permanent else "FORCE_CHANGE_PASSWORD",
                temporary_password_expires_at=None if permanent else temporary_password_expiry(pool, now=call.now),
                modified_at=call.now,
            )

        if await self._passwords.change(pool, found, password, change) is None:
            raise user_missing()  # deleted since we looked
        return {}

    @operation
    async def admin_get_user(self, call: Call, *, user_pool_id: str, username: str) -> Answer:  # noqa: ARG002
        pool = await self._directory.pool(user_pool_id)
        user = (await self._directory.user(pool, username)).user
        described = described_user(user)
        attributes = described.pop("attributes")
        return {**described, "user_attributes": attributes, **shown_mfa(user)}

    @operation
    async def admin_delete_user(self, call: Call, *, user_pool_id: str, username: str) -> Answer:  # noqa: ARG002
        pool = await self._directory.pool(user_pool_id)
        found = await self._directory.user(pool, username)
        if not await self._store.delete_user(found):
            raise user_missing()
        return None

    @operation
    async def admin_disable_user(self, call: Call, *, user_pool_id: str, username: str) -> Answer:
        found = await self._directory.user(await self._directory.pool(user_pool_id), username)
        await self._change(
            found,
            lambda user: msgspec.structs.replace(user, enabled=False, signed_out_at=call.now, modified_at=call.now),
            ends_sessions_of=call,
        )
        return {}

    @operation
    async def admin_enable_user(self, call: Call, *, user_pool_id: str, username: str) -> Answer:
        found = await self._directory.user(await self._directory.pool(user_pool_id), username)
        await self._change(found, lambda user: msgspec.structs.replace(user, enabled=True, modified_at=call.now))
        return {}

    @operation
    async def admin_user_global_sign_out(self, call: Call, *, user_pool_id: str, username: str) -> Answer:
        found = await self._directory.user(await self._directory.pool(user_pool_id), username)
        await self._change(
            found, lambda user: msgspec.structs.replace(user, signed_out_at=call.now), ends_sessions_of=call
        )
        return {}

    @operation
    async def list_users(
        self,
        call: Call,  # noqa: ARG002
        *,
        user_pool_id: str,
        attributes_to_get: tuple[str, ...] | None = None,
        limit: int = 60,
        pagination_token: str | None = None,
        filter: str | None = None,  # noqa: A002  the member's name
    ) -> Answer:
        pool = await self._directory.pool(user_pool_id)
        known = {attribute.name for attribute in pool.schema_attributes}
        if attributes_to_get is not None and not known.issuperset(attributes_to_get):
            # The sentence is AWS's: clients in public repositories look for it.
            raise InvalidParameterException("One or more requested attributes do not exist.")
        wanted = parse_user_filter(pool, filter)
        found, next_token = await self._pages.load(pool, wanted, token=pagination_token, limit=limit or 60)
        return {
            "users": [described_user(row.user, only=attributes_to_get) for row in found],
            "pagination_token": next_token,
        }

    async def _change(
        self,
        found: StoredUser,
        change: Callable[[User], User],
        *,
        password_sealed: bytes | None = None,
        messages_to_send: Collection[OutgoingMessage] = (),
        ends_sessions_of: Call | None = None,
    ) -> User:
        changed = await self._store.change_user(
            found,
            change,
            password_sealed=password_sealed,
            messages_to_send=messages_to_send,
            end_sessions_at=None if ends_sessions_of is None else ends_sessions_of.now,
        )
        if changed is None:
            raise user_missing()  # deleted since we looked
        if isinstance(changed, UserConflict):
            raise AliasExistsException(f"An account with the given {changed.kind} already exists.")
        return changed


def described_user(user: User, *, only: Collection[str] | None = None) -> dict[str, object]:
    """UserType."""
    return {
        "username": user.username,
        "attributes": rendered(user.sub, attributes_with_identities(user), only=only),
        "user_create_date": user.created_at,
        "user_last_modified_date": user.modified_at,
        "enabled": user.enabled,
        "user_status": user.status,
    }
