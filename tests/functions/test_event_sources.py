"""Queues that feed functions: SQS and its dispatcher are real, policy and the function are played."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.functions import ACCOUNT, REGION, TrustingRoles, new_function
from support.queues import OWNER, Sqs, open_sqs, queue_arn
from velvetrope.clock import CountingEntropy
from velvetrope.decisions import DecisionLog
from velvetrope.edge.dispatcher import OperationDispatcher
from velvetrope.edge.signatures import SignatureVerifier
from velvetrope.errors import ServiceError
from velvetrope.functions import event_source_pollers, shared_slots
from velvetrope.functions.errors import TooManyRequestsException
from velvetrope.functions.event_source_operations import EventSourceOperations
from velvetrope.functions.event_source_pollers import EventSourcePollers
from velvetrope.functions.roles import ExecutionRoles
from velvetrope.functions.shared_slots import SharedSlots
from velvetrope.operations import Call
from velvetrope.principals import SigningCredentials
from velvetrope.sigv4 import UnknownAccessKey
from velvetrope.store import Database
from velvetrope.store.tables.event_sources import EventSourceMapping, EventSourceStore
from velvetrope.store.tables.function_slots import FunctionSlotStore
from velvetrope.store.tables.functions import FunctionStore

FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:orders"


class NoKeys:
    async def find_credentials(self, *_: object) -> SigningCredentials:
        raise UnknownAccessKey


@dataclass(frozen=True)
class Verdict:
    allowed: bool
    because: str = "because the test says so"
    permission: str = ""
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judged:
    action: str
    resource: str
    decision: Verdict
    resources: tuple[str, ...] = ()


@dataclass
class Policy:
    """Roles may everything but what is in `refused`."""

    refused: set[str] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def judge(self, service: str, operation: str, _parameters: Mapping[str, object], call: Call) -> Judged:
        self.asked.append((operation, call.principal.policy_arn))
        allowed = call.principal == OWNER or operation not in self.refused
        return Judged(f"{service}:{operation}", "*", Verdict(allowed))


@dataclass(frozen=True)
class Result:
    payload: bytes = b"null"
    function_error: str | None = None
    executed_version: str = "$LATEST"


@dataclass
class Runner:
    """The function: keeps every event, and answers what `answer` makes of it."""

    events: list[dict[str, Any]] = field(default_factory=list)
    answer: Callable[[dict[str, Any]], Result] = lambda _event: Result()
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    gate: asyncio.Event | None = None
    running: int = 0
    most: int = 0

    async def run_event(self, function_arn: str, payload: bytes, *, request_id: str, cognito_identity: bytes) -> Result:
        assert (function_arn, cognito_identity, len(request_id)) == (FUNCTION, b"", 36)
        event = json.loads(payload)
        self.events.append(event)
        self.running += 1
        self.most = max(self.most, self.running)
        async with self.arrived:
            self.arrived.notify_all()
        if self.gate is not None:
            await self.gate.wait()
        self.running -= 1
        return self.answer(event)

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(60), self.arrived:
            await self.arrived.wait_for(lambda: len(self.events) >= count)

    @property
    def bodies(self) -> list[str]:
        return [record["body"] for event in self.events for record in event["Records"]]


@dataclass
class World:
    """A function's queue, and what becomes of it."""

    sqs: Sqs
    dispatcher: OperationDispatcher
    policy: Policy
    runner: Runner
    pollers: EventSourcePollers
    roles: TrustingRoles

    def another_node(self, slots: SharedSlots) -> EventSourcePollers:
        """Pollers on the same database, which are asked and do not poll."""
        return EventSourcePollers(
            self.sqs.database,
            ExecutionRoles(self.roles, self.sqs.clock),
            self.sqs.clock,
            CountingEntropy(),
            account_id=ACCOUNT,
            region=REGION,
            shared_slots=slots,
        )

    async def call(self, service: str, operation: str, **parameters: Any) -> Any:
        call = Call(OWNER, ACCOUNT, REGION, "request", self.sqs.clock.now())
        return await self.dispatcher.invoke(service, operation, parameters, call)

    async def create(self, name: str = "orders", **parameters: Any) -> str:
        """Make a mapping of that queue; its UUID."""
        answer = await self.call(
            "lambda", "CreateEventSourceMapping", FunctionName="orders", EventSourceArn=queue_arn(name), **parameters
        )
        return str(answer["UUID"])

    async def refusal(self, **parameters: Any) -> tuple[str, str]:
        with pytest.raises(ServiceError) as caught:
            await self.create(**parameters)
        return caught.value.code, caught.value.message

    async def result(self, mapping_id: str) -> str:
        return str((await self.call("lambda", "GetEventSourceMapping", UUID=mapping_id))["LastProcessingResult"])

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait until the awaited condition holds: what is waited for is other tasks of this loop, and the store."""
        async with asyncio.timeout(60):
            while not await condition():  # noqa: ASYNC110  no event tells of all that is waited for
                await asyncio.sleep(0.005)

    async def left(self, url: str) -> tuple[str, str]:
        """How many messages are visible and in flight."""
        answer = await self.sqs.operate("get_queue_attributes", queue_url=url, attribute_names=["All"])
        attributes = answer["attributes"]
        return (
            attributes["ApproximateNumberOfMessages"],
            attributes["ApproximateNumberOfMessagesNotVisible"],
        )

    async def until_left(self, url: str, visible: int, in_flight: int) -> None:
        async def reached() -> bool:
            return await self.left(url) == (str(visible), str(in_flight))

        await self.until(reached)

    async def until_result(self, mapping_id: str, text: str) -> None:
        async def reached() -> bool:
            return text in await self.result(mapping_id)

        await self.until(reached)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_sqs(tmp_path) as sqs:
        entropy, policy, runner = CountingEntropy(), Policy(), Runner()
        trusting = TrustingRoles()
        roles = ExecutionRoles(trusting, sqs.clock)
        functions = FunctionStore(sqs.database)
        await functions.create_function(new_function())
        slots = slots_of(sqs.database, "here")
        await slots.open()
        pollers = EventSourcePollers(
            sqs.database, roles, sqs.clock, entropy, account_id=ACCOUNT, region=REGION, shared_slots=slots
        )
        operations = EventSourceOperations(EventSourceStore(sqs.database), functions, pollers, roles, entropy)
        dispatcher = OperationDispatcher(
            judge=policy,
            verifier=SignatureVerifier(NoKeys(), region=REGION),
            recorder=DecisionLog(),
            clock=sqs.clock,
            entropy=entropy,
            account_id=ACCOUNT,
            region=REGION,
        )
        dispatcher.register("sqs", *sqs.service.operations)
        dispatcher.register("lambda", operations)
        operations.connect(dispatcher)
        await pollers.open(dispatcher, runner)
        yield World(sqs, dispatcher, policy, runner, pollers, trusting)
        await pollers.close()
        await slots.close()


def slots_of(database: Database, node: str) -> SharedSlots:
    return SharedSlots(FunctionSlotStore(database), database.changes, node=node)


async def test_a_function_gets_aws_s_event_and_the_message_is_deleted(world: World) -> None:
    url = await world.sqs.create("orders")
    mapping_id = await world.create()

    await world.call(
        "sqs",
        "SendMessage",
        QueueUrl=url,
        MessageBody="one",
        MessageAttributes={
            "kind": {"DataType": "String", "StringValue": "urgent"},
            "blob": {"DataType": "Binary", "BinaryValue": b"\0"},
        },
    )
    await world.runner.wait_for(1)
    await world.until_left(url, 0, 0)

    [record] = world.runner.events[0]["Records"]
    assert len(record.pop("messageId")) == 36
    assert record.pop("receiptHandle")
    assert len(record.pop("md5OfMessageAttributes")) == 32
    assert record == {
        "body": "one",
        "attributes": {
            "SenderId": ACCOUNT,
            "SentTimestamp": "1767225600000",
            "ApproximateReceiveCount": "1",
            "ApproximateFirstReceiveTimestamp": "1767225600000",
        },
        "messageAttributes": {
            "kind": {
                "stringValue": "urgent",
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": "String",
            },
            "blob": {"binaryValue": "AA==", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
        },
        "md5OfBody": "f97c5d29941bfb1b2fdab0874906ab82",
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn("orders"),
        "awsRegion": REGION,
    }
    await world.until_result(mapping_id, "OK")
    roles = {role for operation, role in world.policy.asked if operation in {"ReceiveMessage", "DeleteMessageBatch"}}
    assert roles == {f"arn:aws:iam::{ACCOUNT}:role/orders"}


async def test_what_a_function_fails_on_comes_again_and_ends_in_the_dead_letter_queue(world: World) -> None:
    letters = await world.sqs.create("letters")
    policy = json.dumps({"deadLetterTargetArn": queue_arn("letters"), "maxReceiveCount": 2})
    url = await world.sqs.create("orders", RedrivePolicy=policy, VisibilityTimeout="30")
    world.runner.answer = lambda _event: Result(b'{"errorMessage":"no"}', "Unhandled")
    mapping_id = await world.create()

    for count in (1, 2):
        await world.sqs.send(url, "poison") if count == 1 else await world.sqs.send(url, "wakes the long poll")
        await world.runner.wait_for(count)
        await world.until_result(mapping_id, "PROBLEM: Function call failed")
        world.sqs.advance(30)
    await world.sqs.send(url, "wakes it again")
    await world.until_left(letters, 1, 0)

    assert await world.sqs.bodies(letters) == ["poison"]


async def test_messages_that_are_reported_as_failed_stay_and_the_others_go(world: World) -> None:
    url = await world.sqs.create("orders")
    for body in ("good", "bad", "good too"):
        await world.sqs.send(url, body)

    def answer(event: dict[str, Any]) -> Result:
        failed = [{"itemIdentifier": r["messageId"]} for r in event["Records"] if r["body"] == "bad"]
        return Result(json.dumps({"batchItemFailures": failed}).encode())

    world.runner.answer = answer
    await world.create(FunctionResponseTypes=["ReportBatchItemFailures"])

    await world.until_left(url, 0, 1)
    await world.pollers.close()  # else it might take the message before we look
    world.sqs.advance(30)
    assert await world.sqs.bodies(url) == ["bad"]


async def test_without_being_asked_for_reports_are_ignored(world: World) -> None:
    url = await world.sqs.create("orders")
    await world.sqs.send(url, "one")
    world.runner.answer = lambda event: Result(
        json.dumps({"batchItemFailures": [{"itemIdentifier": event["Records"][0]["messageId"]}]}).encode()
    )

    await world.create()

    await world.until_left(url, 0, 0)


@pytest.mark.parametrize(
    ("payload", "all_failed"),
    [
        (b"null", False),
        (b"", False),
        (b"{}", False),
        (b'{"batchItemFailures": []}', False),
        (b'{"batchItemFailures": null}', False),
        (b'"done"', False),
        (b"not json", True),
        (b'{"batchItemFailures": {}}', True),
        (b'{"batchItemFailures": [{"itemIdentifier": ""}]}', True),
        (b'{"batchItemFailures": [{"itemIdentifier": null}]}', True),
        (b'{"batchItemFailures": [{"id": "x"}]}', True),
        (b'{"batchItemFailures": [1]}', True),
        (b'{"batchItemFailures": [{"itemIdentifier": ["x"]}]}', True),
        (b'{"batchItemFailures": [{"itemIdentifier": {}}]}', True),
        (b'{"batchItemFailures": [{"itemIdentifier": "of another batch"}]}', True),
    ],
)
async def test_a_report_that_cannot_be_understood_keeps_everything(
    world: World, payload: bytes, all_failed: bool
) -> None:
    url = await world.sqs.create("orders")
    await world.sqs.send(url, "one")
    world.runner.answer = lambda _event: Result(payload)

    await world.create(FunctionResponseTypes=["ReportBatchItemFailures"])

    await world.runner.wait_for(1)
    await world.until_left(url, 0, 1 if all_failed else 0)


async def test_only_messages_that_a_filter_wants_reach_the_function_and_the_others_are_deleted(world: World) -> None:
    url = await world.sqs.create("orders")
    for body in ('{"status": "open", "n": 1}', '{"status": "closed"}', "plain text", '{"status": "open", "n": 2}'):
        await world.sqs.send(url, body)

    await world.create(FilterCriteria={"Filters": [{"Pattern": '{"body": {"status": ["open"]}}'}]})

    await world.until_left(url, 0, 0)
    assert [json.loads(body)["n"] for body in world.runner.bodies] == [1, 2]


async def test_a_filter_of_plain_text_matches_plain_text(world: World) -> None:
    url = await world.sqs.create("orders")
    for body in ("start", "stop", '{"start": true}'):
        await world.sqs.send(url, body)

    await world.create(FilterCriteria={"Filters": [{"Pattern": '{"body": [{"prefix": "sta"}]}'}]})

    await world.until_left(url, 0, 0)
    assert world.runner.bodies == ["start"]


async def test_a_filter_may_ask_for_any_member_of_the_record(world: World) -> None:
    url = await world.sqs.create("orders")
    await world.sqs.send(url, "one")
    pattern = json.dumps({"eventSourceARN": [queue_arn("orders")], "awsRegion": [REGION], "eventSource": ["aws:sqs"]})

    await world.create(FilterCriteria={"Filters": [{"Pattern": pattern}]})

    await world.until_left(url, 0, 0)
    assert world.runner.bodies == ["one"]


@pytest.mark.parametrize("pattern", ['{"Body": ["x"]}', '{"$or": [{"body": ["x"]}, {"data": ["x"]}]}'])
async def test_a_filter_for_what_no_message_has_is_refused_when_it_is_saved(world: World, pattern: str) -> None:
    await world.sqs.create("orders")

    code, message = await world.refusal(FilterCriteria={"Filters": [{"Pattern": pattern}]})

    assert code == "InvalidParameterValueException"
    assert message.startswith("Invalid filter pattern definition. (filter 1: no message has ")


async def test_batches_have_their_size(world: World) -> None:
    url = await world.sqs.create("orders")
    for number in range(7):
        await world.sqs.send(url, str(number))

    await world.create(BatchSize=3)

    await world.until_left(url, 0, 0)
    assert sorted(world.runner.bodies) == [str(number) for number in range(7)]
    assert max(len(event["Records"]) for event in world.runner.events) == 3


async def test_with_a_window_a_batch_is_larger_than_what_one_call_receives(world: World) -> None:
    url = await world.sqs.create("orders")
    for number in range(14):
        await world.sqs.send(url, str(number))

    await world.create(BatchSize=14, MaximumBatchingWindowInSeconds=300)

    await world.until_left(url, 0, 0)
    assert [len(event["Records"]) for event in world.runner.events] == [14]


async def test_an_event_is_no_larger_than_an_invocation_may_be(world: World) -> None:
    url = await world.sqs.create("orders")
    for _ in range(8):
        await world.sqs.send(url, "x" * 1_000_000)

    await world.create(BatchSize=10)

    await world.until_left(url, 0, 0)
    assert sorted(len(event["Records"]) for event in world.runner.events) == [2, 6]


async def test_no_more_events_run_at_once_than_were_asked_for(world: World) -> None:
    url = await world.sqs.create("orders")
    world.runner.gate = asyncio.Event()
    for number in range(6):
        await world.sqs.send(url, str(number))

    await world.create(BatchSize=1, ScalingConfig={"MaximumConcurrency": 2})
    await world.runner.wait_for(2)
    assert await world.left(url) == ("4", "2")
    world.runner.gate.set()

    await world.until_left(url, 0, 0)
    assert world.runner.most == 2


async def test_a_throttled_function_keeps_its_messages_in_the_queue(world: World) -> None:
    url = await world.sqs.create("orders")
    await world.sqs.send(url, "one")

    def throttle(_event: dict[str, Any]) -> Result:
        raise TooManyRequestsException(reason="ReservedFunctionConcurrentInvocationLimitExceeded")

    world.runner.answer = throttle
    mapping_id = await world.create()

    await world.until_result(mapping_id, "PROBLEM: TooManyRequestsException")
    assert await world.left(url) == ("0", "1")


async def test_a_role_that_may_not_receive_gets_no_mapping(world: World) -> None:
    await world.sqs.create("orders")

    for needed in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"):
        world.policy.refused = {needed}
        assert await world.refusal() == (
            "InvalidParameterValueException",
            f"The provided execution role does not have permissions to call {needed} on SQS",
        )
    world.policy.refused = set()
    await world.create()


async def test_a_role_that_loses_its_permission_gets_nothing_and_the_mapping_says_why(world: World) -> None:
    url = await world.sqs.create("orders")
    mapping_id = await world.create()
    assert await world.result(mapping_id) == "No records processed"

    async def polls() -> bool:
        return [operation for operation, _ in world.policy.asked].count("ReceiveMessage") > 1

    await world.until(polls)
    world.policy.refused = {"ReceiveMessage"}

    await world.sqs.send(url, "received by a poll that was under way")
    await world.runner.wait_for(1)
    await world.until_left(url, 0, 0)
    await world.until_result(mapping_id, "PROBLEM: AccessDeniedException: User: arn:aws:sts::")
    await world.sqs.send(url, "refused")
    await world.until_left(url, 1, 0)
    assert world.runner.bodies == ["received by a poll that was under way"]

    world.policy.refused = set()
    world.sqs.database.changes.publish("iam")
    await world.runner.wait_for(2)
    await world.until_result(mapping_id, "OK")


async def test_a_queue_is_read_again_when_the_database_is_back(world: World) -> None:
    url = await world.sqs.create("orders")
    mapping_id = await world.create()
    world.roles.away = True

    await world.sqs.send(url, "one")
    await world.until_result(mapping_id, "PROBLEM: Internal error")
    await world.sqs.send(url, "two")
    world.roles.away = False
    world.sqs.database.changes.publish("queues")

    await world.until_result(mapping_id, "OK")
    assert "two" in world.runner.bodies


async def test_a_mapping_whose_queue_is_deleted_says_so_and_reads_the_next_one_of_its_name(world: World) -> None:
    url = await world.sqs.create("orders")
    mapping_id = await world.create()

    await world.sqs.operate("delete_queue", queue_url=url)
    await world.until_result(mapping_id, "PROBLEM: QueueDoesNotExist")
    await world.sqs.send(await world.sqs.create("orders"), "one")

    await world.runner.wait_for(1)
    await world.until_left(url, 0, 0)
    await world.until_result(mapping_id, "OK")


async def test_without_permission_to_delete_a_message_comes_again(world: World) -> None:
    url = await world.sqs.create("orders")
    mapping_id = await world.create()
    world.policy.refused = {"DeleteMessageBatch"}

    await world.sqs.send(url, "one")

    await world.until_result(mapping_id, "PROBLEM: AccessDeniedException")
    assert await world.left(url) == ("0", "1")


async def test_a_disabled_mapping_leaves_messages_where_they_are(world: World) -> None:
    url = await world.sqs.create("orders")
    mapping_id = await world.create(Enabled=False)
    await world.sqs.send(url, "one")
    shown = await world.call("lambda", "GetEventSourceMapping", UUID=mapping_id)
    assert (shown["State"], await world.left(url)) == ("Disabled", ("1", "0"))

    changed = await world.call("lambda", "UpdateEventSourceMapping", UUID=mapping_id, Enabled=True, BatchSize=1)

    assert (changed["State"], changed["BatchSize"]) == ("Enabled", 1)
    await world.until_left(url, 0, 0)
    deleted = await world.call("lambda", "DeleteEventSourceMapping", UUID=mapping_id)
    assert deleted["State"] == "Deleting"
    for operation in ("GetEventSourceMapping", "DeleteEventSourceMapping", "UpdateEventSourceMapping"):
        with pytest.raises(ServiceError) as caught:
            await world.call("lambda", operation, UUID=mapping_id)
        assert caught.value.code == "ResourceNotFoundException"
    await world.sqs.send(url, "stays")
    assert await world.left(url) == ("1", "0")


async def test_a_function_that_is_at_work_ends_though_its_mapping_is_deleted(world: World) -> None:
    url = await world.sqs.create("orders")
    world.runner.gate = asyncio.Event()
    mapping_id = await world.create()
    await world.sqs.send(url, "one")
    await world.runner.wait_for(1)

    await world.call("lambda", "DeleteEventSourceMapping", UUID=mapping_id)
    await world.sqs.send(url, "stays")
    world.runner.gate.set()

    await world.until_left(url, 1, 0)
    assert world.runner.bodies == ["one"]


async def test_mappings_are_listed_by_function_and_queue_and_in_pages(world: World) -> None:
    for name in ("a", "b", "c"):
        await world.sqs.create(name)
    made = {await world.create(name) for name in ("a", "b", "c")}

    first = await world.call("lambda", "ListEventSourceMappings", FunctionName="orders", MaxItems=2)
    second = await world.call("lambda", "ListEventSourceMappings", Marker=first["NextMarker"])
    of_b = await world.call("lambda", "ListEventSourceMappings", EventSourceArn=queue_arn("b"))
    of_other = await world.call("lambda", "ListEventSourceMappings", FunctionName="other")

    listed = [*first["EventSourceMappings"], *second["EventSourceMappings"]]
    assert {mapping["UUID"] for mapping in listed} == made
    assert "NextMarker" not in second
    assert [mapping["EventSourceArn"] for mapping in of_b["EventSourceMappings"]] == [queue_arn("b")]
    assert of_other["EventSourceMappings"] == []


async def test_what_could_not_work_is_refused(world: World) -> None:
    await world.sqs.create("orders")
    await world.sqs.create("slow", VisibilityTimeout="2")
    await world.sqs.create("orders.fifo", FifoQueue="true")
    arn = queue_arn("orders")

    async def code(name: str = "orders", **parameters: Any) -> str:
        return (await world.refusal(name=name, **parameters))[0]

    invalid = "InvalidParameterValueException"
    assert await world.refusal(name="slow") == (
        invalid,
        "Queue visibility timeout: 2 seconds is less than Function timeout: 3 seconds",
    )
    assert await world.refusal(name="nowhere") == (
        invalid,
        (
            "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. "
            "SQS Error Message: The specified queue does not exist."
        ),
    )
    assert await code(BatchSize=11) == invalid
    assert await code("orders.fifo", BatchSize=11) == invalid
    assert await code("orders.fifo", MaximumBatchingWindowInSeconds=1) == invalid
    assert await code(FilterCriteria={"Filters": [{"Pattern": '{"a": "b"}'}]}) == invalid
    assert await code(FilterCriteria={"Filters": [{"Pattern": "{}"}] * 6}) == invalid
    assert await code(StartingPosition="LATEST") == "ValidationException"
    assert await code(ScalingConfig={"MaximumConcurrency": 1}) == "ValidationException"
    for source in ("arn:aws:kinesis:us-west-2:000000000000:stream/s", arn.replace(ACCOUNT, "999999999999")):
        with pytest.raises(ServiceError, match="not supported by velvetrope"):
            await world.call("lambda", "CreateEventSourceMapping", FunctionName="orders", EventSourceArn=source)
    with pytest.raises(ServiceError, match="Function not found"):
        await world.call("lambda", "CreateEventSourceMapping", FunctionName="other", EventSourceArn=arn)
    mapping_id = await world.create()
    assert mapping_id in (await world.refusal())[1]
    assert await code() == "ResourceConflictException"


async def test_a_fifo_group_is_worked_on_one_batch_at_a_time(world: World) -> None:
    url = await world.sqs.create("orders.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    world.runner.gate = asyncio.Event()
    for number in range(4):
        await world.sqs.send(url, str(number), message_group_id="a")
    await world.create("orders.fifo", BatchSize=1)
    await world.runner.wait_for(1)
    await world.sqs.send(url, "another group", message_group_id="b")
    await world.runner.wait_for(2)

    assert world.runner.bodies == ["0", "another group"]
    world.runner.gate.set()

    await world.until_left(url, 0, 0)
    assert [body for body in world.runner.bodies if body.isdecimal()] == ["0", "1", "2", "3"]


async def test_two_nodes_together_are_at_no_more_of_a_mapping_than_it_says(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_slots, "FULL_SECONDS", 0.0)
    monkeypatch.setattr(shared_slots, "PATIENCE_SECONDS", 60.0)
    there_slots = slots_of(world.sqs.database, "there")
    await there_slots.open()
    here, there = world.pollers, world.another_node(there_slots)
    mapping = EventSourceMapping(
        mapping_id="limited",
        function_arn=FUNCTION,
        event_source_arn=queue_arn("orders"),
        modified_at=world.sqs.clock.now(),
        maximum_concurrency=2,
    )

    assert [await node.may_begin(mapping) for node in (here, there, here, there)] == [True, True, False, False]
    here.has_ended(mapping)
    assert [await node.may_begin(mapping) for node in (there, here)] == [True, False]

    free = msgspec.structs.replace(mapping, mapping_id="free", maximum_concurrency=None)
    assert [await node.may_begin(free) for node in (here, there, here, there)] == [True] * 4
    await there_slots.close()


async def test_a_node_that_is_not_let_receives_nothing_and_asks_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_source_pollers, "_RETRY_SECONDS", (0.01,))
    monkeypatch.setattr(shared_slots, "FULL_SECONDS", 0.0)
    monkeypatch.setattr(shared_slots, "PATIENCE_SECONDS", 60.0)
    url = await world.sqs.create("orders")
    there_slots = slots_of(world.sqs.database, "there")
    await there_slots.open()
    there, asked, may_begin = world.another_node(there_slots), list[bool](), world.pollers.may_begin
    mapping_id = await world.create(Enabled=False, ScalingConfig={"MaximumConcurrency": 2})
    mapping = await EventSourceStore(world.sqs.database).load_mapping(mapping_id)
    assert mapping is not None
    assert [await there.may_begin(mapping) for _ in range(2)] == [True, True]

    async def noted(mapping: EventSourceMapping) -> bool:
        asked.append(await may_begin(mapping))
        return asked[-1]

    monkeypatch.setattr(world.pollers, "may_begin", noted)
    await world.call("sqs", "SendMessage", QueueUrl=url, MessageBody="one")
    await world.call("lambda", "UpdateEventSourceMapping", UUID=mapping_id, Enabled=True)

    async def refused_twice() -> bool:
        return len(asked) >= 2

    await world.until(refused_twice)
    assert not any(asked)
    assert await world.left(url) == ("1", "0")
    for _ in range(2):
        there.has_ended(mapping)
    await world.runner.wait_for(1)
    await there_slots.close()
