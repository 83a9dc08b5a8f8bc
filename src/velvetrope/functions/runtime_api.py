"""The Lambda Runtime API over HTTP: one listener per sandbox, on a loopback port of its own.

    GET  /2018-06-01/runtime/invocation/next             waits for an event
    POST /2018-06-01/runtime/invocation/{id}/response    the result
    POST /2018-06-01/runtime/invocation/{id}/error       what went wrong
    POST /2018-06-01/runtime/init/error                  what went wrong before the first event
    GET  /2018-06-01/ping

HTTP in and out is done here, and who may connect (see `peers`); what a call means in the sandbox's present state is
its owner's to say (`sandbox.Sandbox`). Requests are parsed by httptools; bodies over Lambda's limit are read to their
end and thrown away. Responses that a runtime streams are refused by name.

Sources: AWS Lambda Developer Guide, "Using the Lambda runtime API"; statuses and bodies of AWS's
Runtime Interface Emulator (reference/lambda.md section 1).
"""

import asyncio
import socket
from typing import Protocol, cast

import httptools

from velvetrope.functions import peers

__all__ = [
    "ACCEPTED",
    "MAX_RESPONSE_BYTES",
    "Connection",
    "RuntimeApi",
    "RuntimeApiOwner",
    "render_refusal",
]

MAX_RESPONSE_BYTES = 6_291_556
"""6 MiB and 100 bytes, for a result as for an error."""

_MAX_HEAD_BYTES = 2 * 1_048_576
"""AWS's Python client sends up to 1 MiB of X-Ray cause in a header."""

_BASE = b"/2018-06-01/"
_INVOCATION = b"runtime/invocation/"


def _render(status: bytes, body: bytes, content_type: bytes = b"application/json") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (status, content_type, len(body), body)


def render_refusal(status: bytes, error_type: str, message: str) -> bytes:
    """An error of the Runtime API itself; `status` is code and phrase. The texts hold no character to escape."""
    return _render(status, f'{{"errorMessage":"{message}","errorType":"{error_type}"}}'.encode())


ACCEPTED = _render(b"202 Accepted", b'{"status":"OK"}\n')
_PONG = _render(b"200 OK", b"pong", b"text/plain")
_NOT_FOUND = _render(b"404 Not Found", b"404 page not found\n", b"text/plain; charset=utf-8")
_NOT_ALLOWED = _render(b"405 Method Not Allowed", b"", b"text/plain; charset=utf-8")
_BAD_REQUEST = _render(b"400 Bad Request", b"", b"text/plain; charset=utf-8")
_HEAD_TOO_LARGE = _render(b"431 Request Header Fields Too Large", b"", b"text/plain; charset=utf-8")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class RuntimeApiOwner(Protocol):
    """What a sandbox does when its runtime calls. Answers are whole HTTP responses."""

    def next_asked(self, connection: "Connection") -> None:
        """The runtime is ready for an event; give it to `connection` when there is one."""
        ...

    def connection_lost(self, connection: "Connection") -> None:
        """`connection` is closed; it may have been waiting for an event."""
        ...

    def responded(self, request_id: str, body: bytes | None) -> bytes:
        """The result of an invocation; None if it was too large."""
        ...

    def failed(self, request_id: str, body: bytes | None) -> bytes:
        """The error of an invocation; None if it was too large."""
        ...

    def init_failed(self, body: bytes | None, error_type: str) -> bytes:
        """The error of the initialisation."""
        ...


class RuntimeApi:
    """A listener for one sandbox."""

    def __init__(self, owner: RuntimeApiOwner, *, secret_path: bytes) -> None:
        self.owner = owner
        self.base = secret_path + _BASE
        self.connections: set[Connection] = set()
        self.session_id: int | None = None
        """The sandbox's process; until it is known nobody is admitted. Not used where a secret path guards."""
        self._secret_path = secret_path
        self._server: asyncio.Server | None = None
        self._port = 0

    @property
    def address(self) -> str:
        """What `AWS_LAMBDA_RUNTIME_API` says."""
        return f"127.0.0.1:{self._port}{self._secret_path.decode()}"

    async def open(self) -> None:
        """Begin to listen on a free port."""
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listening.bind(("127.0.0.1", 0))
            self._port = listening.getsockname()[1]
            self._server = await asyncio.get_running_loop().create_server(lambda: Connection(self), sock=listening)
        except BaseException:
            listening.close()
            raise

    def close(self) -> None:
        """Stop listening and drop all connections."""
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.abort()

    def admits(self, peer_port: int, own_port: int) -> bool:
        """Whether the socket with `peer_port` is the sandbox's own. Reads files: not for the event loop's thread."""
        if self._secret_path:
            return True
        inode = peers.connection_inode(peer_port, own_port)
        return inode is not None and self.session_id is not None and peers.session_holds_socket(self.session_id, inode)


