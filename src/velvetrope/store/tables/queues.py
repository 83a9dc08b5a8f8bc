"""Queues and their messages: who may take a message next is decided by one transaction at a time.

A message is a row. It is *delayed* while it has never been received and `visible_at` lies ahead, *in flight* while it
has a receipt and `visible_at` lies ahead, and *visible* otherwise. Receiving is one transaction that picks visible
rows in the order of their sequence numbers and gives each a new receipt and a new `visible_at` in an UPDATE that holds
only if the row is still visible, and that returns the row it changed: of two receivers one gets it. Nothing is
forgotten before it was deleted by its newest receipt, purged, or kept for longer than the queue retains messages; all
of it survives a crash.

A message that was received as often as its queue's redrive policy allows is moved to the dead-letter queue by the
transaction that would have received it once more: it is in one of the two queues at any time.

In a FIFO queue no message of a group is handed out while another one of the group is in flight. Identifiers of
messages that were sent are remembered for the deduplication interval, longer than the messages themselves.

Changes of queues are published as topic `queues`, arrivals and returns of messages as `queues.messages`.

Source: Amazon SQS Developer Guide, "Visibility timeout", "Dead-letter queues", "FIFO delivery logic", "Exactly-once
processing".
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    Row,
    Select,
    String,
    Table,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy import Connection as EngineConnection
from sqlalchemy.exc import IntegrityError

from velvetrope.store.columns import Record, UtcTime
from velvetrope.store.database import Database
from velvetrope.store.schema import METADATA

__all__ = [
    "MESSAGES_TOPIC",
    "TOPIC",
    "MessageAttribute",
    "MessageContent",
    "MessageCounts",
    "NewMessage",
    "Queue",
    "QueueStore",
    "ReceivedMessage",
    "SentMessage",
    "Visibility",
]

TOPIC = "queues"
MESSAGES_TOPIC = "queues.messages"

DEDUPLICATION_INTERVAL = timedelta(minutes=5)
"""Source: SQS Developer Guide, "Exactly-once processing in Amazon SQS"."""


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """A queue and its attributes. Times are in seconds as SQS has them; sizes in bytes."""

    account_id: str
    region: str
    name: str
    created_at: datetime
    modified_at: datetime
    visibility_timeout_seconds: int = 30
    delay_seconds: int = 0
    receive_wait_seconds: int = 0
    retention_seconds: int = 345_600
    max_message_bytes: int = 1_048_576
    fifo: bool = False
    content_based_deduplication: bool = False
    deduplication_scope: str = "queue"
    throughput_limit: str = "perQueue"
    policy: str = ""
    redrive_policy: str = ""
    """As it was given; the two fields below are what it says."""
    dead_letter_target_arn: str = ""
    max_receive_count: int = 0
    redrive_allow_policy: str = ""
    sqs_managed_sse: bool = True
    tags: dict[str, str] = {}
    purged_at: datetime | None = None

    @property
    def arn(self) -> str:
        return f"arn:aws:sqs:{self.region}:{self.account_id}:{self.name}"


class MessageAttribute(msgspec.Struct, frozen=True, kw_only=True):
    """One attribute of a message: text for String and Number, bytes for Binary."""

    data_type: str
    string_value: str | None = None
    binary_value: bytes | None = None


class MessageContent(msgspec.Struct, frozen=True, kw_only=True):
    """What does not change of a message from the moment it was sent."""

    body: str
    sender_id: str
    attributes: dict[str, MessageAttribute] = {}
    trace_header: str = ""
    group_id: str = ""
    deduplication_id: str = ""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to be kept. `delay_seconds` is how long it stays hidden at first."""

    message_id: str
    content: MessageContent
    delay_seconds: int


