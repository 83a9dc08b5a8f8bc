"""The attributes of a queue: names and texts on the wire, a `Queue` record here.

All values travel as text. What a client may set is in one table with its bounds; a name that is not in it, or not for
this kind of queue, is refused, and so is encryption with a KMS key: messages are kept as all
else is, unsealed.

Source: Amazon SQS API Reference, CreateQueue, SetQueueAttributes and GetQueueAttributes.
"""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from velvetrope.arn import InvalidArn, parse_arn
from velvetrope.policy import MalformedPolicy, parse_policy
from velvetrope.sqs.errors import InvalidAttributeName, InvalidAttributeValue, InvalidParameterValueException
from velvetrope.store.tables.queues import MessageCounts, Queue

__all__ = ["AllowedSources", "apply_attributes", "parse_allowed_sources", "render_attributes"]

MAX_RECEIVE_COUNT = 1000
MAX_SOURCE_QUEUES = 10
MAX_POLICY_BYTES = 8192
"""Source: SQS Developer Guide, "Policy quotas"."""


@dataclass(frozen=True, slots=True)
class AllowedSources:
    """Which queues may make this one their dead-letter queue. `arns` is None for all of the account and region."""

    arns: frozenset[str] | None

    def allows(self, queue_arn: str) -> bool:
        """Whether that queue may."""
        return self.arns is None or queue_arn in self.arns


_NUMBERS: Mapping[str, tuple[str, int, int]] = {
    "DelaySeconds": ("delay_seconds", 0, 900),
    "MaximumMessageSize": ("max_message_bytes", 1024, 1_048_576),
    "MessageRetentionPeriod": ("retention_seconds", 60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": ("receive_wait_seconds", 0, 20),
    "VisibilityTimeout": ("visibility_timeout_seconds", 0, 43_200),
}
"""Field, smallest and largest value."""

_CHOICES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "DeduplicationScope": ("deduplication_scope", ("messageGroup", "queue")),
    "FifoThroughputLimit": ("throughput_limit", ("perQueue", "perMessageGroupId")),
}
_FLAGS: Mapping[str, str] = {
    "ContentBasedDeduplication": "content_based_deduplication",
    "SqsManagedSseEnabled": "sqs_managed_sse",
}
_FIFO_ONLY = frozenset({"ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"})


def apply_attributes(queue: Queue, attributes: Mapping[str, str]) -> Queue:
    """The queue with these attributes. That a dead-letter queue exists and allows it is not checked here.

    Raises:
        InvalidAttributeName: no such attribute, or not for this kind of queue.
        InvalidAttributeValue, InvalidParameterValueException: it cannot have this value.
    """
    changes: dict[str, object] = {}
    for name, value in attributes.items():
        changes |= _change(queue, name, value)
    changed = msgspec.structs.replace(queue, **changes)
    if changed.throughput_limit == "perMessageGroupId" and changed.deduplication_scope != "messageGroup":
        raise InvalidAttributeValue(
            "The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup."
        )
    return changed


def _change(queue: Queue, name: str, value: str) -> Mapping[str, object]:
    """Which fields of a queue this attribute sets, and to what."""
    if name == "FifoQueue":
        if (value == "true") != queue.fifo:
            raise InvalidAttributeValue("Invalid value for the parameter FifoQueue.")
        return {}
    if name in _FIFO_ONLY and not queue.fifo:
        raise InvalidAttributeName(f"Unknown Attribute {name}.")
    if name in _NUMBERS:
        field, smallest, largest = _NUMBERS[name]
        return {field: _parse_number(name, value, smallest, largest)}
    if name in _CHOICES:
        field, choices = _CHOICES[name]
        if value not in choices:
            raise _invalid(name)
        return {field: value}
    if name in _FLAGS:
        if value.lower() not in {"true", "false"}:
            raise _invalid(name)
        return {_FLAGS[name]: value.lower() == "true"}
    if name in _DOCUMENTS:
        return _DOCUMENTS[name](value)
    if not name.startswith("Kms"):
        raise InvalidAttributeName(f"Unknown Attribute {name}.")
    if value:
        raise InvalidAttributeValue(
            f"velvetrope does not support the attribute {name}: messages are not encrypted with a KMS key."
        )
    return {}


def render_attributes(queue: Queue, wanted: Collection[str], counts: MessageCounts | None) -> dict[str, str]:
    """The attributes of these names, `All` for every one; those that are not set are left out.

    `counts` may be None if no attribute that counts messages is wanted.
    """
    found: dict[str, str] = {
        "QueueArn": queue.arn,
        "CreatedTimestamp": _seconds(queue.created_at),
        "LastModifiedTimestamp": _seconds(queue.modified_at),
        **{name: str(getattr(queue, field)) for name, (field, _, _) in _NUMBERS.items()},
        "SqsManagedSseEnabled": _flag(queue.sqs_managed_sse),
        "Policy": queue.policy,
        "RedrivePolicy": queue.redrive_policy,
        "RedriveAllowPolicy": queue.redrive_allow_policy,
    }
    if counts is not None:
        found |= {
            "ApproximateNumberOfMessages": str(counts.visible),
            "ApproximateNumberOfMessagesNotVisible": str(counts.in_flight),
            "ApproximateNumberOfMessagesDelayed": str(counts.delayed),
        }
    if queue.fifo:
        found |= {
            "FifoQueue": "true",
            "ContentBasedDeduplication": _flag(queue.content_based_deduplication),
            "DeduplicationScope": queue.deduplication_scope,
            "FifoThroughputLimit": queue.throughput_limit,
        }
    return {name: value for name, value in found.items() if value and ("All" in wanted or name in wanted)}


