"""Which API keys are in which usage plans.

A key may be in many plans, but for one stage of one API in a single plan only; that is checked in the transaction that
puts it there.

Sources: API Gateway API reference, CreateUsagePlanKey; Developer Guide, "Usage plans and API keys"; API Gateway quotas.
"""

from collections.abc import Collection

from velvetrope.apigateway.api_keys import no_such_key
from velvetrope.apigateway.errors import (
    BadRequestException,
    ConflictException,
    LimitExceededException,
    NotFoundException,
)
from velvetrope.apigateway.key_values import open_value
from velvetrope.apigateway.pages import page_of
from velvetrope.apigateway.usage_plans import check_one_plan_per_stage, no_such_plan
from velvetrope.operations import Answer, Call, operation
from velvetrope.sealing import MasterKeys
from velvetrope.secret import Secret
from velvetrope.store.tables.apigateway import ApiGatewayStore, ApiKey, UsagePlan

__all__ = ["UsagePlanKeyOperations", "check_subscription"]

_MAX_PLANS_PER_KEY = 10


class UsagePlanKeyOperations:
    """CreateUsagePlanKey, GetUsagePlanKey(s), DeleteUsagePlanKey."""

    def __init__(self, store: ApiGatewayStore, master_keys: MasterKeys) -> None:
        self._store = store
        self._master_keys = master_keys

    @operation
    async def create_usage_plan_key(self, call: Call, *, usage_plan_id: str, key_id: str, key_type: str) -> Answer:
        if key_type != "API_KEY":
            raise BadRequestException(f"Invalid key type specified: {key_type}. Must be API_KEY")
        found: list[ApiKey] = []

        def check(plan: UsagePlan | None, key: ApiKey | None, present: Collection[UsagePlan]) -> None:
            if plan is None:
                raise no_such_plan()
            if key is None:
                raise no_such_key()
            if any(one.id == plan.id for one in present):
                raise ConflictException(f"API Key {key.id} is in usage plan {plan.id} already")
            check_subscription(plan, present)
            found.append(key)

        await self._store.save_new_usage_plan_key(call.account_id, usage_plan_id, key_id, check)
        return self._render(found[0])

    @operation
    async def get_usage_plan_key(self, call: Call, *, usage_plan_id: str, key_id: str) -> Answer:
        for key in await self._keys(call, usage_plan_id):
            if key.id == key_id:
                return self._render(key)
        raise NotFoundException(f"Invalid Usage Plan ID specified or key {key_id} is not in it")

    @operation
    async def get_usage_plan_keys(
        self,
        call: Call,
        *,
        usage_plan_id: str,
        position: str | None = None,
        limit: int | None = None,
        name_query: str | None = None,
    ) -> Answer:
        keys = [
            key
            for key in await self._keys(call, usage_plan_id)
            if name_query is None or (key.name or "").startswith(name_query)
        ]
        items, following = page_of(keys, position, limit)
        return {"items": [self._render(key) for key in items], "position": following}

    @operation
    async def delete_usage_plan_key(self, call: Call, *, usage_plan_id: str, key_id: str) -> None:
        await self._keys(call, usage_plan_id)
        if not await self._store.delete_usage_plan_key(usage_plan_id, key_id):
            raise no_such_key()

    async def _keys(self, call: Call, usage_plan_id: str) -> list[ApiKey]:
        if await self._store.load_usage_plan(call.account_id, usage_plan_id) is None:
            raise no_such_plan()
        return await self._store.load_usage_plan_keys(usage_plan_id)

    def _render(self, key: ApiKey) -> dict[str, object]:
        value = open_value(self._master_keys, key.value_sealed, api_key_id=key.id)
        return {"id": key.id, "type": "API_KEY", "value": Secret(value), "name": key.name}


def check_subscription(plan: UsagePlan, present: Collection[UsagePlan]) -> None:
    """A key that is in `present` may be in `plan` too."""
    if len(present) >= _MAX_PLANS_PER_KEY:
        raise LimitExceededException(
            f"Maximum number of usage plans for the API key has been reached: {_MAX_PLANS_PER_KEY}"
        )
    check_one_plan_per_stage(plan, present)