@dataclass(frozen=True, slots=True)
class SentMessage:
    """What became of a `NewMessage`: of a duplicate, the id and number of the one that was there first."""

    message_id: str
    sequence: int
    is_duplicate: bool


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message in flight, with the receipt that deletes it. `receive_count` counts this time too."""

    message_id: str
    receipt: str
    sequence: int
    content: MessageContent
    sent_at: datetime
    receive_count: int
    first_received_at: datetime
    dead_letter_source_arn: str


@dataclass(frozen=True, slots=True)
class Visibility:
    """How a message with this receipt stood when its visibility was to be changed."""

    exists: bool
    in_flight: bool
    too_long: bool


@dataclass(frozen=True, slots=True)
class MessageCounts:
    """How many messages a queue has. Exact here; SQS calls its own approximate."""

    visible: int
    in_flight: int
    delayed: int


_queues = Table(
    "queues_queues",
    METADATA,
    Column("queue_arn", String(256), primary_key=True),
    Column("account_id", String(12), nullable=False),
    Column("region", String(32), nullable=False),
    Column("name", String(80), nullable=False),
    Column("dead_letter_target_arn", String(256), nullable=False, index=True),
    Column("record", Record(Queue), nullable=False),
)

_messages = Table(
    "queues_messages",
    METADATA,
    # AUTOINCREMENT, so that the number of a message that is gone is never given again: the numbers are the order.
    Column("sequence", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("queue_arn", String(256), ForeignKey("queues_queues.queue_arn", ondelete="CASCADE"), nullable=False),
    Column("message_id", String(36), nullable=False),
    Column("group_id", String(128), nullable=False),
    Column("sent_at", UtcTime, nullable=False),
    Column("visible_at", UtcTime, nullable=False),
    Column("receipt", String(32)),
    Column("receive_count", Integer, nullable=False),
    Column("first_received_at", UtcTime),
    Column("received_at", UtcTime),
    Column("dead_letter_source_arn", String(256), nullable=False),
    Column("content", Record(MessageContent), nullable=False),
    Index("ix_queues_messages_identity", "queue_arn", "message_id", unique=True),
    Index("ix_queues_messages_order", "queue_arn", "sequence", "visible_at"),
    Index("ix_queues_messages_received", "queue_arn", "receive_count"),
    Index("ix_queues_messages_sent", "queue_arn", "sent_at"),
    Index("ix_queues_messages_visible", "queue_arn", "visible_at"),
    Index("ix_queues_messages_group", "queue_arn", "group_id", "visible_at"),
    sqlite_autoincrement=True,
)

_deduplications = Table(
    "queues_deduplications",
    METADATA,
    Column("queue_arn", String(256), ForeignKey("queues_queues.queue_arn", ondelete="CASCADE"), primary_key=True),
    Column("scope", String(128), primary_key=True),
    Column("deduplication_id", String(128), primary_key=True),
    Column("message_id", String(36), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("expires_at", UtcTime, nullable=False, index=True),
)

MAX_VISIBILITY = timedelta(hours=12)
"""Counted from the moment it was received. Source: SQS API Reference, ChangeMessageVisibility."""


class QueueStore:
    """Queues by ARN, and the messages in them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_queue(self, queue: Queue) -> bool:
        """Keep a new queue; False if its ARN is taken."""
        try:
            async with self._database.transaction() as tx:
                await tx.connection.execute(
                    insert(_queues).values(
                        queue_arn=queue.arn,
                        account_id=queue.account_id,
                        region=queue.region,
                        name=queue.name,
                        dead_letter_target_arn=queue.dead_letter_target_arn,
                        record=queue,
                    )
                )
                tx.changed(TOPIC)
        except IntegrityError:
            return False
        return True

    async def load_queue(self, queue_arn: str) -> Queue | None:
        """The queue, or None."""
        async with self._database.read() as connection:
            return await connection.scalar(select(_queues.c.record).where(_queues.c.queue_arn == queue_arn))

    async def load_queues(
        self, account_id: str, region: str, *, prefix: str, after_name: str, limit: int
    ) -> list[Queue]:
        """Up to `limit` queues in the order of their names, from the first past `after_name` on."""
        query = select(_queues.c.record).where(
            _queues.c.account_id == account_id,
            _queues.c.region == region,
            _queues.c.name > after_name,
            func.substr(_queues.c.name, 1, len(prefix)) == prefix,
        )
        return await self._load_all(query.order_by(_queues.c.name).limit(limit))

    async def load_dead_letter_sources(self, queue_arn: str, *, after_name: str, limit: int) -> list[Queue]:
        """Up to `limit` queues whose messages end in `queue_arn` when nobody gets them done."""
        query = select(_queues.c.record).where(
            _queues.c.dead_letter_target_arn == queue_arn, _queues.c.name > after_name
        )
        return await self._load_all(query.order_by(_queues.c.name).limit(limit))

    async def change_queue(self, queue_arn: str, change: Callable[[Queue], Queue]) -> Queue | None:
        """Save what `change` makes of the queue, and return it; None if there is no such queue."""
        here = _queues.c.queue_arn == queue_arn
        async with self._database.transaction() as tx:
            found = await tx.connection.scalar(select(_queues.c.record).where(here).with_for_update())
            if found is None:
                return None
            changed = change(found)
            await tx.connection.execute(
                update(_queues)
                .where(here)
                .values(record=changed, dead_letter_target_arn=changed.dead_letter_target_arn)
            )
            tx.changed(TOPIC)
            tx.changed(MESSAGES_TOPIC)
            return changed

    async def delete_queue(self, queue_arn: str) -> bool:
        """Forget the queue and all of its messages; False if there was none."""
        async with self._database.transaction() as tx:
            gone = await tx.connection.execute(delete(_queues).where(_queues.c.queue_arn == queue_arn))
            tx.changed(TOPIC)
            tx.changed(MESSAGES_TOPIC)
            return gone.rowcount > 0

    async def purge_queue(self, queue_arn: str, change: Callable[[Queue], Queue]) -> bool:
        """Forget the queue's messages, and save what `change` makes of the queue; False if there is none."""
        here = _queues.c.queue_arn == queue_arn
        async with self._database.transaction() as tx:
            found = await tx.connection.scalar(select(_queues.c.record).where(here).with_for_update())
            if found is None:
                return False
            await tx.connection.execute(update(_queues).where(here).values(record=change(found)))
            await tx.connection.execute(delete(_messages).where(_messages.c.queue_arn == queue_arn))
            return True

    async def count_messages(self, queue: Queue, now: datetime) -> MessageCounts:
        """How many messages the queue has, those that are kept for too long left out."""
        ahead = _messages.c.visible_at > now
        received = _messages.c.receipt.is_not(None)
        query = select(
            func.count().filter(~ahead),
            func.count().filter(and_(ahead, received)),
            func.count().filter(and_(ahead, ~received)),
        ).where(_messages.c.queue_arn == queue.arn, _messages.c.sent_at > _oldest(queue, now))
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one()
            return MessageCounts(*row)

    async def send_messages(
        self, queue: Queue, messages: Sequence[NewMessage], now: datetime
    ) -> list[SentMessage] | None:
        """Keep `messages`, all of them or none, and say what each became; None if the queue is gone.

        In a FIFO queue a message whose deduplication id was sent within the interval is not kept again.
        """
        async with self._database.transaction() as tx:

            def send(connection: EngineConnection) -> list[SentMessage] | None:
                if connection.scalar(select(_queues.c.name).where(_queues.c.queue_arn == queue.arn)) is None:
                    return None
                _forget_old(connection, queue, now)
                return [_send(connection, queue, message, now) for message in messages]

            sent = await tx.connection.run_sync(send)
            if sent and not all(message.is_duplicate for message in sent):
                tx.changed(MESSAGES_TOPIC)
            return sent

    async def next_visible_at(self, queue: Queue, now: datetime) -> datetime | None:
        """When a message can be received: not after `now` if one can at once; None if none is there at all.

        A later time may be that of a message whose group is not its turn then; an earlier one never is missed.
        """
        async with self._database.read() as connection:
            ready = select(func.min(_messages.c.visible_at)).where(*_visible(queue, now))
            found: datetime | None = await connection.scalar(ready)
            if found is not None:
                return found
            later = select(func.min(_messages.c.visible_at)).where(
                _messages.c.queue_arn == queue.arn,
                _messages.c.visible_at > now,
                _messages.c.sent_at > _oldest(queue, now),
            )
            then: datetime | None = await connection.scalar(later)
            return then

    async def receive_messages(
        self, queue: Queue, *, limit: int, visibility: timedelta, now: datetime, new_receipt: Callable[[], str]
    ) -> list[ReceivedMessage]:
        """Take up to `limit` visible messages out of sight for `visibility`; each has one receiver.

        Messages over the queue's receive count go to its dead-letter queue instead, if that exists.
        """
        async with self._database.transaction() as tx:
            moved = False

            def receive(connection: EngineConnection) -> list[ReceivedMessage]:
                nonlocal moved
                _forget_old(connection, queue, now)
                moved = _redrive(connection, queue, now)
                query = select(_messages).where(*_visible(queue, now, in_order=True)).order_by(_messages.c.sequence)
                rows = connection.execute(query.limit(limit).with_for_update(skip_locked=True)).all()
                taken = (_take(connection, row, now + visibility, now, new_receipt()) for row in rows)
                return [received for received in taken if received is not None]

            received = await tx.connection.run_sync(receive)
            if moved or visibility <= timedelta():
                tx.changed(MESSAGES_TOPIC)
            return received

    async def delete_messages(self, queue: Queue, receipts: Sequence[tuple[str, str]], now: datetime) -> list[bool]:
        """Forget the messages of these ids whose newest receipts these are; of each, whether that is what was meant.

        A message that was received again since, or that is gone already, is left as it is, and that is true. It is
        false for a message of a FIFO queue that is there and no longer in flight by this receipt.
        """
        async with self._database.transaction() as tx:

            def forget(connection: EngineConnection) -> list[bool]:
                return [_forget(connection, queue, *receipt, now) for receipt in receipts]

            forgotten = await tx.connection.run_sync(forget)
            tx.changed(MESSAGES_TOPIC)  # in a FIFO queue the next of the group can be received
            return forgotten

    async def change_visibility(
        self, queue_arn: str, message_id: str, receipt: str, *, visible_at: datetime, now: datetime
    ) -> Visibility:
        """Make a message in flight visible at another time, not later than twelve hours after it was received."""
        here = _by_receipt(queue_arn, message_id, receipt)
        async with self._database.transaction() as tx:
            changed = await tx.connection.execute(
                update(_messages)
                .where(*here, _messages.c.visible_at > now, _messages.c.received_at >= visible_at - MAX_VISIBILITY)
                .values(visible_at=visible_at)
                .returning(_messages.c.sequence)
            )
            if changed.one_or_none() is not None:
                tx.changed(MESSAGES_TOPIC)
                return Visibility(exists=True, in_flight=True, too_long=False)
            found = await tx.connection.scalar(select(_messages.c.visible_at).where(*here))
            in_flight = found is not None and found > now
            return Visibility(exists=found is not None, in_flight=in_flight, too_long=in_flight)

    async def _load_all(self, query: Select[Any]) -> list[Queue]:
        async with self._database.read() as connection:
            return list((await connection.execute(query)).scalars())


