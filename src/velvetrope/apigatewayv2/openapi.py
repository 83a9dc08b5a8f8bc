"""OpenAPI 3.0 documents with API Gateway's extensions, as SAM, CDK and people write them, to HTTP APIs and back.

`parse_document` reads the text, `api_of_document` makes of it what the single operations would have made, in place of
everything that the API was before; `render_document` writes a document that makes the same API again. Every member is
either understood, or known to be description only (`summary`, `responses`, `schema` …), or refused by name: a document
that says more about who may call than we do must not become an API that says less.

`$default` is the path `/$default` (SAM writes `$default`) with `x-amazon-apigateway-any-method`. A route has one
security requirement with one scheme; what AWS makes of several is not documented, so they are refused.

Sources: API Gateway Developer Guide, "Use OpenAPI definitions for HTTP APIs", "OpenAPI extensions for API Gateway";
OpenAPI 3.0.3.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from velvetrope.apigatewayv2.authoring import (
    check_supported_integration,
    with_authorizer,
    with_cors,
    with_integration,
    with_route,
)
from velvetrope.apigatewayv2.errors import BadRequestException, NotSupported
from velvetrope.apigatewayv2.tags import with_tags
from velvetrope.routes import DEFAULT_ROUTE, RouteKey
from velvetrope.store.tables.apigatewayv2 import Cors, HttpApi, HttpAuthorizer, HttpIntegration, HttpRoute
from velvetrope.templates import InvalidTemplate, load_document

__all__ = ["Document", "api_of_document", "parse_document", "render_document"]

Json = Mapping[str, Any]
Document = tuple[Json, str]
"""A document that is JSON at heart, and the base path that its routes get."""

_ANY = "x-amazon-apigateway-any-method"
_AUTHORIZER = "x-amazon-apigateway-authorizer"
_AUTHTYPE = "x-amazon-apigateway-authtype"
_CORS = "x-amazon-apigateway-cors"
_ENDPOINT = "x-amazon-apigateway-endpoint-configuration"
_INTEGRATION = "x-amazon-apigateway-integration"
_INTEGRATIONS = "x-amazon-apigateway-integrations"
_TAG_VALUE = "x-amazon-apigateway-tag-value"
_VERSION = "x-amazon-apigateway-importexport-version"

_VERBS = ("get", "put", "post", "delete", "options", "head", "patch")
_DOCUMENT = {"openapi", "info", "paths", "components", "security", "servers", "tags", "externalDocs"} | {
    _CORS,
    _ENDPOINT,
    _VERSION,
}
_PATH = {*_VERBS, _ANY, "parameters", "summary", "description", "servers"}
_OPERATION = {"summary", "description", "tags", "externalDocs", "deprecated", "operationId", "parameters"} | {
    "requestBody",
    "responses",
    "security",
    "servers",
    "isDefaultRoute",
    _INTEGRATION,
}
_COMPONENTS = {"schemas", "responses", "parameters", "examples", "requestBodies", "headers", "links"} | {
    "securitySchemes",
    _INTEGRATIONS,
}
_INTEGRATION_MEMBERS = {
    "type",
    "httpMethod",
    "uri",
    "payloadFormatVersion",
    "timeoutInMillis",
    "connectionType",
    "connectionId",
    "credentials",
    "integrationSubtype",
    "description",
    "requestParameters",
    "responseParameters",
    "tlsConfig",
}
_AUTHORIZER_MEMBERS = {
    "type",
    "jwtConfiguration",
    "identitySource",
    "authorizerUri",
    "authorizerCredentials",
    "authorizerPayloadFormatVersion",
    "authorizerResultTtlInSeconds",
    "enableSimpleResponses",
}
_CORS_MEMBERS = {
    "allowCredentials": "allow_credentials",
    "allowHeaders": "allow_headers",
    "allowMethods": "allow_methods",
    "allowOrigins": "allow_origins",
    "exposeHeaders": "expose_headers",
    "maxAge": "max_age",
}


def parse_document(body: str, basepath: str | None = None) -> Document:
    """The document in `body`, JSON or YAML. `basepath` says what becomes of the server's path.

    Raises:
        BadRequestException: it is neither, is not OpenAPI 3.0, or has a member that is not understood.
    """
    try:
        document = load_document(body)
    except InvalidTemplate as error:
        raise BadRequestException(f"Unable to parse API definition: {error.message}") from None
    if not isinstance(document, dict):
        raise BadRequestException("Unable to parse API definition because of a malformed document")
    if not str(document.get("openapi", "")).startswith("3.0"):
        raise BadRequestException("Only OpenAPI 3.0 definitions are supported by HTTP APIs")
    _check_members(document, _DOCUMENT, "the document")
    _check_members(_object(document, "components"), _COMPONENTS, "components")
    mode = basepath or "ignore"
    if mode not in {"ignore", "prepend", "split"}:
        raise BadRequestException(f"Invalid basepath specified: {mode}")
    return document, "" if mode == "ignore" else _base_path(document, split=mode == "split")


def api_of_document(api: HttpApi, document: Document, new_id: Callable[[], str]) -> HttpApi:
    """`api` as `document` says: its name, routes, integrations, authorizers, CORS; tags are added to those it has."""
    content, base_path = document
    info = _object(content, "info")
    replaced = msgspec.structs.replace(
        api,
        name=str(info.get("title") or api.name),
        description=str(info["description"]) if "description" in info else api.description,
        version=str(info["version"]) if "version" in info else api.version,
        tags=with_tags(api.tags, _tags(content.get("tags", []))),
        disable_execute_api_endpoint=bool(_object(content, _ENDPOINT).get("disableExecuteApiEndpoint", False)),
        routes={},
        integrations={},
        authorizers={},
    )
    replaced = with_cors(replaced, _cors(content[_CORS]) if _CORS in content else None)
    return _Importer(replaced, content, base_path, new_id).run()


class _Importer:
    """One import under way: what of the document has become part of the API so far."""

    def __init__(self, api: HttpApi, content: Json, base_path: str, new_id: Callable[[], str]) -> None:
        self._api = api
        self._content = content
        self._base_path = base_path
        self._new_id = new_id
        self._components = _object(content, "components")
        self._authorizer_ids: dict[str, str] = {}
        self._shared_integration_ids: dict[str, str] = {}

    def run(self) -> HttpApi:
        for path, item in _object(self._content, "paths").items():
            if not isinstance(item, dict):
                raise BadRequestException(f"The path {path} is no object")
            _check_members(item, _PATH, f"path {path}")
            for verb in (*_VERBS, _ANY):
                if verb in item:
                    self._add_route(path, "ANY" if verb == _ANY else verb.upper(), item[verb])
        return self._api

    def _add_route(self, path: str, method: str, operation: object) -> None:
        where = f"{method} {path}"
        if not isinstance(operation, dict):
            raise BadRequestException(f"The operation {where} is no object")
        _check_members(operation, _OPERATION, where)
        route = HttpRoute(
            id=self._new_id(),
            route_key=DEFAULT_ROUTE
            if path in {DEFAULT_ROUTE, f"/{DEFAULT_ROUTE}"}
            else f"{method} {self._base_path}{path}",
            operation_name=operation.get("operationId"),
            target=self._integration(operation.get(_INTEGRATION), where),
        )
        # In its own line: this may add an authorizer to the API.
        secured = self._secured(route, operation.get("security"), where)
        self._api = with_route(self._api, secured)

    def _secured(self, route: HttpRoute, security: object, where: str) -> HttpRoute:
        listed = self._content.get("security", []) if security is None else security
        if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
            raise BadRequestException(f"The security of {where} is no list of requirements")
        requirements = [(name, scopes) for entry in listed for name, scopes in entry.items()]
        if not requirements and listed in ([], [{}]):
            return route
        if len(listed) > 1 or len(requirements) != 1:
            raise NotSupported(f"More than one security requirement ({where})")
        name, scopes = requirements[0]
        scheme = _object(_object(self._components, "securitySchemes"), name)
        if not scheme:
            raise BadRequestException(f"The security scheme {name} of {where} is not defined")
        if _AUTHORIZER in scheme:
            authorizer = self._authorizer(name, scheme[_AUTHORIZER])
            return msgspec.structs.replace(
                route,
                authorization_type="JWT" if authorizer.type == "JWT" else "CUSTOM",
                authorizer_id=authorizer.id,
                authorization_scopes=tuple(str(scope) for scope in scopes),
            )
        if scheme.get(_AUTHTYPE) == "awsSigv4":
            return msgspec.structs.replace(route, authorization_type="AWS_IAM")
        raise NotSupported(f"The security scheme {name} ({where})", f"it has neither {_AUTHORIZER} nor {_AUTHTYPE}")

    def _authorizer(self, name: str, given: object) -> HttpAuthorizer:
        if name in self._authorizer_ids:
            return self._api.authorizers[self._authorizer_ids[name]]
        if not isinstance(given, dict):
            raise BadRequestException(f"{_AUTHORIZER} of {name} is no object")
        _check_members(given, _AUTHORIZER_MEMBERS, f"{_AUTHORIZER} of {name}")
        if given.get("authorizerCredentials"):
            raise NotSupported(f"authorizerCredentials of {name}")
        kind = str(given.get("type", "")).upper()
        if kind not in {"JWT", "REQUEST"}:
            raise NotSupported(f"The authorizer type {given.get('type')} of {name}")
        jwt = _object(given, "jwtConfiguration")
        version = given.get("authorizerPayloadFormatVersion")
        authorizer = HttpAuthorizer(
            id=self._new_id(),
            name=name,
            type=kind,
            identity_source=_listed(given.get("identitySource", [])),
            issuer=jwt.get("issuer"),
            audience=_listed(jwt.get("audience", [])),
            uri=given.get("authorizerUri"),
            payload_format_version=None if version is None else str(version),
            result_ttl_in_seconds=int(given.get("authorizerResultTtlInSeconds", 0)),
            enable_simple_responses=bool(given.get("enableSimpleResponses", False)),
        )
        self._authorizer_ids[name] = authorizer.id
        self._api = with_authorizer(self._api, authorizer)
        return authorizer

    def _integration(self, given: object, where: str) -> str | None:
        if given is None:
            return None
        if not isinstance(given, dict):
            raise BadRequestException(f"{_INTEGRATION} of {where} is no object")
        reference = given.get("$ref")
        if reference is None:
            return f"integrations/{self._new_integration(given, where)}"
        name = str(reference).removeprefix(f"#/components/{_INTEGRATIONS}/")
        shared = _object(_object(self._components, _INTEGRATIONS), name)
        if not shared:
            raise BadRequestException(f"The reference {reference} of {where} leads nowhere")
        if name not in self._shared_integration_ids:
            self._shared_integration_ids[name] = self._new_integration(shared, where)
        return f"integrations/{self._shared_integration_ids[name]}"

    def _new_integration(self, given: Json, where: str) -> str:
        _check_members(given, _INTEGRATION_MEMBERS, f"{_INTEGRATION} of {where}")
        check_supported_integration(
            connection_type=given.get("connectionType"),
            connection_id=given.get("connectionId"),
            subtype=given.get("integrationSubtype"),
            credentials_arn=given.get("credentials"),
        )
        kind = str(given.get("type", "")).upper()
        if kind not in {"AWS_PROXY", "HTTP_PROXY"}:
            raise NotSupported(f"The integration type {given.get('type')} ({where})")
        integration = HttpIntegration(
            id=self._new_id(),
            type=kind,
            uri=str(given.get("uri", "")),
            method=given.get("httpMethod") or ("POST" if kind == "AWS_PROXY" else None),
            payload_format_version=str(given.get("payloadFormatVersion", "1.0")),
            description=given.get("description"),
            request_parameters={str(k): str(v) for k, v in _object(given, "requestParameters").items()},
            response_parameters={
                str(status): {str(k): str(v) for k, v in _object(_object(given, "responseParameters"), status).items()}
                for status in _object(given, "responseParameters")
            },
            timeout_in_millis=int(given.get("timeoutInMillis", 30_000)),
            server_name_to_verify=_object(given, "tlsConfig").get("serverNameToVerify"),
        )
        if not 50 <= integration.timeout_in_millis <= 30_000:
            raise BadRequestException(f"The timeout of {where} must be between 50 and 30000 milliseconds")
        self._api = with_integration(self._api, integration)
        return integration.id


def render_document(api: HttpApi, *, extensions: bool, as_yaml: bool) -> bytes:
    """The document of `api`; without `extensions` it says nothing of integrations and authorizers."""
    paths: dict[str, dict[str, object]] = {}
    for route in api.routes.values():
        key = RouteKey.parse(route.route_key)
        if key is None:
            continue
        verb = _ANY if key.is_default or key.method == "ANY" else key.method.lower()
        if verb == _ANY and not extensions:
            continue
        item = paths.setdefault(f"/{DEFAULT_ROUTE}" if key.is_default else key.path, {})
        item[verb] = _operation(api, route, key, extensions=extensions)
    info: dict[str, object] = {"title": api.name, "version": api.version or api.created_at.isoformat()}
    if api.description is not None:
        info["description"] = api.description
    document: dict[str, object] = {"openapi": "3.0.1", "info": info, "paths": paths}
    if extensions:
        schemes: dict[str, object] = {authorizer.name: _scheme(authorizer) for authorizer in api.authorizers.values()}
        if any(route.authorization_type == "AWS_IAM" for route in api.routes.values()):
            schemes["AWS_IAM"] = {"type": "apiKey", "name": "Authorization", "in": "header", _AUTHTYPE: "awsSigv4"}
        if schemes:
            document["components"] = {"securitySchemes": schemes}
        if api.tags:
            document["tags"] = [{"name": name, _TAG_VALUE: value} for name, value in api.tags.items()]
        if api.cors is not None:
            said = {wire: getattr(api.cors, name) for wire, name in _CORS_MEMBERS.items()}
            document[_CORS] = {
                wire: list(value) if isinstance(value, tuple) else value
                for wire, value in said.items()
                if value is not None
            }
        if api.disable_execute_api_endpoint:
            document[_ENDPOINT] = {"disableExecuteApiEndpoint": True}
        document[_VERSION] = "1.0"
    if as_yaml:
        import yaml

        return yaml.safe_dump(document, sort_keys=False, allow_unicode=True).encode()
    return json.dumps(document, indent=2, ensure_ascii=False).encode()


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
        operation[_INTEGRATION] = _rendered_integration(api.integrations[route.target.partition("/")[2]])
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
        return {"type": "oauth2", "flows": {}, _AUTHORIZER: given}
    rendered = {
        "type": "request",
        "identitySource": ", ".join(authorizer.identity_source),
        "authorizerUri": authorizer.uri,
        "authorizerPayloadFormatVersion": authorizer.payload_format_version,
        "authorizerResultTtlInSeconds": authorizer.result_ttl_in_seconds,
        "enableSimpleResponses": authorizer.enable_simple_responses,
    }
    return {"type": "apiKey", "name": "Unused", "in": "header", _AUTHORIZER: rendered}


def _object(parent: Json, name: str) -> Json:
    """The object under `name`, or an empty one."""
    found = parent.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise BadRequestException(f"{name} is no object")
    return found


def _check_members(given: Json, known: Iterable[str], where: str) -> None:
    unknown = sorted(name for name in given if name not in known and not _is_foreign(name))
    if unknown:
        raise NotSupported(f"{', '.join(unknown)} of {where}")


def _is_foreign(name: str) -> bool:
    """Whether this is an extension of somebody else's, which OpenAPI lets a reader pass over."""
    return name.startswith("x-") and not name.startswith("x-amazon-")


