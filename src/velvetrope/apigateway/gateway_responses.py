"""Gateway responses: how refusals look that API Gateway makes itself.

A type that was not customised is answered with its defaults and `defaultResponse: true`. A change takes effect with the
next deployment.

Source: API Gateway Developer Guide, "Gateway responses in API Gateway".
"""

from collections.abc import Mapping

import msgspec

from velvetrope.apigateway.authored_apis import no_such_api
from velvetrope.apigateway.authoring import GATEWAY_RESPONSE_TYPES, with_gateway_response
from velvetrope.apigateway.errors import BadRequestException, NotFoundException
from velvetrope.apigateway.pages import page_of
from velvetrope.apigateway.patches import PatchOperation, invalid_patch, patch_entry, pointer_parts
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.apigateway import ApiGatewayStore, GatewayResponse, RestApi

__all__ = ["GatewayResponseOperations"]

_DEFAULT_TEMPLATES = {"application/json": '{"message":$context.error.messageString}'}


class GatewayResponseOperations:
    """PutGatewayResponse, GetGatewayResponse(s), UpdateGatewayResponse, DeleteGatewayResponse."""

    def __init__(self, store: ApiGatewayStore) -> None:
        self._store = store

    @operation
    async def put_gateway_response(
        self,
        call: Call,
        *,
        rest_api_id: str,
        response_type: str,
        status_code: str | None = None,
        response_parameters: Mapping[str, str] | None = None,
        response_templates: Mapping[str, str] | None = None,
    ) -> Answer:
        response = GatewayResponse(
            response_type=response_type,
            status_code=status_code,
            response_parameters=dict(response_parameters or {}),
            response_templates=dict(response_templates or {}),
        )
        changed = await self._store.change_rest_api(
            call.account_id, rest_api_id, lambda api: with_gateway_response(api, response)
        )
        if changed is None:
            raise no_such_api(call, rest_api_id)
        return _render(changed, response_type)

    @operation
    async def get_gateway_response(self, call: Call, *, rest_api_id: str, response_type: str) -> Answer:
        api = await self._store.load_rest_api(call.account_id, rest_api_id)
        if api is None:
            raise no_such_api(call, rest_api_id)
        if response_type not in GATEWAY_RESPONSE_TYPES:
            raise BadRequestException(f"Invalid gateway response type specified: {response_type}")
        return _render(api, response_type)

    @operation
    async def get_gateway_responses(
        self,
        call: Call,
        *,
        rest_api_id: str,
        position: str | None = None,
        limit: int | None = None,
    ) -> Answer:
        api = await self._store.load_rest_api(call.account_id, rest_api_id)
        if api is None:
            raise no_such_api(call, rest_api_id)
        items, following = page_of(list(GATEWAY_RESPONSE_TYPES), position, limit)
        return {"items": [_render(api, response_type) for response_type in items], "position": following}

    @operation
    async def update_gateway_response(
        self, call: Call, *, rest_api_id: str, response_type: str, patch_operations: tuple[PatchOperation, ...] = ()
    ) -> Answer:
        def change(api: RestApi) -> RestApi:
            response = api.gateway_responses.get(response_type) or GatewayResponse(response_type=response_type)
            for patch in patch_operations:
                response = _patched(response, patch)
            return with_gateway_response(api, response)

        changed = await self._store.change_rest_api(call.account_id, rest_api_id, change)
        if changed is None:
            raise no_such_api(call, rest_api_id)
        return _render(changed, response_type)

    @operation
    async def delete_gateway_response(self, call: Call, *, rest_api_id: str, response_type: str) -> None:
        def change(api: RestApi) -> RestApi:
            if response_type not in api.gateway_responses:
                raise NotFoundException("Gateway response type not defined on api")
            left = {name: response for name, response in api.gateway_responses.items() if name != response_type}
            return msgspec.structs.replace(api, gateway_responses=left)

        if await self._store.change_rest_api(call.account_id, rest_api_id, change) is None:
            raise no_such_api(call, rest_api_id)


def _patched(response: GatewayResponse, patch: PatchOperation) -> GatewayResponse:
    replace = msgspec.structs.replace
    match patch.op, pointer_parts(patch.path):
        case "replace", ("statusCode",):
            return replace(response, status_code=patch.value or None)
        case (("add" | "remove" | "replace"), ("responseParameters", name)):
            entries = patch_entry(response.response_parameters, patch, name, patch.value or "")
            return replace(response, response_parameters=entries)
        case (("add" | "remove" | "replace"), ("responseTemplates", content_type)):
            entries = patch_entry(response.response_templates, patch, content_type, patch.value or "")
            return replace(response, response_templates=entries)
        case _:
            raise invalid_patch(patch, ("/statusCode", "/responseParameters/…", "/responseTemplates/…"))


def _render(api: RestApi, response_type: str) -> dict[str, object]:
    response = api.gateway_responses.get(response_type)
    if response is None:
        return {
            "response_type": response_type,
            "status_code": GATEWAY_RESPONSE_TYPES[response_type],
            "response_parameters": {},
            "response_templates": _DEFAULT_TEMPLATES,
            "default_response": True,
        }
    return {
        "response_type": response_type,
        "status_code": response.status_code or GATEWAY_RESPONSE_TYPES[response_type],
        "response_parameters": response.response_parameters,
        "response_templates": response.response_templates or _DEFAULT_TEMPLATES,
        "default_response": False,
    }
