"""One operation of a document: the method that it is, and the integration behind it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from velvetrope.apigateway.errors import BadRequestException, NotSupported
from velvetrope.apigateway.openapi.members import (
    Json,
    Source,
    check_members,
    items_of,
    object_of,
    text_of,
    texts_of,
)
from velvetrope.apigateway.openapi.schemas import Schemas
from velvetrope.apigateway.openapi.security import AskedFor, Scheme, asked_for
from velvetrope.store.tables.apigateway import Integration, IntegrationResponse, Method, MethodResponse

__all__ = ["DocumentMethod", "OperationReader"]

_INTEGRATION = "x-amazon-apigateway-integration"
_VALIDATOR = "x-amazon-apigateway-request-validator"
_AUTH = "x-amazon-apigateway-auth"
_OPERATION_MEMBERS = {
    "summary",
    "description",
    "tags",
    "externalDocs",
    "deprecated",
    "schemes",
    "servers",
    "operationId",
    "parameters",
    "requestBody",
    "consumes",
    "produces",
    "responses",
    "security",
    _INTEGRATION,
    _VALIDATOR,
    _AUTH,
}
_INTEGRATION_MEMBERS = {
    "type",
    "httpMethod",
    "uri",
    "credentials",
    "passthroughBehavior",
    "requestParameters",
    "requestTemplates",
    "responses",
    "contentHandling",
    "timeoutInMillis",
    "cacheNamespace",
    "cacheKeyParameters",
    "connectionType",
    "payloadFormatVersion",
    "tlsConfig",
    "responseTransferMode",
}
_ANSWER_MEMBERS = {"statusCode", "responseParameters", "responseTemplates", "contentHandling"}
_LOCATIONS = {"header": "header", "query": "querystring", "path": "path"}
_JSON = "application/json"


@dataclass(frozen=True)
class DocumentMethod:
    """A method as the document has it. Its authorizer and its request validator are named, and have no ids yet."""

    path: str
    method: Method
    asked: AskedFor
    validator: str | None
    integration: Integration | None
    integration_responses: tuple[IntegrationResponse, ...]


@dataclass(frozen=True)
class OperationReader:
    """Reads the operations of one document."""

    source: Source
    schemas: Schemas
    schemes: Mapping[str, Scheme]
    security: object
    """What the document asks for where an operation says nothing."""
    validator: str | None

    def read(self, path: str, verb: str, declared: Json, shared: object) -> DocumentMethod:
        """The operation `declared` under `path`, whose parameters `shared` are those of all its operations."""
        where = f"{verb} {path}"
        check_members(where, declared, _OPERATION_MEMBERS)
        auth = object_of(declared.get(_AUTH, {}), f"{_AUTH} of {where}")
        asked = asked_for(where, declared.get("security", self.security), auth, self.schemes)
        parameters = [*items_of(shared, where), *items_of(declared.get("parameters", []), where)]
        method = Method(
            http_method=verb,
            api_key_required=asked.api_key,
            authorization_scopes=asked.scopes,
            operation_name=text_of(declared.get("operationId")),
            request_parameters=self._parameters(where, parameters),
            request_models=self._request_models(where, declared, parameters),
            method_responses=self._responses(where, declared),
        )
        integration: Integration | None = None
        answers: tuple[IntegrationResponse, ...] = ()
        if _INTEGRATION in declared:
            members = self.source.resolved(declared[_INTEGRATION], f"{_INTEGRATION} of {where}")
            integration, answers = _integration(where, members)
        return DocumentMethod(
            path, method, asked, text_of(declared.get(_VALIDATOR, self.validator)), integration, answers
        )

    def _parameters(self, where: str, declared: Iterable[Any]) -> dict[str, bool]:
        parameters: dict[str, bool] = {}
        for one in declared:
            members = self.source.resolved(one, f"a parameter of {where}")
            location = members.get("in")
            if location in _LOCATIONS:
                name = f"method.request.{_LOCATIONS[location]}.{members.get('name')}"
                parameters[name] = bool(members.get("required", False))
            elif location in {"cookie", "formData"}:
                self.source.warnings.append(f"Parameter {members.get('name')} of {where} in {location}: ignored")
            elif location != "body":
                raise BadRequestException(f"Invalid parameter location specified in {where}: {location}")
        return parameters

    def _request_models(self, where: str, declared: Json, parameters: Iterable[Any]) -> dict[str, str]:
        models: dict[str, str] = {}
        for one in parameters:
            members = self.source.resolved(one, f"a parameter of {where}")
            if members.get("in") == "body" and "schema" in members:
                name = self.schemas.model_of(members["schema"], f"the body of {where}")
                models |= dict.fromkeys(self._media_types("consumes", declared, where), name)
        if "requestBody" in declared:
            body = self.source.resolved(declared["requestBody"], f"requestBody of {where}")
            check_members(f"requestBody of {where}", body, {"description", "content", "required"})
            models |= self._models_of_content(f"requestBody of {where}", body)
        return models

    def _responses(self, where: str, declared: Json) -> dict[str, MethodResponse]:
        responses: dict[str, MethodResponse] = {}
        for status, one in object_of(declared.get("responses", {}), f"responses of {where}").items():
            if status == "default" or status.startswith("x-"):
                continue  # API Gateway's method responses are by status.
            members = self.source.resolved(one, f"the response {status} of {where}")
            models = self._models_of_content(f"the response {status} of {where}", members)
            if "schema" in members:
                name = self.schemas.model_of(members["schema"], f"the response {status} of {where}")
                models |= dict.fromkeys(self._media_types("produces", declared, where), name)
            headers = object_of(members.get("headers", {}), f"headers of {where}")
            responses[status] = MethodResponse(
                status_code=status,
                response_parameters={f"method.response.header.{name}": False for name in headers},
                response_models=models,
            )
        return responses

    def _models_of_content(self, where: str, members: Json) -> dict[str, str]:
        content = object_of(members.get("content", {}), f"content of {where}")
        return {
            media_type: self.schemas.model_of(described["schema"], where)
            for media_type, one in content.items()
            if "schema" in (described := object_of(one, where))
        }

    def _media_types(self, member: str, declared: Json, where: str) -> list[str]:
        given = declared.get(member, self.source.document.get(member))
        types = [] if given is None else [str(one) for one in items_of(given, f"{member} of {where}")]
        return types or [_JSON]


def _integration(where: str, members: Json) -> tuple[Integration, tuple[IntegrationResponse, ...]]:
    check_members(f"{_INTEGRATION} of {where}", members, _INTEGRATION_MEMBERS)
    if str(members.get("payloadFormatVersion", "1.0")) != "1.0":
        raise NotSupported(f"The payloadFormatVersion {members['payloadFormatVersion']} of {where}")
    tls = object_of(members.get("tlsConfig", {}), f"tlsConfig of {where}")
    check_members(f"tlsConfig of {where}", tls, {"insecureSkipVerification"})
    try:
        timeout = int(members.get("timeoutInMillis", 29_000))
    except (TypeError, ValueError):
        raise BadRequestException(f"Invalid OpenAPI input: timeoutInMillis of {where} must be a number") from None
    integration = Integration(
        type=str(members.get("type", "")).upper(),
        http_method=None if members.get("httpMethod") is None else str(members["httpMethod"]).upper(),
        uri=text_of(members.get("uri")),
        credentials=text_of(members.get("credentials")) or None,
        connection_type=str(members.get("connectionType", "INTERNET")).upper(),
        passthrough_behavior=str(members.get("passthroughBehavior", "WHEN_NO_MATCH")).upper(),
        request_parameters=texts_of(members.get("requestParameters", {}), where),
        request_templates=texts_of(members.get("requestTemplates", {}), where),
        content_handling=_content_handling(members, where),
        timeout_in_millis=timeout,
        cache_namespace=text_of(members.get("cacheNamespace")) or "",
        cache_key_parameters=tuple(str(one) for one in items_of(members.get("cacheKeyParameters", []), where)),
        insecure_skip_verification=tls.get("insecureSkipVerification") is True,
        response_transfer_mode=str(members.get("responseTransferMode", "BUFFERED")).upper(),
    )
    answers = []
    for pattern, declared in object_of(members.get("responses", {}), where).items():
        answer = object_of(declared, f"responses of {where}")
        check_members(f"an integration response of {where}", answer, _ANSWER_MEMBERS)
        answers.append(
            IntegrationResponse(
                status_code=str(answer.get("statusCode", "")),
                selection_pattern=None if pattern == "default" else str(pattern),
                response_parameters=texts_of(answer.get("responseParameters", {}), where),
                response_templates=texts_of(answer.get("responseTemplates", {}), where),
                content_handling=_content_handling(answer, where),
            )
        )
    return integration, tuple(answers)


def _content_handling(members: Json, where: str) -> str | None:
    handling = text_of(members.get("contentHandling"))
    if handling is not None and handling.upper() not in {"CONVERT_TO_BINARY", "CONVERT_TO_TEXT"}:
        raise BadRequestException(f"Invalid content handling specified in {where}: {handling}")
    return None if handling is None else handling.upper()
