"""A store opens to the master keys that it was sealed by, and to those that came after them."""

from pathlib import Path

import pytest

from support.stores import open_store
from velvetrope.sealing import MasterKeys
from velvetrope.server.machine import SystemEntropy
from velvetrope.server.master_key_check import MasterKeysUnknown, check_master_keys

ENTROPY = SystemEntropy()


async def test_a_store_belongs_to_its_master_keys_and_their_successors(tmp_path: Path) -> None:
    database = await open_store(tmp_path)
    first, strange = MasterKeys.generate(ENTROPY), MasterKeys.generate(ENTROPY)
    rotated = first.rotated(ENTROPY)

    await check_master_keys(database, first, ENTROPY)
    await check_master_keys(database, first, ENTROPY)
    with pytest.raises(MasterKeysUnknown, match=r"Copy master-keys\.json"):
        await check_master_keys(database, strange, ENTROPY)
    await check_master_keys(database, rotated, ENTROPY)

    # A node that was not given the new key could not read what the others write from now on.
    with pytest.raises(MasterKeysUnknown):
        await check_master_keys(database, first, ENTROPY)
    await database.close()
