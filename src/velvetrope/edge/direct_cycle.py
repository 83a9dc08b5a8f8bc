"""One request on one connection: from its parsed head to its written answer, without ASGI.

uvicorn hands every request to an app through a scope, two awaitables and two messages. That costs 20 µs, a third of
what a whole authorised call of a deployed API costs us, and calls need none of it. So the listener's protocol gives
calls to a `DirectCycle`, which stands in the place of uvicorn's own `RequestResponseCycle` and has the same outside:
keep-alive, pipelining, flow control and shutdown stay uvicorn's. The answer goes out in one write, at once or with
those of others (`Outbox`).

What a call is, and who answers it, is its subclass's: `gateway_cycle.py` for deployed APIs, `operation_cycle.py` for
the control plane.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Sequence
from functools import lru_cache
from typing import Final

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from velvetrope.execute_api import BodyStream, GatewayResponse, header_lines

__all__ = ["DirectCycle", "Outbox"]

_log = logging.getLogger(__name__)

Outbox = list[tuple["DirectCycle", bytes]]
"""Answers that are complete and not on the wire yet: `cycle.send(answer)` puts one there."""

_BODILESS: Final = frozenset({204, 304})
_MALFORMED: Final = GatewayResponse(
    502,
    [(b"content-type", b"application/json"), (b"Content-Length", b"36")],
    b'{"message": "Internal server error"}',
)


class DirectCycle(ABC):
    """Has the attributes that uvicorn's protocol reads and writes on a cycle, and is its own `message_event`."""

    __slots__ = (
        "_expects_continue",
        "_flow",
        "_has_large_body",
        "_headers",
        "_http_version",
        "_max_body_bytes",
        "_method",
        "_protocol",
        "_task",
        "_waiter",
        "body",
        "disconnected",
        "keep_alive",
        "more_body",
        "response_complete",
        "response_started",
    )

    def __init__(
        self,
        protocol: HttpToolsProtocol,
        method: str,
        headers: Sequence[tuple[bytes, bytes]],
        http_version: str,
        keep_alive: bool,
        max_body_bytes: int,
    ) -> None:
        """Names of `headers` may be in any case."""
        self._max_body_bytes = max_body_bytes
        self._protocol = protocol
        self._flow: FlowControl = protocol.flow
        self._headers = headers
        self._method = method
        self._http_version = http_version
        self._expects_continue = protocol.expect_100_continue
        self._task: asyncio.Task[None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._has_large_body = False
        self.keep_alive = keep_alive
        self.body: bytearray | bytes = bytearray()
        self.more_body = True
        self.disconnected = False
        self.response_started = False
        self.response_complete = False

    @property
    def message_event(self) -> "DirectCycle":
        # Computed and not kept: with a reference to itself each call would be left, headers and all, to the collector.
        return self

    def set(self) -> None:
        """Told by the protocol: more of the body is here, or the client has gone."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def give_up(self) -> None:
        """Close the connection without an answer."""
        self.disconnected = True
        self._protocol.transport.abort()

    def start(self) -> None:
        """Have the call answered by a task of its own."""
        self._task = self._protocol.loop.create_task(self.run_asgi(None))
        self._protocol.tasks.add(self._task)

    async def run_asgi(self, _app: object) -> None:
        """Answer the call. The name is uvicorn's: its protocol starts cycles by it."""
        try:
            if self.more_body:
                await self._take_in_body()
            if self.disconnected:
                return
            if len(self.body) > self._max_body_bytes:
                self._has_large_body = True
            await self._finish(self._refuse_large_body() if self._has_large_body else self._respond(bytes(self.body)))
        finally:
            # Not by a callback: that would be a turn of the loop, and a call of the kernel, for every call.
            task, self._task = self._task, None
            if task is not None:
                self._protocol.tasks.discard(task)

    async def _finish(self, answering: Awaitable[GatewayResponse]) -> None:
        try:
            response = await answering
        except Exception:  # noqa: BLE001 - a fault of ours that whoever answers did not stop
            _log.exception("a call could not be answered")
            self.give_up()
            return
        except asyncio.CancelledError:
            # We are stopping, or it asked for something that was cancelled: nobody else would close the connection.
            self.give_up()
            raise
        await self._answer(response)

    async def _answer(self, response: GatewayResponse) -> None:
        """Put an answer on the wire, as fast as the client takes it."""
        if self._flow.write_paused and not self.disconnected:
            # The client reads slower than it asks; without this its answers would pile up here.
            await self._flow.drain()
        if self.disconnected:
            await _close(response)
            return
        self.response_started = True
        self._learn_from(response)
        rendered = self._render(response)
        if response.stream is None:
            self.send(rendered)
            return
        self._protocol.transport.write(rendered)
        if await self._send_stream(response, response.stream):
            self.send(b"")

    def send(self, answer: bytes) -> None:
        """Put a whole answer on the wire, and let the connection go on."""
        protocol = self._protocol
        protocol.transport.write(answer)
        self.response_complete = True
        if not self.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()

    @abstractmethod
    def _respond(self, body: bytes) -> Awaitable[GatewayResponse]:
        """The answer, complete with its length. It never raises: a fault is a 500."""

    def _learn_from(self, response: GatewayResponse) -> None:  # noqa: B027 - most calls have nothing to teach
        """Called with the answer before it is rendered."""

    @abstractmethod
    def _refuse_large_body(self) -> Awaitable[GatewayResponse]:
        """The answer to a body over the limit, in the same way."""

    async def _send_stream(self, response: GatewayResponse, stream: BodyStream) -> bool:
        """Hand on a body as it comes. False if it could not be finished: the connection is closed then."""
        transport = self._protocol.transport
        if not self._has_body(response):
            await _close(response)
            return True
        is_chunked = self._is_chunked(response)
        try:
            async for part in stream:
                if self._flow.write_paused:
                    await self._flow.drain()
                if self.disconnected or transport.is_closing():
                    # (The protocol tells only the last of several calls that the client has gone.)
                    return False
                if part:
                    transport.write(b"%x\r\n%b\r\n" % (len(part), part) if is_chunked else part)
        except Exception:  # noqa: BLE001 - half an answer is out; that it broke off is all that can still be said
            _log.warning("a streamed answer broke off", exc_info=True)
            transport.abort()
            return False
        finally:
            await _close(response)
        if is_chunked:
            transport.write(b"0\r\n\r\n")
        return True

    def _has_body(self, response: GatewayResponse) -> bool:
        return self._method != "HEAD" and response.status not in _BODILESS

    def _is_chunked(self, response: GatewayResponse) -> bool:
        has_length = any(len(name) == 14 and name.lower() == b"content-length" for name, _ in response.headers)
        return not has_length and self._http_version != "1.0" and self._has_body(response)

    async def _take_in_body(self) -> None:
        """Wait for the rest of the body, until there is more of it, declared or sent, than this call may bring."""
        for name, value in self._headers:
            if len(name) == 14 and name.lower() == b"content-length" and int(value) > self._max_body_bytes:
                self._has_large_body = True
                return
        if self._expects_continue:
            self._protocol.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while self.more_body and not self.disconnected and len(self.body) <= self._max_body_bytes:
            self._waiter = self._protocol.loop.create_future()
            self._flow.resume_reading()
            await self._waiter

    def _render(self, response: GatewayResponse) -> bytes:
        if not 200 <= response.status <= 599:
            # The lane answers so no more than it makes such headers; on the wire it would not be an answer at all.
            response = _MALFORMED
        opening = _opening_lines(response.status, *self._protocol.server_state.default_headers)
        lines = header_lines(response.headers) if response.lines is None else response.lines
        framing = b"" if self.keep_alive and response.stream is None else self._framing_lines(response)
        body = b"" if self._method == "HEAD" or response.status in _BODILESS else response.body
        return b"".join((opening, lines, framing, b"\r\n", body))

    def _framing_lines(self, response: GatewayResponse) -> bytes:
        """How the end of the body is told, and that of the connection."""
        coding = b""
        if response.stream is not None:
            if self._is_chunked(response):
                coding = b"transfer-encoding: chunked\r\n"
            elif self._http_version == "1.0":
                # Its end is the connection's, since there may be no length.
                self.keep_alive = False
        return coding if self.keep_alive else coding + b"connection: close\r\n"


@lru_cache(maxsize=64)
def _opening_lines(status: int, *headers: tuple[bytes, bytes]) -> bytes:
    """The status line and the server's own headers, which are the same for a second."""
    return STATUS_LINE[status] + header_lines(headers)


async def _close(response: GatewayResponse) -> None:
    """Let go of a stream that is not, or no longer, read."""
    if response.stream is not None:
        await response.stream.aclose()
