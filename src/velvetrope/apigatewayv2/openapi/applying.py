"""A document to an API: what the single operations would have made."""

from collections.abc import Callable

import msgspec

from velvetrope.apigatewayv2.authoring import (
    check_supported_integration,
    with_authorizer,
    with_cors,
    with_integration,
    with_route,
)
from velvetrope.apigatewayv2.errors import BadRequestException, NotSupported
from velvetrope.apigatewayv2.openapi.members import (
    ANY,
    AUTHORIZER,
    AUTHTYPE,
    CORS,
    CORS_MEMBERS,
    ENDPOINT,
    INTEGRATION,
    INTEGRATIONS,
    TAG_VALUE,
    Json,
    check_members,
    object_of,
)
from velvetrope.apigatewayv2.openapi.parsing import Document
from velvetrope.apigatewayv2.tags import with_tags
from velvetrope.routes import DEFAULT_ROUTE
from velvetrope.store.tables.apigatewayv2 import Cors, HttpApi, HttpAuthorizer, HttpIntegration, HttpRoute

__all__ = ["api_of_document"]

_VERBS = ("get", "put", "post", "delete", "options", "head", "patch")
_PATH = {*_VERBS, ANY, "parameters", "summary", "description", "servers"}
_OPERATION = {"summary", "description", "tags", "externalDocs", "deprecated", "operationId", "parameters"} | {
    "requestBody",
    "responses",
    "security",
    "servers",
    "isDefaultRoute",
    INTEGRATION,
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


def api_of_document(api: HttpApi, document: Document, new_id: Callable[[], str]) -> HttpApi:
    """`api` as `document` says: its name, routes, integrations, authorizers, CORS; tags are added to those it has."""
    content, base_path = document
    info = object_of(content, "info")
    replaced = msgspec.structs.replace(
        api,
        name=str(info.get("title") or api.name),
        description=str(info["description"]) if "description" in info else api.description,
        version=str(info["version"]) if "version" in info else api.version,
        tags=with_tags(api.tags, _tags(content.get("tags", []))),
        disable_execute_api_endpoint=bool(object_of(content, ENDPOINT).get("disableExecuteApiEndpoint", False)),
        routes={},
        integrations={},
        authorizers={},
    )
    replaced = with_cors(replaced, _cors(content[CORS]) if CORS in content else None)
    return _Importer(replaced, content, base_path, new_id).run()


class _Importer:
    """One import under way: what of the document has become part of the API so far."""

    def __init__(self, api: HttpApi, content: Json, base_path: str, new_id: Callable[[], str]) -> None:
        self._api = api
        self._content = content
        self._base_path = base_path
        self._new_id = new_id
        self._components = object_of(content, "components")
        self._authorizer_ids: dict[str, str] = {}
        self._shared_integration_ids: dict[str, str] = {}

    def run(self) -> HttpApi:
        for path, item in object_of(self._content, "paths").items():
            if not isinstance(item, dict):
                raise BadRequestException(f"The path {path} is no object")
            check_members(item, _PATH, f"path {path}")
            for verb in (*_VERBS, ANY):
                if verb in item:
                    self._add_route(path, "ANY" if verb == ANY else verb.upper(), item[verb])
        return self._api

    def _add_route(self, path: str, method: str, operation: object) -> None:
        where = f"{method} {path}"
        if not isinstance(operation, dict):
            raise BadRequestException(f"The operation {where} is no object")
        check_members(operation, _OPERATION, where)
        route = HttpRoute(
            id=self._new_id(),
            route_key=DEFAULT_ROUTE
            if path in {DEFAULT_ROUTE, f"/{DEFAULT_ROUTE}"}
            else f"{method} {self._base_path}{path}",
            operation_name=operation.get("operationId"),
            target=self._integration(operation.get(INTEGRATION), where),
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
        scheme = object_of(object_of(self._components, "securitySchemes"), name)
        if not scheme:
            raise BadRequestException(f"The security scheme {name} of {where} is not defined")
        if AUTHORIZER in scheme:
            authorizer = self._authorizer(name, scheme[AUTHORIZER])
            return msgspec.structs.replace(
                route,
                authorization_type="JWT" if authorizer.type == "JWT" else "CUSTOM",
                authorizer_id=authorizer.id,
                authorization_scopes=tuple(str(scope) for scope in scopes),
            )
        if scheme.get(AUTHTYPE) == "awsSigv4":
            return msgspec.structs.replace(route, authorization_type="AWS_IAM")
        raise NotSupported(f"The security scheme {name} ({where})", f"it has neither {AUTHORIZER} nor {AUTHTYPE}")

    def _authorizer(self, name: str, given: object) -> HttpAuthorizer:
        if name in self._authorizer_ids:
            return self._api.authorizers[self._authorizer_ids[name]]
        if not isinstance(given, dict):
            raise BadRequestException(f"{AUTHORIZER} of {name} is no object")
        check_members(given, _AUTHORIZER_MEMBERS, f"{AUTHORIZER} of {name}")
        if given.get("authorizerCredentials"):
            raise NotSupported(f"authorizerCredentials of {name}")
        kind = str(given.get("type", "")).upper()
        if kind not in {"JWT", "REQUEST"}:
            raise NotSupported(f"The authorizer type {given.get('type')} of {name}")
        jwt = object_of(given, "jwtConfiguration")
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
            raise BadRequestException(f"{INTEGRATION} of {where} is no object")
        reference = given.get("$ref")
        if reference is None:
            return f"integrations/{self._new_integration(given, where)}"
        name = str(reference).removeprefix(f"#/components/{INTEGRATIONS}/")
        shared = object_of(object_of(self._components, INTEGRATIONS), name)
        if not shared:
            raise BadRequestException(f"The reference {reference} of {where} leads nowhere")
        if name not in self._shared_integration_ids:
            self._shared_integration_ids[name] = self._new_integration(shared, where)
        return f"integrations/{self._shared_integration_ids[name]}"

    def _new_integration(self, given: Json, where: str) -> str:
        check_members(given, _INTEGRATION_MEMBERS, f"{INTEGRATION} of {where}")
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
            request_parameters={str(k): str(v) for k, v in object_of(given, "requestParameters").items()},
            response_parameters={
                str(status): {
                    str(k): str(v) for k, v in object_of(object_of(given, "responseParameters"), status).items()
                }
                for status in object_of(given, "responseParameters")
            },
            timeout_in_millis=int(given.get("timeoutInMillis", 30_000)),
            server_name_to_verify=object_of(given, "tlsConfig").get("serverNameToVerify"),
        )
        if not 50 <= integration.timeout_in_millis <= 30_000:
            raise BadRequestException(f"The timeout of {where} must be between 50 and 30000 milliseconds")
        self._api = with_integration(self._api, integration)
        return integration.id


def _listed(value: object) -> tuple[str, ...]:
    """A list of text, or text with commas in it."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, list):
        return tuple(str(one) for one in value)
    raise BadRequestException("A list of text is wanted")


def _tags(given: object) -> dict[str, str]:
    entries = given if isinstance(given, list) else []
    return {str(entry["name"]): str(entry[TAG_VALUE]) for entry in entries if TAG_VALUE in entry}


def _cors(given: object) -> Cors:
    if not isinstance(given, dict):
        raise BadRequestException(f"{CORS} is no object")
    check_members(given, CORS_MEMBERS, CORS)
    try:
        return msgspec.convert({CORS_MEMBERS[name]: value for name, value in given.items()}, Cors)
    except msgspec.ValidationError as error:
        raise BadRequestException(f"{CORS}: {error}") from None
