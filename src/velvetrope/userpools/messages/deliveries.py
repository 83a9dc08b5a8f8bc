"""Sending what the outbox holds, and showing it to the owner.

    deliveries = Deliveries(store, outbox, {"EMAIL": smtp_sender}, custom_senders, clock, database.changes, failures)
    deliveries.start()
    ...
    await deliveries.stop()

A message is sent as soon as the change that it belongs to is committed, by whichever node takes it first
(`store.tables.userpools_deliveries`). What was not taken over is tried again, after half a minute, two, ten, and then
every hour, for a day. A medium without a sender is left to the mailbox. What a function of the pool
sends (`custom_senders`) goes to it in the same way, and by no sender.

No text of a message is logged here or anywhere; the reason why one was not delivered is kept with it, and told where
the pool's owner wants to read it (`log_delivery`).
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol

from velvetrope.clock import Clock
from velvetrope.store import ChangeFeed
from velvetrope.store.tables.userpools import MESSAGES_TOPIC, OutgoingMessage
from velvetrope.store.tables.userpools_deliveries import DeliveryStore, KeptMessage, TakenMessage
from velvetrope.userpools.due_work import DueWork
from velvetrope.userpools.messages.custom_senders import CustomSenders
from velvetrope.userpools.messages.log_delivery import DeliveryFailures
from velvetrope.userpools.messages.outbox import Medium, Outbox, ReadableMessage

__all__ = ["Deliveries", "DeliveryState", "MailboxEntry", "MessageSender", "SendingFailure"]

_log = logging.getLogger(__name__)

_TRY_AGAIN_AFTER = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1))


DeliveryState = Literal["sent", "kept here", "not sent", "being sent"]


@dataclass(frozen=True, slots=True)
class MailboxEntry:
    """A message as the owner is shown it. `problem` is why the last attempt failed, empty if none did."""

    user_pool_id: str
    message: ReadableMessage
    state: DeliveryState
    problem: str


class SendingFailure(Protocol):
    """Why a message was not taken over. `reason` holds nothing of its text."""

    @property
    def reason(self) -> str: ...

    @property
    def permanent(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class _Fault:
    """A fault of ours, which may be mended before the message is a day old."""

    reason: str = "the server failed; its log says how"
    permanent: bool = False


_FAULT = _Fault()


class MessageSender(Protocol):
    """Hands one message to whoever carries it, once."""

    async def send(
        self, *, message_id: str, to: str, subject: str, text: str, sender: str | None, reply_to: str | None
    ) -> SendingFailure | None:
        """None when it was taken over. `sender` and `reply_to` are what the pool says, if it says anything."""
        ...


class Deliveries:
    """See the module."""

    def __init__(
        self,
        store: DeliveryStore,
        outbox: Outbox,
        senders: Mapping[Medium, MessageSender],
        functions: CustomSenders,
        clock: Clock,
        changes: ChangeFeed,
        failures: DeliveryFailures,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._senders = senders
        self._functions = functions
        self._clock = clock
        self._failures = failures
        self._work = DueWork(
            self._send_and_wait,
            changes,
            MESSAGES_TOPIC,
            longest_wait=timedelta(minutes=5),
            failed="messages could not be taken from the store",
        )

    def start(self) -> None:
        """Begin to send. Needs the running event loop."""
        self._work.start()

    async def stop(self) -> None:
        """Stop sending. What was in hand is sent again when its lease ends, unless it got through."""
        await self._work.stop()

    async def send_due(self) -> int:
        """Try everything that is due, and say how many messages that were."""
        tried = 0
        while (taken := await self._store.take_due_message(self._senders.keys(), now=self._clock.now())) is not None:
            await self._try(taken)
            tried += 1
        return tried

    async def _send_and_wait(self) -> timedelta | None:
        """Send what is due; how long it is until the next message is."""
        while True:
            now = self._clock.now()
            due = await self._store.find_next_due(self._senders.keys(), now=now)
            if due is None or due > now:
                return None if due is None else due - now
            await self.send_due()

    async def _try(self, taken: TakenMessage) -> None:
        failure: SendingFailure | None
        try:
            failure = await self._send(taken.message)
        except Exception:  # noqa: BLE001 - one message that cannot even be read must not keep the others
            _log.exception("message %s could not be sent", taken.message.id)
            failure = _FAULT
        now = self._clock.now()
        if failure is None:
            await self._store.save_delivered(taken.message.id, now=now)
            return
        due_at = None if failure.permanent else now + _TRY_AGAIN_AFTER[min(taken.attempts, len(_TRY_AGAIN_AFTER)) - 1]
        _log.warning("message %s was not delivered: %s", taken.message.id, failure.reason)
        await self._store.save_undelivered(taken.message.id, problem=failure.reason, due_at=due_at)
        told = f"Message {taken.message.id} ({taken.message.medium}) was not delivered: {failure.reason}"
        await self._failures.note(taken.message.user_pool_id, told, now=now)

    async def _send(self, outgoing: OutgoingMessage) -> SendingFailure | None:
        order = self._outbox.read_order(outgoing)
        if order is not None:
            return await self._functions.send(order, now=self._clock.now())
        message = self._outbox.read(outgoing)
        return await self._senders[message.medium].send(
            message_id=outgoing.id,
            to=message.to,
            subject=message.subject,
            text=message.text,
            sender=outgoing.sender,
            reply_to=outgoing.reply_to,
        )

    # For the owner

    async def mailbox(self, *, limit: int) -> list[MailboxEntry]:
        """The newest messages of all pools, newest first, with what has become of them."""
        return [self._entry(kept) for kept in await self._store.load_newest(limit=limit)]

    def _entry(self, kept: KeptMessage) -> MailboxEntry:
        return MailboxEntry(
            kept.message.user_pool_id, self._outbox.read(kept.message), self._state(kept), kept.problem or ""
        )

    def _state(self, kept: KeptMessage) -> DeliveryState:
        if kept.delivered_at is not None:
            return "sent"
        if kept.message.function_arn is None and kept.message.medium not in self._senders:
            return "kept here"
        return "not sent" if kept.problem else "being sent"
