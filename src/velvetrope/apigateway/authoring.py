"""Changes to a REST API under work, as functions from one `RestApi` to the next.

The operations of `resources`, `methods` and `gateway_responses` run them inside a store transaction, and the OpenAPI
import runs them over a whole document; so a rule holds whichever way a method comes in. What API Gateway has and we do
not (authorizers other than AWS_IAM, integrations other than AWS_PROXY and MOCK …) is refused here by name.

Sources: API Gateway API reference; texts from captures of AWS.
"""

import re
from collections.abc import Iterator, Mapping

import msgspec

from velvetrope.apigateway.errors import (
    BadRequestException,
    ConflictException,
    LimitExceededException,
    NotFoundException,
    NotSupported,
)
from velvetrope.events import (
    TemplateNeedsVtl,
    UnknownSubstitution,
    check_static_template,
    parse_gateway_parameter,
    parse_gateway_template,
    parse_quoted_literal,
)
from velvetrope.store.tables.apigateway import (
    GatewayResponse,
    Integration,
    IntegrationResponse,
    Method,
    MethodResponse,
    Resource,
    RestApi,
)

__all__ = [
    "GATEWAY_RESPONSE_TYPES",
    "check_deployable",
    "find_integration",
    "find_method",
    "find_resource",
    "integration_problem",
    "with_gateway_response",
    "with_integration",
    "with_integration_response",
    "with_method",
    "with_method_response",
    "with_new_method",
    "with_resource",
    "without_integration",
    "without_method",
    "without_resource",
]

_MAX_RESOURCES = 300  # API Gateway quotas: resources per API
_METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY")
_PATH_PART = re.compile(r"[A-Za-z0-9._:-]+|\{[A-Za-z0-9._-]+\+?\}")
_FUNCTION_URI = re.compile(
    r"arn:aws[a-z-]*:apigateway:[a-z0-9-]+:lambda:path/2015-03-31/functions/(?P<arn>[^/]+)/invocations"
)
_STATUS = re.compile(r"[1-5]\d\d")
_MODELS = frozenset({"Empty", "Error"})
_HEADER_TARGET = re.compile(r"method\.response\.header\.[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_REQUEST_PARAMETER = re.compile(
    r"method\.request\.(header|querystring|multivaluequerystring|multivalueheader|path)\..+"
)

GATEWAY_RESPONSE_TYPES: Mapping[str, str | None] = {
    "ACCESS_DENIED": "403",
    "API_CONFIGURATION_ERROR": "500",
    "AUTHORIZER_CONFIGURATION_ERROR": "500",
    "AUTHORIZER_FAILURE": "500",
    "BAD_REQUEST_BODY": "400",
    "BAD_REQUEST_PARAMETERS": "400",
    "DEFAULT_4XX": None,
    "DEFAULT_5XX": None,
    "EXPIRED_TOKEN": "403",
    "INTEGRATION_FAILURE": "504",
    "INTEGRATION_TIMEOUT": "504",
    "INVALID_API_KEY": "403",
    "INVALID_SIGNATURE": "403",
    "MISSING_AUTHENTICATION_TOKEN": "403",
    "QUOTA_EXCEEDED": "429",
    "REQUEST_TOO_LARGE": "413",
    "RESOURCE_NOT_FOUND": "404",
    "THROTTLED": "429",
    "UNAUTHORIZED": "401",
    "UNSUPPORTED_MEDIA_TYPE": "415",
    "WAF_FILTERED": "403",
}
"""Every type with the status it has by default.

Source: API Gateway Developer Guide, "Gateway response types for API Gateway".
"""


def find_resource(api: RestApi, resource_id: str) -> Resource:
    """The resource of that id, or AWS's 404."""
    resource = api.resources.get(resource_id)
    if resource is None:
        raise NotFoundException("Invalid Resource identifier specified")
    return resource


def find_method(api: RestApi, resource_id: str, http_method: str) -> Method:
    """The method of that resource, or AWS's 404."""
    method = find_resource(api, resource_id).methods.get(http_method)
    if method is None:
        raise NotFoundException("Invalid Method identifier specified")
    return method


def find_integration(api: RestApi, resource_id: str, http_method: str) -> Integration:
    """The integration of that method, or AWS's 404."""
    integration = find_method(api, resource_id, http_method).integration
    if integration is None:
        raise NotFoundException("Invalid Integration identifier specified")
    return integration


