"""What the queues' store promises: every message has one receiver at a time, and none is lost."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.stores import open_store, store_url
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
    return store_url(tmp_path)


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
    with pytest.raises(Exception, match=r"(?i)unique"):
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


OPERATIONS = st.one_of(
    st.tuples(st.just("send"), st.integers(1, 3)),
    st.tuples(st.just("receive"), st.integers(1, 4)),
    st.tuples(st.just("delete"), st.integers(0, 9)),
    st.tuples(st.just("hide"), st.integers(0, 9)),
    st.tuples(st.just("advance"), st.sampled_from([1, 10, 29, 30, 31])),
)


@dataclass
class Known:
    """A message as the test remembers it."""

    visible_at: datetime
    receipt: str = ""
    received: int = 0


@given(st.lists(OPERATIONS, max_size=40))
@settings(max_examples=20)
def test_whatever_is_done_in_whatever_order_no_message_is_lost_or_seen_twice(steps: list[tuple[str, int]]) -> None:
    """Against a model: what is visible is received, in order; what was received thrice is a dead letter."""
    asyncio.run(compare_with_model(steps))


async def compare_with_model(steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = await open_store(Path(folder))
        store, now = Store(database), NOW
        queue = msgspec.structs.replace(QUEUE, dead_letter_target_arn=LETTERS.arn, max_receive_count=3)
        await store.create_queue(LETTERS)
        await store.create_queue(queue)
        here: dict[str, Known] = {}
        letters: set[str] = set()
        seen: list[tuple[str, str]] = []
        count = 0
        for step, value in [*steps, ("advance", 31), ("receive", 100)]:
            if step == "send":
                new = [message(count + number) for number in range(value)]
                count += value
                await store.send_messages(queue, new, now)
                here.update((one.message_id, Known(now)) for one in new)
            elif step == "receive":
                dead = {m for m, known in here.items() if known.visible_at <= now and known.received >= 3}
                letters |= dead
                here = {m: known for m, known in here.items() if m not in dead}
                expected = [m for m, known in here.items() if known.visible_at <= now][:value]
                taken = await store.take(queue, value, now)
                assert [one.message_id for one in taken] == expected
                for one in taken:
                    known = here[one.message_id]
                    known.visible_at, known.receipt, known.received = (
                        now + timedelta(seconds=30),
                        one.receipt,
                        known.received + 1,
                    )
                    assert one.receive_count == known.received
                    seen.append((one.message_id, one.receipt))
            elif step == "delete" and seen:
                message_id, receipt = seen[value % len(seen)]
                await store.delete_messages(queue, [(message_id, receipt)], now)
                if message_id in here and here[message_id].receipt == receipt:
                    del here[message_id]
            elif step == "hide" and seen:
                message_id, receipt = seen[value % len(seen)]
                then = now + timedelta(seconds=value)
                found = await store.change_visibility(queue.arn, message_id, receipt, visible_at=then, now=now)
                known_here = here.get(message_id)
                is_newest = known_here is not None and known_here.receipt == receipt
                assert found.exists == is_newest
                assert found.in_flight == (known_here is not None and is_newest and known_here.visible_at > now)
                if known_here is not None and found.in_flight:
                    known_here.visible_at = then
            elif step == "advance":
                now += timedelta(seconds=value)
        assert {one.message_id for one in await store.take(LETTERS, 100, now)} == letters
        await database.close()
