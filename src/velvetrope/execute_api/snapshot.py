"""What is served, compiled: stages with their route trees, the key table, and the plans.

A deployment never changes, so a `CompiledStage` is made once for each (deployment, stage as configured; by
`compilation`) and kept over reloads. A `Snapshot` is all stages and keys as of one commit; requests read it and nothing
else.

API keys are known by the keyed hash of their value (`served_keys`); the values themselves are not opened. What a key
may do is made ready when it is presented: most of a hundred thousand are not, between one change and the next.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from velvetrope.execute_api.gateway_responses import GatewayResponses
from velvetrope.execute_api.meters import LeasedQuota, Meter, Meters
from velvetrope.execute_api.served_keys import ServedKeys
from velvetrope.metering import BucketLimits
from velvetrope.policy import Policy
from velvetrope.routes import RouteTree
from velvetrope.store.tables.apigateway import Quota, Throttle, UsagePlan
from velvetrope.store.tables.apigateway_key_changes import ServedKey

if TYPE_CHECKING:
    from velvetrope.execute_api.authorizers import CompiledAuthorizer
    from velvetrope.execute_api.integrations import CompiledIntegration
    from velvetrope.execute_api.logs.execution import ExecutionLogging
    from velvetrope.execute_api.logs.formats import AccessLog
    from velvetrope.execute_api.validation import RequestValidation

__all__ = [
    "ApiKeyInPlan",
    "Authorization",
    "CompiledKey",
    "CompiledMethod",
    "CompiledStage",
    "FixedRoute",
    "Snapshot",
    "Step",
    "bucket_limits",
]

Authorization = Literal["NONE", "AWS_IAM", "CUSTOM", "COGNITO_USER_POOLS", "unknown"]
"""How a method learns who calls. An unknown one lets nobody in."""

Step = tuple[str, Literal["allowed", "refused", "skipped"], str]
"""(name, outcome, reason) of one step, for the decision record."""

_ACCOUNT_RATE = 10_000.0
_ACCOUNT_BURST = 5_000
"""An account's own limits, which hold where a plan sets only a rate or only a burst. Source: API Gateway quotas."""


@dataclass(frozen=True)
class CompiledMethod:
    """A method as it is served. Compared by identity: it is a key of the plans' tables."""

    resource_id: str
    resource_path: str
    declared_method: str
    operation_name: str | None
    authorization: Authorization
    authorization_type: str
    authorizer: "CompiledAuthorizer | None"
    authorization_scopes: tuple[str, ...]
    api_key_required: bool
    validation: "RequestValidation | None"
    integration: "CompiledIntegration | None"
    execution_logging: "ExecutionLogging | None"
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
    authorizers_flushed: int
    by_domain_only: bool
    """The API's own endpoint is disabled: only its custom domain names lead here."""
    endpoint_type: str
    takes_key_from_authorizer: bool
    access_log: "AccessLog | None"
    is_logged: bool
    """Whether anything is to be written about its requests."""


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

    def new_meter(self, method: CompiledMethod, meters: Meters) -> Meter:
        """What requests to `method` with this key are counted against; it is among `meters` from then on."""
        buckets = []
        limits = bucket_limits(self.plan.throttle)
        if limits is not None:
            buckets.append(meters.bucket(f"plan/{self.plan.id}/{self.key_id}", limits))
        for verb in (method.declared_method, "*"):
            of_method = bucket_limits(self.throttles.get(f"{method.resource_path}/{verb}"))
            if of_method is not None:
                name = f"plan/{self.plan.id}/{self.key_id}/{'/'.join(self.stage_key)}{method.resource_path}/{verb}"
                buckets.append(meters.bucket(name, of_method))
                break
        if method.meter is not None:
            buckets += method.meter.buckets
        meter = self.meters[method] = Meter(tuple(buckets), self.quota)
        return meter


@dataclass(frozen=True)
class FixedRoute:
    """All that a path and a method mean when the route has no variables."""

    stage: CompiledStage
    method: CompiledMethod
    path: str
    method_arn: str


@dataclass(frozen=True)
class CompiledKey:
    """A key that was presented: whether it is enabled, and its plan for each (API id, stage name)."""

    key_id: str
    enabled: bool
    plans: Mapping[tuple[str, str], ApiKeyInPlan]


@dataclass(frozen=True)
class Snapshot:
    """All that requests are served from."""

    stages: Mapping[tuple[str, str], CompiledStage]
    api_ids: frozenset[str]
    keys: ServedKeys
    """Brought up to date in place, together with the snapshot that is the next."""
    plans: Mapping[str, UsagePlan]
    """By id."""
    meters: Meters

    compiled: dict[str, CompiledKey] = field(default_factory=dict, repr=False)
    """By value hash: keys that callers have presented, under these plans. No more than there are."""
    presented: dict[bytes, CompiledKey] = field(default_factory=dict, repr=False)
    """Values that callers have sent and that were found, so that a busy key is not hashed for every request."""
    routes: dict[tuple[str, bytes, str], "FixedRoute"] = field(default_factory=dict, repr=False)
    """By API id, path with stage and method: calls that matched a route without variables. No more than there are."""

    def find_key(self, value_hash: str) -> CompiledKey | None:
        """The key whose value has this hash."""
        found = self.compiled.get(value_hash)
        if found is None:
            key = self.keys.find(value_hash)
            if key is None:
                return None
            found = self.compiled[value_hash] = self._compile(key)
        return found

    def counts_against(self, plan_id: str, key_id: str, quota: Quota | None) -> bool:
        """Whether a request could be counted against this quota of this key in this plan."""
        plan = self.plans.get(plan_id)
        return (
            plan is not None and plan.quota == quota and bool(plan.api_stages) and self.keys.is_in_plan(key_id, plan_id)
        )

    def _compile(self, key: ServedKey) -> CompiledKey:
        found: dict[tuple[str, str], ApiKeyInPlan] = {}
        for plan in (self.plans[plan_id] for plan_id in key.plan_ids if plan_id in self.plans):
            for stage in plan.api_stages:
                stage_key = (stage.api_id, stage.stage)
                found[stage_key] = ApiKeyInPlan(
                    key_id=key.id,
                    plan=plan,
                    stage_key=stage_key,
                    throttles=stage.throttle,
                    quota=self.meters.quota(plan.id, key.id, plan.quota),
                    admitted=(
                        "usage plan",
                        "allowed",
                        f"API key {key.id} is in usage plan {plan.id} ({plan.name}), within its limits",
                    ),
                )
        return CompiledKey(key.id, key.enabled, found)


def bucket_limits(throttle: Throttle | None) -> BucketLimits | None:
    if throttle is None or (throttle.rate_limit is None and throttle.burst_limit is None):
        return None
    return BucketLimits(
        rate_per_second=_ACCOUNT_RATE if throttle.rate_limit is None else throttle.rate_limit,
        burst_requests=_ACCOUNT_BURST if throttle.burst_limit is None else throttle.burst_limit,
    )
