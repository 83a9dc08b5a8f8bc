"""Managed login branding: settings and images of the pages of one app client.

A client has one style, or none. A style goes with its client and with its pool.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import Column, String, Table, UniqueConstraint, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from velvetrope.store.columns import Record
from velvetrope.store.database import Connection, Database
from velvetrope.store.schema import METADATA

__all__ = ["BrandingAsset", "BrandingStore", "ManagedLoginBranding", "delete_of_client", "delete_of_pool"]

_TOPIC = "userpools"


class BrandingAsset(msgspec.Struct, frozen=True, kw_only=True):
    """One image of a style, for what it is shown as and in which colour mode."""

    category: str
    color_mode: Literal["LIGHT", "DARK", "DYNAMIC"]
    extension: Literal["ICO", "JPEG", "PNG", "SVG", "WEBP"]
    content: bytes
    resource_id: str | None = None


class ManagedLoginBranding(msgspec.Struct, frozen=True, kw_only=True):
    """One style."""

    id: str
    user_pool_id: str
    client_id: str
    created_at: datetime
    modified_at: datetime
    use_cognito_provided_values: bool = False
    """The house's own look; there are neither settings nor images then."""
    settings: dict[str, Any] = {}
    """As far as the caller has said them, in AWS's form."""
    assets: tuple[BrandingAsset, ...] = ()


_brandings = Table(
    "userpools_managed_login_brandings",
    METADATA,
    Column("user_pool_id", String(55), primary_key=True),
    Column("branding_id", String(36), primary_key=True),
    Column("client_id", String(128), nullable=False),
    Column("record", Record(ManagedLoginBranding), nullable=False),
    UniqueConstraint("client_id", name="userpools_one_branding_of_a_client"),
)


async def delete_of_pool(connection: Connection, user_pool_id: str) -> None:
    """Every style of a pool that is being deleted, in its transaction."""
    await connection.execute(delete(_brandings).where(_brandings.c.user_pool_id == user_pool_id))


async def delete_of_client(connection: Connection, client_id: str) -> None:
    """The style of a client that is being deleted, in its transaction."""
    await connection.execute(delete(_brandings).where(_brandings.c.client_id == client_id))


class BrandingStore:
    """See the module. One method, one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save_new(self, branding: ManagedLoginBranding) -> bool:
        """Keep a new style; False if the client has one."""
        try:
            async with self._database.transaction() as tx:
                await tx.connection.execute(
                    insert(_brandings).values(
                        user_pool_id=branding.user_pool_id,
                        branding_id=branding.id,
                        client_id=branding.client_id,
                        record=branding,
                    )
                )
                tx.changed(_TOPIC)
        except IntegrityError:
            return False
        return True

    async def change(
        self, user_pool_id: str, branding_id: str, change: Callable[[ManagedLoginBranding], ManagedLoginBranding]
    ) -> ManagedLoginBranding | None:
        """Replace it by `change` of it; None if there is none."""
        mine = (_brandings.c.user_pool_id == user_pool_id) & (_brandings.c.branding_id == branding_id)
        async with self._database.transaction() as tx:
            found = await tx.connection.execute(select(_brandings.c.record).where(mine).with_for_update())
            row = found.one_or_none()
            if row is None:
                return None
            changed = change(row.record)
            await tx.connection.execute(update(_brandings).where(mine).values(record=changed))
            tx.changed(_TOPIC)
        return changed

    async def load(self, user_pool_id: str, branding_id: str) -> ManagedLoginBranding | None:
        """The style of that id."""
        statement = select(_brandings.c.record).where(
            _brandings.c.user_pool_id == user_pool_id, _brandings.c.branding_id == branding_id
        )
        async with self._database.read() as connection:
            found: ManagedLoginBranding | None = (await connection.execute(statement)).scalar_one_or_none()
            return found

    async def load_by_client(self, user_pool_id: str, client_id: str) -> ManagedLoginBranding | None:
        """The style of that client."""
        statement = select(_brandings.c.record).where(
            _brandings.c.user_pool_id == user_pool_id, _brandings.c.client_id == client_id
        )
        async with self._database.read() as connection:
            found: ManagedLoginBranding | None = (await connection.execute(statement)).scalar_one_or_none()
            return found

    async def delete(self, user_pool_id: str, branding_id: str) -> bool:
        """False if there was none."""
        mine = (_brandings.c.user_pool_id == user_pool_id) & (_brandings.c.branding_id == branding_id)
        async with self._database.transaction() as tx:
            gone = await tx.connection.execute(delete(_brandings).where(mine).returning(_brandings.c.branding_id))
            if gone.one_or_none() is None:
                return False
            tx.changed(_TOPIC)
        return True
