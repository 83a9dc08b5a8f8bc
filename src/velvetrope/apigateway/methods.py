"""Methods and the responses that they declare.

What of a method's members fits together (an authorizer and its type, scopes, models) is `authoring`'s to say; a patch
that ends protection takes what belonged to it away too.

Source: API Gateway API reference, PutMethod, UpdateMethod, UpdateMethodResponse ("patch operations").
"""

from collections.abc import Mapping, Sequence

import msgspec

from velvetrope.apigateway import authoring
from velvetrope.apigateway.errors import ConflictException
from velvetrope.apigateway.integrations import render_integration
from velvetrope.apigateway.method_targets import MethodTargets
from velvetrope.apigateway.patches import (
    PatchOperation,
    invalid_patch,
    patch_bool,
    patch_entry,
    patch_members,
    pointer_parts,
    required_value,
)
from velvetrope.apigateway.response_targets import ResponsePlace, ResponseTargets
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.apigateway import ApiGatewayStore, Method, MethodResponse, RestApi

__all__ = ["MethodOperations", "render_method"]

_PATCHES = (
    "/authorizationType",
    "/authorizerId",
    "/authorizationScopes",
    "/apiKeyRequired",
    "/operationName",
    "/requestValidatorId",
    "/requestParameters/…",
    "/requestModels/…",
)
_RESPONSE_PATCHES = ("/responseParameters/…", "/responseModels/…")


class MethodOperations:
    """Put-, Get-, Update- and DeleteMethod, and the same of method responses."""

    def __init__(self, store: ApiGatewayStore) -> None:
        self._methods = MethodTargets(store)
        self._responses = ResponseTargets(
            methods=self._methods,
            find=_find_response,
            keep=authoring.with_method_response,
            discard=authoring.without_method_response,
            patched=_patched_response,
            render=_render_method_response,
        )

    @operation
    async def put_method(
        self,
        call: Call,
        *,
        rest_api_id: str,
        resource_id: str,
        http_method: str,
        authorization_type: str,
        authorizer_id: str | None = None,
        authorization_scopes: Sequence[str] = (),
        api_key_required: bool = False,
        operation_name: str | None = None,
        request_parameters: Mapping[str, bool] | None = None,
        request_models: Mapping[str, str] | None = None,
        request_validator_id: str | None = None,
    ) -> Answer:
        method = Method(
            http_method=http_method,
            authorization_type=authorization_type,
            authorizer_id=authorizer_id or None,
            authorization_scopes=tuple(authorization_scopes),
            api_key_required=api_key_required,
            operation_name=operation_name,
            request_parameters=dict(request_parameters or {}),
            request_models=dict(request_models or {}),
            request_validator_id=request_validator_id or None,
        )
        await self._methods.change(call, rest_api_id, lambda api: authoring.with_new_method(api, resource_id, method))
        return render_method(method)

    @operation
    async def get_method(self, call: Call, *, rest_api_id: str, resource_id: str, http_method: str) -> Answer:
        api = await self._methods.load(call, rest_api_id)
        return render_method(authoring.find_method(api, resource_id, http_method))

    @operation
    async def update_method(
        self,
        call: Call,
        *,
        rest_api_id: str,
        resource_id: str,
        http_method: str,
        patch_operations: tuple[PatchOperation, ...] = (),
    ) -> Answer:
        def change(api: RestApi) -> RestApi:
            method = authoring.find_method(api, resource_id, http_method)
            for patch in patch_operations:
                method = _patched(method, patch)
            if method.authorization_type not in {"CUSTOM", "COGNITO_USER_POOLS"}:
                method = msgspec.structs.replace(method, authorizer_id=None)
            if method.authorization_type != "COGNITO_USER_POOLS":
                method = msgspec.structs.replace(method, authorization_scopes=())
            return authoring.with_method(api, resource_id, method)

        changed = await self._methods.change(call, rest_api_id, change)
        return render_method(authoring.find_method(changed, resource_id, http_method))

    @operation
    async def delete_method(self, call: Call, *, rest_api_id: str, resource_id: str, http_method: str) -> None:
        await self._methods.change(
            call, rest_api_id, lambda api: authoring.without_method(api, resource_id, http_method)
        )

    @operation
    async def put_method_response(
        self,
        call: Call,
        *,
        rest_api_id: str,
        resource_id: str,
        http_method: str,
        status_code: str,
        response_parameters: Mapping[str, bool] | None = None,
        response_models: Mapping[str, str] | None = None,
    ) -> Answer:
        response = MethodResponse(
            status_code=status_code,
            response_parameters=dict(response_parameters or {}),
            response_models=dict(response_models or {}),
        )

        def check(api: RestApi) -> None:
            if status_code in authoring.find_method(api, resource_id, http_method).method_responses:
                raise ConflictException("Response already exists for this resource")

        place = ResponsePlace(rest_api_id, resource_id, http_method, status_code)
        return await self._responses.put(call, place, response, check=check)

    @operation
    async def get_method_response(
        self, call: Call, *, rest_api_id: str, resource_id: str, http_method: str, status_code: str
    ) -> Answer:
        return await self._responses.get(call, ResponsePlace(rest_api_id, resource_id, http_method, status_code))

    @operation
    async def update_method_response(
        self,
        call: Call,
        *,
        rest_api_id: str,
        resource_id: str,
        http_method: str,
        status_code: str,
        patch_operations: tuple[PatchOperation, ...] = (),
    ) -> Answer:
        place = ResponsePlace(rest_api_id, resource_id, http_method, status_code)
        return await self._responses.update(call, place, patch_operations)

    @operation
    async def delete_method_response(
        self, call: Call, *, rest_api_id: str, resource_id: str, http_method: str, status_code: str
    ) -> None:
        await self._responses.delete(call, ResponsePlace(rest_api_id, resource_id, http_method, status_code))


