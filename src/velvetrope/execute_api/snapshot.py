"""What is served, compiled: stages with their route trees, the key table, and the plans.

A deployment never changes, so a `CompiledStage` is made once for each (deployment, stage as configured) and kept over
reloads. A `Snapshot` is all stages and keys as of one commit; requests read it and nothing else. Whatever this version
does not understand (an authorization type, an integration) is compiled into a refusal, never left out.

API keys stand in the table by the keyed hash of their value; the values themselves are not opened.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from velvetrope.events import parse_mock_status, parse_quoted_literal
from velvetrope.execute_api.gateway_responses import GatewayResponses
from velvetrope.execute_api.meters import LeasedQuota, Meter, Meters
from velvetrope.metering import BucketLimits
from velvetrope.policy import Policy, read_policy
from velvetrope.routes import RouteTree
from velvetrope.store.tables.apigateway import (
    Deployment,
    GatewayState,
    Integration,
    IntegrationResponse,
    Method,
    Resource,
    Stage,
    Throttle,
    UsagePlan,
)

__all__ = [
    "ApiKeyInPlan",
    "Authorization",
    "CompiledKey",
    "CompiledMethod",
    "CompiledStage",
    "FixedRoute",
    "FunctionIntegration",
    "MockAnswer",
    "MockIntegration",
    "Snapshot",
    "Step",
    "compile_snapshot",
    "compile_stage",
]

_FUNCTION = re.compile(r".*:lambda:path/2015-03-31/functions/(?P<arn>[^/]+)/invocations")
_STAGE_VARIABLE = re.compile(r"\$\{stageVariables\.([A-Za-z0-9_]+)\}")

Authorization = Literal["NONE", "AWS_IAM", "CUSTOM", "COGNITO_USER_POOLS", "unknown"]
"""How a method learns who calls. An unknown one lets nobody in."""

Step = tuple[str, Literal["allowed", "refused", "skipped"], str]
"""(name, outcome, reason) of one step, for the decision record."""

_ACCOUNT_RATE = 10_000.0
_ACCOUNT_BURST = 5_000
"""An account's own limits, which hold where a plan sets only a rate or only a burst. Source: API Gateway quotas."""


@dataclass(frozen=True)
class MockAnswer:
    """One fixed answer. `bodies` are by content type; the first is the default."""

    status: int
    pattern: re.Pattern[str] | None
    headers: tuple[tuple[bytes, bytes], ...]
    bodies: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class MockIntegration:
    """A MOCK: which status a request's content type leads to, and the answers to statuses."""

    statuses: Mapping[str, str | None]
    """By content type in lower case. None: that template yields no status, which is a configuration error."""
    passthrough: str
    answers: tuple[MockAnswer, ...]

    def answer_to(self, status: str) -> MockAnswer | None:
        """The answer whose pattern takes `status`, else the one without a pattern."""
        default = None
        for answer in self.answers:
            if answer.pattern is None:
                default = default or answer
            elif answer.pattern.fullmatch(status):
                return answer
        return default


@dataclass(frozen=True)
class FunctionIntegration:
    """A function behind a method. `function_arn` is None if a stage variable in it has no value."""

    function_arn: str | None
    source_arn: str
    timeout_seconds: float


@dataclass(frozen=True)
class CompiledMethod:
    """A method as it is served. Compared by identity: it is a key of the plans' tables."""

    resource_id: str
    resource_path: str
    declared_method: str
    operation_name: str | None
    authorization: Authorization
    authorization_type: str
    api_key_required: bool
    integration: MockIntegration | FunctionIntegration | None
    meter: Meter | None
    """The stage's own throttle of this method, for callers without a plan."""
    matched: Step
    """How a record tells that a request meant this method."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


@dataclass(frozen=True, eq=False)
class CompiledStage:
    """A deployed stage."""

    api_id: str
    name: str
    account_id: str
    deployment_id: str
    arn_prefix: str
    """`arn:aws:execute-api:{region}:{account}:{apiId}/{stage}/`"""
    tree: RouteTree[CompiledMethod]
    resource_policy: Policy | None
    gateway_responses: GatewayResponses
    variables: Mapping[str, str]
    binary_media_types: tuple[str, ...]
    endpoint_type: str


@dataclass(eq=False)
class ApiKeyInPlan:
    """A key in the one plan that it has for one stage, with the meters of that plan's methods as they are needed."""

    key_id: str
    plan: UsagePlan
    stage_key: tuple[str, str]
    throttles: Mapping[str, Throttle]
    quota: LeasedQuota
    admitted: Step
    meters: dict[CompiledMethod, Meter] = field(default_factory=dict)

    def meter_of(self, method: CompiledMethod, meters: Meters) -> Meter:
        """What a request to `method` with this key is counted against."""
        found = self.meters.get(method)
        if found is not None:
            return found
        buckets = []
        limits = _limits(self.plan.throttle)
        if limits is not None:
            buckets.append(meters.bucket(f"plan/{self.plan.id}/{self.key_id}", limits))
        for verb in (method.declared_method, "*"):
            of_method = _limits(self.throttles.get(f"{method.resource_path}/{verb}"))
            if of_method is not None:
                name = f"plan/{self.plan.id}/{self.key_id}/{'/'.join(self.stage_key)}{method.resource_path}/{verb}"
                buckets.append(meters.bucket(name, of_method))
                break
        if method.meter is not None:
            buckets += method.meter.buckets
        found = self.meters[method] = Meter(tuple(buckets), self.quota)
        return found


