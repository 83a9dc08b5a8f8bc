"""The events of all log groups on this machine: taken in quickly, written in one thread, read back.

    journal = Journal(folder, store, clock)
    journal.append("/aws/lambda/orders", stream, at_ms, "text")     from the event loop, any number of times
    await journal.flush()                                           what was appended is in files
    await journal.read(group, span)

Appending only puts an event in a list; the list is written `FLUSH_SECONDS` later, together. So what a function prints
costs its caller nothing, and a server that is killed loses the lines of that moment, no more. Readers write first, so
that whoever reads sees what was there.

Groups and streams that are written to come into being by that, as those of functions do on AWS. Their names are in the
store; events are in this machine's state folder, since they are written far more often than they are read. Several
nodes that share a database have each the events that it took in.

A group holds at most `max_bytes_per_group`; beyond that the oldest go. Events are taken in faster than they can be
written only for a while: past `MAX_PENDING` lines the newest are dropped, and a line in the log says how many.
"""

import asyncio
import hashlib
import logging
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from velvetrope.clock import Clock
from velvetrope.logs.segments import Entry, Segments, Span, StreamTimes
from velvetrope.store.tables.logs import LogGroup, LogStore, LogStream

__all__ = ["Journal"]

FLUSH_SECONDS = 0.2
MAX_BYTES_PER_GROUP = 32 * 1024 * 1024
MAX_PENDING = 100_000
_MAX_KNOWN_STREAMS = 10_000
_MS_OF_A_DAY = 86_400_000
_EMPTY_STREAM_DAYS = 30
_NAMES_AT_ONCE = 500

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Journal:
    """See the module. Give it back with `close()`: it holds a thread, and lines that are not written yet."""

    def __init__(
        self, folder: Path, store: LogStore, clock: Clock, *, max_bytes_per_group: int = MAX_BYTES_PER_GROUP
    ) -> None:
        self._folder = folder
        self._store = store
        self._clock = clock
        self._max_bytes = max_bytes_per_group
        self._pending: dict[str, list[Entry]] = {}
        self._pending_count = 0
        self._dropped: dict[tuple[str, str], int] = {}
        self._segments: dict[str, Segments] = {}
        self._known_streams: set[tuple[str, str]] = set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="velvetrope-logs")
        self._flushing = asyncio.Lock()
        self._flush_due: asyncio.TimerHandle | None = None
        self._flushes: set[asyncio.Task[None]] = set()

    def append(self, group: str, stream: str, at_ms: int, message: str) -> None:
        """Take one event in. Group and stream need not exist."""
        if self._pending_count >= MAX_PENDING:
            self._dropped[group, stream] = self._dropped.get((group, stream), 0) + 1
            return
        pending = self._pending.get(group)
        if pending is None:
            pending = self._pending[group] = []
        pending.append(Entry(0, at_ms, 0, stream, message))
        self._pending_count += 1
        if self._flush_due is None:
            self._flush_due = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flush_soon)

    def now_ms(self) -> int:
        """The time, in epoch milliseconds."""
        return int(self._clock.now().timestamp() * 1000)

    async def flush(self) -> None:
        """Write what was taken in. When this returns, it survives the end of the process."""
        async with self._flushing:
            if self._flush_due is not None:
                self._flush_due.cancel()
                self._flush_due = None
            for (group, stream), count in self._dropped.items():
                line = f"velvetrope: {count} lines came faster than they could be written, and are lost"
                self._pending.setdefault(group, []).append(Entry(0, self.now_ms(), 0, stream, line))
            self._dropped.clear()
            pending, self._pending, self._pending_count = self._pending, {}, 0
            for group, entries in pending.items():
                await self._make_known(group, {entry.stream for entry in entries})
                await self._in_thread(partial(self._append, group, entries, self.now_ms()))

    async def read(self, group: str, span: Span) -> list[Entry]:
        """The events of a group that `span` holds, in order."""
        await self.flush()
        return await self._in_thread(lambda: self._of(group).read(span))

    async def stream_times(self, group: str) -> dict[str, StreamTimes]:
        """The times of each stream of a group that has events here."""
        await self.flush()
        return await self._in_thread(lambda: self._of(group).stream_times())

    async def stored_bytes(self, group: str) -> int:
        """What the events of a group take here."""
        await self.flush()
        return await self._in_thread(lambda: self._of(group).stored_bytes)

    async def forget_group(self, group: str) -> None:
        """Drop the events of a group that was deleted. What is written to it later makes it anew."""
        await self.flush()
        self._known_streams = {known for known in self._known_streams if known[0] != group}
        await self._in_thread(lambda: self._of(group).remove())
        self._segments.pop(group, None)

    async def forget_stream(self, group: str, stream: str) -> None:
        """Drop the events of a stream that was deleted."""
        await self.flush()
        self._known_streams.discard((group, stream))
        await self._in_thread(lambda: self._of(group).delete_stream(stream))

    async def prune(self, groups: list[LogGroup]) -> None:
        """Drop what is older than its group keeps, streams of which nothing has been left for long, and the files of
        groups that are not among `groups`."""
        now_ms = self.now_ms()
        for group in groups:
            await self._drop_empty_streams(group.name)
            if group.retention_days is not None:
                before_ms = now_ms - group.retention_days * _MS_OF_A_DAY
                await self._in_thread(partial(self._prune, group.name, before_ms))
        await self._in_thread(lambda: self._remove_all_but({_folder_name(group.name) for group in groups}))

    async def close(self) -> None:
        """Write what is left."""
        await self.flush()
        if self._flushes:
            await asyncio.gather(*self._flushes)
        self._thread.shutdown()

    async def _drop_empty_streams(self, group: str) -> None:
        """Every sandbox has a stream of its own: without this they would only ever become more."""
        filled = await self.stream_times(group)
        old = self._clock.now() - timedelta(days=_EMPTY_STREAM_DAYS)
        streams = await self._store.load_streams(group, prefix="")
        empty = [stream.name for stream in streams if stream.name not in filled and stream.created_at < old]
        for first in range(0, len(empty), _NAMES_AT_ONCE):
            await self._store.delete_streams(group, empty[first : first + _NAMES_AT_ONCE])

    def _flush_soon(self) -> None:
        self._flush_due = None
        task = asyncio.get_running_loop().create_task(self._flush_in_background())
        self._flushes.add(task)
        task.add_done_callback(self._flushes.discard)

    async def _flush_in_background(self) -> None:
        try:
            await self.flush()
        except OSError:
            # A full disk must not end what writes to it; the owner sees it here.
            _log.exception("log lines could not be written")

    async def _make_known(self, group: str, streams: set[str]) -> None:
        unknown = [stream for stream in streams if (group, stream) not in self._known_streams]
        if not unknown:
            return
        now = self._clock.now()
        if len(self._known_streams) > _MAX_KNOWN_STREAMS:
            self._known_streams.clear()
        await self._store.create_group(LogGroup(name=group, created_at=now))
        for stream in unknown:
            await self._store.create_stream(LogStream(group_name=group, name=stream, created_at=now))
            self._known_streams.add((group, stream))

    def _append(self, group: str, entries: list[Entry], ingested_ms: int) -> None:
        for entry in entries:
            entry.ingested_ms = ingested_ms
        self._of(group).append(entries)

    def _prune(self, group: str, before_ms: int) -> None:
        self._of(group).prune(before_ms=before_ms)

    def _of(self, group: str) -> Segments:
        segments = self._segments.get(group)
        if segments is None:
            folder = self._folder / _folder_name(group)
            segments = self._segments[group] = Segments(folder, max_bytes=self._max_bytes)
        return segments

    def _remove_all_but(self, names: set[str]) -> None:
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                if path.name not in names:
                    shutil.rmtree(path, ignore_errors=True)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _folder_name(group: str) -> str:
    """A group's name may be longer than a file's, and has slashes."""
    return hashlib.sha256(group.encode()).hexdigest()
