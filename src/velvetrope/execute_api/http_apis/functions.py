"""AWS_PROXY: a function behind a route, with payload format 1.0 or 2.0.

The function is invoked as `apigateway.amazonaws.com` from the route's source ARN, so its resource policy must let that
in. Whatever goes wrong with it is 500, and 503 if it is too slow; why is in the decision record.

Source: API Gateway Developer Guide, "Create AWS Lambda proxy integrations for HTTP APIs". UNVERIFIED: `text/plain` as
the type of an answer of format 2.0 that has a status and no type.
"""

from time import perf_counter

import msgspec

from velvetrope.errors import ServiceError, VelvetropeError
from velvetrope.events import (
    InvalidProxyResponse,
    ProxyResponse,
    ResponseBodyNotBase64,
    parse_payload_v2_response,
    parse_proxy_response,
    render_payload_v1_event,
    render_payload_v2_event,
)
from velvetrope.execute_api.http_apis.compiling import FunctionIntegration
from velvetrope.execute_api.http_apis.errors import HttpApiRefusal, InternalError, PayloadTooLarge, ServiceUnavailable
from velvetrope.execute_api.http_apis.function_events import v1_event, v2_event
from velvetrope.execute_api.http_apis.mappings import map_request
from velvetrope.execute_api.http_apis.requests import HttpAdmitted
from velvetrope.execute_api.invoking import FunctionCalls, function_failure
from velvetrope.execute_api.requests import IntegrationOutcome

__all__ = ["invoke_http_function"]


async def invoke_http_function(
    integration: FunctionIntegration, admitted: HttpAdmitted, functions: FunctionCalls
) -> tuple[ProxyResponse, IntegrationOutcome]:
    """The function's answer to a request.

    Raises:
        HttpApiRefusal: the function was not run, failed, was too slow or broke the format.
    """
    if integration.function_arn is None:
        raise InternalError(step="integration", detail="a stage variable in the function's name has no value")
    started = perf_counter()
    try:
        result = await functions.invoke(
            integration.function_arn,
            _payload(integration, admitted),
            source_arn=integration.source_arn,
            credentials=None,
            timeout_seconds=integration.timeout_seconds,
            now=admitted.caller.matched.incoming.received_at,
        )
    except TimeoutError:
        raise ServiceUnavailable(
            step="integration",
            detail=f"{integration.function_arn} did not answer within {integration.timeout_seconds:g} seconds",
        ) from None
    except VelvetropeError as refused:
        too_large = isinstance(refused, ServiceError) and refused.code == "RequestEntityTooLargeException"
        kind: type[HttpApiRefusal] = PayloadTooLarge if too_large else InternalError
        why = f"{type(refused).__name__}: {refused.detail or refused.message}"
        raise kind(step="integration", detail=why) from refused
    latency_ms = (perf_counter() - started) * 1000
    if result.function_error is not None:
        arn = integration.function_arn
        raise InternalError(step="integration", detail=function_failure(arn, arn, result.request_id))
    try:
        response = _parse(integration, result.payload)
    except (InvalidProxyResponse, ResponseBodyNotBase64) as invalid:
        raise InternalError(step="integration", detail=invalid.message) from None
    outcome = IntegrationOutcome(
        latency_ms=latency_ms,
        backend_status=response.status,
        service_status=200,
        request_id=result.request_id or None,
    )
    return response, outcome


def _payload(integration: FunctionIntegration, admitted: HttpAdmitted) -> bytes:
    caller = admitted.caller
    if integration.request_mappings:
        mapped = map_request(integration.request_mappings, caller)
        incoming = msgspec.structs.replace(
            caller.matched.incoming,
            headers=mapped.headers,
            query_string=mapped.query_string,
            stage_path=caller.matched.incoming.stage_path if mapped.path is None else mapped.path.encode(),
        )
        caller = msgspec.structs.replace(caller, matched=msgspec.structs.replace(caller.matched, incoming=incoming))
    if integration.payload_format_version == "2.0":
        return render_payload_v2_event(v2_event(caller))
    return render_payload_v1_event(v1_event(caller))


def _parse(integration: FunctionIntegration, payload: bytes) -> ProxyResponse:
    if integration.payload_format_version == "2.0":
        return parse_payload_v2_response(payload, default_content_type="text/plain;charset=utf-8")
    return parse_proxy_response(payload, accept="*/*", binary_media_types=("*/*",))
