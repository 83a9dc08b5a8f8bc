"""Integrations of HTTP APIs: functions and HTTP endpoints.

VPC links, integrations with AWS services (subtypes) and roles for invoking functions are refused by name. In
UpdateIntegration maps are merged: a request parameter of empty text, or a status without response parameters, is taken
out (that is how Terraform's provider removes them).

Source: API Gateway API reference (version 2), CreateIntegration, UpdateIntegration.
"""

from collections.abc import Mapping

import msgspec

from velvetrope.apigatewayv2.authored import AuthoredApis
from velvetrope.apigatewayv2.authoring import (
    check_supported_integration,
    find_integration,
    with_integration,
    without_integration,
)
from velvetrope.apigatewayv2.errors import BadRequestException, NotSupported
from velvetrope.apigatewayv2.pages import page_of
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.apigatewayv2 import HttpApi, HttpIntegration

__all__ = ["IntegrationOperations", "TlsConfig"]


class TlsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The name that the endpoint's certificate must be for, where it is not the URL's."""

    server_name_to_verify: str | None = None


class IntegrationOperations:
    """CreateIntegration, GetIntegration(s), UpdateIntegration, DeleteIntegration."""

    def __init__(self, authored: AuthoredApis) -> None:
        self._authored = authored

    @operation
    async def create_integration(
        self,
        call: Call,
        *,
        api_id: str,
        integration_type: str,
        integration_uri: str | None = None,
        integration_method: str | None = None,
        integration_subtype: str | None = None,
        payload_format_version: str | None = None,
        connection_type: str | None = None,
        connection_id: str | None = None,
        credentials_arn: str | None = None,
        description: str | None = None,
        request_parameters: Mapping[str, str] | None = None,
        response_parameters: Mapping[str, Mapping[str, str]] | None = None,
        timeout_in_millis: int = 30_000,
        tls_config: TlsConfig | None = None,
    ) -> Answer:
        check_supported_integration(
            connection_type=connection_type,
            connection_id=connection_id,
            subtype=integration_subtype,
            credentials_arn=credentials_arn,
        )
        _check_type(integration_type)
        if integration_uri is None:
            raise BadRequestException("IntegrationUri is required")
        if integration_type == "AWS_PROXY" and payload_format_version is None:
            raise BadRequestException("PayloadFormatVersion is a required parameter for integration")
        integration = HttpIntegration(
            id=self._authored.new_id(),
            type=integration_type,
            uri=integration_uri,
            method=integration_method or ("POST" if integration_type == "AWS_PROXY" else None),
            payload_format_version=payload_format_version or "1.0",
            description=description,
            request_parameters=dict(request_parameters or {}),
            response_parameters={status: dict(one) for status, one in (response_parameters or {}).items()},
            timeout_in_millis=timeout_in_millis,
            server_name_to_verify=_server_name(tls_config),
        )
        await self._authored.change(call, api_id, lambda api: with_integration(api, integration))
        return _render(integration)

    @operation
    async def get_integration(self, call: Call, *, api_id: str, integration_id: str) -> Answer:
        return _render(find_integration(await self._authored.load(call, api_id), integration_id))

    @operation
    async def get_integrations(
        self, call: Call, *, api_id: str, max_results: str | None = None, next_token: str | None = None
    ) -> Answer:
        api = await self._authored.load(call, api_id)
        items, following = page_of(list(api.integrations.values()), next_token, max_results)
        return {"items": [_render(integration) for integration in items], "next_token": following}

    @operation
    async def update_integration(
        self,
        call: Call,
        *,
        api_id: str,
        integration_id: str,
        integration_type: str | None = None,
        integration_uri: str | None = None,
        integration_method: str | None = None,
        integration_subtype: str | None = None,
        payload_format_version: str | None = None,
        connection_type: str | None = None,
        connection_id: str | None = None,
        credentials_arn: str | None = None,
        description: str | None = None,
        request_parameters: Mapping[str, str] | None = None,
        response_parameters: Mapping[str, Mapping[str, str]] | None = None,
        timeout_in_millis: int | None = None,
        tls_config: TlsConfig | None = None,
    ) -> Answer:
        check_supported_integration(
            connection_type=connection_type,
            connection_id=connection_id,
            subtype=integration_subtype,
            credentials_arn=credentials_arn,
        )
        if integration_type is not None:
            _check_type(integration_type)

        def change(api: HttpApi) -> HttpApi:
            present = find_integration(api, integration_id)
            requests = {**present.request_parameters, **(request_parameters or {})}
            responses = {**present.response_parameters, **(response_parameters or {})}
            given = {
                "type": integration_type,
                "uri": integration_uri,
                "method": integration_method,
                "payload_format_version": payload_format_version,
                "description": description,
                "timeout_in_millis": timeout_in_millis,
                "request_parameters": {
                    key: value for key, value in requests.items() if value or key.startswith("remove:")
                },
                "response_parameters": {status: dict(one) for status, one in responses.items() if one},
                "server_name_to_verify": _server_name(tls_config),
            }
            said = {name: value for name, value in given.items() if value is not None}
            return with_integration(api, msgspec.structs.replace(present, **said))

        return _render(find_integration(await self._authored.change(call, api_id, change), integration_id))

    @operation
    async def delete_integration(self, call: Call, *, api_id: str, integration_id: str) -> None:
        await self._authored.change(call, api_id, lambda api: without_integration(api, integration_id))


def _check_type(integration_type: str) -> None:
    if integration_type not in {"AWS_PROXY", "HTTP_PROXY"}:
        raise NotSupported(f"The integration type {integration_type}", "HTTP APIs have AWS_PROXY and HTTP_PROXY")


def _server_name(tls_config: TlsConfig | None) -> str | None:
    return None if tls_config is None else tls_config.server_name_to_verify


def _render(integration: HttpIntegration) -> dict[str, object]:
    name = integration.server_name_to_verify
    return {
        "integration_id": integration.id,
        "integration_type": integration.type,
        "integration_uri": integration.uri,
        "integration_method": integration.method,
        "payload_format_version": integration.payload_format_version,
        "connection_type": "INTERNET",
        "description": integration.description,
        "request_parameters": integration.request_parameters or None,
        "response_parameters": integration.response_parameters or None,
        "timeout_in_millis": integration.timeout_in_millis,
        "tls_config": None if name is None else {"server_name_to_verify": name},
        "api_gateway_managed": integration.api_gateway_managed or None,
    }
