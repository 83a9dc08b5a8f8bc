"""User pools, without what belongs to them, and the domains of their pages."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

import msgspec
from sqlalchemy import Column, String, Table, select, update
from sqlalchemy.exc import IntegrityError

from velvetrope.store.columns import Record
from velvetrope.store.database import Connection, Database
from velvetrope.store.schema import METADATA
from velvetrope.store.tables.host_names import is_host_name_taken
from velvetrope.store.tables.userpools_settings import (
    AccountRecoverySetting,
    AdminCreateUserConfig,
    AliasKind,
    DeviceConfiguration,
    EmailConfiguration,
    EmailMfaConfig,
    FirstFactor,
    LambdaConfig,
    MfaType,
    PasswordPolicySettings,
    SchemaAttribute,
    SmsConfiguration,
    UsernameConfiguration,
    VerificationMessageTemplate,
    WebAuthnConfiguration,
)

__all__ = ["SETTINGS_TOPIC", "USERS_TOPIC", "PoolStore", "UserPool", "pool_exists", "pools"]

SETTINGS_TOPIC = "userpools settings"
"""Pools and app clients, without their users."""
USERS_TOPIC = "userpools"
"""Users, their groups and what belongs to them."""


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
    software_tokens_said: bool = False
    """Whether SoftwareTokenMfaConfiguration was given, be it to offer no apps; what was never said is not shown."""
    email_mfa: EmailMfaConfig = EmailMfaConfig()
    allowed_first_auth_factors: tuple[FirstFactor, ...] = ("PASSWORD",)
    web_authn: WebAuthnConfiguration = WebAuthnConfiguration()
    device_configuration: DeviceConfiguration | None = None
    verified_before_update: tuple[Literal["phone_number", "email"], ...] = ()
    """Addresses that change only when the code sent to the new one is shown."""
    advanced_security_mode: Literal["OFF"] | None = None
    """None where it was never said. Threat protection is off in both."""
    failures_log_group: str | None = None
    """The log group in which its owner reads what was not delivered."""
    tracks_sessions: bool = False
    """Whether it is kept when a session was used last, and how many of them a user has is bounded."""
    max_sessions_per_user: int = 20
    longest_sso_minutes: int = 60
    """As long as any client has ever asked for a browser's session to be good for. It only grows."""

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


pools = Table(
    "userpools_pools",
    METADATA,
    Column("id", String(55), primary_key=True),
    Column("account_id", String(12), nullable=False),
    Column("domain", String(63), unique=True),
    Column("record", Record(UserPool), nullable=False),
)


class PoolStore:
    """Pools that are there, and their domains. One method, one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
        """Give `domain` to the pool, unless another, or an API, has it or the pool has one."""
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
                if await is_host_name_taken(tx.connection, domain):
                    return "domain_in_use"
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


async def pool_exists(connection: Connection, user_pool_id: str) -> bool:
    found = await connection.execute(select(pools.c.id).where(pools.c.id == user_pool_id))
    return found.one_or_none() is not None
