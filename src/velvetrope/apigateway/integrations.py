"""Integrations and their responses; what values are taken is `integration_rules`' to say.

Source: API Gateway API reference, PutIntegration, UpdateIntegration, UpdateIntegrationResponse ("patch operations").
"""

from collections.abc import Mapping, Sequence

import msgspec

from velvetrope.apigateway import integration_rules
from velvetrope.apigateway.authoring import find_integration
from velvetrope.apigateway.errors import BadRequestException, NotSupported
from velvetrope.apigateway.method_targets import MethodTargets
from velvetrope.apigateway.patches import (
    PatchOperation,
    invalid_patch,
    patch_bool,
    patch_entry,
    patch_int,
    patch_members,
    pointer_parts,
    required_value,
)
from velvetrope.apigateway.response_targets import ResponsePlace, ResponseTargets
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.apigateway import ApiGatewayStore, Integration, IntegrationResponse, RestApi

__all__ = ["IntegrationOperations", "TlsConfig", "render_integration"]

_PATCHES = (
    "/uri",
    "/httpMethod",
    "/credentials",
    "/requestParameters/…",
    "/requestTemplates/…",
    "/passthroughBehavior",
    "/contentHandling",
    "/timeoutInMillis",
    "/cacheNamespace",
    "/cacheKeyParameters/…",
    "/connectionType",
    "/tlsConfig/insecureSkipVerification",
)
_RESPONSE_PATCHES = ("/selectionPattern", "/responseParameters/…", "/responseTemplates/…", "/contentHandling")
_CONTENT_HANDLING = {"CONVERT_TO_BINARY", "CONVERT_TO_TEXT"}


class TlsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether a backend's certificate is believed unseen."""

    insecure_skip_verification: bool = False


