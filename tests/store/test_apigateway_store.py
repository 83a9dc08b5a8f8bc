"""API Gateway's records: frozen deployments, plans that forget deleted stages, keys that are unique by value."""

from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from velvetrope.store import Database
from velvetrope.store.tables.apigateway import (
    ApiGatewayStore,
    ApiKey,
    ApiStage,
    Deployment,
    Resource,
    RestApi,
    Stage,
    UsagePlan,
)

_ACCOUNT = "111111111111"
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(f"sqlite:///{tmp_path}/apigateway.db", durable=False)
    yield database
    await database.close()


def _api(api_id: str = "api1") -> RestApi:
    root = Resource(id="root", path="/")
    return RestApi(
        id=api_id, account_id=_ACCOUNT, name="demo", created_at=_NOW, root_resource_id="root", resources={"root": root}
    )


def _freeze(api: RestApi) -> Deployment:
    return Deployment(id="dep1", rest_api_id=api.id, created_at=_NOW, rest_api=api)


def _stage(deployment: Deployment, _present: Stage | None = None) -> Stage:
    return Stage(
        rest_api_id=deployment.rest_api_id,
        stage_name="latest",
        deployment_id=deployment.id,
        created_at=_NOW,
        modified_at=_NOW,
    )


def _key(key_id: str = "key1", value_hash: str = "m1.aa") -> ApiKey:
    return ApiKey(
        id=key_id,
        account_id=_ACCOUNT,
        name=None,
        value_sealed=b"sealed",
        value_hash=value_hash,
        created_at=_NOW,
        modified_at=_NOW,
    )


def _plan(*stages: ApiStage) -> UsagePlan:
    return UsagePlan(id="plan1", account_id=_ACCOUNT, name="plan", api_stages=stages)


async def _deployed(store: ApiGatewayStore) -> None:
    await store.save_new_rest_api(_api())
    await store.save_new_deployment(_ACCOUNT, "api1", _freeze, _stage)


async def test_a_deployment_keeps_what_the_api_was(database: Database) -> None:
    store = ApiGatewayStore(database)
    await _deployed(store)

    await store.change_rest_api(_ACCOUNT, "api1", lambda api: msgspec.structs.replace(api, name="changed"))

    deployment = await store.load_deployment("api1", "dep1")
    assert deployment is not None
    assert deployment.rest_api.name == "demo"


async def test_a_change_that_raises_changes_nothing_and_tells_nobody(database: Database) -> None:
    store = ApiGatewayStore(database)
    await store.save_new_rest_api(_api())
    heard: list[str] = []
    database.changes.subscribe("apigateway", lambda: heard.append("apigateway"))

    def refuse(api: RestApi) -> RestApi:
        raise ValueError(api.name)

    with pytest.raises(ValueError, match="demo"):
        await store.change_rest_api(_ACCOUNT, "api1", refuse)

    assert heard == []


async def test_another_account_finds_nothing(database: Database) -> None:
    store = ApiGatewayStore(database)
    await store.save_new_rest_api(_api())

    assert await store.load_rest_api("222222222222", "api1") is None
    assert await store.delete_rest_api("222222222222", "api1") is False


async def test_plans_forget_a_stage_that_is_deleted(database: Database) -> None:
    store = ApiGatewayStore(database)
    await _deployed(store)
    await store.save_new_usage_plan(_plan(ApiStage(api_id="api1", stage="latest"), ApiStage(api_id="x", stage="y")))

    assert await store.delete_stage(_ACCOUNT, "api1", "latest") is True

    plan = await store.load_usage_plan(_ACCOUNT, "plan1")
    assert plan is not None
    assert [stage.api_id for stage in plan.api_stages] == ["x"]


async def test_an_api_takes_its_deployments_and_stages_with_it(database: Database) -> None:
    store = ApiGatewayStore(database)
    await _deployed(store)

    assert await store.delete_rest_api(_ACCOUNT, "api1") is True

    state = await store.load_state(())
    assert (state.stages, state.deployments) == ((), ())


async def test_a_key_with_a_value_that_exists_is_not_kept(database: Database) -> None:
    store = ApiGatewayStore(database)
    assert await store.save_new_api_key(_key(), ()) is True

    assert await store.save_new_api_key(_key("key2"), ()) is False
    assert await store.save_new_api_key(_key("key3", "m2.bb"), ("m1.aa",)) is False


async def test_a_deleted_key_leaves_its_plans(database: Database) -> None:
    store = ApiGatewayStore(database)
    await store.save_new_api_key(_key(), ())
    await store.save_new_usage_plan(_plan())
    seen: list[object] = []

    def check(plan: UsagePlan | None, key: ApiKey | None, others: Collection[UsagePlan]) -> None:
        seen.extend((plan, key, *others))

    await store.save_new_usage_plan_key(_ACCOUNT, "plan1", "key1", check)
    await store.delete_api_key(_ACCOUNT, "key1")

    assert len(seen) == 2
    assert await store.load_usage_plan_keys("plan1") == []


async def test_known_deployments_are_not_read_again(database: Database) -> None:
    store = ApiGatewayStore(database)
    await _deployed(store)

    state = await store.load_state({("api1", "dep1")})

    assert len(state.stages) == 1
    assert state.deployments == ()
