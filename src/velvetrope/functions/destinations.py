"""Where the outcome of an asynchronous invocation is sent: a queue of ours, or another function.

    check_destination(arn, ...)                           when it is configured, and
    await destinations.check_destination_works(arn, role=...)
    await destinations.check_dead_letters_allowed(arn, role=...)
    await destinations.check_dead_letters_exist(arn)
    await destinations.send_record(arn, record, role=...)         an on-success or on-failure destination
    await destinations.send_event(arn, event, payload, role=...)  a dead-letter queue

A destination gets one JSON record with the event and what came of it. A dead-letter queue gets the event as it was, and
message attributes that say what went wrong. Both are sent as the function's execution role, by calling the other
service's operation in process: so that role needs `sqs:SendMessage` or `lambda:InvokeFunction` on the target, the call
is judged like anybody's, and its refusal is in the decision records. Whether the role may, and whether the target is
there, is asked when the target is configured too, as on AWS; either may change afterwards.

Topics, event buses, buckets and Kafka are refused by name.

Source: AWS Lambda Developer Guide, "Capturing records of Lambda asynchronous invocations"; reference/lambda.md
section 7.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC
from typing import Protocol

from velvetrope.clock import Clock
from velvetrope.functions.errors import InvalidParameterValueException
from velvetrope.functions.judged_operations import JudgedOperations
from velvetrope.functions.names import parse_function_name
from velvetrope.operations import Call
from velvetrope.principals import Principal
from velvetrope.store.tables.function_events import FunctionEvent, Outcome
from velvetrope.store.tables.functions import FunctionStore

__all__ = ["Destinations", "ExistingQueues", "check_dead_letter_target", "check_destination", "render_record"]

_QUEUE = re.compile(
    r"arn:aws:sqs:(?P<region>[a-z0-9-]+):(?P<account_id>\d{12}):(?P<name>[A-Za-z0-9_-]{1,80}(?:\.fifo)?)"
)
_MAX_ERROR_MESSAGE = 1024
"""A dead-letter queue is told the first KB of the error's message."""


def check_destination(arn: str, *, function_arn: str, account_id: str, region: str) -> None:
    """Refuse a destination that we could not send to. Empty means none.

    Raises:
        InvalidParameterValueException: neither a standard queue nor a function of this account and region, or the
            function itself.
        ResourceNotFoundException: the function is of another account or region.
    """
    if not arn or _is_queue(arn, account_id, region):
        return
    if not arn.startswith("arn:aws:lambda:"):
        raise InvalidParameterValueException(
            f"The destination {arn} is not supported here. Use a standard SQS queue or a Lambda function of this "
            "account and region."
        )
    target = parse_function_name(arn, account_id=account_id, region=region)
    if target.arn == function_arn:
        # It would be told of its own failures for ever.
        raise InvalidParameterValueException("You can't specify the function as a destination for itself.")


def check_dead_letter_target(arn: str, *, account_id: str, region: str) -> None:
    """Refuse a dead-letter target that is no standard queue. Empty means none.

    Raises:
        InvalidParameterValueException: something else, a topic for example.
    """
    if arn and not _is_queue(arn, account_id, region):
        raise InvalidParameterValueException(
            f"The dead-letter target {arn} is not supported here. Use a standard SQS queue of this account and region."
        )


def _is_queue(arn: str, account_id: str, region: str) -> bool:
    found = _QUEUE.fullmatch(arn)
    if found is None or (found["account_id"], found["region"]) != (account_id, region):
        return False
    # Lambda does not send to FIFO queues: it has no group id to give (Lambda Developer Guide, as above).
    return not found["name"].endswith(".fifo")


def render_record(event: FunctionEvent, outcome: Outcome, payload: bytes) -> bytes:
    """The record that destinations get, as JSON."""
    record: dict[str, object] = {
        "version": "1.0",
        "timestamp": outcome.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": event.request_id,
            "functionArn": f"{event.function_arn}:{event.qualifier or '$LATEST'}",
            "condition": outcome.condition,
            "approximateInvokeCount": event.invocations,
        },
        "requestPayload": json.loads(payload),
    }
    if outcome.executed_version:
        response: dict[str, object] = {"statusCode": 200, "executedVersion": outcome.executed_version}
        if outcome.function_error is not None:
            response["functionError"] = outcome.function_error
        record["responseContext"] = response
        record["responsePayload"] = _as_json(outcome.payload)
    return json.dumps(record, separators=(",", ":")).encode()


class ExistingQueues(Protocol):
    """Which queues there are, whoever may use them: `sqs.Queues`."""

    async def exist(self, queue_arn: str) -> bool:
        """Whether there is a queue of that ARN."""
        ...


