"""Routes of HTTP APIs.

What is left out of UpdateRoute stays as it was; an authorization type without an authorizer lets the authorizer and the
scopes go. API keys, models, route responses and selection expressions are for WebSocket APIs.

Source: API Gateway API reference (version 2), CreateRoute, UpdateRoute.
"""

import msgspec

from velvetrope.apigatewayv2.authored import AuthoredApis
from velvetrope.apigatewayv2.authoring import find_route, with_route, without_route
from velvetrope.apigatewayv2.errors import NotSupported
from velvetrope.apigatewayv2.pages import page_of
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.apigatewayv2 import HttpApi, HttpRoute

__all__ = ["RouteOperations"]


class RouteOperations:
    """CreateRoute, GetRoute(s), UpdateRoute, DeleteRoute."""

    def __init__(self, authored: AuthoredApis) -> None:
        self._authored = authored

    @operation
    async def create_route(
        self,
        call: Call,
        *,
        api_id: str,
        route_key: str,
        api_key_required: bool = False,
        authorization_type: str = "NONE",
        authorization_scopes: tuple[str, ...] = (),
        authorizer_id: str | None = None,
        operation_name: str | None = None,
        target: str | None = None,
    ) -> Answer:
        _check_no_key(required=api_key_required)
        route = HttpRoute(
            id=self._authored.new_id(),
            route_key=route_key,
            authorization_type=authorization_type,
            authorization_scopes=tuple(authorization_scopes),
            authorizer_id=authorizer_id,
            operation_name=operation_name,
            target=target,
        )
        await self._authored.change(call, api_id, lambda api: with_route(api, route))
        return _render(route)

    @operation
    async def get_route(self, call: Call, *, api_id: str, route_id: str) -> Answer:
        return _render(find_route(await self._authored.load(call, api_id), route_id))

    @operation
    async def get_routes(
        self, call: Call, *, api_id: str, max_results: str | None = None, next_token: str | None = None
    ) -> Answer:
        api = await self._authored.load(call, api_id)
        items, following = page_of(list(api.routes.values()), next_token, max_results)
        return {"items": [_render(route) for route in items], "next_token": following}

    @operation
    async def update_route(
        self,
        call: Call,
        *,
        api_id: str,
        route_id: str,
        route_key: str | None = None,
        api_key_required: bool = False,
        authorization_type: str | None = None,
        authorization_scopes: tuple[str, ...] | None = None,
        authorizer_id: str | None = None,
        operation_name: str | None = None,
        target: str | None = None,
    ) -> Answer:
        _check_no_key(required=api_key_required)
        given = {
            "route_key": route_key,
            "authorization_type": authorization_type,
            "authorization_scopes": authorization_scopes,
            "authorizer_id": authorizer_id,
            "operation_name": operation_name,
            "target": target,
        }

        def change(api: HttpApi) -> HttpApi:
            present = find_route(api, route_id)
            if authorization_type in {"NONE", "AWS_IAM"}:
                present = msgspec.structs.replace(present, authorizer_id=None, authorization_scopes=())
            elif authorization_type == "CUSTOM":
                present = msgspec.structs.replace(present, authorization_scopes=())
            said = {name: value for name, value in given.items() if value is not None}
            return with_route(api, msgspec.structs.replace(present, **said))

        return _render(find_route(await self._authored.change(call, api_id, change), route_id))

    @operation
    async def delete_route(self, call: Call, *, api_id: str, route_id: str) -> None:
        await self._authored.change(call, api_id, lambda api: without_route(api, route_id))


def _check_no_key(*, required: bool) -> None:
    if required:
        raise NotSupported("ApiKeyRequired", "API keys are for WebSocket APIs and REST APIs")


def _render(route: HttpRoute) -> dict[str, object]:
    return {
        "route_id": route.id,
        "route_key": route.route_key,
        "api_key_required": False,
        "authorization_type": route.authorization_type,
        "authorization_scopes": list(route.authorization_scopes) or None,
        "authorizer_id": route.authorizer_id,
        "operation_name": route.operation_name,
        "target": route.target,
        "api_gateway_managed": route.api_gateway_managed or None,
    }
