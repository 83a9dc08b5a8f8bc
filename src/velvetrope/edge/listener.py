"""One port for http and https, and manners for whoever connects to it.

    listener = Listener(app, sock, tls=lambda: server_context(certificates))     # `sock` listens already
    await listener.start()
    ...
    await listener.stop()                     # finishes what is being answered, a few seconds at most

The first byte of a connection tells TLS (0x16, a handshake record) from plain HTTP; it is looked at without being
taken (`MSG_PEEK`), and then the event loop takes the socket over. Works on asyncio's loop and on uvloop's. Only
`http/1.1` is offered in ALPN: advertising `h2` without serving it breaks browsers.

HTTP itself is uvicorn's `HttpToolsProtocol`, with some things changed. Header names keep the client's casing
(`EdgeApp` lower-cases them for everybody but API Gateway's proxy events). Heads are bounded: over 64 KiB is 431. Slow
senders are bounded: a head or a body that stalls is 408. Malformed requests are answered without a log line each,
since strangers decide how many there are.

What the parser lets pass and two readers could read in two ways is refused: no Host or several (but for HTTP/1.0), a
Host that is none, an absolute target of another host, HTTP/0.9, and transfer codings beside `chunked`. Trailers are
read over: merged into the headers they would get past whoever filtered those. Chunk extensions and trailers may be
64 KiB longer than the body they surround is, eight times over.

Calls to deployed APIs that are like one before are not parsed at all (`known_heads.py`), nor are heads of unsigned
calls of operations (`known_calls.py`).
Calls to deployed APIs and of AWS operations skip ASGI (`direct_cycle.py`), and those to deployed APIs that have arrived
together are answered one right after the other (`_Turn`). One sweep a second looks after all connections, idle ones
too, so that no request pays for a timer of its own.

Sources: RFC 9110 sections 6.5.1 (trailers) and 15.5.9 (408), RFC 9112 sections 3.2 (targets and Host) and 6.1 (transfer
codings), RFC 6585 section 5 (431), RFC 8446 section 5.1 (the record type), RFC 7301.
"""

import asyncio
import contextlib
import errno
import logging
import re
import socket
import ssl
from collections.abc import Callable
from datetime import datetime
from email.utils import formatdate
from functools import lru_cache
from typing import Any, Final, cast
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from velvetrope.edge.direct_cycle import DirectCycle, Outbox
from velvetrope.edge.gateway_cycle import GatewayCycle, GatewayDoor
from velvetrope.edge.known_calls import KnownCalls
from velvetrope.edge.known_heads import KnownHead, KnownHeads, take_apart
from velvetrope.edge.one_write import OneWrite
from velvetrope.edge.operation_cycle import OperationCycle, OperationDoor

__all__ = ["Listener"]

MAX_HEAD_BYTES: Final = 65_536
"""Request line and headers together. API Gateway's own limit (10,240) is held by its room."""
HEAD_TIMEOUT_SECONDS: Final = 10.0
"""From the first byte of a head, or from the connection's start, to the empty line."""
BODY_STALL_SECONDS: Final = 20.0
BODY_TIMEOUT_SECONDS: Final = 300.0
KEEP_ALIVE_SECONDS: Final = 75
"""Longer than SDKs keep idle connections, so that they close first and no call meets a closing socket."""
MAX_FRAMING_BYTES: Final = 65_536
"""Chunk sizes, extensions and trailers together, beside eight times the body."""
_SENT_TOGETHER: Final = 16
"""Answers at most, so that the first one of many waits for less than a millisecond."""
_NUMBER_SIGN: Final = 0x23
_HOST: Final = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]*)(:\d*)?")  # RFC 3986 section 3.2.2
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)
_TLS_HANDSHAKE_RECORD: Final = b"\x16"
_OUT_OF_RESOURCES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


_log = logging.getLogger(__name__)
# Requests that are cut off when the grace period ends are no faults.
_log.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError)))


