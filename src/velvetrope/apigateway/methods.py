"""Methods, their integrations, and the responses of both.

What a signature below lacks (`authorizerId`, `requestValidatorId`, `credentials`, `contentHandling`, connections …) is
refused by name at the edge; what values are taken is `authoring`'s.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from velvetrope.apigateway import authoring
from velvetrope.apigateway.errors import NotFoundException, NotSupported
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.apigateway import (
    ApiGatewayStore,
    Integration,
    IntegrationResponse,
    Method,
    MethodResponse,
    RestApi,
)

__all__ = ["IntegrationOperations", "MethodOperations", "render_method"]

T = TypeVar("T")


class MethodOperations:
    """PutMethod, GetMethod, DeleteMethod, PutMethodResponse, GetMethodResponse."""

    def __init__(self, store: ApiGatewayStore) -> None:
        self._store = store

    @operation
    async def put_method(
        self,
        call: Call,
        *,
        rest_api_id: str,
        resource_id: str,
        http_method: str,
        authorization_type: str,
        api_key_required: bool = False,
        operation_name: str | None = None,
        request_parameters: Mapping[str, bool] | None = None,
        request_models: Mapping[str, str] | None = None,
    ) -> Answer:
        method = Method(
            http_method=http_method,
            authorization_type=authorization_type,
            api_key_required=api_key_required,
            operation_name=operation_name,
            request_parameters=dict(request_parameters or {}),
            request_models=dict(request_models or {}),
        )
        await _change(self._store, call, rest_api_id, lambda api: authoring.with_new_method(api, resource_id, method))
        return render_method(method)

    @operation
    async def get_method(self, call: Call, *, rest_api_id: str, resource_id: str, http_method: str) -> Answer:
        return render_method(
            authoring.find_method(await _load(self._store, call, rest_api_id), resource_id, http_method)
        )

    @operation
    async def delete_method(self, call: Call, *, rest_api_id: str, resource_id: str, http_method: str) -> None:
        await _change(
            self._store, call, rest_api_id, lambda api: authoring.without_method(api, resource_id, http_method)
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
        await _change(
            self._store,
            call,
            rest_api_id,
            lambda api: authoring.with_method_response(api, resource_id, http_method, response),
        )
        return _render_method_response(response)

    @operation
    async def get_method_response(
        self, call: Call, *, rest_api_id: str, resource_id: str, http_method: str, status_code: str
    ) -> Answer:
        api = await _load(self._store, call, rest_api_id)
        response = authoring.find_method(api, resource_id, http_method).method_responses.get(status_code)
        if response is None:
            raise NotFoundException("Invalid Response status code specified")
        return _render_method_response(response)


class IntegrationOperations:
    """PutIntegration, GetIntegration, DeleteIntegration, PutIntegrationResponse, GetIntegrationResponse."""

    def __init__(self, store: ApiGatewayStore) -> None:
        self._store = store

    @operation
    async def put_integration(
        self,
        call: Call,
        *,
        rest_api_id: str,
        resource_id: str,
        http_method: str,
        type: str,  # noqa: A002  the member's own name
        integration_http_method: str | None = None,
        uri: str | None = None,
        connection_type: str | None = None,
        request_templates: Mapping[str, str] | None = None,
        passthrough_behavior: str | None = None,
        cache_namespace: str | None = None,
        timeout_in_millis: int | None = None,
    ) -> Answer:
        if connection_type not in {None, "INTERNET"}:
            raise NotSupported(f"The connection type {connection_type}")
        integration = Integration(
            type=type,
            http_method=integration_http_method,
            uri=uri,
            request_templates=dict(request_templates or {}),
            passthrough_behavior=passthrough_behavior or "WHEN_NO_MATCH",
            cache_namespace=cache_namespace or resource_id,
            timeout_in_millis=29_000 if timeout_in_millis is None else timeout_in_millis,
        )
        await _change(
            self._store,
            call,
            rest_api_id,
            lambda api: authoring.with_integration(api, resource_id, http_method, integration),
        )
        return _render_integration(integration)

    @operation
    async def get_integration(self, call: Call, *, rest_api_id: str, resource_id: str, http_method: str) -> Answer:
        api = await _load(self._store, call, rest_api_id)
        return _render_integration(authoring.find_integration(api, resource_id, http_method))

    @operation
    async def delete_integration(self, call: Call, *, rest_api_id: str, resource_id: str, http_method: str) -> None:
        await _change(
            self._store, call, rest_api_id, lambda api: authoring.without_integration(api, resource_id, http_method)
        )

    @operation
    async def put_integration_response(
        self,
        call: Call,
        *,
        rest_api_id: str,
        resource_id: str,
        http_method: str,
        status_code: str,
        selection_pattern: str | None = None,
        response_parameters: Mapping[str, str] | None = None,
        response_templates: Mapping[str, str] | None = None,
    ) -> Answer:
        response = IntegrationResponse(
            status_code=status_code,
            selection_pattern=selection_pattern or None,
            response_parameters=dict(response_parameters or {}),
            response_templates=dict(response_templates or {}),
        )
        await _change(
            self._store,
            call,
            rest_api_id,
            lambda api: authoring.with_integration_response(api, resource_id, http_method, response),
        )
        return _render_integration_response(response)

    @operation
    async def get_integration_response(
        self, call: Call, *, rest_api_id: str, resource_id: str, http_method: str, status_code: str
    ) -> Answer:
        api = await _load(self._store, call, rest_api_id)
        integration = authoring.find_integration(api, resource_id, http_method)
        response = integration.integration_responses.get(status_code)
        if response is None:
            raise NotFoundException("Invalid Response status code specified")
        return _render_integration_response(response)


def render_method(method: Method) -> dict[str, object]:
    """A method as an answer shows it, with everything below it."""
    return {
        "http_method": method.http_method,
        "authorization_type": method.authorization_type,
        "api_key_required": method.api_key_required,
        "operation_name": method.operation_name,
        "request_parameters": method.request_parameters or None,
        "request_models": method.request_models or None,
        "method_responses": _rendered(method.method_responses, _render_method_response),
        "method_integration": None if method.integration is None else _render_integration(method.integration),
    }


def _render_method_response(response: MethodResponse) -> dict[str, object]:
    return {
        "status_code": response.status_code,
        "response_parameters": response.response_parameters or None,
        "response_models": response.response_models or None,
    }


def _render_integration(integration: Integration) -> dict[str, object]:
    return {
        "type": integration.type,
        "http_method": integration.http_method,
        "uri": integration.uri,
        "request_templates": integration.request_templates or None,
        "passthrough_behavior": integration.passthrough_behavior,
        "timeout_in_millis": integration.timeout_in_millis,
        "cache_namespace": integration.cache_namespace,
        "cache_key_parameters": [],
        "integration_responses": _rendered(integration.integration_responses, _render_integration_response),
    }


def _render_integration_response(response: IntegrationResponse) -> dict[str, object]:
    return {
        "status_code": response.status_code,
        "selection_pattern": response.selection_pattern,
        "response_parameters": response.response_parameters or None,
        "response_templates": response.response_templates or None,
    }


def _rendered(records: Mapping[str, T], render: Callable[[T], dict[str, object]]) -> dict[str, object] | None:
    return {name: render(record) for name, record in records.items()} or None


async def _load(store: ApiGatewayStore, call: Call, rest_api_id: str) -> RestApi:
    api = await store.load_rest_api(call.account_id, rest_api_id)
    if api is None:
        raise NotFoundException("Invalid Resource identifier specified")
    return api


async def _change(
    store: ApiGatewayStore, call: Call, rest_api_id: str, change: Callable[[RestApi], RestApi]
) -> RestApi:
    # AWS names the resource and not the API here, also when it is the API that does not exist.
    changed = await store.change_rest_api(call.account_id, rest_api_id, change)
    if changed is None:
        raise NotFoundException("Invalid Resource identifier specified")
    return changed
