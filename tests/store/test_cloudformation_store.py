"""The promises of the stacks' store."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from support.stores import open_store
from velvetrope.store.tables.cloudformation import (
    ChangeSetRecord,
    CloudFormationStore,
    EventRecord,
    ResourceRecord,
    StackRecord,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[CloudFormationStore]:
    database = await open_store(tmp_path)
    yield CloudFormationStore(database)
    await database.close()


def make_stack(stack_id: str = "arn:1", *, status: str = "CREATE_COMPLETE", operation_id: str = "op-1") -> StackRecord:
    return StackRecord(
        stack_id=stack_id,
        stack_name="demo",
        account_id="1",
        region="r",
        status=status,
        created_at=NOW,
        sealed=b"sealed",
        operation_id=operation_id,
    )


def make_resource(incarnation: str, *, logical_id: str = "A", physical_id: str = "a") -> ResourceRecord:
    return ResourceRecord(
        stack_id="arn:1",
        incarnation=incarnation,
        logical_id=logical_id,
        resource_type="T",
        physical_id=physical_id,
        status="CREATE_COMPLETE",
        updated_at=NOW,
        sealed=b"x",
    )


def make_event(event_id: str) -> EventRecord:
    return EventRecord(
        event_id=event_id, stack_id="arn:1", stack_name="demo", logical_id="A", resource_type="T", status="S", at=NOW
    )


def make_change_set(name: str) -> ChangeSetRecord:
    return ChangeSetRecord(
        change_set_id=f"arn:{name}",
        name=name,
        stack_id="arn:1",
        stack_name="demo",
        creates_stack=False,
        status="CREATE_COMPLETE",
        execution_status="AVAILABLE",
        created_at=NOW,
        sealed=b"x",
    )


async def test_of_two_who_create_a_name_at_once_one_gets_it(store: CloudFormationStore) -> None:
    won = await asyncio.gather(store.create_stack(make_stack("arn:1")), store.create_stack(make_stack("arn:2")))

    assert sorted(won) == [False, True]


async def test_a_name_is_free_again_when_its_stack_is_gone(store: CloudFormationStore) -> None:
    await store.create_stack(make_stack("arn:1"))
    await store.record(msgspec.structs.replace(make_stack("arn:1"), deleted_at=NOW, status="DELETE_COMPLETE"))

    assert await store.load_stack("1", "r", "demo") is None
    assert await store.create_stack(make_stack("arn:2"))
    by_name, by_id = await store.load_stack("1", "r", "demo"), await store.load_stack("1", "r", "arn:1")
    assert by_name is not None
    assert by_id is not None
    assert (by_name.stack_id, by_id.status) == ("arn:2", "DELETE_COMPLETE")


async def test_another_account_sees_nothing(store: CloudFormationStore) -> None:
    await store.create_stack(make_stack())

    assert await store.load_stack("2", "r", "demo") is None
    assert await store.load_stack("2", "r", "arn:1") is None
    assert await store.load_stack("1", "other", "arn:1") is None
    assert await store.list_stacks("2", "r", limit=10) == []


async def test_of_two_who_begin_an_operation_at_once_one_may(store: CloudFormationStore) -> None:
    await store.create_stack(make_stack())
    claims = [make_stack(status="UPDATE_IN_PROGRESS", operation_id=f"op-{n}") for n in (2, 3)]

    won = await asyncio.gather(*(store.begin_operation(one, from_statuses={"CREATE_COMPLETE"}) for one in claims))

    assert sorted(won) == [False, True]


async def test_an_operation_that_lost_its_stack_writes_nothing(store: CloudFormationStore) -> None:
    await store.create_stack(make_stack(status="UPDATE_IN_PROGRESS"))
    interrupted = await store.interrupt_operations({"UPDATE_IN_PROGRESS": "UPDATE_FAILED"}, reason="why", at=NOW)

    written = await store.record(make_stack(), resources=[make_resource("i-1")], events=[make_event("e-1")])

    assert (interrupted, written) == (1, False)
    assert await store.load_resources("arn:1") == []
    assert await store.load_events("arn:1", limit=10) == []
    stack = await store.load_stack("1", "r", "demo")
    assert stack is not None
    assert (stack.status, stack.status_reason) == ("UPDATE_FAILED", "why")


@pytest.mark.parametrize(("began", "starts"), [("", "node"), ("node", "")])
async def test_an_operation_of_before_a_copy_is_ended_by_who_starts_with_it(
    began: str, starts: str, tmp_path: Path
) -> None:
    """From one node to PostgreSQL, whose nodes have names, and back to one that has none."""
    database = await open_store(tmp_path)
    before, after = (CloudFormationStore(database, node=name) for name in (began, starts))
    await before.create_stack(make_stack(status="UPDATE_IN_PROGRESS"))
    await before.save_change_set(
        msgspec.structs.replace(make_change_set("one"), execution_status="EXECUTE_IN_PROGRESS")
    )

    ended = await after.interrupt_operations({"UPDATE_IN_PROGRESS": "UPDATE_FAILED"}, reason="why", at=NOW)

    change_set = await after.load_change_set(change_set_id="arn:one")
    assert ended == 1
    assert change_set is not None
    assert change_set.execution_status == "EXECUTE_FAILED"
    await database.close()


async def test_a_node_that_starts_leaves_the_operations_of_other_nodes_alone(tmp_path: Path) -> None:
    database = await open_store(tmp_path)
    mine, other = (CloudFormationStore(database, node=name) for name in ("mine", "other"))
    working = {"UPDATE_IN_PROGRESS": "UPDATE_FAILED"}
    await other.create_stack(make_stack(status="UPDATE_IN_PROGRESS"))
    await mine.save_change_set(msgspec.structs.replace(make_change_set("one"), execution_status="EXECUTE_IN_PROGRESS"))

    assert await mine.interrupt_operations(working, reason="why", at=NOW) == 0
    assert await other.record(make_stack(status="UPDATE_IN_PROGRESS"))
    at_work = await mine.load_change_set(change_set_id="arn:one")
    assert await other.interrupt_operations(working, reason="why", at=NOW) == 1
    ended = await mine.load_change_set(change_set_id="arn:one")

    assert at_work is not None
    assert ended is not None
    assert (at_work.execution_status, ended.execution_status) == ("EXECUTE_IN_PROGRESS", "EXECUTE_FAILED")
    await database.close()


async def test_resources_are_written_over_and_removed_by_incarnation(store: CloudFormationStore) -> None:
    await store.create_stack(make_stack())
    await store.record(make_stack(), resources=[make_resource("i-1"), make_resource("i-2", physical_id="b")])

    changed = msgspec.structs.replace(make_resource("i-1"), retired=True)
    await store.record(make_stack(), resources=[changed], removed=["i-2"])

    assert await store.load_resources("arn:1") == [changed]


async def test_events_keep_their_order_and_come_newest_first(store: CloudFormationStore) -> None:
    await store.create_stack(make_stack(), events=[make_event("e-1")])
    await store.record(make_stack(), events=[make_event("e-2"), make_event("e-3")])

    newest = await store.load_events("arn:1", limit=2)
    older = await store.load_events("arn:1", before=newest[-1][0], limit=2)

    assert [event.event_id for _, event in newest] == ["e-3", "e-2"]
    assert [event.event_id for _, event in older] == ["e-1"]


async def test_a_stack_is_found_by_a_resource_it_has(store: CloudFormationStore) -> None:
    await store.create_stack(make_stack())
    await store.record(make_stack(), resources=[make_resource("i-1", physical_id="pool-1")])

    found = await store.find_stack_of_resource("1", "r", "pool-1")

    assert found is not None
    assert found.stack_id == "arn:1"
    assert await store.find_stack_of_resource("1", "r", "pool-2") is None


async def test_of_two_who_execute_a_change_set_at_once_one_may(store: CloudFormationStore) -> None:
    await store.save_change_set(make_change_set("c"))

    taken = await asyncio.gather(store.take_change_set("arn:c"), store.take_change_set("arn:c"))

    assert sorted(one is not None for one in taken) == [False, True]
    assert not await store.delete_change_set("arn:c")


async def test_a_change_sets_name_is_its_stacks_alone(store: CloudFormationStore) -> None:
    assert await store.save_change_set(make_change_set("c"))
    assert not await store.save_change_set(msgspec.structs.replace(make_change_set("c"), change_set_id="arn:d"))


async def test_a_stack_at_work_keeps_its_protection(store: CloudFormationStore) -> None:
    await store.create_stack(make_stack())
    protected = await store.protect_stack("1", "r", "demo", protected=True)
    assert protected is not None
    assert protected.termination_protection

    working = msgspec.structs.replace(protected, status="UPDATE_IN_PROGRESS")
    assert await store.begin_operation(working, from_statuses={"CREATE_COMPLETE"})

    assert await store.protect_stack("1", "r", "demo", protected=False) is None


async def test_a_change_is_told_on_the_feed(tmp_path: Path) -> None:
    database = await open_store(tmp_path)
    heard: list[str] = []
    database.changes.subscribe("cloudformation", lambda: heard.append("cloudformation"))

    await CloudFormationStore(database).create_stack(make_stack())

    assert heard == ["cloudformation"]
    await database.close()