def _oldest(queue: Queue, now: datetime) -> datetime:
    """Messages sent at this time or before are kept no longer."""
    return now - timedelta(seconds=queue.retention_seconds)


def _visible(queue: Queue, now: datetime, *, in_order: bool = False) -> list[ColumnElement[bool]]:
    """What can be received now, the redrive policy apart.

    `in_order` is for statements that another index serves better than that of times: who wants the first ten of many
    must not sort them all.
    """
    visible_at: ColumnElement[datetime] = _messages.c.visible_at
    sent_at: ColumnElement[datetime] = _messages.c.sent_at
    if in_order:
        visible_at, sent_at = _without_index(visible_at), _without_index(sent_at)
    conditions: list[ColumnElement[bool]] = [
        _messages.c.queue_arn == queue.arn,
        visible_at <= now,
        sent_at > _oldest(queue, now),
    ]
    if queue.fifo:
        other = _messages.alias("other")
        in_flight = exists().where(
            other.c.queue_arn == queue.arn,
            other.c.group_id == _messages.c.group_id,
            other.c.visible_at > now,
            other.c.receipt.is_not(None),
        )
        conditions.append(~in_flight)
    return conditions


def _without_index(time: ColumnElement[datetime]) -> ColumnElement[datetime]:
    """The same time, as an expression that no index is kept for."""
    return type_coerce(type_coerce(time, BigInteger) + 0, UtcTime())


