"""Messages to a pool's users, from when they are written until they are outdated.

What a message says is sealed before it comes here. How its delivery goes is kept in the same rows, by
`userpools_deliveries`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from sqlalchemy import Boolean, Column, Integer, String, Table, delete, insert, select, text

from velvetrope.store.columns import Record, UtcTime
from velvetrope.store.database import Database, Transaction
from velvetrope.store.schema import METADATA

__all__ = ["MESSAGES_TOPIC", "MessageStore", "OutgoingMessage", "messages", "save_message"]

MESSAGES_TOPIC = "userpools messages"
"""What the change feed calls it when there is a message to send."""
_MESSAGES_KEPT_FOR = timedelta(days=7)


class OutgoingMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is to be sent, or would be. `body_sealed` holds subject and text, for the owner alone."""

    id: str
    user_pool_id: str
    username: str
    medium: Literal["EMAIL", "SMS"]
    destination: str
    kind: str
    body_sealed: bytes
    created_at: datetime
    sender: str | None = None
    """Whom a mail is from, where the pool says so; None leaves it to the server's setting."""
    reply_to: str | None = None
    function_arn: str | None = None
    """The function that sends it instead of us; `body_sealed` then holds what the function is told."""


messages = Table(
    "userpools_messages",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("user_pool_id", String(55), nullable=False),
    Column("created_at", UtcTime, nullable=False, index=True),
    Column("record", Record(OutgoingMessage), nullable=False),
    # How its delivery goes; see `userpools_deliveries`.
    Column("medium", String(5), nullable=False, server_default="EMAIL"),
    Column("by_function", Boolean, nullable=False, server_default=text("false")),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due_at", UtcTime, index=True),
    Column("delivered_at", UtcTime),
    Column("problem", String(300)),
)


class MessageStore:
    """Messages that wait to be sent, and those that were. One method, one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def queue_message(self, message: OutgoingMessage, *, to_nobody: bool = False) -> None:
        """Keep a message that belongs to no other change. One `to_nobody` is not kept, and takes as long."""
        async with self._database.transaction() as tx:
            await save_message(tx, message)
            gone = message.id if to_nobody else ""
            await tx.connection.execute(delete(messages).where(messages.c.id == gone))

    async def load_messages(self, user_pool_id: str, *, limit: int) -> Sequence[OutgoingMessage]:
        """The newest messages of the pool, newest first. For the owner of the server only."""
        statement = (
            select(messages.c.record)
            .where(messages.c.user_pool_id == user_pool_id)
            .order_by(messages.c.created_at.desc(), messages.c.id.desc())
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [row.record for row in await connection.execute(statement)]


async def save_message(tx: Transaction, message: OutgoingMessage) -> None:
    outdated = messages.c.created_at < message.created_at - _MESSAGES_KEPT_FOR
    await tx.connection.execute(delete(messages).where(outdated))
    await tx.connection.execute(
        insert(messages).values(
            id=message.id,
            user_pool_id=message.user_pool_id,
            created_at=message.created_at,
            record=message,
            medium=message.medium,
            by_function=message.function_arn is not None,
            attempts=0,
            due_at=message.created_at,
        )
    )
    tx.changed(MESSAGES_TOPIC)
