"""Which API keys have changed since: so that a hundred thousand of them are read once and not after every change.

A change of a key, or of the plans that it is in, is noted in the transaction that makes it, under the next number. The
number comes from one row, which the transaction holds until it commits: whoever has read up to a number has missed no
lower one. A key that is gone keeps its note, about fifty bytes, for those who have not heard of it yet.

That a plan changed or is gone is no change of its keys: plans are few and are read anew.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import BigInteger, Column, Integer, String, Table, delete, insert, select, update

from velvetrope.store.database import Connection
from velvetrope.store.dialects.first_rows import insert_unless_there
from velvetrope.store.schema import METADATA

__all__ = ["CHANGES", "KeyChanges", "ServedKey", "load_version", "note_changed_keys"]

_CHUNK = 500

CHANGES = Table(
    "apigateway_key_changes",
    METADATA,
    Column("key_id", String(64), primary_key=True),
    Column("version", BigInteger, nullable=False, index=True),
)
_versions = Table(
    "apigateway_key_version",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
)


class ServedKey(msgspec.Struct, frozen=True, gc=False):
    """What the request lane knows of an API key. `plan_ids` may name plans that are gone."""

    id: str
    value_hash: str
    enabled: bool
    plan_ids: tuple[str, ...]


class KeyChanges(msgspec.Struct, frozen=True, kw_only=True):
    """The keys as they are now that have changed since a version, and the ids of those that are gone.

    `is_everything`: there are no others; `changed` is all there are.
    """

    version: int
    is_everything: bool
    changed: tuple[ServedKey, ...]
    removed: frozenset[str]


async def note_changed_keys(connection: Connection, key_ids: Sequence[str]) -> None:
    """Note in the caller's transaction that these keys, or their plans, are others now."""
    moved = update(_versions).values(version=_versions.c.version + 1).returning(_versions.c.version)
    version = (await connection.execute(moved)).scalar_one_or_none()
    if version is None:
        await insert_unless_there(connection, _versions, id=1, version=0)
        version = (await connection.execute(moved)).scalar_one()
    for at in range(0, len(key_ids), _CHUNK):
        chunk = key_ids[at : at + _CHUNK]
        await connection.execute(delete(CHANGES).where(CHANGES.c.key_id.in_(chunk)))
        await connection.execute(insert(CHANGES), [{"key_id": key_id, "version": version} for key_id in chunk])


async def load_version(connection: Connection) -> int:
    """The number of the newest change; 0 before the first."""
    return (await connection.execute(select(_versions.c.version))).scalar_one_or_none() or 0
