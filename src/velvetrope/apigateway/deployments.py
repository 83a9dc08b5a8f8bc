"""Deployments: the API as it is at this moment, for good.

What cannot be run is refused here, by name, and not met by a caller later: methods without an integration, mapping
templates in Velocity.
"""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from velvetrope.apigateway.authored_apis import no_such_api
from velvetrope.apigateway.authoring import check_deployable
from velvetrope.apigateway.errors import BadRequestException, NotFoundException
from velvetrope.apigateway.pages import page_of
from velvetrope.apigateway.patches import PatchOperation, invalid_patch, pointer_parts
from velvetrope.apigateway.stages import check_stage_count, check_stage_name, check_variables
from velvetrope.clock import Entropy
from velvetrope.identifiers import new_alphanumeric
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.apigateway import ApiGatewayStore, Deployment, RestApi, Stage

__all__ = ["DeploymentOperations"]


class DeploymentOperations:
    """CreateDeployment, GetDeployment(s), UpdateDeployment, DeleteDeployment."""

    def __init__(self, store: ApiGatewayStore, entropy: Entropy) -> None:
        self._store = store
        self._entropy = entropy

    @operation
    async def create_deployment(
        self,
        call: Call,
        *,
        rest_api_id: str,
        stage_name: str | None = None,
        stage_description: str | None = None,
        description: str | None = None,
        variables: Mapping[str, str] | None = None,
        cache_cluster_enabled: bool = False,
        tracing_enabled: bool = False,
    ) -> Answer:
        if cache_cluster_enabled or tracing_enabled:
            raise BadRequestException("Caching and tracing of stages are not supported by velvetrope")
        if stage_name:
            check_stage_name(stage_name)
            check_stage_count(await self._store.load_stages(rest_api_id), stage_name)
            check_variables(variables or {})
        deployment_id = new_alphanumeric(self._entropy, 6)

        def freeze(api: RestApi) -> Deployment:
            check_deployable(api)
            return Deployment(
                id=deployment_id,
                rest_api_id=rest_api_id,
                created_at=call.now,
                rest_api=api,
                description=description,
            )

        def stage(deployment: Deployment, present: Stage | None) -> Stage:
            made = present or Stage(
                rest_api_id=rest_api_id,
                stage_name=stage_name or "",
                deployment_id=deployment.id,
                created_at=call.now,
                modified_at=call.now,
            )
            return msgspec.structs.replace(
                made,
                deployment_id=deployment.id,
                modified_at=call.now,
                description=stage_description or made.description,
                variables=made.variables if variables is None else dict(variables),
            )

        deployment = await self._store.save_new_deployment(
            call.account_id, rest_api_id, freeze, stage if stage_name else None
        )
        if deployment is None:
            raise no_such_api(call, rest_api_id)
        return _render(deployment)

    @operation
    async def get_deployment(
        self, call: Call, *, rest_api_id: str, deployment_id: str, embed: Sequence[str] = ()
    ) -> Answer:
        await self._check_api(call, rest_api_id)
        deployment = await self._store.load_deployment(rest_api_id, deployment_id)
        if deployment is None:
            raise NotFoundException("Invalid Deployment identifier specified")
        return _render(deployment, with_summary=_embeds_summary(embed))

    @operation
    async def get_deployments(
        self, call: Call, *, rest_api_id: str, position: str | None = None, limit: int | None = None
    ) -> Answer:
        await self._check_api(call, rest_api_id)
        items, following = page_of(await self._store.load_deployments(rest_api_id), position, limit)
        return {"items": [_render(item) for item in items], "position": following}

    @operation
    async def update_deployment(
        self,
        call: Call,
        *,
        rest_api_id: str,
        deployment_id: str,
        patch_operations: tuple[PatchOperation, ...] = (),
    ) -> Answer:
        def change(deployment: Deployment) -> Deployment:
            for patch in patch_operations:
                if (patch.op, pointer_parts(patch.path)) != ("replace", ("description",)):
                    raise invalid_patch(patch, ("/description",))
                deployment = msgspec.structs.replace(deployment, description=patch.value or None)
            return deployment

        await self._check_api(call, rest_api_id)
        changed = await self._store.change_deployment(rest_api_id, deployment_id, change)
        if changed is None:
            raise NotFoundException("Invalid Deployment identifier specified")
        return _render(changed)

    @operation
    async def delete_deployment(self, call: Call, *, rest_api_id: str, deployment_id: str) -> None:
        await self._check_api(call, rest_api_id)
        if not await self._store.delete_deployment(rest_api_id, deployment_id, _check_unused):
            raise NotFoundException("Invalid Deployment identifier specified")

    async def _check_api(self, call: Call, rest_api_id: str) -> None:
        if await self._store.load_rest_api(call.account_id, rest_api_id) is None:
            raise no_such_api(call, rest_api_id)


def _check_unused(stage_names: Collection[str]) -> None:
    if stage_names:
        raise BadRequestException("Active stages pointing to this deployment must be moved or deleted")


def _embeds_summary(embed: Sequence[str]) -> bool:
    for name in embed:
        if name != "apisummary":
            raise BadRequestException(f"Invalid embed parameter specified: {name}")
    return bool(embed)


def _render(deployment: Deployment, *, with_summary: bool = False) -> dict[str, object]:
    summary = {
        resource.path: {
            verb: {"authorization_type": method.authorization_type, "api_key_required": method.api_key_required}
            for verb, method in resource.methods.items()
        }
        for resource in deployment.rest_api.resources.values()
        if resource.methods
    }
    return {
        "id": deployment.id,
        "description": deployment.description,
        "created_date": deployment.created_at,
        "api_summary": summary if with_summary else None,
    }
