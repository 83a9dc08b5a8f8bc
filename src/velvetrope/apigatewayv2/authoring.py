"""Changes to an HTTP API under work, as functions from one `HttpApi` to the next.

The single operations run them inside a store transaction, and the OpenAPI import runs them over a whole document; so a
rule holds whichever way a route comes in. What API Gateway has and we do not is refused here by name.

Two routes may not differ in nothing but the names of their variables: which of them AWS serves is not documented, and
they may ask for different callers.

Sources: API Gateway API reference (version 2); API Gateway Developer Guide, "Create routes for HTTP APIs", "Control and
manage access to HTTP APIs", "Create integrations for HTTP APIs". Where AWS's text is not known, the text is ours.
"""

import re
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from velvetrope.apigatewayv2.errors import BadRequestException, ConflictException, NotFoundException, NotSupported
from velvetrope.events import InvalidParameterMapping, parse_request_mapping, parse_response_mapping
from velvetrope.routes import HTTP_METHODS, RouteConflict, RouteKey, RouteTree
from velvetrope.store.tables.apigatewayv2 import Cors, HttpApi, HttpAuthorizer, HttpIntegration, HttpRoute

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
__all__ = [
    "check_deployable",
    "check_supported_integration",
    "find_authorizer",
    "find_integration",
    "find_route",
    "function_arn_of",
    "with_authorizer",
    "with_cors",
    "with_integration",
    "with_route",
    "without_authorizer",
    "without_integration",
    "without_route",
]

_MAX_ROUTES = 300  # API Gateway quotas: routes per HTTP API
_MAX_INTEGRATIONS = 300
_MAX_AUTHORIZERS = 10
_MAX_SCOPES = 10

_FUNCTION_ARN = (
    r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:"
    r"(?:[A-Za-z0-9_-]|\$\{stageVariables\.[A-Za-z0-9_]+\})+(?::(?:[A-Za-z0-9$_-]|\$\{stageVariables\.[A-Za-z0-9_]+\})+)?"
)
_FUNCTION_URI = re.compile(
    rf"(?:arn:aws[a-z-]*:apigateway:[a-z0-9-]+:lambda:path/2015-03-31/functions/)?(?P<arn>{_FUNCTION_ARN})"
    r"(?:/invocations)?"
)
_IDENTITY_SOURCE = re.compile(r"\$(?:request\.(?:header|querystring)|stageVariables|context)\.[^\s,]+")
_HEADER_SOURCE = re.compile(r"\$request\.(?:header|querystring)\.[^\s,]+")
_ORIGIN = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s/]+")
_STAGE_VARIABLE = re.compile(r"\$\{stageVariables\.[A-Za-z0-9_]+\}")

T = TypeVar("T")


def find_route(api: HttpApi, route_id: str) -> HttpRoute:
    """The route of that id, or AWS's 404."""
    return _found(api.routes, route_id, "Route")


def find_integration(api: HttpApi, integration_id: str) -> HttpIntegration:
    """The integration of that id, or AWS's 404."""
    return _found(api.integrations, integration_id, "Integration")


def find_authorizer(api: HttpApi, authorizer_id: str) -> HttpAuthorizer:
    """The authorizer of that id, or AWS's 404."""
    return _found(api.authorizers, authorizer_id, "Authorizer")


def _found(items: Mapping[str, T], item_id: str, kind: str) -> T:
    found = items.get(item_id)
    if found is None:
        raise NotFoundException(f"Invalid {kind} identifier specified")
    return found


def function_arn_of(uri: str) -> str | None:
    """The function's ARN in an integration's or authorizer's URI, which may be that ARN; None if it names none."""
    found = _FUNCTION_URI.fullmatch(uri)
    return None if found is None else found["arn"]


def with_route(api: HttpApi, route: HttpRoute) -> HttpApi:
    """`api` with a route, new or changed."""
    key = RouteKey.parse(route.route_key)
    if key is None:
        raise BadRequestException(
            "The provided route key is not formatted properly for HTTP protocol. "
            'Format should be "<HTTP METHOD> /<RESOURCE PATH>" or "$default"'
        )
    others = {known: other for known, other in api.routes.items() if known != route.id}
    if any(other.route_key == route.route_key for other in others.values()):
        raise ConflictException(f"Route with key {route.route_key} already exists for this API")
    if len(others) >= _MAX_ROUTES:
        raise BadRequestException(f"Maximum number of routes for this API has been reached: {_MAX_ROUTES}")
    _check_authorization(api, route)
    if route.target is not None:
        kind, _, integration_id = route.target.partition("/")
        if kind != "integrations" or not integration_id:
            raise BadRequestException("Target must be of the form integrations/<integration id>")
        find_integration(api, integration_id)
    changed = msgspec.structs.replace(api, routes={**others, route.id: route})
    try:
        RouteTree(
            (one.anonymous_path, one.method, None)
            for one in (RouteKey.parse(other.route_key) for other in changed.routes.values())
            if one is not None and not one.is_default
        )
    except RouteConflict as conflict:
        raise ConflictException(f"{route.route_key} means the same as another route: {conflict.message}") from None
    return changed


