"""Stages: names under which deployments are served.

Of a stage's method settings, throttling and logging are done; caching and metrics are refused by name, and so are
canary releases, tracing, and access logs to Firehose. The account's CloudWatch role is not asked for before logging is
switched on, as AWS would: our logs need no role.

Sources: API Gateway API reference, CreateStage, UpdateStage ("patch operations"); Developer Guide, "Set up a stage".
"""

import re
from collections.abc import Collection, Mapping

import msgspec

from velvetrope.apigateway.authored_apis import no_such_api
from velvetrope.apigateway.errors import (
    BadRequestException,
    ConflictException,
    LimitExceededException,
    NotFoundException,
    NotSupported,
)
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
from velvetrope.apigateway.tags import with_tags
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.apigateway import AccessLogSettings, ApiGatewayStore, MethodSettings, Stage

__all__ = ["StageOperations", "check_stage_count", "check_stage_name", "check_variables"]

_MAX_STAGES = 10  # API Gateway quotas: stages per API
_STAGE_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_VARIABLE_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")
_VARIABLE_VALUE = re.compile(r"[A-Za-z0-9._~:/?#&=,-]{0,512}")
_PATCHES = (
    "/deploymentId",
    "/description",
    "/tracingEnabled",
    "/variables/…",
    "/accessLogSettings",
    "/accessLogSettings/destinationArn",
    "/accessLogSettings/format",
    "/{resourcePath}/{httpMethod}/logging/dataTrace",
    "/{resourcePath}/{httpMethod}/logging/loglevel",
    "/{resourcePath}/{httpMethod}/throttling/burstLimit",
    "/{resourcePath}/{httpMethod}/throttling/rateLimit",
    "/*/*/logging/dataTrace",
    "/*/*/logging/loglevel",
    "/*/*/throttling/burstLimit",
    "/*/*/throttling/rateLimit",
)
_LOG_GROUP = re.compile(r"arn:aws[a-z-]*:logs:[a-z0-9-]+:\d{12}:log-group:[A-Za-z0-9_/.#-]{1,512}(:\*)?")
_LOG_LEVELS = {"OFF", "ERROR", "INFO"}
_MAX_LOG_FORMAT_BYTES = 3 * 1024  # API Gateway quotas: access log template size


