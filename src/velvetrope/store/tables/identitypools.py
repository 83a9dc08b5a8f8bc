"""Identity pools, the identities in them, the logins that lead to an identity, and the key that signs pool tokens.

A login is a provider and the subject that the provider calls its user by. One login leads to one identity of a pool,
and an identity has one login of a provider at the most: the database itself refuses anything else. A developer login is
a name that the owner's own backend calls somebody by; it leads to one identity too, but an identity may have several.

An identity without logins is a guest until it gets its first one; from then on it is `authenticated` for good, and
losing its last login makes it inaccessible and not a guest again. Merging moves the logins of one identity to another
and disables the one that they left. An identity has `MAX_LOGINS` of both kinds together at the most.

Deciding about links and making them is one transaction, so that two sign-ins at once do not both create an identity for
the same login. Every change is published as topic `identitypools`.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import msgspec
from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    String,
    Table,
    UniqueConstraint,
    delete,
    insert,
    select,
    update,
)

from velvetrope.store.columns import Record
from velvetrope.store.database import Connection, Database, Transaction
from velvetrope.store.schema import METADATA

__all__ = [
    "MAX_LOGINS",
    "CognitoIdentityProvider",
    "DeveloperLogin",
    "Identity",
    "IdentityPool",
    "IdentityPoolStore",
    "LinkRefusal",
    "MappingRule",
    "OpenIdKey",
    "PrincipalTagMap",
    "RoleMapping",
    "RulesConfiguration",
    "StoredIdentity",
]

TOPIC = "identitypools"

MAX_LOGINS = 20
"""Of one identity. Source: Cognito Developer Guide, "Quotas in Amazon Cognito"."""


class CognitoIdentityProvider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user pool's app client whose ID tokens the pool takes. `provider_name` has no `https://`."""

    provider_name: str
    client_id: str
    server_side_token_check: bool = False


class MappingRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One claim compared with one value."""

    claim: str
    match_type: Literal["Equals", "Contains", "StartsWith", "NotEqual"]
    value: str
    role_arn: str


class RulesConfiguration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules in the order in which they are tried."""

    rules: tuple[MappingRule, ...]


class RoleMapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How users of one provider get their role: by what their token says, or by rules."""

    type: Literal["Token", "Rules"]
    ambiguous_role_resolution: Literal["AuthenticatedRole", "Deny"] | None = None
    rules_configuration: RulesConfiguration | None = None


class PrincipalTagMap(msgspec.Struct, frozen=True, kw_only=True):
    """Which claims of a provider become which session tags: tag key to claim name."""

    use_defaults: bool = False
    principal_tags: dict[str, str] = {}


class IdentityPool(msgspec.Struct, frozen=True, kw_only=True):
    """One identity pool. Role mappings are keyed as AWS keys them: `provider:client id` for user pools."""

    id: str
    account_id: str
    region: str
    name: str
    allow_unauthenticated_identities: bool
    created_at: datetime
    modified_at: datetime
    allow_classic_flow: bool = False
    cognito_identity_providers: tuple[CognitoIdentityProvider, ...] = ()
    tags: dict[str, str] = {}
    roles: dict[str, str] = {}
    role_mappings: dict[str, RoleMapping] = {}
    principal_tag_maps: dict[str, PrincipalTagMap] = {}
    developer_provider_name: str | None = None
    open_id_connect_provider_arns: tuple[str, ...] = ()
    supported_login_providers: dict[str, str] = {}
    """Client ids by provider: `accounts.google.com` and the like."""
    saml_provider_arns: tuple[str, ...] = ()


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """One identity of a pool. `merged_into` says where its logins went when it was disabled by a merge."""

    id: str
    identity_pool_id: str
    created_at: datetime
    modified_at: datetime
    authenticated: bool = False
    merged_into: str | None = None

    @property
    def enabled(self) -> bool:
        return self.merged_into is None


@dataclass(frozen=True, slots=True, order=True)
class DeveloperLogin:
    """What the owner's backend calls somebody by, under the pool's developer provider name."""

    provider: str
    user_identifier: str


@dataclass(frozen=True, slots=True)
class StoredIdentity:
    """An identity and its logins: subjects by provider, and those of the developer provider in their order."""

    identity: Identity
    logins: Mapping[str, str]
    developer_logins: tuple[DeveloperLogin, ...] = ()


@dataclass(frozen=True, slots=True)
class LinkRefusal:
    """Why logins were not linked; nothing was changed."""

    reason: Literal[
        "gone",
        "disabled",
        "no login matches",
        "provider has another login",
        "registered elsewhere",
        "login linked elsewhere",
        "too many logins",
    ]


class OpenIdKey(msgspec.Struct, frozen=True, kw_only=True):
    """The RSA key that signs the tokens of all pools of this server; the private half is sealed, `kid` its context."""

    kid: str
    created_at: datetime
    private_key_sealed: bytes
    public_key_der: bytes


_pools = Table(
    "identitypools_pools",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("account_id", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("record", Record(IdentityPool), nullable=False),
)

_identities = Table(
    "identitypools_identities",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("identity_pool_id", String(64), ForeignKey("identitypools_pools.id", ondelete="CASCADE"), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("record", Record(Identity), nullable=False),
    Index("identitypools_identities_of_pool", "identity_pool_id", "id"),
)

_logins = Table(
    "identitypools_logins",
    METADATA,
    Column("identity_pool_id", String(64), primary_key=True),
    Column("provider", String(256), primary_key=True),
    Column("subject", String(256), primary_key=True),
    Column("identity_id", String(64), ForeignKey("identitypools_identities.id", ondelete="CASCADE"), nullable=False),
    UniqueConstraint("identity_id", "provider"),
)

_developer_logins = Table(
    "identitypools_developer_logins",
    METADATA,
    Column("identity_pool_id", String(64), primary_key=True),
    Column("provider", String(128), primary_key=True),
    Column("user_identifier", String(1024), primary_key=True),
    Column("identity_id", String(64), ForeignKey("identitypools_identities.id", ondelete="CASCADE"), nullable=False),
    Index("identitypools_developer_logins_of_identity", "identity_id"),
)

_keys = Table(
    "identitypools_keys",
    METADATA,
    Column("kid", String(64), primary_key=True),
    Column("record", Record(OpenIdKey), nullable=False),
)


class IdentityPoolStore:
    """Identity pools and what belongs to them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Pools

    async def save_pool(self, pool: IdentityPool) -> None:
        """Keep a new pool."""
        async with self._database.transaction() as tx:
            await tx.connection.execute(
                insert(_pools).values(id=pool.id, account_id=pool.account_id, region=pool.region, record=pool)
            )
            tx.changed(TOPIC)

    async def load_pool(self, pool_id: str) -> IdentityPool | None:
        """The pool of this id."""
        async with self._database.read() as connection:
            return (
                await connection.execute(select(_pools.c.record).where(_pools.c.id == pool_id))
            ).scalar_one_or_none()

    async def load_pools(self, account_id: str, region: str, *, after: str, limit: int) -> list[IdentityPool]:
        """Up to `limit` pools whose ids come after `after`, in order of their ids."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(_pools.c.record)
                .where(_pools.c.account_id == account_id, _pools.c.region == region, _pools.c.id > after)
                .order_by(_pools.c.id)
                .limit(limit)
            )
            return list(rows.scalars())

    async def change_pool(self, pool_id: str, change: Callable[[IdentityPool], IdentityPool]) -> IdentityPool | None:
        """Run `change` on the present record and keep what it returns; None if there is no such pool."""
        async with self._database.transaction() as tx:
            row = await tx.connection.execute(select(_pools.c.record).where(_pools.c.id == pool_id).with_for_update())
            present = row.scalar_one_or_none()
            if present is None:
                return None
            changed = change(present)
            await tx.connection.execute(update(_pools).where(_pools.c.id == pool_id).values(record=changed))
            tx.changed(TOPIC)
            return changed

    async def delete_pool(self, pool_id: str) -> bool:
        """Forget the pool, its identities and their logins. Says whether there was one."""
        async with self._database.transaction() as tx:
            removed = await tx.connection.execute(delete(_pools).where(_pools.c.id == pool_id))
            tx.changed(TOPIC)
            return removed.rowcount == 1

    # Identities

    async def save_guest(self, identity: Identity) -> bool:
        """Keep a new identity without logins. False if its pool is gone."""
        async with self._database.transaction() as tx:
            if not await _pool_exists(tx.connection, identity.identity_pool_id):
                return False
            await _insert_identity(tx, identity)
            return True

    async def load_identity(self, identity_id: str) -> StoredIdentity | None:
        """The identity of this id, with its logins."""
        async with self._database.read() as connection:
            return await _load_identity(connection, identity_id)

    async def load_identities(
        self, pool_id: str, *, after: str, limit: int, hide_disabled: bool
    ) -> list[StoredIdentity]:
        """Up to `limit` identities whose ids come after `after`, in order of their ids."""
        wanted = select(_identities.c.record).where(_identities.c.identity_pool_id == pool_id, _identities.c.id > after)
        if hide_disabled:
            wanted = wanted.where(_identities.c.enabled)
        async with self._database.read() as connection:
            records = list((await connection.execute(wanted.order_by(_identities.c.id).limit(limit))).scalars())
            return [await _with_logins(connection, record) for record in records]

    async def delete_identities(self, identity_ids: Collection[str]) -> None:
        """Forget these identities and their logins."""
        async with self._database.transaction() as tx:
            await tx.connection.execute(delete(_identities).where(_identities.c.id.in_(list(identity_ids))))
            tx.changed(TOPIC)

    async def take_identity(
        self, fresh: Identity, logins: Mapping[str, str], *, now: datetime
    ) -> StoredIdentity | LinkRefusal:
        """The identity that `logins` lead to: the one linked to any of them, or `fresh` with all of them linked.

        Logins that were not linked yet are linked to it; when they lead to several identities, those are merged into
        the first. Two callers with the same new login get the same identity.
        """
        async with self._database.transaction() as tx:
            if not await _pool_exists(tx.connection, fresh.identity_pool_id):
                return LinkRefusal("gone")
            owners = await _owners(tx.connection, fresh.identity_pool_id, logins)
            if not owners:
                await _insert_identity(tx, fresh)
            target = await _load_identity(tx.connection, next(iter(owners), fresh.id))
            if target is None:
                return LinkRefusal("gone")
            return await _link(tx, target, logins, owners, now=now)

    async def link_logins(
        self, identity_id: str, logins: Mapping[str, str], *, now: datetime
    ) -> StoredIdentity | LinkRefusal:
        """The identity that a caller with these logins may use when it asks for `identity_id`.

        A guest becomes authenticated by its first login, or, if that login leads elsewhere, is merged into the identity
        there, which is the answer. Asking for the guest that was merged away has the same answer, since clients go on
        asking for the id that they remember; for anybody else it is disabled. An authenticated identity needs
        one of its own logins among those given; the others are linked to it, and identities that they led to are merged
        into it.
        """
        async with self._database.transaction() as tx:
            asked = await _load_identity(tx.connection, identity_id)
            if asked is None:
                return LinkRefusal("gone")
            owners = await _owners(tx.connection, asked.identity.identity_pool_id, logins)
            if not asked.identity.enabled:
                merged_into = await _load_identity(tx.connection, asked.identity.merged_into or "")
                if merged_into is None or merged_into.identity.id not in owners:
                    return LinkRefusal("disabled")
                return await _link(tx, merged_into, logins, owners, now=now)
            if asked.identity.authenticated:
                if identity_id not in owners:
                    return LinkRefusal("no login matches")
                return await _link(tx, asked, logins, owners, now=now)
            target = await _load_identity(tx.connection, next(iter(owners), identity_id))
            if target is None:
                return LinkRefusal("gone")
            return await _link(tx, target, logins, [*owners, identity_id], now=now)

    async def unlink_logins(self, identity_id: str, providers: Collection[str], *, now: datetime) -> None:
        """Take the logins of `providers` from the identity. They are nobody's from now on."""
        async with self._database.transaction() as tx:
            await tx.connection.execute(
                delete(_logins).where(_logins.c.identity_id == identity_id, _logins.c.provider.in_(list(providers)))
            )
            found = await _load_identity(tx.connection, identity_id)
            if found is not None:
                await _save_identity(tx, msgspec.structs.replace(found.identity, modified_at=now))

    # Developer identities

    async def find_developer_identity(self, pool_id: str, login: DeveloperLogin) -> StoredIdentity | None:
        """The identity that this developer login leads to."""
        async with self._database.read() as connection:
            owner = await _developer_owner(connection, pool_id, login)
            return None if owner is None else await _load_identity(connection, owner)

    async def take_developer_identity(
        self, fresh: Identity, login: DeveloperLogin, logins: Mapping[str, str], *, now: datetime
    ) -> StoredIdentity | LinkRefusal:
        """The identity that the developer login or any of `logins` leads to, or `fresh`; all of them are linked to it.

        Logins that lead to different identities are refused: those are merged on purpose only.
        """
        async with self._database.transaction() as tx:
            if not await _pool_exists(tx.connection, fresh.identity_pool_id):
                return LinkRefusal("gone")
            developer_owner = await _developer_owner(tx.connection, fresh.identity_pool_id, login)
            owners = {*await _owners(tx.connection, fresh.identity_pool_id, logins)}
            if developer_owner is not None:
                owners.add(developer_owner)
            if len(owners) > 1:
                return LinkRefusal("login linked elsewhere")
            if not owners:
                await _insert_identity(tx, fresh)
            target = await _load_identity(tx.connection, next(iter(owners), fresh.id))
            if target is None:
                return LinkRefusal("gone")
            return await _link(tx, target, logins, (), developer_logins=(login,), now=now)

    async def link_developer_login(
        self, identity_id: str, login: DeveloperLogin, logins: Mapping[str, str], *, now: datetime
    ) -> StoredIdentity | LinkRefusal:
        """The identity `identity_id`, guest or not, with all these logins linked to it. None may lead elsewhere."""
        async with self._database.transaction() as tx:
            asked = await _load_identity(tx.connection, identity_id)
            if asked is None:
                return LinkRefusal("gone")
            if not asked.identity.enabled:
                return LinkRefusal("disabled")
            pool_id = asked.identity.identity_pool_id
            if await _developer_owner(tx.connection, pool_id, login) not in {None, identity_id}:
                return LinkRefusal("registered elsewhere")
            if {*await _owners(tx.connection, pool_id, logins)} - {identity_id}:
                return LinkRefusal("login linked elsewhere")
            return await _link(tx, asked, logins, (), developer_logins=(login,), now=now)

    async def merge_developer_identities(
        self, pool_id: str, *, source: DeveloperLogin, destination: DeveloperLogin, now: datetime
    ) -> StoredIdentity | LinkRefusal:
        """The identity of `destination`, with all logins of the one that `source` led to; that one is disabled."""
        async with self._database.transaction() as tx:
            source_id = await _developer_owner(tx.connection, pool_id, source)
            destination_id = await _developer_owner(tx.connection, pool_id, destination)
            target = None if destination_id is None else await _load_identity(tx.connection, destination_id)
            if source_id is None or target is None:
                return LinkRefusal("gone")
            return await _link(tx, target, {}, [source_id], now=now)

    async def unlink_developer_login(self, identity_id: str, login: DeveloperLogin, *, now: datetime) -> bool:
        """Take the developer login from the identity; it is nobody's from now on. False if it was not this one's."""
        async with self._database.transaction() as tx:
            removed = await tx.connection.execute(
                delete(_developer_logins).where(
                    _developer_logins.c.identity_id == identity_id,
                    _developer_logins.c.provider == login.provider,
                    _developer_logins.c.user_identifier == login.user_identifier,
                )
            )
            found = await _load_identity(tx.connection, identity_id)
            if removed.rowcount != 1 or found is None:
                return False
            await _save_identity(tx, msgspec.structs.replace(found.identity, modified_at=now))
            return True

    # The key of pool tokens

    async def load_open_id_keys(self) -> list[OpenIdKey]:
        """All keys, the newest first."""
        async with self._database.read() as connection:
            records = list((await connection.execute(select(_keys.c.record))).scalars())
            return sorted(records, key=lambda key: (key.created_at, key.kid), reverse=True)

    async def take_open_id_key(self, fresh: OpenIdKey) -> OpenIdKey:
        """The key that signs: `fresh`, unless somebody was first; then theirs."""
        async with self._database.transaction() as tx:
            present: OpenIdKey | None = (await tx.connection.execute(select(_keys.c.record))).scalars().first()
            if present is not None:
                return present
            await tx.connection.execute(insert(_keys).values(kid=fresh.kid, record=fresh))
            tx.changed(TOPIC)
            return fresh


