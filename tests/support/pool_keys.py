"""The keys that a running server's user pool signs with, as the owner of its state folder can have them."""

import asyncio
import base64
import json

from support.running import RunningServer
from velvetrope.sealing import MasterKeys
from velvetrope.secret import Secret
from velvetrope.server.machine import SystemClock, SystemEntropy
from velvetrope.store import Database
from velvetrope.store.tables.userpools import UserPoolStore
from velvetrope.tokens import SigningKey
from velvetrope.userpools.tokens.signing_keys import PoolKeys
from velvetrope.userpools.workers import Workers

__all__ = ["keys_of_pool"]


def keys_of_pool(server: RunningServer, pool_id: str) -> dict[str, SigningKey]:
    """By `token_use`. The server keeps its rows in SQLite."""
    document = json.loads((server.state_folder / "master-keys.json").read_bytes())
    keys = {bytes.fromhex(key_id): Secret(base64.b64decode(key)) for key_id, key in document["keys"].items()}
    master_keys = MasterKeys(current=bytes.fromhex(document["current"]), keys=keys)
    return asyncio.run(_open(f"sqlite:///{server.state_folder / 'velvetrope.db'}", master_keys, pool_id))


async def _open(url: str, master_keys: MasterKeys, pool_id: str) -> dict[str, SigningKey]:
    database = await Database.open(url, durable=False)
    workers = Workers(database, 1)
    try:
        store = UserPoolStore(database)
        pools = PoolKeys(store, master_keys, SystemEntropy(), workers, SystemClock(), database.changes)
        pair = await pools.signing_pair(pool_id)
    finally:
        workers.close()
        await database.close()
    return {"id": pair.id_key, "access": pair.access_key}
