"""The journal of all groups: taken in at once, written together, bounded, tidied."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from support.stores import open_store
from velvetrope.clock import FrozenClock
from velvetrope.logs import journal as journals
from velvetrope.logs.event_files import EventFiles
from velvetrope.logs.journal import Journal
from velvetrope.logs.segments import Entry, Span
from velvetrope.store.tables.logs import LogGroup, LogStore, LogStream


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LogStore]:
    database = await open_store(tmp_path)
    yield LogStore(database)
    await database.close()


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
async def journal(store: LogStore, tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Journal]:
    opened = Journal(EventFiles(tmp_path / "logs", max_bytes_per_group=journals.MAX_BYTES_PER_GROUP), store, clock)
    yield opened
    await opened.close()


async def test_what_is_written_to_a_new_group_makes_group_and_stream(journal: Journal, store: LogStore) -> None:
    journal.append("/aws/lambda/orders", "a", 1, "one")
    journal.append("/aws/lambda/orders", "b", 2, "two")

    found = await journal.read("/aws/lambda/orders", Span())

    assert [(entry.stream, entry.message) for entry in found] == [("a", "one"), ("b", "two")]
    assert await store.load_group("/aws/lambda/orders") is not None
    assert [stream.name for stream in await store.load_streams("/aws/lambda/orders", prefix="")] == ["a", "b"]


async def test_groups_do_not_see_each_others_events(journal: Journal) -> None:
    journal.append("one", "s", 1, "mine")
    journal.append("two", "s", 1, "yours")

    assert [entry.message for entry in await journal.read("one", Span())] == ["mine"]


async def test_half_a_character_keeps_no_line_from_being_written(journal: Journal) -> None:
    journal.append("group", "s", 1, "half \ud800, whole \U0001f600")
    journal.append("group", "s", 2, "next")

    assert [entry.message for entry in await journal.read("group", Span())] == ["half ?, whole \U0001f600", "next"]


async def test_lines_that_come_faster_than_they_are_written_are_counted_as_lost(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "MAX_PENDING", 3)
    for number in range(5):
        journal.append("group", "s", number, str(number))

    found = [entry.message for entry in await journal.read("group", Span())]

    assert found[:3] == ["0", "1", "2"]
    assert found[3:] == ["velvetrope: 2 lines came faster than they could be written, and are lost"]


async def test_a_group_that_is_deleted_comes_back_empty(journal: Journal, store: LogStore) -> None:
    journal.append("group", "s", 1, "old")
    await journal.flush()
    await store.delete_group("group")
    await journal.forget_group("group")

    journal.append("group", "s", 2, "new")

    assert [entry.message for entry in await journal.read("group", Span())] == ["new"]
    assert await store.load_group("group") is not None


async def test_tidying_drops_what_is_too_old_and_what_belongs_to_nobody(
    journal: Journal, store: LogStore, clock: FrozenClock, tmp_path: Path
) -> None:
    journal.append("kept", "s", journal.now_ms(), "old")
    journal.append("gone", "s", journal.now_ms(), "old")
    await journal.flush()
    await store.delete_group("gone")
    group = await store.load_group("kept")
    assert group is not None
    clock.advance(timedelta(days=1, seconds=1))

    await journal.prune([msgspec.structs.replace(group, retention_days=1)])

    assert await journal.read("kept", Span()) == []
    assert len(list((tmp_path / "logs").iterdir())) == 1


async def test_streams_that_have_long_been_empty_are_forgotten_and_others_are_not(
    journal: Journal, store: LogStore, clock: FrozenClock
) -> None:
    await store.create_group(LogGroup(name="group", created_at=clock.now()))
    await store.create_stream(LogStream(group_name="group", name="empty", created_at=clock.now()))
    journal.append("group", "filled", journal.now_ms(), "line")
    await journal.flush()
    group = await store.load_group("group")
    assert group is not None
    clock.advance(timedelta(days=30))
    await journal.prune([group])
    at_thirty_days = [stream.name for stream in await store.load_streams("group", prefix="")]
    clock.advance(timedelta(seconds=1))

    await journal.prune([group])

    assert at_thirty_days == ["empty", "filled"]
    assert [stream.name for stream in await store.load_streams("group", prefix="")] == ["filled"]


class Full(EventFiles):
    """Files on a disk that is full until it is not; it takes one group's events more."""

    is_full = True

    async def append(self, pending: dict[str, list[Entry]]) -> None:
        if self.is_full:
            first = next(iter(pending))
            await super().append({first: pending.pop(first)})
            raise OSError(28, "No space left on device")
        await super().append(pending)


async def test_what_could_not_be_written_is_kept_and_written_once_in_its_order(
    store: LogStore, tmp_path: Path, clock: FrozenClock, caplog: pytest.LogCaptureFixture
) -> None:
    files = Full(tmp_path / "logs", max_bytes_per_group=journals.MAX_BYTES_PER_GROUP)
    journal = Journal(files, store, clock)
    journal.append("one", "s", 1, "a")
    journal.append("two", "s", 1, "b")

    with pytest.raises(OSError, match="No space left"):
        await journal.flush()
    journal.append("two", "s", 1, "c")
    meanwhile = await journal.read("one", Span())

    assert [entry.message for entry in meanwhile] == ["a"], "what was written before is read"
    assert "could not be written" in caplog.text
    files.is_full = False
    await journal.flush()
    assert [entry.message for entry in await journal.read("one", Span())] == ["a"]
    assert [entry.message for entry in await journal.read("two", Span())] == ["b", "c"]
    await journal.close()


async def test_who_goes_away_while_it_is_written_takes_nothing_along(journal: Journal) -> None:
    journal.append("group", "s", 1, "line")
    reading = asyncio.create_task(journal.flush())
    await asyncio.sleep(0)

    reading.cancel()

    with pytest.raises(asyncio.CancelledError):
        await reading
    assert [entry.message for entry in await journal.read("group", Span())] == ["line"]