def parse_allowed_sources(document: str) -> AllowedSources:
    """What a RedriveAllowPolicy says; an empty one allows all.

    Raises:
        InvalidAttributeValue: not such a document.
    """
    if not document:
        return AllowedSources(None)
    read = _parse_object("RedriveAllowPolicy", document, {"redrivePermission", "sourceQueueArns"})
    permission, sources = read.get("redrivePermission"), read.get("sourceQueueArns")
    if permission == "byQueue":
        if not isinstance(sources, list) or not 1 <= len(sources) <= MAX_SOURCE_QUEUES:
            raise _unusable("RedriveAllowPolicy", document, "sourceQueueArns has 1 to 10 ARNs with byQueue.")
        return AllowedSources(frozenset(_parse_queue_arn("RedriveAllowPolicy", document, source) for source in sources))
    if permission not in {"allowAll", "denyAll"} or sources is not None:
        raise _unusable(
            "RedriveAllowPolicy", document, "redrivePermission is allowAll, denyAll, or byQueue with sourceQueueArns."
        )
    return AllowedSources(None if permission == "allowAll" else frozenset())


def _parse_redrive_policy(document: str) -> dict[str, object]:
    if not document:
        return {"redrive_policy": "", "dead_letter_target_arn": "", "max_receive_count": 0}
    name = "RedrivePolicy"
    read = _parse_object(name, document, {"deadLetterTargetArn", "maxReceiveCount"})
    target, count = read.get("deadLetterTargetArn"), read.get("maxReceiveCount")
    # CloudFormation's templates and older clients send the number as text.
    number = int(count) if isinstance(count, str) and count.isascii() and count.isdecimal() else count
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MAX_RECEIVE_COUNT:
        raise _unusable(
            name,
            document,
            f"Invalid value for maxReceiveCount: {count}, valid values are from 1 to 1000 both inclusive.",
        )
    return {
        "redrive_policy": document,
        "dead_letter_target_arn": _parse_queue_arn(name, document, target),
        "max_receive_count": number,
    }


def _parse_redrive_allow_policy(document: str) -> dict[str, object]:
    parse_allowed_sources(document)
    return {"redrive_allow_policy": document}


def _parse_policy(document: str) -> dict[str, object]:
    if document:
        try:
            parse_policy(document, kind="resource")
        except MalformedPolicy as err:
            raise InvalidAttributeValue("Invalid value for the parameter Policy.", detail=err.message) from err
        if len(document.encode()) > MAX_POLICY_BYTES:
            raise InvalidAttributeValue(
                "Invalid value for the parameter Policy.", detail="It is longer than 8192 bytes."
            )
    return {"policy": document}


_DOCUMENTS: Mapping[str, Callable[[str], dict[str, object]]] = {
    "Policy": _parse_policy,
    "RedrivePolicy": _parse_redrive_policy,
    "RedriveAllowPolicy": _parse_redrive_allow_policy,
}


def _parse_object(name: str, document: str, members: Collection[str]) -> dict[str, object]:
    try:
        read = json.loads(document)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict):
        raise _unusable(name, document, "Redrive policy is not a valid JSON map.")
    for member in read:
        if member not in members:
            raise _unusable(name, document, f"Amazon SQS can't create the redrive policy: unknown member {member}.")
    return read


def _parse_queue_arn(name: str, document: str, arn: object) -> str:
    try:
        parsed = parse_arn(arn) if isinstance(arn, str) else None
    except InvalidArn:
        parsed = None
    if parsed is None or parsed.service != "sqs":
        raise _unusable(name, document, f"Invalid value for a queue's ARN: {arn}.")
    return str(parsed)


def _parse_number(name: str, value: str, smallest: int, largest: int) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) <= 9) or not smallest <= int(value) <= largest:
        raise _invalid(name)
    return int(value)


def _invalid(name: str) -> InvalidAttributeValue:
    return InvalidAttributeValue(f"Invalid value for the parameter {name}.")


def _unusable(name: str, document: str, reason: str) -> InvalidParameterValueException:
    return InvalidParameterValueException(f"Value {document} for parameter {name} is invalid. Reason: {reason}")


def _seconds(at: datetime) -> str:
    return str(int(at.timestamp()))


def _flag(value: bool) -> str:
    return "true" if value else "false"
