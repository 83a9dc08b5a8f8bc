"""One call to a deployed API on one connection: from its parsed head to its written answer, without ASGI.

uvicorn hands every request to an app through a scope, two awaitables and two messages. That costs 20 µs, a third of
what a whole authorised call costs us, and the request lane needs none of it. So the listener's protocol gives such
calls to a `GatewayCycle`, which stands in the place of uvicorn's own `RequestResponseCycle` and has the same outside:
keep-alive, pipelining, flow control and shutdown stay uvicorn's. The answer goes out in one write.

A call that is complete when it is read needs no task (`answer_at_once`): its coroutine is run until it waits for
something, and only if it does is a task made of the rest. Most calls wait for nothing.

Everything else, and every server that is not ours, goes through `EdgeApp` as ASGI has it; both ask the same two
methods of a `GatewayDoor`, so there is one set of rules.
"""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Generator, Sequence
from functools import lru_cache
from typing import Final, Protocol

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HEADER_RE, STATUS_LINE, HttpToolsProtocol

from velvetrope.edge.bodies import MAX_GATEWAY_BODY_BYTES, BodyTooLarge, ClientGone, GatewayCall
from velvetrope.execute_api import BodyStream, GatewayResponse

__all__ = ["GatewayCycle", "GatewayDoor"]

_log = logging.getLogger(__name__)

_BODILESS: Final = frozenset({204, 304})
# Asked for by number: `b"\n" in value` costs five times as much.
_LF: Final = 0x0A
_CR: Final = 0x0D
_NUL: Final = 0x00
_MALFORMED: Final = GatewayResponse(
    502,
    [(b"content-type", b"application/json"), (b"Content-Length", b"36")],
    b'{"message": "Internal server error"}',
)


class GatewayDoor(Protocol):
    """Knows calls to deployed APIs, and has them answered."""

    def find_gateway_call(self, raw_path: bytes, headers: Sequence[tuple[bytes, bytes]], /) -> GatewayCall | None:
        """The API that this path or host names; None if neither does."""
        ...

    async def answer_gateway(
        self,
        call: GatewayCall,
        /,
        *,
        method: str,
        raw_path: bytes,
        query_string: bytes,
        headers: tuple[tuple[bytes, bytes], ...],
        body: bytes,
        source_ip: str,
        scheme: str,
        http_version: str,
    ) -> GatewayResponse:
        """The answer, complete with its length. Never raises: a fault is a 500.

        Until it waits for something for the first time it may run outside of any task.
        """
        ...

    def refuse_large_body(self) -> GatewayResponse:
        """The answer to a body over the limit."""
        ...


