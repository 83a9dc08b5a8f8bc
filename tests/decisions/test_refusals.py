"""Refusals outlive the node that refused: kept sealed, in batches, bounded, and never lost without a word."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import LargeBinary, String, bindparam, text
from sqlalchemy.exc import OperationalError

from support.refusals import NOON, refusal
from support.stores import open_store
from velvetrope.clock import CountingEntropy, FrozenClock
from velvetrope.decisions import DecisionLog, Refusals
from velvetrope.decisions.refusals import MAX_CHARACTERS, MAX_OF_ADDRESS, MAX_PENDING, MAX_RECORD_BYTES, MAX_STEPS
from velvetrope.sealing import MasterKeys
from velvetrope.store import Database
from velvetrope.store.tables.refusals import KeptSummary, RefusalStore, SealedRefusal

MASTER_KEYS = MasterKeys.generate(CountingEntropy())
SEAL_BYTES = 4 + 12 + 16
"""What sealing adds: key id, nonce and tag."""


class Node:
    """A log and what keeps its refusals."""

    def __init__(self, database: Database, *, capacity: int = 10_000, master_keys: MasterKeys = MASTER_KEYS) -> None:
        self.log = DecisionLog(capacity)
        self.store = RefusalStore(database)
        self.refusals = Refusals(self.log, self.store, master_keys, FrozenClock(NOON), CountingEntropy())


@pytest.fixture
async def database(tmp_path: Path, either_store: str) -> AsyncIterator[Database]:
    database = await open_store(tmp_path)
    yield database
    await database.close()


class ToldOf(RefusalStore):
    """A store that says when it has been given something."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.was_given = asyncio.Event()

    async def keep(self, refusals: Sequence[SealedRefusal], *, lost: int, now: datetime) -> None:
        await super().keep(refusals, lost=lost, now=now)
        self.was_given.set()


async def test_what_one_node_refused_another_explains(database: Database) -> None:
    here, there = Node(database), Node(database)
    here.log.record(refusal("a"))

    await here.refusals.flush()

    assert await there.refusals.find("a") == refusal("a")
    assert await there.refusals.find("b") is None


async def test_a_refusal_is_written_soon_without_anybody_asking(database: Database) -> None:
    log, store, there = DecisionLog(), ToldOf(database), Node(database)
    refusals = Refusals(log, store, MASTER_KEYS, FrozenClock(NOON), CountingEntropy())
    refusals.start()

    log.record(refusal("a"))

    async with asyncio.timeout(60):
        await store.was_given.wait()
    assert await there.refusals.find("a") == refusal("a")
    await refusals.stop()


async def test_what_was_let_in_is_told_by_its_own_node_alone(database: Database) -> None:
    here, there = Node(database), Node(database)
    here.log.record(refusal("let in", refused=False))

    await here.refusals.flush()

    assert await here.refusals.find("let in") is not None
    assert await there.refusals.find("let in") is None
    assert await here.store.load_newest(10) == []


async def test_refusals_of_all_nodes_are_told_once_each_newest_first(database: Database) -> None:
    here, there = Node(database), Node(database)
    for number, node in enumerate((here, there, here, there)):
        node.log.record(refusal(str(number), at=NOON + timedelta(seconds=number)))
    here.log.record(refusal("let in", refused=False))
    await here.refusals.flush()
    await there.refusals.flush()
    here.log.record(refusal("4", at=NOON + timedelta(seconds=4)))

    of_all = await here.refusals.recent(10, only_refused=True)
    of_two = await there.refusals.recent(2, only_refused=True)

    assert [record.request_id for record in of_all] == ["4", "3", "2", "1", "0"]
    assert [record.request_id for record in of_two] == ["3", "2"]


async def test_calls_that_are_let_in_wash_no_refusal_away(database: Database) -> None:
    node = Node(database, capacity=2)
    node.log.record(refusal("a"))
    await node.refusals.flush()

    for number in range(5):
        node.log.record(refusal(str(number), refused=False))

    assert node.log.find("a") is None
    assert await node.refusals.find("a") == refusal("a")


async def test_what_is_kept_tells_a_thief_of_the_database_nothing(database: Database) -> None:
    node = Node(database)
    node.log.record(refusal("a", path="/people/anna"))
    await node.refusals.flush()

    [kept] = await node.store.load_newest(10)

    assert b"anna" not in kept.sealed
    assert b"192.0.2.1" not in kept.sealed


