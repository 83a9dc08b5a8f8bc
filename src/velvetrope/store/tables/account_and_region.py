"""Which AWS account and region a store is: every ARN in it says so, and every id of a pool.

The server that is the first with a store writes it down, and whoever opens the store later is to be the same. Of a
store that is older than this table, its contents say what it is: a first start after the upgrade that leaves out its
`--region` does not make it another one.
"""

from typing import Final

from sqlalchemy import Column, Integer, String, Table, insert, select

from velvetrope.store.database import Connection, Database
from velvetrope.store.schema import METADATA

__all__ = ["AccountAndRegionStore"]

_account_and_region = Table(
    "account_and_region",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("account_id", String(12), nullable=False),
    Column("region", String(32), nullable=False),
)
_SAYING_BOTH: Final = ("cloudformation_stacks", "functions_functions", "identitypools_pools", "queues_queues")
"""Tables with the columns `account_id` and `region`. By name: they are other aggregates' own."""


class AccountAndRegionStore:
    """See the module."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def agree(self, account_id: str, region: str) -> tuple[str, str]:
        """The store's account id and region: these from now on if it had none, and holds nothing of others."""
        async with self._database.transaction() as tx:
            kept = await tx.connection.execute(select(_account_and_region.c.account_id, _account_and_region.c.region))
            found = kept.one_or_none()
            if found is not None:
                return found.account_id, found.region
            said = await _said_by_contents(tx.connection)
            if said and (account_id, region) not in said:
                return min(said)
            values = {"id": 1, "account_id": account_id, "region": region}
            await tx.connection.execute(insert(_account_and_region).values(values))
            return account_id, region


async def _said_by_contents(connection: Connection) -> set[tuple[str, str]]:
    """Accounts and regions of what the store holds; a user pool's region is the beginning of its id."""
    said: set[tuple[str, str]] = set()
    for name in _SAYING_BOTH:
        columns = METADATA.tables[name].c
        rows = await connection.execute(select(columns.account_id, columns.region).distinct())
        said.update((row.account_id, row.region) for row in rows)
    pools = METADATA.tables["userpools_pools"].c
    for row in await connection.execute(select(pools.account_id, pools.id)):
        said.add((row.account_id, row.id.partition("_")[0]))
    return said
