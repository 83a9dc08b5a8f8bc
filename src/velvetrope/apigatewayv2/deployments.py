"""Deployments of HTTP APIs.

Source: API Gateway API reference (version 2), CreateDeployment, DeleteDeployment.
"""

from collections.abc import Collection

import msgspec

from velvetrope.apigatewayv2.authored import AuthoredApis
from velvetrope.apigatewayv2.authoring import check_deployable
from velvetrope.apigatewayv2.errors import BadRequestException, ConflictException, NotFoundException
from velvetrope.apigatewayv2.pages import page_of
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.apigatewayv2 import HttpApi, HttpDeployment, HttpStage

__all__ = ["DeploymentOperations"]


class DeploymentOperations:
    """CreateDeployment, GetDeployment(s), UpdateDeployment, DeleteDeployment."""

    def __init__(self, authored: AuthoredApis) -> None:
        self._authored = authored

    @operation
    async def create_deployment(
        self, call: Call, *, api_id: str, description: str = "", stage_name: str | None = None
    ) -> Answer:
        api = await self._authored.load(call, api_id)
        frozen = self._authored.freeze(call, description=description)

        def freeze(present: HttpApi) -> HttpDeployment:
            check_deployable(present)
            return frozen(present)

        def point(stage: HttpStage | None, deployment: HttpDeployment) -> HttpStage:
            if stage is None:
                raise NotFoundException(f"Unable to find Stage by name {stage_name} within the provided Api")
            if stage.auto_deploy:
                raise BadRequestException("Deployments cannot be created on a stage with autoDeploy set to true")
            return msgspec.structs.replace(stage, deployment_id=deployment.id, modified_at=call.now)

        pointing = None if stage_name is None else (stage_name, point)
        deployment = await self._authored.store.save_new_deployment(api.account_id, api_id, freeze, pointing)
        if deployment is None:
            raise NotFoundException("Invalid API identifier specified")
        return _render(deployment)

    @operation
    async def get_deployment(self, call: Call, *, api_id: str, deployment_id: str) -> Answer:
        await self._authored.load(call, api_id)
        found = await self._authored.store.load_deployment(api_id, deployment_id)
        if found is None:
            raise _no_such_deployment()
        return _render(found)

    @operation
    async def get_deployments(
        self, call: Call, *, api_id: str, max_results: str | None = None, next_token: str | None = None
    ) -> Answer:
        await self._authored.load(call, api_id)
        items, following = page_of(await self._authored.store.load_deployments(api_id), next_token, max_results)
        return {"items": [_render(deployment) for deployment in items], "next_token": following}

    @operation
    async def update_deployment(self, call: Call, *, api_id: str, deployment_id: str, description: str = "") -> Answer:
        await self._authored.load(call, api_id)
        changed = await self._authored.store.change_deployment(api_id, deployment_id, description)
        if changed is None:
            raise _no_such_deployment()
        return _render(changed)

    @operation
    async def delete_deployment(self, call: Call, *, api_id: str, deployment_id: str) -> None:
        await self._authored.load(call, api_id)

        def check(stage_names: Collection[str]) -> None:
            if stage_names:
                raise ConflictException(
                    "Active stages pointing to this deployment must be moved or deleted: "
                    + ", ".join(sorted(stage_names))
                )

        if not await self._authored.store.delete_deployment(api_id, deployment_id, check):
            raise _no_such_deployment()


def _no_such_deployment() -> NotFoundException:
    return NotFoundException("Invalid Deployment identifier specified")


def _render(deployment: HttpDeployment) -> dict[str, object]:
    return {
        "deployment_id": deployment.id,
        "created_date": deployment.created_at,
        "deployment_status": "DEPLOYED",
        "description": deployment.description or None,
        "auto_deployed": deployment.auto_deployed,
    }
