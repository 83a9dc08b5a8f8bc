"""Which master keys a store belongs to: one value that they sealed, and that whoever opens the store has to open.

Nodes that share a store each have the master keys in a file of their own. One that has others would find passwords
wrong and keys broken, one by one, and write what the others cannot read; so it is refused before it has done either.
"""

from collections.abc import Callable

from sqlalchemy import Column, Integer, LargeBinary, Table, insert, select, update
from sqlalchemy import Connection as EngineConnection

from velvetrope.store.database import Database
from velvetrope.store.schema import METADATA

__all__ = ["MasterKeyStore", "load_sealed_check"]

_checks = Table(
    "master_key_checks",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary, nullable=False),
)


class MasterKeyStore:
    """See the module."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def agree(self, opens: Callable[[bytes], bool], seal: Callable[[], bytes]) -> bool:
        """Whether the value that is kept can be opened; then, and where there is none, another one is kept.

        So it is always sealed by the key that is current at whoever started last, which all who start later must have.
        """
        async with self._database.transaction() as tx:
            kept = await tx.connection.scalar(select(_checks.c.sealed))
            if kept is None:
                await tx.connection.execute(insert(_checks).values(id=1, sealed=seal()))
                return True
            if not opens(kept):
                return False
            await tx.connection.execute(update(_checks).values(sealed=seal()))
            return True


def load_sealed_check(connection: EngineConnection) -> bytes | None:
    """The value that the store's master keys open; None where no server has run with it."""
    return connection.execute(select(_checks.c.sealed)).scalar()
