"""A request to an HTTP API as functions see it: what `events` needs, from what the chain has proven.

Path parameters are decoded once, as AWS's pages say of HTTP APIs (UNVERIFIED for every encoding). The id of a request
is the extended one, which callers are told as `Apigw-Requestid`.

Source: API Gateway Developer Guide, "Create AWS Lambda proxy integrations for HTTP APIs".
"""

from collections.abc import Mapping
from urllib.parse import unquote

from velvetrope.events import PayloadV2Event, ProxyEvent, render_iam_authorizer
from velvetrope.events.caller_identities import caller_identity
from velvetrope.events.forwarding import new_trace_id
from velvetrope.execute_api.http_apis.requests import HttpCaller, HttpMatched
from velvetrope.execute_api.proxy_events import header_text
from velvetrope.execute_api.requests import host_and_port
from velvetrope.principals import ANONYMOUS

__all__ = ["v1_event", "v2_event"]


def v2_event(caller: HttpCaller) -> PayloadV2Event:
    """The request in payload format 2.0."""
    request = caller.matched
    incoming = request.incoming
    name, port = host_and_port(request.headers)
    return PayloadV2Event(
        account_id=request.stage.account_id,
        api_id=request.stage.api_id,
        stage=request.stage.name,
        route_key=request.route.route_key,
        http_method=incoming.method,
        raw_path=incoming.stage_path.decode("latin-1"),  # without what the mapping of a domain name took
        query_string=incoming.query_string.decode("latin-1"),
        headers=_headers(request),
        body=incoming.body,
        path_parameters=_path_parameters(request),
        stage_variables=request.stage.variables,
        authorizer=_v2_authorizer(caller),
        source_ip=incoming.source_ip,
        user_agent=header_text(request.headers.get(b"user-agent", b"")),
        scheme=incoming.scheme,
        port=port or _default_port(incoming.scheme),
        domain_name=name,
        request_id=request.ids.extended_request_id,
        trace_id=_trace_id(request),
        received_at=incoming.received_at,
    )


def v1_event(caller: HttpCaller) -> ProxyEvent:
    """The request in payload format 1.0."""
    request = caller.matched
    incoming = request.incoming
    name, port = host_and_port(request.headers)
    user_agent = request.headers.get(b"user-agent")
    key = request.route.route_key
    resource = key.partition(" ")[2] or key
    return ProxyEvent(
        account_id=request.stage.account_id,
        api_id=request.stage.api_id,
        stage=request.stage.name,
        deployment_id=request.stage.deployment_id,
        resource_id="",
        resource_path=resource,
        http_method=incoming.method,
        path=incoming.called_path.decode("latin-1"),
        stage_path=incoming.called_path.decode("latin-1"),
        query_string=incoming.query_string.decode("latin-1"),
        headers=_headers(request),
        body=incoming.body,
        path_parameters=_path_parameters(request),
        stage_variables=request.stage.variables,
        identity=caller_identity(caller.principal),
        source_ip=incoming.source_ip,
        user_agent=None if user_agent is None else header_text(user_agent),
        scheme=incoming.scheme,
        port=port or _default_port(incoming.scheme),
        domain_name=name,
        request_id=request.ids.extended_request_id,
        extended_request_id=request.ids.extended_request_id,
        trace_id=_trace_id(request),
        received_at=incoming.received_at,
        authorizer=_v1_authorizer(caller),
    )


def _headers(request: HttpMatched) -> tuple[tuple[str, str], ...]:
    return tuple((name.decode("latin-1"), header_text(value)) for name, value in request.incoming.headers)


def _path_parameters(request: HttpMatched) -> dict[str, str]:
    return {name: unquote(value) for name, value in request.path_parameters.items()}


def _default_port(scheme: str) -> str:
    return "443" if scheme == "https" else "80"


def _trace_id(request: HttpMatched) -> str:
    return new_trace_id(request.incoming.received_at, request.ids.request_id)


def _v2_authorizer(caller: HttpCaller) -> Mapping[str, object] | None:
    if caller.claims is not None:
        scopes = None if caller.scopes is None else list(caller.scopes)
        return {"jwt": {"claims": caller.claims, "scopes": scopes}}
    if caller.context is not None:
        return {"lambda": {name: value for name, value in caller.context.items() if name != "principalId"}}
    return None if caller.principal is ANONYMOUS else render_iam_authorizer(caller_identity(caller.principal))


def _v1_authorizer(caller: HttpCaller) -> Mapping[str, object] | None:
    if caller.claims is not None:
        return {"claims": caller.claims, "scopes": None if caller.scopes is None else list(caller.scopes)}
    return caller.context
