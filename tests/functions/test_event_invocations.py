"""Asynchronous invocation: events are kept, run, tried again on time, and their outcome is told."""

import json
import os
import signal
import socketserver
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from support.functions import (
    ACCOUNT,
    REGION,
    ROLE,
    WAIT_AT_GATE,
    Gate,
    Lambda,
    MovableClock,
    running_lambda,
    until_true,
)
from velvetrope.clock import CountingEntropy
from velvetrope.errors import ServiceError
from velvetrope.functions.configurations import DeadLetterConfig
from velvetrope.functions.errors import (
    InvalidParameterValueException,
    RequestEntityTooLargeException,
    ResourceNotFoundException,
    ServiceException,
)
from velvetrope.functions.event_operations import DestinationConfig, OnOutcome
from velvetrope.store import Database
from velvetrope.store.tables.function_events import EventStore

QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:outcomes"
DEAD_LETTERS = f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead-letters"

NOTES = """
import json, socket
def note(event, context):
    with socket.create_connection(("127.0.0.1", int(event["notebook"]))) as notebook:
        notebook.sendall((context.aws_request_id + " " + context.invoked_function_arn + chr(10)).encode())
        return int(notebook.recv(16))

def handler(event, context):
    noted = note(event, context)
    if event.get("fails"):
        raise ValueError("cannot " + event["fails"])
    return {"did": event.get("what")}
"""

WAITS_AT_A_GATE = f"""
def handler(event, context):
    note(event, context)
    {WAIT_AT_GATE}
"""


