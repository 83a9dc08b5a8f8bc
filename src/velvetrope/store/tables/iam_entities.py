"""What roles, users and groups have in common: where they are kept, and the policies that they carry.

Names are unique in an account without regard to case and found with regard to it, as on AWS. Which managed policies a
role, user or group carries, and which one bounds it, is a row each in `iam_attachments`; `attached_policy_arns` and
`permissions_boundary_arn` of a loaded record come from there. So a policy cannot be deleted under somebody who attaches
it in the same moment.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar, get_args

import msgspec
from sqlalchemy import Column, ColumnElement, Index, String, Table, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from velvetrope.store.columns import Record
from velvetrope.store.database import Connection, Database
from velvetrope.store.schema import METADATA
from velvetrope.store.tables.iam_records import EntityKind, Group, PolicyHolder, RenameOutcome, Role, Usage, User

__all__ = [
    "TOPIC",
    "EntityStore",
    "attach",
    "attachments",
    "count_rows",
    "delete_entity",
    "groups",
    "list_entities",
    "load_any_entity",
    "load_entity",
    "of_entity",
    "roles",
    "starts_with",
    "unlimited",
    "users",
    "with_attachments",
]

TOPIC = "iam"

E = TypeVar("E", Role, User, Group)


def _entity_table(name: str, record: type[PolicyHolder]) -> Table:
    return Table(
        name,
        METADATA,
        Column("account_id", String(12), primary_key=True),
        Column("name", String(128), primary_key=True),
        Column("name_key", String(128), nullable=False),
        Column("unique_id", String(128), nullable=False),
        Column("path", String(512), nullable=False),
        Column("record", Record(record), nullable=False),
        Index(f"{name}_by_name_key", "account_id", "name_key", unique=True),
        Index(f"{name}_by_unique_id", "unique_id"),
    )


roles = _entity_table("iam_roles", Role)


users = _entity_table("iam_users", User)


groups = _entity_table("iam_groups", Group)


ENTITY_TABLES: dict[EntityKind, Table] = {"role": roles, "user": users, "group": groups}


KINDS: dict[type[PolicyHolder], EntityKind] = {Role: "role", User: "user", Group: "group"}


attachments = Table(
    "iam_attachments",
    METADATA,
    Column("account_id", String(12), primary_key=True),
    Column("entity_kind", String(8), primary_key=True),
    Column("entity_name", String(128), primary_key=True),
    Column("usage", String(8), primary_key=True),
    Column("policy_arn", String(2048), primary_key=True),
    Index("iam_attachments_by_policy", "policy_arn"),
)


def unlimited(count_rows: int) -> None:
    """As many as anybody likes."""


class EntityStore:
    """Changes to whichever of the three; each kind has a store of its own that says what its own are."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def _save_new(self, entity: E, check: Callable[[int], None]) -> bool:
        kind = KINDS[type(entity)]
        boundary = _boundary_of(entity)
        try:
            async with self._database.transaction() as tx:
                check(await count_rows(tx.connection, ENTITY_TABLES[kind], entity.account_id))
                await tx.connection.execute(
                    insert(ENTITY_TABLES[kind]).values(
                        account_id=entity.account_id,
                        name=entity.name,
                        name_key=entity.name.lower(),
                        unique_id=entity.unique_id,
                        path=entity.path,
                        record=_bare(entity),
                    )
                )
                if boundary is not None:
                    await attach(tx.connection, entity.account_id, kind, entity.name, "boundary", boundary)
                tx.changed(TOPIC)
        except IntegrityError:
            return False
        return True

    async def _rename(
        self,
        record_type: type[E],
        account_id: str,
        name: str,
        change: Callable[[E], E],
        move: Callable[[Connection, str], Awaitable[None]],
    ) -> RenameOutcome:
        """Apply `change` to the entity and have `move` bring along what hangs on its name, all or nothing."""
        kind = KINDS[record_type]
        table = ENTITY_TABLES[kind]
        try:
            async with self._database.transaction() as tx:
                present = await load_entity(tx.connection, record_type, account_id, name, lock=True)
                if present is None:
                    return "no entity"
                changed = change(present)
                await tx.connection.execute(
                    update(table)
                    .where(table.c.account_id == account_id, table.c.name == name)
                    .values(name=changed.name, name_key=changed.name.lower(), path=changed.path, record=_bare(changed))
                )
                for usage in get_args(Usage):
                    await tx.connection.execute(
                        update(attachments)
                        .where(*of_entity(account_id, kind, name, usage))
                        .values(entity_name=changed.name)
                    )
                await move(tx.connection, changed.name)
                tx.changed(TOPIC)
        except IntegrityError:
            return "taken"
        return "renamed"

    async def _change(self, record_type: type[E], account_id: str, name: str, change: Callable[[E], E]) -> E | None:
        table = ENTITY_TABLES[KINDS[record_type]]
        async with self._database.transaction() as tx:
            present = await load_entity(tx.connection, record_type, account_id, name, lock=True)
            if present is None:
                return None
            changed = change(present)
            await tx.connection.execute(
                update(table)
                .where(table.c.account_id == account_id, table.c.name == name)
                .values(record=_bare(changed), path=changed.path)
            )
            tx.changed(TOPIC)
            return changed


