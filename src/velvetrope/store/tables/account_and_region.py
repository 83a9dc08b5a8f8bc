"""Which AWS account and region a store is: every ARN in it says so, and every id of a pool.

The server that is the first with a store writes it down, and whoever opens the store later is to be the same.
"""

from sqlalchemy import Column, Integer, String, Table, insert, select

from velvetrope.store.database import Database
from velvetrope.store.schema import METADATA

__all__ = ["AccountAndRegionStore"]

_account_and_region = Table(
    "account_and_region",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("account_id", String(12), nullable=False),
    Column("region", String(32), nullable=False),
)


class AccountAndRegionStore:
    """See the module."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def agree(self, account_id: str, region: str) -> tuple[str, str]:
        """The store's account id and region, which are these from now on if it had none."""
        async with self._database.transaction() as tx:
            kept = await tx.connection.execute(select(_account_and_region.c.account_id, _account_and_region.c.region))
            found = kept.one_or_none()
            if found is not None:
                return found.account_id, found.region
            values = {"id": 1, "account_id": account_id, "region": region}
            await tx.connection.execute(insert(_account_and_region).values(values))
            return account_id, region
