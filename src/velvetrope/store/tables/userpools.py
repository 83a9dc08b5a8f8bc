"""User pools, their app clients, signing keys, users, groups, confirmation codes and outgoing messages.

Records are named and shaped after the API's own types (`UserPoolType`, `UserPoolClientType`, `UserType`, `GroupType`),
so that most of them can be shown back as they are. What is secret is sealed before it comes here: private signing keys,
client secrets, password verifiers and the text of messages are bytes that this file cannot read. Tokens, spent
challenges and failed attempts change with every sign-in and are kept in `userpools_sign_in`.

A user is found by `username_key`: the user name, in lower case where the pool ignores case. The other names that a user
may sign in with are rows of `userpools_aliases`, kept in step with `User.sign_in_aliases`, so that the database itself
refuses two owners of one address. Which aliases a user has is the service's word.

Changes to a record are functions handed to `change_…`, which runs them inside the transaction: two callers that change
the same record at once both take effect, one after the other.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec
from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    and_,
    bindparam,
    case,
    delete,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from velvetrope.store.columns import Record, UtcTime
from velvetrope.store.database import Connection, Database, Transaction
from velvetrope.store.schema import METADATA
from velvetrope.store.tables import (
    userpools_branding,
    userpools_configuration,
    userpools_factors,
    userpools_identities,
    userpools_import_jobs,
    userpools_sign_in,
)
from velvetrope.store.tables.userpools_identities import UserIdentity
from velvetrope.store.tables.userpools_settings import (
    AccountRecoverySetting,
    AdminCreateUserConfig,
    DeviceConfiguration,
    EmailConfiguration,
    EmailMfaConfig,
    LambdaConfig,
    MessageTemplate,
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
    Unit,
    UsernameConfiguration,
    VerificationMessageTemplate,
    VersionedTrigger,
    WebAuthnConfiguration,
)
from velvetrope.store.tables.userpools_sign_in import Attempts, attempts_key, attempts_of
from velvetrope.store.visits import Prepared, Visit

__all__ = [
    "KEYS_TOPIC",
    "MESSAGES_TOPIC",
    "SEARCHED_CHARACTERS",
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
    "columns_of",
    "insert_user",
]

AliasKind = Literal["email", "phone_number", "preferred_username"]
CodePurpose = Literal["sign_up", "forgot_password", "verify_email", "verify_phone_number"]
MfaType = Literal["SMS_MFA", "SOFTWARE_TOKEN_MFA", "EMAIL_OTP"]
FirstFactor = Literal["PASSWORD", "EMAIL_OTP", "SMS_OTP", "WEB_AUTHN"]

_SECONDS: dict[str, int] = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}
SEARCHED_CHARACTERS = 255
"""How much of an attribute is in the column that it is looked for by: an index takes no longer ones everywhere."""
_TOPIC = "userpools"
KEYS_TOPIC = "userpools keys"
SETTINGS_TOPIC = "userpools settings"
"""Pools and app clients, without their users."""
MESSAGES_TOPIC = "userpools messages"
"""What the change feed calls it when there is a message to send."""
_MESSAGES_KEPT_FOR = timedelta(days=7)
_CODES_KEPT_FOR = timedelta(days=1)
"""As long as the longest of them is good for."""


class UserPool(msgspec.Struct, frozen=True, kw_only=True):
    """One user pool. `domain` is the prefix of its hosted pages or a name of their own; None while it has neither."""

    id: str
    name: str
    account_id: str
    region: str
    created_at: datetime
    modified_at: datetime
    password_policy: PasswordPolicySettings
    schema_attributes: tuple[SchemaAttribute, ...]
    """All of them, standard ones first; custom names carry their `custom:`."""
    domain: str | None = None
    managed_login_version: int = 1
    certificate_arn: str | None = None
    """The certificate that a domain name of its own was given with; kept and shown, since TLS is not ours there."""
    auto_verified_attributes: tuple[Literal["phone_number", "email"], ...] = ()
    alias_attributes: tuple[AliasKind, ...] = ()
    username_attributes: tuple[Literal["phone_number", "email"], ...] = ()
    username_configuration: UsernameConfiguration | None = None
    deletion_protection: Literal["ACTIVE", "INACTIVE"] = "INACTIVE"
    admin_create_user_config: AdminCreateUserConfig = AdminCreateUserConfig()
    email_configuration: EmailConfiguration = EmailConfiguration()
    email_verification_message: str | None = None
    email_verification_subject: str | None = None
    sms_verification_message: str | None = None
    sms_authentication_message: str | None = None
    verification_message_template: VerificationMessageTemplate = VerificationMessageTemplate()
    account_recovery_setting: AccountRecoverySetting | None = None
    user_pool_tags: dict[str, str] = {}
    user_pool_tier: Literal["LITE", "ESSENTIALS", "PLUS"] = "ESSENTIALS"
    lambda_config: LambdaConfig = LambdaConfig()
    mfa_configuration: Literal["OFF", "ON", "OPTIONAL"] = "OFF"
    sms_configuration: SmsConfiguration | None = None
    mfa_types: tuple[MfaType, ...] = ()
    """The second factors that the pool offers, whatever `mfa_configuration` says."""
    email_mfa: EmailMfaConfig = EmailMfaConfig()
    allowed_first_auth_factors: tuple[FirstFactor, ...] = ("PASSWORD",)
    web_authn: WebAuthnConfiguration = WebAuthnConfiguration()
    device_configuration: DeviceConfiguration | None = None
    verified_before_update: tuple[Literal["phone_number", "email"], ...] = ()
    """Addresses that change only when the code sent to the new one is shown."""

    @property
    def domain_host(self) -> str | None:
        """The host of the pool's pages by AWS's naming: the name of its own, or that made of the prefix."""
        if self.domain is None or self.has_custom_domain:
            return self.domain
        return f"{self.domain}.auth.{self.region}.amazoncognito.com"

    @property
    def has_custom_domain(self) -> bool:
        """Whether the domain is a name of its own: prefixes have no dots."""
        return self.domain is not None and "." in self.domain

    @property
    def case_sensitive(self) -> bool:
        """Whether `Anna` and `anna` are two users: AWS's default where UsernameConfiguration was left out."""
        return self.username_configuration is None or self.username_configuration.case_sensitive

    @property
    def short_name(self) -> str:
        """The part after `_`, which SRP calls the pool's name."""
        return self.id.split("_", 1)[1]


