"""Log streams: CreateLogStream, DescribeLogStreams, DeleteLogStream.

A stream that was deleted while a function still writes to it comes back with the next line.

Source: CloudWatch Logs API Reference. Texts marked UNVERIFIED are ours.
"""

from dataclasses import dataclass
from typing import Literal

from velvetrope.logs.errors import InvalidParameterException, ResourceAlreadyExistsException
from velvetrope.logs.group_operations import epoch_ms
from velvetrope.logs.journal import Journal
from velvetrope.logs.names import find_group_name, group_arn, no_such_group, no_such_stream
from velvetrope.logs.segments import StreamTimes
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.logs import LogStore, LogStream

__all__ = ["StreamOperations"]

_PAGE = 50


@dataclass(frozen=True, slots=True)
class StreamOperations:
    """Log streams as wholes."""

    store: LogStore
    journal: Journal

    @operation
    async def create_log_stream(self, call: Call, *, log_group_name: str, log_stream_name: str) -> Answer:
        if await self.store.load_group(log_group_name) is None:
            raise no_such_group()
        stream = LogStream(group_name=log_group_name, name=log_stream_name, created_at=call.now)
        if not await self.store.create_stream(stream):
            raise ResourceAlreadyExistsException("The specified log stream already exists")
        return None

    @operation
    async def describe_log_streams(
        self,
        call: Call,
        *,
        log_group_name: str | None = None,
        log_group_identifier: str | None = None,
        log_stream_name_prefix: str = "",
        order_by: Literal["LogStreamName", "LastEventTime"] = "LogStreamName",
        descending: bool = False,
        next_token: str | None = None,
        limit: int = _PAGE,
    ) -> Answer:
        """By name, or by the time of the last event; streams without events come last then, or first if descending."""
        group = find_group_name(log_group_name, log_group_identifier, call)
        if order_by == "LastEventTime" and log_stream_name_prefix:
            # UNVERIFIED: AWS's exact words; the rule is in its reference.
            raise InvalidParameterException("Cannot order by LastEventTime with a logStreamNamePrefix.")
        if next_token is not None and not (next_token.isascii() and next_token.isdecimal()):
            raise InvalidParameterException("The specified nextToken is invalid.")
        await self.journal.flush()
        if await self.store.load_group(group) is None:
            raise no_such_group()
        times = await self.journal.stream_times(group)
        streams = await self.store.load_streams(group, prefix=log_stream_name_prefix)
        if order_by == "LastEventTime":
            streams.sort(key=lambda stream: times[stream.name].last_ms if stream.name in times else 0)
        if descending:
            streams.reverse()
        first = int(next_token or 0)
        page = streams[first : first + limit]
        return {
            "log_streams": [_render(stream, times.get(stream.name), call) for stream in page],
            "next_token": str(first + limit) if len(streams) > first + limit else None,
        }

    @operation
    async def delete_log_stream(
        self,
        call: Call,  # noqa: ARG002
        *,
        log_group_name: str,
        log_stream_name: str,
    ) -> Answer:
        await self.journal.flush()
        if await self.store.load_group(log_group_name) is None:
            raise no_such_group()
        if not await self.store.delete_streams(log_group_name, [log_stream_name]):
            raise no_such_stream()
        await self.journal.forget_stream(log_group_name, log_stream_name)
        return None


def _render(stream: LogStream, times: StreamTimes | None, call: Call) -> dict[str, object]:
    return {
        "log_stream_name": stream.name,
        "creation_time": epoch_ms(stream.created_at),
        "first_event_timestamp": times.first_ms if times else None,
        "last_event_timestamp": times.last_ms if times else None,
        "last_ingestion_time": times.last_ingested_ms if times else None,
        "arn": f"{group_arn(stream.group_name, call)}:log-stream:{stream.name}",
        # AWS's own value since 2019, whatever a stream holds.
        "stored_bytes": 0,
    }
