"""Function URLs: the addresses under which a function, or one of its aliases, is called over plain HTTP.

A function has at most one for itself and one for each alias. An address is never given out twice; it goes with its
function. Every change is published as topic `functions`.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Literal

import msgspec
from sqlalchemy import Column, ForeignKey, String, Table, UniqueConstraint, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from velvetrope.store.columns import Record
from velvetrope.store.database import Database
from velvetrope.store.schema import METADATA
from velvetrope.store.tables.functions import QUALIFIED, TOPIC

__all__ = ["CorsSettings", "FunctionUrl", "FunctionUrlStore", "UrlAuthType"]

UrlAuthType = Literal["AWS_IAM", "NONE"]


class CorsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which pages of other origins may call, and what they may send and read. The fields are the model's."""

    allow_credentials: bool | None = None
    allow_headers: tuple[str, ...] | None = None
    allow_methods: tuple[str, ...] | None = None
    allow_origins: tuple[str, ...] | None = None
    expose_headers: tuple[str, ...] | None = None
    max_age: int | None = None
    """In seconds."""


class FunctionUrl(msgspec.Struct, frozen=True, kw_only=True):
    """One address."""

    url_id: str
    function_arn: str
    """Without the qualifier."""
    qualifier: str
    """An alias; empty for the function itself, that is `$LATEST`."""
    auth_type: UrlAuthType
    created_at: datetime
    modified_at: datetime
    cors: CorsSettings | None = None

    @property
    def target_arn(self) -> str:
        """The ARN that is invoked, and that policies are asked about."""
        return f"{self.function_arn}:{self.qualifier}" if self.qualifier else self.function_arn


_urls = Table(
    "functions_urls",
    METADATA,
    Column("url_id", String(40), primary_key=True),
    Column(
        "function_arn", String(256), ForeignKey("functions_functions.function_arn", ondelete="CASCADE"), nullable=False
    ),
    Column("qualifier", String(128), nullable=False),
    Column("record", Record(FunctionUrl), nullable=False),
    UniqueConstraint("function_arn", "qualifier"),
)


QUALIFIED.append(_urls)


class FunctionUrlStore:
    """Function URLs. `function_arn` is always without a qualifier."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_url(self, url: FunctionUrl) -> bool:
        """Keep a new address; False if the function, or this alias of it, has one."""
        row = {"url_id": url.url_id, "function_arn": url.function_arn, "qualifier": url.qualifier, "record": url}
        try:
            async with self._database.transaction() as tx:
                await tx.connection.execute(insert(_urls).values(row))
                tx.changed(TOPIC)
        except IntegrityError:
            return False
        return True

    async def load_url(self, url_id: str) -> FunctionUrl | None:
        """The address of that id, or None."""
        async with self._database.read() as connection:
            found: FunctionUrl | None = await connection.scalar(select(_urls.c.record).where(_urls.c.url_id == url_id))
            return found

    async def load_url_of(self, function_arn: str, qualifier: str) -> FunctionUrl | None:
        """The address of a function (`qualifier` empty) or an alias, or None."""
        query = select(_urls.c.record).where(_urls.c.function_arn == function_arn, _urls.c.qualifier == qualifier)
        async with self._database.read() as connection:
            found: FunctionUrl | None = await connection.scalar(query)
            return found

    async def load_urls_of(self, function_arn: str, *, after_qualifier: str | None, limit: int) -> list[FunctionUrl]:
        """Up to `limit` addresses of a function in the order of their qualifiers, past `after_qualifier`."""
        query = select(_urls.c.record).where(_urls.c.function_arn == function_arn)
        if after_qualifier is not None:
            query = query.where(_urls.c.qualifier > after_qualifier)
        async with self._database.read() as connection:
            return list((await connection.execute(query.order_by(_urls.c.qualifier).limit(limit))).scalars())

    async def change_url(
        self, function_arn: str, qualifier: str, change: Callable[[FunctionUrl], FunctionUrl]
    ) -> FunctionUrl | None:
        """Save what `change` makes of the address, and return it; None if there is none."""
        here = (_urls.c.function_arn == function_arn) & (_urls.c.qualifier == qualifier)
        async with self._database.transaction() as tx:
            found = await tx.connection.scalar(select(_urls.c.record).where(here).with_for_update())
            if found is None:
                return None
            changed = change(found)
            await tx.connection.execute(update(_urls).where(here).values(record=changed))
            tx.changed(TOPIC)
            return changed

    async def delete_url(self, function_arn: str, qualifier: str) -> bool:
        """Forget the address of a function or an alias; False if there was none."""
        here = (_urls.c.function_arn == function_arn) & (_urls.c.qualifier == qualifier)
        async with self._database.transaction() as tx:
            found = (await tx.connection.execute(delete(_urls).where(here))).rowcount > 0
            tx.changed(TOPIC)
            return found
