"""The Lambda Runtime API over HTTP: one listener per sandbox, on a loopback port of its own.

    GET  /2018-06-01/runtime/invocation/next             waits for an event
    POST /2018-06-01/runtime/invocation/{id}/response    the result
    POST /2018-06-01/runtime/invocation/{id}/error       what went wrong
    POST /2018-06-01/runtime/init/error                  what went wrong before the first event
    GET  /2018-06-01/ping

HTTP in and out is done here, and who may connect (see `peers`); what a call means in the sandbox's present state is
its owner's to say (`channels.ChannelOwner`). Requests are parsed by httptools; bodies over Lambda's limit are read to
their end and thrown away. Responses that a runtime streams are refused by name.

Sources: AWS Lambda Developer Guide, "Using the Lambda runtime API"; statuses and bodies of AWS's
Runtime Interface Emulator (reference/lambda.md section 1).
"""

import asyncio
import json
import socket
from http import HTTPStatus
from typing import cast

import httptools

from velvetrope.functions import peers
from velvetrope.functions.channels import ChannelOwner, Event, Refusal, Verdict
from velvetrope.zygote.frames import MAX_ANSWER_BYTES

__all__ = ["Connection", "RuntimeApi"]

_MAX_HEAD_BYTES = 2 * 1_048_576
"""AWS's Python client sends up to 1 MiB of X-Ray cause in a header."""

_BASE = b"/2018-06-01/"
_INVOCATION = b"runtime/invocation/"


def _render(status: bytes, body: bytes, content_type: bytes = b"application/json") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (status, content_type, len(body), body)


def _render_refusal(refusal: Refusal) -> bytes:
    status = f"{refusal.status} {HTTPStatus(refusal.status).phrase}".encode()
    body = {"errorMessage": refusal.message, "errorType": refusal.error_type}
    return _render(status, json.dumps(body, separators=(",", ":")).encode())


def _render_event(event: Event) -> bytes:
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        f"Lambda-Runtime-Aws-Request-Id: {event.request_id}\r\n"
        f"Lambda-Runtime-Deadline-Ms: {event.deadline_ms}\r\n"
        f"Lambda-Runtime-Invoked-Function-Arn: {event.invoked_function_arn}\r\n"
        f"Content-Length: {len(event.payload)}\r\n"
    ).encode()
    if event.trace_id:
        head += f"Lambda-Runtime-Trace-Id: {event.trace_id}\r\n".encode()
    if event.client_context:
        head += b"Lambda-Runtime-Client-Context: %b\r\n" % event.client_context
    if event.cognito_identity:
        head += b"Lambda-Runtime-Cognito-Identity: %b\r\n" % event.cognito_identity
    return head + b"\r\n" + event.payload


_ACCEPTED = _render(b"202 Accepted", b'{"status":"OK"}\n')
_PONG = _render(b"200 OK", b"pong", b"text/plain")
_NOT_FOUND = _render(b"404 Not Found", b"404 page not found\n", b"text/plain; charset=utf-8")
_NOT_ALLOWED = _render(b"405 Method Not Allowed", b"", b"text/plain; charset=utf-8")
_BAD_REQUEST = _render(b"400 Bad Request", b"", b"text/plain; charset=utf-8")
_HEAD_TOO_LARGE = _render(b"431 Request Header Fields Too Large", b"", b"text/plain; charset=utf-8")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_NOT_STREAMED = Refusal(400, "InvalidFunctionResponseMode", "Streamed responses are not supported")


class RuntimeApi:
    """A listener for one sandbox."""

    follows = False

    def __init__(self, owner: ChannelOwner, *, secret_path: bytes) -> None:
        self.owner = owner
        self.base = secret_path + _BASE
        self.connections: set[Connection] = set()
        self._session: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """The sandbox's process; until it is known nobody is admitted."""
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

    def drain(self) -> None:
        """Nothing to do: a runtime waits for the answer to its answer, so none is on its way when it ends."""

    def close(self) -> None:
        """Stop listening and drop all connections."""
        self._session.cancel()
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.abort()

    def belong_to(self, session_id: int) -> None:
        """Serve the session of this process from now on, and nobody else."""
        if not self._session.done():
            self._session.set_result(session_id)

    async def admits(self, peer_port: int, own_port: int) -> bool:
        """Whether the socket with `peer_port` is the sandbox's own."""
        if self._secret_path:
            return True
        return await asyncio.to_thread(_session_holds, await asyncio.shield(self._session), peer_port, own_port)


def _session_holds(session_id: int, peer_port: int, own_port: int) -> bool:
    inode = peers.connection_inode(peer_port, own_port)
    return inode is not None and peers.session_holds_socket(session_id, inode)


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

    def give(self, event: Event) -> None:
        """Answer the request that is waiting with an event."""
        self._send(_render_event(event))

    def refuse(self, refusal: Refusal) -> None:
        """Answer the request that is waiting with a refusal."""
        self._send(_render_refusal(refusal))

    def _tell(self, verdict: Verdict) -> None:
        if isinstance(verdict, Refusal):
            self.refuse(verdict)
        else:
            # The runtime goes on at once, and asks for the next event while we do the rest.
            self._send(_ACCEPTED)
            verdict()

    def _send(self, response: bytes) -> None:
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
        if self._body_bytes <= MAX_ANSWER_BYTES:
            self._body.append(body)
        else:
            self._body.clear()

    def on_message_complete(self) -> None:
        self._in_head, self._head_bytes = True, 0
        if not self._url.startswith(self._api.base):
            self._send(_NOT_FOUND)
            return
        route = self._url[len(self._api.base) :].partition(b"?")[0]
        posted = self._parser.get_method() == b"POST"
        body = b"".join(self._body) if self._body_bytes <= MAX_ANSWER_BYTES else None
        self._body.clear()
        self._serve(route, body, posted=posted)

    def _serve(self, route: bytes, body: bytes | None, *, posted: bool) -> None:
        owner = self._api.owner
        if route == b"runtime/invocation/next" and not posted:
            owner.next_asked(self)
        elif route.startswith(_INVOCATION) and route.count(b"/") == 3 and posted:  # …/{id}/{what}
            request_id, _, what = route[len(_INVOCATION) :].decode("latin-1").partition("/")
            if what == "response" and self._response_mode:
                self.refuse(_NOT_STREAMED)
            elif what == "response":
                self._tell(owner.responded(request_id, body))
            elif what == "error":
                self._tell(owner.failed(request_id, body))
            else:
                self._send(_NOT_FOUND)
        elif route == b"runtime/init/error" and posted:
            refusal = owner.init_failed(body, self._error_type)
            self._send(_ACCEPTED if refusal is None else _render_refusal(refusal))
        elif route == b"ping" and not posted:
            self._send(_PONG)
        elif route in {b"runtime/invocation/next", b"runtime/init/error", b"ping"}:
            self._send(_NOT_ALLOWED)
        else:
            self._send(_NOT_FOUND)

    async def _admit(self, transport: asyncio.Transport) -> None:
        peer_port: int = transport.get_extra_info("peername")[1]
        own_port: int = transport.get_extra_info("sockname")[1]
        if not await self._api.admits(peer_port, own_port):
            transport.abort()
            return
        held, self._held = self._held, None
        if held:
            self.data_received(bytes(held))

    def _refuse(self, response: bytes) -> None:
        if self._transport is not None:
            self._transport.write(response)
            self._transport.close()
