"""Usage plans. Which keys are in them is `usage_plan_keys`.

A key may be in many plans, but for one stage of one API in a single plan only: otherwise it would not be clear which
limits hold. That is checked where a key enters a plan and where a stage does, in the transaction that writes.

A throttle of a single method names one that the stage serves, and a quota's offset is no more than its limit: what
would hold nothing, or everything, is refused (what AWS says to it is UNVERIFIED).

Sources: API Gateway API reference, CreateUsagePlan, UpdateUsagePlan, CreateUsagePlanKey; Developer Guide, "Usage plans
and API keys". Texts for double subscriptions are ours (AWS's are UNVERIFIED).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

import msgspec

from velvetrope.apigateway.errors import (
    BadRequestException,
    ConflictException,
    LimitExceededException,
    NotFoundException,
)
from velvetrope.apigateway.pages import page_of
from velvetrope.apigateway.patches import (
    PatchOperation,
    invalid_patch,
    patch_int,
    patch_number,
    pointer_parts,
    required_value,
)
from velvetrope.apigateway.tags import with_tags
from velvetrope.clock import Entropy
from velvetrope.identifiers import new_alphanumeric
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.apigateway import ApiGatewayStore, ApiStage, Quota, Throttle, UsagePlan

__all__ = [
    "ApiStageInput",
    "QuotaSettings",
    "ThrottleSettings",
    "UsagePlanOperations",
    "check_one_plan_per_stage",
    "no_such_plan",
]

_MAX_METHOD_THROTTLES = 20  # API Gateway quotas: of one stage in a plan; the text is UNVERIFIED
_PATCHES = (
    "/name",
    "/description",
    "/productCode",
    "/throttle",
    "/throttle/rateLimit",
    "/throttle/burstLimit",
    "/quota",
    "/quota/limit",
    "/quota/period",
    "/quota/offset",
    "/apiStages",
    "/apiStages/<apidId:stageName>/throttle",
    "/apiStages/<apidId:stageName>/throttle/<resourcePath>/<httpMethod>",
)


class ThrottleSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Requests per second, and the burst."""

    rate_limit: float | None = None
    burst_limit: int | None = None


class QuotaSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Requests per period."""

    limit: int = 0
    offset: int = 0
    period: Literal["DAY", "WEEK", "MONTH"] | None = None


class ApiStageInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One stage, with throttles for single methods keyed `/path/VERB`."""

    api_id: str = ""
    stage: str = ""
    throttle: dict[str, ThrottleSettings] = {}


