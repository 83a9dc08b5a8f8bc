"""Functions: configurations, published versions, aliases and resource policies.

A function has one row whose record carries its newest configuration (`$LATEST`), its tags and its reserved
concurrency. Published versions are configurations that do not change any more. A policy belongs to the bare function,
to one version or to one alias, and nothing is copied from one to another. Code is not kept here but in the state
folder under its digest (`velvetrope.functions.CodeStore`); environment variables are kept sealed, since that is where
people put passwords.

Reading and changing one of these is one transaction that holds the row: a method named `change_` hands the present
record to a function of the caller's and saves what comes back; if that raises, nothing happened. Every change is
published as topic `functions`.
"""

import re
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Column, ColumnElement, ForeignKey, Integer, Select, String, Table, delete, insert, select, update
from sqlalchemy import Connection as EngineConnection
from sqlalchemy.exc import IntegrityError

from velvetrope.store.columns import Record
from velvetrope.store.database import Connection, Database
from velvetrope.store.schema import METADATA

__all__ = [
    "LATEST",
    "Function",
    "FunctionAlias",
    "FunctionConfiguration",
    "FunctionPolicy",
    "FunctionStore",
    "InvocationTarget",
    "LayerReference",
    "load_code_digests",
    "parse_version",
]

LATEST = "$LATEST"
"""The version name of the configuration that can still be changed."""

_VERSION = re.compile(r"[1-9][0-9]{0,8}")

TOPIC = "functions"

T = TypeVar("T")


class LayerReference(msgspec.Struct, frozen=True, kw_only=True):
    """A layer version that a function uses. It stays usable when the version is deleted."""

    version_arn: str
    code_sha256: str
    code_size_bytes: int


class FunctionConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """What a function runs and how: `$LATEST`, or a published version for good."""

    function_name: str
    function_arn: str
    """Without a qualifier."""
    version: str
    runtime: str
    handler: str
    role: str
    code_sha256: str
    """SHA-256 of the zip, in hexadecimal."""
    code_size_bytes: int
    modified_at: datetime
    revision_id: str
    description: str = ""
    timeout_seconds: int = 3
    memory_size_mb: int = 128
    ephemeral_storage_mb: int = 512
    architectures: tuple[str, ...] = ("x86_64",)
    tracing_mode: str = "PassThrough"
    environment_sealed: bytes | None = None
    """The variables as JSON, sealed; None when the function has none."""
    dead_letter_arn: str = ""
    """The queue that gets the events which the function failed on; empty if none does."""
    layers: tuple[LayerReference, ...] = ()
    """In the order in which they are laid over each other: the last one wins."""


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """A function as a whole."""

    account_id: str
    region: str
    latest: FunctionConfiguration
    tags: dict[str, str] = {}
    reserved_concurrency: int | None = None
    last_published: int = 0
    """The number of the newest version ever published; numbers are not used twice."""


class FunctionAlias(msgspec.Struct, frozen=True, kw_only=True):
    """A name that points to one version, or shares its calls between two."""

    function_arn: str
    name: str
    function_version: str
    revision_id: str
    description: str = ""
    additional_version: str = ""
    """The version that gets a share of the calls; empty if none does."""
    additional_weight: float = 0.0
    """That share: from 0 to 1."""


class FunctionPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The resource policy of a function (`qualifier` empty), a version or an alias."""

    function_arn: str
    qualifier: str
    document: str
    revision_id: str


class InvocationTarget(msgspec.Struct, frozen=True, kw_only=True):
    """What an invocation runs, of one committed state."""

    function: Function
    configuration: FunctionConfiguration
    additional: FunctionConfiguration | None = None
    """What an alias gives a share of the calls to."""
    additional_weight: float = 0.0


_functions = Table(
    "functions_functions",
    METADATA,
    Column("function_arn", String(256), primary_key=True),
    Column("account_id", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("function_name", String(64), nullable=False),
    Column("record", Record(Function), nullable=False),
)


def _function_arn() -> Column[str]:
    return Column(
        "function_arn",
        String(256),
        ForeignKey("functions_functions.function_arn", ondelete="CASCADE"),
        primary_key=True,
    )


_versions = Table(
    "functions_versions",
    METADATA,
    _function_arn(),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("record", Record(FunctionConfiguration), nullable=False),
)

_aliases = Table(
    "functions_aliases",
    METADATA,
    _function_arn(),
    Column("name", String(128), primary_key=True),
    Column("record", Record(FunctionAlias), nullable=False),
)

_policies = Table(
    "functions_policies",
    METADATA,
    _function_arn(),
    Column("qualifier", String(128), primary_key=True),
    Column("record", Record(FunctionPolicy), nullable=False),
)


QUALIFIED: list[Table] = [_policies]
"""Tables whose rows belong to one qualifier, by the columns `function_arn` and `qualifier`: they go with it. Files that
declare another such table add it here."""


def load_code_digests(connection: EngineConnection) -> dict[str, str]:
    """The digests of all code that a call could still run, its functions' layers' too, each with a function's ARN."""
    functions = connection.execute(select(_functions.c.record)).scalars()
    versions = connection.execute(select(_versions.c.record)).scalars()
    return {
        digest: configuration.function_arn
        for configuration in [*(function.latest for function in functions), *versions]
        for digest in (configuration.code_sha256, *(layer.code_sha256 for layer in configuration.layers))
    }