def _listed(value: object) -> tuple[str, ...]:
    """A list of text, or text with commas in it."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, list):
        return tuple(str(one) for one in value)
    raise BadRequestException("A list of text is wanted")


def _tags(given: object) -> dict[str, str]:
    entries = given if isinstance(given, list) else []
    return {str(entry["name"]): str(entry[_TAG_VALUE]) for entry in entries if _TAG_VALUE in entry}


def _cors(given: object) -> Cors:
    if not isinstance(given, dict):
        raise BadRequestException(f"{_CORS} is no object")
    _check_members(given, _CORS_MEMBERS, _CORS)
    try:
        return msgspec.convert({_CORS_MEMBERS[name]: value for name, value in given.items()}, Cors)
    except msgspec.ValidationError as error:
        raise BadRequestException(f"{_CORS}: {error}") from None


def _base_path(document: Json, *, split: bool) -> str:
    """The path of the document's first server; with `split`, without its first segment."""
    servers = document.get("servers")
    server = servers[0] if isinstance(servers, list) and servers and isinstance(servers[0], dict) else {}
    url = str(server.get("url", ""))
    for name, variable in _object(server, "variables").items():
        if isinstance(variable, dict):
            url = url.replace(f"{{{name}}}", str(variable.get("default", "")))
    segments = [segment for segment in urlsplit(url).path.split("/") if segment]
    return "".join(f"/{segment}" for segment in (segments[1:] if split else segments))
