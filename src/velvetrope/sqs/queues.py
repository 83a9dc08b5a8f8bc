"""Queues at work: find one by its URL, wait for messages, take them.

    queues = Queues(database, clock, entropy)
    queue = await queues.find(queue_url, call)
    received = await queues.receive(queue, limit=10, visibility_seconds=30, wait_seconds=20)

A long poll sleeps until a message arrives somewhere, becomes visible in this queue, or its time is over; it holds no
connection meanwhile. `close` ends all of them with an empty answer, so that a server that stops need not wait.

Who may do it was judged before, by `iam` with the queue's policy (`policies.py`).
"""

import asyncio
from datetime import timedelta

from velvetrope.clock import Clock, Entropy
from velvetrope.operations import Call
from velvetrope.sqs.errors import QueueDoesNotExist
from velvetrope.sqs.names import parse_queue_url
from velvetrope.store import ChangeFeed, Database
from velvetrope.store.tables.queues import MESSAGES_TOPIC, Queue, QueueStore, ReceivedMessage

__all__ = ["Queues"]


class Queues:
    """See the module."""

    def __init__(self, database: Database, clock: Clock, entropy: Entropy) -> None:
        self.store = QueueStore(database)
        self.clock = clock
        self.entropy = entropy
        self._arrivals = _Arrivals(database.changes)

    async def find(self, queue_url: str, call: Call) -> Queue:
        """The queue of that URL.

        Raises:
            InvalidAddress: not a queue URL.
            QueueDoesNotExist: there is no such queue.
        """
        return await self._load(parse_queue_url(queue_url, region=call.region).arn)

    async def exist(self, queue_arn: str) -> bool:
        """Whether there is a queue of that ARN."""
        return await self.store.load_queue(queue_arn) is not None

    async def receive(
        self, queue: Queue, *, limit: int, visibility_seconds: int, wait_seconds: int
    ) -> list[ReceivedMessage]:
        """Up to `limit` messages, as soon as there are any; none if there are none for `wait_seconds`.

        Raises:
            QueueDoesNotExist: the queue was deleted, before we looked or while we waited.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_seconds
        while True:
            # In this order: what is deleted after the look at the queue is an arrival that we have not seen.
            seen = self._arrivals.count
            queue = await self._load(queue.arn)
            now = self.clock.now()
            visible_at = await self.store.next_visible_at(queue, now)
            if visible_at is not None and visible_at <= now:
                received = await self.store.receive_messages(
                    queue,
                    limit=limit,
                    visibility=timedelta(seconds=visibility_seconds),
                    now=now,
                    new_receipt=lambda: self.entropy.token_bytes(16).hex(),
                )
                if received:
                    return received
            left = until - loop.time()
            if left <= 0 or self._arrivals.closed:
                return []
            if visible_at is not None and visible_at > now:
                left = min(left, (visible_at - now).total_seconds())
            await self._arrivals.wait(seen, left)

    def close(self) -> None:
        """End all long polls."""
        self._arrivals.close()

    async def _load(self, queue_arn: str) -> Queue:
        queue = await self.store.load_queue(queue_arn)
        if queue is None:
            raise QueueDoesNotExist
        return queue


class _Arrivals:
    """Counts the times when something may have become visible, and wakes who waits for the next."""

    def __init__(self, changes: ChangeFeed) -> None:
        self.count = 0
        self.closed = False
        self._waiting: set[asyncio.Future[None]] = set()
        changes.subscribe(MESSAGES_TOPIC, self._wake)

    async def wait(self, seen: int, seconds: float) -> None:
        """Until the count is no longer `seen`, or `seconds` have passed."""
        if self.count != seen or self.closed:
            return
        arrival = asyncio.get_running_loop().create_future()
        self._waiting.add(arrival)
        try:
            await asyncio.wait([arrival], timeout=seconds)
        finally:
            self._waiting.discard(arrival)

    def close(self) -> None:
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        self.count += 1
        for arrival in self._waiting:
            if not arrival.done():
                arrival.set_result(None)
