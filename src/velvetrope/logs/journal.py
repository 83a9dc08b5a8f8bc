"""The events of all log groups: taken in quickly, written together, read back.

    journal = Journal(events, store, clock)
    journal.append("/aws/lambda/orders", stream, at_ms, "text")     from the event loop, any number of times
    await journal.flush()                                           what was appended is kept
    await journal.read(group, span)

Appending only puts an event in a list; the list is written a moment later, together. So what a function prints costs
its caller nothing, and a server that is killed loses the lines of that moment, no more. Readers write first, so that
whoever reads sees what was there.

Groups and streams that are written to come into being by that, as those of functions do on AWS. Their names are in the
store. Events are in files of this machine's state folder (`event_files`), since they are written far more often than
they are read; where several nodes share a store they are in it (`shared_events`), so that each node reads what any of
them took in.

A group holds at most `MAX_BYTES_PER_GROUP`; beyond that the oldest go. Events are taken in faster than they can be
written only for a while: past `MAX_PENDING` lines the newest are dropped, and a line in the log says how many. What
could not be written is written with what comes next.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol

from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from velvetrope.clock import Clock
from velvetrope.logs.segments import Entry, Span, StreamTimes
from velvetrope.store.tables.logs import LogGroup, LogStore, LogStream

__all__ = ["MAX_BYTES_PER_GROUP", "EventKeeper", "Journal"]

FLUSH_SECONDS = 0.2
SHARED_FLUSH_SECONDS = 0.5
"""Where each writing is a turn of all nodes."""
MAX_BYTES_PER_GROUP = 32 * 1024 * 1024
MAX_PENDING = 100_000
_MAX_KNOWN_STREAMS = 10_000
_MS_OF_A_DAY = 86_400_000
_EMPTY_STREAM_DAYS = 30
_NAMES_AT_ONCE = 500
_TRY_AGAIN_SECONDS = 1.0

_log = logging.getLogger(__name__)


class EventKeeper(Protocol):
    """Where the events are: `event_files.EventFiles`, `shared_events.SharedEvents`. One call at a time writes."""

    async def append(self, pending: dict[str, list[Entry]]) -> None:
        """Write events, by their groups, in this order; what is written is taken out of `pending`. They are given their
        numbers here.

        Raises:
            OSError, sqlalchemy.exc.SQLAlchemyError: what is left in `pending` is not written.
        """

    async def read(self, group: str, span: Span) -> list[Entry]:
        """The events of a group that `span` holds, in order."""

    async def stream_times(self, group: str) -> dict[str, StreamTimes]:
        """The times of each stream of a group that has events."""

    async def stored_bytes(self, group: str) -> int:
        """What the events of a group take."""

    async def forget_group(self, group: str) -> None:
        """Drop the events of a group that was deleted."""

    async def forget_stream(self, group: str, stream: str) -> None:
        """Drop the events of a stream that was deleted."""

    async def prune(self, oldest_ms: Mapping[str, int | None]) -> None:
        """Drop what is before a group's time, in pieces in which everything is; and groups that are not named."""

    async def close(self) -> None:
        """Let go of what it holds."""


