"""Log events: PutLogEvents, GetLogEvents, FilterLogEvents.

Events are told in the order of their times. A token is the place of the last event that was told, so that a page
neither repeats nor skips what was there; a page of GetLogEvents that is empty gives back the token that it was asked
with, as on AWS, where that means "nothing more for now".

Source: CloudWatch Logs API Reference. Texts marked UNVERIFIED are ours.
"""

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

import msgspec

from velvetrope.logs.errors import InvalidParameterException
from velvetrope.logs.filter_patterns import parse_filter_pattern
from velvetrope.logs.group_operations import epoch_ms
from velvetrope.logs.journal import Journal
from velvetrope.logs.names import find_group_name, no_such_group, no_such_stream
from velvetrope.logs.segments import Entry, Position, Span
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.logs import LogGroup, LogStore

__all__ = ["EventOperations", "InputLogEvent"]

MAX_EVENTS = 10_000
MAX_PAGE_BYTES = 1_048_576
MAX_BATCH_BYTES = 1_048_576
BYTES_OF_AN_EVENT = 26
"""What an event counts beside its text (PutLogEvents)."""
OLDEST = timedelta(days=14)
NEWEST = timedelta(hours=2)
_PLACE = re.compile(r"(?P<at>\d{16})(?P<number>\d{40})")
_TOKEN = re.compile(r"(?P<way>[fb])/(?P<place>\d{56})/s")


class InputLogEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An event to keep; its time in epoch milliseconds."""

    timestamp: int
    message: str


@dataclass(frozen=True, slots=True)
class EventOperations:
    """What is in the logs."""

    store: LogStore
    journal: Journal

    @operation
    async def put_log_events(
        self,
        call: Call,
        *,
        log_group_name: str,
        log_stream_name: str,
        log_events: list[InputLogEvent],
        sequence_token: str | None = None,  # noqa: ARG002  AWS takes any since 2023
    ) -> Answer:
        group = await self._group(log_group_name)
        await self._check_stream(log_group_name, log_stream_name)
        size = sum(len(event.message.encode()) + BYTES_OF_AN_EVENT for event in log_events)
        if size > MAX_BATCH_BYTES:
            raise InvalidParameterException(f"Upload too large: {size} bytes exceeds limit of {MAX_BATCH_BYTES}")
        times = [event.timestamp for event in log_events]
        if times != sorted(times):
            raise InvalidParameterException(
                "Log events in a single PutLogEvents request must be in chronological order."
            )
        too_old = sum(at < epoch_ms(call.now - OLDEST) for at in times)
        expired = sum(at < _expired_before(group, call) for at in times)
        too_new = sum(at > epoch_ms(call.now + NEWEST) for at in times)
        for event in log_events[max(too_old, expired) : len(log_events) - too_new]:
            self.journal.append(log_group_name, log_stream_name, event.timestamp, event.message)
        await self.journal.flush()
        rejected = {
            "too_old_log_event_end_index": too_old or None,
            "expired_log_event_end_index": expired or None,
            "too_new_log_event_start_index": len(times) - too_new if too_new else None,
        }
        return {
            "next_sequence_token": f"{self.journal.now_ms():056d}",
            "rejected_log_events_info": rejected if any(value is not None for value in rejected.values()) else None,
        }

    @operation
    async def get_log_events(
        self,
        call: Call,
        *,
        log_stream_name: str,
        log_group_name: str | None = None,
        log_group_identifier: str | None = None,
        start_time: int = 0,
        end_time: int | None = None,
        next_token: str | None = None,
        limit: int = MAX_EVENTS,
        start_from_head: bool = False,
        unmask: Literal[False] = False,  # noqa: ARG002  nothing is masked
    ) -> Answer:
        group = await self._group(find_group_name(log_group_name, log_group_identifier, call))
        await self._check_stream(group.name, log_stream_name)
        span = Span(
            start_ms=max(start_time, _expired_before(group, call)),
            end_ms=end_time,
            streams=frozenset({log_stream_name}),
            limit=limit,
            from_tail=not start_from_head,
        )
        given: Position | None = None
        if next_token is not None:
            forward, given = _parse_token(next_token)
            if forward:
                span = replace(span, from_tail=False, after=given)
            else:
                span = replace(span, from_tail=True, before=given)
        events = await self.journal.read(group.name, span)
        events = _first_megabyte(events[::-1])[::-1] if span.from_tail else _first_megabyte(events)
        first = events[0].position if events else given or (0, 0)
        last = events[-1].position if events else given or (0, 0)
        return {
            "events": [
                {"timestamp": event.at_ms, "message": event.message, "ingestion_time": event.ingested_ms}
                for event in events
            ],
            "next_forward_token": f"f/{_render_place(last)}/s",
            "next_backward_token": f"b/{_render_place(first)}/s",
        }

    @operation
    async def filter_log_events(
        self,
        call: Call,
        *,
        log_group_name: str | None = None,
        log_group_identifier: str | None = None,
        log_stream_names: list[str] | None = None,
        log_stream_name_prefix: str = "",
        start_time: int = 0,
        end_time: int | None = None,
        filter_pattern: str = "",
        next_token: str | None = None,
        limit: int = MAX_EVENTS,
        interleaved: bool = True,  # noqa: ARG002  AWS interleaves always since 2019
        unmask: Literal[False] = False,  # noqa: ARG002  nothing is masked
    ) -> Answer:
        group = await self._group(find_group_name(log_group_name, log_group_identifier, call))
        if log_stream_names and log_stream_name_prefix:
            # UNVERIFIED: AWS's exact words; the rule is in its reference.
            raise InvalidParameterException("logStreamNames and logStreamNamePrefix cannot be given together.")
        if end_time is not None and end_time < start_time:
            # UNVERIFIED: AWS's exact words.
            raise InvalidParameterException("The endTime must not be before the startTime.")
        for name in log_stream_names or ():
            await self._check_stream(group.name, name)
        span = Span(
            start_ms=max(start_time, _expired_before(group, call)),
            # The time that ends a search is searched too, other than GetLogEvents' (FilterLogEvents, endTime).
            end_ms=None if end_time is None else end_time + 1,
            streams=frozenset(log_stream_names) if log_stream_names else None,
            stream_prefix=log_stream_name_prefix,
            matches=parse_filter_pattern(filter_pattern) if filter_pattern else None,
            after=None if next_token is None else _parse_place(next_token),
            limit=limit + 1,
        )
        found = await self.journal.read(group.name, span)
        page = _first_megabyte(found[:limit])
        return {
            "events": [
                {
                    "log_stream_name": event.stream,
                    "timestamp": event.at_ms,
                    "message": event.message,
                    "ingestion_time": event.ingested_ms,
                    "event_id": _render_place(event.position),
                }
                for event in page
            ],
            "searched_log_streams": [],
            "next_token": _render_place(page[-1].position) if len(found) > len(page) else None,
        }

    async def _group(self, name: str) -> LogGroup:
        await self.journal.flush()
        group = await self.store.load_group(name)
        if group is None:
            raise no_such_group()
        return group

    async def _check_stream(self, group_name: str, name: str) -> None:
        if await self.store.load_stream(group_name, name) is None:
            raise no_such_stream()


def _expired_before(group: LogGroup, call: Call) -> int:
    return 0 if group.retention_days is None else epoch_ms(call.now - timedelta(days=group.retention_days))


def _first_megabyte(events: list[Entry]) -> list[Entry]:
    """As many as fit in an answer, one at least."""
    size = 0
    for count, event in enumerate(events):
        size += len(event.message.encode()) + BYTES_OF_AN_EVENT
        if size > MAX_PAGE_BYTES and count:
            return events[:count]
    return events


def _render_place(position: Position) -> str:
    return f"{position[0]:016d}{position[1]:040d}"


def _parse_place(text: str) -> Position:
    found = _PLACE.fullmatch(text)
    if found is None:
        raise InvalidParameterException("The specified nextToken is invalid.")
    return int(found["at"]), int(found["number"])


def _parse_token(text: str) -> tuple[bool, Position]:
    """Whether it leads forward, and from where."""
    found = _TOKEN.fullmatch(text)
    if found is None:
        raise InvalidParameterException("The specified nextToken is invalid.")
    return found["way"] == "f", _parse_place(found["place"])
