"""The events of one log group in files: appended, read back in order of time, dropped when they are too many or old.

    segments = Segments(folder, max_bytes=...)
    segments.append([Entry(...), ...])
    segments.read(Span(...))                      sorted by time, then by arrival
    segments.prune(before_ms=...)

A segment is a file of JSON lines, named after its first event's number. Events are numbered in the order in which they
came; the number is what paging goes by and what an event's id is made of. A segment that is full is closed and another
begun; when all of them together hold too much, the oldest goes. A line that a crash left half written is passed over.

Nothing here is asynchronous and nothing locks: `journal` calls it from one thread.
"""

import heapq
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

__all__ = ["Entry", "Position", "Segments", "Span", "StreamTimes"]

SEGMENT_BYTES = 4 * 1024 * 1024
_SUFFIX = ".jsonl"

Position = tuple[int, int]
"""Where an event is in the order of a group: its time in epoch milliseconds, and its number."""


class Entry(msgspec.Struct, array_like=True, gc=False):
    """One event of a group. Not frozen: what is not known when it comes is filled in when it is written."""

    number: int
    at_ms: int
    """Epoch milliseconds, as whoever wrote it says."""
    ingested_ms: int
    stream: str
    message: str

    @property
    def position(self) -> Position:
        return self.at_ms, self.number


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What is looked for. Times are epoch milliseconds: from `start_ms` on, and before `end_ms`."""

    start_ms: int = 0
    end_ms: int | None = None
    streams: frozenset[str] | None = None
    stream_prefix: str = ""
    matches: Callable[[str], bool] | None = None
    """Asked for each message that is otherwise right."""
    after: Position | None = None
    before: Position | None = None
    limit: int = 10_000
    from_tail: bool = False
    """Whether `limit` keeps the last ones; in order all the same."""

    def holds(self, entry: Entry) -> bool:
        return (
            entry.at_ms >= self.start_ms
            and (self.end_ms is None or entry.at_ms < self.end_ms)
            and (self.streams is None or entry.stream in self.streams)
            and entry.stream.startswith(self.stream_prefix)
            and (self.after is None or entry.position > self.after)
            and (self.before is None or entry.position < self.before)
            and (self.matches is None or self.matches(entry.message))
        )

    def may_hold(self, first_ms: int, last_ms: int, streams: Iterable[str]) -> bool:
        """Whether it can hold any of some events of which this much is known."""
        if last_ms < self.start_ms or (self.end_ms is not None and first_ms >= self.end_ms):
            return False
        if self.after is not None and last_ms < self.after[0]:
            return False
        if self.before is not None and first_ms > self.before[0]:
            return False
        return self.streams is None or not self.streams.isdisjoint(streams)

    def best(self, held: Iterable[Entry]) -> list[Entry]:
        """As many of these events as `limit` keeps, in order."""
        if self.from_tail:
            return heapq.nlargest(self.limit, held, key=lambda entry: entry.position)[::-1]
        return heapq.nsmallest(self.limit, held, key=lambda entry: entry.position)


@dataclass(slots=True)
class StreamTimes:
    """The times of a stream's events, in epoch milliseconds."""

    first_ms: int
    last_ms: int
    last_ingested_ms: int

    def take(self, entry: Entry) -> None:
        at_ms = entry.at_ms
        if at_ms > self.last_ms:
            self.last_ms = at_ms
        elif at_ms < self.first_ms:
            self.first_ms = at_ms
        self.last_ingested_ms = max(self.last_ingested_ms, entry.ingested_ms)


@dataclass(slots=True)
class _Segment:
    """What is known of one file without reading it."""

    path: Path
    size: int = 0
    first_ms: int | None = None
    last_ms: int = 0
    times: dict[str, StreamTimes] = field(default_factory=dict)

    def take(self, entry: Entry, size: int) -> None:
        at_ms = entry.at_ms
        self.size += size
        if at_ms > self.last_ms:
            self.last_ms = at_ms
        if self.first_ms is None or at_ms < self.first_ms:
            self.first_ms = at_ms
        times = self.times.get(entry.stream)
        if times is None:
            self.times[entry.stream] = StreamTimes(at_ms, at_ms, entry.ingested_ms)
        else:
            times.take(entry)


