"""A whole document, understood: `ApiDocument` says everything that an API is made of, in the API's own records.

`base_path` is the import parameter of that name: what becomes of Swagger's `basePath` (OpenAPI 3: of the path of the
first server). `ignore` drops it, `prepend` puts it before every path, `split` does so without its first part.

Source: API Gateway Developer Guide, "Set the OpenAPI basePath property".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from velvetrope.apigateway.errors import BadRequestException, NotSupported
from velvetrope.apigateway.openapi.members import (
    Json,
    Source,
    check_members,
    decoded,
    items_of,
    object_of,
    text_of,
    texts_of,
)
from velvetrope.apigateway.openapi.operations import DocumentMethod, OperationReader
from velvetrope.apigateway.openapi.schemas import Schemas
from velvetrope.apigateway.openapi.security import parse_schemes
from velvetrope.store.tables.apigateway import Authorizer, GatewayResponse, RequestValidator

__all__ = ["ApiDocument", "parse_document"]

_VERBS = ("get", "put", "post", "delete", "options", "head", "patch")
_ANY = "x-amazon-apigateway-any-method"
_VALIDATORS = "x-amazon-apigateway-request-validators"
_VALIDATOR = "x-amazon-apigateway-request-validator"
_RESPONSES = "x-amazon-apigateway-gateway-responses"
_POLICY = "x-amazon-apigateway-policy"
_KEY_SOURCE = "x-amazon-apigateway-api-key-source"
_BINARY = "x-amazon-apigateway-binary-media-types"
_ENDPOINT = "x-amazon-apigateway-endpoint-configuration"
_CORS = "x-amazon-apigateway-cors"
_DOCUMENTATION = "x-amazon-apigateway-documentation"
_DOCUMENT_MEMBERS = {
    "info",
    "paths",
    "security",
    "tags",
    "externalDocs",
    _VALIDATORS,
    _VALIDATOR,
    _RESPONSES,
    _POLICY,
    _KEY_SOURCE,
    _BINARY,
    _ENDPOINT,
    _DOCUMENTATION,
    _CORS,
    "x-amazon-apigateway-importexport-version",
}
_SWAGGER_MEMBERS = _DOCUMENT_MEMBERS | {
    "swagger",
    "host",
    "basePath",
    "schemes",
    "consumes",
    "produces",
    "definitions",
    "parameters",
    "responses",
    "securityDefinitions",
}
_OPENAPI_MEMBERS = _DOCUMENT_MEMBERS | {"openapi", "servers", "components"}
_COMPONENTS = {
    "securitySchemes",
    "schemas",
    "parameters",
    "responses",
    "requestBodies",
    "headers",
    "examples",
    "links",
    "x-amazon-apigateway-integrations",
}
_PATH_MEMBERS = {*_VERBS, _ANY, "parameters", "summary", "description", "servers"}
_KEY_SOURCES = {"HEADER", "AUTHORIZER"}


@dataclass(frozen=True)
class ApiDocument:
    """A document that was understood. None of a member means that the document does not say."""

    title: str | None
    description: str | None
    version: str | None
    paths: tuple[str, ...]
    methods: tuple[DocumentMethod, ...]
    authorizers: tuple[Authorizer, ...]
    request_validators: tuple[RequestValidator, ...]
    schemas: Mapping[str, str]
    """Model schemas by name."""
    gateway_responses: tuple[GatewayResponse, ...]
    policy: str | None
    api_key_source: str | None
    binary_media_types: tuple[str, ...] | None
    disable_execute_api_endpoint: bool | None
    warnings: tuple[str, ...]


def parse_document(body: bytes, *, rest_api_id: str, base_path: str = "ignore") -> ApiDocument:
    """The document in JSON or YAML, for the API of that id (models refer to each other by it).

    Raises:
        BadRequestException: it cannot be read, or (NotSupported) it asks for what we do not do.
    """
    source = Source(decoded(body))
    document = source.document
    if not (source.is_swagger or str(document.get("openapi", "")).startswith("3.0")):
        raise BadRequestException("Invalid OpenAPI input. It must be Swagger 2.0 or OpenAPI 3.0")
    check_members("the document", document, _SWAGGER_MEMBERS if source.is_swagger else _OPENAPI_MEMBERS)
    check_members("components", object_of(document.get("components", {}), "components"), _COMPONENTS)
    if _CORS in document:
        source.warnings.append(f"{_CORS}: is for HTTP APIs; a REST API has OPTIONS methods")
    if _DOCUMENTATION in document:
        source.warnings.append(f"{_DOCUMENTATION}: documentation parts are not imported")
    info = object_of(document.get("info", {}), "info")
    schemes = parse_schemes(source)
    schemas = Schemas(source, rest_api_id)
    reader = OperationReader(source, schemas, schemes, document.get("security", []), text_of(document.get(_VALIDATOR)))
    prefix = _prefix(source, base_path)
    paths, methods = _methods(source, reader, prefix)
    endpoint = object_of(document.get(_ENDPOINT, {}), _ENDPOINT)
    check_members(_ENDPOINT, endpoint, {"disableExecuteApiEndpoint"})
    binary = document.get(_BINARY)
    return ApiDocument(
        title=text_of(info.get("title")),
        description=text_of(info.get("description")),
        version=text_of(info.get("version")),
        paths=tuple(paths),
        methods=tuple(methods),
        authorizers=tuple(scheme.authorizer for scheme in schemes.values() if scheme.authorizer is not None),
        request_validators=_request_validators(document.get(_VALIDATORS, {})),
        schemas=schemas.texts,
        gateway_responses=_gateway_responses(document.get(_RESPONSES, {})),
        policy=_policy(document.get(_POLICY)),
        api_key_source=_key_source(document.get(_KEY_SOURCE)),
        binary_media_types=None if binary is None else tuple(str(one) for one in items_of(binary, _BINARY)),
        disable_execute_api_endpoint=endpoint.get("disableExecuteApiEndpoint"),
        warnings=tuple(source.warnings),
    )


def _methods(source: Source, reader: OperationReader, prefix: str) -> tuple[list[str], list[DocumentMethod]]:
    paths, methods = [], []
    for path, item in object_of(source.document.get("paths", {}), "paths").items():
        if path.startswith("x-"):
            check_members("paths", {path: item}, set())
            continue
        if not path.startswith("/") or "//" in path:
            raise BadRequestException(f"Invalid path specified: {path}")
        members = source.resolved(item, path)
        check_members(path, members, _PATH_MEMBERS)
        whole = prefix + path if path != "/" or not prefix else prefix
        paths.append(whole)
        for name, declared in members.items():
            if name == _ANY or name in _VERBS:
                verb = "ANY" if name == _ANY else name.upper()
                operation = object_of(declared, f"{verb} {path}")
                methods.append(reader.read(whole, verb, operation, members.get("parameters", [])))
    return paths, methods


def _prefix(source: Source, mode: str) -> str:
    if mode not in {"ignore", "prepend", "split"}:
        raise BadRequestException(f"Invalid basepath mode specified: {mode}. Must be one of: ignore, prepend, split")
    if mode == "ignore":
        return ""
    if source.is_swagger:
        base = str(source.document.get("basePath", ""))
    else:
        servers = [object_of(one, "servers") for one in items_of(source.document.get("servers", []), "servers")]
        base = _server_path(servers[0]) if servers else ""
    parts = [part for part in base.split("/") if part]
    return "".join(f"/{part}" for part in (parts[1:] if mode == "split" else parts))


def _server_path(server: Json) -> str:
    url = str(server.get("url", ""))
    for name, variable in object_of(server.get("variables", {}), "servers").items():
        url = url.replace(f"{{{name}}}", str(object_of(variable, "servers").get("default", "")).strip("/"))
    return urlsplit(url).path


def _request_validators(declared: object) -> tuple[RequestValidator, ...]:
    validators = []
    for name, one in object_of(declared, _VALIDATORS).items():
        members = object_of(one, f"the request validator {name}")
        known = {"validateRequestBody", "validateRequestParameters"}
        check_members(f"the request validator {name}", members, known)
        if not all(isinstance(value, bool) for value in members.values()):
            raise BadRequestException(
                f"Invalid OpenAPI input: the members of the request validator {name} are booleans"
            )
        validators.append(
            RequestValidator(
                id="",
                name=name,
                validate_request_body=members.get("validateRequestBody", False),
                validate_request_parameters=members.get("validateRequestParameters", False),
            )
        )
    return tuple(validators)


def _gateway_responses(declared: object) -> tuple[GatewayResponse, ...]:
    responses = []
    for response_type, one in object_of(declared, _RESPONSES).items():
        members = object_of(one, response_type)
        known = {"statusCode", "responseParameters", "responseTemplates"}
        check_members(f"the gateway response {response_type}", members, known)
        responses.append(
            GatewayResponse(
                response_type=response_type,
                status_code=text_of(members.get("statusCode")),
                response_parameters=texts_of(members.get("responseParameters", {}), response_type),
                response_templates=texts_of(members.get("responseTemplates", {}), response_type),
            )
        )
    return tuple(responses)


def _policy(policy: Any) -> str | None:  # noqa: ANN401  JSON
    if policy is None:
        return None
    if not (isinstance(policy, dict) and policy.get("Statement")):
        # SAM writes an empty policy for settings that it could not apply. Open is not what its author meant.
        raise BadRequestException(f"Invalid policy document: {_POLICY} has no statement")
    return json.dumps(policy)


def _key_source(source: object) -> str | None:
    if source is not None and source not in _KEY_SOURCES:
        raise NotSupported(f"{_KEY_SOURCE}: {source}")
    return text_of(source)
