"""An integration's record, compiled with its deployment."""

import re

from velvetrope.events import parse_mock_status, parse_quoted_literal
from velvetrope.execute_api.function_uris import function_of_uri
from velvetrope.execute_api.integrations.mock import MockAnswer, MockIntegration
from velvetrope.execute_api.integrations.proxies import FunctionIntegration
from velvetrope.store.tables.apigateway import Integration, IntegrationResponse, Method, Resource, Stage

__all__ = ["CompiledIntegration", "compile_integration"]

CompiledIntegration = MockIntegration | FunctionIntegration


def compile_integration(
    resource: Resource, method: Method, stage: Stage, arn_prefix: str
) -> CompiledIntegration | None:
    """What stands behind `method`; None if this version does not know it."""
    integration = method.integration
    if integration is None:
        return None
    # The template path and the method as declared; which of ANY and the caller's verb AWS sends is UNVERIFIED.
    source_arn = f"{arn_prefix}{method.http_method}/{resource.path[1:]}"
    if integration.type == "MOCK":
        return _compile_mock(integration)
    uri = function_of_uri(integration.uri or "", stage.variables)
    if integration.type == "AWS_PROXY" and uri is not None:
        return FunctionIntegration(
            function_arn=uri.function_arn,
            source_arn=source_arn,
            timeout_seconds=integration.timeout_in_millis / 1000,
            credentials=integration.credentials,
        )
    return None


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
        pattern=None if answer.selection_pattern is None else re.compile(answer.selection_pattern),
        headers=tuple(
            (name.removeprefix("method.response.header.").encode(), parse_quoted_literal(expression).encode())
            for name, expression in answer.response_parameters.items()
        ),
        bodies=tuple((content_type.encode(), template.encode()) for content_type, template in templates)
        or ((b"application/json", b""),),
    )