class Segments:
    """See the module. `max_bytes` is kept to within one segment."""

    def __init__(self, folder: Path, *, max_bytes: int, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._segment_bytes = segment_bytes
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(Entry)
        self._segments: list[_Segment] = []
        self._next = 1
        self._open()

    @property
    def stored_bytes(self) -> int:
        """What all events take on disk."""
        return sum(segment.size for segment in self._segments)

    def append(self, entries: Sequence[Entry]) -> None:
        """Write events, in this order. They are given their numbers here.

        A function that is called ten thousand times a second writes thirty thousand lines: what is done for each of
        them is as little as can be.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        encode_into = self._encoder.encode_into
        current, lines = self._current(), bytearray()
        for entry in entries:
            begun = len(lines)
            entry.number = self._next
            encode_into(entry, lines, -1)
            lines += b"\n"
            size = len(lines) - begun
            if current.size and current.size + size > self._segment_bytes:
                _write(current.path, lines[:begun])
                del lines[:begun]
                current = self._begin()
            self._next += 1
            current.take(entry, size)
        _write(current.path, lines)
        while self.stored_bytes > self._max_bytes and len(self._segments) > 1:
            self._segments.pop(0).path.unlink(missing_ok=True)

    def read(self, span: Span) -> list[Entry]:
        """The events that `span` holds, in order."""
        found = (entry for segment in self._segments if _may_hold(segment, span) for entry in self._scan(segment.path))
        return span.best(entry for entry in found if span.holds(entry))

    def stream_times(self) -> dict[str, StreamTimes]:
        """The times of each stream that has events."""
        found: dict[str, StreamTimes] = {}
        for segment in self._segments:
            for stream, times in segment.times.items():
                known = found.setdefault(stream, StreamTimes(times.first_ms, times.last_ms, times.last_ingested_ms))
                known.first_ms = min(known.first_ms, times.first_ms)
                known.last_ms = max(known.last_ms, times.last_ms)
                known.last_ingested_ms = max(known.last_ingested_ms, times.last_ingested_ms)
        return found

    def prune(self, *, before_ms: int) -> None:
        """Drop the segments in which every event is older."""
        for segment in [segment for segment in self._segments if segment.size and segment.last_ms < before_ms]:
            self._segments.remove(segment)
            segment.path.unlink(missing_ok=True)

    def delete_stream(self, stream: str) -> None:
        """Drop the events of one stream: the files that have any are written anew."""
        for segment in [segment for segment in self._segments if stream in segment.times]:
            kept = [entry for entry in self._scan(segment.path) if entry.stream != stream]
            anew = _Segment(segment.path)
            lines = [self._encoder.encode(entry) + b"\n" for entry in kept]
            for entry, line in zip(kept, lines, strict=True):
                anew.take(entry, len(line))
            beside = segment.path.with_suffix(".anew")
            beside.write_bytes(b"".join(lines))
            beside.replace(segment.path)
            self._segments[self._segments.index(segment)] = anew

    def remove(self) -> None:
        """Drop everything."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._segments.clear()

    def _open(self) -> None:
        paths = sorted(self._folder.glob(f"*{_SUFFIX}")) if self._folder.is_dir() else []
        for path in paths:
            segment = _Segment(path)
            for entry in self._scan(path):
                segment.take(entry, 0)
                self._next = max(self._next, entry.number + 1)
            segment.size = path.stat().st_size
            self._segments.append(segment)
        if self._segments:
            # What a crash may have left at the end of the last file is not written on to.
            self._begin()

    def _current(self) -> _Segment:
        return self._segments[-1] if self._segments else self._begin()

    def _begin(self) -> _Segment:
        segment = _Segment(self._folder / f"{self._next:016d}{_SUFFIX}")
        self._segments.append(segment)
        return segment

    def _scan(self, path: Path) -> Iterator[Entry]:
        try:
            lines = path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                yield self._decoder.decode(line)
            except msgspec.DecodeError:
                continue


def _may_hold(segment: _Segment, span: Span) -> bool:
    return segment.first_ms is not None and span.may_hold(segment.first_ms, segment.last_ms, segment.times)


def _write(path: Path, lines: bytes | bytearray) -> None:
    if lines:
        with path.open("ab") as file:
            file.write(lines)
