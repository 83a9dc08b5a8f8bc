"""An integration's record, compiled with its deployment.

What cannot be understood is `Unusable` and answered with 500; why is in the decision record of each call.
"""

import re
from dataclasses import dataclass

from velvetrope.errors import ReasonError
from velvetrope.events import parse_mock_status, parse_quoted_literal
from velvetrope.execute_api.function_uris import fill_stage_variables, function_of_uri
from velvetrope.execute_api.integrations.http import (
    HttpBackend,
    HttpEndpoint,
    HttpProxyIntegration,
    compile_endpoint,
)
from velvetrope.execute_api.integrations.mapped import (
    Backend,
    FunctionBackend,
    MappedIntegration,
    MockBackend,
    ServiceBackend,
)
from velvetrope.execute_api.integrations.mock import MockAnswer, MockIntegration
from velvetrope.execute_api.integrations.outgoing import compile_request_mapping
from velvetrope.execute_api.integrations.proxies import FunctionIntegration
from velvetrope.execute_api.integrations.responses import compile_response_mapping, compile_selection_pattern
from velvetrope.mappings import MappingTemplate
from velvetrope.patterns import PatternRefused
from velvetrope.store.tables.apigateway import Integration, IntegrationResponse, Method, Resource, Stage

__all__ = ["CompiledIntegration", "Unusable", "compile_integration"]

_SERVICE = re.compile(r"arn:aws[a-z-]*:apigateway:[^:]*:(?P<service>[a-z0-9.-]+):(?P<kind>path|action)/(?P<rest>.*)")


@dataclass(frozen=True)
class Unusable:
    """An integration that this version does not understand: every call of it is 500. `why` is for the owner."""

    why: str


CompiledIntegration = MockIntegration | FunctionIntegration | MappedIntegration | HttpProxyIntegration | Unusable


def compile_integration(
    resource: Resource, method: Method, stage: Stage, arn_prefix: str
) -> CompiledIntegration | None:
    """What stands behind `method`; None if nothing does."""
    integration = method.integration
    if integration is None:
        return None
    # The template path and the method as declared; which of ANY and the caller's verb AWS sends is UNVERIFIED.
    source_arn = f"{arn_prefix}{method.http_method}/{resource.path[1:]}"
    try:
        return _compile(integration, stage, source_arn)
    except PatternRefused as refused:
        return Unusable(f"a selection pattern: {refused.message}")
    except ReasonError as finding:
        return Unusable(finding.message)


def _compile(integration: Integration, stage: Stage, source_arn: str) -> CompiledIntegration:
    if integration.connection_type != "INTERNET":
        return Unusable(f"connections of the type {integration.connection_type} are not supported")
    if integration.credentials is not None and "*" in integration.credentials:
        return Unusable("the caller's own credentials are not supported for integrations; name a role")
    if integration.response_transfer_mode != "BUFFERED" and integration.type != "HTTP_PROXY":
        return Unusable(f"responseTransferMode {integration.response_transfer_mode} is for HTTP_PROXY only here")
    if integration.type == "MOCK":
        if _is_static(integration):
            return _compile_mock(integration)
        return _mapped(integration, MockBackend())
    uri = function_of_uri(integration.uri or "", stage.variables)
    if uri is not None and integration.type in ("AWS_PROXY", "AWS"):
        if integration.http_method != "POST":
            return Unusable("functions are called by POST")
        function = FunctionIntegration(
            function_arn=uri.function_arn,
            source_arn=source_arn,
            timeout_seconds=integration.timeout_in_millis / 1000,
            credentials=integration.credentials,
        )
        return function if integration.type == "AWS_PROXY" else _mapped(integration, FunctionBackend(function))
    match integration.type:
        case "AWS":
            return _compile_service(integration, stage)
        case "HTTP":
            return _mapped(integration, HttpBackend(_endpoint(integration, stage)))
        case "HTTP_PROXY":
            return HttpProxyIntegration(
                endpoint=_endpoint(integration, stage),
                request=compile_request_mapping(integration),
                is_streamed=integration.response_transfer_mode == "STREAM",
            )
        case _:
            return Unusable(f"integrations of the type {integration.type} with this URI are not known here")


def _mapped(integration: Integration, backend: Backend) -> MappedIntegration:
    return MappedIntegration(compile_request_mapping(integration), backend, compile_response_mapping(integration))


def _endpoint(integration: Integration, stage: Stage) -> HttpEndpoint:
    return compile_endpoint(
        fill_stage_variables(integration.uri or "", stage.variables),
        integration.http_method,
        timeout_seconds=integration.timeout_in_millis / 1000,
        verify_certificate=not integration.insecure_skip_verification,
    )


def _compile_service(integration: Integration, stage: Stage) -> CompiledIntegration:
    uri = fill_stage_variables(integration.uri or "", stage.variables)
    found = _SERVICE.fullmatch(uri or "")
    if found is None:
        return Unusable("the integration's URI names neither a function nor a service")
    if integration.credentials is None:
        return Unusable("an integration with an AWS service needs the ARN of a role in its credentials")
    is_action = found["kind"] == "action"
    return _mapped(
        integration,
        ServiceBackend(
            service=found["service"].rpartition(".")[2],
            role_arn=integration.credentials,
            method=integration.http_method or "POST",
            path="/" if is_action else f"/{found['rest']}",
            action=found["rest"] if is_action else None,
            timeout_seconds=integration.timeout_in_millis / 1000,
        ),
    )


def _is_static(integration: Integration) -> bool:
    """Whether a MOCK answers the same to every request of a media type."""
    responses = integration.integration_responses.values()
    texts = [*integration.request_templates.values()]
    texts += [text for response in responses for text in response.response_templates.values()]
    literal = all(value[:1] == "'" for one in responses for value in one.response_parameters.values())
    plain = all(MappingTemplate(text).static is not None for text in texts)
    converted = any(response.content_handling for response in responses)
    return plain and literal and not converted and not integration.content_handling


def _compile_mock(integration: Integration) -> MockIntegration:
    return MockIntegration(
        statuses={
            content_type.lower(): parse_mock_status(template)
            for content_type, template in integration.request_templates.items()
        },
        passthrough=integration.passthrough_behavior,
        answers=tuple(_compile_answer(answer) for answer in integration.integration_responses.values()),
    )


def _compile_answer(answer: IntegrationResponse) -> MockAnswer:
    templates = sorted(answer.response_templates.items(), key=lambda item: item[0] != "application/json")
    return MockAnswer(
        status=int(answer.status_code),
        pattern=compile_selection_pattern(answer.selection_pattern),
        headers=tuple(
            (name.removeprefix("method.response.header.").encode(), parse_quoted_literal(expression).encode())
            for name, expression in answer.response_parameters.items()
        ),
        bodies=tuple((content_type.encode(), template.encode()) for content_type, template in templates)
        or ((b"application/json", b""),),
    )
