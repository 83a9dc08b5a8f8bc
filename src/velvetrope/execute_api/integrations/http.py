"""HTTP_PROXY and HTTP: a service of the author's own, somewhere else.

HTTP_PROXY hands the caller's request on: verb, query, headers and body, and the answer as it comes. What the author
maps wins over what the caller sent, and also if there is nothing to be mapped: a claim that a token does not have is
not the caller's to say. HTTP hands on only what is mapped, and maps the answer.

The address is the integration's: `${stageVariables.x}` is filled in when the stage is compiled, `{name}` by
`integration.request.path.name`, in the path only; a value that makes a `.` or `..` segment of it is 400 (UNVERIFIED).
Headers that belong to a connection end at the gateway in both directions, as does an `Authorization` header with a
SigV4 signature; the backend sees `X-Forwarded-…`, `X-Amzn-Trace-Id` and `x-amzn-apigateway-api-id`. What AWS does with
`Expect`, `Via` and `User-Agent` is UNVERIFIED: the first two end here, the third is handed on.

No connection is 504 `Network error communicating with endpoint`, no answer in time 504 `Endpoint request timed out`, an
answer of more than 10 MB 500. With `responseTransferMode` STREAM the answer goes to the caller while it comes.

Sources: API Gateway Developer Guide, "Set up HTTP integrations in API Gateway", "Amazon API Gateway important notes",
"Stream the integration response for your proxy integrations".
"""

import re
from dataclasses import dataclass
from time import perf_counter
from urllib.parse import quote, urlencode, urlsplit

from velvetrope.errors import ReasonError
from velvetrope.events import query_parameters
from velvetrope.events.forwarding import forwarded_headers
from velvetrope.execute_api.errors import (
    ApiConfiguration,
    BackendUnreachable,
    BadRequestParameters,
    GatewayRefusal,
    IntegrationTimeout,
)
from velvetrope.execute_api.hop_headers import OF_CONNECTION, backend_response_headers, named_by_connection
from velvetrope.execute_api.http_backends import AnswerTooLarge, BackendFailed, BackendTooSlow, HttpAnswer, HttpCall
from velvetrope.execute_api.integrations.answers import Answer
from velvetrope.execute_api.integrations.doors import Doors
from velvetrope.execute_api.integrations.outgoing import OutgoingRequest, RequestMapping, facts_of
from velvetrope.execute_api.integrations.responses import BackendAnswer
from velvetrope.execute_api.proxy_events import header_text, trace_id
from velvetrope.execute_api.requests import AdmittedRequest, IntegrationOutcome, MatchedRequest, host_and_port
from velvetrope.routes import has_dot_segments

__all__ = ["HttpBackend", "HttpEndpoint", "HttpProxyIntegration", "UnusableAddress", "compile_endpoint"]

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_NO_SUCH_PATH = "Invalid request parameters"


class UnusableAddress(ReasonError):
    """The integration's URI is no address of an HTTP backend."""


@dataclass(frozen=True)
class HttpEndpoint:
    """Where a backend is. `verb` is None for the caller's own."""

    url: str
    verb: str | None
    timeout_seconds: float
    verify_certificate: bool

    def address(self, outgoing: OutgoingRequest) -> str:
        """The URL with its path filled in, without the caller's query.

        Raises:
            ApiConfiguration: nothing is mapped to one of the names in it.
            BadRequestParameters: what is mapped would lead out of the path.
        """

        def fill(found: re.Match[str]) -> str:
            value = outgoing.path.get(found[1].removesuffix("+"))
            if value is None:
                raise ApiConfiguration(step="integration", detail=f"nothing is mapped to {found[0]} in {self.url}")
            return value

        address = _PLACEHOLDER.sub(fill, self.url)
        if has_dot_segments(urlsplit(address).path):
            raise BadRequestParameters(
                _NO_SUCH_PATH, step="integration", detail=f"{address} would lead out of the path that {self.url} names"
            )
        return address