def _by_receipt(queue_arn: str, message_id: str, receipt: str) -> tuple[ColumnElement[bool], ...]:
    return (
        _messages.c.queue_arn == queue_arn,
        _messages.c.message_id == message_id,
        _messages.c.receipt == receipt,
    )


def _forget_old(connection: EngineConnection, queue: Queue, now: datetime) -> None:
    connection.execute(
        delete(_messages).where(_messages.c.queue_arn == queue.arn, _messages.c.sent_at <= _oldest(queue, now))
    )
    if queue.fifo:
        connection.execute(delete(_deduplications).where(_deduplications.c.expires_at <= now))


def _send(connection: EngineConnection, queue: Queue, message: NewMessage, now: datetime) -> SentMessage:
    content = message.content
    here: dict[str, Any] = {}
    if queue.fifo:
        scope = content.group_id if queue.deduplication_scope == "messageGroup" else ""
        here = {"queue_arn": queue.arn, "scope": scope, "deduplication_id": content.deduplication_id}
        known = connection.execute(select(_deduplications).filter_by(**here)).one_or_none()
        if known is not None:
            return SentMessage(known.message_id, known.sequence, is_duplicate=True)
    sequence = connection.execute(
        insert(_messages)
        .values(
            queue_arn=queue.arn,
            message_id=message.message_id,
            group_id=content.group_id,
            sent_at=now,
            visible_at=now + timedelta(seconds=message.delay_seconds),
            receive_count=0,
            dead_letter_source_arn="",
            content=content,
        )
        .returning(_messages.c.sequence)
    ).scalar_one()
    if here:
        connection.execute(
            insert(_deduplications).values(
                **here, message_id=message.message_id, sequence=sequence, expires_at=now + DEDUPLICATION_INTERVAL
            )
        )
    return SentMessage(message.message_id, sequence, is_duplicate=False)


