"""Which messages are still to be sent, and how often it was tried.

A message is written in the transaction of the change that it belongs to (`userpools`) and is due at once. Whoever sends
takes it first: one conditional update that makes it due again when the taker's lease ends, so that two senders never
have one message, and one that dies with it in hand gives it back. It is therefore sent at least once. What was not
sent within a day of being written is not sent any more: its code is dead by then.

Without a sender for its medium a message stays as it is, and the owner reads it in the mailbox. A message that a
function of the pool sends needs no sender.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import ColumnElement, and_, or_, select, update

from velvetrope.store.database import Database
from velvetrope.store.tables.userpools_messages import OutgoingMessage, messages

__all__ = ["DeliveryStore", "KeptMessage", "TakenMessage"]

SENT_WITHIN = timedelta(days=1)
_LEASE = timedelta(minutes=2)
_MAX_PROBLEM_CHARACTERS = 300

Medium = Literal["EMAIL", "SMS"]


@dataclass(frozen=True, slots=True)
class TakenMessage:
    """A message in one sender's hands; `attempts` counts this one."""

    message: OutgoingMessage
    attempts: int


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """A message and how its delivery stands. `problem` is what the last attempt failed with."""

    message: OutgoingMessage
    attempts: int
    delivered_at: datetime | None
    problem: str | None


class DeliveryStore:
    """See the module. One method, one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take_due_message(self, media: Collection[Medium], *, now: datetime) -> TakenMessage | None:
        """The message, of these media or for a function, that has been due longest; the caller's for two minutes."""
        first = (
            select(messages.c.id)
            .where(_waiting(media, now), messages.c.due_at <= now)
            .order_by(messages.c.due_at, messages.c.id)
            .limit(1)
            .scalar_subquery()
        )
        statement = (
            update(messages)
            .where(messages.c.id == first, messages.c.due_at <= now)
            .values(due_at=now + _LEASE, attempts=messages.c.attempts + 1)
            .returning(messages.c.record, messages.c.attempts)
        )
        async with self._database.transaction() as tx:
            row = (await tx.connection.execute(statement)).one_or_none()
        return None if row is None else TakenMessage(row.record, row.attempts)

    async def find_next_due(self, media: Collection[Medium], *, now: datetime) -> datetime | None:
        """When the next message of these media, or for a function, is due, by what is known now."""
        statement = select(messages.c.due_at).where(_waiting(media, now)).order_by(messages.c.due_at).limit(1)
        async with self._database.read() as connection:
            due: datetime | None = await connection.scalar(statement)
            return due

    async def save_delivered(self, message_id: str, *, now: datetime) -> None:
        """The other side has taken it over."""
        await self._set(message_id, due_at=None, delivered_at=now, problem=None)

    async def save_undelivered(self, message_id: str, *, problem: str, due_at: datetime | None) -> None:
        """It was not taken over; try again at `due_at`, or never."""
        await self._set(message_id, due_at=due_at, problem=problem[:_MAX_PROBLEM_CHARACTERS])

    async def load_newest(self, *, limit: int) -> Sequence[KeptMessage]:
        """The newest messages of all pools, newest first. For the owner of the server only."""
        statement = (
            select(messages.c.record, messages.c.attempts, messages.c.delivered_at, messages.c.problem)
            .order_by(messages.c.created_at.desc(), messages.c.id.desc())
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [KeptMessage(*row) for row in await connection.execute(statement)]

    async def _set(self, message_id: str, **values: object) -> None:
        async with self._database.transaction() as tx:
            await tx.connection.execute(update(messages).where(messages.c.id == message_id).values(**values))


def _waiting(media: Collection[Medium], now: datetime) -> ColumnElement[bool]:
    return and_(
        messages.c.due_at.is_not(None),
        or_(messages.c.by_function, messages.c.medium.in_(media)),
        messages.c.created_at > now - SENT_WITHIN,
    )
