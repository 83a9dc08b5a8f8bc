"""What may stand behind a method, and what may be made of its answer.

Integrations are `AWS_PROXY` (a function, the proxy format), `AWS` (a function or a service's own action, by mapping
templates), `HTTP_PROXY`, `HTTP` and `MOCK`. Private integrations (`VPC_LINK`) are refused by name. Whether a function
or a backend exists is not looked at, as on AWS: stage variables may name it.

Sources: API Gateway API reference, PutIntegration, PutIntegrationResponse; Developer Guide, "Set up REST API
integrations"; texts from captures of AWS, others are marked UNVERIFIED.
"""

import re

import msgspec

from velvetrope.apigateway.authoring import find_integration, find_method, with_method
from velvetrope.apigateway.errors import BadRequestException, NotFoundException, NotSupported
from velvetrope.apigateway.mapping_expressions import (
    REQUEST_PARAMETER,
    check_request_mappings,
    check_response_mappings,
    mapping_refused,
)
from velvetrope.mappings import MappingTemplate, UnsupportedTemplate
from velvetrope.patterns import Dialect, PatternRefused, compile_pattern
from velvetrope.store.tables.apigateway import Integration, IntegrationResponse, Method, RestApi

__all__ = [
    "FUNCTION_URI",
    "ROLE_ARN",
    "find_integration_response",
    "with_integration",
    "with_integration_response",
    "without_integration",
    "without_integration_response",
]

FUNCTION_URI = re.compile(
    r"arn:aws[a-z-]*:apigateway:[a-z0-9-]+:lambda:path/2015-03-31/functions/(?P<arn>[^/]+)/invocations"
)
"""The URI of a function, in integrations and authorizers."""
_SERVICE_URI = re.compile(r"arn:aws[a-z-]*:apigateway:[a-z0-9-]+:(?:[a-z0-9-]+\.)?[a-z0-9-]+:(?:path|action)/\S+")
_HTTP_URI = re.compile(r"https?://[^\s/?#]+(?:[/?#]\S*)?")
ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/\S+")
_CALLER = re.compile(r"arn:aws[a-z-]*:iam::\*:user/\*")
_VERBS = frozenset({"GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY"})
_STATUS = re.compile(r"[1-5]\d\d")
_MAX_TEMPLATE_BYTES = 300 * 1024  # API Gateway quotas: mapping template size


def with_integration(api: RestApi, resource_id: str, http_method: str, integration: Integration) -> RestApi:
    """`api` with what stands behind a method."""
    method = find_method(api, resource_id, http_method)
    _check_integration(integration, method)
    if not integration.cache_namespace:
        integration = msgspec.structs.replace(integration, cache_namespace=resource_id)
    return with_method(api, resource_id, msgspec.structs.replace(method, integration=integration))


def without_integration(api: RestApi, resource_id: str, http_method: str) -> RestApi:
    """`api` with nothing behind that method."""
    find_integration(api, resource_id, http_method)
    method = find_method(api, resource_id, http_method)
    return with_method(api, resource_id, msgspec.structs.replace(method, integration=None))


def find_integration_response(integration: Integration, status_code: str) -> IntegrationResponse:
    """The response of that status, or AWS's 404."""
    response = integration.integration_responses.get(status_code)
    if response is None:
        raise NotFoundException("Invalid Response status code specified")
    return response


def with_integration_response(
    api: RestApi, resource_id: str, http_method: str, response: IntegrationResponse
) -> RestApi:
    """`api` with one more answer of an integration; one of the same status is replaced.

    Of a proxy integration AWS keeps such responses and never uses them; so do we.
    """
    method = find_method(api, resource_id, http_method)
    integration = find_integration(api, resource_id, http_method)
    if not _STATUS.fullmatch(response.status_code):
        raise BadRequestException(f"Invalid response status code specified: {response.status_code}")
    declared = method.method_responses.get(response.status_code)
    if declared is None:
        raise mapping_refused("No method response exists for method.")
    check_response_mappings(response.response_parameters, declared.response_parameters)
    _check_templates(response.response_templates)
    if response.selection_pattern:
        try:
            compile_pattern(response.selection_pattern, Dialect.JAVA, whole=True)
        except PatternRefused as refused:
            raise BadRequestException(f"Invalid selection pattern specified: {refused.message}") from None
    responses = {**integration.integration_responses, response.status_code: response}
    changed = msgspec.structs.replace(integration, integration_responses=responses)
    return with_method(api, resource_id, msgspec.structs.replace(method, integration=changed))