class Destinations:
    """Calls the other services, once it is connected to them. Sending raises what the other service refuses with."""

    def __init__(self, functions: FunctionStore, clock: Clock, *, account_id: str, region: str) -> None:
        self._functions = functions
        self._clock = clock
        self._account_id = account_id
        self._region = region
        self._operations: JudgedOperations | None = None
        self._queues: ExistingQueues | None = None

    def connect(self, operations: JudgedOperations, queues: ExistingQueues) -> None:
        """Hand over the other services."""
        self._operations = operations
        self._queues = queues

    async def check_destination_works(self, arn: str, *, role: Principal) -> None:
        """Refuse an on-success or on-failure destination that is not there, or that the role may not send to: AWS
        tells the two apart for nobody. An empty one is none.

        Raises:
            InvalidParameterValueException: it could not be told.

        Source: reports of AWS's answer in the documentation of deployment tools (Pulumi's and Terraform's
        FunctionEventInvokeConfig).
        """
        if arn and not (await self._allows(arn, role) and await self._exists(arn)):
            raise InvalidParameterValueException(f"The destination ARN {arn} is invalid.", detail=role.arn)

    async def check_dead_letters_allowed(self, arn: str, *, role: Principal) -> None:
        """Refuse a dead-letter queue that the role may not send to. An empty one is none.

        Raises:
            InvalidParameterValueException: it may not.
        """
        if arn and not await self._allows(arn, role):
            # What deployment tools retry on.
            raise InvalidParameterValueException(
                "The provided execution role does not have permissions to call SendMessage on SQS",
                detail=f"{role.arn}: {arn}",
            )

    async def check_dead_letters_exist(self, arn: str) -> None:
        """Refuse a dead-letter queue that is not there. An empty one is none.

        Raises:
            InvalidParameterValueException: no such queue.
        """
        if arn and not await self._exists(arn):
            # UNVERIFIED: AWS's exact words, after those for its siblings.
            raise InvalidParameterValueException(f"The dead-letter target ARN {arn} is invalid.")

    async def _allows(self, arn: str, role: Principal) -> bool:
        operations, _ = self._connected()
        return await operations.allows(*self._calling(arn, "{}", {}), self._call(role))

    async def _exists(self, arn: str) -> bool:
        _, queues = self._connected()
        if not arn.startswith("arn:aws:lambda:"):
            return await queues.exist(arn)
        reference = parse_function_name(arn, account_id=self._account_id, region=self._region)
        return await self._functions.load_target(reference.arn, reference.qualifier) is not None

    async def send_record(self, arn: str, record: bytes, *, role: Principal) -> None:
        """Send a record to an on-success or on-failure destination.

        Raises:
            ServiceError: the queue or function is gone, the role may not, or the record is too large.
        """
        operations, _ = self._connected()
        await operations.invoke(*self._calling(arn, record.decode(), {}), self._call(role))

    async def send_event(
        self, queue_arn: str, event: FunctionEvent, outcome: Outcome, payload: bytes, *, role: Principal
    ) -> None:
        """Send the event itself to a dead-letter queue.

        Raises:
            ServiceError: the queue is gone, the role may not, or the event is too large for it.
        """
        attributes = {
            "RequestID": {"DataType": "String", "StringValue": event.request_id},
            # The status of the invocation: 200 if the function was run and failed.
            "ErrorCode": {"DataType": "Number", "StringValue": "200" if outcome.executed_version else "429"},
            "ErrorMessage": {"DataType": "String", "StringValue": _error_message(outcome)},
        }
        operations, _ = self._connected()
        await operations.invoke(*self._calling(queue_arn, payload.decode(), attributes), self._call(role))

    def _calling(
        self, arn: str, body: str, attributes: Mapping[str, Mapping[str, str]]
    ) -> tuple[str, str, dict[str, object]]:
        """The service, the operation and its parameters that give `body` to a target."""
        if arn.startswith("arn:aws:lambda:"):
            return "lambda", "Invoke", {"FunctionName": arn, "InvocationType": "Event", "Payload": body.encode()}
        name = arn.rpartition(":")[2]
        parameters: dict[str, object] = {
            "QueueUrl": f"https://sqs.{self._region}.amazonaws.com/{self._account_id}/{name}",
            "MessageBody": body,
        }
        if attributes:
            parameters["MessageAttributes"] = attributes
        return "sqs", "SendMessage", parameters

    def _connected(self) -> tuple[JudgedOperations, ExistingQueues]:
        if self._operations is None or self._queues is None:
            raise RuntimeError("destinations are not connected to the other services")
        return self._operations, self._queues

    def _call(self, role: Principal) -> Call:
        now = self._clock.now()
        return Call(principal=role, account_id=self._account_id, region=self._region, request_id="", now=now)


def _as_json(payload: bytes) -> object:
    try:
        return json.loads(payload)
    except ValueError:
        # What a bootstrap executable answers need not be JSON.
        return payload.decode("utf-8", "replace")


def _error_message(outcome: Outcome) -> str:
    answered = _as_json(outcome.payload) if outcome.payload else None
    message = answered.get("errorMessage") if isinstance(answered, dict) else None
    text = message if isinstance(message, str) and message else outcome.condition
    return text.encode()[:_MAX_ERROR_MESSAGE].decode("utf-8", "ignore")