async def test_what_was_changed_in_the_database_is_not_believed_and_hides_nothing_else(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    here, there = Node(database), Node(database)
    here.log.record(refusal("mine"))
    here.log.record(refusal("theirs"))
    await here.refusals.flush()
    [_, mine] = await here.store.load_newest(10)
    moved = text("UPDATE refusals SET sealed = :sealed WHERE request_id = :id").bindparams(
        bindparam("sealed", mine.sealed, LargeBinary), bindparam("id", "theirs", String)
    )
    async with database.transaction() as tx:
        await tx.connection.execute(moved)

    assert await there.refusals.find("theirs") is None
    assert [record.request_id for record in await there.refusals.recent(10)] == ["mine"]
    assert "not sealed by these master keys" in caplog.text


async def test_refusals_sealed_before_a_rotation_are_still_read(database: Database) -> None:
    before, after = Node(database), Node(database, master_keys=MASTER_KEYS.rotated(CountingEntropy()))
    before.log.record(refusal("a"))
    await before.refusals.flush()

    assert await after.refusals.find("a") == refusal("a")


async def test_one_address_leaves_room_for_others_and_what_is_left_out_is_counted(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    node = Node(database)
    for number in range(MAX_OF_ADDRESS + 3):
        node.log.record(refusal(f"flood-{number}", source_ip="192.0.2.66"))
    node.log.record(refusal("somebody", source_ip="192.0.2.7"))

    await node.refusals.flush()

    kept = [record.request_id for record in await Node(database).refusals.recent(1000)]
    assert len(kept) == MAX_OF_ADDRESS + 1
    assert kept[0] == "somebody"
    assert await node.refusals.summary() == KeptSummary(refusals=MAX_OF_ADDRESS + 1, since=NOON, lost=3)
    assert "3 refusals came faster than they could be kept" in caplog.text
    assert await node.refusals.find(f"flood-{MAX_OF_ADDRESS + 2}") is not None, "its own node remembers it"


async def test_an_ipv6_network_is_one_address(database: Database) -> None:
    node = Node(database)
    for number in range(MAX_OF_ADDRESS + 3):
        node.log.record(refusal(str(number), source_ip=f"2001:db8:0:1::{number:x}"))
    node.log.record(refusal("another network", source_ip="2001:db8:0:2::1"))
    node.log.record(refusal("a link's", source_ip="fe80::1%eth0"))
    node.log.record(refusal("no address", source_ip="::none"))

    await node.refusals.flush()

    assert await node.refusals.summary() == KeptSummary(refusals=MAX_OF_ADDRESS + 3, since=NOON, lost=3)


async def test_all_addresses_together_have_a_bound(database: Database) -> None:
    node = Node(database)
    for number in range(MAX_PENDING + 2):
        node.log.record(refusal(str(number), source_ip=f"198.51.{number // 256}.{number % 256}"))

    await node.refusals.flush()

    summary = await node.refusals.summary()
    assert summary is not None
    assert (summary.refusals, summary.lost) == (MAX_PENDING, 2)


async def test_a_batch_makes_room_for_the_next(database: Database) -> None:
    node = Node(database)
    for batch in range(2):
        for number in range(MAX_OF_ADDRESS):
            node.log.record(refusal(f"{batch}-{number}"))
        await node.refusals.flush()

    assert await node.refusals.summary() == KeptSummary(refusals=2 * MAX_OF_ADDRESS, since=NOON, lost=0)


async def test_what_strangers_make_long_is_cut(database: Database) -> None:
    node = Node(database)
    node.log.record(refusal("a", path="/" + "x" * 50_000, reason="y"))
    await node.refusals.flush()

    found = await Node(database).refusals.find("a")

    assert found is not None
    assert len(found.path) == MAX_CHARACTERS
    assert found.steps[0].reason == "y"


@pytest.mark.parametrize("character", ["x", "\u20ac", "\x01"], ids=["plain", "three bytes", "six bytes in JSON"])
async def test_a_record_takes_no_more_room_than_it_may_whatever_strangers_chose(
    database: Database, character: str
) -> None:
    node = Node(database)
    long = refusal("long", path="/" + character * 50_000, reason=character * 50_000)
    node.log.record(msgspec.structs.replace(long, steps=long.steps * 100))
    node.log.record(refusal("short"))
    await node.refusals.flush()

    [short, kept] = await node.store.load_newest(10)
    found = await Node(database).refusals.find("long")

    assert len(kept.sealed) <= MAX_RECORD_BYTES + SEAL_BYTES
    assert found is not None
    assert (found.path[:10], found.source_ip, found.code) == ("/" + character * 9, long.source_ip, long.code)
    assert len(found.steps) == MAX_STEPS
    assert len(short.sealed) < 1024
    assert await Node(database).refusals.find("short") == refusal("short")


async def test_half_a_character_keeps_nothing_from_being_written(database: Database) -> None:
    node = Node(database)
    node.log.record(refusal("a", path="/\ud800", reason="nobody named J\u00fcrgen \udfff"))
    await node.refusals.flush()

    found = await Node(database).refusals.find("a")

    assert found is not None
    assert (found.path, found.steps[0].reason) == ("/?", "nobody named J\u00fcrgen ?")


class Away(RefusalStore):
    """A store whose database does not answer until it is back."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.is_away = True
        self.was_asked = asyncio.Event()

    async def keep(self, refusals: Sequence[SealedRefusal], *, lost: int, now: datetime) -> None:
        self._answer()
        await super().keep(refusals, lost=lost, now=now)

    async def find(self, request_id: str) -> list[SealedRefusal]:
        self._answer()
        return await super().find(request_id)

    async def load_newest(self, limit: int) -> list[SealedRefusal]:
        self._answer()
        return await super().load_newest(limit)

    async def load_summary(self) -> KeptSummary:
        self._answer()
        return await super().load_summary()

    def _answer(self) -> None:
        self.was_asked.set()
        if self.is_away:
            raise OperationalError("", {}, Exception("gone"))


async def test_a_store_that_is_away_loses_nothing_and_this_nodes_memory_answers_meanwhile(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)  # every try says that it failed
    log, store = DecisionLog(), Away(database)
    refusals = Refusals(log, store, MASTER_KEYS, FrozenClock(NOON), CountingEntropy())
    refusals.start()
    log.record(refusal("a"))
    async with asyncio.timeout(60):
        await store.was_asked.wait()

    assert await refusals.find("a") == refusal("a")
    assert await refusals.find("b") is None
    assert [record.request_id for record in await refusals.recent(10)] == ["a"]
    assert await refusals.summary() is None

    store.is_away = False
    log.record(refusal("b"))
    await refusals.stop()
    assert {kept.request_id for kept in await RefusalStore(database).load_newest(10)} == {"a", "b"}


async def test_stopping_writes_what_is_left(database: Database) -> None:
    node = Node(database)
    node.refusals.start()
    node.log.record(refusal("last"))

    await node.refusals.stop()

    assert await Node(database).refusals.find("last") == refusal("last")