class Journal:
    """See the module. Give it back with `close()`: it holds what keeps the events, and lines that are not written."""

    def __init__(
        self, events: EventKeeper, store: LogStore, clock: Clock, *, flush_seconds: float = FLUSH_SECONDS
    ) -> None:
        self._events = events
        self._store = store
        self._clock = clock
        self._flush_seconds = flush_seconds
        self._pending: dict[str, list[Entry]] = {}
        self._pending_count = 0
        self._dropped: dict[tuple[str, str], int] = {}
        self._known_streams: set[tuple[str, str]] = set()
        self._failing = False
        self._flushing = asyncio.Lock()
        self._flush_due: asyncio.TimerHandle | None = None
        self._flushes: set[asyncio.Task[None]] = set()

    def append(self, group: str, stream: str, at_ms: int, message: str) -> None:
        """Take one event in. Group and stream need not exist. Halves of surrogate pairs become question marks."""
        if self._pending_count >= MAX_PENDING:
            self._dropped[group, stream] = self._dropped.get((group, stream), 0) + 1
            return
        pending = self._pending.get(group)
        if pending is None:
            pending = self._pending[group] = []
        if not message.isascii():
            message = message.encode(errors="replace").decode()
        pending.append(Entry(0, at_ms, 0, stream, message))
        self._pending_count += 1
        if self._flush_due is None:
            self._flush_due = asyncio.get_running_loop().call_later(self._flush_seconds, self._flush_soon)

    def now_ms(self) -> int:
        """The time, in epoch milliseconds."""
        return int(self._clock.now().timestamp() * 1000)

    async def flush(self) -> None:
        """Write what was taken in. When this returns, it survives the end of the process.

        Raises:
            OSError, sqlalchemy.exc.SQLAlchemyError: not all of it could be written; the rest is kept for the next time.
        """
        # Whoever goes away meanwhile leaves nothing half written.
        task = asyncio.get_running_loop().create_task(self._flush())
        self._flushes.add(task)
        task.add_done_callback(self._flush_done)
        await asyncio.shield(task)

    async def _flush(self) -> None:
        async with self._flushing:
            if self._flush_due is not None:
                self._flush_due.cancel()
                self._flush_due = None
            for (group, stream), count in self._dropped.items():
                line = f"velvetrope: {count} lines came faster than they could be written, and are lost"
                self._pending.setdefault(group, []).append(Entry(0, self.now_ms(), 0, stream, line))
            self._dropped.clear()
            pending, self._pending, self._pending_count = self._pending, {}, 0
            try:
                await self._write(pending)
            finally:
                self._put_back(pending)

    async def read(self, group: str, span: Span) -> list[Entry]:
        """The events of a group that `span` holds, in order."""
        await self._flush_if_possible()
        return await self._events.read(group, span)

    async def stream_times(self, group: str) -> dict[str, StreamTimes]:
        """The times of each stream of a group that has events here."""
        await self._flush_if_possible()
        return await self._events.stream_times(group)

    async def stored_bytes(self, group: str) -> int:
        """What the events of a group take here."""
        await self._flush_if_possible()
        return await self._events.stored_bytes(group)

    async def forget_group(self, group: str) -> None:
        """Drop the events of a group that was deleted. What is written to it later makes it anew."""
        await self.flush()
        self._known_streams = {known for known in self._known_streams if known[0] != group}
        await self._events.forget_group(group)

    async def forget_stream(self, group: str, stream: str) -> None:
        """Drop the events of a stream that was deleted."""
        await self.flush()
        self._known_streams.discard((group, stream))
        await self._events.forget_stream(group, stream)

    async def prune(self, groups: list[LogGroup]) -> None:
        """Drop what is older than its group keeps, streams of which nothing has been left for long, and the events of
        groups that are not among `groups`."""
        now_ms = self.now_ms()
        for group in groups:
            await self._drop_empty_streams(group.name)
        kept_ms = {group.name: group.retention_days and group.retention_days * _MS_OF_A_DAY for group in groups}
        await self._events.prune({name: None if kept is None else now_ms - kept for name, kept in kept_ms.items()})

    async def close(self) -> None:
        """Write what is left."""
        try:
            await self.flush()
        except (OSError, SQLAlchemyError):
            _log.exception("%d log lines could not be written, and are lost", self._pending_count)
        if self._flushes:
            await asyncio.gather(*self._flushes, return_exceptions=True)
        if self._flush_due is not None:
            self._flush_due.cancel()
        await self._events.close()

    def forget_known(self) -> None:
        """Groups and streams may have been deleted on another node: what is written to next makes them anew."""
        self._known_streams.clear()

    async def _write(self, pending: dict[str, list[Entry]]) -> None:
        ingested_ms = self.now_ms()
        for entries in pending.values():
            for entry in entries:
                entry.ingested_ms = ingested_ms
        try:
            await self._append(pending)
        except IntegrityError:
            # A group was deleted, on another node, after we had seen it.
            self.forget_known()
            await self._append(pending)

    async def _append(self, pending: dict[str, list[Entry]]) -> None:
        for group, entries in pending.items():
            await self._make_known(group, {entry.stream for entry in entries})
        await self._events.append(pending)

    def _put_back(self, unwritten: Mapping[str, list[Entry]]) -> None:
        """Before what has come since, so that the order stays."""
        for group, entries in unwritten.items():
            self._pending[group] = entries + self._pending.get(group, [])
            self._pending_count += len(entries)
        if unwritten and self._flush_due is None:
            self._flush_due = asyncio.get_running_loop().call_later(_TRY_AGAIN_SECONDS, self._flush_soon)

    async def _flush_if_possible(self) -> None:
        try:
            await self.flush()
        except OSError:
            _log.exception("log lines could not be written; what was written before is read")

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
        task.add_done_callback(self._flush_done)

    def _flush_done(self, task: "asyncio.Task[None]") -> None:
        self._flushes.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited for it has been told

    async def _flush_in_background(self) -> None:
        try:
            await self.flush()
            self._failing = False
        except (OSError, SQLAlchemyError):
            # A full disk must not end what writes to it; the owner sees it here.
            if not self._failing:
                _log.exception("log lines could not be written; it is tried again")
            self._failing = True

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
