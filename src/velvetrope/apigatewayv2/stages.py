"""Stages of HTTP APIs, `$default` among them.

In UpdateStage variables are merged, and one of empty text is taken out; route settings are merged by route, and
DeleteRouteSettings takes one out (both as Terraform's provider does it). Logging levels and data traces are for
WebSocket APIs; detailed metrics and client certificates are refused by name.

Source: API Gateway API reference (version 2), CreateStage, UpdateStage; Developer Guide, "Stages for HTTP APIs".
"""

import re
from collections.abc import Callable, Collection, Mapping

import msgspec

from velvetrope.apigatewayv2.api_mappings import check_unmapped
from velvetrope.apigatewayv2.authored import AuthoredApis
from velvetrope.apigatewayv2.errors import BadRequestException, ConflictException, NotFoundException, NotSupported
from velvetrope.apigatewayv2.pages import page_of
from velvetrope.apigatewayv2.tags import with_tags
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.apigatewayv2 import AccessLogSettings, HttpApi, HttpStage, RouteSettings

__all__ = ["AccessLogSettingsInput", "RouteSettingsInput", "StageOperations"]

_MAX_STAGES = 10  # API Gateway quotas: stages per API
_STAGE_NAME = re.compile(r"\$default|[A-Za-z0-9_-]{1,128}")
_VARIABLE_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")
_VARIABLE_VALUE = re.compile(r"[A-Za-z0-9._~:/?#&=,-]{0,512}")

_StageChange = Callable[[HttpStage, Collection[str]], HttpStage]


class RouteSettingsInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Requests per second and the burst, of one route or of all."""

    throttling_rate_limit: float | None = None
    throttling_burst_limit: int | None = None
    detailed_metrics_enabled: bool | None = None


class AccessLogSettingsInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Both members, or neither."""

    destination_arn: str | None = None
    format: str | None = None


class StageOperations:
    """CreateStage, GetStage(s), UpdateStage, DeleteStage, DeleteRouteSettings, DeleteAccessLogSettings."""

    def __init__(self, authored: AuthoredApis) -> None:
        self._authored = authored

    @operation
    async def create_stage(
        self,
        call: Call,
        *,
        api_id: str,
        stage_name: str,
        auto_deploy: bool = False,
        deployment_id: str | None = None,
        description: str | None = None,
        stage_variables: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        default_route_settings: RouteSettingsInput | None = None,
        route_settings: Mapping[str, RouteSettingsInput] | None = None,
        access_log_settings: AccessLogSettingsInput | None = None,
    ) -> Answer:
        api = await self._authored.load(call, api_id)
        if not _STAGE_NAME.fullmatch(stage_name):
            raise BadRequestException("Stage name only allows a-zA-Z0-9_- or $default, and at most 128 characters")
        if auto_deploy and deployment_id is not None:
            raise BadRequestException("A stage with autoDeploy set to true takes no deployment id")
        if deployment_id is not None and await self._authored.store.load_deployment(api_id, deployment_id) is None:
            raise BadRequestException("Deployment id does not exist")
        if len(await self._authored.store.load_stages(api_id)) >= _MAX_STAGES:
            raise BadRequestException(f"Maximum number of stages for this API has been reached: {_MAX_STAGES}")
        settings = {key: _settings(given) for key, given in (route_settings or {}).items()}
        _check_route_settings(settings, api)
        stage = HttpStage(
            api_id=api_id,
            stage_name=stage_name,
            created_at=call.now,
            modified_at=call.now,
            deployment_id=deployment_id,
            auto_deploy=auto_deploy,
            description=description,
            variables=_checked_variables(dict(stage_variables or {})),
            tags=with_tags({}, tags),
            default_route_settings=None if default_route_settings is None else _settings(default_route_settings),
            route_settings=settings,
            access_log=None if access_log_settings is None else _access_log(access_log_settings),
        )
        if not await self._authored.store.save_new_stage(call.account_id, stage, self._authored.freeze(call)):
            raise ConflictException(f"Stage {stage_name} already exists for this API")
        return _render(await self._load(call, api_id, stage_name))

    @operation
    async def get_stage(self, call: Call, *, api_id: str, stage_name: str) -> Answer:
        return _render(await self._load(call, api_id, stage_name))

    @operation
    async def get_stages(
        self, call: Call, *, api_id: str, max_results: str | None = None, next_token: str | None = None
    ) -> Answer:
        await self._authored.load(call, api_id)
        items, following = page_of(await self._authored.store.load_stages(api_id), next_token, max_results)
        return {"items": [_render(stage) for stage in items], "next_token": following}

    @operation
    async def update_stage(
        self,
        call: Call,
        *,
        api_id: str,
        stage_name: str,
        auto_deploy: bool | None = None,
        deployment_id: str | None = None,
        description: str | None = None,
        stage_variables: Mapping[str, str] | None = None,
        default_route_settings: RouteSettingsInput | None = None,
        route_settings: Mapping[str, RouteSettingsInput] | None = None,
        access_log_settings: AccessLogSettingsInput | None = None,
    ) -> Answer:
        api = await self._authored.load(call, api_id)

        def change(stage: HttpStage, deployment_ids: Collection[str]) -> HttpStage:
            follows = stage.auto_deploy if auto_deploy is None else auto_deploy
            if deployment_id is not None:
                if follows:
                    raise BadRequestException("A stage with autoDeploy set to true takes no deployment id")
                if deployment_id not in deployment_ids:
                    raise BadRequestException("Deployment id does not exist")
            variables = {**stage.variables, **(stage_variables or {})}
            settings = stage.route_settings | {key: _settings(one) for key, one in (route_settings or {}).items()}
            _check_route_settings(settings, api)
            given = {
                "deployment_id": deployment_id,
                "description": description,
                "default_route_settings": None if default_route_settings is None else _settings(default_route_settings),
                "access_log": None if access_log_settings is None else _access_log(access_log_settings),
            }
            return msgspec.structs.replace(
                stage,
                auto_deploy=follows,
                variables=_checked_variables({name: value for name, value in variables.items() if value}),
                route_settings=settings,
                modified_at=call.now,
                **{member: value for member, value in given.items() if value is not None},
            )

        return await self._changed(call, api_id, stage_name, change)

    @operation
    async def delete_stage(self, call: Call, *, api_id: str, stage_name: str) -> None:
        await self._authored.load(call, api_id)
        if not await self._authored.store.delete_stage(api_id, stage_name, check_unmapped):
            raise _no_such_stage()

    @operation
    async def delete_route_settings(self, call: Call, *, api_id: str, stage_name: str, route_key: str) -> None:
        def change(stage: HttpStage, _: Collection[str]) -> HttpStage:
            if route_key not in stage.route_settings:
                raise NotFoundException(f"Unable to find Route by key {route_key} within the provided RouteSettings")
            left = {key: one for key, one in stage.route_settings.items() if key != route_key}
            return msgspec.structs.replace(stage, route_settings=left, modified_at=call.now)

        await self._changed(call, api_id, stage_name, change)

    @operation
    async def delete_access_log_settings(self, call: Call, *, api_id: str, stage_name: str) -> None:
        def change(stage: HttpStage, _: Collection[str]) -> HttpStage:
            return msgspec.structs.replace(stage, access_log=None, modified_at=call.now)

        await self._changed(call, api_id, stage_name, change)

    async def _load(self, call: Call, api_id: str, stage_name: str) -> HttpStage:
        await self._authored.load(call, api_id)
        found = await self._authored.store.load_stage(api_id, stage_name)
        if found is None:
            raise _no_such_stage()
        return found

    async def _changed(self, call: Call, api_id: str, stage_name: str, change: _StageChange) -> dict[str, object]:
        await self._load(call, api_id, stage_name)
        changed = await self._authored.store.change_stage(
            call.account_id, api_id, stage_name, change, self._authored.freeze(call)
        )
        if changed is None:
            raise _no_such_stage()
        return _render(changed)


