"""Where lines go. The server hands both over; what they do with a line is theirs."""

from collections.abc import Mapping
from typing import Protocol

__all__ = ["LogSink", "RequestLog"]


class LogSink(Protocol):
    """Log groups with streams of lines."""

    def keep(self, group: str, stream: str, at_ms: int, message: str, /) -> None:
        """Keep one line. Returns at once; group and stream come into being by it."""
        ...


class RequestLog(Protocol):
    """The owner's own log of all requests: a record each, or the lines of stages in their own format."""

    @property
    def wants_lines(self) -> bool:
        """Whether it takes the stages' lines (`write_line`) and not records (`write`)."""
        ...

    def write(self, record: Mapping[str, object], /) -> None:
        """Keep one record. Returns at once."""
        ...

    def write_line(self, line: str, /) -> None:
        """Keep one line of a stage's access log. Returns at once."""
        ...