class FunctionStore:
    """Functions and what belongs to them. `function_arn` is always without a qualifier."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_function(self, function: Function) -> bool:
        """Keep a new function; False if its ARN is taken."""
        row = {
            "function_arn": function.latest.function_arn,
            "account_id": function.account_id,
            "region": function.region,
            "function_name": function.latest.function_name,
            "record": function,
        }
        return await self._insert(_functions, row)

    async def load_function(self, function_arn: str) -> Function | None:
        """The function, or None."""
        return await self._load(select(_functions.c.record).where(_functions.c.function_arn == function_arn))

    async def load_functions(self, account_id: str, region: str, *, after_name: str, limit: int) -> list[Function]:
        """Up to `limit` functions in the order of their names, from the first name past `after_name` on."""
        query = (
            select(_functions.c.record)
            .where(
                _functions.c.account_id == account_id,
                _functions.c.region == region,
                _functions.c.function_name > after_name,
            )
            .order_by(_functions.c.function_name)
            .limit(limit)
        )
        return await self._load_all(query)

    async def change_function(self, function_arn: str, change: Callable[[Function], Function]) -> Function | None:
        """Save what `change` makes of the function, and return it; None if there is no such function."""
        here = _functions.c.function_arn == function_arn
        async with self._database.transaction() as tx:
            found = await _one(tx.connection, select(_functions.c.record).where(here).with_for_update())
            if found is None:
                return None
            changed = change(found)
            await tx.connection.execute(update(_functions).where(here).values(record=changed))
            tx.changed(TOPIC)
            return changed

    async def delete_function(self, function_arn: str) -> bool:
        """Forget the function with its versions, aliases and policies; False if there was none."""
        return await self._delete(_functions, _functions.c.function_arn == function_arn)

    async def load_all_configurations(self) -> list[FunctionConfiguration]:
        """Everything that a call could still run: `$LATEST` of each function, and all published versions."""
        async with self._database.read() as connection:
            functions = (await connection.execute(select(_functions.c.record))).scalars()
            versions = (await connection.execute(select(_versions.c.record))).scalars()
            return [*(function.latest for function in functions), *versions]

    async def publish_version(
        self, function_arn: str, publish: Callable[[Function, FunctionConfiguration | None], FunctionConfiguration]
    ) -> FunctionConfiguration | None:
        """Save the version that `publish` makes of the function and its newest version; None without a function.

        `publish` returns the newest version itself if there is nothing new to publish. A new one has the number
        `last_published + 1`.
        """
        here = _functions.c.function_arn == function_arn
        async with self._database.transaction() as tx:
            function: Function | None = await _one(
                tx.connection, select(_functions.c.record).where(here).with_for_update()
            )
            if function is None:
                return None
            newest: FunctionConfiguration | None = await _one(
                tx.connection,
                select(_versions.c.record)
                .where(_versions.c.function_arn == function_arn)
                .order_by(_versions.c.version.desc())
                .limit(1),
            )
            version = publish(function, newest)
            if version is newest:
                return version
            number = function.last_published + 1
            await tx.connection.execute(
                insert(_versions).values(function_arn=function_arn, version=number, record=version)
            )
            published = msgspec.structs.replace(function, last_published=number)
            await tx.connection.execute(update(_functions).where(here).values(record=published))
            tx.changed(TOPIC)
            return version

    async def load_version(self, function_arn: str, version: int) -> FunctionConfiguration | None:
        """One published version, or None."""
        return await self._load(_select_version(function_arn, version))

    async def load_versions(self, function_arn: str, *, after: int, limit: int) -> list[FunctionConfiguration]:
        """Up to `limit` published versions, oldest first, from the first number past `after` on."""
        query = (
            select(_versions.c.record)
            .where(_versions.c.function_arn == function_arn, _versions.c.version > after)
            .order_by(_versions.c.version)
            .limit(limit)
        )
        return await self._load_all(query)

    async def delete_version(self, function_arn: str, version: int) -> bool:
        """Forget one published version and what belongs to it; False if there was none."""
        async with self._database.transaction() as tx:
            await _delete_of_qualifier(tx.connection, function_arn, str(version))
            gone = delete(_versions).where(_versions.c.function_arn == function_arn, _versions.c.version == version)
            found = (await tx.connection.execute(gone)).rowcount > 0
            tx.changed(TOPIC)
            return found

    async def create_alias(self, alias: FunctionAlias) -> bool:
        """Keep a new alias; False if its name is taken."""
        row = {"function_arn": alias.function_arn, "name": alias.name, "record": alias}
        return await self._insert(_aliases, row)

    async def load_alias(self, function_arn: str, name: str) -> FunctionAlias | None:
        """One alias, or None."""
        return await self._load(_select_alias(function_arn, name))

    async def load_aliases(self, function_arn: str, *, after_name: str, limit: int) -> list[FunctionAlias]:
        """Up to `limit` aliases in the order of their names, from the first name past `after_name` on."""
        query = (
            select(_aliases.c.record)
            .where(_aliases.c.function_arn == function_arn, _aliases.c.name > after_name)
            .order_by(_aliases.c.name)
            .limit(limit)
        )
        return await self._load_all(query)

    async def load_aliases_of_version(self, function_arn: str, version: str) -> list[FunctionAlias]:
        """The aliases that give `version` calls."""
        query = select(_aliases.c.record).where(_aliases.c.function_arn == function_arn).order_by(_aliases.c.name)
        found: list[FunctionAlias] = await self._load_all(query)
        return [alias for alias in found if version in {alias.function_version, alias.additional_version}]

    async def change_alias(
        self, function_arn: str, name: str, change: Callable[[FunctionAlias], FunctionAlias]
    ) -> FunctionAlias | None:
        """Save what `change` makes of the alias, and return it; None if there is no such alias."""
        async with self._database.transaction() as tx:
            found: FunctionAlias | None = await _one(tx.connection, _select_alias(function_arn, name).with_for_update())
            if found is None:
                return None
            changed = change(found)
            here = (_aliases.c.function_arn == function_arn) & (_aliases.c.name == name)
            await tx.connection.execute(update(_aliases).where(here).values(record=changed))
            tx.changed(TOPIC)
            return changed

    async def delete_alias(self, function_arn: str, name: str) -> bool:
        """Forget one alias and what belongs to it; False if there was none."""
        async with self._database.transaction() as tx:
            await _delete_of_qualifier(tx.connection, function_arn, name)
            gone = delete(_aliases).where(_aliases.c.function_arn == function_arn, _aliases.c.name == name)
            found = (await tx.connection.execute(gone)).rowcount > 0
            tx.changed(TOPIC)
            return found

    async def load_policy(self, function_arn: str, qualifier: str) -> FunctionPolicy | None:
        """The resource policy of the function (`qualifier` empty), of a version or of an alias."""
        return await self._load(_select_policy(function_arn, qualifier))

    async def change_policy(
        self,
        function_arn: str,
        qualifier: str,
        change: Callable[[FunctionPolicy | None], FunctionPolicy | None],
    ) -> None:
        """Save the policy that `change` makes of the present one; None stands for no policy, before and after."""
        here = (_policies.c.function_arn == function_arn) & (_policies.c.qualifier == qualifier)
        async with self._database.transaction() as tx:
            # The function's row is held first, so that two changes of a policy that does not exist yet queue up too.
            await tx.connection.execute(
                select(_functions.c.function_arn).where(_functions.c.function_arn == function_arn).with_for_update()
            )
            changed = change(await _one(tx.connection, _select_policy(function_arn, qualifier)))
            await tx.connection.execute(delete(_policies).where(here))
            if changed is not None:
                row = {"function_arn": function_arn, "qualifier": qualifier, "record": changed}
                await tx.connection.execute(insert(_policies).values(row))
            tx.changed(TOPIC)

    async def load_target(self, function_arn: str, qualifier: str) -> InvocationTarget | None:
        """What `qualifier` (empty, `$LATEST`, a version's number or an alias) runs; None if it is not there."""
        async with self._database.read() as connection:
            function: Function | None = await _one(
                connection, select(_functions.c.record).where(_functions.c.function_arn == function_arn)
            )
            if function is None:
                return None
            version, alias = qualifier or LATEST, None
            if version != LATEST and not version.isdecimal():
                alias = await _one(connection, _select_alias(function_arn, version))
                if alias is None:
                    return None
                version = alias.function_version
            configuration: FunctionConfiguration | None = function.latest
            if version != LATEST:
                number = parse_version(version)
                if number is None:
                    return None
                configuration = await _one(connection, _select_version(function_arn, number))
            if configuration is None:
                return None
            target = InvocationTarget(function=function, configuration=configuration)
            if alias is None or not alias.additional_version:
                return target
            additional = await _one(connection, _select_version(function_arn, int(alias.additional_version)))
            return msgspec.structs.replace(target, additional=additional, additional_weight=alias.additional_weight)

    async def load_versions_in_use(self, function_arns: Collection[str]) -> set[tuple[str, str, str]]:
        """(function ARN, version, revision id) of every configuration of these functions that can be invoked."""
        async with self._database.read() as connection:
            functions = select(_functions.c.record).where(_functions.c.function_arn.in_(function_arns))
            versions = select(_versions.c.record).where(_versions.c.function_arn.in_(function_arns))
            found = [f.latest for f in (await connection.execute(functions)).scalars()]
            found += list((await connection.execute(versions)).scalars())
            return {(c.function_arn, c.version, c.revision_id) for c in found}

    async def _insert(self, table: Table, row: dict[str, object]) -> bool:
        try:
            async with self._database.transaction() as tx:
                await tx.connection.execute(insert(table).values(row))
                tx.changed(TOPIC)
        except IntegrityError:
            return False
        return True

    async def _delete(self, table: Table, here: ColumnElement[bool]) -> bool:
        async with self._database.transaction() as tx:
            found = (await tx.connection.execute(delete(table).where(here))).rowcount > 0
            tx.changed(TOPIC)
            return found

    async def _load(self, query: Select[T]) -> T | None:
        async with self._database.read() as connection:
            return await _one(connection, query)

    async def _load_all(self, query: Select[T]) -> list[T]:
        async with self._database.read() as connection:
            return list((await connection.execute(query)).scalars())


def parse_version(text: str) -> int | None:
    """The number of a published version, as it is written; None if `text` is none.

    `01` is not version 1: a policy that denies `function:orders:1` would say nothing of `function:orders:01`.
    """
    return int(text) if _VERSION.fullmatch(text) else None


def _select_version(function_arn: str, version: int) -> Select[Any]:
    return select(_versions.c.record).where(_versions.c.function_arn == function_arn, _versions.c.version == version)


def _select_alias(function_arn: str, name: str) -> Select[Any]:
    return select(_aliases.c.record).where(_aliases.c.function_arn == function_arn, _aliases.c.name == name)


def _select_policy(function_arn: str, qualifier: str) -> Select[Any]:
    return select(_policies.c.record).where(
        _policies.c.function_arn == function_arn, _policies.c.qualifier == qualifier
    )


async def _delete_of_qualifier(connection: Connection, function_arn: str, qualifier: str) -> None:
    for table in QUALIFIED:
        here = (table.c.function_arn == function_arn) & (table.c.qualifier == qualifier)
        await connection.execute(delete(table).where(here))


async def _one(connection: Connection, query: Select[T]) -> T | None:
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else row[0]
