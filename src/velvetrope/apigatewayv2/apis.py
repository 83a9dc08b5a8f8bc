"""HTTP APIs themselves, quick create included.

CreateApi with a `Target` makes an integration, a route (`$default` unless another is said) and a `$default` stage that
follows the API, all marked as managed; UpdateApi changes their target and route. A quick-created function integration
has payload format 2.0 (UNVERIFIED). As on AWS with everything but its console, nobody is allowed to invoke the function
by this: its resource policy says who may.

`ApiEndpoint` is an address at which the API can be called here. WebSocket APIs are refused by name.

Source: API Gateway API reference (version 2), CreateApi, UpdateApi; Developer Guide, "Configure CORS for HTTP APIs".
"""

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from velvetrope.apigatewayv2.api_mappings import check_unmapped
from velvetrope.apigatewayv2.authored import AuthoredApis
from velvetrope.apigatewayv2.authoring import function_arn_of, with_cors, with_integration, with_route
from velvetrope.apigatewayv2.errors import BadRequestException, NotFoundException, NotSupported
from velvetrope.apigatewayv2.openapi import api_of_document, parse_document, render_document
from velvetrope.apigatewayv2.pages import page_of
from velvetrope.apigatewayv2.tags import with_tags
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.apigatewayv2 import Cors, HttpApi, HttpIntegration, HttpRoute, HttpStage

__all__ = ["ApiOperations", "CorsConfiguration"]


