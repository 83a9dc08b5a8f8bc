"""One HTTP request to the control plane, and the answer to it.

`ControlRequest` keeps the bytes as they arrived, because they are what was signed; `WireAnswer` is the whole answer.
Both are HTTP without ASGI: the codecs and the dispatcher know nothing of sockets.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from velvetrope.sigv4 import SignedRequest, first_by_name

__all__ = ["ControlRequest", "RequestHead", "WireAnswer", "head_of"]


class RequestHead(msgspec.Struct, frozen=True, gc=False):
    """What a request says before its body. Header names are in lower case; `raw_path` and `query_string` are undecoded.

    `head_of` makes one.
    """

    method: str
    path: str
    """The path, percent-decoded: for finding and for records, never for verifying."""
    raw_path: bytes
    query_string: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    by_name: Mapping[bytes, bytes]
    """The headers by name: of a repeated one the first counts, as everywhere."""


def head_of(
    method: str,
    path: str,
    raw_path: bytes,
    query_string: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    by_name: Mapping[bytes, bytes] | None = None,
) -> RequestHead:
    """The head of a request; header names may be in any case.

    `by_name` is `first_by_name(headers)`, from callers who have it already.
    """
    by_name = first_by_name(headers) if by_name is None else by_name
    is_each_once = len(by_name) == len(headers)
    lowered = tuple(by_name.items()) if is_each_once else tuple([(name.lower(), value) for name, value in headers])
    return RequestHead(method, path, raw_path, query_string, lowered, by_name)


class ControlRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A call as it arrived."""

    head: RequestHead
    body: bytes
    source_ip: str
    scheme: str
    request_id: str
    received_at: datetime

    def header(self, name: bytes) -> str | None:
        """The first value of a header, by its lower-case name."""
        value = self.head.by_name.get(name)
        return None if value is None else value.decode("latin-1")

    def as_signed(self) -> SignedRequest:
        """The same, for whoever verifies its signature."""
        head = self.head
        return SignedRequest(head.method, head.raw_path, head.query_string, head.headers, self.body, head.by_name)


class WireAnswer(msgspec.Struct, gc=False):
    """A complete HTTP answer; `headers` may still be added to on the way out."""

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]] = []
    request_id: str = ""
    """Told in `x-amzn-RequestId`, if there is one."""

    def own_headers(self) -> list[tuple[bytes, bytes]]:
        """Those that no other answer has, to be put behind `headers`."""
        length = (b"content-length", b"%d" % len(self.body))
        return [(b"x-amzn-RequestId", self.request_id.encode()), length] if self.request_id else [length]