class GatewayCycle:
    """Has the attributes that uvicorn's protocol reads and writes on a cycle, and is its own `message_event`."""

    __slots__ = (
        "_call",
        "_door",
        "_expects_continue",
        "_flow",
        "_headers",
        "_http_version",
        "_method",
        "_protocol",
        "_query_string",
        "_raw_path",
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
        door: GatewayDoor,
        call: GatewayCall,
        method: str,
        raw_path: bytes,
        query_string: bytes,
        http_version: str,
        keep_alive: bool,
    ) -> None:
        self._protocol = protocol
        self._door = door
        self._call = call
        self._flow: FlowControl = protocol.flow
        self._raw_path = raw_path
        self._query_string = query_string
        self._headers = protocol.headers
        self._method = method
        self._http_version = http_version
        self._expects_continue = protocol.expect_100_continue
        self._waiter: asyncio.Future[None] | None = None
        self.keep_alive = keep_alive
        self.body = bytearray()
        self.more_body = True
        self.disconnected = False
        self.response_started = False
        self.response_complete = False

    @property
    def message_event(self) -> "GatewayCycle":
        # Computed and not kept: with a reference to itself each call would be left, headers and all, to the collector.
        return self

    def set(self) -> None:
        """Told by the protocol: more of the body is here, or the client has gone."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def answer_at_once(self) -> Coroutine[object, None, None] | None:
        """Answer the call now, if that can be done without waiting; else what is left to do, for a task.

        What runs before it first waits does so outside of any task.
        """
        running = self.run_asgi(None)
        try:
            waits_for = running.send(None)
        except StopIteration:
            return None
        return _go_on(running, waits_for)

    def give_up(self) -> None:
        """Close the connection without an answer."""
        self.disconnected = True
        self._protocol.transport.abort()

    async def run_asgi(self, _app: object) -> None:
        """Answer the call. The name is uvicorn's: its protocol starts cycles by it."""
        protocol = self._protocol
        try:
            body = await self._read_body() if self.more_body or self.body or self.disconnected else b""
        except ClientGone:
            return
        except BodyTooLarge:
            response = self._door.refuse_large_body()
        else:
            client, scheme = protocol.client, protocol.scheme
            response = await self._door.answer_gateway(
                self._call,
                method=self._method,
                raw_path=self._raw_path,
                query_string=self._query_string,
                headers=tuple(self._headers),
                body=body,
                source_ip=client[0] if client is not None else "",
                scheme=scheme or "http",
                http_version=self._http_version,
            )
        if self._flow.write_paused and not self.disconnected:
            # The client reads slower than it asks; without this its answers would pile up here.
            await self._flow.drain()
        if self.disconnected:
            await _close(response)
            return
        self.response_started = True
        protocol.transport.write(self._render(response))
        if response.stream is not None and not await self._send_stream(response, response.stream):
            return
        self.response_complete = True
        if not self.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()

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
                if self.disconnected:
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

    async def _read_body(self) -> bytes:
        """The whole body; nothing is waited for if it came with the head.

        Raises:
            BodyTooLarge: more than API Gateway takes, declared or sent.
            ClientGone: the connection closed in between.
        """
        if self.more_body:
            for name, value in self._headers:
                if len(name) == 14 and name.lower() == b"content-length" and int(value) > MAX_GATEWAY_BODY_BYTES:
                    raise BodyTooLarge
            if self._expects_continue:
                self._protocol.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while self.more_body and not self.disconnected and len(self.body) <= MAX_GATEWAY_BODY_BYTES:
            self._waiter = self._protocol.loop.create_future()
            self._flow.resume_reading()
            await self._waiter
        if self.disconnected:
            raise ClientGone
        if len(self.body) > MAX_GATEWAY_BODY_BYTES:
            raise BodyTooLarge
        return bytes(self.body)

    def _render(self, response: GatewayResponse) -> bytes:
        if not 200 <= response.status <= 599:
            # The lane answers so no more than it makes such headers; on the wire it would not be an answer at all.
            response = _MALFORMED
        lines = [STATUS_LINE[response.status]]
        for name, value in self._protocol.server_state.default_headers:
            lines += (name, b": ", value, b"\r\n")
        for name, value in response.headers:
            if _LF in value or _CR in value or _NUL in value or not _is_header_name(name):
                # The lane lets no such header through; here is where it would split the answer in two.
                continue
            lines += (name, b": ", value, b"\r\n")
        if response.stream is not None:
            if self._is_chunked(response):
                lines.append(b"transfer-encoding: chunked\r\n")
            elif self._http_version == "1.0":
                # Its end is the connection's, since there may be no length.
                self.keep_alive = False
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        lines.append(b"\r\n")
        if self._method != "HEAD" and response.status not in _BODILESS:
            lines.append(response.body)
        return b"".join(lines)


async def _close(response: GatewayResponse) -> None:
    """Let go of a stream that is not, or no longer, read."""
    if response.stream is not None:
        await response.stream.aclose()


async def _go_on(running: Coroutine[object, None, None], waits_for: object) -> None:
    await _Rest(running, waits_for)


class _Rest:
    """What is left of a coroutine that has begun outside of a task and now waits for something."""

    def __init__(self, running: Coroutine[object, None, None], waits_for: object) -> None:
        self._running = running
        self._waits_for = waits_for

    def __await__(self) -> Generator[object, None, None]:
        waits_for = self._waits_for
        with contextlib.suppress(StopIteration):
            while True:
                try:
                    yield waits_for
                except BaseException as thrown:  # noqa: BLE001 - handed on, cancellation too
                    waits_for = self._running.throw(thrown)
                else:
                    waits_for = self._running.send(None)


@lru_cache(maxsize=1024)
def _is_header_name(name: bytes) -> bool:
    return bool(name) and HEADER_RE.search(name) is None
