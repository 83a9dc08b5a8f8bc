"""What else a user pool is set up with: resource servers, identity providers, the look of its pages, keys for SAML.

Each of the four is a record of one pool, named within it. They go with their pool (`of_pool`). An identity provider's
secrets are sealed; identifiers by which it may be asked for are unique within the pool, which the table holds.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Generic, Literal, TypeVar

import msgspec
from sqlalchemy import Column, ColumnElement, String, Table, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from velvetrope.store.columns import Record
from velvetrope.store.database import Connection, Database, Transaction
from velvetrope.store.schema import METADATA

__all__ = [
    "ConfigurationStore",
    "IdentityProvider",
    "IdentityProviderType",
    "ResourceServer",
    "ResourceServerScope",
    "SamlKey",
    "SamlKeyUse",
    "Saved",
    "UiCustomization",
    "delete_of_pool",
]

IdentityProviderType = Literal["SAML", "Facebook", "Google", "LoginWithAmazon", "SignInWithApple", "OIDC"]
SamlKeyUse = Literal["signing", "encryption"]
Saved = Literal["saved", "exists", "too_many"]

_TOPIC = "userpools"


class ResourceServerScope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    scope_name: str
    scope_description: str


class ResourceServer(msgspec.Struct, frozen=True, kw_only=True):
    """An API whose scopes clients may be given, as `identifier/scope_name`."""

    user_pool_id: str
    identifier: str
    name: str
    scopes: tuple[ResourceServerScope, ...] = ()


class IdentityProvider(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody whose word on a person the pool takes. `secrets_sealed` are the details that nobody may read at rest."""

    user_pool_id: str
    provider_name: str
    provider_type: IdentityProviderType
    created_at: datetime
    modified_at: datetime
    provider_details: dict[str, str] = {}
    secrets_sealed: dict[str, bytes] = {}
    attribute_mapping: dict[str, str] = {}
    idp_identifiers: tuple[str, ...] = ()
    saml_metadata: str | None = None
    """What stood behind a SAML provider's MetadataURL when it was looked at last."""
    saml_metadata_at: datetime | None = None


class SamlKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key pair with which a pool takes part in SAML: it signs our requests, or opens assertions made for us."""

    user_pool_id: str
    use: SamlKeyUse
    certificate_der: bytes
    private_key_sealed: bytes
    created_at: datetime


class UiCustomization(msgspec.Struct, frozen=True, kw_only=True):
    """Style sheet and logo of the classic pages, for one client or (`ALL`) for those that have none of their own."""

    user_pool_id: str
    client_id: str
    created_at: datetime
    modified_at: datetime
    css: str | None = None
    css_version: str
    image: bytes | None = None
    image_type: str | None = None


def _table(
    name: str, record: type[ResourceServer] | type[IdentityProvider] | type[UiCustomization] | type[SamlKey]
) -> Table:
    return Table(
        name,
        METADATA,
        Column("user_pool_id", String(55), primary_key=True),
        Column("name", String(256), primary_key=True),
        Column("record", Record(record), nullable=False),
    )


_resource_servers = _table("userpools_resource_servers", ResourceServer)
_identity_providers = _table("userpools_identity_providers", IdentityProvider)
_customizations = _table("userpools_ui_customizations", UiCustomization)
_saml_keys = _table("userpools_saml_keys", SamlKey)
_identifiers = Table(
    "userpools_idp_identifiers",
    METADATA,
    Column("user_pool_id", String(55), primary_key=True),
    Column("identifier", String(40), primary_key=True),
    Column("provider_name", String(32), nullable=False),
)
_ALL = (_resource_servers, _identity_providers, _customizations, _saml_keys, _identifiers)

R = TypeVar("R", ResourceServer, IdentityProvider, UiCustomization, SamlKey)


async def delete_of_pool(connection: Connection, user_pool_id: str) -> None:
    """Everything of a pool that is being deleted, in its transaction."""
    for table in _ALL:
        await connection.execute(delete(table).where(table.c.user_pool_id == user_pool_id))


class _Named(Generic[R]):
    """The records of one kind, by pool and name."""

    def __init__(self, database: Database, table: Table) -> None:
        self._database = database
        self._table = table

    async def load(self, user_pool_id: str, name: str) -> R | None:
        async with self._database.read() as connection:
            statement = select(self._table.c.record).where(self._mine(user_pool_id, name))
            found: R | None = (await connection.execute(statement)).scalar_one_or_none()
            return found

    async def load_page(self, user_pool_id: str, *, after: str, limit: int) -> Sequence[R]:
        """Up to `limit` records whose name is greater than `after`, in order of name."""
        statement = (
            select(self._table.c.record)
            .where(self._table.c.user_pool_id == user_pool_id, self._table.c.name > after)
            .order_by(self._table.c.name)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return list((await connection.execute(statement)).scalars())

    def _mine(self, user_pool_id: str, name: str) -> ColumnElement[bool]:
        return (self._table.c.user_pool_id == user_pool_id) & (self._table.c.name == name)


class ConfigurationStore:
    """See the module. One method, one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.resource_servers: _Named[ResourceServer] = _Named(database, _resource_servers)
        self.identity_providers: _Named[IdentityProvider] = _Named(database, _identity_providers)
        self.customizations: _Named[UiCustomization] = _Named(database, _customizations)
        self.saml_keys: _Named[SamlKey] = _Named(database, _saml_keys)

    async def save_new_resource_server(self, server: ResourceServer, *, limit: int) -> Saved:
        """Keep a new one; a pool has `limit` of them at the most."""
        return await self._save_new(_resource_servers, server.identifier, server, limit=limit)

    async def save_new_identity_provider(self, provider: IdentityProvider, *, limit: int) -> Saved:
        """Keep a new one with its identifiers; `exists` if the name or an identifier is taken."""
        return await self._save_new(_identity_providers, provider.provider_name, provider, limit=limit)

    async def change_resource_server(
        self, user_pool_id: str, identifier: str, change: Callable[[ResourceServer], ResourceServer]
    ) -> ResourceServer | None:
        """Replace it by `change` of it; None if there is none."""
        async with self._database.transaction() as tx:
            return await _change(tx, _resource_servers, user_pool_id, identifier, change)

    async def change_identity_provider(
        self, user_pool_id: str, name: str, change: Callable[[IdentityProvider], IdentityProvider]
    ) -> IdentityProvider | Literal["identifier_taken"] | None:
        """Replace it by `change` of it; None if there is none."""
        try:
            async with self._database.transaction() as tx:
                changed = await _change(tx, _identity_providers, user_pool_id, name, change)
                if changed is not None:
                    await tx.connection.execute(delete(_identifiers).where(_identifiers_of(user_pool_id, name)))
                    await _save_identifiers(tx.connection, changed)
        except IntegrityError:
            return "identifier_taken"
        return changed

    async def save_customization(
        self, customization: UiCustomization, change: Callable[[UiCustomization], UiCustomization]
    ) -> UiCustomization:
        """`change` of what is there for that pool and client, or of `customization` where nothing is."""
        mine = (_customizations.c.user_pool_id == customization.user_pool_id) & (
            _customizations.c.name == customization.client_id
        )
        async with self._database.transaction() as tx:
            found = await tx.connection.execute(select(_customizations.c.record).where(mine).with_for_update())
            row = found.one_or_none()
            saved = change(customization if row is None else row.record)
            if row is None:
                await tx.connection.execute(
                    insert(_customizations).values(user_pool_id=saved.user_pool_id, name=saved.client_id, record=saved)
                )
            else:
                await tx.connection.execute(update(_customizations).where(mine).values(record=saved))
            tx.changed(_TOPIC)
        return saved

    async def save_saml_key(self, key: SamlKey) -> SamlKey:
        """Keep the pool's key for its use, unless there is one; the one that is there now."""
        try:
            async with self._database.transaction() as tx:
                await tx.connection.execute(
                    insert(_saml_keys).values(user_pool_id=key.user_pool_id, name=key.use, record=key)
                )
                tx.changed(_TOPIC)
        except IntegrityError:
            found = await self.saml_keys.load(key.user_pool_id, key.use)
            return key if found is None else found
        return key

    async def delete_resource_server(self, user_pool_id: str, identifier: str) -> bool:
        """False if there was none."""
        return await self._delete(_resource_servers, user_pool_id, identifier)

    async def delete_identity_provider(self, user_pool_id: str, name: str) -> bool:
        """Its identifiers go with it; False if there was none."""
        return await self._delete(_identity_providers, user_pool_id, name)

    async def load_provider_by_identifier(self, user_pool_id: str, identifier: str) -> IdentityProvider | None:
        """The provider that goes by that identifier."""
        statement = select(_identity_providers.c.record).join(
            _identifiers,
            (_identifiers.c.user_pool_id == _identity_providers.c.user_pool_id)
            & (_identifiers.c.provider_name == _identity_providers.c.name),
        )
        statement = statement.where(
            _identifiers.c.user_pool_id == user_pool_id, _identifiers.c.identifier == identifier
        )
        async with self._database.read() as connection:
            found: IdentityProvider | None = (await connection.execute(statement)).scalar_one_or_none()
            return found

    async def _save_new(
        self, table: Table, name: str, record: ResourceServer | IdentityProvider, *, limit: int
    ) -> Saved:
        try:
            async with self._database.transaction() as tx:
                counted = select(func.count()).where(table.c.user_pool_id == record.user_pool_id)
                if (await tx.connection.execute(counted)).scalar_one() >= limit:
                    return "too_many"
                await tx.connection.execute(
                    insert(table).values(user_pool_id=record.user_pool_id, name=name, record=record)
                )
                if isinstance(record, IdentityProvider):
                    await _save_identifiers(tx.connection, record)
                tx.changed(_TOPIC)
        except IntegrityError:
            return "exists"
        return "saved"

    async def _delete(self, table: Table, user_pool_id: str, name: str) -> bool:
        mine = (table.c.user_pool_id == user_pool_id) & (table.c.name == name)
        async with self._database.transaction() as tx:
            gone = await tx.connection.execute(delete(table).where(mine).returning(table.c.name))
            if gone.one_or_none() is None:
                return False
            if table is _identity_providers:
                await tx.connection.execute(delete(_identifiers).where(_identifiers_of(user_pool_id, name)))
            tx.changed(_TOPIC)
        return True


async def _change(tx: Transaction, table: Table, user_pool_id: str, name: str, change: Callable[[R], R]) -> R | None:
    mine = (table.c.user_pool_id == user_pool_id) & (table.c.name == name)
    row = (await tx.connection.execute(select(table.c.record).where(mine).with_for_update())).one_or_none()
    if row is None:
        return None
    changed = change(row.record)
    await tx.connection.execute(update(table).where(mine).values(record=changed))
    tx.changed(_TOPIC)
    return changed


def _identifiers_of(user_pool_id: str, provider_name: str) -> ColumnElement[bool]:
    return (_identifiers.c.user_pool_id == user_pool_id) & (_identifiers.c.provider_name == provider_name)


async def _save_identifiers(connection: Connection, provider: IdentityProvider) -> None:
    for identifier in provider.idp_identifiers:
        await connection.execute(
            insert(_identifiers).values(
                user_pool_id=provider.user_pool_id, identifier=identifier, provider_name=provider.provider_name
            )
        )
