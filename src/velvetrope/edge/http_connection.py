"""HTTP/1.1 as one connection speaks it: what is read off it, within which bounds, and at which pace.

It is uvicorn's `HttpToolsProtocol`, with some things changed. Header names keep the client's casing (`EdgeApp`
lower-cases them for everybody but API Gateway's proxy events). Heads are bounded: over 64 KiB is 431. Slow senders are
bounded: a head or a body that stalls is 408. Malformed requests are answered without a log line each, since strangers
decide how many there are.

What the parser lets pass and two readers could read in two ways is refused: no Host or several (but for HTTP/1.0), a
Host that is none, an absolute target of another host or scheme, `*` for anything but OPTIONS, HTTP/0.9, and transfer
codings beside `chunked`. So is CONNECT, behind whose answer others would take what comes for a tunnel's. Trailers are
read over: merged into the headers they would get past whoever filtered those. Chunk extensions and trailers may be
64 KiB longer than the body they surround is, eight times over.

Whose a request is, is its subclass's to say (`connections.py`).

Sources: RFC 9110 sections 6.5.1 (trailers), 9.3.6 (CONNECT), 10.1.1 (Expect) and 15.5.9 (408), RFC 9112 sections 3.2
(targets and Host) and 6.1 (transfer codings), RFC 6585 section 5 (431).
"""

import asyncio
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from velvetrope.sigv4 import first_by_name

__all__ = ["MAX_FRAMING_BYTES", "MAX_HEAD_BYTES", "HttpConnection", "Pace"]

MAX_HEAD_BYTES: Final = 65_536
"""Request line and headers together. API Gateway's own limit (10,240) is held by its room."""
MAX_FRAMING_BYTES: Final = 65_536
"""Chunk sizes, extensions and trailers together, beside eight times the body."""
_HOST: Final = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]*)(:\d*)?")  # RFC 3986 section 3.2.2
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)
_INVALID: Final = (400, b"Invalid HTTP request received.")
_HEAD_TOO_LARGE: Final = (431, b"Request header fields too large.")

# Python 3.13 has other names for these two; they are AWS's whatever runs us, in uvicorn's own answers and in ours.
STATUS_LINE.update({413: b"HTTP/1.1 413 Request Entity Too Large\r\n", 414: b"HTTP/1.1 414 Request-URI Too Long\r\n"})

_log = logging.getLogger(__name__)
# Requests that are cut off when the grace period ends are no faults.
_log.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError)))


@dataclass(frozen=True, slots=True)
class Pace:
    """How slow a sender may be, and how long idle."""

    head_timeout_seconds: float = 10.0
    """From the first byte of a head, or from the connection's start, to the empty line."""
    body_stall_seconds: float = 20.0
    body_timeout_seconds: float = 300.0
    keep_alive_seconds: float = 75
    """Longer than SDKs keep idle connections, so that they close first and no call meets a closing socket."""


