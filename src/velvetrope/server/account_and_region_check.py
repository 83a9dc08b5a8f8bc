"""Is the store that of the account and the region that this server is to be?"""

from velvetrope.errors import VelvetropeError
from velvetrope.store import Database
from velvetrope.store.tables.account_and_region import AccountAndRegionStore

__all__ = ["MadeElsewhere", "check_account_and_region"]


class MadeElsewhere(VelvetropeError):
    """The store was made by a server of another account or region."""


async def check_account_and_region(database: Database, *, account_id: str, region: str) -> None:
    """
    Raises:
        MadeElsewhere: they are not the store's.
    """
    made = await AccountAndRegionStore(database).agree(account_id, region)
    if made != (account_id, region):
        raise MadeElsewhere(
            f"This state was made as account {made[0]} in {made[1]}, and all ARNs and ids of pools in it say so. Start "
            f"with --account-id {made[0]} --region {made[1]}, or be account {account_id} in {region} with another "
            "--state-folder or database."
        )