class CorsConfiguration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What browsers on other origins may do."""

    allow_credentials: bool | None = None
    allow_headers: tuple[str, ...] | None = None
    allow_methods: tuple[str, ...] | None = None
    allow_origins: tuple[str, ...] | None = None
    expose_headers: tuple[str, ...] | None = None
    max_age: int | None = None


class ApiOperations:
    """CreateApi, GetApi(s), UpdateApi, DeleteApi, DeleteCorsConfiguration, ImportApi, ReimportApi, ExportApi."""

    def __init__(self, authored: AuthoredApis, endpoint_of: Callable[[str], str]) -> None:
        """`endpoint_of` gives the address of the API of an id."""
        self._authored = authored
        self._endpoint_of = endpoint_of

    @operation
    async def create_api(
        self,
        call: Call,
        *,
        name: str,
        protocol_type: str,
        description: str | None = None,
        version: str | None = None,
        cors_configuration: CorsConfiguration | None = None,
        disable_execute_api_endpoint: bool = False,
        ip_address_type: Literal["ipv4"] = "ipv4",  # noqa: ARG002  the only one there is here
        route_selection_expression: str | None = None,
        route_key: str | None = None,
        target: str | None = None,
        credentials_arn: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Answer:
        if protocol_type != "HTTP":
            raise NotSupported(f"The protocol type {protocol_type}")
        _check_name(name)
        _check_selection(route_selection_expression)
        _check_no_role(credentials_arn)
        if route_key is not None and target is None:
            raise BadRequestException("A route key needs a target")
        api = HttpApi(
            id=self._authored.new_id(10),
            account_id=call.account_id,
            name=name,
            created_at=call.now,
            description=description,
            version=version,
            disable_execute_api_endpoint=disable_execute_api_endpoint,
            tags=with_tags({}, tags),
        )
        api = with_cors(api, _cors(cors_configuration))
        stage = None
        if target is not None:
            api = self._quickly_created(api, target, route_key or "$default")
            stage = HttpStage(
                api_id=api.id,
                stage_name="$default",
                created_at=call.now,
                modified_at=call.now,
                auto_deploy=True,
                api_gateway_managed=True,
            )
        await self._authored.store.save_new_api(api, stage, self._authored.freeze(call))
        return self._render(api)

    @operation
    async def get_api(self, call: Call, *, api_id: str) -> Answer:
        return self._render(await self._authored.load(call, api_id))

    @operation
    async def get_apis(self, call: Call, *, max_results: str | None = None, next_token: str | None = None) -> Answer:
        apis = await self._authored.store.load_apis(call.account_id)
        items, following = page_of(apis, next_token, max_results)
        return {"items": [self._render(api) for api in items], "next_token": following}

    @operation
    async def update_api(
        self,
        call: Call,
        *,
        api_id: str,
        name: str | None = None,
        description: str | None = None,
        version: str | None = None,
        cors_configuration: CorsConfiguration | None = None,
        disable_execute_api_endpoint: bool | None = None,
        ip_address_type: Literal["ipv4"] = "ipv4",  # noqa: ARG002  the only one there is here
        route_selection_expression: str | None = None,
        route_key: str | None = None,
        target: str | None = None,
        credentials_arn: str | None = None,
    ) -> Answer:
        if name is not None:
            _check_name(name)
        _check_selection(route_selection_expression)
        _check_no_role(credentials_arn)
        given = {
            "name": name,
            "description": description,
            "version": version,
            "disable_execute_api_endpoint": disable_execute_api_endpoint,
        }

        def change(api: HttpApi) -> HttpApi:
            said = {member: value for member, value in given.items() if value is not None}
            changed = msgspec.structs.replace(api, **said)
            if cors_configuration is not None:
                changed = with_cors(changed, _cors(cors_configuration))
            return _with_managed(changed, route_key, target)

        return self._render(await self._authored.change(call, api_id, change))

    @operation
    async def delete_api(self, call: Call, *, api_id: str) -> None:
        if not await self._authored.store.delete_api(call.account_id, api_id, check_unmapped):
            await self._authored.load(call, api_id)

    @operation
    async def delete_cors_configuration(self, call: Call, *, api_id: str) -> None:
        await self._authored.change(call, api_id, lambda api: with_cors(api, None))

    @operation
    async def import_api(
        self,
        call: Call,
        *,
        body: str,
        basepath: str | None = None,
        fail_on_warnings: bool = False,  # noqa: ARG002  there are no warnings: what is not understood is refused
    ) -> Answer:
        blank = HttpApi(id=self._authored.new_id(10), account_id=call.account_id, name="", created_at=call.now)
        api = api_of_document(blank, parse_document(body, basepath), self._authored.new_id)
        if not api.name:
            raise BadRequestException("Title is required in the Info object of the API document")
        await self._authored.store.save_new_api(api, None, self._authored.freeze(call))
        return self._render(api)

    @operation
    async def reimport_api(
        self,
        call: Call,
        *,
        api_id: str,
        body: str,
        basepath: str | None = None,
        fail_on_warnings: bool = False,  # noqa: ARG002  see import_api
    ) -> Answer:
        document = parse_document(body, basepath)
        changed = await self._authored.change(
            call, api_id, lambda api: api_of_document(api, document, self._authored.new_id)
        )
        return self._render(changed)

    @operation
    async def export_api(
        self,
        call: Call,
        *,
        api_id: str,
        specification: Literal["OAS30"],  # noqa: ARG002  the only one there is
        output_type: Literal["JSON", "YAML"],
        export_version: Literal["1.0"] = "1.0",  # noqa: ARG002  the only one there is
        include_extensions: bool = True,
        stage_name: str | None = None,
    ) -> Answer:
        api = await self._authored.load(call, api_id)
        if stage_name is not None:
            stage = await self._authored.store.load_stage(api_id, stage_name)
            if stage is None or stage.deployment_id is None:
                raise NotFoundException("Invalid stage identifier specified")
            deployment = await self._authored.store.load_deployment(api_id, stage.deployment_id)
            if deployment is None:
                raise NotFoundException("Invalid Deployment identifier specified")
            api = deployment.api
        return {"body": render_document(api, extensions=include_extensions, as_yaml=output_type == "YAML")}

    def _quickly_created(self, api: HttpApi, target: str, route_key: str) -> HttpApi:
        integration_id, route_id = self._authored.new_id(), self._authored.new_id()
        is_function = function_arn_of(target) is not None
        integration = HttpIntegration(
            id=integration_id,
            type="AWS_PROXY" if is_function else "HTTP_PROXY",
            uri=target,
            method="POST" if is_function else "ANY",
            payload_format_version="2.0" if is_function else "1.0",
            api_gateway_managed=True,
        )
        route = HttpRoute(
            id=route_id, route_key=route_key, target=f"integrations/{integration_id}", api_gateway_managed=True
        )
        return with_route(with_integration(api, integration), route)

    def _render(self, api: HttpApi) -> dict[str, object]:
        cors = api.cors
        return {
            "api_id": api.id,
            "name": api.name,
            "protocol_type": "HTTP",
            "api_endpoint": self._endpoint_of(api.id),
            "api_key_selection_expression": "$request.header.x-api-key",
            "route_selection_expression": "$request.method $request.path",
            "created_date": api.created_at,
            "description": api.description,
            "version": api.version,
            "cors_configuration": None if cors is None else _rendered_cors(cors),
            "disable_execute_api_endpoint": api.disable_execute_api_endpoint,
            "ip_address_type": "ipv4",
            "tags": api.tags,
        }


def _cors(given: CorsConfiguration | None) -> Cors | None:
    return None if given is None else Cors(**msgspec.structs.asdict(given))


def _rendered_cors(cors: Cors) -> dict[str, object]:
    return {name: value for name, value in msgspec.structs.asdict(cors).items() if value is not None}


def _check_name(name: str) -> None:
    if not name.strip():
        raise BadRequestException("Name cannot be an empty string")


def _check_selection(expression: str | None) -> None:
    # HTTP APIs have this one and no other; it is written with and without braces.
    plain = (expression or "").replace("{", "").replace("}", "")
    if plain not in {"", "$request.method $request.path"}:
        raise BadRequestException("For HTTP APIs the route selection expression is $request.method $request.path")


def _check_no_role(credentials_arn: str | None) -> None:
    if credentials_arn:
        raise NotSupported("CredentialsArn of an API", "the function's resource policy says who may invoke it")


def _with_managed(api: HttpApi, route_key: str | None, target: str | None) -> HttpApi:
    """`api` with another target or route key of what quick create has made."""
    if target is not None:
        integration = next((one for one in api.integrations.values() if one.api_gateway_managed), None)
        if integration is None:
            raise BadRequestException("The API was not made by quick create, so it has no target")
        is_function = function_arn_of(target) is not None
        if is_function != (integration.type == "AWS_PROXY"):
            raise BadRequestException("The target must be of the same kind as the one before")
        api = with_integration(api, msgspec.structs.replace(integration, uri=target))
    if route_key is not None:
        route = next((one for one in api.routes.values() if one.api_gateway_managed), None)
        if route is None:
            raise BadRequestException("The API was not made by quick create, so it has no route key")
        api = with_route(api, msgspec.structs.replace(route, route_key=route_key))
    return api