class StageOperations:
    """CreateStage, GetStage(s), UpdateStage, DeleteStage, FlushStageAuthorizersCache."""

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
        check_stage_count(await self._store.load_stages(rest_api_id), stage_name)
        stage = Stage(
            rest_api_id=rest_api_id,
            stage_name=stage_name,
            deployment_id=deployment_id,
            created_at=call.now,
            modified_at=call.now,
            description=description,
            variables=dict(variables or {}),
            tags=with_tags({}, tags),
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
            if stage.access_log_settings is not None:
                _check_access_log(stage.access_log_settings)
            return msgspec.structs.replace(stage, modified_at=call.now)

        changed = await self._store.change_stage(rest_api_id, stage_name, change)
        if changed is None:
            raise NotFoundException("Invalid stage identifier specified")
        return _render(changed)

    @operation
    async def flush_stage_authorizers_cache(self, call: Call, *, rest_api_id: str, stage_name: str) -> None:
        def change(stage: Stage, _: Collection[str]) -> Stage:
            return msgspec.structs.replace(stage, authorizers_flushed=stage.authorizers_flushed + 1)

        await self._check_api(call, rest_api_id)
        if await self._store.change_stage(rest_api_id, stage_name, change) is None:
            raise NotFoundException("Invalid stage identifier specified")

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


def check_stage_count(present: Collection[Stage], name: str) -> None:
    """There is room for a stage of that name, or it is there already. The text is UNVERIFIED."""
    if len(present) >= _MAX_STAGES and all(stage.stage_name != name for stage in present):
        raise LimitExceededException(f"Maximum number of stages for the REST API has been reached: {_MAX_STAGES}")


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
        case (("add" | "replace"), ("accessLogSettings", ("destinationArn" | "format") as member)):
            present = stage.access_log_settings or AccessLogSettings(destination_arn="", format="")
            value = required_value(patch)
            if member == "format":
                return replace(stage, access_log_settings=replace(present, format=value))
            return replace(stage, access_log_settings=replace(present, destination_arn=value))
        case "remove", ("accessLogSettings",):
            return replace(stage, access_log_settings=None)
        case _, ("canarySettings", *_):
            raise NotSupported("A canary release of a stage")
        case _, (("cacheClusterEnabled" | "cacheClusterSize"),):
            if patch.op == "replace" and patch.path == "/cacheClusterEnabled" and not patch_bool(patch):
                return stage
            raise NotSupported("Caching of a stage")
        case _, (("clientCertificateId" | "documentationVersion" | "webAclArn") as member,):
            raise NotSupported(f"The {member} of a stage")
        case (("add" | "replace"), (path, verb, group, member)):
            key = f"{path}/{verb}"
            settings = _with_setting(stage.method_settings.get(key, MethodSettings()), group, member, patch)
            return replace(stage, method_settings={**stage.method_settings, key: settings})
        case "remove", (path, verb):
            key = f"{path}/{verb}"
            if key not in stage.method_settings:
                raise BadRequestException(
                    f"Cannot remove method setting {key} because there is no method setting for this method "
                )
            return replace(stage, method_settings={k: v for k, v in stage.method_settings.items() if k != key})
        case _:
            raise invalid_patch(patch, _PATCHES)


def _with_setting(settings: MethodSettings, group: str, member: str, patch: PatchOperation) -> MethodSettings:
    replace = msgspec.structs.replace
    match group, member:
        case "throttling", "rateLimit":
            return replace(settings, throttling_rate_limit=patch_number(patch))
        case "throttling", "burstLimit":
            return replace(settings, throttling_burst_limit=patch_int(patch))
        case "logging", "loglevel":
            if patch.value not in _LOG_LEVELS:
                raise BadRequestException(
                    f"Invalid log level specified: {patch.value}. Must be one of: OFF, ERROR, INFO"
                )
            return replace(settings, logging_level=patch.value)
        case "logging", "dataTrace":
            return replace(settings, data_trace_enabled=patch_bool(patch))
        case ("metrics", "enabled") | ("caching", "enabled"):
            if patch_bool(patch):
                raise NotSupported(f"The method setting {group}/enabled")
            return settings
        case "caching", _:
            raise NotSupported(f"The method setting caching/{member}")
        case _:
            raise invalid_patch(patch, _PATCHES)


def _check_access_log(settings: AccessLogSettings) -> None:
    # Both members come by patches of their own; texts are UNVERIFIED.
    if settings.destination_arn.partition(":firehose:")[1]:
        raise NotSupported("An access log to Firehose")
    if not _LOG_GROUP.fullmatch(settings.destination_arn):
        raise BadRequestException(f"Invalid ARN specified for the access log destination: {settings.destination_arn}")
    if len(settings.format.encode()) > _MAX_LOG_FORMAT_BYTES:
        raise BadRequestException("The access log format is larger than 3 KB")
    if "$context.requestId" not in settings.format and "$context.extendedRequestId" not in settings.format:
        raise BadRequestException("The access log format must contain $context.requestId or $context.extendedRequestId")
    if "\n" in settings.format or "\r" in settings.format:
        raise BadRequestException("The access log format must be one line")


def _render_settings(settings: MethodSettings) -> dict[str, object]:
    rate, burst = settings.throttling_rate_limit, settings.throttling_burst_limit
    return {
        "metrics_enabled": False,
        "logging_level": settings.logging_level or "OFF",
        "data_trace_enabled": bool(settings.data_trace_enabled),
        "throttling_rate_limit": -1.0 if rate is None else rate,
        "throttling_burst_limit": -1 if burst is None else burst,
        "caching_enabled": False,
    }


def _render(stage: Stage) -> dict[str, object]:
    settings = {
        # AWS shows resource paths without their first slash, and the root as `~1`.
        key if key == "*/*" else key.removeprefix("/"): _render_settings(setting)
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
        "access_log_settings": None
        if stage.access_log_settings is None
        else {
            "destination_arn": stage.access_log_settings.destination_arn,
            "format": stage.access_log_settings.format,
        },
        "tracing_enabled": False,
        "tags": stage.tags or None,
        "created_date": stage.created_at,
        "last_updated_date": stage.modified_at,
    }
