"""The account: its alias, and how much it has of everything."""

from sqlalchemy import Column, Index, String, Table, delete, insert, select
from sqlalchemy.exc import IntegrityError

from velvetrope.store.schema import METADATA
from velvetrope.store.tables.iam_entities import TOPIC, EntityStore, count_rows, groups, roles, users
from velvetrope.store.tables.iam_policies import policies
from velvetrope.store.tables.iam_records import AccountCounts

__all__ = ["AccountStore"]

aliases = Table(
    "iam_account_aliases",
    METADATA,
    Column("alias", String(63), primary_key=True),
    Column("account_id", String(12), nullable=False),
    Index("iam_account_aliases_by_account", "account_id", unique=True),
)


class AccountStore(EntityStore):
    """The account's own, one method one transaction."""

    async def load_alias(self, account_id: str) -> str | None:
        """The account's alias."""
        async with self._database.read() as connection:
            found: str | None = await connection.scalar(
                select(aliases.c.alias).where(aliases.c.account_id == account_id)
            )
            return found

    async def save_alias(self, account_id: str, alias: str) -> bool:
        """Make this the account's alias in place of any other; False if another account has it."""
        try:
            async with self._database.transaction() as tx:
                await tx.connection.execute(delete(aliases).where(aliases.c.account_id == account_id))
                await tx.connection.execute(insert(aliases).values(alias=alias, account_id=account_id))
                tx.changed(TOPIC)
        except IntegrityError:
            return False
        return True

    async def delete_alias(self, account_id: str, alias: str) -> bool:
        """Forget the account's alias; False if it is not the account's."""
        async with self._database.transaction() as tx:
            gone = await tx.connection.execute(
                delete(aliases)
                .where(aliases.c.account_id == account_id, aliases.c.alias == alias)
                .returning(aliases.c.alias)
            )
            tx.changed(TOPIC)
            return gone.one_or_none() is not None

    async def count_all(self, account_id: str) -> AccountCounts:
        """How many of each the account has."""
        async with self._database.read() as connection:
            own = await connection.execute(select(policies.c.record).where(policies.c.account_id == account_id))
            versions = [len(policy.versions) for policy in own.scalars()]
            return AccountCounts(
                roles=await count_rows(connection, roles, account_id),
                users=await count_rows(connection, users, account_id),
                groups=await count_rows(connection, groups, account_id),
                policies=len(versions),
                policy_versions=sum(versions),
            )