def with_resource(api: RestApi, *, parent_id: str, path_part: str, resource_id: str) -> RestApi:
    """`api` with one more resource under `parent_id`."""
    parent = find_resource(api, parent_id)
    if not _PATH_PART.fullmatch(path_part):
        raise BadRequestException(
            "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the "
            "beginning and the end."
        )
    if (parent.path_part or "").endswith("+}"):
        raise BadRequestException(
            f"Cannot create a child of a resource with a greedy path variable: {parent.path_part}"
        )
    if parent.path == "/" and path_part in {"ping", "sping"}:
        raise BadRequestException(f"/{path_part} is reserved by API Gateway")
    siblings = [resource for resource in api.resources.values() if resource.parent_id == parent_id]
    for sibling in siblings:
        if sibling.path_part == path_part:
            raise ConflictException(f"Another resource with the same parent already has this name: {path_part}")
        if path_part.startswith("{") and (sibling.path_part or "").startswith("{"):
            raise BadRequestException(
                f"A sibling ({sibling.path_part}) of this resource already has a variable path part -- "
                "only one is allowed"
            )
    if len(api.resources) >= _MAX_RESOURCES:
        raise LimitExceededException(f"Maximum number of resources for the REST API has been reached: {_MAX_RESOURCES}")
    resource = Resource(
        id=resource_id,
        path=f"{parent.path.rstrip('/')}/{path_part}",
        parent_id=parent_id,
        path_part=path_part,
    )
    return msgspec.structs.replace(api, resources={**api.resources, resource_id: resource})


def without_resource(api: RestApi, resource_id: str) -> RestApi:
    """`api` without a resource and everything under it. The root stays."""
    if find_resource(api, resource_id).parent_id is None:
        raise BadRequestException("Cannot delete the root resource")
    gone = {resource_id}
    while more := {r.id for r in api.resources.values() if r.parent_id in gone} - gone:
        gone |= more
    return msgspec.structs.replace(api, resources={k: r for k, r in api.resources.items() if k not in gone})


def with_new_method(api: RestApi, resource_id: str, method: Method) -> RestApi:
    """`api` with a method that was not there."""
    if method.http_method in find_resource(api, resource_id).methods:
        raise ConflictException("Method already exists for this resource")
    return with_method(api, resource_id, method)


def with_method(api: RestApi, resource_id: str, method: Method) -> RestApi:
    """`api` with a method, new or changed."""
    resource = find_resource(api, resource_id)
    if method.http_method not in _METHODS:
        raise BadRequestException(f"Invalid HttpMethod specified. Valid options are {','.join(_METHODS)}")
    if method.authorization_type not in {"NONE", "AWS_IAM"}:
        raise NotSupported(f"The authorization type {method.authorization_type} ({resource.path})")
    for name in method.request_parameters:
        if not _REQUEST_PARAMETER.fullmatch(name):
            raise BadRequestException(f"Invalid request parameter: {name}")
    _check_models(method.request_models)
    changed = msgspec.structs.replace(resource, methods={**resource.methods, method.http_method: method})
    return msgspec.structs.replace(api, resources={**api.resources, resource_id: changed})


def without_method(api: RestApi, resource_id: str, http_method: str) -> RestApi:
    """`api` without one method."""
    find_method(api, resource_id, http_method)
    resource = find_resource(api, resource_id)
    left = {name: method for name, method in resource.methods.items() if name != http_method}
    changed = msgspec.structs.replace(resource, methods=left)
    return msgspec.structs.replace(api, resources={**api.resources, resource_id: changed})


def with_method_response(api: RestApi, resource_id: str, http_method: str, response: MethodResponse) -> RestApi:
    """`api` with a response that a method declares; one of the same status is replaced."""
    method = find_method(api, resource_id, http_method)
    if not _STATUS.fullmatch(response.status_code):
        raise BadRequestException(f"Invalid response status code specified: {response.status_code}")
    for name in response.response_parameters:
        if not _HEADER_TARGET.fullmatch(name):
            raise BadRequestException(f"Invalid mapping expression specified: {name}")
    _check_models(response.response_models)
    responses = {**method.method_responses, response.status_code: response}
    return with_method(api, resource_id, msgspec.structs.replace(method, method_responses=responses))


def with_integration(api: RestApi, resource_id: str, http_method: str, integration: Integration) -> RestApi:
    """`api` with what stands behind a method; the responses of a former integration are kept only if it has some."""
    method = find_method(api, resource_id, http_method)
    problem = integration_problem(integration)
    if problem is not None:
        raise problem
    if not integration.cache_namespace:
        integration = msgspec.structs.replace(integration, cache_namespace=resource_id)
    return with_method(api, resource_id, msgspec.structs.replace(method, integration=integration))


