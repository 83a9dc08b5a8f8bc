"""What a function gets of a queue, and what it answers: SQS's event, the filters, the failures of a batch.

    chosen, dropped = choose_messages(messages, patterns, event_source_arn=..., region=...)
    for batch in batches_of(chosen, size=10):
        payload = render_event(batch, event_source_arn=..., region=...)
    failed = parse_failures(result_payload, {message ids of the batch})

Messages are as ReceiveMessage answers them, in the wire's names.

Source: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS" (event, "Implementing partial batch responses"),
"Control which events Lambda sends to your function" (filters and bodies of SQS messages).
"""

import base64
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from velvetrope.events.filter_patterns import FilterPattern

__all__ = ["RECORD_KEYS", "Message", "batches_of", "choose_messages", "parse_failures", "render_event"]

Message = Mapping[str, Any]

MAX_EVENT_BYTES = 6_291_456
"""The payload of one synchronous invocation."""
_ENVELOPE_BYTES = 64
RECORD_KEYS = frozenset(
    {
        "messageId",
        "receiptHandle",
        "body",
        "attributes",
        "messageAttributes",
        "md5OfBody",
        "md5OfMessageAttributes",
        "eventSource",
        "eventSourceARN",
        "awsRegion",
    }
)
"""What a filter can ask about."""


def render_event(messages: Sequence[Message], *, event_source_arn: str, region: str) -> bytes:
    """The event, as JSON."""
    records = [_record(message, event_source_arn, region) for message in messages]
    return _as_json({"Records": records})


def batches_of(messages: Sequence[Message], *, size: int, event_source_arn: str, region: str) -> list[list[Message]]:
    """`messages` in order, in events of at most `size` records that an invocation can carry.

    A single message always fits: a body of 1 MiB is at most 6 MiB of JSON only if it is all control characters, which
    SQS does not take.
    """
    batches: list[list[Message]] = []
    room = 0
    for message in messages:
        needed = len(_as_json(_record(message, event_source_arn, region))) + 1
        if not batches or len(batches[-1]) >= size or needed > room:
            batches.append([])
            room = MAX_EVENT_BYTES - _ENVELOPE_BYTES
        batches[-1].append(message)
        room -= needed
    return batches


def choose_messages(
    messages: Sequence[Message], patterns: Sequence[FilterPattern], *, event_source_arn: str, region: str
) -> tuple[list[Message], list[Message]]:
    """Those that one of the patterns matches, and the rest; without patterns, all."""
    if not patterns:
        return list(messages), []
    chosen: list[Message] = []
    dropped: list[Message] = []
    for message in messages:
        record = _record(message, event_source_arn, region)
        (chosen if _is_chosen(record, patterns) else dropped).append(message)
    return chosen, dropped


def parse_failures(payload: bytes, message_ids: Collection[str]) -> set[str]:
    """The ids of the messages that the function has not got done.

    Nothing, null, an empty object or an empty list says that all went well. What cannot be understood says that
    nothing did: not JSON, an entry without an id, and (UNVERIFIED, the safer reading) an id of no message of the batch.
    """
    try:
        answered = json.loads(payload) if payload else None
    except ValueError:
        return set(message_ids)
    if answered is None:
        return set()
    if not isinstance(answered, dict):
        # A handler that answers something of its own has not reported failures.
        return set()
    failures = answered.get("batchItemFailures")
    if failures is None:
        return set()
    if not isinstance(failures, list):
        return set(message_ids)
    found = [entry.get("itemIdentifier") if isinstance(entry, dict) else None for entry in failures]
    known = {one for one in found if isinstance(one, str) and one in message_ids}
    return known if all(isinstance(one, str) and one in known for one in found) else set(message_ids)


def _record(message: Message, event_source_arn: str, region: str) -> dict[str, object]:
    record: dict[str, object] = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {name: _attribute(value) for name, value in message.get("MessageAttributes", {}).items()},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": event_source_arn,
        "awsRegion": region,
    }
    digest = message.get("MD5OfMessageAttributes")
    if digest is not None:
        record["md5OfMessageAttributes"] = digest
    return record


def _attribute(value: Mapping[str, Any]) -> dict[str, object]:
    binary = value.get("BinaryValue")
    shown: dict[str, object] = {} if binary is None else {"binaryValue": base64.b64encode(binary).decode()}
    if "StringValue" in value:
        shown["stringValue"] = value["StringValue"]
    return shown | {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}


def _is_chosen(record: Mapping[str, Any], patterns: Sequence[FilterPattern]) -> bool:
    try:
        body = json.loads(record["body"])
    except (ValueError, RecursionError):
        body = None
    # A pattern for an object's members never matches a body that is plain text, nor the other way round.
    seen = {**record, "body": body} if isinstance(body, dict) else record
    return any(pattern.matches(seen) for pattern in patterns)


def _as_json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