def without_integration_response(api: RestApi, resource_id: str, http_method: str, status_code: str) -> RestApi:
    """`api` without one answer of an integration."""
    method = find_method(api, resource_id, http_method)
    integration = find_integration(api, resource_id, http_method)
    find_integration_response(integration, status_code)
    left = {status: one for status, one in integration.integration_responses.items() if status != status_code}
    changed = msgspec.structs.replace(integration, integration_responses=left)
    return with_method(api, resource_id, msgspec.structs.replace(method, integration=changed))


def _check_integration(integration: Integration, method: Method) -> None:
    if integration.connection_type != "INTERNET":
        raise NotSupported(f"The connection type {integration.connection_type}")
    if integration.type not in {"AWS_PROXY", "AWS", "HTTP_PROXY", "HTTP", "MOCK"}:
        raise NotSupported(f"The integration type {integration.type}")
    if integration.type != "MOCK":
        if integration.http_method not in _VERBS:
            raise BadRequestException("Enumeration value for HttpMethod must be non-empty")
        if integration.type in {"AWS_PROXY", "AWS"}:
            _check_service_uri(integration)
        elif integration.uri is None or not _HTTP_URI.fullmatch(integration.uri):
            raise BadRequestException("Invalid HTTP endpoint specified for URI")
    if integration.response_transfer_mode == "STREAM" and integration.type != "HTTP_PROXY":
        raise NotSupported(f"The response transfer mode STREAM of an integration of type {integration.type}")
    if integration.credentials is not None and not ROLE_ARN.fullmatch(integration.credentials):
        if _CALLER.fullmatch(integration.credentials):
            raise NotSupported("The caller's own credentials for an integration")
        raise BadRequestException("Invalid ARN specified in the request")
    if integration.passthrough_behavior not in {"WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"}:
        raise BadRequestException(f"Invalid passthrough behavior specified: {integration.passthrough_behavior}")
    if not 50 <= integration.timeout_in_millis <= 29_000:
        raise BadRequestException("Timeout should be between 50 ms and 29000 ms")
    check_request_mappings(integration.request_parameters, method.request_parameters)
    _check_templates(integration.request_templates)
    for name in integration.cache_key_parameters:
        if not REQUEST_PARAMETER.fullmatch(name) or name not in method.request_parameters:
            raise mapping_refused(f"Invalid mapping expression parameter specified: {name}")


def _check_service_uri(integration: Integration) -> None:
    uri = integration.uri or ""
    if not uri.startswith("arn:"):
        raise BadRequestException("Invalid ARN specified in the request")
    if not _SERVICE_URI.fullmatch(uri):
        raise BadRequestException("AWS ARN for integration must contain path or action")
    if ":lambda:" in uri.split("/", 1)[0]:
        if not FUNCTION_URI.fullmatch(uri):
            raise BadRequestException("Invalid ARN specified in the request")
    elif integration.type == "AWS_PROXY":
        raise BadRequestException(
            "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations."
        )
    elif integration.credentials is None:
        raise BadRequestException("Role ARN must be specified for AWS integrations")


def _check_templates(templates: dict[str, str]) -> None:
    for content_type, template in templates.items():
        if len(template.encode()) > _MAX_TEMPLATE_BYTES:
            # The limit is documented; the text is UNVERIFIED.
            raise BadRequestException(f"The mapping template of {content_type} is larger than 300 KB")
        try:
            MappingTemplate(template)
        except UnsupportedTemplate as finding:
            text = f"Invalid mapping template specified for {content_type}: {finding.message}"
            raise BadRequestException(text) from None
