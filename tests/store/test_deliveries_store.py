"""Messages to be sent: each in one hand at a time, and none of them for ever."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from velvetrope.store import Database
from velvetrope.store.tables.userpools import OutgoingMessage, User, UserPoolStore
from velvetrope.store.tables.userpools_deliveries import DeliveryStore, Medium

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
MAIL: tuple[Medium, ...] = ("EMAIL",)


def message(name: str, *, medium: Medium = "EMAIL", at: datetime = NOW) -> OutgoingMessage:
    return OutgoingMessage(
        id=name,
        user_pool_id="us-west-2_aaaaaaaaa",
        username="anna",
        medium=medium,
        destination="anna@example.com",
        kind="CustomMessage_SignUp",
        body_sealed=b"sealed",
        created_at=at,
    )


@pytest.fixture
def store(database: Database) -> DeliveryStore:
    return DeliveryStore(database)


async def write(database: Database, *written: OutgoingMessage) -> None:
    user = User(
        user_pool_id="us-west-2_aaaaaaaaa",
        username=f"user-{written[0].id}",
        sub=f"sub-{written[0].id}",
        status="CONFIRMED",
        enabled=True,
        attributes={},
        created_at=NOW,
        modified_at=NOW,
    )
    conflict = await UserPoolStore(database).create_user(
        user, username_key=user.username, password_sealed=None, messages_to_send=written
    )
    assert conflict is None


async def test_a_message_is_due_at_once_and_oldest_first(database: Database, store: DeliveryStore) -> None:
    await write(database, message("b", at=NOW + MINUTE), message("a"))

    taken = [await store.take_due_message(MAIL, now=NOW + MINUTE) for _ in range(3)]

    assert [one and (one.message.id, one.attempts) for one in taken] == [("a", 1), ("b", 1), None]


async def test_two_takers_never_have_one_message(database: Database, store: DeliveryStore) -> None:
    await write(database, *(message(f"m{n}") for n in range(5)))

    taken = await asyncio.gather(*(store.take_due_message(MAIL, now=NOW) for _ in range(12)))

    assert sorted(one.message.id for one in taken if one is not None) == ["m0", "m1", "m2", "m3", "m4"]


async def test_a_taker_that_died_gives_it_back_after_two_minutes(database: Database, store: DeliveryStore) -> None:
    await write(database, message("a"))
    await store.take_due_message(MAIL, now=NOW)

    early = await store.take_due_message(MAIL, now=NOW + 2 * MINUTE - timedelta(microseconds=1))
    again = await store.take_due_message(MAIL, now=NOW + 2 * MINUTE)

    assert early is None
    assert again is not None
    assert again.attempts == 2


async def test_what_was_delivered_is_not_taken_again(database: Database, store: DeliveryStore) -> None:
    await write(database, message("a"))
    await store.take_due_message(MAIL, now=NOW)
    await store.save_delivered("a", now=NOW)

    assert await store.take_due_message(MAIL, now=NOW + DAY / 2) is None
    [kept] = await store.load_newest(limit=9)
    assert (kept.delivered_at, kept.problem) == (NOW, None)


async def test_what_was_not_taken_over_is_due_when_it_was_said(database: Database, store: DeliveryStore) -> None:
    await write(database, message("a"))
    await store.take_due_message(MAIL, now=NOW)
    await store.save_undelivered("a", problem="no answer", due_at=NOW + 10 * MINUTE)

    assert await store.find_next_due(MAIL, now=NOW) == NOW + 10 * MINUTE
    assert await store.take_due_message(MAIL, now=NOW + 9 * MINUTE) is None
    assert await store.take_due_message(MAIL, now=NOW + 10 * MINUTE) is not None


async def test_what_will_never_be_taken_over_is_left(database: Database, store: DeliveryStore) -> None:
    await write(database, message("a"))
    await store.save_undelivered("a", problem="x" * 999, due_at=None)

    assert await store.find_next_due(MAIL, now=NOW) is None
    assert await store.take_due_message(MAIL, now=NOW + DAY / 2) is None
    [kept] = await store.load_newest(limit=9)
    assert kept.problem == "x" * 300


@pytest.mark.parametrize(("age", "sent"), [(DAY - timedelta(microseconds=1), True), (DAY, False)])
async def test_a_message_is_sent_within_a_day_or_not_at_all(
    database: Database, store: DeliveryStore, age: timedelta, sent: bool
) -> None:
    await write(database, message("a"))

    assert (await store.take_due_message(MAIL, now=NOW + age) is not None) == sent


async def test_media_without_a_sender_are_left(database: Database, store: DeliveryStore) -> None:
    await write(database, message("a", medium="SMS"))

    assert await store.take_due_message(MAIL, now=NOW) is None
    assert await store.find_next_due(MAIL, now=NOW) is None
    assert await store.take_due_message(("EMAIL", "SMS"), now=NOW) is not None


async def test_writing_a_message_is_told(database: Database) -> None:
    told: list[str] = []
    database.changes.subscribe("userpools messages", lambda: told.append("told"))

    await write(database, message("a"))

    assert told == ["told"]
