"""The ASGI app: which of our rooms a request is for.

    app = EdgeApp(dispatcher=..., request_lane=..., hosted_pages=..., own_pages=..., clock=..., entropy=...)

Requests to deployed APIs go first: `/_api/{apiId}/…`, or by host `{apiId}.execute-api.…` or a custom domain name;
nothing is looked up for them but those. Everything else passes the layers listed in `EdgeApp.__init__`, from the
outside in, and then is told apart by `_dispatch`: function URLs, the files of import jobs, preflights and calls of the
control plane, the hosted pages, our own pages, static files. Every layer has ASGI's one signature. (Our listener asks
for the request lane by `find_gateway_call` and `answer_gateway`, and for the control plane by `takes_call` and
`answer_operation`, directly: see `direct_cycle.py` for what that saves.)

The listener bounds the head and the pace of a request (431, 408) because only it sees them before memory is spent;
bodies are bounded here. Errors of a room never leave it as exceptions; what does come here is a fault of ours and
becomes a 500 without its text.

ASGI wants lower-case header names. Our listener keeps the client's casing, for API Gateway's proxy events; the layers
behind the request lane see them in lower case.
"""

import logging
from collections.abc import Awaitable
from datetime import datetime
from functools import lru_cache
from typing import Final, Protocol

from velvetrope.clock import Clock, Entropy
from velvetrope.edge.asgi import AsgiApp, Layer, Message, Receive, Scope, Send
from velvetrope.edge.bodies import MAX_GATEWAY_BODY_BYTES, BodyTooLarge, ClientGone, GatewayCall, read_body
from velvetrope.edge.cors import answer_preflight
from velvetrope.edge.dispatcher import OperationDispatcher
from velvetrope.edge.finding import is_control_call
from velvetrope.edge.function_urls import FunctionUrlPages
from velvetrope.edge.requests import ControlRequest, RequestHead, WireAnswer, head_of
from velvetrope.edge.user_imports import UserImportPages
from velvetrope.execute_api import GatewayResponse, IncomingRequest, header_lines
from velvetrope.identifiers import UuidSource

__all__ = ["DomainLookup", "EdgeApp", "HostedPages", "PlainPages", "RequestAnswerer"]

API_PREFIX: Final = b"/_api/"
MAX_UPLOAD_BODY_BYTES: Final = 73_400_320
"""Lambda takes a zip file of 50 MB, which is 70 MB in base64."""
MAX_CALL_BODY_BYTES: Final = 2_097_152
"""Any other call: the largest that AWS documents is an IAM or CloudFormation document well under 1 MB."""
_UPLOAD_PATHS: Final = ("/2015-03-31/functions", "/2018-10-31/layers")

_log = logging.getLogger(__name__)


class RequestAnswerer(Protocol):
    """Serves calls to deployed APIs: `execute_api.Gateways`."""

    def answer(self, incoming: IncomingRequest, /) -> Awaitable[GatewayResponse]: ...


class DomainLookup(Protocol):
    """Finds the API behind a custom domain name: `execute_api.CustomDomains`."""

    def find(self, host: bytes, raw_path: bytes, /) -> tuple[str, bytes, bytes] | None: ...


class HostedPages(Protocol):
    """An ASGI app that knows which paths and hosts are its own."""

    def owns(self, path: str, /) -> bool: ...

    def owns_host(self, host: str, /) -> bool: ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> None: ...


class PlainPages(Protocol):
    """Answers requests that need no body."""

    async def answer(self, request: ControlRequest, /) -> WireAnswer: ...


class IssuerPages(Protocol):
    """Answers for an issuer that has a name of its own."""

    def owns(self, host: str, path: str, /) -> bool: ...

    async def answer(self, request: ControlRequest, /) -> WireAnswer: ...