@dataclass(frozen=True)
class FixedRoute:
    """All that a path and a method mean when the route has no variables."""

    stage: CompiledStage
    method: CompiledMethod
    path: str
    method_arn: str


@dataclass(frozen=True)
class CompiledKey:
    """A key by its value: whether it is enabled, and its plan for each (API id, stage name)."""

    key_id: str
    enabled: bool
    plans: Mapping[tuple[str, str], ApiKeyInPlan]


@dataclass(frozen=True)
class Snapshot:
    """All that requests are served from."""

    stages: Mapping[tuple[str, str], CompiledStage]
    api_ids: frozenset[str]
    keys: Mapping[str, CompiledKey]
    """By value hash."""
    key_hash_ids: tuple[bytes, ...]
    """The master keys under which values are hashed: one, but for the time after a rotation."""

    presented: dict[bytes, CompiledKey] = field(default_factory=dict, repr=False)
    """Values that callers have sent and that were found, so that a busy key is not hashed for every request."""
    routes: dict[tuple[str, bytes, str], "FixedRoute"] = field(default_factory=dict, repr=False)
    """By API id, path with stage and method: calls that matched a route without variables. No more than there are."""

    def quotas_in_use(self) -> Iterable[LeasedQuota]:
        """Every quota that a request could be counted against."""
        return (in_plan.quota for key in self.keys.values() for in_plan in key.plans.values())


def compile_snapshot(state: GatewayState, stages: Mapping[tuple[str, str], CompiledStage], meters: Meters) -> Snapshot:
    """The snapshot of `state`, with its stages compiled already."""
    plans = {plan.id: plan for plan in state.usage_plans}
    plans_of_key: dict[str, list[UsagePlan]] = {}
    for pair in state.usage_plan_keys:
        if pair.usage_plan_id in plans:
            plans_of_key.setdefault(pair.key_id, []).append(plans[pair.usage_plan_id])
    keys = {
        key.value_hash: CompiledKey(key.id, key.enabled, _plans_by_stage(key.id, plans_of_key.get(key.id, ()), meters))
        for key in state.api_keys
    }
    return Snapshot(
        stages=stages,
        api_ids=frozenset(api_id for api_id, _ in stages),
        keys=keys,
        key_hash_ids=tuple({bytes.fromhex(value_hash.partition(".")[0]): None for value_hash in keys}),
    )


def _plans_by_stage(key_id: str, plans: Iterable[UsagePlan], meters: Meters) -> dict[tuple[str, str], ApiKeyInPlan]:
    found: dict[tuple[str, str], ApiKeyInPlan] = {}
    for plan in plans:
        for stage in plan.api_stages:
            stage_key = (stage.api_id, stage.stage)
            found[stage_key] = ApiKeyInPlan(
                key_id=key_id,
                plan=plan,
                stage_key=stage_key,
                throttles=stage.throttle,
                quota=meters.quota(plan.id, key_id, plan.quota),
                admitted=(
                    "usage plan",
                    "allowed",
                    f"API key {key_id} is in usage plan {plan.id} ({plan.name}), within its limits",
                ),
            )
    return found


def compile_stage(deployment: Deployment, stage: Stage, *, region: str, meters: Meters) -> CompiledStage:
    """One stage, ready to be served."""
    api = deployment.rest_api
    arn_prefix = f"arn:aws:execute-api:{region}:{api.account_id}:{api.id}/{stage.stage_name}/"
    source = f"the resource policy of API {api.id}"
    return CompiledStage(
        api_id=api.id,
        name=stage.stage_name,
        account_id=api.account_id,
        deployment_id=deployment.id,
        arn_prefix=arn_prefix,
        tree=RouteTree(
            (resource.path, method.http_method, _compile_method(resource, method, stage, arn_prefix, meters))
            for resource in api.resources.values()
            for method in resource.methods.values()
        ),
        resource_policy=None if api.policy is None else read_policy(api.policy, kind="resource", source=source),
        gateway_responses=GatewayResponses(api.gateway_responses),
        variables=stage.variables,
        binary_media_types=api.binary_media_types,
        endpoint_type=api.endpoint_type,
    )