async def _pool_exists(connection: Connection, pool_id: str) -> bool:
    return (await connection.execute(select(_pools.c.id).where(_pools.c.id == pool_id))).first() is not None


async def _load_identity(connection: Connection, identity_id: str) -> StoredIdentity | None:
    record = (
        await connection.execute(select(_identities.c.record).where(_identities.c.id == identity_id))
    ).scalar_one_or_none()
    return None if record is None else await _with_logins(connection, record)


async def _with_logins(connection: Connection, identity: Identity) -> StoredIdentity:
    rows = await connection.execute(
        select(_developer_logins.c.provider, _developer_logins.c.user_identifier)
        .where(_developer_logins.c.identity_id == identity.id)
        .order_by(_developer_logins.c.provider, _developer_logins.c.user_identifier)
    )
    developer_logins = tuple(DeveloperLogin(row.provider, row.user_identifier) for row in rows)
    return StoredIdentity(identity, await _logins_of(connection, identity.id), developer_logins)


async def _developer_owner(connection: Connection, pool_id: str, login: DeveloperLogin) -> str | None:
    """The id of the identity that this developer login leads to."""
    row = await connection.execute(
        select(_developer_logins.c.identity_id).where(
            _developer_logins.c.identity_pool_id == pool_id,
            _developer_logins.c.provider == login.provider,
            _developer_logins.c.user_identifier == login.user_identifier,
        )
    )
    owner: str | None = row.scalar_one_or_none()
    return owner


