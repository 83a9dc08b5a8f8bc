"""Stacks, their resources, their events, and change sets; and the promises about who may change a stack.

One operation at a time works on a stack. It starts with a conditional write (`create_stack`, `begin_operation`) that
leaves its `operation_id` in the row, and every later write of that operation is made only while the id is still there:
an operation that was declared interrupted can no longer write (`record` answers False). A name belongs to one living
stack; deleted stacks keep their rows, found by their id alone.

What is derived from a user's values (template, parameters, outputs, properties, attributes) arrives sealed and stays
so; this file cannot read it.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import BigInteger, Column, Index, String, Table, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from velvetrope.store.columns import Record, UtcTime
from velvetrope.store.database import Database, Transaction
from velvetrope.store.schema import METADATA

__all__ = [
    "ChangeSetRecord",
    "CloudFormationStore",
    "EventRecord",
    "ResourceRecord",
    "StackRecord",
]

_TOPIC = "cloudformation"


class StackRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A stack. `sealed` holds template, parameters and outputs."""

    stack_id: str
    stack_name: str
    account_id: str
    region: str
    status: str
    created_at: datetime
    sealed: bytes
    status_reason: str = ""
    description: str = ""
    updated_at: datetime | None = None
    deleted_at: datetime | None = None
    operation_id: str = ""
    capabilities: tuple[str, ...] = ()
    tags: dict[str, str] = {}
    disable_rollback: bool = False
    termination_protection: bool = False
    client_request_token: str = ""
    change_set_id: str = ""
    node: str = ""
    """Which of the nodes that share a database works on it, or did last; empty where there is one."""


class ResourceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One resource that exists for a stack. A replaced one stays, `retired`, until it is cleaned up.

    `incarnation` tells the two apart: it is the row's own id. `sealed` holds properties, Ref and attributes.
    """

    stack_id: str
    incarnation: str
    logical_id: str
    resource_type: str
    physical_id: str
    status: str
    updated_at: datetime
    sealed: bytes
    status_reason: str = ""
    depends_on: tuple[str, ...] = ()
    deletion_policy: str = "Delete"
    update_replace_policy: str = "Delete"
    retired: bool = False


class EventRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a stack's history."""

    event_id: str
    stack_id: str
    stack_name: str
    logical_id: str
    resource_type: str
    status: str
    at: datetime
    physical_id: str = ""
    status_reason: str = ""
    client_request_token: str = ""


class ChangeSetRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A change set: what was asked for (sealed), and what it would do."""

    change_set_id: str
    name: str
    stack_id: str
    stack_name: str
    creates_stack: bool
    status: str
    execution_status: str
    created_at: datetime
    sealed: bytes
    status_reason: str = ""
    description: str = ""
    capabilities: tuple[str, ...] = ()
    tags: dict[str, str] = {}
    changes: tuple[dict[str, object], ...] = ()
    include_nested_stacks: bool = False


_stacks = Table(
    "cloudformation_stacks",
    METADATA,
    Column("stack_id", String(512), primary_key=True),
    Column("account_id", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    # `account/region/name` while the stack lives, NULL afterwards: unique among the living.
    Column("living_name", String(256), unique=True),
    Column("status", String(64), nullable=False),
    Column("operation_id", String(36), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("record", Record(StackRecord), nullable=False),
    Index("cloudformation_stacks_by_account", "account_id", "region", "created_at"),
)
_resources = Table(
    "cloudformation_resources",
    METADATA,
    Column("stack_id", String(512), primary_key=True),
    Column("incarnation", String(36), primary_key=True),
    Column("record", Record(ResourceRecord), nullable=False),
)
_events = Table(
    "cloudformation_events",
    METADATA,
    Column("stack_id", String(512), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("record", Record(EventRecord), nullable=False),
)
_change_sets = Table(
    "cloudformation_change_sets",
    METADATA,
    Column("change_set_id", String(512), primary_key=True),
    Column("stack_id", String(512), nullable=False),
    Column("name", String(128), nullable=False),
    Column("execution_status", String(32), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("record", Record(ChangeSetRecord), nullable=False),
    Index("cloudformation_change_sets_by_stack", "stack_id", "name", unique=True),
)


class CloudFormationStore:
    """Keeps stacks."""

    def __init__(self, database: Database, *, node: str = "") -> None:
        """`node` is this server's name among those that share the database, the same after a restart."""
        self._database = database
        self._node = node

    async def create_stack(self, stack: StackRecord, *, events: Sequence[EventRecord] = ()) -> bool:
        """Begin a new stack under its name; False if a living stack has the name already."""
        try:
            async with self._database.transaction() as tx:
                await tx.connection.execute(insert(_stacks).values(self._row(stack)))
                await _append_events(tx, stack.stack_id, events)
                tx.changed(_TOPIC)
        except IntegrityError:
            return False
        return True

    async def begin_operation(
        self, stack: StackRecord, *, from_statuses: Collection[str], events: Sequence[EventRecord] = ()
    ) -> bool:
        """Let `stack.operation_id` work on the stack, if its status is one of `from_statuses`; False if it is not."""
        async with self._database.transaction() as tx:
            changed = await tx.connection.execute(
                update(_stacks)
                .where(_stacks.c.stack_id == stack.stack_id, _stacks.c.status.in_(from_statuses))
                .values(self._row(stack))
            )
            if changed.rowcount != 1:
                return False
            await _append_events(tx, stack.stack_id, events)
            tx.changed(_TOPIC)
        return True

    async def record(
        self,
        stack: StackRecord,
        *,
        resources: Sequence[ResourceRecord] = (),
        removed: Collection[str] = (),
        events: Sequence[EventRecord] = (),
    ) -> bool:
        """Write what an operation has done, all of it at once; False if the operation no longer owns the stack.

        `removed` are incarnations. The operation is over when `stack.status` says so; its id stays in the row, which
        lets nobody in, since only `begin_operation` looks at the status.
        """
        async with self._database.transaction() as tx:
            changed = await tx.connection.execute(
                update(_stacks)
                .where(_stacks.c.stack_id == stack.stack_id, _stacks.c.operation_id == stack.operation_id)
                .values(self._row(stack))
            )
            if changed.rowcount != 1:
                return False
            gone = [*removed, *(resource.incarnation for resource in resources)]
            if gone:
                await tx.connection.execute(
                    delete(_resources).where(
                        _resources.c.stack_id == stack.stack_id, _resources.c.incarnation.in_(gone)
                    )
                )
            if resources:
                await tx.connection.execute(
                    insert(_resources),
                    [{"stack_id": one.stack_id, "incarnation": one.incarnation, "record": one} for one in resources],
                )
            await _append_events(tx, stack.stack_id, events)
            tx.changed(_TOPIC)
        return True

    async def protect_stack(
        self, account_id: str, region: str, name_or_id: str, *, protected: bool
    ) -> StackRecord | None:
        """Switch a living stack's protection against deletion; the stack, or None if none is there or it is at work.

        An operation under way writes the whole stack, and would put the protection back to what it was.
        """
        async with self._database.transaction() as tx:
            found = await tx.connection.execute(
                select(_stacks.c.record).where(
                    (_stacks.c.living_name == _living_name(account_id, region, name_or_id))
                    | ((_stacks.c.stack_id == name_or_id) & _stacks.c.living_name.is_not(None)),
                    _stacks.c.account_id == account_id,
                    _stacks.c.region == region,
                )
            )
            stack = found.scalar_one_or_none()
            if stack is None or stack.status.endswith("_IN_PROGRESS"):
                return None
            changed: StackRecord = msgspec.structs.replace(stack, termination_protection=protected)
            await tx.connection.execute(
                update(_stacks).where(_stacks.c.stack_id == changed.stack_id).values(_stack_row(changed))
            )
            tx.changed(_TOPIC)
        return changed

    async def interrupt_operations(self, outcomes: Mapping[str, str], *, reason: str, at: datetime) -> int:
        """End every operation of this node that is under way: `outcomes` gives the status that follows each status.

        Change sets that were being executed have failed. Of other nodes nothing is known here: what one of them was at
        is interrupted when that one starts again. But where there is one node it is all nodes' heir, and an operation
        of no node is anybody's: a store that was copied says so of those that were under way where it came from.

        For start-up, when no operation of ours can be running. Returns how many there were.
        """
        async with self._database.transaction() as tx:
            rows = await tx.connection.execute(select(_stacks.c.record).where(_stacks.c.status.in_(outcomes)))
            interrupted = [
                msgspec.structs.replace(
                    stack, status=outcomes[stack.status], status_reason=reason, updated_at=at, operation_id=""
                )
                for stack in rows.scalars()
                if not self._node or stack.node in ("", self._node)
            ]
            for stack in interrupted:
                await tx.connection.execute(
                    update(_stacks).where(_stacks.c.stack_id == stack.stack_id).values(_stack_row(stack))
                )
            executing = await tx.connection.execute(
                select(_change_sets.c.record).where(_change_sets.c.execution_status == "EXECUTE_IN_PROGRESS")
            )
            ended = {stack.stack_id for stack in interrupted}
            for change_set in executing.scalars().all():
                if self._node and change_set.stack_id not in ended:
                    continue
                failed = msgspec.structs.replace(change_set, execution_status="EXECUTE_FAILED")
                await tx.connection.execute(
                    update(_change_sets)
                    .where(_change_sets.c.change_set_id == failed.change_set_id)
                    .values(_change_set_row(failed))
                )
            if interrupted:
                tx.changed(_TOPIC)
        return len(interrupted)

    def _row(self, stack: StackRecord) -> dict[str, object]:
        """A stack that this node has in hand."""
        return _stack_row(msgspec.structs.replace(stack, node=self._node))

    async def load_stack(self, account_id: str, region: str, name_or_id: str) -> StackRecord | None:
        """The living stack of that name, or the stack of that id, living or deleted."""
        async with self._database.read() as connection:
            found = await connection.execute(
                select(_stacks.c.record).where(
                    _stacks.c.account_id == account_id,
                    _stacks.c.region == region,
                    (_stacks.c.living_name == _living_name(account_id, region, name_or_id))
                    | (_stacks.c.stack_id == name_or_id),
                )
            )
            return found.scalar_one_or_none()

    async def list_stacks(
        self,
        account_id: str,
        region: str,
        *,
        living_only: bool = False,
        statuses: Collection[str] | None = None,
        limit: int,
        offset: int = 0,
    ) -> list[StackRecord]:
        """Stacks, newest first."""
        query = select(_stacks.c.record).where(_stacks.c.account_id == account_id, _stacks.c.region == region)
        if living_only:
            query = query.where(_stacks.c.living_name.is_not(None))
        if statuses is not None:
            query = query.where(_stacks.c.status.in_(statuses))
        query = query.order_by(_stacks.c.created_at.desc(), _stacks.c.stack_id).limit(limit).offset(offset)
        async with self._database.read() as connection:
            return list((await connection.execute(query)).scalars())

    async def load_resources(self, stack_id: str) -> list[ResourceRecord]:
        """All resources of a stack, retired ones too, by logical id."""
        async with self._database.read() as connection:
            rows = await connection.execute(select(_resources.c.record).where(_resources.c.stack_id == stack_id))
            return sorted(rows.scalars(), key=lambda one: (one.logical_id, one.incarnation))

    async def find_stack_of_resource(self, account_id: str, region: str, physical_id: str) -> StackRecord | None:
        """The living stack that has a resource of that physical id."""
        # The id lies inside the record: this reads all resources of the account, for one rare question.
        query = (
            select(_stacks.c.record, _resources.c.record)
            .join(_resources, _resources.c.stack_id == _stacks.c.stack_id)
            .where(_stacks.c.account_id == account_id, _stacks.c.region == region, _stacks.c.living_name.is_not(None))
        )
        async with self._database.read() as connection:
            for stack, resource in await connection.execute(query):
                if resource.physical_id == physical_id and not resource.retired and isinstance(stack, StackRecord):
                    return stack
        return None

    async def load_events(
        self, stack_id: str, *, before: int | None = None, limit: int
    ) -> list[tuple[int, EventRecord]]:
        """Events, newest first, with their sequence numbers; those before `before` when it is given."""
        query = select(_events.c.sequence, _events.c.record).where(_events.c.stack_id == stack_id)
        if before is not None:
            query = query.where(_events.c.sequence < before)
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(_events.c.sequence.desc()).limit(limit))
            return [(sequence, record) for sequence, record in rows]

    async def save_change_set(self, change_set: ChangeSetRecord) -> bool:
        """Keep a new change set; False if its stack has one of that name."""
        try:
            async with self._database.transaction() as tx:
                await tx.connection.execute(insert(_change_sets).values(_change_set_row(change_set)))
        except IntegrityError:
            return False
        return True

    async def load_change_set(
        self, *, change_set_id: str | None = None, stack_id: str = "", name: str = ""
    ) -> ChangeSetRecord | None:
        """A change set by its id, or by its stack and name."""
        query = select(_change_sets.c.record)
        if change_set_id is not None:
            query = query.where(_change_sets.c.change_set_id == change_set_id)
        else:
            query = query.where(_change_sets.c.stack_id == stack_id, _change_sets.c.name == name)
        async with self._database.read() as connection:
            found: ChangeSetRecord | None = (await connection.execute(query)).scalar_one_or_none()
        return found

    async def list_change_sets(self, stack_id: str) -> list[ChangeSetRecord]:
        """The change sets of a stack, newest first."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(_change_sets.c.record)
                .where(_change_sets.c.stack_id == stack_id)
                .order_by(_change_sets.c.created_at.desc(), _change_sets.c.name)
            )
            return list(rows.scalars())

    async def take_change_set(self, change_set_id: str) -> ChangeSetRecord | None:
        """Let one caller execute the change set; its siblings become obsolete. None if it is not available."""
        async with self._database.transaction() as tx:
            found = await tx.connection.execute(
                select(_change_sets.c.record).where(_change_sets.c.change_set_id == change_set_id)
            )
            change_set = found.scalar_one_or_none()
            if change_set is None:
                return None
            taken: ChangeSetRecord = msgspec.structs.replace(change_set, execution_status="EXECUTE_IN_PROGRESS")
            changed = await tx.connection.execute(
                update(_change_sets)
                .where(_change_sets.c.change_set_id == change_set_id, _change_sets.c.execution_status == "AVAILABLE")
                .values(_change_set_row(taken))
            )
            if changed.rowcount != 1:
                return None
            siblings = await tx.connection.execute(
                select(_change_sets.c.record).where(
                    _change_sets.c.stack_id == taken.stack_id,
                    _change_sets.c.change_set_id != change_set_id,
                    _change_sets.c.execution_status == "AVAILABLE",
                )
            )
            for sibling in siblings.scalars().all():
                await tx.connection.execute(
                    update(_change_sets)
                    .where(_change_sets.c.change_set_id == sibling.change_set_id)
                    .values(_change_set_row(msgspec.structs.replace(sibling, execution_status="OBSOLETE")))
                )
        return taken

    async def finish_change_set(self, change_set: ChangeSetRecord, *, execution_status: str) -> None:
        """Write how the execution of a taken change set went."""
        finished = msgspec.structs.replace(change_set, execution_status=execution_status)
        async with self._database.transaction() as tx:
            await tx.connection.execute(
                update(_change_sets)
                .where(_change_sets.c.change_set_id == change_set.change_set_id)
                .values(_change_set_row(finished))
            )

    async def delete_change_set(self, change_set_id: str) -> bool:
        """Forget a change set that is not being executed; False if it is, or is gone."""
        async with self._database.transaction() as tx:
            gone = await tx.connection.execute(
                delete(_change_sets).where(
                    _change_sets.c.change_set_id == change_set_id,
                    _change_sets.c.execution_status != "EXECUTE_IN_PROGRESS",
                )
            )
            return gone.rowcount == 1


def _living_name(account_id: str, region: str, name: str) -> str:
    return f"{account_id}/{region}/{name}"


def _stack_row(stack: StackRecord) -> dict[str, object]:
    living = stack.deleted_at is None
    return {
        "stack_id": stack.stack_id,
        "account_id": stack.account_id,
        "region": stack.region,
        "living_name": _living_name(stack.account_id, stack.region, stack.stack_name) if living else None,
        "status": stack.status,
        "operation_id": stack.operation_id,
        "created_at": stack.created_at,
        "record": stack,
    }


def _change_set_row(change_set: ChangeSetRecord) -> dict[str, object]:
    return {
        "change_set_id": change_set.change_set_id,
        "stack_id": change_set.stack_id,
        "name": change_set.name,
        "execution_status": change_set.execution_status,
        "created_at": change_set.created_at,
        "record": change_set,
    }


async def _append_events(tx: Transaction, stack_id: str, events: Sequence[EventRecord]) -> None:
    if not events:
        return
    newest = await tx.connection.execute(select(func.max(_events.c.sequence)).where(_events.c.stack_id == stack_id))
    following = (newest.scalar_one_or_none() or 0) + 1
    await tx.connection.execute(
        insert(_events),
        [
            {"stack_id": stack_id, "sequence": sequence, "record": event}
            for sequence, event in enumerate(events, following)
        ],
    )
