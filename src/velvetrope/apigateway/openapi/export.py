"""An API, written as a document: Swagger 2.0 (`swagger`) or OpenAPI 3.0 (`oas30`).

Without extensions it says what clients need; with `integrations`, `authorizers` or `apigateway` (both, and all the
rest) an import makes the same API of it again. Of a resource policy, ARNs of the API itself are written short
(`execute-api:/…`), so that it means the same under another id.

Source: API Gateway Developer Guide, "Export a REST API from API Gateway".
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from velvetrope.apigateway.model_schemas import model_named
from velvetrope.store.tables.apigateway import Authorizer, GatewayResponse, Integration, Method, MethodResponse, RestApi

__all__ = ["ExportTarget", "render_document"]

_ORIGINAL_MODELS = {"Empty", "Error"}
_LOCATIONS = {"header": "header", "querystring": "query", "path": "path"}
_PARAMETER = re.compile(r"method\.request\.(header|querystring|path)\.(.+)")
_PREFIX = "x-amazon-apigateway-"
_JSON = "application/json"


@dataclass(frozen=True)
class ExportTarget:
    """Where the API is called: its host, and the name of the stage."""

    host: str
    stage_name: str


def render_document(
    api: RestApi, kind: str, target: ExportTarget, *, extensions: Collection[str] = ()
) -> dict[str, Any]:
    """The document as plain data. `kind` is `swagger` or `oas30`."""
    return _Writer(api, kind == "swagger", target, frozenset(extensions)).document()


class _Writer:
    def __init__(self, api: RestApi, is_swagger: bool, target: ExportTarget, extensions: frozenset[str]) -> None:
        self._api = api
        self._is_swagger = is_swagger
        self._target = target
        everything = "apigateway" in extensions
        self._everything = everything
        self._integrations = everything or "integrations" in extensions
        self._authorizers = everything or "authorizers" in extensions
        self._schemes: dict[str, Any] = {}

    def document(self) -> dict[str, Any]:
        api, target = self._api, self._target
        info: dict[str, Any] = {"title": api.name}
        if api.description is not None:
            info["description"] = api.description
        info["version"] = api.version or api.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        document: dict[str, Any] = {"swagger": "2.0"} if self._is_swagger else {"openapi": "3.0.1"}
        document["info"] = info
        if self._is_swagger:
            document |= {"host": target.host, "basePath": f"/{target.stage_name}", "schemes": ["https"]}
        else:
            variables = {"basePath": {"default": target.stage_name}}
            document["servers"] = [{"url": f"https://{target.host}/{{basePath}}", "variables": variables}]
        document["paths"] = {
            resource.path: {
                f"{_PREFIX}any-method" if verb == "ANY" else verb.lower(): self._operation(method)
                for verb, method in resource.methods.items()
            }
            for resource in sorted(api.resources.values(), key=lambda one: one.path)
            if resource.methods or resource.parent_id is not None
        }
        if self._authorizers:
            for authorizer in api.authorizers.values():
                self._schemes[authorizer.name] = _scheme(authorizer)
        schemas = self._schemas()
        if self._is_swagger:
            document |= {"securityDefinitions": self._schemes} if self._schemes else {}
            document |= {"definitions": schemas} if schemas else {}
        else:
            components = {"schemas": schemas, "securitySchemes": self._schemes}
            document["components"] = {name: members for name, members in components.items() if members}
        return document | (self._whole_api() if self._everything else {})

    def _whole_api(self) -> dict[str, Any]:
        api = self._api
        found: dict[str, Any] = {}
        if api.policy is not None:
            found["policy"] = _short_policy(api.policy, api.id)
        if api.request_validators:
            found["request-validators"] = {
                validator.name: {
                    "validateRequestParameters": validator.validate_request_parameters,
                    "validateRequestBody": validator.validate_request_body,
                }
                for validator in api.request_validators.values()
            }
        if api.gateway_responses:
            found["gateway-responses"] = {
                name: _gateway_response(response) for name, response in api.gateway_responses.items()
            }
        if api.binary_media_types:
            found["binary-media-types"] = list(api.binary_media_types)
        if api.api_key_source != "HEADER":
            found["api-key-source"] = api.api_key_source
        if api.disable_execute_api_endpoint:
            found["endpoint-configuration"] = {"disableExecuteApiEndpoint": True}
        return {f"{_PREFIX}{name}": value for name, value in found.items()}

    def _operation(self, method: Method) -> dict[str, Any]:
        operation: dict[str, Any] = {}
        if method.operation_name is not None:
            operation["operationId"] = method.operation_name
        if self._is_swagger and method.request_models:
            operation["consumes"] = list(method.request_models)
        produced = {name for response in method.method_responses.values() for name in response.response_models}
        if self._is_swagger and produced:
            operation["produces"] = sorted(produced)
        parameters = self._parameters(method)
        if parameters:
            operation["parameters"] = parameters
        if not self._is_swagger and method.request_models:
            operation["requestBody"] = {"content": self._content(method.request_models), "required": True}
        operation["responses"] = {
            status: self._response(response) for status, response in method.method_responses.items()
        }
        security = self._security(method)
        if security:
            operation["security"] = security
        if self._everything and method.request_validator_id is not None:
            validator = self._api.request_validators[method.request_validator_id]
            operation[f"{_PREFIX}request-validator"] = validator.name
        if self._integrations and method.integration is not None:
            operation[f"{_PREFIX}integration"] = _integration(method.integration)
        return operation

    def _parameters(self, method: Method) -> list[dict[str, Any]]:
        parameters: list[dict[str, Any]] = []
        for name, is_required in method.request_parameters.items():
            found = _PARAMETER.fullmatch(name)
            if found is None:
                continue  # Several values of one name: OpenAPI has no word for it, and import makes none.
            kind = {"type": "string"}
            parameters.append(
                {
                    "name": found[2],
                    "in": _LOCATIONS[found[1]],
                    "required": is_required or found[1] == "path",
                    **(kind if self._is_swagger else {"schema": kind}),
                }
            )
        if self._is_swagger:
            for model in dict.fromkeys(method.request_models.values()):
                schema = {"$ref": f"#/definitions/{model}"}
                parameters.append({"in": "body", "name": model, "required": True, "schema": schema})
        return parameters

    def _response(self, response: MethodResponse) -> dict[str, Any]:
        written: dict[str, Any] = {"description": f"{response.status_code} response"}
        headers = [name.removeprefix("method.response.header.") for name in response.response_parameters]
        if headers:
            kind = {"type": "string"}
            written["headers"] = {name: kind if self._is_swagger else {"schema": kind} for name in headers}
        if response.response_models:
            if self._is_swagger:
                written["schema"] = {"$ref": f"#/definitions/{next(iter(response.response_models.values()))}"}
            else:
                written["content"] = self._content(response.response_models)
        return written

    def _content(self, models: Mapping[str, str]) -> dict[str, Any]:
        return {kind: {"schema": {"$ref": f"#/components/schemas/{model}"}} for kind, model in models.items()}

    def _security(self, method: Method) -> list[dict[str, Any]]:
        security: list[dict[str, Any]] = []
        if method.authorization_type == "AWS_IAM":
            header = {"type": "apiKey", "name": "Authorization", "in": "header"}
            self._schemes["sigv4"] = {**header, f"{_PREFIX}authtype": "awsSigv4"}
            security.append({"sigv4": []})
        elif method.authorizer_id is not None:
            authorizer = self._api.authorizers[method.authorizer_id]
            if not self._authorizers:
                self._schemes[authorizer.name] = _key_scheme(authorizer)
            security.append({authorizer.name: list(method.authorization_scopes)})
        if method.api_key_required:
            self._schemes["api_key"] = {"type": "apiKey", "name": "x-api-key", "in": "header"}
            security.append({"api_key": []})
        return security

    def _schemas(self) -> dict[str, Any]:
        named = set(self._api.models) - _ORIGINAL_MODELS
        for resource in self._api.resources.values():
            for method in resource.methods.values():
                named |= set(method.request_models.values())
                for response in method.method_responses.values():
                    named |= set(response.response_models.values())
        base = "#/definitions/" if self._is_swagger else "#/components/schemas/"
        return {
            name: _local(json.loads(self._api.models[name].schema), base) if name in self._api.models else {}
            for name in sorted(named)
        }


def _scheme(authorizer: Authorizer) -> dict[str, Any]:
    members = {
        "type": authorizer.type.lower(),
        "authorizerUri": authorizer.authorizer_uri,
        "authorizerCredentials": authorizer.authorizer_credentials,
        "identitySource": authorizer.identity_source if authorizer.type == "REQUEST" else None,
        "identityValidationExpression": authorizer.identity_validation_expression,
        "authorizerResultTtlInSeconds": authorizer.result_ttl_in_seconds,
        "providerARNs": list(authorizer.provider_arns) or None,
    }
    given = {name: value for name, value in members.items() if value is not None}
    return _key_scheme(authorizer) | {f"{_PREFIX}authorizer": given}


def _key_scheme(authorizer: Authorizer) -> dict[str, Any]:
    source = authorizer.identity_source or ""
    header = source.removeprefix("method.request.header.") if authorizer.type != "REQUEST" else "Unused"
    default = "cognito_user_pools" if authorizer.type == "COGNITO_USER_POOLS" else "custom"
    return {
        "type": "apiKey",
        "name": header,
        "in": "header",
        f"{_PREFIX}authtype": authorizer.auth_type or default,
    }


def _integration(integration: Integration) -> dict[str, Any]:
    members: dict[str, Any] = {
        "type": integration.type.lower(),
        "httpMethod": integration.http_method,
        "uri": integration.uri,
        "credentials": integration.credentials,
        "requestParameters": integration.request_parameters or None,
        "requestTemplates": integration.request_templates or None,
        "passthroughBehavior": integration.passthrough_behavior.lower(),
        "contentHandling": integration.content_handling,
        "timeoutInMillis": None if integration.timeout_in_millis == 29_000 else integration.timeout_in_millis,
        "cacheNamespace": integration.cache_namespace or None,
        "cacheKeyParameters": list(integration.cache_key_parameters) or None,
        "tlsConfig": {"insecureSkipVerification": True} if integration.insecure_skip_verification else None,
        "responseTransferMode": None
        if integration.response_transfer_mode == "BUFFERED"
        else integration.response_transfer_mode,
    }
    written = {name: value for name, value in members.items() if value is not None}
    if integration.integration_responses:
        written["responses"] = {
            response.selection_pattern or "default": {
                name: value
                for name, value in (
                    ("statusCode", response.status_code),
                    ("responseParameters", response.response_parameters or None),
                    ("responseTemplates", response.response_templates or None),
                    ("contentHandling", response.content_handling),
                )
                if value is not None
            }
            for response in integration.integration_responses.values()
        }
    return written


def _gateway_response(response: GatewayResponse) -> dict[str, Any]:
    members = {
        "statusCode": response.status_code,
        "responseParameters": response.response_parameters or None,
        "responseTemplates": response.response_templates or None,
    }
    return {name: value for name, value in members.items() if value is not None}


def _local(value: Any, base: str) -> Any:  # noqa: ANN401  JSON
    if isinstance(value, dict):
        name = model_named(value.get("$ref"))
        if name is not None:
            return {"$ref": f"{base}{name}"}
        return {key: _local(one, base) for key, one in value.items()}
    return [_local(one, base) for one in value] if isinstance(value, list) else value


def _short_policy(policy: str, api_id: str) -> Any:  # noqa: ANN401  JSON
    own = re.compile(rf'"arn:aws[a-z-]*:execute-api:[a-z0-9-]+:\d{{12}}:{re.escape(api_id)}/')
    return json.loads(own.sub('"execute-api:/', policy))
