"""What functions print, and Lambda's own lines about each invocation, handed to whoever keeps them.

    START RequestId: … Version: $LATEST
    (whatever the function wrote to its standard output or error)
    END RequestId: …
    REPORT RequestId: …  Duration: 1.23 ms  Billed Duration: 2 ms  Memory Size: 128 MB  Max Memory Used: 36 MB

Nothing is kept here; `server` has the lines kept by the room of CloudWatch Logs.

Source: AWS Lambda Developer Guide, "Lambda function logging in Python"; forms as recorded in reference/lambda.md
section 8.
"""

from collections.abc import Callable

import msgspec

__all__ = ["FunctionLogs", "LogEvent", "render_report"]


class LogEvent(msgspec.Struct, frozen=True):
    """One line of a function's log, without its line break."""

    at_ms: int
    """Epoch milliseconds."""
    function_name: str
    log_stream: str
    message: str


class FunctionLogs:
    """The log lines of every function, as they come."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[LogEvent], None]] = []

    def append(self, event: LogEvent) -> None:
        """Hand one line to the subscribers."""
        for listener in self._listeners:
            listener(event)

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
