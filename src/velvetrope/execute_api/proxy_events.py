"""A request as a function sees it: what `events` needs to render a proxy event, from what the chain has proven.

Source: API Gateway Developer Guide, "Input format of a Lambda function for proxy integration".
"""

from velvetrope.events import ProxyEvent
from velvetrope.events.caller_identities import caller_identity
from velvetrope.events.forwarding import new_trace_id
from velvetrope.execute_api.requests import AuthenticatedCaller, MatchedRequest, host_and_port

__all__ = ["header_text", "proxy_event", "trace_id"]


def trace_id(request: MatchedRequest) -> str:
    """The caller's own `X-Amzn-Trace-Id`, or a new one that begins with the time and goes on with the request id."""
    given = request.headers.get(b"x-amzn-trace-id")
    if given is not None:
        return given.decode("latin-1")
    return new_trace_id(request.incoming.received_at, request.ids.request_id)


def proxy_event(
    caller: AuthenticatedCaller, trace: str, *, api_key: str | None = None, api_key_id: str | None = None
) -> ProxyEvent:
    """The request as a function sees it; `api_key` is the value that the caller presented."""
    request, vouched = caller.matched, caller.vouched
    incoming = request.incoming
    name, port = host_and_port(request.headers)
    user_agent = request.headers.get(b"user-agent")
    return ProxyEvent(
        account_id=request.stage.account_id,
        api_id=request.stage.api_id,
        stage=request.stage.name,
        deployment_id=request.stage.deployment_id,
        resource_id=request.method.resource_id,
        resource_path=request.method.resource_path,
        http_method=request.http_method,
        path=incoming.raw_path.decode("latin-1") if incoming.by_domain else request.path,
        stage_path=incoming.called_path.decode("latin-1"),
        query_string=incoming.query_string.decode("latin-1"),
        headers=tuple((name.decode("latin-1"), header_text(value)) for name, value in incoming.headers),
        body=incoming.body,
        path_parameters=request.path_parameters,
        stage_variables=request.stage.variables,
        identity=caller_identity(caller.principal),
        source_ip=incoming.source_ip,
        user_agent=None if user_agent is None else header_text(user_agent),
        scheme=incoming.scheme,
        port=port or ("443" if incoming.scheme == "https" else "80"),
        domain_name=name,
        request_id=request.ids.request_id,
        extended_request_id=request.ids.extended_request_id,
        trace_id=trace,
        received_at=incoming.received_at,
        binary_media_types=request.stage.binary_media_types,
        operation_name=request.method.operation_name,
        api_key=api_key,
        api_key_id=api_key_id,
        authorizer=None if vouched is None else vouched.context,
    )


def header_text(value: bytes) -> str:
    """A header's value: UTF-8 if it is that, else byte by byte."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