def _check_authorization(api: HttpApi, route: HttpRoute) -> None:
    kind = route.authorization_type
    if kind not in {"NONE", "AWS_IAM", "JWT", "CUSTOM"}:
        raise BadRequestException(f"Invalid authorization type specified: {kind}")
    if route.authorization_scopes and kind != "JWT":
        raise BadRequestException("Authorization scopes are for the authorization type JWT")
    if len(route.authorization_scopes) > _MAX_SCOPES:
        raise BadRequestException(f"A route has at most {_MAX_SCOPES} authorization scopes")
    if kind in {"NONE", "AWS_IAM"}:
        if route.authorizer_id is not None:
            raise BadRequestException(f"The authorization type {kind} takes no authorizer")
        return
    if route.authorizer_id is None:
        raise BadRequestException(f"The authorization type {kind} needs an authorizer")
    authorizer = find_authorizer(api, route.authorizer_id)
    if (authorizer.type == "JWT") != (kind == "JWT"):
        raise BadRequestException(f"The authorizer {authorizer.id} is of type {authorizer.type}, which is not {kind}")


def without_route(api: HttpApi, route_id: str) -> HttpApi:
    """`api` without one route."""
    find_route(api, route_id)
    return msgspec.structs.replace(api, routes={k: route for k, route in api.routes.items() if k != route_id})


def with_integration(api: HttpApi, integration: HttpIntegration) -> HttpApi:
    """`api` with an integration, new or changed."""
    if integration.type == "AWS_PROXY":
        if function_arn_of(integration.uri) is None:
            raise BadRequestException("The integration URI must be the ARN of a Lambda function")
        if integration.method not in {None, "POST"}:
            raise BadRequestException("The integration method of a Lambda function is POST")
        if integration.payload_format_version not in {"1.0", "2.0"}:
            raise BadRequestException("PayloadFormatVersion must be 1.0 or 2.0")
    else:
        if not _is_http_url(integration.uri):
            raise BadRequestException("The integration URI must be an http or https URL")
        if integration.method not in {*HTTP_METHODS, "ANY"}:
            raise BadRequestException("HTTP_PROXY needs an integration method: a verb, or ANY")
        if integration.payload_format_version != "1.0":
            raise BadRequestException("PayloadFormatVersion must be 1.0 for HTTP_PROXY")
    try:
        for key, value in integration.request_parameters.items():
            parse_request_mapping(key, value)
        for status, mappings in integration.response_parameters.items():
            if not re.fullmatch(r"[1-5]\d\d", status):
                raise BadRequestException(f"Response parameters are keyed by a status, and {status} is none")
            for key, value in mappings.items():
                parse_response_mapping(key, value)
    except InvalidParameterMapping as invalid:
        raise BadRequestException(invalid.message) from None
    others = {known: one for known, one in api.integrations.items() if known != integration.id}
    if len(others) >= _MAX_INTEGRATIONS:
        raise BadRequestException(f"Maximum number of integrations for this API has been reached: {_MAX_INTEGRATIONS}")
    return msgspec.structs.replace(api, integrations={**others, integration.id: integration})


def _is_http_url(uri: str) -> bool:
    try:
        parts = urlsplit(_STAGE_VARIABLE.sub("x", uri))
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.username is None and not parts.fragment


def without_integration(api: HttpApi, integration_id: str) -> HttpApi:
    """`api` without one integration, which no route may lead to any more."""
    find_integration(api, integration_id)
    for route in api.routes.values():
        if route.target == f"integrations/{integration_id}":
            raise ConflictException(
                f"Cannot delete Integration '{integration_id}' because it is referenced by Route '{route.id}'"
            )
    left = {known: one for known, one in api.integrations.items() if known != integration_id}
    return msgspec.structs.replace(api, integrations=left)


def with_authorizer(api: HttpApi, authorizer: HttpAuthorizer) -> HttpApi:
    """`api` with an authorizer, new or changed."""
    others = {known: one for known, one in api.authorizers.items() if known != authorizer.id}
    if any(one.name == authorizer.name for one in others.values()):
        raise BadRequestException(f"Authorizer name must be unique. Authorizer {authorizer.name} already exists")
    if len(others) >= _MAX_AUTHORIZERS:
        raise BadRequestException(f"Maximum number of authorizers for this API has been reached: {_MAX_AUTHORIZERS}")
    if authorizer.type == "JWT":
        _check_jwt_authorizer(authorizer)
    else:
        _check_request_authorizer(authorizer)
    return msgspec.structs.replace(api, authorizers={**others, authorizer.id: authorizer})