def _find_response(api: RestApi, resource_id: str, http_method: str, status_code: str) -> MethodResponse:
    return authoring.find_method_response(authoring.find_method(api, resource_id, http_method), status_code)


def _patched(method: Method, patch: PatchOperation) -> Method:
    replace = msgspec.structs.replace
    match patch.op, pointer_parts(patch.path):
        case "replace", ("authorizationType",):
            return replace(method, authorization_type=required_value(patch))
        case "replace", ("authorizerId",):
            return replace(method, authorizer_id=patch.value or None)
        case (("add" | "remove" | "replace"), ("authorizationScopes",)):
            return replace(method, authorization_scopes=patch_members(method.authorization_scopes, patch))
        case "replace", ("apiKeyRequired",):
            return replace(method, api_key_required=patch_bool(patch))
        case "replace", ("operationName",):
            return replace(method, operation_name=patch.value or None)
        case "replace", ("requestValidatorId",):
            return replace(method, request_validator_id=patch.value or None)
        case (("add" | "remove" | "replace"), ("requestParameters", name)):
            return replace(
                method, request_parameters=patch_entry(method.request_parameters, patch, name, patch_bool(patch))
            )
        case (("add" | "remove" | "replace"), ("requestModels", content_type)):
            return replace(
                method, request_models=patch_entry(method.request_models, patch, content_type, patch.value or "")
            )
        case _:
            raise invalid_patch(patch, _PATCHES)


def _patched_response(response: MethodResponse, patch: PatchOperation) -> MethodResponse:
    replace = msgspec.structs.replace
    match patch.op, pointer_parts(patch.path):
        case (("add" | "remove" | "replace"), ("responseParameters", name)):
            return replace(
                response, response_parameters=patch_entry(response.response_parameters, patch, name, patch_bool(patch))
            )
        case (("add" | "remove" | "replace"), ("responseModels", content_type)):
            return replace(
                response, response_models=patch_entry(response.response_models, patch, content_type, patch.value or "")
            )
        case _:
            raise invalid_patch(patch, _RESPONSE_PATCHES)


def render_method(method: Method) -> dict[str, object]:
    """A method as an answer shows it, with everything below it."""
    return {
        "http_method": method.http_method,
        "authorization_type": method.authorization_type,
        "authorizer_id": method.authorizer_id,
        "authorization_scopes": list(method.authorization_scopes) or None,
        "api_key_required": method.api_key_required,
        "operation_name": method.operation_name,
        "request_validator_id": method.request_validator_id,
        "request_parameters": method.request_parameters or None,
        "request_models": method.request_models or None,
        "method_responses": {
            status: _render_method_response(response) for status, response in method.method_responses.items()
        }
        or None,
        "method_integration": None if method.integration is None else render_integration(method.integration),
    }


def _render_method_response(response: MethodResponse) -> dict[str, object]:
    return {
        "status_code": response.status_code,
        "response_parameters": response.response_parameters or None,
        "response_models": response.response_models or None,
    }
