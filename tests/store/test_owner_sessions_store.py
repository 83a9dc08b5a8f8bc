"""The owner's browsers: a ticket is traded once, in time; a session ends; old ones make room."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support.stores import open_store
from velvetrope.store.tables.owner_sessions import MAX_KEPT, OwnerSessionStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SOON, LATER = NOW + timedelta(minutes=5), NOW + timedelta(hours=1)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[OwnerSessionStore]:
    database = await open_store(tmp_path)
    yield OwnerSessionStore(database)
    await database.close()


async def test_of_racing_browsers_with_one_ticket_one_is_let_in(store: OwnerSessionStore) -> None:
    await store.keep_ticket("ticket", expires_at=SOON, now=NOW)

    traded = await asyncio.gather(
        *(store.trade_ticket("ticket", f"session {n}", expires_at=LATER, now=NOW) for n in range(5))
    )

    assert sorted(traded) == [False, False, False, False, True]
    assert [await store.has_session(f"session {n}", now=NOW) for n in range(5)] == list(traded)


async def test_a_ticket_is_no_session_and_a_session_no_ticket(store: OwnerSessionStore) -> None:
    await store.keep_ticket("ticket", expires_at=SOON, now=NOW)
    assert not await store.has_session("ticket", now=NOW)

    assert await store.trade_ticket("ticket", "session", expires_at=LATER, now=NOW)

    assert not await store.trade_ticket("session", "another", expires_at=LATER, now=NOW)


async def test_a_ticket_is_dead_when_its_time_is_over_and_not_before(store: OwnerSessionStore) -> None:
    for name in ("in time", "too late"):
        await store.keep_ticket(name, expires_at=SOON, now=NOW)

    just_before = SOON - timedelta(microseconds=1)
    assert await store.trade_ticket("in time", "session", expires_at=LATER, now=just_before)
    assert not await store.trade_ticket("too late", "another", expires_at=LATER, now=SOON)


async def test_a_session_ends(store: OwnerSessionStore) -> None:
    await store.keep_ticket("ticket", expires_at=SOON, now=NOW)
    await store.trade_ticket("ticket", "session", expires_at=LATER, now=NOW)

    assert await store.has_session("session", now=LATER - timedelta(microseconds=1))
    assert not await store.has_session("session", now=LATER)


async def test_the_oldest_ticket_makes_room_and_takes_no_session_along(store: OwnerSessionStore) -> None:
    await store.keep_ticket("traded", expires_at=SOON, now=NOW)
    await store.trade_ticket("traded", "session", expires_at=SOON, now=NOW)
    for number in range(MAX_KEPT + 1):
        await store.keep_ticket(str(number), expires_at=SOON + timedelta(seconds=number), now=NOW)

    assert not await store.trade_ticket("0", "a", expires_at=LATER, now=NOW)
    assert await store.trade_ticket("1", "b", expires_at=LATER, now=NOW)
    assert await store.has_session("session", now=NOW)
