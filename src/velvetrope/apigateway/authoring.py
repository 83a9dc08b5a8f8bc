"""Changes to a REST API under work, as functions from one `RestApi` to the next.

The operations of `resources`, `methods` and `gateway_responses` run them inside a store transaction, and the OpenAPI
import runs them over a whole document; so a rule holds whichever way a method comes in. Integrations have rules of
their own in `integration_rules`, authorizers, models and request validators in theirs. What API Gateway has and we do
not is refused here by name.

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
from velvetrope.apigateway.mapping_expressions import HEADER_TARGET, REQUEST_PARAMETER, mapping_refused
from velvetrope.events import UnknownSubstitution, parse_gateway_parameter, parse_gateway_template
from velvetrope.store.tables.apigateway import (
    GatewayResponse,
    Integration,
    Method,
    MethodResponse,
    Resource,
    RestApi,
)

__all__ = [
    "GATEWAY_RESPONSE_TYPES",
    "check_deployable",
    "check_model_name",
    "find_integration",
    "find_method",
    "find_method_response",
    "find_resource",
    "methods_of",
    "moved_resource",
    "with_gateway_response",
    "with_method",
    "with_method_response",
    "with_new_method",
    "with_resource",
    "without_method",
    "without_method_response",
    "without_resource",
]

_MAX_RESOURCES = 300  # API Gateway quotas: resources per API
_METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY")
_PATH_PART = re.compile(r"[A-Za-z0-9._:-]+|\{[A-Za-z0-9._-]+\+?\}")
_STATUS = re.compile(r"[1-5]\d\d")
_DEFAULT_MODELS = frozenset({"Empty", "Error"})

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
    if len(api.resources) >= _MAX_RESOURCES:
        raise LimitExceededException(f"Maximum number of resources for the REST API has been reached: {_MAX_RESOURCES}")
    path = _checked_path(api, parent_id, path_part, resource_id)
    resource = Resource(id=resource_id, path=path, parent_id=parent_id, path_part=path_part)
    return msgspec.structs.replace(api, resources={**api.resources, resource_id: resource})


def moved_resource(api: RestApi, resource_id: str, *, parent_id: str, path_part: str) -> RestApi:
    """`api` with a resource, and all below it, under another name or another parent."""
    moved = find_resource(api, resource_id)
    if moved.parent_id is None:
        raise BadRequestException("Cannot update the root resource")
    above: str | None = parent_id
    while above is not None:
        if above == resource_id:
            raise BadRequestException("A resource cannot be moved below itself")
        above = find_resource(api, above).parent_id
    path = _checked_path(api, parent_id, path_part, resource_id)
    if path_part.endswith("+}") and any(one.parent_id == resource_id for one in api.resources.values()):
        raise BadRequestException(f"Cannot create a child of a resource with a greedy path variable: {path_part}")
    resources: dict[str, Resource] = {}
    for key, one in api.resources.items():
        if key == resource_id:
            resources[key] = msgspec.structs.replace(one, path=path, parent_id=parent_id, path_part=path_part)
        elif one.path.startswith(f"{moved.path}/"):
            resources[key] = msgspec.structs.replace(one, path=path + one.path.removeprefix(moved.path))
        else:
            resources[key] = one
    return msgspec.structs.replace(api, resources=resources)


def _checked_path(api: RestApi, parent_id: str, path_part: str, resource_id: str) -> str:
    # The path that a resource of that name has there, if it may be there.
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
    for sibling in api.resources.values():
        if sibling.parent_id != parent_id or sibling.id == resource_id:
            continue
        if sibling.path_part == path_part:
            raise ConflictException(f"Another resource with the same parent already has this name: {path_part}")
        if path_part.startswith("{") and (sibling.path_part or "").startswith("{"):
            raise BadRequestException(
                f"A sibling ({sibling.path_part}) of this resource already has a variable path part -- "
                "only one is allowed"
            )
    return f"{parent.path.rstrip('/')}/{path_part}"


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
    _check_authorization(api, resource.path, method)
    if method.request_validator_id is not None and method.request_validator_id not in api.request_validators:
        raise BadRequestException("Invalid Request Validator identifier specified")
    for name in method.request_parameters:
        if not REQUEST_PARAMETER.fullmatch(name):
            raise mapping_refused(f"Invalid mapping expression specified: {name}")
    for model in method.request_models.values():
        check_model_name(api, model)
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
        if not HEADER_TARGET.fullmatch(name):
            raise mapping_refused(f"Invalid mapping expression specified: {name}")
    for model in response.response_models.values():
        check_model_name(api, model)
    responses = {**method.method_responses, response.status_code: response}
    return with_method(api, resource_id, msgspec.structs.replace(method, method_responses=responses))


def without_method_response(api: RestApi, resource_id: str, http_method: str, status_code: str) -> RestApi:
    """`api` without a response that a method declares."""
    method = find_method(api, resource_id, http_method)
    find_method_response(method, status_code)
    left = {status: response for status, response in method.method_responses.items() if status != status_code}
    return with_method(api, resource_id, msgspec.structs.replace(method, method_responses=left))


def find_method_response(method: Method, status_code: str) -> MethodResponse:
    """The response of that status, or AWS's 404."""
    response = method.method_responses.get(status_code)
    if response is None:
        raise NotFoundException("Invalid Response status code specified")
    return response


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
    """There are methods, and each has an integration."""
    methods = list(methods_of(api))
    if not methods:
        raise BadRequestException("The REST API doesn't contain any methods")
    for _, method in methods:
        if method.integration is None:
            raise BadRequestException("No integration defined for method")


def methods_of(api: RestApi) -> Iterator[tuple[Resource, Method]]:
    """Every method with its resource."""
    for resource in api.resources.values():
        for method in resource.methods.values():
            yield resource, method


def check_model_name(api: RestApi, name: str) -> None:
    """A model of that name exists. `Empty` and `Error` are every API's."""
    if name not in api.models and name not in _DEFAULT_MODELS:
        raise BadRequestException(f"Invalid model identifier specified: {name}")


def _check_authorization(api: RestApi, path: str, method: Method) -> None:
    kind = method.authorization_type
    if kind not in {"NONE", "AWS_IAM", "CUSTOM", "COGNITO_USER_POOLS"}:
        raise NotSupported(f"The authorization type {kind} ({path})")
    authorizer = api.authorizers.get(method.authorizer_id or "")
    wanted = {"CUSTOM": {"TOKEN", "REQUEST"}, "COGNITO_USER_POOLS": {"COGNITO_USER_POOLS"}}.get(kind)
    # An authorizer on a method that would not ask it is refused: whoever names one means to be protected by it.
    is_right = method.authorizer_id is None if wanted is None else authorizer is not None and authorizer.type in wanted
    if not is_right:
        raise BadRequestException(
            "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires "
            "a valid authorizer."
        )
    if method.authorization_scopes and kind != "COGNITO_USER_POOLS":
        raise BadRequestException("Authorization scopes are for methods with COGNITO_USER_POOLS authorization")