class IntegrationOperations:
    """Put-, Get-, Update- and DeleteIntegration, and the same of integration responses."""

    def __init__(self, store: ApiGatewayStore) -> None:
        self._methods = MethodTargets(store)
        self._responses = ResponseTargets(
            methods=self._methods,
            find=_find_response,
            keep=integration_rules.with_integration_response,
            discard=integration_rules.without_integration_response,
            patched=_patched_response,
            render=_render_response,
        )

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
        credentials: str | None = None,
        request_parameters: Mapping[str, str] | None = None,
        request_templates: Mapping[str, str] | None = None,
        passthrough_behavior: str | None = None,
        cache_namespace: str | None = None,
        cache_key_parameters: Sequence[str] = (),
        content_handling: str | None = None,
        timeout_in_millis: int | None = None,
        tls_config: TlsConfig | None = None,
        response_transfer_mode: str | None = None,
    ) -> Answer:
        integration = Integration(
            type=type,
            http_method=integration_http_method,
            uri=uri,
            connection_type=connection_type or "INTERNET",
            credentials=credentials or None,
            request_parameters=dict(request_parameters or {}),
            request_templates=dict(request_templates or {}),
            passthrough_behavior=passthrough_behavior or "WHEN_NO_MATCH",
            cache_namespace=cache_namespace or resource_id,
            cache_key_parameters=tuple(cache_key_parameters),
            content_handling=content_handling,
            timeout_in_millis=29_000 if timeout_in_millis is None else timeout_in_millis,
            insecure_skip_verification=tls_config is not None and tls_config.insecure_skip_verification,
            response_transfer_mode=response_transfer_mode or "BUFFERED",
        )
        await self._methods.change(
            call,
            rest_api_id,
            lambda api: integration_rules.with_integration(api, resource_id, http_method, integration),
        )
        return render_integration(integration)

    @operation
    async def get_integration(self, call: Call, *, rest_api_id: str, resource_id: str, http_method: str) -> Answer:
        api = await self._methods.load(call, rest_api_id)
        return render_integration(find_integration(api, resource_id, http_method))

    @operation
    async def update_integration(
        self,
        call: Call,
        *,
        rest_api_id: str,
        resource_id: str,
        http_method: str,
        patch_operations: tuple[PatchOperation, ...] = (),
    ) -> Answer:
        def change(api: RestApi) -> RestApi:
            integration = find_integration(api, resource_id, http_method)
            for patch in patch_operations:
                integration = _patched(integration, patch)
            return integration_rules.with_integration(api, resource_id, http_method, integration)

        changed = await self._methods.change(call, rest_api_id, change)
        return render_integration(find_integration(changed, resource_id, http_method))

    @operation
    async def delete_integration(self, call: Call, *, rest_api_id: str, resource_id: str, http_method: str) -> None:
        await self._methods.change(
            call, rest_api_id, lambda api: integration_rules.without_integration(api, resource_id, http_method)
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
        content_handling: str | None = None,
    ) -> Answer:
        response = IntegrationResponse(
            status_code=status_code,
            selection_pattern=selection_pattern or None,
            response_parameters=dict(response_parameters or {}),
            response_templates=dict(response_templates or {}),
            content_handling=content_handling,
        )
        place = ResponsePlace(rest_api_id, resource_id, http_method, status_code)
        return await self._responses.put(call, place, response)

    @operation
    async def get_integration_response(
        self, call: Call, *, rest_api_id: str, resource_id: str, http_method: str, status_code: str
    ) -> Answer:
        return await self._responses.get(call, ResponsePlace(rest_api_id, resource_id, http_method, status_code))

    @operation
    async def update_integration_response(
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
    async def delete_integration_response(
        self, call: Call, *, rest_api_id: str, resource_id: str, http_method: str, status_code: str
    ) -> None:
        await self._responses.delete(call, ResponsePlace(rest_api_id, resource_id, http_method, status_code))


def _find_response(api: RestApi, resource_id: str, http_method: str, status_code: str) -> IntegrationResponse:
    integration = find_integration(api, resource_id, http_method)
    return integration_rules.find_integration_response(integration, status_code)


def _patched(integration: Integration, patch: PatchOperation) -> Integration:
    replace = msgspec.structs.replace
    match patch.op, pointer_parts(patch.path):
        case "replace", ("uri",):
            return replace(integration, uri=required_value(patch))
        case "replace", ("httpMethod",):
            return replace(integration, http_method=required_value(patch))
        case "replace", ("credentials",):
            return replace(integration, credentials=patch.value or None)
        case (("add" | "remove" | "replace"), ("requestParameters", name)):
            entries = patch_entry(integration.request_parameters, patch, name, patch.value or "")
            return replace(integration, request_parameters=entries)
        case (("add" | "remove" | "replace"), ("requestTemplates", content_type)):
            entries = patch_entry(integration.request_templates, patch, content_type, patch.value or "")
            return replace(integration, request_templates=entries)
        case "replace", ("passthroughBehavior",):
            return replace(integration, passthrough_behavior=required_value(patch))
        case (("add" | "remove" | "replace"), ("contentHandling",)):
            return replace(integration, content_handling=_content_handling(patch))
        case "replace", ("timeoutInMillis",):
            return replace(integration, timeout_in_millis=patch_int(patch))
        case "replace", ("cacheNamespace",):
            return replace(integration, cache_namespace=required_value(patch))
        case (("add" | "remove"), ("cacheKeyParameters", name)):
            named = msgspec.structs.replace(patch, value=name)
            return replace(integration, cache_key_parameters=patch_members(integration.cache_key_parameters, named))
        case "replace", ("connectionType",):
            return replace(integration, connection_type=required_value(patch))
        case "replace", ("tlsConfig", "insecureSkipVerification"):
            return replace(integration, insecure_skip_verification=patch_bool(patch))
        case _, ("connectionId",):
            raise NotSupported("The connection type VPC_LINK")
        case _:
            raise invalid_patch(patch, _PATCHES)


def _patched_response(response: IntegrationResponse, patch: PatchOperation) -> IntegrationResponse:
    replace = msgspec.structs.replace
    match patch.op, pointer_parts(patch.path):
        case "replace", ("selectionPattern",):
            return replace(response, selection_pattern=patch.value or None)
        case (("add" | "remove" | "replace"), ("responseParameters", name)):
            entries = patch_entry(response.response_parameters, patch, name, patch.value or "")
            return replace(response, response_parameters=entries)
        case (("add" | "remove" | "replace"), ("responseTemplates", content_type)):
            entries = patch_entry(response.response_templates, patch, content_type, patch.value or "")
            return replace(response, response_templates=entries)
        case (("add" | "remove" | "replace"), ("contentHandling",)):
            return replace(response, content_handling=_content_handling(patch))
        case _:
            raise invalid_patch(patch, _RESPONSE_PATCHES)


def _content_handling(patch: PatchOperation) -> str | None:
    if patch.op == "remove" or not patch.value:
        return None
    if patch.value not in _CONTENT_HANDLING:
        raise BadRequestException(f"Invalid content handling specified: {patch.value}")
    return patch.value


def render_integration(integration: Integration) -> dict[str, object]:
    """An integration as an answer shows it, with its responses."""
    is_remote = integration.type != "MOCK"
    return {
        "type": integration.type,
        "http_method": integration.http_method,
        "uri": integration.uri,
        "connection_type": integration.connection_type if is_remote and integration.type != "AWS_PROXY" else None,
        "credentials": integration.credentials,
        "request_parameters": integration.request_parameters or None,
        "request_templates": integration.request_templates or None,
        "passthrough_behavior": integration.passthrough_behavior,
        "content_handling": integration.content_handling,
        "timeout_in_millis": integration.timeout_in_millis,
        "cache_namespace": integration.cache_namespace,
        "cache_key_parameters": list(integration.cache_key_parameters),
        "tls_config": {"insecure_skip_verification": True} if integration.insecure_skip_verification else None,
        "response_transfer_mode": integration.response_transfer_mode if is_remote else None,
        "integration_responses": {
            status: _render_response(response) for status, response in integration.integration_responses.items()
        }
        or None,
    }


def _render_response(response: IntegrationResponse) -> dict[str, object]:
    return {
        "status_code": response.status_code,
        "selection_pattern": response.selection_pattern,
        "response_parameters": response.response_parameters or None,
        "response_templates": response.response_templates or None,
        "content_handling": response.content_handling,
    }