def _redrive(connection: EngineConnection, queue: Queue, now: datetime) -> bool:
    """Move what was received too often; whether anything was."""
    if not queue.dead_letter_target_arn:
        return False
    target = select(_queues.c.name).where(_queues.c.queue_arn == queue.dead_letter_target_arn)
    if connection.scalar(target) is None:
        return False  # without a place to go to, a message stays where it is and is received again
    changes: dict[str, Any] = {
        "queue_arn": queue.dead_letter_target_arn,
        "dead_letter_source_arn": queue.arn,
        "receipt": None,
        # UNVERIFIED: whether AWS counts on in the dead-letter queue. Anew, so that it can have a redrive policy too.
        "receive_count": 0,
        "first_received_at": None,
        "received_at": None,
        "visible_at": now,
    }
    if queue.fifo:
        # A standard queue's message keeps its age, a FIFO queue's does not ("Using dead-letter queues", retention).
        changes["sent_at"] = now
    moved = connection.execute(
        update(_messages)
        .where(*_visible(queue, now, in_order=True), _messages.c.receive_count >= queue.max_receive_count)
        .values(changes)
    )
    return moved.rowcount > 0


def _forget(connection: EngineConnection, queue: Queue, message_id: str, receipt: str, now: datetime) -> bool:
    gone = delete(_messages).where(*_by_receipt(queue.arn, message_id, receipt))
    if not queue.fifo:
        connection.execute(gone)
        return True
    if connection.execute(gone.where(_messages.c.visible_at > now)).rowcount > 0:
        return True
    left = select(_messages.c.sequence).where(_messages.c.queue_arn == queue.arn, _messages.c.message_id == message_id)
    return connection.scalar(left) is None


def _take(
    connection: EngineConnection, row: Row[Any], visible_at: datetime, now: datetime, receipt: str
) -> ReceivedMessage | None:
    """The message, for the one who got it."""
    first_received_at = row.first_received_at or now
    taken = connection.execute(
        update(_messages)
        .where(_messages.c.sequence == row.sequence, _messages.c.visible_at <= now)
        .where(or_(_messages.c.receipt.is_(None), _messages.c.receipt == row.receipt))
        .values(
            receipt=receipt,
            visible_at=visible_at,
            receive_count=_messages.c.receive_count + 1,
            first_received_at=first_received_at,
            received_at=now,
        )
        .returning(_messages.c.receive_count)
    ).scalar_one_or_none()
    if taken is None:
        return None
    return ReceivedMessage(
        message_id=row.message_id,
        receipt=receipt,
        sequence=row.sequence,
        content=row.content,
        sent_at=row.sent_at,
        receive_count=taken,
        first_received_at=first_received_at,
        dead_letter_source_arn=row.dead_letter_source_arn,
    )
