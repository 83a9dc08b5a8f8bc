"""The events of all groups in the store, where several nodes share one: what any of them took in, all of them read.

Lines are as in files (`segments`), in chunks of some dozens of kilobytes. What one node takes in within half a second
goes into the store together, a piece at a time, so that nobody else waits long for their turn to write.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from velvetrope.logs.segments import Entry, Span, StreamTimes
from velvetrope.store.tables.log_chunks import ChunkHead, LogBatch, LogChunkStore, Times

__all__ = ["SharedEvents"]

MAX_ENTRIES = 2000
MAX_CHARACTERS = 500_000
"""Of what is written in one transaction. A single event may be longer."""

_CHUNKS_AT_ONCE = 16

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Entry)


class SharedEvents:
    """Keeps events as `journal.EventKeeper` has it."""

    def __init__(self, store: LogChunkStore, *, max_bytes_per_group: int) -> None:
        self._store = store
        self._max_bytes = max_bytes_per_group

    async def append(self, pending: dict[str, list[Entry]]) -> None:
        while pending:
            piece = _first_piece(pending)
            batches = {group: _batch(entries) for group, entries in piece.items()}
            await self._store.append(batches, max_bytes=self._max_bytes)
            for group, entries in piece.items():
                if len(entries) == len(pending[group]):
                    del pending[group]
                else:
                    del pending[group][: len(entries)]

    async def read(self, group: str, span: Span) -> list[Entry]:
        wanted = [head.id for head in await self._store.load_heads(group) if _may_hold(head, span)]
        found: list[Entry] = []
        for first in range(0, len(wanted), _CHUNKS_AT_ONCE):
            lines = await self._store.load_lines(wanted[first : first + _CHUNKS_AT_ONCE])
            found = await asyncio.to_thread(_best, found, lines, span)
        return found

    async def stream_times(self, group: str) -> dict[str, StreamTimes]:
        found: dict[str, StreamTimes] = {}
        for head in await self._store.load_heads(group):
            for stream, (first_ms, last_ms, last_ingested_ms) in head.times.streams.items():
                known = found.setdefault(stream, StreamTimes(first_ms, last_ms, last_ingested_ms))
                known.first_ms = min(known.first_ms, first_ms)
                known.last_ms = max(known.last_ms, last_ms)
                known.last_ingested_ms = max(known.last_ingested_ms, last_ingested_ms)
        return found

    async def stored_bytes(self, group: str) -> int:
        return sum(head.size for head in await self._store.load_heads(group))

    async def forget_group(self, group: str) -> None:
        """They went with their group."""

    async def forget_stream(self, group: str, stream: str) -> None:
        def keep(lines: bytes) -> LogBatch | None:
            kept = [entry for entry in _scan(lines) if entry.stream != stream]
            return _batch(kept, renumbered=False) if kept else None

        await self._store.rewrite(group, stream, keep)

    async def prune(self, oldest_ms: Mapping[str, int | None]) -> None:
        for group, before_ms in oldest_ms.items():
            if before_ms is not None:
                await self._store.delete_before(group, before_ms)

    async def close(self) -> None:
        """Nothing is held."""


def _first_piece(pending: Mapping[str, list[Entry]]) -> dict[str, list[Entry]]:
    """As much as one transaction takes, one event at least."""
    piece: dict[str, list[Entry]] = {}
    count = characters = 0
    for group, entries in pending.items():
        for number, entry in enumerate(entries):
            count += 1
            characters += len(entry.message)
            if count > 1 and (count > MAX_ENTRIES or characters > MAX_CHARACTERS):
                if number:
                    piece[group] = entries[:number]
                return piece
        piece[group] = list(entries)
    return piece


def _batch(entries: Sequence[Entry], *, renumbered: bool = True) -> LogBatch:
    times: dict[str, StreamTimes] = {}
    for entry in entries:
        known = times.get(entry.stream)
        if known is None:
            times[entry.stream] = StreamTimes(entry.at_ms, entry.at_ms, entry.ingested_ms)
        else:
            known.take(entry)

    def encode(first_number: int) -> bytes:
        lines = bytearray()
        for number, entry in enumerate(entries, first_number):
            if renumbered:
                entry.number = number
            _encoder.encode_into(entry, lines, -1)
            lines += b"\n"
        return bytes(lines)

    spans: dict[str, Times] = {stream: (of.first_ms, of.last_ms, of.last_ingested_ms) for stream, of in times.items()}
    return LogBatch(len(entries), spans, encode)


def _scan(lines: bytes) -> Iterator[Entry]:
    return map(_decoder.decode, lines.splitlines())


def _best(found: list[Entry], chunks: list[bytes], span: Span) -> list[Entry]:
    return span.best([*found, *(entry for lines in chunks for entry in _scan(lines) if span.holds(entry))])


def _may_hold(head: ChunkHead, span: Span) -> bool:
    return span.may_hold(head.first_ms, head.last_ms, head.times.streams)