def integration_problem(integration: Integration) -> BadRequestException | None:
    """What is wrong with an integration, apart from its templates (see `check_deployable`); None if nothing is."""
    if integration.type not in {"AWS_PROXY", "MOCK"}:
        return NotSupported(f"The integration type {integration.type}")
    if integration.type == "AWS_PROXY":
        if not integration.http_method:
            return BadRequestException("Enumeration value for HttpMethod must be non-empty")
        if integration.uri is None or not _FUNCTION_URI.fullmatch(integration.uri):
            return BadRequestException("Invalid ARN specified in the request")
    if integration.passthrough_behavior not in {"WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"}:
        return BadRequestException(f"Invalid passthrough behavior specified: {integration.passthrough_behavior}")
    if not 50 <= integration.timeout_in_millis <= 29_000:
        return BadRequestException("Timeout should be between 50 ms and 29000 ms")
    return None


def without_integration(api: RestApi, resource_id: str, http_method: str) -> RestApi:
    """`api` with nothing behind that method."""
    find_integration(api, resource_id, http_method)
    method = find_method(api, resource_id, http_method)
    return with_method(api, resource_id, msgspec.structs.replace(method, integration=None))


def with_integration_response(
    api: RestApi, resource_id: str, http_method: str, response: IntegrationResponse
) -> RestApi:
    """`api` with one more answer of a MOCK integration; one of the same status is replaced.

    Of a proxy integration AWS keeps such responses and never uses them; so do we.
    """
    method = find_method(api, resource_id, http_method)
    integration = find_integration(api, resource_id, http_method)
    declared = method.method_responses.get(response.status_code)
    if declared is None:
        raise NotFoundException("Invalid Response status code specified")
    for name, expression in response.response_parameters.items():
        if name not in declared.response_parameters:
            raise BadRequestException(f"Invalid mapping expression parameter specified: {name}")
        try:
            parse_quoted_literal(expression)
        except UnknownSubstitution as unknown:
            raise NotSupported(f"The response parameter {name}", unknown.message) from None
    if response.selection_pattern:
        try:
            re.compile(response.selection_pattern)
        except re.error:
            raise BadRequestException("Invalid selection pattern specified") from None
    responses = {**integration.integration_responses, response.status_code: response}
    changed = msgspec.structs.replace(integration, integration_responses=responses)
    return with_method(api, resource_id, msgspec.structs.replace(method, integration=changed))


def with_gateway_response(api: RestApi, response: GatewayResponse) -> RestApi:
    """`api` with its own form of one kind of refusal."""
    if response.response_type not in GATEWAY_RESPONSE_TYPES:
        raise BadRequestException(f"Invalid gateway response type specified: {response.response_type}")
    if response.status_code is not None and not _STATUS.fullmatch(response.status_code):
        raise BadRequestException(f"Invalid response status code specified: {response.status_code}")
    try:
        for name, expression in response.response_parameters.items():
            if not re.fullmatch(r"gatewayresponse\.header\.[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
                raise BadRequestException(f"Invalid response parameter specified: {name}")
            parse_gateway_parameter(expression)
        for template in response.response_templates.values():
            parse_gateway_template(template)
    except UnknownSubstitution as unknown:
        raise NotSupported(f"This form of the gateway response {response.response_type}", unknown.message) from None
    return msgspec.structs.replace(api, gateway_responses={**api.gateway_responses, response.response_type: response})


def check_deployable(api: RestApi) -> None:
    """Every method has an integration that we can run, templates included."""
    if not any(resource.methods for resource in api.resources.values()):
        raise BadRequestException("The REST API doesn't contain any methods")
    for where, method in _methods(api):
        if method.integration is None:
            raise BadRequestException("No integration defined for method")
        problem = integration_problem(method.integration)
        if problem is not None:
            raise problem
        if method.integration.type != "MOCK":
            continue
        try:
            for template in method.integration.request_templates.values():
                check_static_template(template)
            for response in method.integration.integration_responses.values():
                for template in response.response_templates.values():
                    check_static_template(template)
        except TemplateNeedsVtl as needs:
            raise NotSupported(f"A mapping template of {where}", needs.message) from None


def _methods(api: RestApi) -> Iterator[tuple[str, Method]]:
    for resource in api.resources.values():
        for method in resource.methods.values():
            yield f"{method.http_method} {resource.path}", method


def _check_models(models: Mapping[str, str]) -> None:
    # Models only matter to request validators, which we refuse; the two that every API has may be named.
    for name in models.values():
        if name not in _MODELS:
            raise BadRequestException(f"Invalid model identifier specified: {name}")