class Connection(asyncio.Protocol):
    """One connection of a runtime. Nothing that it sends is looked at before its other end is known."""

    def __init__(self, api: RuntimeApi) -> None:
        self._api = api
        self._transport: asyncio.Transport | None = None
        self._admission: asyncio.Task[None] | None = None
        self._held: bytearray | None = bytearray()
        """What came before the connection was admitted; None from then on."""
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._head_bytes = 0
        self._in_head = True
        self._error_type = ""
        self._response_mode = b""
        self._expects_continue = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._api.connections.add(self)
        self._admission = asyncio.get_running_loop().create_task(self._admit(self._transport))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the base class's signature
        self._transport = None
        self._api.connections.discard(self)
        if self._admission is not None:
            self._admission.cancel()
        self._api.owner.connection_lost(self)

    def data_received(self, data: bytes) -> None:
        if self._held is not None:
            self._held += data
            if len(self._held) > _MAX_HEAD_BYTES:
                self.abort()
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > _MAX_HEAD_BYTES:
                self._refuse(_HEAD_TOO_LARGE)
                return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse(_BAD_REQUEST)

    def send(self, response: bytes) -> None:
        """Answer the request that is waiting."""
        if self._transport is not None:
            self._transport.write(response)
            if not self._parser.should_keep_alive():
                self._transport.close()

    def abort(self) -> None:
        """Close without a word."""
        if self._transport is not None:
            self._transport.abort()

    # What httptools calls while it parses.

    def on_message_begin(self) -> None:
        self._url = b""
        self._body.clear()
        self._body_bytes = 0
        self._error_type = ""
        self._response_mode = b""
        self._expects_continue = False

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        lower = name.lower()
        if lower == b"lambda-runtime-function-error-type":
            self._error_type = value.decode("latin-1")
        elif lower == b"lambda-runtime-function-response-mode":
            self._response_mode = value
        elif lower == b"expect":
            self._expects_continue = value.lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._expects_continue and self._transport is not None:
            self._transport.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes <= MAX_RESPONSE_BYTES:
            self._body.append(body)
        else:
            self._body.clear()

    def on_message_complete(self) -> None:
        self._in_head, self._head_bytes = True, 0
        if not self._url.startswith(self._api.base):
            self.send(_NOT_FOUND)
            return
        route = self._url[len(self._api.base) :].partition(b"?")[0]
        posted = self._parser.get_method() == b"POST"
        body = b"".join(self._body) if self._body_bytes <= MAX_RESPONSE_BYTES else None
        self._body.clear()
        self._serve(route, body, posted=posted)

    def _serve(self, route: bytes, body: bytes | None, *, posted: bool) -> None:
        owner = self._api.owner
        if route == b"runtime/invocation/next" and not posted:
            owner.next_asked(self)
        elif route.startswith(_INVOCATION) and route.count(b"/") == 3 and posted:  # …/{id}/{what}
            request_id, _, what = route[len(_INVOCATION) :].decode("latin-1").partition("/")
            if what == "response" and self._response_mode:
                mode = "Streamed responses are not supported"
                self.send(render_refusal(b"400 Bad Request", "InvalidFunctionResponseMode", mode))
            elif what == "response":
                self.send(owner.responded(request_id, body))
            elif what == "error":
                self.send(owner.failed(request_id, body))
            else:
                self.send(_NOT_FOUND)
        elif route == b"runtime/init/error" and posted:
            self.send(owner.init_failed(body, self._error_type))
        elif route == b"ping" and not posted:
            self.send(_PONG)
        elif route in {b"runtime/invocation/next", b"runtime/init/error", b"ping"}:
            self.send(_NOT_ALLOWED)
        else:
            self.send(_NOT_FOUND)

    async def _admit(self, transport: asyncio.Transport) -> None:
        peer_port: int = transport.get_extra_info("peername")[1]
        own_port: int = transport.get_extra_info("sockname")[1]
        if not await asyncio.to_thread(self._api.admits, peer_port, own_port):
            transport.abort()
            return
        held, self._held = self._held, None
        if held:
            self.data_received(bytes(held))

    def _refuse(self, response: bytes) -> None:
        if self._transport is not None:
            self._transport.write(response)
            self._transport.close()
