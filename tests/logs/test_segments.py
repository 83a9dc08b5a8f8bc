"""The files of a log group: order, paging, bounds, and what a crash leaves behind."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velvetrope.logs.segments import Entry, Segments, Span


def entry(at_ms: int, message: str = "line", stream: str = "one") -> Entry:
    return Entry(0, at_ms, at_ms + 1, stream, message)


def small(folder: Path, **changes: int) -> Segments:
    return Segments(folder, **{"max_bytes": 1000, "segment_bytes": 100, **changes})


def messages(segments: Segments, **span: object) -> list[str]:
    return [found.message for found in segments.read(Span(**span))]  # type: ignore[arg-type]  # each test gives its own


def test_events_come_back_in_the_order_of_their_times_and_then_of_their_arrival(tmp_path: Path) -> None:
    segments = small(tmp_path / "group", max_bytes=10_000)
    segments.append([entry(2, "c"), entry(1, "a"), entry(1, "b")])
    segments.append([entry(0, "first")])

    assert messages(segments) == ["first", "a", "b", "c"]


def test_a_page_goes_on_where_the_one_before_ended(tmp_path: Path) -> None:
    segments = small(tmp_path / "group", max_bytes=10_000)
    segments.append([entry(number // 3, str(number)) for number in range(20)])
    pages, after = [], None
    while page := segments.read(Span(after=after, limit=7)):
        pages.append([found.message for found in page])
        after = page[-1].position

    assert [len(page) for page in pages] == [7, 7, 6]
    assert [message for page in pages for message in page] == [str(number) for number in range(20)]


def test_the_last_ones_are_given_in_order_too(tmp_path: Path) -> None:
    segments = small(tmp_path / "group", max_bytes=10_000)
    segments.append([entry(number, str(number)) for number in range(9)])

    assert messages(segments, limit=3, from_tail=True) == ["6", "7", "8"]
    assert messages(segments, limit=3, from_tail=True, before=(6, 7)) == ["3", "4", "5"]


def test_a_span_begins_at_its_start_and_ends_before_its_end(tmp_path: Path) -> None:
    segments = small(tmp_path / "group", max_bytes=10_000)
    segments.append([entry(number, str(number)) for number in range(5)])

    assert messages(segments, start_ms=1, end_ms=3) == ["1", "2"]


def test_streams_are_told_apart_by_name_and_by_prefix(tmp_path: Path) -> None:
    segments = small(tmp_path / "group", max_bytes=10_000)
    segments.append([entry(1, "a", "2026/a"), entry(2, "b", "2026/b"), entry(3, "c", "2025/c")])

    assert messages(segments, streams=frozenset({"2026/b"})) == ["b"]
    assert messages(segments, stream_prefix="2026/") == ["a", "b"]
    times = segments.stream_times()["2026/a"]
    assert (times.first_ms, times.last_ms, times.last_ingested_ms) == (1, 1, 2)


def test_more_than_the_bound_drops_the_oldest_and_never_all(tmp_path: Path) -> None:
    segments = small(tmp_path / "group", max_bytes=300)
    for number in range(50):
        segments.append([entry(number, str(number))])

    kept = messages(segments)
    assert kept[-1] == "49"
    assert "0" not in kept
    assert 0 < segments.stored_bytes <= 400
    on_disk = sum(path.stat().st_size for path in (tmp_path / "group").iterdir())
    assert on_disk == segments.stored_bytes


def test_a_group_is_read_again_after_a_restart_and_numbers_go_on(tmp_path: Path) -> None:
    small(tmp_path / "group", max_bytes=10_000).append([entry(1, "a"), entry(1, "b")])

    again = small(tmp_path / "group", max_bytes=10_000)
    again.append([entry(1, "c")])

    assert [(found.number, found.message) for found in again.read(Span())] == [(1, "a"), (2, "b"), (3, "c")]


def test_a_half_written_line_is_passed_over_and_not_written_on_to(tmp_path: Path) -> None:
    folder = tmp_path / "group"
    small(folder, max_bytes=10_000).append([entry(1, "a"), entry(2, "b")])
    [path] = folder.iterdir()
    path.write_bytes(path.read_bytes()[:-9])

    again = small(folder, max_bytes=10_000)
    again.append([entry(3, "c")])

    assert messages(again) == ["a", "c"]


def test_what_is_old_goes_by_whole_files(tmp_path: Path) -> None:
    segments = small(tmp_path / "group", max_bytes=10_000)
    for at in (1, 1000):
        segments.append([entry(at + number, f"{at}", "s" * 60) for number in range(3)])

    segments.prune(before_ms=1000)

    assert set(messages(segments)) == {"1000"}


def test_a_stream_that_is_deleted_takes_its_events_and_no_others(tmp_path: Path) -> None:
    segments = small(tmp_path / "group", max_bytes=10_000)
    segments.append([entry(number, str(number), "one" if number % 2 else "two") for number in range(10)])

    segments.delete_stream("one")

    assert messages(segments) == ["0", "2", "4", "6", "8"]
    assert set(segments.stream_times()) == {"two"}
    assert messages(small(tmp_path / "group", max_bytes=10_000)) == ["0", "2", "4", "6", "8"]


@given(text=st.text(min_size=1, max_size=200))
def test_any_text_comes_back_as_it_was(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    segments = small(tmp_path_factory.mktemp("any") / "group", max_bytes=100_000)
    segments.append([entry(1, text.encode("utf-8", "replace").decode())])

    assert messages(segments) == [text.encode("utf-8", "replace").decode()]
