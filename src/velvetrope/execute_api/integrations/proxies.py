"""AWS_PROXY: a function with the proxy format.

The function sees the whole request as an event and answers with status, headers and body. One that fails or answers in
another format is 502, one that is too slow 504, one that could not be run 500, as on AWS; why is in the decision record
and never in the answer.

Source: API Gateway Developer Guide, "Lambda proxy integrations in API Gateway".
"""

from dataclasses import dataclass
from time import perf_counter

import msgspec

from velvetrope.errors import ServiceError, VelvetropeError
from velvetrope.events import (
    InvalidProxyResponse,
    ResponseBodyNotBase64,
    parse_proxy_response,
    render_proxy_event,
)
from velvetrope.execute_api.errors import (
    ApiConfiguration,
    GatewayRefusal,
    IntegrationFailure,
    IntegrationTimeout,
    RequestTooLarge,
)
from velvetrope.execute_api.integrations.answers import Answer
from velvetrope.execute_api.invoking import FunctionCalls, InvokeRefused, function_failure
from velvetrope.execute_api.protocols import InvocationType
from velvetrope.execute_api.proxy_events import proxy_event, trace_id
from velvetrope.execute_api.requests import AdmittedRequest, IntegrationOutcome

__all__ = ["FunctionIntegration", "ask_function", "invoke_function"]


@dataclass(frozen=True)
class FunctionIntegration:
    """A function behind a method. `function_arn` is None if a stage variable in it has no value."""

    function_arn: str | None
    source_arn: str
    timeout_seconds: float
    credentials: str | None


async def invoke_function(
    integration: FunctionIntegration, admitted: AdmittedRequest, functions: FunctionCalls
) -> Answer:
    """The function's answer to a request.

    Raises:
        GatewayRefusal: the function was not run, failed, was too slow or broke the format.
    """
    caller = admitted.authorized.caller
    request = caller.matched
    trace = trace_id(request)
    key = admitted.api_key
    event = proxy_event(
        caller, trace, api_key=admitted.presented_api_key, api_key_id=None if key is None else key.key_id
    )
    payload, outcome = await ask_function(integration, render_proxy_event(event), admitted, functions)
    try:
        response = parse_proxy_response(
            payload,
            accept=request.headers.get(b"accept", b"").decode("latin-1"),
            binary_media_types=request.stage.binary_media_types,
        )
    except InvalidProxyResponse as invalid:
        raise _after(IntegrationFailure(step="integration", detail=invalid.message), outcome) from None
    except ResponseBodyNotBase64 as invalid:
        raise _after(ApiConfiguration(step="integration", detail=invalid.message), outcome) from None
    response.headers.append((b"X-Amzn-Trace-Id", trace.encode()))
    told_by = f"{integration.function_arn} answered {response.status}"
    outcome = msgspec.structs.replace(outcome, backend_status=response.status, service_status=200)
    return Answer(response.status, response.headers, response.body, outcome, told_by)


async def ask_function(
    integration: FunctionIntegration, payload: bytes, admitted: AdmittedRequest, functions: FunctionCalls
) -> tuple[bytes, IntegrationOutcome]:
    """The payload that a function returned.

    Raises:
        GatewayRefusal: it was not run, failed, or was too slow.
    """
    result, outcome = await run_function(integration, payload, admitted, functions)
    if result[1] is not None:
        arn = str(integration.function_arn)
        failure = function_failure(arn, arn, outcome.request_id)
        raise _after(IntegrationFailure(step="integration", detail=failure), outcome)
    return result[0], outcome


async def run_function(
    integration: FunctionIntegration,
    payload: bytes,
    admitted: AdmittedRequest,
    functions: FunctionCalls,
    invocation_type: InvocationType = "RequestResponse",
) -> tuple[tuple[bytes, str | None], IntegrationOutcome]:
    """(payload, kind of error or None) of a function that was run, and how long that took.

    Raises:
        GatewayRefusal: it was not run, or was too slow.
    """
    if integration.function_arn is None:
        raise ApiConfiguration(step="integration", detail="a stage variable in the function's name has no value")
    started = perf_counter()
    try:
        result = await functions.invoke(
            integration.function_arn,
            payload,
            source_arn=integration.source_arn,
            credentials=integration.credentials,
            timeout_seconds=integration.timeout_seconds,
            now=admitted.authorized.caller.matched.incoming.received_at,
            invocation_type=invocation_type,
        )
    except TimeoutError:
        raise _after(
            IntegrationTimeout(
                step="integration",
                detail=f"{integration.function_arn} did not answer within {integration.timeout_seconds:g} seconds",
            ),
            IntegrationOutcome(latency_ms=(perf_counter() - started) * 1000),
        ) from None
    except VelvetropeError as refused:
        too_large = (isinstance(refused, ServiceError) and refused.code == "RequestEntityTooLargeException") or (
            isinstance(refused, InvokeRefused) and refused.is_too_large
        )
        kind = RequestTooLarge if too_large else ApiConfiguration
        why = f"{type(refused).__name__}: {refused.detail or refused.message}"
        raise kind(step="integration", detail=why) from refused
    outcome = IntegrationOutcome(
        latency_ms=(perf_counter() - started) * 1000,
        service_status=200 if result.function_error is None else 502,
        request_id=result.request_id or None,
    )
    return (result.payload, result.function_error), outcome


def _after(refusal: GatewayRefusal, outcome: IntegrationOutcome) -> GatewayRefusal:
    refusal.outcome = outcome
    return refusal
