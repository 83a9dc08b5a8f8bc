"""Events in the store that nodes share: order, paging and bounds as in files, whichever node took them in."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from support.stores import open_store
from velvetrope.clock import FrozenClock
from velvetrope.logs import shared_events
from velvetrope.logs.journal import Journal
from velvetrope.logs.segments import Entry, Span
from velvetrope.logs.shared_events import SharedEvents
from velvetrope.store import Database
from velvetrope.store.tables.log_chunks import LogChunkStore
from velvetrope.store.tables.logs import LOGS_TOPIC, LogGroup, LogStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GROUP = "/aws/lambda/orders"


@pytest.fixture
async def database(tmp_path: Path, either_store: str) -> AsyncIterator[Database]:
    database = await open_store(tmp_path)
    for name in (GROUP, "other"):
        await LogStore(database).create_group(LogGroup(name=name, created_at=NOW))
    yield database
    await database.close()


def small(database: Database, *, max_bytes: int = 100_000) -> SharedEvents:
    """Two or three events fill a chunk."""
    return SharedEvents(LogChunkStore(database, chunk_bytes=100), max_bytes_per_group=max_bytes)


def entry(at_ms: int, message: str = "line", stream: str = "one") -> Entry:
    return Entry(0, at_ms, at_ms + 1, stream, message)


async def append(events: SharedEvents, *entries: Entry, group: str = GROUP) -> None:
    pending = {group: list(entries)}
    await events.append(pending)
    assert pending == {}


async def messages(events: SharedEvents, **span: object) -> list[str]:
    found = await events.read(GROUP, Span(**span))  # type: ignore[arg-type]  # each test gives its own
    return [entry.message for entry in found]


async def test_events_of_all_nodes_come_in_the_order_of_their_times_and_then_of_their_arrival(
    database: Database,
) -> None:
    here, there = small(database), small(database)

    await append(here, entry(2, "c"), entry(1, "a"))
    await append(there, entry(1, "b"), entry(0, "first"))
    await append(here, entry(1, "b2"))

    assert await messages(here) == await messages(there) == ["first", "a", "b", "b2", "c"]


async def test_racing_nodes_lose_nothing_and_number_no_two_events_alike(database: Database) -> None:
    nodes = [small(database) for _ in range(4)]

    await asyncio.gather(
        *(
            append(node, entry(n, f"{number}-{n}", f"of {number}"))
            for n in range(5)
            for number, node in enumerate(nodes)
        )
    )

    found = await nodes[0].read(GROUP, Span())
    assert sorted(each.message for each in found) == sorted(f"{number}-{n}" for n in range(5) for number in range(4))
    assert len({each.number for each in found}) == 20


async def test_a_page_goes_on_where_the_one_before_ended_on_another_node(database: Database) -> None:
    nodes = small(database), small(database)
    for number in range(20):
        await append(nodes[number % 2], entry(number // 3, str(number)))

    pages: list[list[str]] = []
    after = None
    while page := await nodes[len(pages) % 2].read(GROUP, Span(after=after, limit=7)):
        pages.append([found.message for found in page])
        after = page[-1].position

    assert [len(page) for page in pages] == [7, 7, 6]
    assert [message for page in pages for message in page] == [str(number) for number in range(20)]


async def test_the_last_ones_are_given_in_order_too(database: Database) -> None:
    events = small(database)
    for number in range(9):
        await append(events, entry(number, str(number)))

    assert await messages(events, limit=3, from_tail=True) == ["6", "7", "8"]
    assert await messages(events, limit=3, from_tail=True, before=(6, 7)) == ["3", "4", "5"]


async def test_a_span_begins_at_its_start_and_ends_before_its_end_and_knows_streams(database: Database) -> None:
    events = small(database)
    for number in range(6):
        await append(events, entry(number, str(number), "even" if number % 2 == 0 else "odd"))

    assert await messages(events, start_ms=1, end_ms=3) == ["1", "2"]
    assert await messages(events, streams=frozenset({"odd"})) == ["1", "3", "5"]
    assert await messages(events, streams=frozenset({"nobody's"})) == []
    times = (await events.stream_times(GROUP))["even"]
    assert (times.first_ms, times.last_ms, times.last_ingested_ms) == (0, 4, 5)


async def test_groups_do_not_see_each_others_events(database: Database) -> None:
    events = small(database)
    await append(events, entry(1, "mine"))
    await append(events, entry(1, "yours"), group="other")

    assert await messages(events) == ["mine"]


async def test_more_than_the_bound_drops_the_oldest_and_never_all(database: Database) -> None:
    events = small(database, max_bytes=300)
    for number in range(50):
        await append(events, entry(number, str(number)))
    await append(events, entry(50, "x" * 1000), group="other")

    kept = await messages(events)
    assert kept[-1] == "49"
    assert "0" not in kept
    assert 0 < await events.stored_bytes(GROUP) <= 300
    assert await events.stored_bytes("other") > 1000, "the newest stays, however large it is"


async def test_what_is_too_old_goes_and_what_is_just_young_enough_stays(database: Database) -> None:
    events = small(database)
    for number in range(9):
        await append(events, entry(number, f"{number} " + "x" * 100))

    await events.prune({GROUP: 4, "other": None})

    assert [message[0] for message in await messages(events)] == ["4", "5", "6", "7", "8"]


async def test_a_deleted_stream_is_gone_and_numbers_go_on_where_they_were(database: Database) -> None:
    events = small(database)
    for number in range(6):
        await append(events, entry(number, str(number), "kept" if number % 2 == 0 else "gone"))
    await append(events, entry(6, "alone " + "x" * 200, "gone"))
    before = {found.message: found.number for found in await events.read(GROUP, Span())}

    await events.forget_stream(GROUP, "gone")
    await append(events, entry(7, "new", "kept"))

    found = await events.read(GROUP, Span())
    assert [each.message for each in found] == ["0", "2", "4", "new"]
    assert all(before[each.message] == each.number for each in found[:3])
    assert set(await events.stream_times(GROUP)) == {"kept"}


async def test_a_group_takes_its_events_along(database: Database) -> None:
    events = small(database)
    await append(events, entry(1))

    await LogStore(database).delete_group(GROUP)

    assert await messages(events) == []
    with pytest.raises(IntegrityError):
        await append(events, entry(2))


async def test_much_is_written_in_pieces(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_events, "MAX_ENTRIES", 3)
    monkeypatch.setattr(shared_events, "MAX_CHARACTERS", 20)
    events = small(database)
    pending = {
        GROUP: [entry(number, str(number)) for number in range(7)] + [entry(7, "x" * 50), entry(8, "y")],
        "other": [entry(9, "z")],
    }

    await events.append(pending)

    assert pending == {}
    assert await messages(events) == ["0", "1", "2", "3", "4", "5", "6", "x" * 50, "y"]
    assert [found.message for found in await events.read("other", Span())] == ["z"]


async def test_any_text_comes_back_as_it_was(database: Database) -> None:
    events = small(database)
    texts = ["", "two\nlines", "\0 null", "\u2028 and \x85", "\U0001f600"]

    await append(events, *(entry(number, text) for number, text in enumerate(texts)))

    assert await messages(events) == texts


async def test_a_node_writes_to_a_group_that_another_has_deleted(database: Database) -> None:
    """The group comes back with the line, as on one node, whether or not its deletion has been heard of."""
    store = LogStore(database)
    journal = Journal(small(database), store, FrozenClock(NOW))
    journal.append(GROUP, "s", 1, "old")
    await journal.flush()

    await store.delete_group(GROUP)
    journal.append(GROUP, "s", 2, "unheard of")
    assert [found.message for found in await journal.read(GROUP, Span())] == ["unheard of"]

    database.changes.subscribe(LOGS_TOPIC, journal.forget_known)
    await store.delete_streams(GROUP, ["s"])
    journal.append(GROUP, "s", 3, "heard of")
    await journal.flush()
    assert [stream.name for stream in await store.load_streams(GROUP, prefix="")] == ["s"]
    await journal.close()