class Listener:
    """Accepts connections on one socket and hands each to a protocol, over TLS or not."""

    def __init__(
        self,
        app: Callable[..., Any],
        sock: socket.socket,
        *,
        gateway: GatewayDoor | None = None,
        operations: OperationDoor | None = None,
        tls: Callable[[], ssl.SSLContext] | None = None,
        grace_seconds: float = 5.0,
        head_timeout_seconds: float = HEAD_TIMEOUT_SECONDS,
        body_stall_seconds: float = BODY_STALL_SECONDS,
        body_timeout_seconds: float = BODY_TIMEOUT_SECONDS,
        keep_alive_seconds: float = KEEP_ALIVE_SECONDS,
        sweep_seconds: float = 1.0,
    ) -> None:
        """`gateway` answers calls to deployed APIs and `operations` those of AWS operations, without ASGI (`EdgeApp`
        is both); `app` answers all others.

        `tls` makes the context; it is called once, in a thread, by the first client that speaks TLS.
        """
        self._socket = sock
        self._gateway = gateway
        self._operations = operations
        self._make_tls_context = tls
        self._tls_context: asyncio.Task[ssl.SSLContext] | None = None
        self._grace_seconds = grace_seconds
        self._pace = _Pace(head_timeout_seconds, body_stall_seconds, body_timeout_seconds, keep_alive_seconds)
        self._sweep_seconds = sweep_seconds
        self._config = Config(
            app,
            interface="asgi3",
            http=_EdgeProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
        )
        self._state = ServerState()
        self._turn = _Turn(self._state)
        self._heads = KnownHeads()
        self._calls = KnownCalls()
        self._greetings: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._socket.getsockname()[1])

    async def start(self) -> None:
        """Begin to accept."""
        self._config.load()
        self._refresh_date()
        self._tasks = [asyncio.create_task(self._accept()), asyncio.create_task(self._sweep())]

    async def serve_until(self, stop: asyncio.Event) -> None:
        """Accept until `stop` is set, then finish what is under way."""
        await self.start()
        try:
            await stop.wait()
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Stop accepting, let requests under way finish for the grace period, then close what is left."""
        await _cancel(*self._tasks, *self._greetings)
        self._socket.close()
        connections = cast("set[_EdgeProtocol]", self._state.connections)
        for connection in list(connections):
            connection.shutdown()
        await self._wait_until_quiet(self._grace_seconds)
        for connection in list(connections):
            connection.transport.abort()
        # The transports report their end in the loop's next turns; what then still runs has nobody to answer.
        await self._wait_until_quiet(0.5)
        await _cancel(*self._state.tasks)

    async def _wait_until_quiet(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._state.connections or self._state.tasks:  # noqa: ASYNC110 - uvicorn's sets tell nobody
                    await asyncio.sleep(0.01)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(self._socket)
            except OSError as error:
                if error.errno in _OUT_OF_RESOURCES:
                    # Nothing to accept with; the backlog holds the callers until connections have closed.
                    await asyncio.sleep(0.1)
                continue
            task = loop.create_task(self._greet(client))
            self._greetings.add(task)
            task.add_done_callback(self._greetings.discard)

    async def _greet(self, client: socket.socket) -> None:
        """Find out what the client speaks, and hand the socket to the loop."""
        loop = asyncio.get_running_loop()
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(self._pace.head_timeout_seconds):
                first = await _peek(client)
            if not first:
                client.close()
            elif first == _TLS_HANDSHAKE_RECORD and self._make_tls_context is not None:
                await loop.connect_accepted_socket(
                    self.new_protocol,
                    client,
                    ssl=await self._context(),
                    ssl_handshake_timeout=self._pace.head_timeout_seconds,
                )
            else:
                await loop.connect_accepted_socket(self.new_protocol, client)
        except (OSError, TimeoutError):
            # Silent, gone, or no TLS after all (ssl.SSLError is an OSError): nobody to tell.
            client.close()
        except asyncio.CancelledError:
            client.close()
            raise

    async def _context(self) -> ssl.SSLContext:
        if self._tls_context is None and self._make_tls_context is not None:
            self._tls_context = asyncio.create_task(asyncio.to_thread(self._make_tls_context))
        if self._tls_context is None:
            raise OSError("no certificates")
        return await asyncio.shield(self._tls_context)

    def new_protocol(self) -> asyncio.Protocol:
        """What speaks HTTP on one connection."""
        loop = asyncio.get_running_loop()
        return _EdgeProtocol(
            self._config, self._state, loop, self._gateway, self._operations, self._turn, self._heads, self._calls
        )

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._sweep_seconds)
            self._refresh_date()
            now = loop.time()
            for connection in list(self._state.connections):
                cast("_EdgeProtocol", connection).check_pace(now, self._pace)

    def _refresh_date(self) -> None:
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]


class _Pace:
    """How slow a sender may be, and how long idle."""

    __slots__ = ("body_stall_seconds", "body_timeout_seconds", "head_timeout_seconds", "keep_alive_seconds")

    def __init__(self, head_timeout: float, body_stall: float, body_timeout: float, keep_alive: float) -> None:
        self.keep_alive_seconds = keep_alive
        self.head_timeout_seconds = head_timeout
        self.body_stall_seconds = body_stall
        self.body_timeout_seconds = body_timeout


class _Refused(Exception):
    """Raised inside the parser to stop it, with what the sender is told."""

    def __init__(self, status: int, text: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.text = text


_INVALID: Final = (400, b"Invalid HTTP request received.")
_HEAD_TOO_LARGE: Final = (431, b"Request header fields too large.")


@lru_cache(maxsize=1024)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None


class _Turn:
    """The calls that were read in one turn of the loop, to be answered in its next.

    Answering them one right after the other, and not each after its own read from a socket, costs a tenth less: each
    finds code and data where the last one left them, in the processor's caches. Most wait for nothing and need no task.
    Their answers go out together, too: a client that waits for each of several connections is woken once and not by
    every write, which costs us more than the write does. All of them were received at one moment.
    """

    def __init__(self, state: ServerState) -> None:
        self._tasks = state.tasks
        self._calls: list[GatewayCycle] = []
        self._received_at: datetime | None = None

    def add(self, call: GatewayCycle, loop: asyncio.AbstractEventLoop) -> None:
        """Have `call`, whose request is complete, answered."""
        if not self._calls:
            loop.call_soon(self._answer, loop)
            self._received_at = call.read_clock()
        call.received_at = self._received_at
        self._calls.append(call)

    def _answer(self, loop: asyncio.AbstractEventLoop) -> None:
        calls, self._calls = self._calls, []
        outbox: Outbox = []
        for call in calls:
            try:
                rest = call.answer_at_once(outbox)
            except Exception:  # noqa: BLE001 - a fault of ours, and none of those who are still to be answered
                _log.exception("a call could not be answered")
                call.give_up()
                continue
            except asyncio.CancelledError:
                # Nobody cancels what is in no task: it asked for something that was cancelled.
                _log.error("a call could not be answered: what it waited for was cancelled")
                call.give_up()
                continue
            if rest is not None:
                task = loop.create_task(rest)
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            if len(outbox) >= _SENT_TOGETHER:
                _send(outbox)
        _send(outbox)


def _send(outbox: Outbox) -> None:
    """Empty it onto the wire."""
    for call, answer in outbox:
        try:
            call.send(answer)
        except Exception:  # noqa: BLE001 - a fault of this connection, and of none whose answer is still here
            _log.exception("an answer could not be sent")
            call.give_up()
    outbox.clear()


class _EdgeProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self,
        config: Config,
        state: ServerState,
        loop: asyncio.AbstractEventLoop,
        gateway: GatewayDoor | None,
        operations: OperationDoor | None,
        turn: _Turn,
        heads: KnownHeads,
        calls: KnownCalls,
    ) -> None:
        super().__init__(config, state, {}, loop)
        self._gateway = gateway
        self._operations = operations
        self._turn = turn
        self._heads = heads
        self._calls = calls
        self._known: KnownHead | None = None
        """The head of this connection's last call that was not parsed."""
        self._known_cycle: GatewayCycle | None = None
        """That call. It is the next one with the same head, too: a connection answers one after the other."""
        self.logger = _log
        self._chunk: bytes | None = None
        """What is being read, if it begins where a message may begin."""
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
        self._host: bytes | None = None
        self._is_invalid = False
        self._has_transfer_coding = False
        self._asks_for_upgrade = False
        self._is_read_again = False
        self._framing_bytes = 0
        self._body_bytes = 0
        self._unstarted: DirectCycle | None = None
        """A call whose head has been read, while the rest of the chunk is."""
        self._has_ended = False

    def data_received(self, data: bytes) -> None:
        self._idle_since = None
        if not (self._receiving_head or self._receiving_body):
            if self._begin_known_operation(data) if data.startswith(b"POST ") else self._begin_known_call(data):
                return
            self._chunk = data
        try:
            self._parse(data)
        finally:
            self._chunk = None

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn never stays open and says None
        """Stay open for the answers that are owed: a client may close its side behind its last request.

        (RFC 9112 section 9.6. Over TLS the loop closes all the same.) One that has gone is found out by writing to it.
        """
        is_last_complete = not self._receiving_body
        if self.scheme == "https" or not self._is_answering() or not (is_last_complete or self.pipeline):
            return False
        self._has_ended = True
        if is_last_complete:
            self.cycle.keep_alive = False
        return True

    def _begin_known_call(self, data: bytes) -> bool:
        """Answer a call whose head differs only in its signature from one that was answered; nothing is parsed then."""
        last: RequestResponseCycle | None = self.cycle  # as in `_is_answering`
        if self._gateway is None or (last is not None and not last.response_complete) or self.transport.is_closing():
            return False
        known = self._known
        parts = None if known is None else known.find_parts(data)
        if known is None or parts is None:
            parts = take_apart(data)
            known = None if parts is None else self._heads.find(parts)
            if parts is None or known is None:
                return False
            self._known, self._known_cycle = known, None
        cycle = self._known_cycle
        if cycle is None:
            cycle = self._known_cycle = GatewayCycle.of_known(self, self._gateway, known, parts, self._heads)
        else:
            cycle.repeat(known, parts)
        self.cycle = cycle  # type: ignore[assignment]  # as in `_begin_direct_call`
        self._turn.add(cycle, self.loop)
        return True

    def _begin_known_operation(self, data: bytes) -> bool:
        """Answer a call of an operation whose head was read before. Whose call it is is asked anew."""
        if self._operations is None or self._is_answering() or self.transport.is_closing():
            return False
        found = self._calls.find(data)
        if found is None:
            return False
        known, body = found
        headers = known.headers_in_lower_case
        if self._gateway is not None and self._gateway.find_gateway_call(known.raw_path, headers) is not None:
            return False
        if not self._operations.takes_call(known.method, known.path, known.raw_path, known.query_string, headers):
            return False
        self.headers = list(known.headers)
        self.expect_100_continue = False
        cycle = OperationCycle(
            self,
            self._operations,
            headers,
            known.method,
            known.path,
            known.raw_path,
            known.query_string,
            known.http_version,
            known.keep_alive,
        )
        cycle.body += body
        cycle.more_body = False
        self.cycle = cycle  # type: ignore[assignment]  # as in `_begin_direct_call`
        self._start_asgi_task(cast("RequestResponseCycle", cycle), self.app)
        return True

    def _parse(self, data: bytes) -> None:
        self._chunk_bytes = len(data)
        self._head_bytes += self._chunk_bytes
        if self._receiving_body:
            self._framing_bytes += self._chunk_bytes
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            finding = error.__context__
            self._refuse(*((finding.status, finding.text) if isinstance(finding, _Refused) else _INVALID))
            self._unstarted = None
            return
        if self._receiving_head:
            if self._head_since is None:
                self._head_since = self.loop.time()
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(*_HEAD_TOO_LARGE)
        elif self._receiving_body:
            if self._framing_bytes > MAX_FRAMING_BYTES + 8 * self._body_bytes:
                self._refuse(*_INVALID)
                self._unstarted = None
                return
            self._body_moved_at = self.loop.time()
            if self._body_since is None:
                self._body_since = self._body_moved_at
            if self._unstarted is not None:
                # It begins without the rest of its body, and will wait for it.
                cycle, self._unstarted = self._unstarted, None
                self._start_asgi_task(cast("RequestResponseCycle", cycle), self.app)

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
            else:
                return

    def _head_without_upgrade(self) -> bytes:
        lines = [b"%s: %s\r\n" % header for header in self.headers if header[0].lower() != b"upgrade"]
        version = self.parser.get_http_version().encode("ascii")
        return b"%s %s HTTP/%s\r\n%s\r\n" % (self.parser.get_method(), self.url, version, b"".join(lines))

    def on_message_begin(self) -> None:
        self.url = b""
        self._host = None
        self._is_invalid = False
        self._has_transfer_coding = False
        self._asks_for_upgrade = False
        self.expect_100_continue = False
        self.headers = []
        # The head may begin anywhere in this chunk; counting all of it can only make us look closer.
        self._head_bytes = self._chunk_bytes
        self._receiving_head = True
        self._head_since = None

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._receiving_body:
            return  # a trailer
        size = len(name)
        if size == 4:
            if name.lower() == b"host":
                self._is_invalid = self._is_invalid or self._host is not None or not _is_host(value)
                self._host = value
        elif size == 6:
            if name.lower() == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
        elif size == 7:
            self._asks_for_upgrade = self._asks_for_upgrade or name.lower() == b"upgrade"
        elif size == 17 and name.lower() == b"transfer-encoding":
            self._has_transfer_coding = True
            if value.lower() != b"chunked":
                raise _Refused(501, b"Transfer coding not implemented.")
        self.headers.append((name, value))

    def _check_head(self, http_version: str) -> None:
        """That the head means the same to every reader.

        Raises:
            _Refused: it does not.
        """
        host, url = self._host, self.url
        if self._is_invalid or (host is None and http_version != "1.0") or http_version not in {"1.0", "1.1"}:
            raise _Refused(*_INVALID)
        if self._has_transfer_coding and http_version == "1.0":
            raise _Refused(*_INVALID)
        if not url.startswith(b"/"):
            absolute = _ABSOLUTE.match(url)
            if absolute is not None and host is not None and absolute[1].lower() != host.lower():
                raise _Refused(*_INVALID)

    def _brings_a_body(self) -> bool:
        return self._has_transfer_coding or any(name.lower() == b"content-length" for name, _ in self.headers)

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
        self._check_head(http_version)
        if self._asks_for_upgrade and self.parser.should_upgrade() and self._brings_a_body():
            # The parser would take the body for another protocol (Java's client asks so, with a body).
            self._is_read_again = True
            return
        self._receiving_body = True
        self._body_since = None
        self._framing_bytes = self._body_bytes = 0
        if not self._begin_direct_call(http_version):
            # uvicorn makes the scope when a message begins; ours waits until we know that there is a use for it.
            url, headers, expects_continue = self.url, self.headers, self.expect_100_continue
            super().on_message_begin()
            self.url, self.expect_100_continue = url, expects_continue
            self.headers += headers
            super().on_headers_complete()
            self.cycle.transport = OneWrite(self.transport, self.loop)  # type: ignore[assignment]  # as much as it asks of one

    def _begin_direct_call(self, http_version: str) -> bool:
        """Answer this request without ASGI if it is a call to a deployed API or of an operation."""
        cycle = self._find_direct_call(http_version)
        if cycle is None:
            return False
        is_free = not self._is_answering()
        self.cycle = cycle  # type: ignore[assignment]  # it has the outside of uvicorn's own, and takes its place
        if is_free:
            self._unstarted = cycle
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))
        return True

    def _find_direct_call(self, http_version: str) -> DirectCycle | None:
        url = self.url
        if _NUMBER_SIGN in url or not url.startswith(b"/") or not url.isascii():
            return None
        raw_path, _, query_string = url.partition(b"?")
        if self._gateway is not None:
            call = self._gateway.find_gateway_call(raw_path, self.headers)
            if call is not None:
                return GatewayCycle(
                    self,
                    self._gateway,
                    call,
                    self.parser.get_method().decode("ascii"),
                    raw_path,
                    query_string,
                    http_version,
                    http_version != "1.0" and self.parser.should_keep_alive(),
                    self._chunk,
                    self._heads,
                )
        if self._operations is None or raw_path.startswith(b"//"):
            return None
        headers = tuple([(name.lower(), value) for name, value in self.headers])
        method, path = self.parser.get_method().decode("ascii"), raw_path.decode("ascii")
        if "%" in path:
            path = unquote(path)
        if not self._operations.takes_call(method, path, raw_path, query_string, headers):
            return None
        return OperationCycle(
            self,
            self._operations,
            headers,
            method,
            path,
            raw_path,
            query_string,
            http_version,
            http_version != "1.0" and self.parser.should_keep_alive(),
        )

    def on_message_complete(self) -> None:
        if self._is_read_again:
            return
        self._receiving_body = False
        cycle = self._unstarted
        if cycle is None:
            super().on_message_complete()
            return
        self._unstarted = None
        cycle.more_body = False
        if isinstance(cycle, GatewayCycle):
            self._turn.add(cycle, self.loop)
        else:
            if self._chunk is not None and isinstance(cycle, OperationCycle):
                self._calls.learn(self._chunk, cycle.as_known(self.headers), bytes(cycle.body))
            self._start_asgi_task(cast("RequestResponseCycle", cycle), self.app)

    def on_response_complete(self) -> None:
        # As uvicorn has it, but for the timer: the sweep finds idle connections.
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            if self._has_ended and cycle.more_body:
                self.transport.close()
                return
            self._start_asgi_task(cycle, app)

    def _should_upgrade(self) -> bool:
        return False

    def check_pace(self, now: float, pace: _Pace) -> None:
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

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request, whatever uvicorn declares
        return cycle is not None and not cycle.response_complete

    def _refuse(self, status: int, text: bytes) -> None:
        """Answer, unless another answer is on the wire already, and close."""
        if self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle
        if not self.pipeline and (cycle is None or cycle.response_complete or not cycle.response_started):
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


async def _peek(client: socket.socket) -> bytes:
    """The first byte, left where it is; empty if the client has gone."""
    client.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        return client.recv(1, socket.MSG_PEEK)
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(client.fileno(), readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(client.fileno())
    return client.recv(1, socket.MSG_PEEK)


async def _cancel(*tasks: "asyncio.Task[None]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