def _no_such_stage() -> NotFoundException:
    return NotFoundException("Invalid stage identifier specified")


def _settings(given: RouteSettingsInput) -> RouteSettings:
    if given.detailed_metrics_enabled:
        raise NotSupported("DetailedMetricsEnabled", "there is no CloudWatch here")
    rate, burst = given.throttling_rate_limit, given.throttling_burst_limit
    if (rate is not None and not 0 <= rate < float("inf")) or (burst is not None and burst < 0):
        raise BadRequestException("Throttling limits must not be negative")
    return RouteSettings(throttling_rate_limit=rate, throttling_burst_limit=burst)


def _check_route_settings(settings: Mapping[str, RouteSettings], api: HttpApi) -> None:
    keys = {route.route_key for route in api.routes.values()}
    for key in settings:
        if key not in keys:
            raise NotFoundException(f"Unable to find Route by key {key} within the provided RouteSettings")


def _checked_variables(variables: dict[str, str]) -> dict[str, str]:
    if len(variables) > 100:  # API Gateway quotas: stage variables per stage
        raise BadRequestException("A stage has at most 100 stage variables")
    for name, value in variables.items():
        if not _VARIABLE_NAME.fullmatch(name) or not _VARIABLE_VALUE.fullmatch(value):
            raise BadRequestException(f"Stage variable name or value contains invalid characters: {name}")
    return variables


def _access_log(given: AccessLogSettingsInput) -> AccessLogSettings:
    if not given.destination_arn or not given.format:
        raise BadRequestException("Access logs need both a destination ARN and a format")
    if "$context.requestId" not in given.format and "$context.extendedRequestId" not in given.format:
        raise BadRequestException("The access log format must contain $context.requestId")
    return AccessLogSettings(destination_arn=given.destination_arn, format=given.format)


def _render(stage: HttpStage) -> dict[str, object]:
    log = stage.access_log
    return {
        "stage_name": stage.stage_name,
        "auto_deploy": stage.auto_deploy,
        "created_date": stage.created_at,
        "last_updated_date": stage.modified_at,
        "deployment_id": stage.deployment_id,
        "description": stage.description,
        "stage_variables": stage.variables,
        "tags": stage.tags,
        "default_route_settings": _render_settings(stage.default_route_settings or RouteSettings()),
        "route_settings": {key: _render_settings(settings) for key, settings in stage.route_settings.items()},
        "access_log_settings": None if log is None else {"destination_arn": log.destination_arn, "format": log.format},
        "last_deployment_status_message": stage.last_deployment_message,
        "api_gateway_managed": stage.api_gateway_managed or None,
    }


def _render_settings(settings: RouteSettings) -> dict[str, object]:
    return {
        "detailed_metrics_enabled": False,
        "throttling_rate_limit": settings.throttling_rate_limit,
        "throttling_burst_limit": settings.throttling_burst_limit,
    }