class _Refused(Exception):
    """Raised inside the parser to stop it, with what the sender is told."""

    def __init__(self, status: int, text: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.text = text


class HttpConnection(HttpToolsProtocol):
    """One connection. Its requests are read here; `_begin_request` and `_end_request` say what becomes of them."""

    def __init__(self, config: Config, state: ServerState, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(config, state, {}, loop)
        self.logger = _log
        self._chunk_bytes = 0
        self._head_bytes = 0
        # A new connection owes us a head. Times are taken where a chunk ends, since most requests end there too.
        self._receiving_head = True
        self._head_since: float | None = loop.time()
        self._receiving_body = False
        self._body_since: float | None = None
        self._body_moved_at = 0.0
        self._idle_since: float | None = None
        """When a sweep first found nothing to read or to answer."""
        # Of the head that is being read, and of the body behind it.
        self.by_name: Mapping[bytes, bytes] = {}
        """The headers by lower-case name, the first of a repeated one."""
        self._is_read_again = False
        self._framing_bytes = 0
        self._body_bytes = 0

    def _begin_request(self, http_version: str) -> None:  # noqa: ARG002 - for who overrides it
        """A head has been read and is in order; its body comes by `cycle`. Here all requests are the ASGI app's."""
        # uvicorn makes the scope when a message begins; ours waits until we know that there is a use for it.
        url, headers, expects_continue = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects_continue
        self.headers += headers
        super().on_headers_complete()

    def _end_request(self) -> None:
        """The request that was begun is complete."""
        super().on_message_complete()

    def _read(self, data: bytes) -> bool:
        """Parse what has come. False if that had to be refused: then nothing more of it is begun."""
        self._chunk_bytes = len(data)
        self._head_bytes += self._chunk_bytes
        if self._receiving_body:
            self._framing_bytes += self._chunk_bytes
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            finding = error.__context__
            self._refuse(*((finding.status, finding.text) if isinstance(finding, _Refused) else _INVALID))
            return False
        if self._receiving_head:
            if self._head_since is None:
                self._head_since = self.loop.time()
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(*_HEAD_TOO_LARGE)
                return False
        elif self._receiving_body:
            if self._framing_bytes > MAX_FRAMING_BYTES + 8 * self._body_bytes:
                self._refuse(*_INVALID)
                return False
            self._body_moved_at = self.loop.time()
            if self._body_since is None:
                self._body_since = self._body_moved_at
        return True

    def _feed(self, data: bytes) -> None:
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                # We speak nothing to upgrade to: the request is answered as if it had not asked (RFC 9110 section 7.8),
                # and what comes behind its head is HTTP as before.
                data = data[upgrade.args[0] :]
                if self._is_read_again:
                    data = self._head_without_upgrade() + data
                    self._is_read_again = False
                    self.parser = httptools.HttpRequestParser(self)
                    # As uvicorn has it: what comes behind a last request does not take its answer.
                    self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            else:
                return

    def _head_without_upgrade(self) -> bytes:
        lines = [b"%s: %s\r\n" % header for header in self.headers if header[0].lower() != b"upgrade"]
        version = self.parser.get_http_version().encode("ascii")
        return b"%s %s HTTP/%s\r\n%s\r\n" % (self.parser.get_method(), self.url, version, b"".join(lines))

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        # The head may begin anywhere in this chunk; counting all of it can only make us look closer.
        self._head_bytes = self._chunk_bytes
        self._receiving_head = True
        self._head_since = None

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._receiving_body:  # else it is a trailer
            self.headers.append((name, value))

    def _check_head(self, http_version: str) -> None:
        """That the head means the same to every reader.

        Raises:
            _Refused: it does not.
        """
        if b"transfer-encoding" in self.by_name:
            if any(coding.lower() != b"chunked" for coding in self._values(b"transfer-encoding")):
                raise _Refused(501, b"Transfer coding not implemented.")
            if http_version == "1.0":
                raise _Refused(*_INVALID)
        method, host, url = self.parser.get_method(), self.by_name.get(b"host"), self.url
        if http_version not in {"1.0", "1.1"} or (host is None and http_version != "1.0") or method == b"CONNECT":
            raise _Refused(*_INVALID)
        if host is not None and not (_is_host(host) and self._has_once(b"host")):
            raise _Refused(*_INVALID)
        if not url.startswith(b"/") and (method, url) != (b"OPTIONS", b"*"):
            absolute = _ABSOLUTE.match(url)
            if absolute is None or (host is not None and absolute[1].lower() != host.lower()):
                raise _Refused(*_INVALID)

    def _values(self, wanted: bytes) -> list[bytes]:
        return [value for name, value in self.headers if name.lower() == wanted]

    def _has_once(self, name: bytes) -> bool:
        return len(self.by_name) == len(self.headers) or len(self._values(name)) == 1

    def _brings_a_body(self) -> bool:
        return b"transfer-encoding" in self.by_name or b"content-length" in self.by_name

    def on_body(self, body: bytes) -> None:
        self._framing_bytes -= len(body)
        self._body_bytes += len(body)
        super().on_body(body)

    def on_headers_complete(self) -> None:
        self._receiving_head = False
        if self._head_bytes > MAX_HEAD_BYTES:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > MAX_HEAD_BYTES:
                raise _Refused(*_HEAD_TOO_LARGE)
        http_version = self.parser.get_http_version()
        self.by_name = first_by_name(self.headers)
        self._check_head(http_version)
        self.expect_100_continue = http_version != "1.0" and self.by_name.get(b"expect", b"").lower() == b"100-continue"
        if b"upgrade" in self.by_name and self.parser.should_upgrade() and self._brings_a_body():
            # The parser would take the body for another protocol (Java's client asks so, with a body).
            self._is_read_again = True
            return
        self._receiving_body = True
        self._body_since = None
        self._framing_bytes = self._body_bytes = 0
        self._begin_request(http_version)

    def on_message_complete(self) -> None:
        if self._is_read_again:
            return
        self._receiving_body = False
        self._end_request()

    def _should_upgrade(self) -> bool:
        return False

    def check_pace(self, now: float, pace: Pace) -> None:
        """Close the connection if its sender has kept us waiting for too long, or has had nothing to say."""
        if self.transport.is_closing():
            return
        if self._receiving_head:
            if (
                self._head_since is not None
                and not self._is_answering()
                and now - self._head_since > pace.head_timeout_seconds
            ):
                self._refuse(408, b"Request timeout.")
        elif self._receiving_body:
            if self.flow.read_paused:
                # We are the slow side: the app has not read what is there.
                self._body_moved_at = now
            elif self._body_since is not None and (
                now - self._body_moved_at > pace.body_stall_seconds
                or now - self._body_since > pace.body_timeout_seconds
            ):
                self._refuse(408, b"Request timeout.")
        elif not self._is_answering():
            if self._idle_since is None:
                self._idle_since = now
            elif now - self._idle_since > pace.keep_alive_seconds:
                self.transport.close()

    def owes_anything(self) -> bool:
        """Whether something is to be answered, or to be sent. What TLS has still to send cannot be seen."""
        return self._is_answering() or self.scheme == "http"

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request, whatever uvicorn declares
        return cycle is not None and not cycle.response_complete

    def _refuse(self, status: int, text: bytes) -> None:
        """Answer, unless this request has its answer or another's is on the wire already, and close."""
        if self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle
        # Behind an answer that is complete a new request may be refused, but not the rest of the one that it was for.
        is_over = cycle is None or (cycle.response_complete and not self._receiving_body)
        if not self.pipeline and (is_over or not self.cycle.response_started):
            lines = [STATUS_LINE[status]]
            for name, value in self.server_state.default_headers:
                lines += [name, b": ", value, b"\r\n"]
            lines += [
                b"content-type: text/plain\r\ncontent-length: ",
                str(len(text)).encode(),
                b"\r\nconnection: close\r\n\r\n",
                text,
            ]
            self.transport.write(b"".join(lines))
        self.transport.close()


@lru_cache(maxsize=1024)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None
