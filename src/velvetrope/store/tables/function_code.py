"""The zips of functions and layers. Each node unpacks what it runs into its own state folder."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import Column, LargeBinary, String, Table, delete, select, update
from sqlalchemy import Connection as EngineConnection

from velvetrope.store.columns import UtcTime
from velvetrope.store.database import Database
from velvetrope.store.dialects.first_rows import insert_unless_there
from velvetrope.store.schema import METADATA
from velvetrope.store.tables.function_layers import load_layer_digests
from velvetrope.store.tables.functions import load_code_digests

__all__ = ["FunctionCodeStore", "missing_code"]

_UNUSED_FOR = timedelta(days=1)
"""How long code stays that no function has: it is kept before its function is."""

_code = Table(
    "functions_code",
    METADATA,
    Column("sha256", String(64), primary_key=True),
    Column("kept_at", UtcTime, nullable=False),
    Column("zip", LargeBinary, nullable=False),
)


def missing_code(connection: EngineConnection) -> list[str]:
    """The ARNs of functions and layers whose code is not kept, each once.

    There are such in a store that one node used alone with an older version, which kept it in its state folder only.
    """
    kept = set(connection.execute(select(_code.c.sha256)).scalars())
    wanted = load_layer_digests(connection) | load_code_digests(connection)
    return sorted({arn for digest, arn in wanted.items() if digest not in kept})


class FunctionCodeStore:
    """See the module."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, sha256: str, data: bytes, now: datetime) -> None:
        """Keep a zip under its digest, in hexadecimal; one that is there already is kept as if it came now."""
        here = _code.c.sha256 == sha256
        async with self._database.transaction() as tx:
            again = await tx.connection.execute(update(_code).where(here).values(kept_at=now))
            if again.rowcount == 0:
                await insert_unless_there(tx.connection, _code, sha256=sha256, kept_at=now, zip=data)

    async def load(self, sha256: str) -> bytes | None:
        """The zip, or None."""
        async with self._database.read() as connection:
            return await connection.scalar(select(_code.c.zip).where(_code.c.sha256 == sha256))

    async def prune(self, keep: Collection[str], now: datetime) -> None:
        """Forget what has been there for a day and is not among `keep`."""
        async with self._database.transaction() as tx:
            old = await tx.connection.execute(select(_code.c.sha256).where(_code.c.kept_at <= now - _UNUSED_FOR))
            for sha256 in old.scalars().all():
                if sha256 not in keep:
                    await tx.connection.execute(delete(_code).where(_code.c.sha256 == sha256))
