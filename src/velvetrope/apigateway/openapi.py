"""OpenAPI 3.0 and Swagger 2.0 documents with API Gateway's extensions, as SAM, CDK and people write them.

`parse_document` reads a document into an `ApiDocument`, `apply_document` makes its methods part of a `RestApi` by the
same functions as the single operations. Every member of the document is either understood, or known to be description
only (`summary`, `tags`, `schema` …), or refused by name: a document that says more about who may call than we do must
not become an API that says less.

`security` lists are taken together: SAM writes `[{"AWS_IAM": []}, {"api_key": []}]` and API Gateway asks for both,
although OpenAPI would read it as one or the other.

Sources: API Gateway Developer Guide, "OpenAPI extensions for API Gateway"; OpenAPI 3.0.3; Swagger 2.0.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from velvetrope.apigateway import authoring, integration_rules
from velvetrope.apigateway.errors import BadRequestException, NotSupported
from velvetrope.store.tables.apigateway import (
    GatewayResponse,
    Integration,
    IntegrationResponse,
    Method,
    MethodResponse,
    RestApi,
)

__all__ = ["ApiDocument", "apply_document", "parse_document"]

Json = Mapping[str, Any]

_VERBS = ("get", "put", "post", "delete", "options", "head", "patch")
_ANY = "x-amazon-apigateway-any-method"
_DESCRIPTIVE = {"summary", "description", "tags", "externalDocs", "deprecated"}
_DOCUMENT_MEMBERS = {
    "swagger",
    "openapi",
    "info",
    "paths",
    "securityDefinitions",
    "components",
    "security",
    "x-amazon-apigateway-policy",
    "x-amazon-apigateway-gateway-responses",
    "x-amazon-apigateway-api-key-source",
    "x-amazon-apigateway-binary-media-types",
    # Description only, or about addresses, which are ours to give (API Gateway ignores basePath unless told otherwise).
    "host",
    "basePath",
    "schemes",
    "servers",
    "definitions",
    "consumes",
    "produces",
    "tags",
    "externalDocs",
}
_PATH_MEMBERS = {*_VERBS, _ANY, "parameters", "summary", "description"}
_OPERATION_MEMBERS = {
    *_DESCRIPTIVE,
    "operationId",
    "parameters",
    "requestBody",
    "consumes",
    "produces",
    "responses",
    "security",
    "x-amazon-apigateway-integration",
    "x-amazon-apigateway-auth",
}
_INTEGRATION_MEMBERS = {
    "type",
    "httpMethod",
    "uri",
    "passthroughBehavior",
    "requestTemplates",
    "responses",
    "timeoutInMillis",
    "cacheNamespace",
    "connectionType",
    "payloadFormatVersion",
}
_LOCATIONS = {"header": "header", "query": "querystring", "path": "path"}


@dataclass(frozen=True)
class _DocumentMethod:
    path: str
    method: Method
    integration: Integration | None
    integration_responses: tuple[IntegrationResponse, ...]


@dataclass(frozen=True)
class ApiDocument:
    """A document that was understood. None of a member means that the document does not say."""

    title: str | None
    description: str | None
    version: str | None
    paths: tuple[str, ...]
    methods: tuple[_DocumentMethod, ...]
    gateway_responses: tuple[GatewayResponse, ...]
    policy: str | None
    api_key_source: str | None
    binary_media_types: tuple[str, ...] | None


def parse_document(body: bytes) -> ApiDocument:
    """The document in JSON or YAML.

    Raises:
        BadRequestException: it cannot be read, or (NotSupported) it asks for what we do not do.
    """
    document = _decoded(body)
    if not (str(document.get("swagger")) == "2.0" or str(document.get("openapi", "")).startswith("3.0")):
        raise BadRequestException("Invalid OpenAPI input. It must be Swagger 2.0 or OpenAPI 3.0")
    _check_members("the document", document, _DOCUMENT_MEMBERS)
    info = _object(document.get("info", {}), "info")
    schemes = _security_schemes(document)
    default_security = document.get("security", [])
    methods: list[_DocumentMethod] = []
    paths = _object(document.get("paths", {}), "paths")
    for path, item in paths.items():
        if not path.startswith("/"):
            raise (
                NotSupported(f"The member {path} of paths")
                if path.startswith("x-")
                else BadRequestException(f"Invalid path specified: {path}")
            )
        members = _object(item, path)
        _check_members(path, members, _PATH_MEMBERS)
        shared = members.get("parameters", [])
        for name, declared in members.items():
            if name == _ANY or name in _VERBS:
                verb = "ANY" if name == _ANY else name.upper()
                methods.append(
                    _method(path, verb, _object(declared, f"{verb} {path}"), shared, schemes, default_security)
                )
    policy = document.get("x-amazon-apigateway-policy")
    if policy is not None and not (isinstance(policy, dict) and policy.get("Statement")):
        # SAM writes an empty policy for settings that it could not apply. Open is not what its author meant.
        raise BadRequestException("Invalid policy document: x-amazon-apigateway-policy has no statement")
    key_source = document.get("x-amazon-apigateway-api-key-source")
    if key_source not in {None, "HEADER"}:
        raise NotSupported(f"x-amazon-apigateway-api-key-source: {key_source}")
    binary = document.get("x-amazon-apigateway-binary-media-types")
    return ApiDocument(
        title=_text(info.get("title")),
        description=_text(info.get("description")),
        version=_text(info.get("version")),
        paths=tuple(paths),
        methods=tuple(methods),
        gateway_responses=_gateway_responses(document.get("x-amazon-apigateway-gateway-responses", {})),
        policy=None if policy is None else json.dumps(policy),
        api_key_source=key_source,
        binary_media_types=None if binary is None else tuple(str(one) for one in binary),
    )


def apply_document(
    api: RestApi, document: ApiDocument, *, overwrite: bool, new_resource_id: Callable[[], str]
) -> RestApi:
    """`api` with what the document says: in place of what it was, or (merge) over it.

    The ids of resources whose paths stay are kept, so that their method ARNs and logs do too. The policy is the
    caller's to save.
    """
    replace = msgspec.structs.replace
    ids = {resource.path: resource.id for resource in api.resources.values()}
    if overwrite:
        root = replace(api.resources[api.root_resource_id], methods={})
        api = replace(
            api,
            resources={root.id: root},
            gateway_responses={},
            binary_media_types=(),
            description=document.description,
            version=document.version,
        )
    for path in sorted(document.paths):
        api = _with_path(api, path, lambda wanted: ids.get(wanted) or new_resource_id())
    by_path = {resource.path: resource.id for resource in api.resources.values()}
    for declared in document.methods:
        resource_id = by_path[_normal(declared.path)]
        api = authoring.with_method(api, resource_id, replace(declared.method, method_responses={}))
        verb = declared.method.http_method
        for response in declared.method.method_responses.values():
            api = authoring.with_method_response(api, resource_id, verb, response)
        if declared.integration is None:
            continue
        api = integration_rules.with_integration(api, resource_id, verb, declared.integration)
        for answer in declared.integration_responses:
            if answer.status_code not in declared.method.method_responses:
                empty = MethodResponse(
                    status_code=answer.status_code, response_parameters=dict.fromkeys(answer.response_parameters, False)
                )
                api = authoring.with_method_response(api, resource_id, verb, empty)
            api = integration_rules.with_integration_response(api, resource_id, verb, answer)
    for gateway_response in document.gateway_responses:
        api = authoring.with_gateway_response(api, gateway_response)
    if document.binary_media_types is not None:
        api = replace(api, binary_media_types=document.binary_media_types)
    return api


def _decoded(body: bytes) -> Json:
    try:
        return _object(json.loads(body), "the document")
    except ValueError:
        pass
    import yaml

    try:
        return _object(yaml.safe_load(body), "the document")
    except (yaml.YAMLError, UnicodeDecodeError):
        raise BadRequestException("Unable to parse API definition: it is neither JSON nor YAML") from None


def _security_schemes(document: Json) -> dict[str, str]:
    # Name to what it asks for: "api key" or "AWS_IAM".
    components = _object(document.get("components", {}), "components")
    _check_members(
        "components", components, {"securitySchemes", "schemas", "examples", "headers", "responses", "requestBodies"}
    )
    declared = {
        **_object(document.get("securityDefinitions", {}), "securityDefinitions"),
        **_object(components.get("securitySchemes", {}), "components.securitySchemes"),
    }
    schemes: dict[str, str] = {}
    for name, scheme in declared.items():
        members = _object(scheme, name)
        _check_members(
            f"the security scheme {name}",
            members,
            {"type", "name", "in", "description", "x-amazon-apigateway-authtype"},
        )
        kind = members.get("x-amazon-apigateway-authtype")
        header = str(members.get("name", "")).lower()
        if members.get("type") != "apiKey" or members.get("in") != "header":
            raise NotSupported(f"The security scheme {name} of type {members.get('type')}")
        if kind == "awsSigv4":
            schemes[name] = "AWS_IAM"
        elif kind is None and header == "x-api-key":
            schemes[name] = "api key"
        else:
            raise NotSupported(f"The security scheme {name} ({kind or header})")
    return schemes


def _method(
    path: str, verb: str, declared: Json, shared: object, schemes: Mapping[str, str], default_security: object
) -> _DocumentMethod:
    where = f"{verb} {path}"
    _check_members(where, declared, _OPERATION_MEMBERS)
    asked = _asked_for(where, declared.get("security", default_security), schemes)
    auth = _object(declared.get("x-amazon-apigateway-auth", {}), where)
    _check_members(f"x-amazon-apigateway-auth of {where}", auth, {"type"})
    if auth.get("type") not in {None, "NONE", "AWS_IAM"}:
        raise NotSupported(f"x-amazon-apigateway-auth of {where}: {auth.get('type')}")
    authorization = "AWS_IAM" if "AWS_IAM" in {*asked, auth.get("type")} else "NONE"
    responses = _object(declared.get("responses", {}), f"responses of {where}")
    extension = declared.get("x-amazon-apigateway-integration")
    method = Method(
        http_method=verb,
        authorization_type=authorization,
        api_key_required="api key" in asked,
        operation_name=_text(declared.get("operationId")),
        request_parameters=_parameters(where, [*_list(shared, where), *_list(declared.get("parameters", []), where)]),
        method_responses={
            response.status_code: response
            for status, members in responses.items()
            if status != "default"
            for response in (_method_response(where, str(status), _object(members, where)),)
        },
    )
    if extension is None:
        return _DocumentMethod(path, method, None, ())
    members = _object(extension, f"x-amazon-apigateway-integration of {where}")
    integration, answers = _integration(where, members)
    return _DocumentMethod(path, method, integration, answers)


def _asked_for(where: str, security: object, schemes: Mapping[str, str]) -> set[str]:
    if not isinstance(security, list):
        raise BadRequestException(f"security of {where} must be a list")
    names = [name for requirement in security for name in _object(requirement, f"security of {where}")]
    unknown = [name for name in names if name not in schemes]
    if unknown:
        raise NotSupported(f"The security of {where}", f"{unknown[0]} is not a security scheme of the document")
    return {schemes[name] for name in names}


def _parameters(where: str, declared: Iterable[Any]) -> dict[str, bool]:
    parameters: dict[str, bool] = {}
    for one in declared:
        members = _object(one, f"parameters of {where}")
        if "$ref" in members:
            raise NotSupported(f"A $ref in the parameters of {where}")
        location = members.get("in")
        if location in _LOCATIONS:
            name = f"method.request.{_LOCATIONS[location]}.{members.get('name')}"
            parameters[name] = bool(members.get("required", False))
        elif location not in {"body", "formData", "cookie"}:
            raise BadRequestException(f"Invalid parameter location specified in {where}: {location}")
    return parameters


def _method_response(where: str, status: str, members: Json) -> MethodResponse:
    headers = _object(members.get("headers", {}), f"headers of {where}")
    return MethodResponse(
        status_code=status,
        response_parameters={f"method.response.header.{name}": False for name in headers},
    )


def _integration(where: str, members: Json) -> tuple[Integration, tuple[IntegrationResponse, ...]]:
    _check_members(f"x-amazon-apigateway-integration of {where}", members, _INTEGRATION_MEMBERS)
    if members.get("connectionType") not in {None, "INTERNET"}:
        raise NotSupported(f"The connectionType {members['connectionType']} of {where}")
    if str(members.get("payloadFormatVersion", "1.0")) != "1.0":
        raise NotSupported(f"The payloadFormatVersion {members['payloadFormatVersion']} of {where}")
    integration = Integration(
        type=str(members.get("type", "")).upper(),
        http_method=None if members.get("httpMethod") is None else str(members["httpMethod"]).upper(),
        uri=_text(members.get("uri")),
        passthrough_behavior=str(members.get("passthroughBehavior", "WHEN_NO_MATCH")).upper(),
        request_templates=_texts(members.get("requestTemplates", {}), where),
        timeout_in_millis=int(members.get("timeoutInMillis", 29_000)),
        cache_namespace=_text(members.get("cacheNamespace")) or "",
    )
    answers = []
    for pattern, declared in _object(members.get("responses", {}), where).items():
        answer = _object(declared, f"responses of {where}")
        _check_members(
            f"an integration response of {where}",
            answer,
            {"statusCode", "responseParameters", "responseTemplates"},
        )
        answers.append(
            IntegrationResponse(
                status_code=str(answer.get("statusCode", "")),
                selection_pattern=None if pattern == "default" else str(pattern),
                response_parameters=_texts(answer.get("responseParameters", {}), where),
                response_templates=_texts(answer.get("responseTemplates", {}), where),
            )
        )
    return integration, tuple(answers)


def _gateway_responses(declared: object) -> tuple[GatewayResponse, ...]:
    responses = []
    for response_type, one in _object(declared, "x-amazon-apigateway-gateway-responses").items():
        members = _object(one, response_type)
        _check_members(
            f"the gateway response {response_type}", members, {"statusCode", "responseParameters", "responseTemplates"}
        )
        status = members.get("statusCode")
        responses.append(
            GatewayResponse(
                response_type=response_type,
                status_code=None if status is None else str(status),
                response_parameters=_texts(members.get("responseParameters", {}), response_type),
                response_templates=_texts(members.get("responseTemplates", {}), response_type),
            )
        )
    return tuple(responses)


def _with_path(api: RestApi, path: str, resource_id: Callable[[str], str]) -> RestApi:
    by_path = {resource.path: resource.id for resource in api.resources.values()}
    parent_id, walked = api.root_resource_id, ""
    for part in [part for part in _normal(path).split("/") if part]:
        walked = f"{walked}/{part}"
        if walked not in by_path:
            by_path[walked] = resource_id(walked)
            api = authoring.with_resource(api, parent_id=parent_id, path_part=part, resource_id=by_path[walked])
        parent_id = by_path[walked]
    return api


def _normal(path: str) -> str:
    return path.rstrip("/") or "/"


def _check_members(where: str, members: Json, known: set[str]) -> None:
    unknown = sorted(str(name) for name in members if name not in known)
    if unknown:
        raise NotSupported(f"{unknown[0]} in {where}")


def _object(value: object, where: str) -> Json:
    if not isinstance(value, dict):
        raise BadRequestException(f"Invalid OpenAPI input: {where} must be an object")
    return value


def _list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadRequestException(f"Invalid OpenAPI input: the parameters of {where} must be a list")
    return value


def _texts(value: object, where: str) -> dict[str, str]:
    members = _object(value, where)
    if not all(isinstance(one, str) for one in members.values()):
        raise BadRequestException(f"Invalid OpenAPI input: the templates and parameters of {where} must be texts")
    return dict(members)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