class PoolSigningKey(msgspec.Struct, frozen=True, kw_only=True):
    """One of a pool's RSA keys; the private half is sealed with the pool's id and `kid` as its context."""

    kid: str
    token_use: Literal["id", "access"]
    private_key_sealed: bytes
    public_key_der: bytes
    signs_from: datetime | None = None
    """When it begins to sign; None for keys that always did. Until then it is only published."""
    verifies_until: datetime | None = None
    """When the last token that it signed is dead; None while it is not replaced."""


class ClientSecret(msgspec.Struct, frozen=True, kw_only=True):
    """One of an app client's secrets, sealed."""

    secret_id: str
    sealed: bytes
    created_at: datetime


class AppClient(msgspec.Struct, frozen=True, kw_only=True):
    """One app client. Validity figures are as the caller gave them; the `…_seconds` properties say what they mean."""

    client_id: str
    user_pool_id: str
    name: str
    created_at: datetime
    modified_at: datetime
    secret_sealed: bytes | None = None
    """The secret that it was made with; None where it was made without one, or that one was deleted."""
    added_secrets: tuple[ClientSecret, ...] = ()
    """Secrets that it was given later, oldest first."""
    explicit_auth_flows: tuple[str, ...] = ()
    allowed_o_auth_flows: tuple[Literal["code", "implicit", "client_credentials"], ...] = ()
    allowed_o_auth_scopes: tuple[str, ...] = ()
    allowed_o_auth_flows_user_pool_client: bool = False
    callback_urls: tuple[str, ...] = ()
    default_redirect_uri: str | None = None
    logout_urls: tuple[str, ...] = ()
    supported_identity_providers: tuple[str, ...] = ()
    read_attributes: tuple[str, ...] | None = None
    """None: all standard attributes, which is AWS's default."""
    write_attributes: tuple[str, ...] | None = None
    access_token_validity: int | None = None
    id_token_validity: int | None = None
    refresh_token_validity: int = 30
    token_validity_units: TokenValidityUnits = TokenValidityUnits()
    prevent_user_existence_errors: Literal["LEGACY", "ENABLED"] | None = None
    enable_token_revocation: bool = True
    enable_propagate_additional_user_context_data: bool = False
    auth_session_validity: int = 3
    """Minutes that a challenge stays answerable."""
    refresh_token_rotation: RefreshTokenRotation | None = None

    @property
    def secrets(self) -> tuple[ClientSecret, ...]:
        """All of its secrets, oldest first. The one that it was made with is known by the client's own id."""
        if self.secret_sealed is None:
            return self.added_secrets
        first = ClientSecret(secret_id=self.client_id, sealed=self.secret_sealed, created_at=self.created_at)
        return (first, *self.added_secrets)

    @property
    def has_secret(self) -> bool:
        """Whether it has to prove itself."""
        return bool(self.secrets)

    @property
    def access_token_validity_seconds(self) -> int:
        return _in_seconds(self.access_token_validity, self.token_validity_units.access_token, "hours", 1)

    @property
    def id_token_validity_seconds(self) -> int:
        return _in_seconds(self.id_token_validity, self.token_validity_units.id_token, "hours", 1)

    @property
    def refresh_token_validity_seconds(self) -> int:
        return _in_seconds(self.refresh_token_validity, self.token_validity_units.refresh_token, "days", 30)

    @property
    def rotates_refresh_tokens(self) -> bool:
        return self.refresh_token_rotation is not None and self.refresh_token_rotation.feature == "ENABLED"

    @property
    def hides_missing_users(self) -> bool:
        """PreventUserExistenceErrors; LEGACY where it was never said (botocore's CreateUserPoolClientRequest)."""
        return self.prevent_user_existence_errors == "ENABLED"


def _in_seconds(value: int | None, unit: Unit | None, usual_unit: Unit, usual_value: int) -> int:
    if not value:
        return usual_value * _SECONDS[usual_unit]  # 0 and absent both mean AWS's default
    return value * _SECONDS[unit or usual_unit]


class User(msgspec.Struct, frozen=True, kw_only=True):
    """One user, without the password. `attributes` has every attribute but `sub`, all as strings."""

    user_pool_id: str
    username: str
    sub: str
    attributes: dict[str, str]
    enabled: bool
    status: Literal["UNCONFIRMED", "CONFIRMED", "FORCE_CHANGE_PASSWORD", "RESET_REQUIRED", "EXTERNAL_PROVIDER"]
    created_at: datetime
    modified_at: datetime
    sign_in_aliases: dict[AliasKind, str] = {}
    """Other names this user may sign in with, in the form they are looked up by."""
    temporary_password_expires_at: datetime | None = None
    signed_out_at: datetime | None = None
    """When all sessions were ended last; tokens that belong to no family are dead if issued up to then."""
    password_changed_at: datetime | None = None
    """When the password became another one; None if that was never, or before this was kept."""
    mfa_enabled: tuple[MfaType, ...] = ()
    mfa_preferred: MfaType | None = None
    identities: tuple[UserIdentity, ...] = ()
    """Who this user is at the pool's identity providers, the primary one first."""

    @property
    def is_federated(self) -> bool:
        """Whether the user came to be by signing in with a provider: they are found by it, and by no alias."""
        return any(identity.primary for identity in self.identities)


@dataclass(frozen=True, slots=True)
class StoredUser:
    """A user and the sealed password verifiers, which None says there are none of."""

    user: User
    username_key: str
    password_sealed: bytes | None
    groups: "tuple[Group, ...] | None" = None
    """The user's groups, in order of name, where they were read along with the user."""


@dataclass(frozen=True, slots=True)
class UserConflict:
    """What somebody else has: the user name itself, one of the aliases, or an identity at a provider."""

    kind: Literal["username", "identity"] | AliasKind


class Group(msgspec.Struct, frozen=True, kw_only=True):
    user_pool_id: str
    group_name: str
    created_at: datetime
    modified_at: datetime
    description: str | None = None
    role_arn: str | None = None
    precedence: int | None = None


class StoredCode(msgspec.Struct, frozen=True, kw_only=True):
    """A code that was sent, as a keyed hash: the key is a master key, so that the row alone gives nothing away."""

    purpose: CodePurpose
    mac: bytes
    key_id: bytes
    expires_at: datetime
    proves: Literal["email", "phone_number"]
    """The attribute that whoever knows the code has shown to be theirs."""
    pending_value: str | None = None
    """What that attribute becomes when the code is shown, in pools that change addresses only then."""


class OutgoingMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is to be sent, or would be. `body_sealed` holds subject and text, for the owner alone."""

    id: str
    user_pool_id: str
    username: str
    medium: Literal["EMAIL", "SMS"]
    destination: str
    kind: str
    body_sealed: bytes
    created_at: datetime
    sender: str | None = None
    """Whom a mail is from, where the pool says so; None leaves it to the server's setting."""
    reply_to: str | None = None


pools = Table(
    "userpools_pools",
    METADATA,
    Column("id", String(55), primary_key=True),
    Column("account_id", String(12), nullable=False),
    Column("domain", String(63), unique=True),
    Column("record", Record(UserPool), nullable=False),
)
keys = Table(
    "userpools_keys",
    METADATA,
    Column("user_pool_id", String(55), primary_key=True),
    Column("kid", String(64), primary_key=True),
    Column("record", Record(PoolSigningKey), nullable=False),
)
clients = Table(
    "userpools_clients",
    METADATA,
    Column("client_id", String(128), primary_key=True),
    Column("user_pool_id", String(55), nullable=False, index=True),
    Column("record", Record(AppClient), nullable=False),
)
users = Table(
    "userpools_users",
    METADATA,
    Column("user_pool_id", String(55), primary_key=True),
    Column("username_key", String(128), primary_key=True),
    Column("sub", String(36), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("password_sealed", LargeBinary),
    Column("record", Record(User), nullable=False),
    # What users are looked for by, besides; `userpools_search` reads it. Rows of before are not searchable yet.
    Column("email", String(SEARCHED_CHARACTERS)),
    Column("phone_number", String(SEARCHED_CHARACTERS)),
    Column("status", String(32)),
    Column("searchable", Boolean, nullable=False, server_default=false()),
    Index("userpools_users_sub", "user_pool_id", "sub", unique=True),
    Index("userpools_users_email", "user_pool_id", "email", "username_key"),
    Index("userpools_users_phone_number", "user_pool_id", "phone_number", "username_key"),
    Index("userpools_users_status", "user_pool_id", "status", "username_key"),
    Index("userpools_users_enabled", "user_pool_id", "enabled", "username_key"),
    Index("userpools_users_searchable", "user_pool_id", "searchable", "username_key"),
)
aliases = Table(
    "userpools_aliases",
    METADATA,
    Column("user_pool_id", String(55), primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("alias", String(2048), primary_key=True),
    Column("username_key", String(128), nullable=False),
    Index("userpools_aliases_owner", "user_pool_id", "username_key"),
)
groups = Table(
    "userpools_groups",
    METADATA,
    Column("user_pool_id", String(55), primary_key=True),
    Column("group_name", String(128), primary_key=True),
    Column("record", Record(Group), nullable=False),
)
memberships = Table(
    "userpools_memberships",
    METADATA,
    Column("user_pool_id", String(55), primary_key=True),
    Column("group_name", String(128), primary_key=True),
    Column("username_key", String(128), primary_key=True),
    Index("userpools_memberships_user", "user_pool_id", "username_key"),
)
codes = Table(
    "userpools_codes",
    METADATA,
    Column("user_pool_id", String(55), primary_key=True),
    Column("username_key", String(128), primary_key=True),
    Column("purpose", String(16), primary_key=True),
    Column("record", Record(StoredCode), nullable=False),
    Column("mac", LargeBinary, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("attempts_since", UtcTime, nullable=False),
)
messages = Table(
    "userpools_messages",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("user_pool_id", String(55), nullable=False),
    Column("created_at", UtcTime, nullable=False, index=True),
    Column("record", Record(OutgoingMessage), nullable=False),
    # How its delivery goes; see `userpools_deliveries`.
    Column("medium", String(5), nullable=False, server_default="EMAIL"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due_at", UtcTime, index=True),
    Column("delivered_at", UtcTime),
    Column("problem", String(300)),
)

former_passwords = Table(
    "userpools_former_passwords",
    METADATA,
    Column("user_pool_id", String(55), primary_key=True),
    Column("username_key", String(128), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("password_sealed", LargeBinary, nullable=False),
)

_OF_A_USER = (
    aliases,
    memberships,
    codes,
    former_passwords,
    *userpools_factors.OF_A_USER,
    *userpools_identities.OF_A_USER,
    users,
)
"""Tables with rows of one user, by `user_pool_id` and `username_key`; the user's own row goes last."""
_OF_A_POOL = (keys, clients, groups, messages, *_OF_A_USER)


# What every sign-in asks, built once: building a statement costs more than running it.
_LOAD_USER = Prepared(
    select(users.c.record, users.c.username_key, users.c.password_sealed).where(
        users.c.user_pool_id == bindparam("user_pool_id"), users.c.username_key == bindparam("username_key")
    )
)
_LOAD_USER_BY_SUB = Prepared(
    select(users.c.record, users.c.username_key, users.c.password_sealed).where(
        users.c.user_pool_id == bindparam("user_pool_id"), users.c.sub == bindparam("sub")
    )
)
_LOAD_GROUPS = Prepared(
    select(groups.c.record)
    .join(
        memberships,
        and_(memberships.c.user_pool_id == groups.c.user_pool_id, memberships.c.group_name == groups.c.group_name),
    )
    .where(
        memberships.c.user_pool_id == bindparam("user_pool_id"), memberships.c.username_key == bindparam("username_key")
    )
    .order_by(groups.c.group_name)
)


class UserPoolStore:
    """Everything of this file, one method one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._codes_pruned_at = datetime(1970, 1, 1, tzinfo=UTC)

    # Pools

    async def create_pool(self, pool: UserPool, signing_keys: Collection[PoolSigningKey]) -> None:
        """Keep a new pool and its keys. Pool ids are random; two equal ones are a fault of ours."""
        async with self._database.transaction() as tx:
            await tx.connection.execute(
                insert(pools).values(id=pool.id, account_id=pool.account_id, domain=pool.domain, record=pool)
            )
            for key in signing_keys:
                await tx.connection.execute(insert(keys).values(user_pool_id=pool.id, kid=key.kid, record=key))
            tx.changed(SETTINGS_TOPIC)

    async def load_pool(self, user_pool_id: str) -> UserPool | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(pools.c.record).where(pools.c.id == user_pool_id))).one_or_none()
        return None if row is None else row.record

    async def load_pools(self, account_id: str, *, after: str, limit: int) -> Sequence[UserPool]:
        """Up to `limit` pools of the account whose id is greater than `after`, in order of id."""
        statement = (
            select(pools.c.record)
            .where(pools.c.account_id == account_id, pools.c.id > after)
            .order_by(pools.c.id)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [row.record for row in await connection.execute(statement)]

    async def load_pool_by_domain(self, domain: str) -> UserPool | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(pools.c.record).where(pools.c.domain == domain))).one_or_none()
        return None if row is None else row.record

    async def load_only_pool_with_domain(self) -> UserPool | None:
        """The pool that has a domain, if exactly one has."""
        async with self._database.read() as connection:
            rows = (await connection.execute(select(pools.c.record).where(pools.c.domain.is_not(None)).limit(2))).all()
        return rows[0].record if len(rows) == 1 else None

    async def change_pool(self, user_pool_id: str, change: Callable[[UserPool], UserPool]) -> UserPool | None:
        """Replace the pool by `change(pool)`; None if there is no such pool. The domain stays what it is."""
        async with self._database.transaction() as tx:
            found = await tx.connection.execute(
                select(pools.c.record).where(pools.c.id == user_pool_id).with_for_update()
            )
            row = found.one_or_none()
            if row is None:
                return None
            pool = msgspec.structs.replace(change(row.record), domain=row.record.domain)
            await tx.connection.execute(update(pools).where(pools.c.id == user_pool_id).values(record=pool))
            tx.changed(SETTINGS_TOPIC)
        return pool

    async def take_domain(
        self, user_pool_id: str, domain: str, *, managed_login_version: int, certificate_arn: str | None = None
    ) -> Literal["taken", "domain_in_use", "pool_has_domain", "no_pool"]:
        """Give `domain` to the pool, unless another has it or the pool has one."""
        try:
            async with self._database.transaction() as tx:
                found = await tx.connection.execute(
                    select(pools.c.record).where(pools.c.id == user_pool_id).with_for_update()
                )
                row = found.one_or_none()
                if row is None:
                    return "no_pool"
                if row.record.domain is not None:
                    return "pool_has_domain"
                pool = msgspec.structs.replace(
                    row.record,
                    domain=domain,
                    managed_login_version=managed_login_version,
                    certificate_arn=certificate_arn,
                )
                await tx.connection.execute(
                    update(pools).where(pools.c.id == user_pool_id).values(domain=domain, record=pool)
                )
                tx.changed(SETTINGS_TOPIC)
        except IntegrityError:
            return "domain_in_use"  # the unique index: somebody has it
        return "taken"

    async def release_domain(self, user_pool_id: str, domain: str) -> bool:
        """Take `domain` from the pool; False if it did not have it."""
        async with self._database.transaction() as tx:
            found = await tx.connection.execute(
                select(pools.c.record).where(pools.c.id == user_pool_id, pools.c.domain == domain).with_for_update()
            )
            row = found.one_or_none()
            if row is None:
                return False
            pool = msgspec.structs.replace(row.record, domain=None, certificate_arn=None)
            await tx.connection.execute(
                update(pools).where(pools.c.id == user_pool_id).values(domain=None, record=pool)
            )
            tx.changed(SETTINGS_TOPIC)
        return True

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
            tx.changed(SETTINGS_TOPIC)
            tx.changed(KEYS_TOPIC)
        return True

    async def load_keys(self, user_pool_id: str) -> Sequence[PoolSigningKey]:
        """The pool's signing keys, in no particular order."""
        async with self._database.read() as connection:
            rows = await connection.execute(select(keys.c.record).where(keys.c.user_pool_id == user_pool_id))
            return [row.record for row in rows]

    async def replace_keys(
        self, user_pool_id: str, signing_keys: Collection[PoolSigningKey], *, now: datetime, verifies_until: datetime
    ) -> bool:
        """Add keys, and have those that were not replaced yet verify until then. Keys that are dead by now go.

        Keys that were to begin to sign are replaced as well: of two rotations at once both take effect, one after the
        other. False if there is no such pool.
        """
        async with self._database.transaction() as tx:
            there = await tx.connection.execute(select(pools.c.id).where(pools.c.id == user_pool_id).with_for_update())
            if there.one_or_none() is None:
                return False
            rows = await tx.connection.execute(select(keys.c.record).where(keys.c.user_pool_id == user_pool_id))
            for kept in [row.record for row in rows]:
                this_one = and_(keys.c.user_pool_id == user_pool_id, keys.c.kid == kept.kid)
                until = verifies_until if kept.verifies_until is None else min(kept.verifies_until, verifies_until)
                if until <= now:
                    await tx.connection.execute(delete(keys).where(this_one))
                else:
                    replaced = msgspec.structs.replace(kept, verifies_until=until)
                    await tx.connection.execute(update(keys).where(this_one).values(record=replaced))
            for key in signing_keys:
                await tx.connection.execute(insert(keys).values(user_pool_id=user_pool_id, kid=key.kid, record=key))
            tx.changed(KEYS_TOPIC)
        return True

    # App clients

    async def create_client(self, client: AppClient, *, limit: int) -> Literal["created", "no_pool", "too_many"]:
        """Keep a new app client, if its pool is there and has fewer than `limit`."""
        async with self._database.transaction() as tx:
            if not await _pool_exists(tx.connection, client.user_pool_id):
                return "no_pool"
            count = await tx.connection.execute(
                select(func.count()).where(clients.c.user_pool_id == client.user_pool_id)
            )
            if count.scalar_one() >= limit:
                return "too_many"
            await tx.connection.execute(
                insert(clients).values(client_id=client.client_id, user_pool_id=client.user_pool_id, record=client)
            )
            tx.changed(SETTINGS_TOPIC)
        return "created"

    async def load_client(self, client_id: str) -> AppClient | None:
        async with self._database.read() as connection:
            row = (
                await connection.execute(select(clients.c.record).where(clients.c.client_id == client_id))
            ).one_or_none()
        return None if row is None else row.record

    async def load_clients(self, user_pool_id: str, *, after: str, limit: int) -> Sequence[AppClient]:
        """Up to `limit` clients of the pool whose id is greater than `after`, in order of id."""
        statement = (
            select(clients.c.record)
            .where(clients.c.user_pool_id == user_pool_id, clients.c.client_id > after)
            .order_by(clients.c.client_id)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [row.record for row in await connection.execute(statement)]

    async def change_client(
        self, user_pool_id: str, client_id: str, change: Callable[[AppClient], AppClient]
    ) -> AppClient | None:
        """Replace the client by `change(client)`; None if the pool has no such client."""
        mine = and_(clients.c.client_id == client_id, clients.c.user_pool_id == user_pool_id)
        async with self._database.transaction() as tx:
            row = (await tx.connection.execute(select(clients.c.record).where(mine).with_for_update())).one_or_none()
            if row is None:
                return None
            client = change(row.record)
            await tx.connection.execute(update(clients).where(mine).values(record=client))
            tx.changed(SETTINGS_TOPIC)
        return client

    async def delete_client(self, user_pool_id: str, client_id: str) -> bool:
        """Remove the client and the tokens it was given; False if the pool had no such client."""
        async with self._database.transaction() as tx:
            gone = await tx.connection.execute(
                delete(clients)
                .where(clients.c.client_id == client_id, clients.c.user_pool_id == user_pool_id)
                .returning(clients.c.client_id)
            )
            if gone.one_or_none() is None:
                return False
            await userpools_sign_in.delete_of_client(tx.connection, client_id)
            await userpools_branding.delete_of_client(tx.connection, client_id)
            tx.changed(SETTINGS_TOPIC)
        return True

    # Users

    async def create_user(
        self,
        user: User,
        username_key: str,
        *,
        password_sealed: bytes | None,
        code: StoredCode | None = None,
        messages_to_send: Collection[OutgoingMessage] = (),
        force_aliases: bool = False,
        member_of: Collection[str] = (),
    ) -> UserConflict | None:
        """Keep a new user with its aliases, identities, code and messages, all or nothing; or say what is taken.

        Of two callers that want one name, one gets None and the other a conflict. `force_aliases` takes an alias from
        whoever has it. `member_of` are groups of the pool to begin in.
        """
        try:
            async with self._database.transaction() as tx:
                conflict = await insert_user(
                    tx.connection, user, username_key, password_sealed=password_sealed, force_aliases=force_aliases
                )
                if conflict is not None:
                    raise _Undo(conflict)
                await _take_identities(tx.connection, user, username_key)
                for group_name in member_of:
                    await tx.connection.execute(
                        insert(memberships).values(
                            user_pool_id=user.user_pool_id, group_name=group_name, username_key=username_key
                        )
                    )
                if code is not None:
                    await _save_code(tx.connection, user.user_pool_id, username_key, code, now=user.created_at)
                for message in messages_to_send:
                    await _save_message(tx, message)
                tx.changed(_TOPIC)
        except _Undo as undo:
            return undo.answer
        except IntegrityError:
            return UserConflict("username")  # another node was quicker between our look and our insert
        return None

    async def load_user(self, user_pool_id: str, username_key: str) -> StoredUser | None:
        return await self._database.read_at_once(lambda visit: _user_of(visit, user_pool_id, username_key))

    async def load_user_and_attempts(
        self,
        user_pool_id: str,
        username_key: str,
        *,
        alias: str | None = None,
        alias_kinds: Collection[AliasKind] = (),
    ) -> tuple[StoredUser | None, Attempts | None]:
        """The user of that name with their groups, or else of `alias` as one of `alias_kinds`; and the failures so far.

        Failures are those of the user's name, or of `username_key` where there is no user.
        """

        def load(visit: Visit) -> tuple[StoredUser | None, Attempts | None]:
            found = _user_of(visit, user_pool_id, username_key)
            if found is None and alias is not None and alias_kinds:
                owner = visit.execute(
                    select(aliases.c.username_key)
                    .where(
                        aliases.c.user_pool_id == user_pool_id,
                        aliases.c.kind.in_(list(alias_kinds)),
                        aliases.c.alias == alias,
                    )
                    .limit(1)
                ).scalar()
                found = None if owner is None else _user_of(visit, user_pool_id, owner)
            counted = attempts_key(username_key if found is None else found.username_key)
            # Asked whoever it is, so that a name that nobody has takes as long.
            theirs = _groups_of(visit, user_pool_id, username_key if found is None else found.username_key)
            if found is not None:
                found = replace(found, groups=tuple(theirs))
            return found, attempts_of(visit, user_pool_id, counted)

        return await self._database.read_at_once(load)

    async def load_user_by_sub(self, user_pool_id: str, sub: str) -> StoredUser | None:
        asked = {"user_pool_id": user_pool_id, "sub": sub}
        row = await self._database.read_at_once(lambda visit: visit.one(_LOAD_USER_BY_SUB, asked))
        return None if row is None else StoredUser(*row)

    async def load_users_by_identity(
        self, user_pool_id: str, provider_name: str, known_as: Mapping[str, str]
    ) -> dict[str, StoredUser]:
        """Users whom a provider knows by one of `known_as` (attribute name to value), by that name."""
        async with self._database.read() as connection:
            owners = await userpools_identities.owners_of(connection, user_pool_id, provider_name, known_as)
            found = {}
            for name, key in owners.items():
                user = await _one_user(
                    connection, and_(users.c.user_pool_id == user_pool_id, users.c.username_key == key)
                )
                if user is not None:
                    found[name] = user
            return found

    async def load_users(self, user_pool_id: str, *, after: str, limit: int) -> Sequence[StoredUser]:
        """Up to `limit` users whose key is greater than `after`, in order of key."""
        statement = (
            select(users.c.record, users.c.username_key, users.c.password_sealed)
            .where(users.c.user_pool_id == user_pool_id, users.c.username_key > after)
            .order_by(users.c.username_key)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [
                StoredUser(row.record, row.username_key, row.password_sealed)
                for row in await connection.execute(statement)
            ]

    async def count_users(self, user_pool_id: str) -> int:
        async with self._database.read() as connection:
            found = await connection.execute(select(func.count()).where(users.c.user_pool_id == user_pool_id))
            return found.scalar_one()

    async def change_user(
        self,
        user_pool_id: str,
        username_key: str,
        change: Callable[[User], User],
        *,
        password_sealed: bytes | None = None,
        expected_password: bytes | None = None,
        spend_code: StoredCode | None = None,
        code: StoredCode | None = None,
        codes_to_keep: Collection[StoredCode] = (),
        messages_to_send: Collection[OutgoingMessage] = (),
        former_passwords_kept: int = 0,
        force_aliases: bool = False,
        end_sessions_at: datetime | None = None,
        remove_password: bool = False,
    ) -> User | UserConflict | None:
        """Replace the user by `change(user)`, with what belongs to the change in the same transaction.

        `password_sealed` becomes the new password; with `expected_password` only if that is still the present one. Of
        the ones before it `former_passwords_kept` are remembered.
        `remove_password` leaves the user without one. `spend_code` must still be there and goes. `end_sessions_at`
        revokes all of the user's tokens. None: there is no such user, or the password or the code is no longer what was
        expected; nothing has changed then.
        """
        mine = and_(users.c.user_pool_id == user_pool_id, users.c.username_key == username_key)
        try:
            async with self._database.transaction() as tx:
                row = (
                    await tx.connection.execute(
                        select(users.c.record, users.c.password_sealed).where(mine).with_for_update()
                    )
                ).one_or_none()
                if row is None or (expected_password is not None and row.password_sealed != expected_password):
                    return None
                user = change(row.record)
                if password_sealed is not None or remove_password:
                    user = msgspec.structs.replace(user, password_changed_at=user.modified_at)
                conflict = await _take_aliases(tx.connection, user, username_key, force=force_aliases)
                if conflict is not None:
                    raise _Undo(conflict)
                if user.identities != row.record.identities:
                    await _take_identities(tx.connection, user, username_key)
                if spend_code is not None:
                    spent = await tx.connection.execute(
                        delete(codes)
                        .where(
                            codes.c.user_pool_id == user_pool_id,
                            codes.c.username_key == username_key,
                            codes.c.purpose == spend_code.purpose,
                            codes.c.mac == spend_code.mac,
                        )
                        .returning(codes.c.purpose)
                    )
                    if spent.one_or_none() is None:
                        raise _Undo(None)
                values = columns_of(user)
                if password_sealed is not None or remove_password:
                    values["password_sealed"] = password_sealed
                await tx.connection.execute(update(users).where(mine).values(**values))
                if password_sealed is not None:
                    await _keep_former_password(
                        tx.connection, user_pool_id, username_key, row.password_sealed, kept=former_passwords_kept
                    )
                for one in (*codes_to_keep, *(() if code is None else (code,))):
                    await _save_code(tx.connection, user_pool_id, username_key, one, now=user.modified_at)
                for message in messages_to_send:
                    await _save_message(tx, message)
                if end_sessions_at is not None:
                    await userpools_sign_in.revoke_of_user(tx.connection, user_pool_id, user.sub, end_sessions_at)
                tx.changed(_TOPIC)
        except _Undo as undo:
            return undo.answer
        except IntegrityError:
            return UserConflict("email")  # an alias taken by another node between our look and our insert
        return user

    async def load_former_passwords(self, user_pool_id: str, username_key: str, *, limit: int) -> Sequence[bytes]:
        """The newest passwords that the user had before the present one, sealed, newest first."""
        statement = (
            select(former_passwords.c.password_sealed)
            .where(former_passwords.c.user_pool_id == user_pool_id, former_passwords.c.username_key == username_key)
            .order_by(former_passwords.c.number.desc())
            .limit(limit)
        )
        async with self._database.read() as connection:
            return list((await connection.execute(statement)).scalars())

    async def delete_user(self, user_pool_id: str, username_key: str) -> bool:
        """Remove the user and all that is theirs, tokens included; False if there was none."""
        async with self._database.transaction() as tx:
            row = (
                await tx.connection.execute(
                    select(users.c.sub).where(
                        users.c.user_pool_id == user_pool_id, users.c.username_key == username_key
                    )
                )
            ).one_or_none()
            if row is None:
                return False
            for table in _OF_A_USER:
                await tx.connection.execute(
                    delete(table).where(table.c.user_pool_id == user_pool_id, table.c.username_key == username_key)
                )
            await userpools_sign_in.delete_of_user(tx.connection, user_pool_id, row.sub)
            tx.changed(_TOPIC)
        return True

    # Codes and messages

    async def take_code_attempt(
        self, user_pool_id: str, username_key: str, purpose: CodePurpose, *, now: datetime, limit: int
    ) -> StoredCode | Literal["no_code", "too_many"]:
        """Count one guess at the code and hand it out to compare with; at most `limit` guesses in an hour."""
        mine = and_(
            codes.c.user_pool_id == user_pool_id,
            codes.c.username_key == username_key,
            codes.c.purpose == purpose,
        )
        fresh = codes.c.attempts_since <= now - timedelta(hours=1)
        async with self._database.transaction() as tx:
            taken = await tx.connection.execute(
                update(codes)
                .where(mine, or_(fresh, codes.c.attempts < limit))
                .values(
                    attempts=case((fresh, 1), else_=codes.c.attempts + 1),
                    attempts_since=case((fresh, literal(now, UtcTime())), else_=codes.c.attempts_since),
                )
                .returning(codes.c.record)
            )
            row = taken.one_or_none()
            if row is not None:
                code: StoredCode = row.record
                return code
            there = await tx.connection.execute(select(codes.c.purpose).where(mine))
            return "no_code" if there.one_or_none() is None else "too_many"

    async def send_code(
        self,
        user_pool_id: str,
        username_key: str,
        code: StoredCode,
        message: OutgoingMessage,
        *,
        now: datetime,
        to_nobody: bool = False,
    ) -> None:
        """Keep a code and the message with it, for a user who is otherwise left as they are.

        `to_nobody` does the same for a name that nobody has, or whose owner is to get no code, and keeps the message
        from being sent: whoever guesses at the code is then counted and answered as if there were somebody. Codes of
        that purpose that are long dead go, now and then.
        """
        async with self._database.transaction() as tx:
            if now >= self._codes_pruned_at + _CODES_KEPT_FOR:
                self._codes_pruned_at = now
                dead = and_(codes.c.purpose == code.purpose, codes.c.attempts_since <= now - _CODES_KEPT_FOR)
                await tx.connection.execute(delete(codes).where(dead))
            await _save_code(tx.connection, user_pool_id, username_key, code, now=now)
            await _save_message(tx, message)
            gone = message.id if to_nobody else ""
            await tx.connection.execute(delete(messages).where(messages.c.id == gone))

    async def queue_message(self, message: OutgoingMessage, *, to_nobody: bool = False) -> None:
        """Keep a message that belongs to no other change. One `to_nobody` is not kept, and takes as long."""
        async with self._database.transaction() as tx:
            await _save_message(tx, message)
            gone = message.id if to_nobody else ""
            await tx.connection.execute(delete(messages).where(messages.c.id == gone))

    async def load_messages(self, user_pool_id: str, *, limit: int) -> Sequence[OutgoingMessage]:
        """The newest messages of the pool, newest first. For the owner of the server only."""
        statement = (
            select(messages.c.record)
            .where(messages.c.user_pool_id == user_pool_id)
            .order_by(messages.c.created_at.desc(), messages.c.id.desc())
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [row.record for row in await connection.execute(statement)]

    # Groups

    async def create_group(self, group: Group) -> Literal["created", "exists", "no_pool"]:
        try:
            async with self._database.transaction() as tx:
                if not await _pool_exists(tx.connection, group.user_pool_id):
                    return "no_pool"
                await tx.connection.execute(
                    insert(groups).values(user_pool_id=group.user_pool_id, group_name=group.group_name, record=group)
                )
                tx.changed(_TOPIC)
        except IntegrityError:
            return "exists"
        return "created"

    async def load_group(self, user_pool_id: str, group_name: str) -> Group | None:
        async with self._database.read() as connection:
            row = (
                await connection.execute(
                    select(groups.c.record).where(
                        groups.c.user_pool_id == user_pool_id, groups.c.group_name == group_name
                    )
                )
            ).one_or_none()
        return None if row is None else row.record

    async def load_groups(self, user_pool_id: str, *, after: str, limit: int) -> Sequence[Group]:
        """Up to `limit` groups whose name is greater than `after`, in order of name."""
        statement = (
            select(groups.c.record)
            .where(groups.c.user_pool_id == user_pool_id, groups.c.group_name > after)
            .order_by(groups.c.group_name)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [row.record for row in await connection.execute(statement)]

    async def change_group(self, user_pool_id: str, group_name: str, change: Callable[[Group], Group]) -> Group | None:
        """Replace the group by `change(group)`; None if there is none."""
        mine = and_(groups.c.user_pool_id == user_pool_id, groups.c.group_name == group_name)
        async with self._database.transaction() as tx:
            row = (await tx.connection.execute(select(groups.c.record).where(mine).with_for_update())).one_or_none()
            if row is None:
                return None
            group = change(row.record)
            await tx.connection.execute(update(groups).where(mine).values(record=group))
            tx.changed(_TOPIC)
        return group

    async def delete_group(self, user_pool_id: str, group_name: str) -> bool:
        """Remove the group and its memberships; False if there was none."""
        async with self._database.transaction() as tx:
            gone = await tx.connection.execute(
                delete(groups)
                .where(groups.c.user_pool_id == user_pool_id, groups.c.group_name == group_name)
                .returning(groups.c.group_name)
            )
            if gone.one_or_none() is None:
                return False
            await tx.connection.execute(
                delete(memberships).where(
                    memberships.c.user_pool_id == user_pool_id, memberships.c.group_name == group_name
                )
            )
            tx.changed(_TOPIC)
        return True

    async def add_to_group(
        self, user_pool_id: str, group_name: str, username_key: str, *, limit: int
    ) -> Literal["added", "no_group", "too_many"]:
        """Make the user a member; being one already is fine. A user is in `limit` groups at the most."""
        wanted = {"user_pool_id": user_pool_id, "group_name": group_name, "username_key": username_key}
        mine = and_(memberships.c.user_pool_id == user_pool_id, memberships.c.username_key == username_key)
        try:
            async with self._database.transaction() as tx:
                there = await tx.connection.execute(
                    select(groups.c.group_name).where(
                        groups.c.user_pool_id == user_pool_id, groups.c.group_name == group_name
                    )
                )
                if there.one_or_none() is None:
                    return "no_group"
                already = (await tx.connection.execute(select(memberships.c.group_name).where(mine))).scalars().all()
                if group_name in already:
                    return "added"
                if len(already) >= limit:
                    return "too_many"
                await tx.connection.execute(insert(memberships).values(**wanted))
                tx.changed(_TOPIC)
        except IntegrityError:
            return "added"  # another node added the same one
        return "added"

    async def remove_from_group(self, user_pool_id: str, group_name: str, username_key: str) -> None:
        """End the membership; not being a member is fine."""
        async with self._database.transaction() as tx:
            await tx.connection.execute(
                delete(memberships).where(
                    memberships.c.user_pool_id == user_pool_id,
                    memberships.c.group_name == group_name,
                    memberships.c.username_key == username_key,
                )
            )
            tx.changed(_TOPIC)

    async def load_groups_of_user(self, user_pool_id: str, username_key: str) -> Sequence[Group]:
        """All groups of the user, in order of name."""
        return await self._database.read_at_once(lambda visit: _groups_of(visit, user_pool_id, username_key))

    async def load_users_in_group(
        self, user_pool_id: str, group_name: str, *, after: str, limit: int
    ) -> Sequence[StoredUser]:
        """Up to `limit` members whose key is greater than `after`, in order of key."""
        statement = (
            select(users.c.record, users.c.username_key, users.c.password_sealed)
            .join(
                memberships,
                and_(
                    memberships.c.user_pool_id == users.c.user_pool_id,
                    memberships.c.username_key == users.c.username_key,
                ),
            )
            .where(
                memberships.c.user_pool_id == user_pool_id,
                memberships.c.group_name == group_name,
                users.c.username_key > after,
            )
            .order_by(users.c.username_key)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [
                StoredUser(row.record, row.username_key, row.password_sealed)
                for row in await connection.execute(statement)
            ]


class _Undo(Exception):
    """Rolls a transaction back and carries what its method answers."""

    def __init__(self, answer: UserConflict | None) -> None:
        super().__init__()
        self.answer = answer


def _user_of(visit: Visit, user_pool_id: str, username_key: str) -> StoredUser | None:
    row = visit.one(_LOAD_USER, {"user_pool_id": user_pool_id, "username_key": username_key})
    return None if row is None else StoredUser(*row)


def _groups_of(visit: Visit, user_pool_id: str, username_key: str) -> list[Group]:
    rows = visit.rows(_LOAD_GROUPS, {"user_pool_id": user_pool_id, "username_key": username_key})
    return [record for (record,) in rows]


async def _pool_exists(connection: Connection, user_pool_id: str) -> bool:
    found = await connection.execute(select(pools.c.id).where(pools.c.id == user_pool_id))
    return found.one_or_none() is not None


async def insert_user(
    connection: Connection, user: User, username_key: str, *, password_sealed: bytes | None, force_aliases: bool
) -> UserConflict | None:
    """Add the user and its aliases within a transaction, or say which name is taken and change nothing.

    A transaction of another node may take the name meanwhile; then this raises `IntegrityError`.
    """
    this = and_(users.c.user_pool_id == user.user_pool_id, users.c.username_key == username_key)
    if (await connection.execute(select(users.c.sub).where(this))).one_or_none() is not None:
        return UserConflict("username")
    conflict = await _take_aliases(connection, user, username_key, force=force_aliases)
    if conflict is None:
        await connection.execute(
            insert(users).values(
                user_pool_id=user.user_pool_id,
                username_key=username_key,
                sub=user.sub,
                password_sealed=password_sealed,
                **columns_of(user),
            )
        )
    return conflict


def columns_of(user: User) -> dict[str, object]:
    """The record, and the columns that are made of it."""
    email, phone_number = user.attributes.get("email"), user.attributes.get("phone_number")
    return {
        "record": user,
        "enabled": user.enabled,
        "email": None if email is None else email[:SEARCHED_CHARACTERS],
        "phone_number": None if phone_number is None else phone_number[:SEARCHED_CHARACTERS],
        "status": user.status,
        "searchable": True,
    }


async def _one_user(connection: Connection, condition: ColumnElement[bool]) -> StoredUser | None:
    statement = select(users.c.record, users.c.username_key, users.c.password_sealed).where(condition)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else StoredUser(row.record, row.username_key, row.password_sealed)


async def _take_aliases(connection: Connection, user: User, username_key: str, *, force: bool) -> UserConflict | None:
    """Make the alias rows those of `user.sign_in_aliases`, unless somebody else has one of them."""
    here = aliases.c.user_pool_id == user.user_pool_id
    for kind, alias in user.sign_in_aliases.items():
        this_one = and_(here, aliases.c.kind == kind, aliases.c.alias == alias)
        owner = (await connection.execute(select(aliases.c.username_key).where(this_one))).scalar_one_or_none()
        if owner is None or owner == username_key:
            continue
        if not force:
            return UserConflict(kind)
        await _take_alias_from(connection, user.user_pool_id, owner, kind)
    await connection.execute(delete(aliases).where(here, aliases.c.username_key == username_key))
    for kind, alias in user.sign_in_aliases.items():
        await connection.execute(
            insert(aliases).values(user_pool_id=user.user_pool_id, kind=kind, alias=alias, username_key=username_key)
        )
    return None


async def _take_identities(connection: Connection, user: User, username_key: str) -> None:
    """Make the rows of identities those of `user.identities`, or undo what has been done."""
    if not await userpools_identities.take_identities(connection, user.user_pool_id, username_key, user.identities):
        raise _Undo(UserConflict("identity"))


async def _take_alias_from(connection: Connection, user_pool_id: str, owner_key: str, kind: AliasKind) -> None:
    """The former owner keeps the attribute, but it is no longer verified and no longer signs them in."""
    theirs = and_(users.c.user_pool_id == user_pool_id, users.c.username_key == owner_key)
    await connection.execute(
        delete(aliases).where(
            aliases.c.user_pool_id == user_pool_id, aliases.c.kind == kind, aliases.c.username_key == owner_key
        )
    )
    row = (await connection.execute(select(users.c.record).where(theirs).with_for_update())).one_or_none()
    if row is None:
        return
    former: User = row.record
    changed = msgspec.structs.replace(
        former,
        attributes={**former.attributes, f"{kind}_verified": "false"},
        sign_in_aliases={k: v for k, v in former.sign_in_aliases.items() if k != kind},
    )
    await connection.execute(update(users).where(theirs).values(**columns_of(changed)))


async def _save_code(
    connection: Connection, user_pool_id: str, username_key: str, code: StoredCode, *, now: datetime
) -> None:
    """Replace the code of that purpose. Guesses already counted in this hour stay counted, and older ones do not."""
    mine = and_(
        codes.c.user_pool_id == user_pool_id,
        codes.c.username_key == username_key,
        codes.c.purpose == code.purpose,
    )
    old = codes.c.attempts_since <= now - timedelta(hours=1)
    changed = await connection.execute(
        update(codes)
        .where(mine)
        .values(
            record=code,
            mac=code.mac,
            attempts=case((old, 0), else_=codes.c.attempts),
            attempts_since=case((old, literal(now, UtcTime())), else_=codes.c.attempts_since),
        )
        .returning(codes.c.purpose)
    )
    if changed.one_or_none() is None:
        await connection.execute(
            insert(codes).values(
                user_pool_id=user_pool_id,
                username_key=username_key,
                purpose=code.purpose,
                record=code,
                mac=code.mac,
                attempts=0,
                attempts_since=now,
            )
        )


async def _keep_former_password(
    connection: Connection, user_pool_id: str, username_key: str, former: bytes | None, *, kept: int
) -> None:
    mine = and_(former_passwords.c.user_pool_id == user_pool_id, former_passwords.c.username_key == username_key)
    newest = (await connection.execute(select(func.max(former_passwords.c.number)).where(mine))).scalar_one() or 0
    if former is not None and kept:
        newest += 1
        await connection.execute(
            insert(former_passwords).values(
                user_pool_id=user_pool_id, username_key=username_key, number=newest, password_sealed=former
            )
        )
    await connection.execute(delete(former_passwords).where(mine, former_passwords.c.number <= newest - kept))


async def _save_message(tx: Transaction, message: OutgoingMessage) -> None:
    outdated = messages.c.created_at < message.created_at - _MESSAGES_KEPT_FOR
    await tx.connection.execute(delete(messages).where(outdated))
    await tx.connection.execute(
        insert(messages).values(
            id=message.id,
            user_pool_id=message.user_pool_id,
            created_at=message.created_at,
            record=message,
            medium=message.medium,
            attempts=0,
            due_at=message.created_at,
        )
    )
    tx.changed(MESSAGES_TOPIC)