async def _logins_of(connection: Connection, identity_id: str) -> dict[str, str]:
    rows = await connection.execute(
        select(_logins.c.provider, _logins.c.subject)
        .where(_logins.c.identity_id == identity_id)
        .order_by(_logins.c.provider)
    )
    return {row.provider: row.subject for row in rows}


async def _insert_identity(tx: Transaction, identity: Identity) -> None:
    await tx.connection.execute(
        insert(_identities).values(
            id=identity.id, identity_pool_id=identity.identity_pool_id, enabled=identity.enabled, record=identity
        )
    )
    tx.changed(TOPIC)


async def _save_identity(tx: Transaction, identity: Identity) -> None:
    await tx.connection.execute(
        update(_identities).where(_identities.c.id == identity.id).values(enabled=identity.enabled, record=identity)
    )
    tx.changed(TOPIC)


async def _owners(connection: Connection, pool_id: str, logins: Mapping[str, str]) -> list[str]:
    """The identities that these logins lead to, each once, in the order of the logins."""
    owners: dict[str, None] = {}
    for provider, subject in logins.items():
        row = await connection.execute(
            select(_logins.c.identity_id).where(
                _logins.c.identity_pool_id == pool_id, _logins.c.provider == provider, _logins.c.subject == subject
            )
        )
        owner = row.scalar_one_or_none()
        if owner is not None:
            owners[owner] = None
    return list(owners)


