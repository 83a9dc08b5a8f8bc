"""`velvetrope logs`: what a function printed, from the running server's CloudWatch Logs.

    velvetrope logs orders --since 1h            the last hour's lines
    velvetrope logs orders --follow              and what comes, until Ctrl-C
    velvetrope logs orders --request-id 6f5f…    the lines of one invocation

The questions are those that `aws logs tail` asks (FilterLogEvents, DescribeLogGroups), signed with the root key. A name
that is no function's own may be a part of one, so that generated names need not be typed.
"""

import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from velvetrope.cli.owner import NoAnswer, OwnersConnection
from velvetrope.cli.terminal import shown
from velvetrope.server.machine import SystemClock

__all__ = ["parse_since", "print_logs"]

_TARGET = "Logs_20140328."
_FUNCTIONS = "/aws/lambda/"
_SINCE = re.compile(r"(?P<count>\d{1,6})(?P<unit>[smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_REQUEST_ID = re.compile(r"[0-9a-f-]{36}")
_POLL_SECONDS = 0.5
_OVERLAP_MS = 5000
"""How far back each look goes that follows: a line may be written a little after its time."""


@dataclass(frozen=True, slots=True)
class _Lines:
    """The lines of one log group, from the server."""

    owner: OwnersConnection
    group: str

    def since(self, start_ms: int) -> Iterator[dict[str, Any]]:
        """In order, from a time in epoch milliseconds on."""
        return self._filter({"startTime": start_ms})

    def of_request(self, request_id: str) -> Iterator[dict[str, Any]]:
        """From an invocation's START to its REPORT, in the streams that have them, and every line that names it."""
        streams = {line["logStreamName"] for line in self._filter({"filterPattern": f'"{request_id}"'})}
        for stream in sorted(streams):
            inside = False
            for line in self._filter({"logStreamNames": [stream]}):
                inside = inside or line["message"].startswith(f"START RequestId: {request_id}")
                if inside or request_id in line["message"]:
                    yield line
                inside = inside and not line["message"].startswith(f"REPORT RequestId: {request_id}")

    def _filter(self, parameters: dict[str, object]) -> Iterator[dict[str, Any]]:
        token: dict[str, object] = {}
        while True:
            asked = {"logGroupName": self.group, **parameters, **token}
            page = self.owner.call("logs", f"{_TARGET}FilterLogEvents", asked)
            yield from page["events"]
            if "nextToken" not in page:
                return
            token = {"nextToken": page["nextToken"]}


def print_logs(
    state_folder: Path, function: str, *, since: str, follow: bool, request_id: str | None, stream_names: bool
) -> None:
    """Print the lines; with `follow` until it is interrupted.

    Raises:
        NoAnswer: no server answers, it has no such log, or it was asked in no form that it could be.
        StateFolderError: no server has run with this state folder.
    """
    start_ms = int(parse_since(since, now=SystemClock().now()).timestamp() * 1000)
    if request_id is not None and follow:
        raise NoAnswer("--request-id and --follow do not go together.")
    if request_id is not None and not _REQUEST_ID.fullmatch(request_id.lower()):
        raise NoAnswer(f"{request_id} is not a request id; it is the value of x-amzn-RequestId.")
    owner = OwnersConnection.open(state_folder)
    lines = _Lines(owner, _find_group(owner, function))
    found = lines.since(start_ms) if request_id is None else lines.of_request(request_id.lower())
    told = {line["eventId"]: _print(line, stream_names=stream_names) for line in found}
    if request_id is None and not told and not follow:
        print(f"Nothing since {since} (--since); the log is {lines.group}.", file=sys.stderr)
    if request_id is not None and not told:
        raise NoAnswer(f"The log {lines.group} has no line of the request {request_id}.")
    if follow:
        _follow(lines, told, start_ms, stream_names=stream_names)


def parse_since(text: str, *, now: datetime) -> datetime:
    """The moment that `10m`, `2h`, `1d` before now, or an ISO 8601 time, means.

    Raises:
        NoAnswer: neither.
    """
    found = _SINCE.fullmatch(text)
    if found is not None:
        return now - timedelta(**{_UNITS[found["unit"]]: int(found["count"])})
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise NoAnswer(f"--since {text}: give 30s, 10m, 2h, 1d, 1w or an ISO 8601 time.") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _follow(lines: _Lines, told: dict[str, int], start_ms: int, *, stream_names: bool) -> None:
    newest_ms = max(told.values(), default=start_ms)
    while True:
        time.sleep(_POLL_SECONDS)
        for line in lines.since(max(newest_ms - _OVERLAP_MS, start_ms)):
            if line["eventId"] not in told:
                told[line["eventId"]] = _print(line, stream_names=stream_names)
        newest_ms = max(told.values(), default=newest_ms)
        told = {event_id: at_ms for event_id, at_ms in told.items() if at_ms >= newest_ms - _OVERLAP_MS}


def _find_group(owner: OwnersConnection, function: str) -> str:
    """The log group of a function, by its name or a part of it."""
    if not function:
        raise NoAnswer("FUNCTION is empty: give the function's name, or a part that only it has.")
    own = function if function.startswith("/") else f"{_FUNCTIONS}{function}"
    found: list[str] = []
    token: dict[str, object] = {}
    while True:
        page = owner.call("logs", f"{_TARGET}DescribeLogGroups", {"logGroupNamePattern": function, **token})
        found += [group["logGroupName"] for group in page["logGroups"]]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    if own in found:
        return own
    if len(found) > 1:
        names = ", ".join(name.removeprefix(_FUNCTIONS) for name in sorted(found))
        raise NoAnswer(f"{function} may be any of: {names}.")
    if not found:
        raise NoAnswer(f"There is no log of {function} yet; it begins with the function's first call.")
    return found[0]


def _print(line: dict[str, Any], *, stream_names: bool) -> int:
    at_ms: int = line["timestamp"]
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    stream = f" {line['logStreamName']}" if stream_names else ""
    print(f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z{stream} {shown(line['message'], lines=True)}", flush=True)
    return at_ms
