"""Layers: named collections of versions, each a zip's content that functions find in `/opt`.

A version does not change, and its number is never used twice, whatever is deleted in between. Functions keep the digest
of what they use, so that a version can be deleted and the functions that have it go on; new ones cannot take it.
The content is in the state folder under its digest (`velvetrope.functions.CodeStore`). Changes of policies are
published as topic `functions`.
"""

from collections.abc import Callable
from datetime import datetime

import msgspec
from sqlalchemy import Column, ForeignKey, Integer, String, Table, delete, insert, select, update
from sqlalchemy import Connection as EngineConnection

from velvetrope.store.columns import Record
from velvetrope.store.database import Database
from velvetrope.store.dialects.first_rows import insert_unless_there
from velvetrope.store.schema import METADATA
from velvetrope.store.tables.functions import TOPIC, FunctionPolicy

__all__ = ["Layer", "LayerStore", "LayerVersion", "load_layer_digests"]


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """A layer as a whole."""

    layer_arn: str
    layer_name: str
    last_published: int = 0
    """The number of the newest version ever published."""


class LayerVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version, for good."""

    layer_arn: str
    version: int
    code_sha256: str
    """SHA-256 of the zip, in hexadecimal."""
    code_size_bytes: int
    created_at: datetime
    description: str = ""
    license_info: str = ""
    compatible_runtimes: tuple[str, ...] = ()
    compatible_architectures: tuple[str, ...] = ()

    @property
    def version_arn(self) -> str:
        """The ARN that functions name it by."""
        return f"{self.layer_arn}:{self.version}"

    def fits(self, runtime: str | None, architecture: str | None) -> bool:
        """Whether it is said to be for that runtime and architecture; None stands for any."""
        return (runtime is None or runtime in self.compatible_runtimes) and (
            architecture is None or architecture in self.compatible_architectures
        )


_layers = Table(
    "functions_layers",
    METADATA,
    Column("layer_arn", String(256), primary_key=True),
    Column("record", Record(Layer), nullable=False),
)

_versions = Table(
    "functions_layer_versions",
    METADATA,
    Column("layer_arn", String(256), ForeignKey("functions_layers.layer_arn"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("record", Record(LayerVersion), nullable=False),
)

_policies = Table(
    "functions_layer_policies",
    METADATA,
    Column("layer_arn", String(256), ForeignKey("functions_layers.layer_arn"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("record", Record(FunctionPolicy), nullable=False),
)


def load_layer_digests(connection: EngineConnection) -> dict[str, str]:
    """The digests of the content of all versions, each with a layer's ARN."""
    rows = connection.execute(select(_versions.c.layer_arn, _versions.c.record))
    return {version.code_sha256: layer_arn for layer_arn, version in rows}


class LayerStore:
    """Layers, their versions and the versions' policies."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def publish_version(
        self, layer_arn: str, layer_name: str, publish: Callable[[int], LayerVersion]
    ) -> LayerVersion:
        """Save what `publish` makes of the next number; the layer comes into being by its first version."""
        here = _layers.c.layer_arn == layer_arn
        async with self._database.transaction() as tx:
            unpublished = Layer(layer_arn=layer_arn, layer_name=layer_name, last_published=0)
            await insert_unless_there(tx.connection, _layers, layer_arn=layer_arn, record=unpublished)
            found = await tx.connection.execute(select(_layers.c.record).where(here).with_for_update())
            layer: Layer = found.scalar_one()
            number = layer.last_published + 1
            version = publish(number)
            changed = msgspec.structs.replace(layer, last_published=number)
            await tx.connection.execute(update(_layers).where(here).values(record=changed))
            row = {"layer_arn": layer_arn, "version": number, "record": version}
            await tx.connection.execute(insert(_versions).values(row))
            return version

    async def load_version(self, layer_arn: str, version: int) -> LayerVersion | None:
        """One version, or None."""
        query = select(_versions.c.record).where(_versions.c.layer_arn == layer_arn, _versions.c.version == version)
        async with self._database.read() as connection:
            found: LayerVersion | None = await connection.scalar(query)
            return found

    async def load_versions(self, layer_arn: str, *, before: int | None, limit: int) -> list[LayerVersion]:
        """Up to `limit` versions, newest first, from the first number below `before` on."""
        query = select(_versions.c.record).where(_versions.c.layer_arn == layer_arn)
        if before is not None:
            query = query.where(_versions.c.version < before)
        async with self._database.read() as connection:
            return list((await connection.execute(query.order_by(_versions.c.version.desc()).limit(limit))).scalars())

    async def load_layers(self, *, after_arn: str, limit: int) -> list[Layer]:
        """Up to `limit` layers that have versions, in the order of their ARNs."""
        filled = select(_versions.c.layer_arn)
        query = (
            select(_layers.c.record)
            .where(_layers.c.layer_arn > after_arn, _layers.c.layer_arn.in_(filled))
            .order_by(_layers.c.layer_arn)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return list((await connection.execute(query)).scalars())

    async def delete_version(self, layer_arn: str, version: int) -> bool:
        """Forget one version and its policy; False if there was none."""
        async with self._database.transaction() as tx:
            for table in (_policies, _versions):
                here = (table.c.layer_arn == layer_arn) & (table.c.version == version)
                gone = await tx.connection.execute(delete(table).where(here))
            tx.changed(TOPIC)
            return gone.rowcount > 0

    async def load_code_digests(self) -> set[str]:
        """The digests of the content of all versions."""
        async with self._database.read() as connection:
            return {version.code_sha256 for version in (await connection.execute(select(_versions.c.record))).scalars()}

    async def count_code_bytes(self) -> int:
        """What the zips of all versions have together."""
        async with self._database.read() as connection:
            return sum(
                version.code_size_bytes for version in (await connection.execute(select(_versions.c.record))).scalars()
            )

    async def load_policy(self, layer_arn: str, version: int) -> FunctionPolicy | None:
        """The policy of one version; its `qualifier` is the version's number."""
        query = select(_policies.c.record).where(_policies.c.layer_arn == layer_arn, _policies.c.version == version)
        async with self._database.read() as connection:
            found: FunctionPolicy | None = await connection.scalar(query)
            return found

    async def change_policy(
        self, layer_arn: str, version: int, change: Callable[[FunctionPolicy | None], FunctionPolicy | None]
    ) -> None:
        """Save the policy that `change` makes of the present one; None stands for no policy, before and after."""
        here = (_policies.c.layer_arn == layer_arn) & (_policies.c.version == version)
        async with self._database.transaction() as tx:
            # The layer's row is held first, so that two changes of a policy that does not exist yet queue up too.
            held = select(_layers.c.layer_arn).where(_layers.c.layer_arn == layer_arn).with_for_update()
            await tx.connection.execute(held)
            changed = change(await tx.connection.scalar(select(_policies.c.record).where(here).with_for_update()))
            await tx.connection.execute(delete(_policies).where(here))
            if changed is not None:
                row = {"layer_arn": layer_arn, "version": version, "record": changed}
                await tx.connection.execute(insert(_policies).values(row))
            tx.changed(TOPIC)
