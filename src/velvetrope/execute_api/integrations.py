"""What stands behind a method: a fixed answer (MOCK), or a function with the proxy format (AWS_PROXY).

A MOCK picks its request template by the request's media type (`application/json` without one). Without a matching
template the body is passed through, unless `passthroughBehavior` says otherwise: NEVER refuses, WHEN_NO_TEMPLATES
refuses if there are any templates. What comes out must be `{"statusCode": …}`, else the API is configured wrongly.

A function is invoked as `apigateway.amazonaws.com` from the method's source ARN, so its resource policy must let that
in. There are no retries. A function that fails or answers in another format is 502, one that is too slow 504, one that
could not be run 500, as on AWS; why is in the decision record and never in the answer.

Source: API Gateway Developer Guide, "Set up mock integrations", "Integration passthrough behaviors", "Lambda proxy
integrations".
"""

import asyncio

from velvetrope.errors import ServiceError, VelvetropeError
from velvetrope.events import (
    InvalidProxyResponse,
    ProxyEvent,
    ResponseBodyNotBase64,
    parse_mock_status,
    parse_proxy_response,
    render_proxy_event,
)
from velvetrope.events.caller_identities import caller_identity
from velvetrope.events.forwarding import new_trace_id
from velvetrope.execute_api.errors import (
    ApiConfiguration,
    IntegrationFailure,
    IntegrationTimeout,
    RequestTooLarge,
    UnsupportedMediaType,
)
from velvetrope.execute_api.protocols import FunctionInvoker
from velvetrope.execute_api.requests import AdmittedRequest, MatchedRequest, host_and_port
from velvetrope.execute_api.snapshot import FunctionIntegration, MockAnswer, MockIntegration
from velvetrope.principals import Principal, service_principal

__all__ = ["answer_mock", "invoke_function", "trace_id"]

_API_GATEWAY = service_principal("apigateway.amazonaws.com")
Answer = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, headers without length and ids, body."""


def answer_mock(mock: MockIntegration, request: MatchedRequest) -> Answer:
    """The fixed answer to a request."""
    headers = request.headers
    media_type = "application/json"
    if b"content-type" in headers:
        media_type = headers[b"content-type"].decode("latin-1").split(";", 1)[0].strip().lower() or media_type
    status = mock.statuses.get(media_type)
    if status is None and media_type not in mock.statuses:
        if mock.passthrough == "NEVER" or (mock.passthrough == "WHEN_NO_TEMPLATES" and mock.statuses):
            raise UnsupportedMediaType(step="integration", detail=f"no request template for {media_type}")
        status = parse_mock_status(request.incoming.body)
    if status is None:
        raise ApiConfiguration(step="integration", detail="the MOCK integration's request yields no statusCode")
    answer = mock.answer_to(status)
    if answer is None:
        raise ApiConfiguration(step="integration", detail=f"no integration response takes the status {status}")
    content_type, body = _body_for(answer, headers.get(b"accept", b""))
    return answer.status, [(b"Content-Type", content_type), *answer.headers], body


def _body_for(answer: MockAnswer, accept: bytes) -> tuple[bytes, bytes]:
    if len(answer.bodies) > 1 and accept:
        wanted = accept.split(b",", 1)[0].split(b";", 1)[0].strip().lower()
        for content_type, body in answer.bodies:
            if content_type.lower() == wanted:
                return content_type, body
    return answer.bodies[0]


async def invoke_function(
    integration: FunctionIntegration, admitted: AdmittedRequest, invoker: FunctionInvoker
) -> Answer:
    """The function's answer to a request."""
    caller = admitted.authorized.caller
    request = caller.matched
    if integration.function_arn is None:
        raise ApiConfiguration(step="integration", detail="a stage variable in the function's name has no value")
    trace = trace_id(request)
    payload = render_proxy_event(_event(admitted, caller.principal, trace))
    if asyncio.current_task() is None:
        # A call that has waited for nothing so far may run in no task, and timeouts end tasks. This makes it one.
        await asyncio.sleep(0)
    try:
        async with asyncio.timeout(integration.timeout_seconds):
            result = await invoker.invoke(
                integration.function_arn,
                payload,
                caller=_API_GATEWAY,
                source_arn=integration.source_arn,
                now=request.incoming.received_at,
            )
    except TimeoutError:
        raise IntegrationTimeout(
            step="integration",
            detail=f"{integration.function_arn} did not answer within {integration.timeout_seconds:g} seconds",
        ) from None
    except ServiceError as refused:
        if refused.code == "RequestEntityTooLargeException":
            raise RequestTooLarge(step="integration", detail=refused.message) from refused
        raise ApiConfiguration(step="integration", detail=_why(refused)) from refused
    except VelvetropeError as refused:
        raise ApiConfiguration(step="integration", detail=_why(refused)) from refused
    if result.function_error is not None:
        raise IntegrationFailure(
            step="integration", detail=f"{integration.function_arn} ended with an error; see the function's log"
        )
    try:
        response = parse_proxy_response(
            result.payload,
            accept=request.headers.get(b"accept", b"").decode("latin-1"),
            binary_media_types=request.stage.binary_media_types,
        )
    except InvalidProxyResponse as invalid:
        raise IntegrationFailure(step="integration", detail=invalid.message) from None
    except ResponseBodyNotBase64 as invalid:
        raise ApiConfiguration(step="integration", detail=invalid.message) from None
    response.headers.append((b"X-Amzn-Trace-Id", trace.encode()))
    return response.status, response.headers, response.body


def _why(refused: VelvetropeError) -> str:
    return f"{type(refused).__name__}: {refused.detail or refused.message}"


def trace_id(request: MatchedRequest) -> str:
    """The caller's own `X-Amzn-Trace-Id`, or a new one that begins with the time and goes on with the request id."""
    given = request.headers.get(b"x-amzn-trace-id")
    if given is not None:
        return given.decode("latin-1")
    return new_trace_id(request.incoming.received_at, request.ids.request_id)


def _event(admitted: AdmittedRequest, principal: Principal, trace: str) -> ProxyEvent:
    request = admitted.authorized.caller.matched
    incoming = request.incoming
    name, port = host_and_port(request.headers)
    key = admitted.api_key
    user_agent = request.headers.get(b"user-agent")
    return ProxyEvent(
        account_id=request.stage.account_id,
        api_id=request.stage.api_id,
        stage=request.stage.name,
        deployment_id=request.stage.deployment_id,
        resource_id=request.method.resource_id,
        resource_path=request.method.resource_path,
        http_method=request.http_method,
        path=request.path,
        stage_path=incoming.stage_path.decode("latin-1"),
        query_string=incoming.query_string.decode("latin-1"),
        headers=tuple((name.decode("latin-1"), _text(value)) for name, value in incoming.headers),
        body=incoming.body,
        path_parameters=request.path_parameters,
        stage_variables=request.stage.variables,
        identity=caller_identity(principal),
        source_ip=incoming.source_ip,
        user_agent=None if user_agent is None else _text(user_agent),
        scheme=incoming.scheme,
        port=port or ("443" if incoming.scheme == "https" else "80"),
        domain_name=name,
        request_id=request.ids.request_id,
        extended_request_id=request.ids.extended_request_id,
        trace_id=trace,
        received_at=incoming.received_at,
        binary_media_types=request.stage.binary_media_types,
        operation_name=request.method.operation_name,
        api_key=admitted.presented_api_key,
        api_key_id=None if key is None else key.key_id,
    )


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
