"""One connection to an HTTP backend: requests go out one after the other, and answers are read as they come.

httptools (llhttp) does the parsing, as on the way in; what stands here is what HTTP/1.1 leaves to a client: where an
answer ends, whether the connection can be used again, and how much is taken in. An answer that two readers could read
in two ways is none: a transfer coding beside `chunked`, bytes behind the answer, a change of protocol. A connection
over which such a thing came, or an answer without a length, or anything at all unasked, is closed.

A request may be sent again over another connection only by whom `may_be_sent_again` tells so.

Sources: RFC 9112 sections 6.3 (length of a message), 9.3 (persistence) and 9.3.1 (retries).
"""

import asyncio
from collections import deque
from typing import Final, cast

import httptools

__all__ = ["BackendConnection", "ConnectionBroken"]

_MAX_HEAD_BYTES: Final = 65_536
_MAX_BUFFERED_BYTES: Final = 262_144
"""Of a streamed body that its reader has not taken yet; then the backend has to wait."""
_SWITCHING_PROTOCOLS: Final = 101


class ConnectionBroken(Exception):
    """The answer is not there, or not all of it, or is no HTTP."""


class BackendConnection(asyncio.Protocol):
    """At any time it is idle, or has one request under way. Made by `loop.create_connection`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._parts: deque[bytes] = deque()
        self._error: Exception | None = None
        self._is_bodiless = False
        self._is_paused = False
        self._has_length = False
        self._head_bytes = 0
        self._received_bytes = 0
        self._has_served = False
        self.body_bytes = 0
        """Of the body, as far as it has come and was not taken."""
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.has_head = False
        self.is_complete = True
        self.is_reusable = True
        self.idle_since = 0.0

    # Requests

    def send(self, head: bytes, body: bytes, *, is_head_request: bool) -> None:
        """Begin a request; the connection must be idle."""
        # A new one each time: after HEAD the last one still expects a body.
        self._parser = httptools.HttpResponseParser(self)
        self._parts.clear()
        self._error = None
        self._is_bodiless = is_head_request
        self._received_bytes = self.body_bytes = 0
        self.has_head = self.is_complete = False
        if len(body) > _MAX_HEAD_BYTES:
            self._transport.write(head)
            self._transport.write(body)
        else:
            self._transport.write(head + body)

    async def wait(self) -> None:
        """Until there is more than there was: the head, a part of the body, or the end.

        Raises:
            ConnectionBroken: there will be no more.
        """
        if self._error is not None:
            raise self._error
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def fail(self, error: Exception) -> None:
        """End the request under way with `error`: whoever waits for it is told, and the connection closed."""
        self._error = error
        self.close()
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)

    def take(self) -> bytes:
        """What has come of the body since it was last taken; the backend may go on."""
        taken = b"".join(self._parts) if len(self._parts) != 1 else self._parts[0]
        self._parts.clear()
        self.body_bytes = 0
        if self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()
        return taken

    @property
    def may_be_sent_again(self) -> bool:
        """Whether the connection, used before, ended without a byte of an answer.

        Then the backend has most likely closed it while the request was under way. That the request was not served is
        not known, so only one that may be served twice may be sent again.
        """
        return self._has_served and not self._received_bytes

    @property
    def is_open(self) -> bool:
        return not self._transport.is_closing()

    def close(self) -> None:
        """Close the connection at once. May be called twice."""
        self.is_reusable = False
        self._transport.abort()

    # What the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class

    def data_received(self, data: bytes) -> None:
        if self.is_complete:
            self.close()  # nobody asked
            return
        self._received_bytes += len(data)
        if not self.has_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._refuse(error)
        else:
            self._go_on()

    def _refuse(self, error: Exception) -> None:
        if self.is_complete:
            self.close()
        else:
            told = error.__context__
            self.fail(
                told if isinstance(told, ConnectionBroken) else ConnectionBroken(f"the answer is no HTTP/1.1: {error}")
            )
        self._wake()

    def _go_on(self) -> None:
        if not self.has_head and self._head_bytes > _MAX_HEAD_BYTES:
            self.fail(ConnectionBroken(f"the head of the answer has more than {_MAX_HEAD_BYTES} bytes"))
        elif not self.is_complete and self.body_bytes > _MAX_BUFFERED_BYTES:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self.is_reusable = False
        if not self.is_complete and self.has_head and not self._has_length:
            self._finish()
            self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self.is_reusable = False
        if not self.is_complete and self._error is None:
            if error is None and self.has_head and not self._has_length:
                self._finish()
                self._wake()
            else:
                self.fail(ConnectionBroken("the connection ended before the answer did"))

    # What the parser tells

    def on_message_begin(self) -> None:
        if self.is_complete:
            self.is_reusable = False
            raise ConnectionBroken("there are bytes behind the answer")
        self.headers = []
        self._has_length = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.has_head:
            return  # a trailer
        size = len(name)
        if size == 14:
            self._has_length = self._has_length or name.lower() == b"content-length"
        elif size == 17 and name.lower() == b"transfer-encoding":
            if value.lower() != b"chunked":
                raise ConnectionBroken("the answer has a transfer coding that is not known here")
            self._has_length = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status == _SWITCHING_PROTOCOLS:
            raise ConnectionBroken("the backend changes to another protocol, which nobody asked for")
        if status < 200:
            return  # an interim answer: RFC 9110 section 15.2
        self.status = status
        self.has_head = True
        self._head_bytes = 0
        if self._is_bodiless:
            # The parser does not know that no body follows; whatever it would take for one is not read.
            self.is_reusable = False
            self._finish()

    def on_body(self, part: bytes) -> None:
        if not self.is_complete:
            self._parts.append(part)
            self.body_bytes += len(part)

    def on_message_complete(self) -> None:
        if self.has_head and not self.is_complete:
            if not self._parser.should_keep_alive():
                self.is_reusable = False
            self._finish()

    def _finish(self) -> None:
        self.is_complete = True
        self._has_served = True
        if self._transport.get_write_buffer_size():
            # It answered before it had the whole request.
            self.is_reusable = False

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
