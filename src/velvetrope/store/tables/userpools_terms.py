"""Terms documents of app clients: where to read them, by language. They go with their pool and with their client."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

import msgspec
from sqlalchemy import Column, String, Table, UniqueConstraint, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from velvetrope.store.columns import Record
from velvetrope.store.database import Connection, Database
from velvetrope.store.schema import METADATA

__all__ = ["Terms", "TermsName", "TermsStore", "delete_of_client", "delete_of_pool"]

TermsName = Literal["terms-of-use", "privacy-policy"]

_TOPIC = "userpools"


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of document of one client. `links` are URLs by AWS's name of a language, such as `cognito:german`."""

    id: str
    user_pool_id: str
    client_id: str
    name: TermsName
    links: dict[str, str]
    created_at: datetime
    modified_at: datetime


_terms = Table(
    "userpools_terms",
    METADATA,
    Column("user_pool_id", String(55), primary_key=True),
    Column("terms_id", String(36), primary_key=True),
    Column("client_id", String(128), nullable=False),
    Column("name", String(32), nullable=False),
    Column("record", Record(Terms), nullable=False),
    UniqueConstraint("client_id", "name", name="userpools_one_document_of_a_name"),
)


async def delete_of_pool(connection: Connection, user_pool_id: str) -> None:
    """Every document of a pool that is being deleted, in its transaction."""
    await connection.execute(delete(_terms).where(_terms.c.user_pool_id == user_pool_id))


async def delete_of_client(connection: Connection, client_id: str) -> None:
    """The documents of a client that is being deleted, in its transaction."""
    await connection.execute(delete(_terms).where(_terms.c.client_id == client_id))


class TermsStore:
    """See the module. One method, one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save_new(self, terms: Terms) -> bool:
        """Keep a new document; False if the client has one of that name."""
        try:
            async with self._database.transaction() as tx:
                await tx.connection.execute(
                    insert(_terms).values(
                        user_pool_id=terms.user_pool_id,
                        terms_id=terms.id,
                        client_id=terms.client_id,
                        name=terms.name,
                        record=terms,
                    )
                )
                tx.changed(_TOPIC)
        except IntegrityError:
            return False
        return True

    async def change(
        self, user_pool_id: str, terms_id: str, change: Callable[[Terms], Terms]
    ) -> Terms | Literal["name_taken"] | None:
        """Replace it by `change` of it; None if there is none."""
        mine = (_terms.c.user_pool_id == user_pool_id) & (_terms.c.terms_id == terms_id)
        try:
            async with self._database.transaction() as tx:
                found = await tx.connection.execute(select(_terms.c.record).where(mine).with_for_update())
                row = found.one_or_none()
                if row is None:
                    return None
                changed = change(row.record)
                await tx.connection.execute(update(_terms).where(mine).values(name=changed.name, record=changed))
                tx.changed(_TOPIC)
        except IntegrityError:
            return "name_taken"
        return changed

    async def load(self, user_pool_id: str, terms_id: str) -> Terms | None:
        """The document of that id."""
        statement = select(_terms.c.record).where(_terms.c.user_pool_id == user_pool_id, _terms.c.terms_id == terms_id)
        async with self._database.read() as connection:
            found: Terms | None = (await connection.execute(statement)).scalar_one_or_none()
            return found

    async def load_of_client(self, user_pool_id: str, client_id: str) -> Sequence[Terms]:
        """What the client has: one document of each name at the most."""
        statement = (
            select(_terms.c.record)
            .where(_terms.c.user_pool_id == user_pool_id, _terms.c.client_id == client_id)
            .order_by(_terms.c.name)
        )
        async with self._database.read() as connection:
            return list((await connection.execute(statement)).scalars())

    async def load_page(self, user_pool_id: str, *, after: str, limit: int) -> Sequence[Terms]:
        """Up to `limit` documents of the pool whose id is greater than `after`, in order of id."""
        statement = (
            select(_terms.c.record)
            .where(_terms.c.user_pool_id == user_pool_id, _terms.c.terms_id > after)
            .order_by(_terms.c.terms_id)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return list((await connection.execute(statement)).scalars())

    async def delete(self, user_pool_id: str, terms_id: str) -> bool:
        """False if there was none."""
        mine = (_terms.c.user_pool_id == user_pool_id) & (_terms.c.terms_id == terms_id)
        async with self._database.transaction() as tx:
            gone = await tx.connection.execute(delete(_terms).where(mine).returning(_terms.c.terms_id))
            if gone.one_or_none() is None:
                return False
            tx.changed(_TOPIC)
        return True
