"""One HTTP request to the control plane, and the answer to it.

`ControlRequest` keeps the bytes as they arrived, because they are what was signed; `WireAnswer` is the whole answer.
Both are HTTP without ASGI: the codecs and the dispatcher know nothing of sockets.
"""

from datetime import datetime

import msgspec

__all__ = ["ControlRequest", "WireAnswer"]


class ControlRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A call as it arrived. Header names are in lower case; `raw_path` and `query_string` are undecoded."""

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

    def header(self, name: bytes) -> str | None:
        """The first value of a header, by its lower-case name: of a repeated header the first counts, as everywhere."""
        for given, value in self.headers:
            if given == name:
                return value.decode("latin-1")
        return None


class WireAnswer(msgspec.Struct, gc=False):
    """A complete HTTP answer; `headers` may still be added to on the way out."""

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]] = []
