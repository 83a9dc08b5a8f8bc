"""Resources: the paths of a REST API.

`embed=["methods"]` shows each resource's methods in full; without it only their verbs are listed, as on AWS.
"""

from collections.abc import Sequence

from velvetrope.apigateway.authored_apis import no_such_api
from velvetrope.apigateway.authoring import find_resource, moved_resource, with_resource, without_resource
from velvetrope.apigateway.errors import BadRequestException, NotFoundException
from velvetrope.apigateway.methods import render_method
from velvetrope.apigateway.pages import page_of
from velvetrope.apigateway.patches import PatchOperation, invalid_patch, pointer_parts, required_value
from velvetrope.clock import Entropy
from velvetrope.identifiers import new_alphanumeric
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.apigateway import ApiGatewayStore, Resource, RestApi

__all__ = ["ResourceOperations"]


class ResourceOperations:
    """CreateResource, GetResource(s), UpdateResource, DeleteResource."""

    def __init__(self, store: ApiGatewayStore, entropy: Entropy) -> None:
        self._store = store
        self._entropy = entropy

    @operation
    async def create_resource(self, call: Call, *, rest_api_id: str, parent_id: str, path_part: str) -> Answer:
        resource_id = new_alphanumeric(self._entropy, 6)
        changed = await self._store.change_rest_api(
            call.account_id,
            rest_api_id,
            lambda api: with_resource(api, parent_id=parent_id, path_part=path_part, resource_id=resource_id),
        )
        if changed is None:
            raise NotFoundException("Invalid Resource identifier specified")
        return _render(changed.resources[resource_id], embed_methods=False)

    @operation
    async def get_resource(
        self, call: Call, *, rest_api_id: str, resource_id: str, embed: Sequence[str] = ()
    ) -> Answer:
        api = await self._store.load_rest_api(call.account_id, rest_api_id)
        if api is None:
            raise NotFoundException("Invalid Resource identifier specified")
        return _render(find_resource(api, resource_id), embed_methods=_embeds_methods(embed))

    @operation
    async def get_resources(
        self,
        call: Call,
        *,
        rest_api_id: str,
        position: str | None = None,
        limit: int | None = None,
        embed: Sequence[str] = (),
    ) -> Answer:
        api = await self._store.load_rest_api(call.account_id, rest_api_id)
        if api is None:
            raise no_such_api(call, rest_api_id)
        resources = sorted(api.resources.values(), key=lambda resource: resource.path)
        items, following = page_of(resources, position, limit)
        embed_methods = _embeds_methods(embed)
        return {"items": [_render(item, embed_methods=embed_methods) for item in items], "position": following}

    @operation
    async def update_resource(
        self,
        call: Call,
        *,
        rest_api_id: str,
        resource_id: str,
        patch_operations: tuple[PatchOperation, ...] = (),
    ) -> Answer:
        def change(api: RestApi) -> RestApi:
            for patch in patch_operations:
                resource = find_resource(api, resource_id)
                parent_id, path_part = resource.parent_id or "", resource.path_part or ""
                match patch.op, pointer_parts(patch.path):
                    case "replace", ("pathPart",):
                        path_part = required_value(patch)
                    case "replace", ("parentId",):
                        parent_id = required_value(patch)
                    case _:
                        raise invalid_patch(patch, ("/pathPart", "/parentId"))
                api = moved_resource(api, resource_id, parent_id=parent_id, path_part=path_part)
            return api

        changed = await self._store.change_rest_api(call.account_id, rest_api_id, change)
        if changed is None:
            raise NotFoundException("Invalid Resource identifier specified")
        return _render(find_resource(changed, resource_id), embed_methods=False)

    @operation
    async def delete_resource(self, call: Call, *, rest_api_id: str, resource_id: str) -> None:
        changed = await self._store.change_rest_api(
            call.account_id, rest_api_id, lambda api: without_resource(api, resource_id)
        )
        if changed is None:
            raise NotFoundException("Invalid Resource identifier specified")


def _embeds_methods(embed: Sequence[str]) -> bool:
    for name in embed:
        if name != "methods":
            raise BadRequestException(f"Invalid embed parameter specified: {name}")
    return bool(embed)


def _render(resource: Resource, *, embed_methods: bool) -> dict[str, object]:
    methods: dict[str, object] = {
        verb: render_method(method) if embed_methods else {} for verb, method in resource.methods.items()
    }
    return {
        "id": resource.id,
        "parent_id": resource.parent_id,
        "path_part": resource.path_part,
        "path": resource.path,
        "resource_methods": methods or None,
    }
