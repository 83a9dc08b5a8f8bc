"""The identity providers that an account trusts, as IAM keeps them: those of OpenID Connect and those of SAML.

A provider is known by its ARN, which is made from its URL or its name, so an account has one record for either. Changes
to a record are functions handed to `change_…`; they run inside the transaction and may raise, which leaves the record
as it was. All writes publish `iam`.

The private keys that SAML assertions are decrypted with are sealed; the master key is not in the database.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Generic, Literal, TypeVar

import msgspec
from sqlalchemy import Column, Index, String, Table, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from velvetrope.store.columns import Record
from velvetrope.store.database import Database
from velvetrope.store.schema import METADATA

__all__ = ["IamProviderStore", "OpenIdProvider", "SamlPrivateKey", "SamlProvider"]

_TOPIC = "iam"


class OpenIdProvider(msgspec.Struct, frozen=True, kw_only=True):
    """One provider. `url` is the issuer as its tokens name it, scheme included."""

    arn: str
    account_id: str
    url: str
    created_at: datetime
    client_ids: tuple[str, ...] = ()
    thumbprints: tuple[str, ...] = ()
    tags: dict[str, str] = {}


class SamlPrivateKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that assertions are encrypted for."""

    key_id: str
    added_at: datetime
    private_key_sealed: bytes


class SamlProvider(msgspec.Struct, frozen=True, kw_only=True):
    """One provider. `unique_id` is what its own sign-in address ends in."""

    arn: str
    account_id: str
    name: str
    unique_id: str
    metadata_document: str
    created_at: datetime
    valid_until: datetime
    assertion_encryption_mode: Literal["Required", "Allowed"] | None = None
    private_keys: tuple[SamlPrivateKey, ...] = ()
    tags: dict[str, str] = {}


P = TypeVar("P", OpenIdProvider, SamlProvider)


def _provider_table(name: str, record: type[OpenIdProvider] | type[SamlProvider]) -> Table:
    return Table(
        name,
        METADATA,
        Column("arn", String(512), primary_key=True),
        Column("account_id", String(12), nullable=False),
        Column("record", Record(record), nullable=False),
        Index(f"{name}_of_account", "account_id", "arn"),
    )


_open_id_providers = _provider_table("iam_open_id_providers", OpenIdProvider)
_saml_providers = _provider_table("iam_saml_providers", SamlProvider)


class _Providers(Generic[P]):
    """The providers of one kind."""

    def __init__(self, database: Database, table: Table) -> None:
        self._database = database
        self._table = table

    async def save_new(self, provider: P, check: Callable[[int], None]) -> bool:
        try:
            async with self._database.transaction() as tx:
                counted = select(func.count()).where(self._table.c.account_id == provider.account_id)
                check((await tx.connection.execute(counted)).scalar_one())
                await tx.connection.execute(
                    insert(self._table).values(arn=provider.arn, account_id=provider.account_id, record=provider)
                )
                tx.changed(_TOPIC)
        except IntegrityError:
            return False
        return True

    async def load(self, arn: str) -> P | None:
        async with self._database.read() as connection:
            wanted = select(self._table.c.record).where(self._table.c.arn == arn)
            found: P | None = (await connection.execute(wanted)).scalar_one_or_none()
            return found

    async def list_all(self, account_id: str) -> list[P]:
        async with self._database.read() as connection:
            wanted = select(self._table.c.record).where(self._table.c.account_id == account_id)
            found: list[P] = list((await connection.execute(wanted.order_by(self._table.c.arn))).scalars())
            return found

    async def change(self, arn: str, change: Callable[[P], P]) -> P | None:
        async with self._database.transaction() as tx:
            wanted = select(self._table.c.record).where(self._table.c.arn == arn).with_for_update()
            present: P | None = (await tx.connection.execute(wanted)).scalar_one_or_none()
            if present is None:
                return None
            changed = change(present)
            await tx.connection.execute(update(self._table).where(self._table.c.arn == arn).values(record=changed))
            tx.changed(_TOPIC)
            return changed

    async def delete(self, arn: str) -> bool:
        async with self._database.transaction() as tx:
            removed = await tx.connection.execute(delete(self._table).where(self._table.c.arn == arn))
            tx.changed(_TOPIC)
            return removed.rowcount > 0


def _unlimited(_count: int) -> None:
    """There may be any number."""


class IamProviderStore:
    """Identity providers of accounts."""

    def __init__(self, database: Database) -> None:
        self._open_id: _Providers[OpenIdProvider] = _Providers(database, _open_id_providers)
        self._saml: _Providers[SamlProvider] = _Providers(database, _saml_providers)

    async def save_new_open_id_provider(
        self, provider: OpenIdProvider, check: Callable[[int], None] = _unlimited
    ) -> bool:
        """Keep a new provider if `check`, told how many there are, lets it pass. False if there is one of this ARN."""
        return await self._open_id.save_new(provider, check)

    async def load_open_id_provider(self, arn: str) -> OpenIdProvider | None:
        """The provider of this ARN."""
        return await self._open_id.load(arn)

    async def list_open_id_providers(self, account_id: str) -> list[OpenIdProvider]:
        """All providers of the account, in order of their ARNs."""
        return await self._open_id.list_all(account_id)

    async def change_open_id_provider(
        self, arn: str, change: Callable[[OpenIdProvider], OpenIdProvider]
    ) -> OpenIdProvider | None:
        """Run `change` on the present record and keep what it returns; None if there is no such provider."""
        return await self._open_id.change(arn, change)

    async def delete_open_id_provider(self, arn: str) -> bool:
        """Forget the provider. Says whether there was one."""
        return await self._open_id.delete(arn)

    async def save_new_saml_provider(self, provider: SamlProvider, check: Callable[[int], None] = _unlimited) -> bool:
        """Keep a new provider if `check`, told how many there are, lets it pass. False if there is one of this ARN."""
        return await self._saml.save_new(provider, check)

    async def load_saml_provider(self, arn: str) -> SamlProvider | None:
        """The provider of this ARN."""
        return await self._saml.load(arn)

    async def list_saml_providers(self, account_id: str) -> list[SamlProvider]:
        """All providers of the account, in order of their ARNs."""
        return await self._saml.list_all(account_id)

    async def change_saml_provider(
        self, arn: str, change: Callable[[SamlProvider], SamlProvider]
    ) -> SamlProvider | None:
        """Run `change` on the present record and keep what it returns; None if there is no such provider."""
        return await self._saml.change(arn, change)

    async def delete_saml_provider(self, arn: str) -> bool:
        """Forget the provider and its private keys. Says whether there was one."""
        return await self._saml.delete(arn)
