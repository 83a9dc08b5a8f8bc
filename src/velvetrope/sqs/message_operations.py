"""SendMessage, ReceiveMessage, DeleteMessage, ChangeMessageVisibility, and the batches of them.

A batch is judged as a whole by its action and carried out entry by entry: what is wrong with one entry is told in
`Failed` and does not touch the others. What is wrong with the batch itself (too many entries, ids that are not
distinct, too large together) refuses it all.

Source: Amazon SQS API Reference.
"""

import re
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import TypeVar

import msgspec

from velvetrope.identifiers import new_uuid
from velvetrope.operations import Answer, Call, operation
from velvetrope.sqs.checksums import md5_of_attributes, md5_of_body
from velvetrope.sqs.errors import (
    BatchEntryIdsNotDistinct,
    BatchRequestTooLong,
    EmptyBatchRequest,
    InvalidBatchEntryId,
    InvalidParameterValueException,
    MessageNotInflight,
    MissingRequiredParameterException,
    QueueDoesNotExist,
    SqsError,
    TooManyEntriesInBatchRequest,
)
from velvetrope.sqs.messages import AttributeValue, check_content, render_received, render_sequence, size_of
from velvetrope.sqs.queues import Queues
from velvetrope.sqs.receipts import Receipt, parse_receipt_handle
from velvetrope.store.tables.queues import MessageAttribute, MessageContent, NewMessage, Queue, SentMessage

__all__ = ["MessageOperations"]

MAX_BATCH = 10
MAX_BATCH_BYTES = 1_048_576
MAX_VISIBILITY_SECONDS = 43_200
MAX_WAIT_SECONDS = 20

_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")


class SendEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One message of SendMessageBatch."""

    id: str
    message_body: str
    delay_seconds: int | None = None
    message_attributes: dict[str, AttributeValue] = {}
    message_system_attributes: dict[str, AttributeValue] = {}
    message_deduplication_id: str | None = None
    message_group_id: str | None = None


class DeleteEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One message of DeleteMessageBatch."""

    id: str
    receipt_handle: str


class VisibilityEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One message of ChangeMessageVisibilityBatch."""

    id: str
    receipt_handle: str
    visibility_timeout: int | None = None


E = TypeVar("E", SendEntry, DeleteEntry, VisibilityEntry)
T = TypeVar("T")


class MessageOperations:
    """Messages, one at a time and in batches."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues
        self._store = queues.store

    @operation
    async def send_message(
        self,
        call: Call,
        *,
        queue_url: str,
        message_body: str,
        delay_seconds: int | None = None,
        message_attributes: dict[str, AttributeValue] | None = None,
        message_system_attributes: dict[str, AttributeValue] | None = None,
        message_deduplication_id: str | None = None,
        message_group_id: str | None = None,
    ) -> Answer:
        queue = await self._queues.find(queue_url, call)
        entry = SendEntry(
            id="",
            message_body=message_body,
            delay_seconds=delay_seconds,
            message_attributes=message_attributes or {},
            message_system_attributes=message_system_attributes or {},
            message_deduplication_id=message_deduplication_id,
            message_group_id=message_group_id,
        )
        message = self._new_message(queue, entry, call)
        [sent] = await self._send(queue, [message], call)
        return _render_sent(queue, message.content, sent)

    @operation
    async def send_message_batch(self, call: Call, *, queue_url: str, entries: list[SendEntry]) -> Answer:
        queue = await self._queues.find(queue_url, call)
        _check_batch(entries, "SendMessageBatchRequestEntry")
        checked, failed = _each(entries, lambda entry: self._new_message(queue, entry, call))
        if sum(size_of(message.content) for _, message in checked) > MAX_BATCH_BYTES:
            raise BatchRequestTooLong(f"Batch requests cannot be longer than {MAX_BATCH_BYTES} bytes.")
        sent = await self._send(queue, [message for _, message in checked], call) if checked else []
        successful = [
            {"id": entry.id, **_render_sent(queue, message.content, result)}
            for (entry, message), result in zip(checked, sent, strict=True)
        ]
        return {"successful": successful, "failed": failed}

    @operation
    async def receive_message(
        self,
        call: Call,
        *,
        queue_url: str,
        attribute_names: list[str] | None = None,
        message_system_attribute_names: list[str] | None = None,
        message_attribute_names: list[str] | None = None,
        max_number_of_messages: int = 1,
        visibility_timeout: int | None = None,
        wait_time_seconds: int | None = None,
    ) -> Answer:
        queue = await self._queues.find(queue_url, call)
        _check_range("MaxNumberOfMessages", max_number_of_messages, 1, MAX_BATCH)
        _check_range("VisibilityTimeout", visibility_timeout, 0, MAX_VISIBILITY_SECONDS)
        _check_range("WaitTimeSeconds", wait_time_seconds, 0, MAX_WAIT_SECONDS)
        received = await self._queues.receive(
            queue,
            limit=max_number_of_messages,
            visibility_seconds=queue.visibility_timeout_seconds if visibility_timeout is None else visibility_timeout,
            wait_seconds=queue.receive_wait_seconds if wait_time_seconds is None else wait_time_seconds,
        )
        system = {*(attribute_names or ()), *(message_system_attribute_names or ())}
        wanted = message_attribute_names or ()
        messages = [render_received(queue.arn, message, system=system, wanted=wanted) for message in received]
        return {"messages": messages or None}

    @operation
    async def delete_message(self, call: Call, *, queue_url: str, receipt_handle: str) -> Answer:
        queue = await self._queues.find(queue_url, call)
        [deleted] = await self._delete(queue, [parse_receipt_handle(queue.arn, receipt_handle)], call)
        if not deleted:
            raise _expired(receipt_handle)
        return None

    @operation
    async def delete_message_batch(self, call: Call, *, queue_url: str, entries: list[DeleteEntry]) -> Answer:
        queue = await self._queues.find(queue_url, call)
        _check_batch(entries, "DeleteMessageBatchRequestEntry")
        checked, failed = _each(entries, lambda entry: parse_receipt_handle(queue.arn, entry.receipt_handle))
        deleted = await self._delete(queue, [receipt for _, receipt in checked], call)
        expired = [entry for (entry, _), was in zip(checked, deleted, strict=True) if not was]
        return {
            "successful": [{"id": entry.id} for (entry, _), was in zip(checked, deleted, strict=True) if was],
            "failed": failed + [_render_failed(entry.id, _expired(entry.receipt_handle)) for entry in expired],
        }

    @operation
    async def change_message_visibility(
        self, call: Call, *, queue_url: str, receipt_handle: str, visibility_timeout: int
    ) -> Answer:
        queue = await self._queues.find(queue_url, call)
        await self._change_visibility(queue, receipt_handle, visibility_timeout, call)
        return None

    @operation
    async def change_message_visibility_batch(
        self, call: Call, *, queue_url: str, entries: list[VisibilityEntry]
    ) -> Answer:
        queue = await self._queues.find(queue_url, call)
        _check_batch(entries, "ChangeMessageVisibilityBatchRequestEntry")
        successful: list[dict[str, object]] = []
        failed: list[dict[str, object]] = []
        for entry in entries:
            try:
                if entry.visibility_timeout is None:
                    # The model leaves it open (UNVERIFIED what AWS does); "at once" is not what silence means.
                    raise MissingRequiredParameterException("The request must contain the parameter VisibilityTimeout.")
                await self._change_visibility(queue, entry.receipt_handle, entry.visibility_timeout, call)
            except SqsError as error:
                failed.append(_render_failed(entry.id, error))
            else:
                successful.append({"id": entry.id})
        return {"successful": successful, "failed": failed}

    def _new_message(self, queue: Queue, entry: SendEntry, call: Call) -> NewMessage:
        content = check_content(
            queue,
            body=entry.message_body,
            attributes=entry.message_attributes,
            system_attributes=entry.message_system_attributes,
            group_id=entry.message_group_id,
            deduplication_id=entry.message_deduplication_id,
            delay_seconds=entry.delay_seconds,
            sender_id=call.principal.unique_id,
        )
        delay = queue.delay_seconds if entry.delay_seconds is None else entry.delay_seconds
        return NewMessage(new_uuid(self._queues.entropy), content, delay)

    async def _send(self, queue: Queue, messages: Sequence[NewMessage], call: Call) -> list[SentMessage]:
        sent = await self._store.send_messages(queue, messages, call.now)
        if sent is None:
            raise QueueDoesNotExist
        return sent

    async def _delete(self, queue: Queue, receipts: Sequence[Receipt], call: Call) -> list[bool]:
        return await self._store.delete_messages(
            queue, [(receipt.message_id, receipt.receipt) for receipt in receipts], call.now
        )

    async def _change_visibility(self, queue: Queue, handle: str, seconds: int, call: Call) -> None:
        _check_range("VisibilityTimeout", seconds, 0, MAX_VISIBILITY_SECONDS)
        receipt = parse_receipt_handle(queue.arn, handle)
        found = await self._store.change_visibility(
            queue.arn,
            receipt.message_id,
            receipt.receipt,
            visible_at=call.now + timedelta(seconds=seconds),
            now=call.now,
        )
        if not found.exists:
            raise InvalidParameterValueException(
                f"Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not "
                "available for visibility timeout change."
            )
        if not found.in_flight:
            raise MessageNotInflight(f"The message of the receipt handle {handle} is not in flight.")
        if found.too_long:
            raise InvalidParameterValueException(
                f"Value {seconds} for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the "
                f"message is beyond the limit [{MAX_VISIBILITY_SECONDS} seconds]."
            )