def compile_endpoint(
    uri: str | None, verb: str | None, *, timeout_seconds: float, verify_certificate: bool
) -> HttpEndpoint:
    """An endpoint; stage variables are filled in already.

    Raises:
        UnusableAddress: not http or https, no host, or a name to fill in that is not in the path.
    """
    if not uri:
        raise UnusableAddress("the integration has no URI, or a stage variable in it has no value")
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        raise UnusableAddress(f"{uri} is no address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise UnusableAddress(f"{uri} is not the address of an HTTP backend")
    if parts.username is not None or parts.fragment or "{" in parts.netloc or "{" in parts.query:
        raise UnusableAddress(f"{uri} has a part that an integration's address cannot have")
    return HttpEndpoint(
        url=uri,
        verb=None if verb in (None, "ANY") else verb,
        timeout_seconds=timeout_seconds,
        verify_certificate=verify_certificate,
    )


@dataclass(frozen=True)
class HttpProxyIntegration:
    """An HTTP_PROXY."""

    endpoint: HttpEndpoint
    request: RequestMapping
    is_streamed: bool

    async def answer(self, admitted: AdmittedRequest, doors: Doors) -> Answer:
        """The backend's answer to a request.

        Raises:
            GatewayRefusal: there is none.
        """
        request = admitted.authorized.caller.matched
        outgoing = self.request.map(facts_of(admitted), request)
        verb = self.endpoint.verb or request.http_method
        call = HttpCall(
            method=verb,
            url=_with_query(self.endpoint.address(outgoing), _query(request, outgoing)),
            headers=_request_headers(request, outgoing, request.incoming.headers),
            body=outgoing.body,
            timeout_seconds=self.endpoint.timeout_seconds,
            verify_certificate=self.endpoint.verify_certificate,
            is_streamed=self.is_streamed and verb != "HEAD",
        )
        answer, outcome = await _call(call, doors)
        # What is not to be read here, since it is streamed or was not asked for, is as long as the backend says.
        # Whoever asked with another verb than HEAD is sent a body, whatever verb the backend was asked with.
        has_length = answer.stream is not None or request.incoming.method == "HEAD"
        return Answer(
            answer.status,
            backend_response_headers(answer.headers, keeps_length=has_length),
            answer.body,
            outcome,
            f"{urlsplit(self.endpoint.url).netloc} answered {answer.status}",
            answer.stream,
            has_length,
        )


@dataclass(frozen=True)
class HttpBackend:
    """The backend of an HTTP integration with mappings."""

    endpoint: HttpEndpoint

    async def send(self, outgoing: OutgoingRequest, admitted: AdmittedRequest, doors: Doors) -> BackendAnswer:
        request = admitted.authorized.caller.matched
        call = HttpCall(
            method=self.endpoint.verb or request.http_method,
            url=_with_query(self.endpoint.address(outgoing), urlencode(outgoing.querystring, quote_via=quote, safe="")),
            headers=_request_headers(request, outgoing, ()),
            body=outgoing.body,
            timeout_seconds=self.endpoint.timeout_seconds,
            verify_certificate=self.endpoint.verify_certificate,
        )
        answer, outcome = await _call(call, doors)
        headers = tuple((name.decode("latin-1"), header_text(value)) for name, value in answer.headers)
        return BackendAnswer(
            headers=headers,
            body=answer.body,
            selector=str(answer.status),
            outcome=outcome,
            told_by=f"{urlsplit(self.endpoint.url).netloc} answered {answer.status}",
            content_type=next((v for name, v in headers if name.lower() == "content-type"), "application/json"),
        )


async def _call(call: HttpCall, doors: Doors) -> tuple[HttpAnswer, IntegrationOutcome]:
    started = perf_counter()
    refusal: GatewayRefusal
    try:
        answer = await doors.http.call(call)
    except BackendTooSlow as finding:
        refusal = IntegrationTimeout(step="integration", detail=finding.message)
    except BackendFailed as finding:
        refusal = BackendUnreachable(step="integration", detail=finding.message)
    except AnswerTooLarge as finding:
        refusal = ApiConfiguration(step="integration", detail=finding.message)
    else:
        return answer, IntegrationOutcome(
            latency_ms=(perf_counter() - started) * 1000, backend_status=answer.status, service_status=answer.status
        )
    refusal.outcome = IntegrationOutcome(latency_ms=(perf_counter() - started) * 1000)
    raise refusal


def _with_query(url: str, query: str) -> str:
    if not query:
        return url
    return f"{url}{'&' if '?' in url else '?'}{query}"


def _query(request: MatchedRequest, outgoing: OutgoingRequest) -> str:
    """The caller's query as it came; with mapped parameters in the place of those of the same name."""
    given = request.incoming.query_string.decode("latin-1")
    mapped = outgoing.querystring.keys() | outgoing.without_query
    if not mapped:
        return quote(given, safe="/?:@!$&'()*+,;=-._~%[]")
    kept = [(name, value) for name, value in query_parameters(given) if name not in mapped]
    return urlencode([*kept, *outgoing.querystring.items()], quote_via=quote, safe="")


def _request_headers(
    request: MatchedRequest, outgoing: OutgoingRequest, given: tuple[tuple[bytes, bytes], ...]
) -> tuple[tuple[str, str], ...]:
    mapped = {name.lower() for name in outgoing.headers} | outgoing.without_headers
    listed = named_by_connection(request.headers.get(b"connection", b""))
    _, port = host_and_port(request.headers)
    incoming = request.incoming
    headers = forwarded_headers(
        ((name.decode("latin-1"), header_text(value)) for name, value in given),
        source_ip=incoming.source_ip,
        port=port or ("443" if incoming.scheme == "https" else "80"),
        scheme=incoming.scheme,
        trace_id=trace_id(request),
        left_out=OF_CONNECTION | mapped | listed,
    )
    names = {name.lower() for name, _ in (*headers, *outgoing.headers.items())}
    if outgoing.body and "content-type" not in names:
        headers.append(("Content-Type", outgoing.content_type))
    if "user-agent" not in names:
        headers.append(("User-Agent", f"AmazonAPIGateway_{request.stage.api_id}"))
    headers = [header for header in headers if header[0].lower() != "x-amzn-apigateway-api-id"]
    headers.append(("x-amzn-apigateway-api-id", request.stage.api_id))
    headers += [(name, value) for name, value in outgoing.headers.items() if name.lower() not in OF_CONNECTION]
    return tuple(headers)