def _check_jwt_authorizer(authorizer: HttpAuthorizer) -> None:
    if authorizer.uri or authorizer.payload_format_version or authorizer.enable_simple_responses:
        raise BadRequestException("A JWT authorizer has no function")
    if len(authorizer.identity_source) != 1 or not _HEADER_SOURCE.fullmatch(authorizer.identity_source[0]):
        raise BadRequestException(
            "A JWT authorizer has one identity source: $request.header.NAME or $request.querystring.NAME"
        )
    issuer = urlsplit(authorizer.issuer or "")
    if issuer.scheme not in {"https", "http"} or not issuer.netloc or issuer.query or issuer.fragment:
        raise BadRequestException("The issuer of a JWT authorizer must be the URL of an OpenID Connect provider")
    if issuer.scheme == "http" and issuer.hostname not in _LOOPBACK:
        # Whoever is on the way could put keys of their own in the place of the issuer's.
        raise BadRequestException("The issuer of a JWT authorizer must be an https URL, or on this machine")
    if not authorizer.audience or not all(authorizer.audience):
        raise BadRequestException("A JWT authorizer needs an audience")


def _check_request_authorizer(authorizer: HttpAuthorizer) -> None:
    if authorizer.issuer or authorizer.audience:
        raise BadRequestException("JwtConfiguration is for authorizers of type JWT")
    if function_arn_of(authorizer.uri or "") is None:
        raise BadRequestException("AuthorizerUri must be the URI of a Lambda function")
    if authorizer.payload_format_version not in {"1.0", "2.0"}:
        raise BadRequestException("AuthorizerPayloadFormatVersion must be 1.0 or 2.0")
    if authorizer.enable_simple_responses and authorizer.payload_format_version != "2.0":
        raise BadRequestException("Simple responses need the payload format version 2.0")
    if not all(_IDENTITY_SOURCE.fullmatch(source) for source in authorizer.identity_source):
        raise BadRequestException(
            "An identity source is $request.header.NAME, $request.querystring.NAME, $context.NAME or "
            "$stageVariables.NAME"
        )
    if authorizer.result_ttl_in_seconds and not authorizer.identity_source:
        raise BadRequestException("Results can be cached only by an identity source")


def without_authorizer(api: HttpApi, authorizer_id: str) -> HttpApi:
    """`api` without one authorizer, which no route may ask any more."""
    find_authorizer(api, authorizer_id)
    for route in api.routes.values():
        if route.authorizer_id == authorizer_id:
            raise ConflictException(
                f"Cannot delete Authorizer '{authorizer_id}' because it is referenced by Route '{route.id}'"
            )
    left = {known: one for known, one in api.authorizers.items() if known != authorizer_id}
    return msgspec.structs.replace(api, authorizers=left)


def with_cors(api: HttpApi, cors: Cors | None) -> HttpApi:
    """`api` with other rules for browsers; None takes them away."""
    if cors is not None:
        for origin in cors.allow_origins or ():
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise BadRequestException(f"Invalid origin specified: {origin}")
        if cors.allow_credentials and "*" in (cors.allow_origins or ()):
            raise BadRequestException("allowCredentials is not supported for origin *")
        for method in cors.allow_methods or ():
            if method != "*" and method not in HTTP_METHODS:
                raise BadRequestException(f"Invalid method specified: {method}")
        if cors.allow_credentials and any("*" in (part or ()) for part in (cors.allow_headers, cors.allow_methods)):
            # Fetch standard, "CORS protocol and credentials": browsers would take the star for a name.
            raise BadRequestException("allowCredentials is not supported for headers or methods *")
    return msgspec.structs.replace(api, cors=cors)


def check_deployable(api: HttpApi) -> None:
    """There is something to deploy."""
    if not api.routes:
        raise BadRequestException("Unable to deploy API because no routes exist in this API")


def check_supported_integration(
    *, connection_type: str | None, connection_id: str | None, subtype: str | None, credentials_arn: str | None
) -> None:
    """Refuses, by name, what an integration could be and here is not."""
    if connection_type == "VPC_LINK" or connection_id:
        raise NotSupported("The connection type VPC_LINK")
    if subtype:
        raise NotSupported(f"The integration subtype {subtype}")
    if credentials_arn:
        raise NotSupported("CredentialsArn of an integration", "the function's resource policy says who may invoke it")
