"""App clients and their secrets, which are sealed before they come here."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

import msgspec
from sqlalchemy import Column, String, Table, and_, delete, func, insert, select, update

from velvetrope.store.columns import Record
from velvetrope.store.database import Database
from velvetrope.store.schema import METADATA
from velvetrope.store.tables import userpools_branding, userpools_sign_in, userpools_terms
from velvetrope.store.tables.userpools_pools import SETTINGS_TOPIC, pool_exists
from velvetrope.store.tables.userpools_settings import RefreshTokenRotation, TokenValidityUnits, Unit

__all__ = ["AppClient", "ClientSecret", "ClientStore", "clients"]

_SECONDS: dict[str, int] = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}


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
    sso_minutes: int = 60
    """How long after somebody signed in with a browser this client takes them from it without asking; 0 for never."""

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


clients = Table(
    "userpools_clients",
    METADATA,
    Column("client_id", String(128), primary_key=True),
    Column("user_pool_id", String(55), nullable=False, index=True),
    Column("record", Record(AppClient), nullable=False),
)


class ClientStore:
    """App clients of pools. One method, one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_client(self, client: AppClient, *, limit: int) -> Literal["created", "no_pool", "too_many"]:
        """Keep a new app client, if its pool is there and has fewer than `limit`."""
        async with self._database.transaction() as tx:
            if not await pool_exists(tx.connection, client.user_pool_id):
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
            await userpools_sign_in.delete_of_client(tx.connection, user_pool_id, client_id)
            await userpools_branding.delete_of_client(tx.connection, client_id)
            await userpools_terms.delete_of_client(tx.connection, client_id)
            tx.changed(SETTINGS_TOPIC)
        return True
