"""What the queues' store promises: every message has one receiver at a time, and none is lost."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from velvetrope.store import Database
from velvetrope.store.tables.queues import MessageContent, NewMessage, Queue, QueueStore, ReceivedMessage

NOW = datetime(2026, 1, 1, tzinfo=UTC)
QUEUE = Queue(account_id="000000000000", region="us-west-2", name="orders", created_at=NOW, modified_at=NOW)
LETTERS = msgspec.structs.replace(QUEUE, name="letters")


def message(number: int, group: str = "") -> NewMessage:
    message_id = f"00000000-0000-4000-8000-{number:012d}"
    content = MessageContent(body=str(number), sender_id="me", group_id=group, deduplication_id=str(number))
    return NewMessage(message_id, content, 0)


class Store(QueueStore):
    """With receipts that count."""

    receipts = 0

    async def take(self, queue: Queue, limit: int, now: datetime = NOW) -> list[ReceivedMessage]:
        def new_receipt() -> str:
            self.receipts += 1
            return f"{self.receipts:032x}"

        return await self.receive_messages(
            queue, limit=limit, visibility=timedelta(seconds=30), now=now, new_receipt=new_receipt
        )


@pytest.fixture
async def path(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/velvetrope.db"


@pytest.fixture
async def store(path: str) -> AsyncIterator[Store]:
    database = await Database.open(path, durable=False)
    store = Store(database)
    await store.create_queue(QUEUE)
    yield store
    await database.close()


async def test_racing_receivers_share_the_messages_and_none_gets_one_twice(store: Store, path: str) -> None:
    await store.send_messages(QUEUE, [message(number) for number in range(60)], NOW)
    other = await Database.open(path, durable=False)
    stores = [store, Store(other)]

    taken = await asyncio.gather(*(stores[n % 2].take(QUEUE, 7) for n in range(20)))

    ids = [received.message_id for batch in taken for received in batch]
    assert len(ids) == len(set(ids)) == 60
    await other.close()


async def test_of_a_fifo_group_racing_receivers_get_one_batch(store: Store) -> None:
    queue = msgspec.structs.replace(QUEUE, name="orders.fifo", fifo=True)
    await store.create_queue(queue)
    await store.send_messages(queue, [message(number, "group") for number in range(10)], NOW)

    taken = await asyncio.gather(*(store.take(queue, 2) for _ in range(8)))

    assert [[received.content.body for received in batch] for batch in taken if batch] == [["0", "1"]]


async def test_racing_senders_of_a_duplicate_keep_one_message(store: Store) -> None:
    queue = msgspec.structs.replace(QUEUE, name="orders.fifo", fifo=True)
    await store.create_queue(queue)
    same = [NewMessage(message(n).message_id, message(1, "group").content, 0) for n in range(5)]

    sent = await asyncio.gather(*(store.send_messages(queue, [one], NOW) for one in same))

    results = [result for batch in sent if batch for result in batch]
    assert len({result.message_id for result in results}) == 1
    assert [result.is_duplicate for result in results].count(False) == 1
    assert len(await store.take(queue, 10)) == 1


async def test_of_two_who_create_a_queue_one_wins(store: Store) -> None:
    created = await asyncio.gather(*(store.create_queue(LETTERS) for _ in range(4)))

    assert sorted(created) == [False, False, False, True]


async def test_a_message_and_its_receipt_survive_the_process(store: Store, path: str) -> None:
    await store.send_messages(QUEUE, [message(1), message(2)], NOW)
    [taken] = await store.take(QUEUE, 1)

    database = await Database.open(path, durable=False)
    reopened = Store(database)

    assert [received.content.body for received in await reopened.take(QUEUE, 10)] == ["2"]
    assert await reopened.delete_messages(QUEUE, [(taken.message_id, taken.receipt)], NOW) == [True]
    later = NOW + timedelta(seconds=30)
    assert [received.content.body for received in await reopened.take(QUEUE, 10, later)] == ["2"]
    await database.close()


async def test_a_batch_is_kept_whole_or_not_at_all(store: Store) -> None:
    await store.delete_queue(QUEUE.arn)

    assert await store.send_messages(QUEUE, [message(1)], NOW) is None
    await store.create_queue(QUEUE)
    with pytest.raises(Exception, match="UNIQUE"):
        await store.send_messages(QUEUE, [message(1), message(1)], NOW)
    assert await store.take(QUEUE, 10) == []


async def test_while_it_is_moved_a_message_is_in_one_queue(store: Store) -> None:
    queue = msgspec.structs.replace(QUEUE, dead_letter_target_arn=LETTERS.arn, max_receive_count=1)
    await store.create_queue(LETTERS)
    await store.send_messages(QUEUE, [message(number) for number in range(20)], NOW)
    await store.take(queue, 20)
    later = NOW + timedelta(seconds=30)

    taken = await asyncio.gather(*(store.take(queue, 10, later) for _ in range(4)))

    assert taken == [[], [], [], []]
    assert len(await store.take(LETTERS, 30, later)) == 20
    counts = await store.count_messages(queue, later)
    assert (counts.visible, counts.in_flight, counts.delayed) == (0, 0, 0)
