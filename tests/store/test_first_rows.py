"""Rows that two nodes are the first to write."""

import asyncio
from pathlib import Path

from support.stores import open_store
from velvetrope.store import Database
from velvetrope.store.tables.apigateway_key_changes import load_version, note_changed_keys


async def test_the_first_changes_of_keys_get_a_number_each_on_two_nodes(tmp_path: Path) -> None:
    nodes = [await open_store(tmp_path) for _ in range(2)]

    async def note(database: Database, key: str) -> None:
        async with database.transaction() as tx:
            await note_changed_keys(tx.connection, [key])

    await asyncio.gather(*(note(nodes[number % 2], f"key{number}") for number in range(8)))

    async with nodes[0].read() as connection:
        assert await load_version(connection) == 8
    for database in nodes:
        await database.close()
