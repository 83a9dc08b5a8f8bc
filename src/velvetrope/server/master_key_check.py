"""Does the store belong to the master keys of this state folder?"""

from functools import partial

from velvetrope.clock import Entropy
from velvetrope.errors import VelvetropeError
from velvetrope.sealing import MasterKeys, SealBroken
from velvetrope.store import Database
from velvetrope.store.tables.master_keys import MasterKeyStore

__all__ = ["MasterKeysUnknown", "check_master_keys", "opens_check"]

_PURPOSE = "master key check"


class MasterKeysUnknown(VelvetropeError):
    """The store was sealed by master keys that this state folder does not have."""


async def check_master_keys(database: Database, keys: MasterKeys, entropy: Entropy) -> None:
    """
    Raises:
        MasterKeysUnknown: they are not the store's.
    """

    opens = partial(opens_check, keys)
    if not await MasterKeyStore(database).agree(opens, lambda: keys.seal(b"", purpose=_PURPOSE, entropy=entropy)):
        raise MasterKeysUnknown(
            "The database was sealed by master keys that this state folder does not have. Copy master-keys.json from "
            "the state folder of a node that uses it, or name another database."
        )


def opens_check(keys: MasterKeys, sealed: bytes) -> bool:
    """Whether a store's value for checking was sealed by one of these keys."""
    try:
        keys.open(sealed, purpose=_PURPOSE)
    except SealBroken:
        return False
    return True
