"""Where the outcome of an asynchronous invocation is sent: a queue of ours, or another function.

    check_destination(arn, ...)                           when it is configured, and
    await destinations.check_allowed(arn, role=...)
    await destinations.send_record(arn, record, role=...)         an on-success or on-failure destination
    await destinations.send_event(arn, event, payload, role=...)  a dead-letter queue

A destination gets one JSON record with the event and what came of it. A dead-letter queue gets the event as it was, and
message attributes that say what went wrong. Both are sent as the function's execution role, by calling the other
service's operation in process: so that role needs `sqs:SendMessage` or `lambda:InvokeFunction` on the target, the call
is judged like anybody's, and its refusal is in the decision records. Whether the role may is asked when the target is
configured too, as on AWS; the policies may change afterwards.

Topics, event buses, buckets and Kafka are refused by name.

Source: AWS Lambda Developer Guide, "Capturing records of Lambda asynchronous invocations"; reference/lambda.md
section 7.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC

from velvetrope.clock import Clock
from velvetrope.functions.errors import InvalidParameterValueException
from velvetrope.functions.judged_operations import JudgedOperations
from velvetrope.functions.names import parse_function_name
from velvetrope.operations import Call
from velvetrope.principals import Principal
from velvetrope.store.tables.function_events import FunctionEvent, Outcome

__all__ = ["Destinations", "check_dead_letter_target", "check_destination", "render_record"]

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
        # UNVERIFIED: AWS's exact words. A function that is told of its own failures would be told for ever.
        raise InvalidParameterValueException("The destination of a function cannot be the function itself.")


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


class Destinations:
    """Calls the other services, once it is connected to them. Sending raises what the other service refuses with."""

    def __init__(self, clock: Clock, *, account_id: str, region: str) -> None:
        self._clock = clock
        self._account_id = account_id
        self._region = region
        self._operations: JudgedOperations | None = None

    def connect(self, operations: JudgedOperations) -> None:
        """Hand over the other services."""
        self._operations = operations

    async def check_allowed(self, arn: str, *, role: Principal) -> None:
        """Refuse a target that the role may not send to. An empty one is none.

        Raises:
            InvalidParameterValueException: it may not.
        """
        if not arn:
            return
        service, operation, parameters = self._calling(arn, "{}", {})
        if not await self._connected().allows(service, operation, parameters, self._call(role)):
            # UNVERIFIED: the words for functions. Those for queues are what deployment tools retry on.
            what = "SendMessage on SQS" if service == "sqs" else f"InvokeFunction on {arn}"
            raise InvalidParameterValueException(
                f"The provided execution role does not have permissions to call {what}", detail=f"{role.arn}: {arn}"
            )

    async def send_record(self, arn: str, record: bytes, *, role: Principal) -> None:
        """Send a record to an on-success or on-failure destination.

        Raises:
            ServiceError: the queue or function is gone, the role may not, or the record is too large.
        """
        service, operation, parameters = self._calling(arn, record.decode(), {})
        await self._connected().invoke(service, operation, parameters, self._call(role))

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
        service, operation, parameters = self._calling(queue_arn, payload.decode(), attributes)
        await self._connected().invoke(service, operation, parameters, self._call(role))

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

    def _connected(self) -> JudgedOperations:
        if self._operations is None:
            raise RuntimeError("destinations are not connected to the other services")
        return self._operations

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