async def load_entity(
    connection: Connection,
    record_type: type[E],
    account_id: str,
    name: str,
    *,
    lock: bool = False,
) -> E | None:
    """The one of this name, with the policies that it carries. `lock` keeps it as it is for the transaction."""
    table = ENTITY_TABLES[KINDS[record_type]]
    query = select(table.c.record).where(table.c.account_id == account_id, table.c.name == name)
    found: E | None = (await connection.execute(query.with_for_update() if lock else query)).scalar_one_or_none()
    if found is None:
        return None
    return (await with_attachments(connection, KINDS[record_type], account_id, [found]))[0]


async def load_any_entity(connection: Connection, kind: EntityKind, account_id: str, name: str) -> PolicyHolder | None:
    """The one of this kind and name, locked."""
    if kind == "role":
        return await load_entity(connection, Role, account_id, name, lock=True)
    if kind == "group":
        return await load_entity(connection, Group, account_id, name, lock=True)
    return await load_entity(connection, User, account_id, name, lock=True)


async def list_entities(
    connection: Connection,
    record_type: type[E],
    account_id: str,
    path_prefix: str,
    after: str,
    limit: int,
) -> list[E]:
    """Up to `limit` whose path starts so, by name, from behind `after`, with the policies that they carry."""
    table = ENTITY_TABLES[KINDS[record_type]]
    rows = await connection.execute(
        select(table.c.record)
        .where(
            table.c.account_id == account_id,
            table.c.name > after,
            starts_with(table.c.path, path_prefix),
        )
        .order_by(table.c.name)
        .limit(limit)
    )
    found: list[E] = list(rows.scalars())
    return await with_attachments(connection, KINDS[record_type], account_id, found)


def of_entity(account_id: str, kind: EntityKind, name: str, usage: Usage) -> tuple[ColumnElement[bool], ...]:
    """The attachments of one entity, of one usage."""
    return (
        attachments.c.account_id == account_id,
        attachments.c.entity_kind == kind,
        attachments.c.entity_name == name,
        attachments.c.usage == usage,
    )


async def attach(
    connection: Connection, account_id: str, kind: EntityKind, name: str, usage: Usage, policy_arn: str
) -> None:
    """A row for a policy that the entity carries, or is bounded by."""
    await connection.execute(
        insert(attachments).values(
            account_id=account_id, entity_kind=kind, entity_name=name, usage=usage, policy_arn=policy_arn
        )
    )


async def delete_entity(connection: Connection, kind: EntityKind, account_id: str, name: str) -> None:
    """Delete it, and what it carries with it."""
    table = ENTITY_TABLES[kind]
    for usage in ("policy", "boundary"):
        await connection.execute(delete(attachments).where(*of_entity(account_id, kind, name, usage)))
    await connection.execute(delete(table).where(table.c.account_id == account_id, table.c.name == name))


async def count_rows(connection: Connection, table: Table, account_id: str) -> int:
    """How many the account has."""
    count = await connection.scalar(select(func.count()).select_from(table).where(table.c.account_id == account_id))
    return count or 0


def starts_with(column: Column[str], prefix: str) -> ColumnElement[bool]:
    """Paths below a prefix, in the database's words."""
    # Not LIKE, which ignores case on SQLite and heeds it elsewhere.
    return func.substr(column, 1, len(prefix)) == prefix


async def with_attachments(connection: Connection, kind: EntityKind, account_id: str, entities: list[E]) -> list[E]:
    """The same entities, with the policies that they carry and are bounded by."""
    rows = await connection.execute(
        select(attachments.c.entity_name, attachments.c.usage, attachments.c.policy_arn)
        .where(
            attachments.c.account_id == account_id,
            attachments.c.entity_kind == kind,
            attachments.c.entity_name.in_([entity.name for entity in entities]),
        )
        .order_by(attachments.c.policy_arn)
    )
    attached: dict[str, list[str]] = {}
    boundaries: dict[str, str] = {}
    for name, usage, arn in rows:
        if usage == "boundary":
            boundaries[name] = arn
        else:
            attached.setdefault(name, []).append(arn)
    return [_carrying(entity, tuple(attached.get(entity.name, ())), boundaries.get(entity.name)) for entity in entities]


def _bare(entity: E) -> E:
    """The record without what `iam_attachments` holds."""
    return _carrying(entity, (), None)


def _boundary_of(entity: PolicyHolder) -> str | None:
    return None if isinstance(entity, Group) else entity.permissions_boundary_arn


def _carrying(entity: E, policy_arns: tuple[str, ...], boundary_arn: str | None) -> E:
    """The record with these policies. Groups have no boundaries."""
    if KINDS[type(entity)] == "group":
        return msgspec.structs.replace(entity, attached_policy_arns=policy_arns)
    return msgspec.structs.replace(entity, attached_policy_arns=policy_arns, permissions_boundary_arn=boundary_arn)
