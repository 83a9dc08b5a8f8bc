"""One HTTP request to the control plane, and the answer to it.

`ControlRequest` keeps the bytes as they arrived, because they are what was signed; `WireAnswer` is the whole answer.
Both are HTTP without ASGI: the codecs and the dispatcher know nothing of sockets.
"""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

__all__ = ["ControlRequest", "WireAnswer"]


@dataclass(frozen=True)
class ControlRequest:
    """A call as it arrived. Header names keep the client's casing; `raw_path` and `query_string` are undecoded."""

    method: str
    path: str
    """The path, percent-decoded: for finding and for records, never for verifying."""
    raw_path: bytes
    query_string: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    source_ip: str
    scheme: str
    request_id: str
    received_at: datetime

    @cached_property
    def _headers_by_name(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, value in self.headers:
            # Of a repeated header the first counts, as everywhere in the edge.
            found.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
        return found

    def header(self, name: str) -> str | None:
        """The first value of a header, by its lower-case name."""
        return self._headers_by_name.get(name)


@dataclass(slots=True)
class WireAnswer:
    """A complete HTTP answer; `headers` may still be added to on the way out."""

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
