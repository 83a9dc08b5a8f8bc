"""The OpenID Connect providers that an account trusts, as IAM keeps them.

A provider is known by its ARN, which is made from its URL, so an account has one record for a URL. Changes to a record
are functions handed to `change_open_id_provider`; they run inside the transaction and may raise, which leaves the
record as it was. All writes publish `iam`.
"""

from collections.abc import Callable
from datetime import datetime

import msgspec
from sqlalchemy import Column, Index, String, Table, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from velvetrope.store.columns import Record
from velvetrope.store.database import Database
from velvetrope.store.schema import METADATA

__all__ = ["IamProviderStore", "OpenIdProvider"]

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


_open_id_providers = Table(
    "iam_open_id_providers",
    METADATA,
    Column("arn", String(512), primary_key=True),
    Column("account_id", String(12), nullable=False),
    Column("record", Record(OpenIdProvider), nullable=False),
    Index("iam_open_id_providers_of_account", "account_id", "arn"),
)


class IamProviderStore:
    """Identity providers of accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save_new_open_id_provider(self, provider: OpenIdProvider) -> bool:
        """Keep a new provider. False if there is one of this ARN already."""
        try:
            async with self._database.transaction() as tx:
                await tx.connection.execute(
                    insert(_open_id_providers).values(arn=provider.arn, account_id=provider.account_id, record=provider)
                )
                tx.changed(_TOPIC)
        except IntegrityError:
            return False
        return True

    async def load_open_id_provider(self, arn: str) -> OpenIdProvider | None:
        """The provider of this ARN."""
        async with self._database.read() as connection:
            wanted = select(_open_id_providers.c.record).where(_open_id_providers.c.arn == arn)
            return (await connection.execute(wanted)).scalar_one_or_none()

    async def list_open_id_providers(self, account_id: str) -> list[OpenIdProvider]:
        """All providers of the account, in order of their ARNs."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(_open_id_providers.c.record)
                .where(_open_id_providers.c.account_id == account_id)
                .order_by(_open_id_providers.c.arn)
            )
            return list(rows.scalars())

    async def count_open_id_providers(self, account_id: str) -> int:
        """How many providers the account has."""
        async with self._database.read() as connection:
            counted = select(func.count()).where(_open_id_providers.c.account_id == account_id)
            return (await connection.execute(counted)).scalar_one()

    async def change_open_id_provider(
        self, arn: str, change: Callable[[OpenIdProvider], OpenIdProvider]
    ) -> OpenIdProvider | None:
        """Run `change` on the present record and keep what it returns; None if there is no such provider."""
        async with self._database.transaction() as tx:
            wanted = select(_open_id_providers.c.record).where(_open_id_providers.c.arn == arn).with_for_update()
            present = (await tx.connection.execute(wanted)).scalar_one_or_none()
            if present is None:
                return None
            changed = change(present)
            await tx.connection.execute(
                update(_open_id_providers).where(_open_id_providers.c.arn == arn).values(record=changed)
            )
            tx.changed(_TOPIC)
            return changed

    async def delete_open_id_provider(self, arn: str) -> bool:
        """Forget the provider. Says whether there was one."""
        async with self._database.transaction() as tx:
            removed = await tx.connection.execute(delete(_open_id_providers).where(_open_id_providers.c.arn == arn))
            tx.changed(_TOPIC)
            return removed.rowcount == 1
