"""Messages as they are sent and as they are received: checked on the way in, spelled on the way out.

What counts towards a message's size is its body and each attribute's name, type and value, in UTF-8. The one system
attribute that may be sent, `AWSTraceHeader`, does not count.

Source: Amazon SQS API Reference, SendMessage; Amazon SQS Developer Guide, "Amazon SQS message metadata" (names and
types of attributes), "Message quotas".
"""

import hashlib
import re
from collections.abc import Collection, Mapping
from datetime import datetime

import msgspec

from velvetrope.sqs.checksums import md5_of_attributes, md5_of_body
from velvetrope.sqs.errors import (
    InvalidMessageContents,
    InvalidParameterValueException,
    MissingRequiredParameterException,
)
from velvetrope.sqs.receipts import Receipt, render_receipt_handle
from velvetrope.store.tables.queues import MessageAttribute, MessageContent, Queue, ReceivedMessage

__all__ = ["AttributeValue", "check_content", "render_received", "size_of"]

MAX_ATTRIBUTES = 10
MAX_DELAY_SECONDS = 900

_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ATTRIBUTE_NAME = re.compile(r"(?!(?i:aws\.|amazon\.))[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_DATA_TYPE = re.compile(r"(String|Number|Binary)(\.[A-Za-z0-9_.-]{1,249})?")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_IDENTIFIER = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}")
_MAX_NAME = 256
_TRACE_HEADER = "AWSTraceHeader"


class AttributeValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The value of a message attribute as it is sent. The lists that the model reserves are refused by name."""

    data_type: str
    string_value: str | None = None
    binary_value: bytes | None = None


def check_content(
    queue: Queue,
    *,
    body: str,
    attributes: Mapping[str, AttributeValue],
    system_attributes: Mapping[str, AttributeValue],
    group_id: str | None,
    deduplication_id: str | None,
    delay_seconds: int | None,
    sender_id: str,
) -> MessageContent:
    """What is sent, if this queue takes it.

    Raises:
        InvalidMessageContents: the body has characters that are not allowed.
        InvalidParameterValueException, MissingRequiredParameterException: another part is not as it must be.
    """
    if not body:
        raise MissingRequiredParameterException("The request must contain the parameter MessageBody.")
    if _NOT_IN_XML.search(body) is not None:
        raise InvalidMessageContents(
            "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to "
            "#xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"
        )
    if delay_seconds is not None and (queue.fifo or not 0 <= delay_seconds <= MAX_DELAY_SECONDS):
        why = (
            "The request include parameter that is not valid for this queue type."
            if queue.fifo
            else "DelaySeconds must be >= 0 and <= 900."
        )
        raise InvalidParameterValueException(
            f"Value {delay_seconds} for parameter DelaySeconds is invalid. Reason: {why}"
        )
    content = MessageContent(
        body=body,
        sender_id=sender_id,
        attributes={name: _check_attribute(name, value) for name, value in _within_ten(attributes).items()},
        trace_header=_check_system_attributes(system_attributes),
        group_id=_check_group(queue, group_id),
        deduplication_id=_check_deduplication(queue, deduplication_id, body),
    )
    if size_of(content) > queue.max_message_bytes:
        raise InvalidParameterValueException(
            f"One or more parameters are invalid. Reason: Message must be shorter than {queue.max_message_bytes} bytes."
        )
    return content


def size_of(content: MessageContent) -> int:
    """How many bytes count."""
    size = len(content.body.encode())
    for name, attribute in content.attributes.items():
        size += len(name.encode()) + len(attribute.data_type) + len((attribute.string_value or "").encode())
        size += len(attribute.binary_value or b"")
    return size


def render_received(
    queue_arn: str, message: ReceivedMessage, *, system: Collection[str], wanted: Collection[str]
) -> dict[str, object]:
    """The message as ReceiveMessage answers it, with these system attributes and message attributes.

    Either may hold `All`; a name of a message attribute may end in `.*`, which stands for all that begin so.
    """
    content = message.content
    attributes = {name: value for name, value in content.attributes.items() if _is_wanted(name, wanted)}
    kept = {
        "SenderId": content.sender_id,
        "SentTimestamp": _milliseconds(message.sent_at),
        "ApproximateReceiveCount": str(message.receive_count),
        "ApproximateFirstReceiveTimestamp": _milliseconds(message.first_received_at),
        "SequenceNumber": render_sequence(message.sequence) if content.deduplication_id else "",
        "MessageDeduplicationId": content.deduplication_id,
        "MessageGroupId": content.group_id,
        _TRACE_HEADER: content.trace_header,
        "DeadLetterQueueSourceArn": message.dead_letter_source_arn,
    }
    shown = {name: value for name, value in kept.items() if value and ("All" in system or name in system)}
    return {
        "message_id": message.message_id,
        "receipt_handle": render_receipt_handle(queue_arn, Receipt(message.message_id, message.receipt)),
        "body": content.body,
        "md5_of_body": md5_of_body(content.body),
        "attributes": shown or None,
        "message_attributes": attributes or None,
        "md5_of_message_attributes": md5_of_attributes(attributes),
    }


def render_sequence(sequence: int) -> str:
    """A sequence number of a FIFO queue: twenty digits, so that it sorts as text too."""
    return f"{sequence:020d}"


def _within_ten(attributes: Mapping[str, AttributeValue]) -> Mapping[str, AttributeValue]:
    if len(attributes) > MAX_ATTRIBUTES:
        raise InvalidParameterValueException(
            f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum [{MAX_ATTRIBUTES}]."
        )
    return attributes


def _check_attribute(name: str, value: AttributeValue) -> MessageAttribute:
    if len(name) > _MAX_NAME or _ATTRIBUTE_NAME.fullmatch(name) is None:
        raise InvalidParameterValueException(f"The message attribute name '{name}' is invalid.")
    found = _DATA_TYPE.fullmatch(value.data_type)
    if found is None:
        raise InvalidParameterValueException(
            f"The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes "
            "is Binary, Number, and String."
        )
    text, binary = value.string_value, value.binary_value
    is_binary = found[1] == "Binary"
    if not (binary if is_binary else text) or (text is not None and binary is not None):
        raise InvalidParameterValueException(
            f"The message attribute '{name}' must contain a non-empty value of its type, and no other."
        )
    if text is not None and _NOT_IN_XML.search(text) is not None:
        raise InvalidParameterValueException(f"The message attribute '{name}' has characters that are not allowed.")
    if found[1] == "Number" and _NUMBER.fullmatch(text or "") is None:
        raise InvalidParameterValueException(f"Can't cast the value of message (user) attribute '{name}' to a number.")
    return MessageAttribute(data_type=value.data_type, string_value=text, binary_value=binary)


def _check_system_attributes(attributes: Mapping[str, AttributeValue]) -> str:
    for name, value in attributes.items():
        if name != _TRACE_HEADER or value.data_type != "String" or not value.string_value:
            raise InvalidParameterValueException(
                f"The message system attribute '{name}' must be {_TRACE_HEADER}, a String with a value."
            )
    return attributes[_TRACE_HEADER].string_value or "" if attributes else ""


def _check_group(queue: Queue, group_id: str | None) -> str:
    if group_id is None:
        if queue.fifo:
            raise MissingRequiredParameterException("The request must contain the parameter MessageGroupId.")
        return ""
    # In a standard queue the group is for fair queues; it is kept and shown, and decides nothing.
    if _IDENTIFIER.fullmatch(group_id) is None:
        raise _not_an_identifier("MessageGroupId", group_id)
    return group_id


def _check_deduplication(queue: Queue, deduplication_id: str | None, body: str) -> str:
    if deduplication_id is None:
        if not queue.fifo:
            return ""
        if not queue.content_based_deduplication:
            raise InvalidParameterValueException(
                "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided "
                "explicitly"
            )
        return hashlib.sha256(body.encode()).hexdigest()
    if not queue.fifo:
        raise InvalidParameterValueException(
            f"Value {deduplication_id} for parameter MessageDeduplicationId is invalid. Reason: The request includes a "
            "parameter that is not valid for this queue type."
        )
    if _IDENTIFIER.fullmatch(deduplication_id) is None:
        raise _not_an_identifier("MessageDeduplicationId", deduplication_id)
    return deduplication_id


def _not_an_identifier(parameter: str, value: str) -> InvalidParameterValueException:
    return InvalidParameterValueException(
        f"Value {value} for parameter {parameter} is invalid. Reason: {parameter} can only include alphanumeric and "
        "punctuation characters. 1 to 128 in length."
    )


def _is_wanted(name: str, wanted: Collection[str]) -> bool:
    return any(
        pattern in {"All", ".*", name} or (pattern.endswith(".*") and name.startswith(pattern[:-1]))
        for pattern in wanted
    )


def _milliseconds(at: datetime) -> str:
    return str(int(at.timestamp() * 1000))