def _check_batch(entries: Collection[SendEntry | DeleteEntry | VisibilityEntry], kind: str) -> None:
    """Refuse a batch that is none."""
    if not entries:
        raise EmptyBatchRequest(f"There should be at least one {kind} in the request.")
    if len(entries) > MAX_BATCH:
        raise TooManyEntriesInBatchRequest(
            f"Maximum number of entries per request are {MAX_BATCH}. You have sent {len(entries)}."
        )
    seen: set[str] = set()
    for entry in entries:
        if _ENTRY_ID.fullmatch(entry.id) is None:
            raise InvalidBatchEntryId(
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at "
                "most 80 letters long."
            )
        if entry.id in seen:
            raise BatchEntryIdsNotDistinct(f"Id {entry.id} repeated.")
        seen.add(entry.id)


def _each(entries: Sequence[E], work: Callable[[E], T]) -> tuple[list[tuple[E, T]], list[dict[str, object]]]:
    """What `work` makes of each entry, and what is told of those that it refuses."""
    done: list[tuple[E, T]] = []
    failed: list[dict[str, object]] = []
    for entry in entries:
        try:
            done.append((entry, work(entry)))
        except SqsError as error:
            failed.append(_render_failed(entry.id, error))
    return done, failed


def _expired(handle: str) -> InvalidParameterValueException:
    """Of a FIFO queue only what is in flight is deleted: another receiver may be at it again."""
    return InvalidParameterValueException(
        f"Value {handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."
    )


def _render_failed(entry_id: str, error: SqsError) -> dict[str, object]:
    return {"id": entry_id, "sender_fault": True, "code": error.query_code, "message": error.message}


def _render_sent(queue: Queue, content: MessageContent, sent: SentMessage) -> dict[str, object]:
    trace = (
        {}
        if not content.trace_header
        else {"AWSTraceHeader": MessageAttribute(data_type="String", string_value=content.trace_header)}
    )
    return {
        "message_id": sent.message_id,
        "md5_of_message_body": md5_of_body(content.body),
        "md5_of_message_attributes": md5_of_attributes(content.attributes),
        "md5_of_message_system_attributes": md5_of_attributes(trace),
        "sequence_number": render_sequence(sent.sequence) if queue.fifo else None,
    }


def _check_range(parameter: str, value: int | None, smallest: int, largest: int) -> None:
    if value is not None and not smallest <= value <= largest:
        raise InvalidParameterValueException(
            f"Value {value} for parameter {parameter} is invalid. Reason: Must be >= {smallest} and <= {largest}, if "
            "provided."
        )
