"""Stages: names under which deployments are served.

Of a stage's method settings only throttling is done; logging, metrics and caching settings are refused by name.

Sources: API Gateway API reference, CreateStage, UpdateStage ("patch operations"); Developer Guide, "Set up a stage".
"""

import re
from collections.abc import Collection, Mapping

import msgspec

from velvetrope.apigateway.authored_apis import no_such_api
from velvetrope.apigateway.errors import BadRequestException, ConflictException, NotFoundException, NotSupported
from velvetrope.apigateway.patches import (
    PatchOperation,
    invalid_patch,
    patch_bool,
    patch_int,
    patch_number,
    pointer_parts,
    required_value,
)
from velvetrope.apigateway.rest_apis import check_unmapped
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.apigateway import ApiGatewayStore, MethodSettings, Stage

__all__ = ["StageOperations", "check_stage_name", "check_variables"]

_STAGE_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_VARIABLE_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")
_VARIABLE_VALUE = re.compile(r"[A-Za-z0-9._~:/?#&=,-]{0,512}")
_PATCHES = (
    "/deploymentId",
    "/description",
    "/tracingEnabled",
    "/variables/…",
    "/{resource}/{method}/throttling/rateLimit",
    "/{resource}/{method}/throttling/burstLimit",
)


class StageOperations:
    """CreateStage, GetStage(s), UpdateStage, DeleteStage."""

    def __init__(self, store: ApiGatewayStore) -> None:
        self._store = store

    @operation
    async def create_stage(
        self,
        call: Call,
        *,
        rest_api_id: str,
        stage_name: str,
        deployment_id: str,
        description: str | None = None,
        variables: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        cache_cluster_enabled: bool = False,
        tracing_enabled: bool = False,
    ) -> Answer:
        if cache_cluster_enabled or tracing_enabled:
            raise NotSupported("Caching or tracing of a stage")
        check_stage_name(stage_name)
        check_variables(variables or {})
        await self._check_api(call, rest_api_id)
        if await self._store.load_deployment(rest_api_id, deployment_id) is None:
            raise BadRequestException("Deployment id does not exist")
        stage = Stage(
            rest_api_id=rest_api_id,
            stage_name=stage_name,
            deployment_id=deployment_id,
            created_at=call.now,
            modified_at=call.now,
            description=description,
            variables=dict(variables or {}),
            tags=dict(tags or {}),
        )
        if not await self._store.save_new_stage(stage):
            raise ConflictException("Stage already exists")
        return _render(stage)

    @operation
    async def get_stage(self, call: Call, *, rest_api_id: str, stage_name: str) -> Answer:
        await self._check_api(call, rest_api_id)
        stage = await self._store.load_stage(rest_api_id, stage_name)
        if stage is None:
            raise NotFoundException("Invalid stage identifier specified")
        return _render(stage)

    @operation
    async def get_stages(self, call: Call, *, rest_api_id: str, deployment_id: str | None = None) -> Answer:
        await self._check_api(call, rest_api_id)
        stages = await self._store.load_stages(rest_api_id)
        return {"item": [_render(stage) for stage in stages if deployment_id in {None, stage.deployment_id}]}

    @operation
    async def update_stage(
        self, call: Call, *, rest_api_id: str, stage_name: str, patch_operations: tuple[PatchOperation, ...] = ()
    ) -> Answer:
        await self._check_api(call, rest_api_id)

        def change(stage: Stage, deployment_ids: Collection[str]) -> Stage:
            for patch in patch_operations:
                stage = _patched(stage, patch, deployment_ids)
            return msgspec.structs.replace(stage, modified_at=call.now)

        changed = await self._store.change_stage(rest_api_id, stage_name, change)
        if changed is None:
            raise NotFoundException("Invalid stage identifier specified")
        return _render(changed)

    @operation
    async def delete_stage(self, call: Call, *, rest_api_id: str, stage_name: str) -> None:
        await self._check_api(call, rest_api_id)
        if not await self._store.delete_stage(call.account_id, rest_api_id, stage_name, check_unmapped):
            raise NotFoundException("Invalid stage identifier specified")

    async def _check_api(self, call: Call, rest_api_id: str) -> None:
        if await self._store.load_rest_api(call.account_id, rest_api_id) is None:
            raise no_such_api(call, rest_api_id)


def check_stage_name(name: str) -> None:
    """Letters, digits, `-` and `_`, at most 128."""
    if not _STAGE_NAME.fullmatch(name):
        raise BadRequestException("Stage name only allows a-zA-Z0-9_- and at most 128 characters")


def check_variables(variables: Mapping[str, str]) -> None:
    """At most 100 stage variables, each with a name and a value that AWS would take."""
    if len(variables) > 100:
        raise BadRequestException("A stage has at most 100 stage variables")
    for name, value in variables.items():
        if not _VARIABLE_NAME.fullmatch(name) or not _VARIABLE_VALUE.fullmatch(value):
            raise BadRequestException(f"Stage variable name or value contains invalid characters: {name}")


def _patched(stage: Stage, patch: PatchOperation, deployment_ids: Collection[str]) -> Stage:
    replace = msgspec.structs.replace
    match patch.op, pointer_parts(patch.path):
        case "replace", ("deploymentId",):
            if required_value(patch) not in deployment_ids:
                raise BadRequestException("Deployment id does not exist")
            return replace(stage, deployment_id=required_value(patch))
        case "replace", ("description",):
            return replace(stage, description=patch.value or None)
        case "replace", ("tracingEnabled",):
            if patch_bool(patch):
                raise NotSupported("Tracing of a stage")
            return stage
        case (("add" | "replace"), ("variables", name)):
            variables = {**stage.variables, name: required_value(patch)}
            check_variables(variables)
            return replace(stage, variables=variables)
        case "remove", ("variables", name):
            return replace(stage, variables={k: v for k, v in stage.variables.items() if k != name})
        case (("add" | "replace"), (path, verb, "throttling", ("rateLimit" | "burstLimit") as limit)):
            key = f"{path}/{verb}"
            settings = stage.method_settings.get(key, MethodSettings())
            if limit == "rateLimit":
                settings = replace(settings, throttling_rate_limit=patch_number(patch))
            else:
                settings = replace(settings, throttling_burst_limit=patch_int(patch))
            return replace(stage, method_settings={**stage.method_settings, key: settings})
        case "remove", (path, verb):
            left = {k: v for k, v in stage.method_settings.items() if k != f"{path}/{verb}"}
            return replace(stage, method_settings=left)
        case _:
            raise invalid_patch(patch, _PATCHES)


def _render(stage: Stage) -> dict[str, object]:
    settings = {
        # AWS shows resource paths without their first slash, and the root as `~1`.
        key if key == "*/*" else key.removeprefix("/"): {
            "throttling_rate_limit": setting.throttling_rate_limit,
            "throttling_burst_limit": setting.throttling_burst_limit,
        }
        for key, setting in stage.method_settings.items()
    }
    return {
        "deployment_id": stage.deployment_id,
        "stage_name": stage.stage_name,
        "description": stage.description,
        "cache_cluster_enabled": False,
        "cache_cluster_status": "NOT_AVAILABLE",
        "method_settings": settings,
        "variables": stage.variables or None,
        "tracing_enabled": False,
        "tags": stage.tags or None,
        "created_date": stage.created_at,
        "last_updated_date": stage.modified_at,
    }
