"""An API to a document that makes the same API again."""

import json

from velvetrope.apigatewayv2.openapi.members import (
    ANY,
    AUTHORIZER,
    AUTHTYPE,
    CORS,
    CORS_MEMBERS,
    ENDPOINT,
    INTEGRATION,
    TAG_VALUE,
    VERSION,
)
from velvetrope.routes import DEFAULT_ROUTE, RouteKey
from velvetrope.store.tables.apigatewayv2 import Cors, HttpApi, HttpAuthorizer, HttpIntegration, HttpRoute

__all__ = ["render_document"]


def render_document(api: HttpApi, *, extensions: bool, as_yaml: bool) -> bytes:
    """The document of `api`; without `extensions` it says nothing of integrations and authorizers."""
    paths: dict[str, dict[str, object]] = {}
    for route in api.routes.values():
        key = RouteKey.parse(route.route_key)
        if key is None:
            continue
        verb = ANY if key.is_default or key.method == "ANY" else key.method.lower()
        if verb == ANY and not extensions:
            continue
        item = paths.setdefault(f"/{DEFAULT_ROUTE}" if key.is_default else key.path, {})
        item[verb] = _operation(api, route, key, extensions=extensions)
    info: dict[str, object] = {"title": api.name, "version": api.version or api.created_at.isoformat()}
    if api.description is not None:
        info["description"] = api.description
    document: dict[str, object] = {"openapi": "3.0.1", "info": info, "paths": paths}
    if extensions:
        document |= _extensions(api)
    if as_yaml:
        import yaml

        return yaml.safe_dump(document, sort_keys=False, allow_unicode=True).encode()
    return json.dumps(document, indent=2, ensure_ascii=False).encode()


def _extensions(api: HttpApi) -> dict[str, object]:
    """What a document says beyond OpenAPI's own members, and the security schemes that its operations name."""
    said: dict[str, object] = {}
    schemes: dict[str, object] = {authorizer.name: _scheme(authorizer) for authorizer in api.authorizers.values()}
    if any(route.authorization_type == "AWS_IAM" for route in api.routes.values()):
        schemes["AWS_IAM"] = {"type": "apiKey", "name": "Authorization", "in": "header", AUTHTYPE: "awsSigv4"}
    if schemes:
        said["components"] = {"securitySchemes": schemes}
    if api.tags:
        said["tags"] = [{"name": name, TAG_VALUE: value} for name, value in api.tags.items()]
    if api.cors is not None:
        said[CORS] = _cors(api.cors)
    if api.disable_execute_api_endpoint:
        said[ENDPOINT] = {"disableExecuteApiEndpoint": True}
    return said | {VERSION: "1.0"}


def _cors(cors: Cors) -> dict[str, object]:
    said = {wire: getattr(cors, name) for wire, name in CORS_MEMBERS.items()}
    return {
        wire: list(value) if isinstance(value, tuple) else value for wire, value in said.items() if value is not None
    }


def _operation(api: HttpApi, route: HttpRoute, key: RouteKey, *, extensions: bool) -> dict[str, object]:
    operation: dict[str, object] = {"responses": {"default": {"description": f"Answer of {route.route_key}"}}}
    if route.operation_name is not None:
        operation["operationId"] = route.operation_name
    if key.names:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in key.names
        ]
    if not extensions:
        return operation
    if route.authorization_type == "AWS_IAM":
        operation["security"] = [{"AWS_IAM": []}]
    elif route.authorizer_id is not None:
        operation["security"] = [{api.authorizers[route.authorizer_id].name: list(route.authorization_scopes)}]
    if route.target is not None:
        operation[INTEGRATION] = _rendered_integration(api.integrations[route.target.partition("/")[2]])
    return operation


def _rendered_integration(integration: HttpIntegration) -> dict[str, object]:
    name = integration.server_name_to_verify
    members: dict[str, object | None] = {
        "type": integration.type.lower(),
        "httpMethod": integration.method,
        "uri": integration.uri,
        "payloadFormatVersion": integration.payload_format_version,
        "connectionType": "INTERNET",
        "timeoutInMillis": integration.timeout_in_millis,
        "description": integration.description,
        "requestParameters": integration.request_parameters or None,
        "responseParameters": integration.response_parameters or None,
        "tlsConfig": None if name is None else {"serverNameToVerify": name},
    }
    return {name: value for name, value in members.items() if value is not None}


def _scheme(authorizer: HttpAuthorizer) -> dict[str, object]:
    if authorizer.type == "JWT":
        jwt = {"issuer": authorizer.issuer, "audience": list(authorizer.audience)}
        given = {"type": "jwt", "identitySource": authorizer.identity_source[0], "jwtConfiguration": jwt}
        return {"type": "oauth2", "flows": {}, AUTHORIZER: given}
    rendered = {
        "type": "request",
        "identitySource": ", ".join(authorizer.identity_source),
        "authorizerUri": authorizer.uri,
        "authorizerPayloadFormatVersion": authorizer.payload_format_version,
        "authorizerResultTtlInSeconds": authorizer.result_ttl_in_seconds,
        "enableSimpleResponses": authorizer.enable_simple_responses,
    }
    return {"type": "apiKey", "name": "Unused", "in": "header", AUTHORIZER: rendered}