async def _link(
    tx: Transaction,
    target: StoredIdentity,
    logins: Mapping[str, str],
    owners: Collection[str],
    *,
    developer_logins: Collection[DeveloperLogin] = (),
    now: datetime,
) -> StoredIdentity | LinkRefusal:
    """Link all these logins to `target` and merge every other identity of `owners` into it.

    Everything is planned before anything is written.
    """
    merged = dict(target.logins)
    others: list[StoredIdentity] = []
    for owner in owners:
        if owner == target.identity.id:
            continue
        other = await _load_identity(tx.connection, owner)
        if other is None:
            return LinkRefusal("gone")
        others.append(other)
    for brought in (*(other.logins for other in others), logins):
        for provider, subject in brought.items():
            if merged.setdefault(provider, subject) != subject:
                return LinkRefusal("provider has another login")
    moved = {login for other in others for login in other.developer_logins}
    added_developer_logins = {*developer_logins} - {*target.developer_logins} - moved
    merged_developer_logins = tuple(sorted({*target.developer_logins, *moved, *added_developer_logins}))
    if not others and not added_developer_logins and merged == dict(target.logins):
        return target
    if len(merged) + len(merged_developer_logins) > MAX_LOGINS:
        return LinkRefusal("too many logins")
    for other in others:
        await tx.connection.execute(delete(_logins).where(_logins.c.identity_id == other.identity.id))
        await tx.connection.execute(
            update(_developer_logins)
            .where(_developer_logins.c.identity_id == other.identity.id)
            .values(identity_id=target.identity.id)
        )
        left = msgspec.structs.replace(other.identity, modified_at=now, merged_into=target.identity.id)
        await _save_identity(tx, left)
    added = [
        {
            "identity_pool_id": target.identity.identity_pool_id,
            "provider": provider,
            "subject": subject,
            "identity_id": target.identity.id,
        }
        for provider, subject in merged.items()
        if provider not in target.logins
    ]
    if added:
        await tx.connection.execute(insert(_logins), added)
    if added_developer_logins:
        await tx.connection.execute(
            insert(_developer_logins),
            [
                {
                    "identity_pool_id": target.identity.identity_pool_id,
                    "provider": login.provider,
                    "user_identifier": login.user_identifier,
                    "identity_id": target.identity.id,
                }
                for login in sorted(added_developer_logins)
            ],
        )
    identity = msgspec.structs.replace(target.identity, modified_at=now, authenticated=True)
    await _save_identity(tx, identity)
    return replace(target, identity=identity, logins=merged, developer_logins=merged_developer_logins)