class EdgeApp:
    """Everything that this server answers on its one address."""

    def __init__(
        self,
        *,
        dispatcher: OperationDispatcher,
        request_lane: RequestAnswerer,
        own_pages: PlainPages,
        files: PlainPages,
        clock: Clock,
        entropy: Entropy,
        hosted_pages: HostedPages | None = None,
        domains: DomainLookup | None = None,
        function_urls: FunctionUrlPages | None = None,
        issuer_pages: IssuerPages | None = None,
        user_imports: UserImportPages | None = None,
    ) -> None:
        """`own_pages` answers below `/_velvetrope/`; `files` answers what nobody else claims."""
        self._dispatcher = dispatcher
        self._lane = request_lane
        self._own_pages = own_pages
        self._files = files
        self._clock = clock
        self._request_ids = UuidSource(entropy)
        self._hosted_pages = hosted_pages
        self._domains = domains
        self._function_urls = function_urls
        self._issuer_pages = issuer_pages
        self._user_imports = user_imports
        # From the outside in.
        layers: list[Layer] = [
            self._request_lane_first,
            self._with_request_id,
            _with_lower_case_headers,
            _with_faults_answered,
        ]
        app: AsgiApp = self._dispatch
        for layer in reversed(layers):
            app = layer(app)
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # No lifespan and no WebSocket: ASGI lets an app refuse what it does not know by raising.
            raise NotImplementedError(f"{scope['type']} is not served here")
        await self._app(scope, receive, send)

    def find_gateway_call(self, raw_path: bytes, host: bytes) -> GatewayCall | None:
        """The API named by a custom domain name, by the host `{apiId}.execute-api.…`, or by `/_api/{apiId}/…`.

        The host goes first: under a name that is one API's, no path leads to another.
        """
        mapped = None if self._domains is None else self._domains.find(host, raw_path)
        if mapped is not None:
            return mapped
        label, _, domain = host.partition(b".")
        if domain.startswith(b"execute-api."):
            return label.decode("latin-1").lower(), raw_path, None
        if raw_path.startswith(API_PREFIX):
            api_id, slash, rest = raw_path[len(API_PREFIX) :].partition(b"/")
            return api_id.decode("latin-1"), slash + rest or b"/", None
        return None

    def now(self) -> datetime:
        """When a call that is being read was received."""
        return self._clock.now()

    async def answer_gateway(self, incoming: IncomingRequest) -> GatewayResponse:
        """The request lane's answer, or a 500 if it fails."""
        try:
            return await self._lane.answer(incoming)
        except Exception:  # noqa: BLE001 - where faults of ours stop
            request_id = self._request_ids.next()
            _log.exception("the request lane failed on %s (request %s)", incoming.api_id, request_id)
            fault = _gateway_response(500, _JSON, b'{"message": "Internal server error"}')
            headers = [*fault.headers, (b"x-amzn-RequestId", request_id.encode())]
            return GatewayResponse(fault.status, headers, fault.body)

    def takes_call(self, head: RequestHead) -> bool:
        """Whether the dispatcher answers this request. Nothing but the head is looked at."""
        # A function's address goes before anything else that a signature for the service lambda could be meant for.
        return (
            (self._function_urls is None or self._function_urls.find(head.raw_path, _host(head)) is None)
            and (self._user_imports is None or not self._user_imports.owns(head.path))
            and answer_preflight(head) is None
            and is_control_call(head)
        )

    def max_call_bytes(self, head: RequestHead) -> int:
        """How large the body of a call may be."""
        # An upload without so much as a claim to be signed is refused before it is taken in.
        is_upload = head.path.startswith(_UPLOAD_PATHS) and b"authorization" in head.by_name
        return MAX_UPLOAD_BODY_BYTES if is_upload else MAX_CALL_BODY_BYTES

    async def answer_operation(self, head: RequestHead, body: bytes, source_ip: str, scheme: str) -> GatewayResponse:
        """The dispatcher's answer, or a 500 if it fails."""
        request = ControlRequest(
            head=head,
            body=body,
            source_ip=source_ip,
            scheme=scheme,
            request_id=self._request_ids.next(),
            received_at=self._clock.now(),
        )
        try:
            answer = await self._dispatcher.answer(request)
        except Exception:  # noqa: BLE001 - where faults of ours stop
            answer = _fault(request.request_id)
        return _without_asgi(answer)

    def refuse_large_call(self) -> GatewayResponse:
        """The answer to a call whose body is over the limit."""
        return _without_asgi(_too_large())

    def _request_lane_first(self, app: AsgiApp) -> AsgiApp:
        async def layer(scope: Scope, receive: Receive, send: Send) -> None:
            head = _head(scope)
            call = self.find_gateway_call(head.raw_path, head.by_name.get(b"host", b""))
            if call is None:
                await app(scope, receive, send)
                return
            body: bytes | None
            try:
                body = await read_body(scope, receive, limit=MAX_GATEWAY_BODY_BYTES)
            except ClientGone:
                return
            except BodyTooLarge:
                body = None
            api_id, stage_path, base_path = call
            response = await self.answer_gateway(
                IncomingRequest(
                    api_id=api_id,
                    method=scope["method"],
                    raw_path=scope["raw_path"],
                    stage_path=stage_path,
                    query_string=scope["query_string"],
                    headers=tuple(scope["headers"]),
                    body=body or b"",
                    source_ip=_source_ip(scope),
                    scheme=scope["scheme"],
                    http_version=scope["http_version"],
                    received_at=self._clock.now(),
                    by_domain=base_path is not None,
                    base_path=base_path or b"",
                    has_large_body=body is None,
                )
            )
            await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
            if response.stream is not None:
                try:
                    async for part in response.stream:
                        await send({"type": "http.response.body", "body": part, "more_body": True})
                finally:
                    await response.stream.aclose()
            await send({"type": "http.response.body", "body": response.body})

        return layer

    def _with_request_id(self, app: AsgiApp) -> AsgiApp:
        async def layer(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("state", {})["request_id"] = self._request_ids.next()
            await app(scope, receive, send)

        return layer

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = _head(scope)
        path = head.path
        if self.takes_call(head):
            await self._answer_call(head, scope, receive, send)
            return
        url_call = self._function_urls.find(head.raw_path, _host(head)) if self._function_urls else None
        if self._function_urls is not None and url_call is not None:
            answer = await self._function_urls.answer(
                url_call,
                scope,
                receive,
                source_ip=_source_ip(scope),
                request_id=scope["state"]["request_id"],
                received_at=self._clock.now(),
            )
            if answer is not None:
                await _send(send, answer)
            return
        if self._user_imports is not None and self._user_imports.owns(path):
            answer = await self._user_imports.answer(
                scope,
                receive,
                source_ip=_source_ip(scope),
                request_id=scope["state"]["request_id"],
                received_at=self._clock.now(),
            )
            if answer is not None:
                await _send(send, answer)
            return
        preflight = answer_preflight(head)
        if preflight is not None:
            await _send(send, preflight)
        elif self._issuer_pages is not None and self._issuer_pages.owns(_host(head), path):
            await _send(send, await self._issuer_pages.answer(self._request(head, scope, b"")))
        elif self._hosted_pages is not None and (
            self._hosted_pages.owns(path) or self._hosted_pages.owns_host(_host(head))
        ):
            await self._hosted_pages(scope, receive, send)
        else:
            pages = self._own_pages if path.startswith("/_velvetrope/") else self._files
            await _send(send, await pages.answer(self._request(head, scope, b"")))

    async def _answer_call(self, head: RequestHead, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await read_body(scope, receive, limit=self.max_call_bytes(head))
        except BodyTooLarge:
            await _send(send, _too_large())
            return
        except ClientGone:
            return
        await _send(send, await self._dispatcher.answer(self._request(head, scope, body)))

    def _request(self, head: RequestHead, scope: Scope, body: bytes) -> ControlRequest:
        return ControlRequest(
            head=head,
            body=body,
            source_ip=_source_ip(scope),
            scheme=scope["scheme"],
            request_id=scope["state"]["request_id"],
            received_at=self._clock.now(),
        )


_PLAIN: Final = (b"content-type", b"text/plain")
_JSON: Final = (b"content-type", b"application/json")


def _gateway_response(status: int, content_type: tuple[bytes, bytes], body: bytes) -> GatewayResponse:
    return GatewayResponse(status, [content_type, (b"Content-Length", b"%d" % len(body))], body)


def _too_large() -> WireAnswer:
    return WireAnswer(413, b'{"message":"Request Entity Too Large"}', [_JSON])


def _fault(request_id: str) -> WireAnswer:
    """The answer where a fault of ours stopped; called while it is handled, so that the log has its traceback."""
    _log.exception("request %s failed", request_id)
    return WireAnswer(500, b'{"message":"Internal server error"}', [_JSON], request_id)


def _without_asgi(answer: WireAnswer) -> GatewayResponse:
    own = answer.own_headers()
    lines = _lines_of_many(*answer.headers) + b"".join([b"%b: %b\r\n" % header for header in own])
    return GatewayResponse(answer.status, answer.headers + own, answer.body, lines=lines)


@lru_cache(maxsize=256)
def _lines_of_many(*headers: tuple[bytes, bytes]) -> bytes:
    """Lines of headers that nearly all answers of an operation have."""
    return header_lines(headers)


def _head(scope: Scope) -> RequestHead:
    return head_of(scope["method"], scope["path"], scope["raw_path"], scope["query_string"], scope["headers"])


def _host(head: RequestHead) -> str:
    return head.by_name.get(b"host", b"").decode("latin-1")


def _source_ip(scope: Scope) -> str:
    client = scope["client"]
    return "" if client is None else str(client[0])


def _with_lower_case_headers(app: AsgiApp) -> AsgiApp:
    async def layer(scope: Scope, receive: Receive, send: Send) -> None:
        scope["headers"] = [(name.lower(), value) for name, value in scope["headers"]]
        await app(scope, receive, send)

    return layer


def _with_faults_answered(app: AsgiApp) -> AsgiApp:
    async def layer(scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await app(scope, receive, send_noting)
        except Exception:
            fault = _fault(scope["state"]["request_id"])
            if started:
                # Half an answer is out already; closing the connection is all that can still be said.
                raise
            await _send(send, fault)

    return layer


async def _send(send: Send, answer: WireAnswer) -> None:
    headers = answer.headers + answer.own_headers()
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
