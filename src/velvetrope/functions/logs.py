"""What functions print, and Lambda's own lines about each invocation, kept in memory per function.

    START RequestId: … Version: $LATEST
    (whatever the function wrote to its standard output or error)
    END RequestId: …
    REPORT RequestId: …  Duration: 1.23 ms  Billed Duration: 2 ms  Memory Size: 128 MB  Max Memory Used: 36 MB

The newest lines are kept up to a number of bytes per function; older ones are lost, and all of them when the server
stops. Whoever wants more subscribes and writes them elsewhere.

Source: AWS Lambda Developer Guide, "Lambda function logging in Python"; forms as recorded in reference/lambda.md
section 8.
"""

from collections import deque
from collections.abc import Callable

import msgspec

__all__ = ["FunctionLogs", "LogEvent", "render_report"]

MAX_BYTES_PER_FUNCTION = 512 * 1024
_BYTES_OF_AN_EVENT = 200
"""Roughly what an event costs beside its text; counted so that empty lines cannot fill the memory."""


class LogEvent(msgspec.Struct, frozen=True):
    """One line of a function's log, without its line break."""

    at_ms: int
    """Epoch milliseconds."""
    function_name: str
    log_stream: str
    message: str


class FunctionLogs:
    """The newest log lines of every function."""

    def __init__(self, *, max_bytes_per_function: int = MAX_BYTES_PER_FUNCTION) -> None:
        self._max_bytes = max_bytes_per_function
        self._events: dict[str, deque[LogEvent]] = {}
        self._bytes: dict[str, int] = {}
        self._listeners: list[Callable[[LogEvent], None]] = []

    def append(self, event: LogEvent) -> None:
        """Keep one line, and hand it to the subscribers."""
        events = self._events.setdefault(event.function_name, deque())
        events.append(event)
        kept = self._bytes.get(event.function_name, 0) + _size(event)
        while kept > self._max_bytes and len(events) > 1:
            kept -= _size(events.popleft())
        self._bytes[event.function_name] = kept
        for listener in self._listeners:
            listener(event)

    def recent(self, function_name: str, *, limit: int = 1000) -> list[LogEvent]:
        """The newest lines of a function, oldest first."""
        events = self._events.get(function_name, deque())
        return list(events)[-limit:]

    def forget(self, function_name: str) -> None:
        """Drop the lines of a function that was deleted."""
        self._events.pop(function_name, None)
        self._bytes.pop(function_name, None)

    def subscribe(self, listener: Callable[[LogEvent], None]) -> Callable[[], None]:
        """Call `listener` with each line from now on; the function that is returned ends it. It must be quick."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)


def render_report(
    *, request_id: str, duration_ms: float, memory_size_mb: int, max_memory_used_mb: int, init_duration_ms: float | None
) -> str:
    """The REPORT line. Billed time is the duration rounded up to whole milliseconds."""
    init = "" if init_duration_ms is None else f"Init Duration: {init_duration_ms:.2f} ms\t"
    billed_ms = int(duration_ms) + (duration_ms > int(duration_ms))
    return (
        f"REPORT RequestId: {request_id}\tDuration: {duration_ms:.2f} ms\tBilled Duration: {billed_ms} ms\t"
        f"Memory Size: {memory_size_mb} MB\tMax Memory Used: {max_memory_used_mb} MB\t{init}"
    )


def _size(event: LogEvent) -> int:
    return _BYTES_OF_AN_EVENT + len(event.message)
