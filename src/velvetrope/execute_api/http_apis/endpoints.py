"""HTTP_PROXY: an HTTP endpoint behind a route.

The endpoint gets the caller's verb (where the integration says ANY), query, headers and body, and the caller its
answer. `{name}` in the URL is filled in with the path variable of that name, percent-encoded as it came; without one
the URL is called as it is, whatever the caller's path, unless a mapping overwrites the path. A path that comes to have
a `.` or `..` segment is 404, as if the caller had asked for it so: nobody behind may take it as a way up.

`X-Forwarded-…` headers become `Forwarded` (RFC 7239), to which the gateway adds who called, by which host and scheme;
`Via` names the gateway. Headers of the connection end here in both directions, and so does an `Authorization` header
with a SigV4 signature.

An endpoint that cannot be reached is 502 (UNVERIFIED), one that is too slow 503, an answer of more than 10 MB 500.

Sources: API Gateway Developer Guide, "Create HTTP proxy integrations for HTTP APIs", "Amazon API Gateway important
notes for HTTP APIs".
"""

import re
from time import perf_counter
from urllib.parse import quote, urlsplit

from velvetrope.events import ProxyResponse
from velvetrope.events.forwarding import new_trace_id
from velvetrope.execute_api.hop_headers import OF_CONNECTION, backend_response_headers, named_by_connection
from velvetrope.execute_api.http_apis.compiling import EndpointIntegration
from velvetrope.execute_api.http_apis.errors import BadGateway, InternalError, RouteNotFound, ServiceUnavailable
from velvetrope.execute_api.http_apis.mappings import MappedRequest, map_request
from velvetrope.execute_api.http_apis.requests import HttpAdmitted, HttpMatched
from velvetrope.execute_api.http_backends import AnswerTooLarge, BackendFailed, BackendTooSlow, HttpBackends, HttpCall
from velvetrope.execute_api.proxy_events import header_text
from velvetrope.execute_api.requests import IntegrationOutcome
from velvetrope.routes import has_dot_segments

__all__ = ["call_endpoint"]

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_SAFE_IN_PATH = "/%:@!$&'()*+,;=~-._[]"
_SAFE_IN_QUERY = "/?:@!$&'()*+,;=-._~%[]"
_FORWARDED = frozenset({"x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto"})


async def call_endpoint(
    integration: EndpointIntegration, admitted: HttpAdmitted, backends: HttpBackends
) -> tuple[ProxyResponse, IntegrationOutcome]:
    """The endpoint's answer to a request.

    Raises:
        HttpApiRefusal: there is none.
    """
    matched = admitted.caller.matched
    mapped = map_request(integration.request_mappings, admitted.caller)
    call = HttpCall(
        method=matched.incoming.method if integration.method == "ANY" else integration.method,
        url=_address(integration, matched, mapped),
        headers=_headers(matched, mapped),
        body=matched.incoming.body,
        timeout_seconds=integration.timeout_seconds,
        server_name=integration.server_name,
    )
    started = perf_counter()
    try:
        answer = await backends.call(call)
    except BackendTooSlow as finding:
        raise ServiceUnavailable(step="integration", detail=finding.message) from None
    except BackendFailed as finding:
        raise BadGateway(step="integration", detail=finding.message) from None
    except AnswerTooLarge as finding:
        raise InternalError(step="integration", detail=finding.message) from None
    outcome = IntegrationOutcome(
        latency_ms=(perf_counter() - started) * 1000, backend_status=answer.status, service_status=answer.status
    )
    headers = backend_response_headers(answer.headers, keeps_length=matched.incoming.method == "HEAD")
    return ProxyResponse(answer.status, headers, answer.body), outcome


def _address(integration: EndpointIntegration, matched: HttpMatched, mapped: MappedRequest) -> str:
    if integration.url is None:
        raise InternalError(step="integration", detail="a stage variable in the integration's URI has no value")

    def fill(found: re.Match[str]) -> str:
        value = matched.path_parameters.get(found[1].removesuffix("+"))
        if value is None:
            raise InternalError(step="integration", detail=f"the route has no path variable {found[0]}")
        return quote(value, safe=_SAFE_IN_PATH)

    parts = urlsplit(integration.url)
    path, query = parts.path, parts.query
    if mapped.path is not None:
        path = quote(f"/{mapped.path.lstrip('/')}", safe=_SAFE_IN_PATH)
    else:
        path = _PLACEHOLDER.sub(fill, path)
    if has_dot_segments(path):
        raise RouteNotFound(step="integration", detail=f"{path} would lead out of the path that the integration names")
    given = quote(mapped.query_string.decode("latin-1"), safe=_SAFE_IN_QUERY)
    query = "&".join(part for part in (query, given) if part)
    return parts._replace(path=path or "/", query=query).geturl()


def _headers(matched: HttpMatched, mapped: MappedRequest) -> tuple[tuple[str, str], ...]:
    incoming = matched.incoming
    left_out = OF_CONNECTION | _FORWARDED | named_by_connection(matched.headers.get(b"connection", b""))
    headers: list[tuple[str, str]] = []
    forwarded: list[str] = []
    for raw_name, raw_value in mapped.headers:
        name, value = raw_name.decode("latin-1"), header_text(raw_value)
        lower = name.lower()
        if lower == "forwarded":
            forwarded.append(value)
        elif lower == "x-forwarded-for":
            forwarded += [f"for={_node(one.strip())}" for one in value.split(",") if one.strip()]
        elif lower not in left_out and not (lower == "authorization" and value.lstrip().startswith("AWS4-HMAC-SHA256")):
            headers.append((name, value))
    host = matched.headers.get(b"host", b"").decode("latin-1")
    forwarded.append(f'for={_node(incoming.source_ip)};host="{host}";proto={incoming.scheme}')
    headers.append(("Forwarded", ", ".join(forwarded)))
    headers.append(("Via", "HTTP/1.1 AmazonAPIGateway"))
    if b"x-amzn-trace-id" not in matched.headers:
        headers.append(("X-Amzn-Trace-Id", new_trace_id(incoming.received_at, matched.ids.request_id)))
    return tuple(headers)


def _node(address: str) -> str:
    """An address as RFC 7239 section 6 writes it: one of IPv6 in brackets and quotes."""
    return f'"[{address}]"' if ":" in address else address
