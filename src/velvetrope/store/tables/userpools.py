"""User pools as a whole: the face of the `userpools_…` files beside this one, and what concerns all of them.

Records are named and shaped after the API's own types (`UserPoolType`, `UserPoolClientType`, `UserType`, `GroupType`),
so that most of them can be shown back as they are. What is secret is sealed before it comes here: private signing keys,
client secrets, password verifiers and the text of messages are bytes that these files cannot read. Tokens, spent
challenges and failed attempts change with every sign-in and are kept in `userpools_sign_in`.

Changes to a record are functions handed to `change_…`, which runs them inside the transaction: two callers that change
the same record at once both take effect, one after the other.
"""

from collections.abc import Collection

from sqlalchemy import delete, insert

from velvetrope.store.tables import (
    userpools_branding,
    userpools_configuration,
    userpools_import_jobs,
    userpools_sign_in,
    userpools_terms,
)
from velvetrope.store.tables.userpools_accounts import OF_A_USER, AccountStore
from velvetrope.store.tables.userpools_clients import AppClient, ClientSecret, ClientStore, clients
from velvetrope.store.tables.userpools_codes import CodePurpose, CodeStore, StoredCode
from velvetrope.store.tables.userpools_directory import DirectoryStore
from velvetrope.store.tables.userpools_groups import Group, GroupStore, groups
from velvetrope.store.tables.userpools_identities import UserIdentity
from velvetrope.store.tables.userpools_keys import KEYS_TOPIC, KeyStore, PoolSigningKey, keys
from velvetrope.store.tables.userpools_messages import MESSAGES_TOPIC, MessageStore, OutgoingMessage, messages
from velvetrope.store.tables.userpools_pools import SETTINGS_TOPIC, PoolStore, UserPool, pools
from velvetrope.store.tables.userpools_settings import (
    AccountRecoverySetting,
    AdminCreateUserConfig,
    AliasKind,
    DeviceConfiguration,
    EmailConfiguration,
    EmailMfaConfig,
    FirstFactor,
    LambdaConfig,
    MessageTemplate,
    MfaType,
    NumberAttributeConstraints,
    PasswordPolicySettings,
    RecoveryOption,
    RefreshTokenRotation,
    SchemaAttribute,
    SmsConfiguration,
    SmsMfaConfig,
    SoftwareTokenMfaConfig,
    StringAttributeConstraints,
    TokenValidityUnits,
    UsernameConfiguration,
    VerificationMessageTemplate,
    VersionedTrigger,
    WebAuthnConfiguration,
)
from velvetrope.store.tables.userpools_users import StoredUser, User, UserConflict

__all__ = [
    "KEYS_TOPIC",
    "MESSAGES_TOPIC",
    "SETTINGS_TOPIC",
    "AccountRecoverySetting",
    "AdminCreateUserConfig",
    "AliasKind",
    "AppClient",
    "ClientSecret",
    "CodePurpose",
    "DeviceConfiguration",
    "EmailConfiguration",
    "EmailMfaConfig",
    "FirstFactor",
    "Group",
    "LambdaConfig",
    "MessageTemplate",
    "MfaType",
    "NumberAttributeConstraints",
    "OutgoingMessage",
    "PasswordPolicySettings",
    "PoolSigningKey",
    "RecoveryOption",
    "RefreshTokenRotation",
    "SchemaAttribute",
    "SmsConfiguration",
    "SmsMfaConfig",
    "SoftwareTokenMfaConfig",
    "StoredCode",
    "StoredUser",
    "StringAttributeConstraints",
    "TokenValidityUnits",
    "User",
    "UserConflict",
    "UserIdentity",
    "UserPool",
    "UserPoolStore",
    "UsernameConfiguration",
    "VerificationMessageTemplate",
    "VersionedTrigger",
    "WebAuthnConfiguration",
]

_OF_A_POOL = (keys, clients, groups, messages, *OF_A_USER)


class UserPoolStore(
    PoolStore, KeyStore, ClientStore, DirectoryStore, AccountStore, GroupStore, CodeStore, MessageStore
):
    """Pools and all that belongs to them, one method one transaction."""

    async def create_pool(self, pool: UserPool, signing_keys: Collection[PoolSigningKey]) -> None:
        """Keep a new pool and its keys. Pool ids are random; two equal ones are a fault of ours."""
        async with self._database.transaction() as tx:
            await tx.connection.execute(
                insert(pools).values(id=pool.id, account_id=pool.account_id, domain=pool.domain, record=pool)
            )
            for key in signing_keys:
                await tx.connection.execute(insert(keys).values(user_pool_id=pool.id, kid=key.kid, record=key))
            tx.changed(SETTINGS_TOPIC)

    async def delete_pool(self, user_pool_id: str) -> bool:
        """Remove the pool and all that belongs to it; False if there was none."""
        async with self._database.transaction() as tx:
            gone = (
                await tx.connection.execute(delete(pools).where(pools.c.id == user_pool_id).returning(pools.c.id))
            ).one_or_none()
            if gone is None:
                return False
            for table in _OF_A_POOL:
                await tx.connection.execute(delete(table).where(table.c.user_pool_id == user_pool_id))
            await userpools_sign_in.delete_of_pool(tx.connection, user_pool_id)
            await userpools_configuration.delete_of_pool(tx.connection, user_pool_id)
            await userpools_import_jobs.delete_of_pool(tx.connection, user_pool_id)
            await userpools_branding.delete_of_pool(tx.connection, user_pool_id)
            await userpools_terms.delete_of_pool(tx.connection, user_pool_id)
            tx.changed(SETTINGS_TOPIC)
            tx.changed(KEYS_TOPIC)
        return True