class UsagePlanOperations:
    """CreateUsagePlan, GetUsagePlan(s), UpdateUsagePlan, DeleteUsagePlan."""

    def __init__(self, store: ApiGatewayStore, entropy: Entropy) -> None:
        self._store = store
        self._entropy = entropy

    @operation
    async def create_usage_plan(
        self,
        call: Call,
        *,
        name: str,
        description: str | None = None,
        api_stages: Sequence[ApiStageInput] = (),
        throttle: ThrottleSettings | None = None,
        quota: QuotaSettings | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Answer:
        _check_name(name)
        stages: tuple[ApiStage, ...] = ()
        for given in api_stages:
            limits = {key: _throttle(limit) for key, limit in given.throttle.items()}
            stages = await self._with_stage(
                call, name, stages, ApiStage(api_id=given.api_id, stage=given.stage, throttle=limits)
            )
        plan = UsagePlan(
            id=new_alphanumeric(self._entropy, 6),
            account_id=call.account_id,
            name=name,
            description=description,
            api_stages=stages,
            throttle=None if throttle is None else _throttle(throttle),
            quota=None if quota is None else _quota(call, quota),
            tags=with_tags({}, tags),
        )
        await self._store.save_new_usage_plan(plan)
        return _render(plan)

    @operation
    async def get_usage_plan(self, call: Call, *, usage_plan_id: str) -> Answer:
        plan = await self._store.load_usage_plan(call.account_id, usage_plan_id)
        if plan is None:
            raise no_such_plan()
        return _render(plan)

    @operation
    async def get_usage_plans(
        self, call: Call, *, position: str | None = None, key_id: str | None = None, limit: int | None = None
    ) -> Answer:
        plans = await self._store.load_usage_plans(call.account_id)
        if key_id is not None:
            of_key = await self._store.load_plan_ids_of_key(key_id)
            plans = [plan for plan in plans if plan.id in of_key]
        items, following = page_of(plans, position, limit)
        return {"items": [_render(plan) for plan in items], "position": following}

    @operation
    async def update_usage_plan(
        self, call: Call, *, usage_plan_id: str, patch_operations: tuple[PatchOperation, ...] = ()
    ) -> Answer:
        for patch in patch_operations:
            parts = pointer_parts(patch.path)
            if patch.op == "add" and parts == ("apiStages",):
                await self._check_stage_exists(call, usage_plan_id, _named_stage(patch))
            elif patch.op != "remove" and parts[:1] == ("apiStages",) and len(parts) == 6:
                api_id, _, stage_name = parts[1].partition(":")
                throttle = {f"{parts[3]}/{parts[4]}": Throttle()}
                await self._check_stage_exists(
                    call, usage_plan_id, ApiStage(api_id=api_id, stage=stage_name, throttle=throttle)
                )

        def change(plan: UsagePlan, beside: Collection[UsagePlan]) -> UsagePlan:
            for patch in patch_operations:
                plan = _patched(call, plan, patch)
            if plan.quota is not None:
                _check_offset(plan.quota)
            check_one_plan_per_stage(plan, beside)
            return plan

        changed = await self._store.change_usage_plan(call.account_id, usage_plan_id, change)
        if changed is None:
            raise no_such_plan()
        return _render(changed)

    @operation
    async def delete_usage_plan(self, call: Call, *, usage_plan_id: str) -> None:
        if not await self._store.delete_usage_plan(call.account_id, usage_plan_id, _check_no_stages):
            raise no_such_plan()

    async def _with_stage(
        self, call: Call, plan_name: str, stages: tuple[ApiStage, ...], stage: ApiStage
    ) -> tuple[ApiStage, ...]:
        await self._check_stage_exists(call, plan_name, stage)
        return _added(stages, stage)

    async def _check_stage_exists(self, call: Call, plan: str, stage: ApiStage) -> None:
        """That the stage of `stage` is there, and serves the methods that it has throttles for."""
        api = await self._store.load_rest_api(call.account_id, stage.api_id) if stage.api_id else None
        present = None if api is None else await self._store.load_stage(stage.api_id, stage.stage)
        if present is None:
            raise BadRequestException(
                f"Invalid API Stage {{api: {stage.api_id}, stage: {stage.stage}}} specified for usageplan {plan}"
            )
        if not stage.throttle:
            return
        deployment = await self._store.load_deployment(stage.api_id, present.deployment_id)
        resources = {} if deployment is None else {one.path: one for one in deployment.rest_api.resources.values()}
        for key in stage.throttle:
            path, _, verb = key.rpartition("/")
            if path not in resources or (verb != "*" and verb not in resources[path].methods):
                raise BadRequestException(f"Stage {stage.api_id}:{stage.stage} serves no method {key} to throttle")


def no_such_plan() -> NotFoundException:
    """AWS's 404 for a usage plan."""
    return NotFoundException("Invalid Usage Plan ID specified")


def check_one_plan_per_stage(plan: UsagePlan, beside: Collection[UsagePlan]) -> None:
    """No stage of `plan` is in one of the plans that a key of it is also in."""
    own = {(stage.api_id, stage.stage) for stage in plan.api_stages}
    for other in beside:
        for stage in other.api_stages:
            if (stage.api_id, stage.stage) in own:
                raise ConflictException(
                    f"A key of usage plan {plan.id} is subscribed to {stage.api_id}:{stage.stage} by usage plan "
                    f"{other.id} already; a key has one usage plan per stage"
                )


def _check_no_stages(plan: UsagePlan) -> None:
    if plan.api_stages:
        first = plan.api_stages[0]
        raise BadRequestException(
            f"Cannot delete Usage Plan {plan.id} because there are API Stages associated with it, "
            f"including {first.api_id}:{first.stage}"
        )


def _throttle(settings: ThrottleSettings) -> Throttle:
    throttle = Throttle(rate_limit=settings.rate_limit, burst_limit=settings.burst_limit)
    _check_throttle(throttle)
    return throttle


def _check_throttle(throttle: Throttle) -> None:
    # A rate without a burst (or the other way round) is half a bucket; the lane takes the account's limit for the other
    # half (UNVERIFIED on AWS).
    if (throttle.rate_limit is not None and throttle.rate_limit < 0) or (
        throttle.burst_limit is not None and throttle.burst_limit < 0
    ):
        raise BadRequestException("Usage Plan throttle limits must not be negative")


def _check_method_throttles(throttle: Mapping[str, Throttle]) -> None:
    if len(throttle) > _MAX_METHOD_THROTTLES:
        raise LimitExceededException(
            f"Maximum number of method throttles for the stage has been reached: {_MAX_METHOD_THROTTLES}"
        )


def _quota(call: Call, settings: QuotaSettings) -> Quota:
    if settings.period is None:
        raise BadRequestException("Usage Plan quota period must be one of DAY, WEEK, MONTH")
    quota = Quota(limit=settings.limit, offset=settings.offset, period=settings.period, first_day=call.now.date())
    _check_quota(quota)
    _check_offset(quota)
    return quota


def _check_quota(quota: Quota) -> None:
    if quota.period not in {"DAY", "WEEK", "MONTH"}:
        raise BadRequestException("Usage Plan quota period must be one of DAY, WEEK, MONTH")
    if quota.limit < 0 or quota.offset < 0:
        raise BadRequestException("Usage Plan quota limit and offset must not be negative")


def _check_offset(quota: Quota) -> None:
    if quota.offset > quota.limit:
        raise BadRequestException("Usage Plan quota offset must not be greater than its limit")


def _added(stages: tuple[ApiStage, ...], stage: ApiStage) -> tuple[ApiStage, ...]:
    _check_method_throttles(stage.throttle)
    if any((one.api_id, one.stage) == (stage.api_id, stage.stage) for one in stages):
        raise ConflictException(f"The usage plan has the API stage {stage.api_id}:{stage.stage} already")
    return (*stages, stage)


def _named_stage(patch: PatchOperation) -> ApiStage:
    api_id, separator, stage = required_value(patch).partition(":")
    if not separator:
        raise BadRequestException("Invalid API Stage specified")
    return ApiStage(api_id=api_id, stage=stage)


def _check_name(name: str) -> None:
    if not name.strip():
        raise BadRequestException("Usage plan name cannot be an empty string")


def _patched(call: Call, plan: UsagePlan, patch: PatchOperation) -> UsagePlan:
    replace = msgspec.structs.replace
    match patch.op, pointer_parts(patch.path):
        case "replace", ("name",):
            name = required_value(patch)
            _check_name(name)
            return replace(plan, name=name)
        case "replace", ("description",):
            return replace(plan, description=patch.value or None)
        case (("add" | "replace"), ("productCode",)):
            return replace(plan, product_code=patch.value or None)
        case "remove", ("productCode",):
            return replace(plan, product_code=None)
        case "remove", ("throttle",):
            return replace(plan, throttle=None)
        case (("add" | "replace"), ("throttle", ("rateLimit" | "burstLimit") as limit)):
            return replace(plan, throttle=_with_limit(plan.throttle or Throttle(), limit, patch))
        case "remove", ("quota",):
            return replace(plan, quota=None)
        case (("add" | "replace"), ("quota", ("limit" | "offset" | "period") as member)):
            return replace(plan, quota=_with_quota(call, plan.quota, member, patch))
        case "add", ("apiStages",):
            return replace(plan, api_stages=_added(plan.api_stages, _named_stage(patch)))
        case "remove", ("apiStages",):
            gone = _named_stage(patch)
            left = tuple(one for one in plan.api_stages if (one.api_id, one.stage) != (gone.api_id, gone.stage))
            if len(left) == len(plan.api_stages):
                raise NotFoundException("Invalid API Stage specified")
            return replace(plan, api_stages=left)
        case (("add" | "replace"), ("apiStages", named, "throttle", path, verb, ("rateLimit" | "burstLimit") as limit)):
            key = f"{path}/{verb}"
            return _with_stage_throttle(
                plan, named, lambda have: {**have, key: _with_limit(have.get(key, Throttle()), limit, patch)}
            )
        case "remove", ("apiStages", named, "throttle", path, verb):
            return _with_stage_throttle(
                plan, named, lambda have: {k: v for k, v in have.items() if k != f"{path}/{verb}"}
            )
        case "remove", ("apiStages", named, "throttle"):
            return _with_stage_throttle(plan, named, lambda _: {})
        case _:
            raise invalid_patch(patch, _PATCHES)


def _with_limit(throttle: Throttle, limit: str, patch: PatchOperation) -> Throttle:
    if limit == "rateLimit":
        changed = msgspec.structs.replace(throttle, rate_limit=patch_number(patch))
    else:
        changed = msgspec.structs.replace(throttle, burst_limit=patch_int(patch))
    _check_throttle(changed)
    return changed


def _with_quota(call: Call, quota: Quota | None, member: str, patch: PatchOperation) -> Quota:
    present = quota or Quota(limit=0, period="DAY", first_day=call.now.date())
    if member == "period":
        changed = msgspec.structs.replace(present, period=required_value(patch))
    elif member == "limit":
        changed = msgspec.structs.replace(present, limit=patch_int(patch))
    else:
        changed = msgspec.structs.replace(present, offset=patch_int(patch))
    _check_quota(changed)
    return changed


def _with_stage_throttle(
    plan: UsagePlan, named: str, change: Callable[[dict[str, Throttle]], dict[str, Throttle]]
) -> UsagePlan:
    api_id, _, stage_name = named.partition(":")
    if not any((one.api_id, one.stage) == (api_id, stage_name) for one in plan.api_stages):
        raise BadRequestException("Invalid API Stage specified")
    for one in plan.api_stages:
        if (one.api_id, one.stage) == (api_id, stage_name):
            _check_method_throttles(change(one.throttle))
    return msgspec.structs.replace(
        plan,
        api_stages=tuple(
            msgspec.structs.replace(one, throttle=change(one.throttle))
            if (one.api_id, one.stage) == (api_id, stage_name)
            else one
            for one in plan.api_stages
        ),
    )


def _render(plan: UsagePlan) -> dict[str, object]:
    return {
        "id": plan.id,
        "name": plan.name,
        "description": plan.description,
        "api_stages": [
            {
                "api_id": stage.api_id,
                "stage": stage.stage,
                "throttle": {key: _render_throttle(limit) for key, limit in stage.throttle.items()} or None,
            }
            for stage in plan.api_stages
        ],
        "throttle": None if plan.throttle is None else _render_throttle(plan.throttle),
        "quota": None
        if plan.quota is None
        else {"limit": plan.quota.limit, "offset": plan.quota.offset, "period": plan.quota.period},
        "product_code": plan.product_code,
        "tags": plan.tags or None,
    }


def _render_throttle(throttle: Throttle) -> dict[str, object]:
    return {"burst_limit": throttle.burst_limit, "rate_limit": throttle.rate_limit}