class Notebook:
    """Where functions note that they ran, and are told how many notes there are now. Its string is its port."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        notebook = self

        class Note(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                notebook.lines.append(self.rfile.readline().decode().strip())
                self.wfile.write(str(len(notebook.lines)).encode())

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Note)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def __str__(self) -> str:
        return str(self.server.server_address[1])


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
async def functions(database: Database, tmp_path: Path, clock: MovableClock) -> AsyncIterator[Lambda]:
    async with running_lambda(database, tmp_path / "functions", clock=clock) as started:
        yield started


@pytest.fixture
def notes() -> Iterator[Notebook]:
    notebook = Notebook()
    yield notebook
    notebook.server.shutdown()
    notebook.server.server_close()


@pytest.fixture
def events(database: Database) -> EventStore:
    return EventStore(database)


def lines(notes: Notebook) -> list[str]:
    return notes.lines


async def send(functions: Lambda, arn: str, **event: Any) -> str:
    """Invoke with the type Event; the request id."""
    accepted = await functions.invoke(arn, json.dumps(event, default=str).encode(), invocation_type="Event")
    assert accepted.payload == b""
    return accepted.request_id


async def settled(functions: Lambda, events: EventStore, arn: str) -> None:
    async def none_left() -> bool:
        return await events.count_events(arn) == 0

    await until_true(none_left)


async def run_again_after(functions: Lambda, clock: MovableClock, seconds: float) -> None:
    clock.moved += timedelta(seconds=seconds)
    functions.service.events.wake()


async def postponed(functions: Lambda) -> None:
    """Until nothing runs: what is still there waits for its time."""
    await functions.service.events.wait_idle()


async def tried(notes: Notebook, times: int) -> None:
    await until_true(lambda: len(lines(notes)) >= times)


async def configure(functions: Lambda, **parameters: Any) -> Any:
    return await functions.operate("put_function_event_invoke_config", function_name="orders", **parameters)


def destinations(*, success: str = "", failure: str = "") -> DestinationConfig:
    return DestinationConfig(on_success=OnOutcome(destination=success), on_failure=OnOutcome(destination=failure))


async def test_an_event_is_accepted_at_once_and_run_later(
    functions: Lambda, events: EventStore, notes: Notebook
) -> None:
    arn = await functions.create(NOTES)

    answer = await functions.operate(
        "invoke",
        function_name="orders",
        invocation_type="Event",
        payload=json.dumps({"notebook": str(notes)}).encode(),
    )

    assert answer == {"status_code": 202}
    await settled(functions, events, arn)
    assert len(lines(notes)) == 1


async def test_a_failing_event_is_tried_again_after_one_minute_and_after_two_more_under_the_same_request_id(
    functions: Lambda, clock: MovableClock, events: EventStore, notes: Notebook
) -> None:
    arn = await functions.create(NOTES)
    request_id = await send(functions, arn, notebook=notes, fails="count")
    await tried(notes, 1)
    await postponed(functions)

    await run_again_after(functions, clock, 58)
    await postponed(functions)
    assert len(lines(notes)) == 1
    await run_again_after(functions, clock, 2)
    await tried(notes, 2)
    await postponed(functions)
    await run_again_after(functions, clock, 118)
    await postponed(functions)
    assert len(lines(notes)) == 2
    await run_again_after(functions, clock, 2)

    await settled(functions, events, arn)
    assert lines(notes) == [f"{request_id} {arn}"] * 3


async def test_with_no_retries_a_failing_event_is_run_once(
    functions: Lambda, events: EventStore, notes: Notebook
) -> None:
    arn = await functions.create(NOTES)
    await configure(functions, maximum_retry_attempts=0)

    await send(functions, arn, notebook=notes, fails="count")

    await settled(functions, events, arn)
    assert len(lines(notes)) == 1


async def test_whoever_runs_the_server_hears_of_the_events_that_failed_and_of_nothing_else(
    functions: Lambda, events: EventStore, notes: Notebook
) -> None:
    """Who waits for an answer is told in it that the function failed; of an event nobody would be."""
    heard: list[tuple[str, str]] = []
    arn = await functions.create(NOTES)
    await configure(functions, maximum_retry_attempts=0)
    functions.service.invoker.tell_failures(lambda name, request_id: heard.append((name, request_id)))

    await send(functions, arn, notebook=notes, what="count")
    failed = await send(functions, arn, notebook=notes, fails="count")
    waited_for = await functions.invoke(arn, json.dumps({"notebook": str(notes), "fails": "count"}).encode())
    await settled(functions, events, arn)

    assert waited_for.function_error == "Unhandled"
    assert heard == [(arn.rpartition(":")[2], failed)]


async def test_an_event_is_run_again_no_more_once_it_would_be_older_than_its_maximum_age(
    functions: Lambda, clock: MovableClock, events: EventStore, notes: Notebook
) -> None:
    arn = await functions.create(NOTES)
    await configure(functions, maximum_event_age_in_seconds=60, destination_config=destinations(failure=QUEUE))

    await send(functions, arn, notebook=notes, fails="count")

    await settled(functions, events, arn)
    assert len(lines(notes)) == 1
    assert sent_records(functions)[0]["requestContext"]["condition"] == "EventAgeExceeded"


async def test_success_is_told_to_the_destination_of_successes_only(
    functions: Lambda, events: EventStore, notes: Notebook
) -> None:
    arn = await functions.create(NOTES)
    await configure(functions, destination_config=destinations(success=QUEUE, failure=DEAD_LETTERS))

    request_id = await send(functions, arn, notebook=notes, what="ship")

    await settled(functions, events, arn)
    [(service, operation, parameters, call)] = functions.others.calls
    assert (service, operation) == ("sqs", "SendMessage")
    assert parameters["QueueUrl"] == f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/outcomes"
    assert call.principal.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/orders/orders"
    record = json.loads(parameters["MessageBody"])
    assert record.pop("timestamp").endswith("Z")
    assert record == {
        "version": "1.0",
        "requestContext": {
            "requestId": request_id,
            "functionArn": f"{arn}:$LATEST",
            "condition": "Success",
            "approximateInvokeCount": 1,
        },
        "requestPayload": {"notebook": str(notes), "what": "ship"},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "responsePayload": {"did": "ship"},
    }


async def test_failure_is_told_to_the_destination_of_failures_and_the_event_goes_to_the_dead_letter_queue(
    functions: Lambda, events: EventStore, notes: Notebook
) -> None:
    arn = await functions.create(NOTES, dead_letter_config=DeadLetterConfig(target_arn=DEAD_LETTERS))
    await configure(functions, maximum_retry_attempts=0, destination_config=destinations(failure=QUEUE))

    request_id = await send(functions, arn, notebook=notes, fails="count")

    await settled(functions, events, arn)
    record, dead_letter = (parameters for _, _, parameters, _ in functions.others.calls)
    told = json.loads(record["MessageBody"])
    assert told["requestContext"]["condition"] == "RetriesExhausted"
    assert told["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    assert told["responsePayload"]["errorMessage"] == "cannot count"
    assert dead_letter["QueueUrl"].endswith("/dead-letters")
    assert json.loads(dead_letter["MessageBody"]) == {"notebook": str(notes), "fails": "count"}
    assert {name: value["StringValue"] for name, value in dead_letter["MessageAttributes"].items()} == {
        "RequestID": request_id,
        "ErrorCode": "200",
        "ErrorMessage": "cannot count",
    }


async def test_a_function_can_be_a_destination(functions: Lambda, events: EventStore, notes: Notebook) -> None:
    arn = await functions.create(NOTES)
    told = await functions.create(NOTES, name="told")
    await configure(functions, destination_config=destinations(success=told))

    await send(functions, arn, notebook=notes)

    await settled(functions, events, arn)
    [(service, operation, parameters, _)] = functions.others.calls
    assert (service, operation) == ("lambda", "Invoke")
    assert (parameters["FunctionName"], parameters["InvocationType"]) == (told, "Event")


async def test_a_function_without_concurrency_is_not_run_and_its_failure_told_at_once(
    functions: Lambda, events: EventStore, notes: Notebook
) -> None:
    arn = await functions.create(NOTES)
    await configure(functions, destination_config=destinations(failure=QUEUE))
    await functions.operate("put_function_concurrency", function_name="orders", reserved_concurrent_executions=0)

    await send(functions, arn, notebook=notes)

    await settled(functions, events, arn)
    context = sent_records(functions)[0]["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("ZeroReservedConcurrency", 0)
    assert "responsePayload" not in sent_records(functions)[0]
    assert lines(notes) == []


async def test_a_destination_that_refuses_loses_the_record_and_one_that_cannot_answer_is_asked_again(
    functions: Lambda, clock: MovableClock, events: EventStore, notes: Notebook
) -> None:
    class AccessDenied(ServiceError):
        code, http_status = "AccessDenied", 403

    arn = await functions.create(NOTES)
    await configure(functions, destination_config=destinations(success=QUEUE))
    functions.others.refusal = AccessDenied("the role may not")
    await send(functions, arn, notebook=notes)
    await settled(functions, events, arn)
    assert len(functions.others.calls) == 1
    functions.others.refusal = ServiceException("later")

    await send(functions, arn, notebook=notes)
    await until_true(lambda: len(functions.others.calls) == 2)
    await postponed(functions)
    functions.others.refusal = None
    await run_again_after(functions, clock, 2)

    await settled(functions, events, arn)
    assert len(functions.others.calls) == 3
    assert len(lines(notes)) == 2


async def test_an_event_whose_function_cannot_be_run_waits_longer_each_time(
    functions: Lambda, clock: MovableClock, events: EventStore, notes: Notebook
) -> None:
    arn = await functions.create(NOTES)
    role = f"arn:aws:iam::{ACCOUNT}:role/orders"
    functions.roles.refused.add(role)
    await send(functions, arn, notebook=notes)
    due = []
    for _ in range(3):
        await postponed(functions)
        due_at = await events.load_next_due()
        assert due_at is not None
        due.append((due_at - clock.now()).total_seconds())
        await run_again_after(functions, clock, due[-1] + 0.001)

    functions.roles.refused.clear()
    await postponed(functions)
    await run_again_after(functions, clock, 60)

    await settled(functions, events, arn)
    assert [round(seconds) for seconds in due] == [1, 2, 4]
    assert len(lines(notes)) == 1


async def test_an_event_that_was_running_when_the_server_went_is_run_again_after_its_restart(
    database: Database, tmp_path: Path, events: EventStore, notes: Notebook
) -> None:
    folder = tmp_path / "functions"
    async with running_lambda(database, folder) as first:
        arn = await first.create(NOTES + "    import time; time.sleep(60)\n", timeout=900)
        await first.create(
            NOTES.replace("if event", "if noted == 1: __import__('time').sleep(60)\n    if event"),
            name="again",
            timeout=900,
        )
        arn = arn.replace("orders", "again")
        request_id = await send(first, arn, notebook=notes)
        await tried(notes, 1)

    async with running_lambda(database, folder) as second:
        await settled(second, events, arn)

    assert [line.split()[0] for line in lines(notes)] == [request_id] * 2


async def test_no_event_is_lost_by_servers_that_stop_and_sandboxes_that_are_killed(
    database: Database, tmp_path: Path, events: EventStore, notes: Notebook, clock: MovableClock
) -> None:
    sent: set[str] = set()
    arn, entropy = "", CountingEntropy()
    for life in range(3):
        async with running_lambda(database, tmp_path / "functions", clock=clock, entropy=entropy) as functions:
            arn = arn or await functions.create(NOTES)
            sent |= {await send(functions, arn, notebook=notes, what=f"{life} {number}") for number in range(20)}
            await tried(notes, 20 * life + 5)
            for process_id in functions.service.invoker.process_ids():
                with suppress(ProcessLookupError):
                    os.kill(process_id, signal.SIGKILL)

    async with running_lambda(database, tmp_path / "functions", clock=clock, entropy=entropy) as last:
        await last.service.events.wait_idle()
        await run_again_after(last, clock, 60)
        await settled(last, events, arn)

    # Who was killed while it wrote has left an empty line.
    assert {line.split()[0] for line in lines(notes) if line} == sent
    assert len(sent) == 60


async def test_a_clock_that_leaps_does_not_run_again_what_is_running(
    functions: Lambda, clock: MovableClock, events: EventStore, notes: Notebook
) -> None:
    """A machine that slept for an hour wakes up in the middle of an event, whose time of holding is long over."""
    arn = await functions.create(NOTES + WAITS_AT_A_GATE, timeout=900)
    async with Gate() as gate:
        await send(functions, arn, notebook=notes, gate=gate.port)
        await tried(notes, 1)

        clock.moved += timedelta(hours=1)
        await send(functions, arn, notebook=notes)
        await tried(notes, 2)
        await until_true(lambda: len(functions.service.events.running) == 1)
        gate.open()

        await settled(functions, events, arn)
        assert len(lines(notes)) == 2


async def test_events_of_an_alias_go_by_the_aliass_own_configuration(
    functions: Lambda, events: EventStore, notes: Notebook
) -> None:
    arn = await functions.create(NOTES, publish=True)
    await functions.operate("create_alias", function_name="orders", name="live", function_version="1")
    await configure(functions, qualifier="live", maximum_retry_attempts=0)

    await send(functions, f"{arn}:live", notebook=notes, fails="count")

    await settled(functions, events, arn)
    assert [line.split()[1] for line in lines(notes)] == [f"{arn}:live"]


async def test_an_event_of_one_megabyte_is_taken_and_one_byte_more_is_not(functions: Lambda, notes: Notebook) -> None:
    arn = await functions.create("def handler(event, context): return None")

    await functions.invoke(arn, b'"' + b"a" * 1_048_574 + b'"', invocation_type="Event")
    with pytest.raises(RequestEntityTooLargeException) as refused:
        await functions.invoke(arn, b'"' + b"a" * 1_048_575 + b'"', invocation_type="Event")

    assert refused.value.message == (
        "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)"
    )


async def test_an_event_for_a_function_that_is_not_there_is_refused(functions: Lambda) -> None:
    with pytest.raises(ResourceNotFoundException):
        await send(functions, f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:gone")


async def test_a_deleted_function_takes_its_events_along(
    functions: Lambda, events: EventStore, notes: Notebook
) -> None:
    arn = await functions.create(NOTES)
    await send(functions, arn, notebook=notes, fails="count")
    await tried(notes, 1)
    await postponed(functions)

    await functions.operate("delete_function", function_name="orders")

    assert await events.count_events(arn) == 0


async def test_the_configuration_is_put_updated_shown_listed_and_deleted(functions: Lambda) -> None:
    arn = await functions.create(NOTES)

    put = await configure(functions, maximum_retry_attempts=1, destination_config=destinations(failure=QUEUE))
    updated = await functions.operate(
        "update_function_event_invoke_config", function_name="orders", maximum_event_age_in_seconds=60
    )
    shown = await functions.operate("get_function_event_invoke_config", function_name="orders")
    listed = await functions.operate("list_function_event_invoke_configs", function_name="orders")
    replaced = await configure(functions, maximum_retry_attempts=0)
    await functions.operate("delete_function_event_invoke_config", function_name="orders")

    assert put["function_arn"] == f"{arn}:$LATEST"
    assert put["destination_config"]["on_failure"] == {"destination": QUEUE}
    assert (updated["maximum_retry_attempts"], updated["maximum_event_age_in_seconds"]) == (1, 60)
    assert shown == updated
    assert listed["function_event_invoke_configs"] == [shown]
    assert replaced["maximum_event_age_in_seconds"] is None
    with pytest.raises(ResourceNotFoundException, match="doesn't have an EventInvokeConfig"):
        await functions.operate("get_function_event_invoke_config", function_name="orders")
    with pytest.raises(ResourceNotFoundException, match="doesn't have an EventInvokeConfig"):
        await functions.operate("delete_function_event_invoke_config", function_name="orders")


@pytest.mark.parametrize(
    "arn",
    [
        f"arn:aws:sns:{REGION}:{ACCOUNT}:topic",
        f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default",
        f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue.fifo",
        f"arn:aws:sqs:eu-west-1:{ACCOUNT}:queue",
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:orders",
    ],
)
async def test_what_could_not_be_told_is_refused_as_a_destination(functions: Lambda, arn: str) -> None:
    await functions.create(NOTES)

    with pytest.raises(InvalidParameterValueException):
        await configure(functions, destination_config=destinations(failure=arn))


@pytest.mark.parametrize("gone", [QUEUE, f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:gone"])
async def test_a_destination_that_is_not_there_is_refused_when_it_is_configured(functions: Lambda, gone: str) -> None:
    await functions.create(NOTES)
    functions.queues.missing.add(QUEUE)

    with pytest.raises(InvalidParameterValueException, match=rf"^The destination ARN {gone} is invalid\.$"):
        await configure(functions, destination_config=destinations(failure=gone))

    with pytest.raises(ResourceNotFoundException):
        await functions.operate("get_function_event_invoke_config", function_name="orders")


async def test_a_dead_letter_queue_that_is_not_there_is_refused_when_it_is_configured(functions: Lambda) -> None:
    functions.queues.missing.add(DEAD_LETTERS)
    said = rf"^The dead-letter target ARN {DEAD_LETTERS} is invalid\.$"
    with pytest.raises(InvalidParameterValueException, match=said):
        await functions.create(NOTES, dead_letter_config=DeadLetterConfig(target_arn=DEAD_LETTERS))
    functions.queues.missing.clear()
    await functions.create(NOTES, dead_letter_config=DeadLetterConfig(target_arn=DEAD_LETTERS))
    functions.queues.missing.add(DEAD_LETTERS)

    with pytest.raises(InvalidParameterValueException, match=said):
        await functions.operate(
            "update_function_configuration",
            function_name="orders",
            dead_letter_config=DeadLetterConfig(target_arn=DEAD_LETTERS),
        )
    await functions.operate("update_function_configuration", function_name="orders", role=ROLE)


async def test_a_topic_is_refused_as_a_dead_letter_target(functions: Lambda) -> None:
    with pytest.raises(InvalidParameterValueException, match="is not supported here"):
        await functions.create(
            NOTES, dead_letter_config=DeadLetterConfig(target_arn=f"arn:aws:sns:{REGION}:{ACCOUNT}:topic")
        )


async def test_a_configuration_of_nothing_or_of_a_qualifier_that_is_not_there_is_refused(functions: Lambda) -> None:
    await functions.create(NOTES)

    with pytest.raises(InvalidParameterValueException):
        await configure(functions)
    with pytest.raises(ResourceNotFoundException):
        await configure(functions, qualifier="live", maximum_retry_attempts=0)


async def test_a_service_that_may_not_invoke_may_not_leave_an_event_either(functions: Lambda) -> None:
    from velvetrope.functions import InvokeNotPermitted
    from velvetrope.principals import service_principal

    arn = await functions.create(NOTES)

    with pytest.raises(InvokeNotPermitted):
        await functions.invoke(
            arn, b"{}", invocation_type="Event", caller=service_principal("apigateway.amazonaws.com")
        )


def sent_records(functions: Lambda) -> list[dict[str, Any]]:
    return [json.loads(parameters["MessageBody"]) for _, _, parameters, _ in functions.others.calls]