def _compile_method(
    resource: Resource, method: Method, stage: Stage, arn_prefix: str, meters: Meters
) -> CompiledMethod:
    authorization: Authorization = "unknown"
    if method.authorization_type == "NONE":
        authorization = "NONE"
    elif method.authorization_type == "AWS_IAM":
        authorization = "AWS_IAM"
    limits = _stage_limits(stage, resource.path, method.http_method)
    name = f"stage/{stage.rest_api_id}/{stage.stage_name}{resource.path}/{method.http_method}"
    return CompiledMethod(
        resource_id=resource.id,
        resource_path=resource.path,
        declared_method=method.http_method,
        operation_name=method.operation_name,
        authorization=authorization,
        authorization_type=method.authorization_type,
        api_key_required=method.api_key_required,
        integration=_compile_integration(resource, method, stage, arn_prefix),
        meter=None if limits is None else Meter((meters.bucket(name, limits),), None),
        matched=(
            "route",
            "allowed",
            f"{method.http_method} {resource.path} of API {stage.rest_api_id}, stage {stage.stage_name}",
        ),
    )


def _compile_integration(
    resource: Resource, method: Method, stage: Stage, arn_prefix: str
) -> MockIntegration | FunctionIntegration | None:
    integration = method.integration
    if integration is None:
        return None
    if integration.type == "MOCK":
        return _compile_mock(integration)
    found = _FUNCTION.fullmatch(integration.uri or "") if integration.type == "AWS_PROXY" else None
    if found is None:
        return None
    function_arn: str | None = found["arn"]
    names = _STAGE_VARIABLE.findall(found["arn"])
    if all(name in stage.variables for name in names):
        function_arn = _STAGE_VARIABLE.sub(lambda reference: stage.variables[reference.group(1)], found["arn"])
    else:
        function_arn = None
    return FunctionIntegration(
        function_arn=function_arn,
        # The template path and the method as declared; which of ANY and the caller's verb AWS sends is UNVERIFIED.
        source_arn=f"{arn_prefix}{method.http_method}/{resource.path[1:]}",
        timeout_seconds=integration.timeout_in_millis / 1000,
    )


def _compile_mock(integration: Integration) -> MockIntegration:
    return MockIntegration(
        statuses={
            content_type.lower(): parse_mock_status(template)
            for content_type, template in integration.request_templates.items()
        },
        passthrough=integration.passthrough_behavior,
        answers=tuple(_compile_answer(answer) for answer in integration.integration_responses.values()),
    )


def _compile_answer(answer: IntegrationResponse) -> MockAnswer:
    templates = sorted(answer.response_templates.items(), key=lambda item: item[0] != "application/json")
    return MockAnswer(
        status=int(answer.status_code),
        pattern=None if answer.selection_pattern is None else re.compile(answer.selection_pattern),
        headers=tuple(
            (name.removeprefix("method.response.header.").encode(), parse_quoted_literal(expression).encode())
            for name, expression in answer.response_parameters.items()
        ),
        bodies=tuple((content_type.encode(), template.encode()) for content_type, template in templates)
        or ((b"application/json", b""),),
    )


def _stage_limits(stage: Stage, path: str, method: str) -> BucketLimits | None:
    # The most specific setting wins as a whole.
    for key in (f"{path}/{method}", f"{path}/*", f"*/{method}", "*/*"):
        settings = stage.method_settings.get(key)
        if settings is not None:
            rate, burst = settings.throttling_rate_limit, settings.throttling_burst_limit
            return _limits(
                Throttle(
                    rate_limit=None if rate is None or rate < 0 else rate,
                    burst_limit=None if burst is None or burst < 0 else burst,
                )
            )
    return None


def _limits(throttle: Throttle | None) -> BucketLimits | None:
    if throttle is None or (throttle.rate_limit is None and throttle.burst_limit is None):
        return None
    return BucketLimits(
        rate_per_second=_ACCOUNT_RATE if throttle.rate_limit is None else throttle.rate_limit,
        burst_requests=_ACCOUNT_BURST if throttle.burst_limit is None else throttle.burst_limit,
    )
