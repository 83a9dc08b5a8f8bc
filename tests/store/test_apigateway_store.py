"""API Gateway's records: frozen deployments, plans that forget deleted stages, keys that are unique by value."""

from collections.abc import Collection
from datetime import UTC, datetime

import msgspec
import pytest

from velvetrope.store import Database
from velvetrope.store.tables.apigateway import (
    ApiGatewayStore,
    ApiKey,
    ApiStage,
    BasePathMapping,
    Deployment,
    DomainName,
    Resource,
    RestApi,
    Stage,
    UsagePlan,
)
from velvetrope.store.tables.apigateway_domains import DomainNameStore

_ACCOUNT = "111111111111"
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _api(api_id: str = "api1") -> RestApi:
    root = Resource(id="root", path="/")
    return RestApi(
        id=api_id, account_id=_ACCOUNT, name="demo", created_at=_NOW, root_resource_id="root", resources={"root": root}
    )


def _anything(_mappings: Collection[BasePathMapping]) -> None:
    """Whatever leads to an API or a stage, it may go."""


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
    assert await store.delete_rest_api("222222222222", "api1", _anything) is False


async def test_plans_forget_a_stage_that_is_deleted(database: Database) -> None:
    store = ApiGatewayStore(database)
    await _deployed(store)
    await store.save_new_usage_plan(_plan(ApiStage(api_id="api1", stage="latest"), ApiStage(api_id="x", stage="y")))

    assert await store.delete_stage(_ACCOUNT, "api1", "latest", _anything) is True

    plan = await store.load_usage_plan(_ACCOUNT, "plan1")
    assert plan is not None
    assert [stage.api_id for stage in plan.api_stages] == ["x"]


async def test_an_api_takes_its_deployments_and_stages_with_it(database: Database) -> None:
    store = ApiGatewayStore(database)
    await _deployed(store)

    assert await store.delete_rest_api(_ACCOUNT, "api1", _anything) is True

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


def _domain(name: str = "api.example.com", account_id: str = _ACCOUNT) -> DomainName:
    return DomainName(domain_name=name, account_id=account_id, created_at=_NOW)


def _mapping(base_path: str = "v1") -> BasePathMapping:
    return BasePathMapping(domain_name="api.example.com", base_path=base_path, api_id="api1", stage="latest")


async def test_a_domain_name_is_one_accounts(database: Database) -> None:
    domains = DomainNameStore(database)
    assert await domains.save_new_domain_name(_domain()) is True

    assert await domains.save_new_domain_name(_domain(account_id="222222222222")) is False
    assert await domains.load_domain_name("222222222222", "api.example.com") is None
    assert await domains.delete_domain_name("222222222222", "api.example.com") is False


async def test_a_base_path_is_taken_once(database: Database) -> None:
    domains = DomainNameStore(database)
    await _deployed(ApiGatewayStore(database))
    await domains.save_new_domain_name(_domain())
    assert await domains.save_new_base_path_mapping(_mapping()) is True

    assert await domains.save_new_base_path_mapping(_mapping()) is False
    assert await domains.save_new_base_path_mapping(_mapping("")) is True


async def test_what_a_mapping_leads_to_is_seen_before_it_is_deleted(database: Database) -> None:
    store, domains = ApiGatewayStore(database), DomainNameStore(database)
    await _deployed(store)
    await domains.save_new_domain_name(_domain())
    await domains.save_new_base_path_mapping(_mapping())

    def refuse(mappings: Collection[BasePathMapping]) -> None:
        if mappings:
            raise ValueError([mapping.base_path for mapping in mappings])

    with pytest.raises(ValueError, match="v1"):
        await store.delete_rest_api(_ACCOUNT, "api1", refuse)
    with pytest.raises(ValueError, match="v1"):
        await store.delete_stage(_ACCOUNT, "api1", "latest", refuse)
    assert len((await store.load_state(())).stages) == 1
    assert await domains.load_served() == ([_domain()], [_mapping()])

    assert await domains.delete_domain_name(_ACCOUNT, "api.example.com") is True
    assert await store.delete_rest_api(_ACCOUNT, "api1", refuse) is True


async def test_an_account_without_settings_has_the_defaults(database: Database) -> None:
    domains = DomainNameStore(database)
    assert (await domains.load_account(_ACCOUNT)).cloudwatch_role_arn is None

    role = "arn:aws:iam::111111111111:role/logs"
    await domains.change_account(_ACCOUNT, lambda one: msgspec.structs.replace(one, cloudwatch_role_arn=role))

    assert (await domains.load_account(_ACCOUNT)).cloudwatch_role_arn == role


class TestKeysThatChanged:
    """What a reader is told who knew the keys as of a version."""

    @pytest.fixture
    async def store(self, database: Database) -> ApiGatewayStore:
        store = ApiGatewayStore(database)
        for number in (1, 2, 3):
            await store.save_new_api_key(_key(f"key{number}", f"m1.{number:02}"), ())
        await store.save_new_usage_plan(_plan())
        return store

    async def test_whoever_knows_nothing_is_told_everything(self, store: ApiGatewayStore) -> None:
        keys = (await store.load_state(())).keys

        assert keys.is_everything
        assert sorted(key.id for key in keys.changed) == ["key1", "key2", "key3"]

    async def test_nothing_is_read_twice(self, store: ApiGatewayStore) -> None:
        version = (await store.load_state(())).keys.version

        keys = (await store.load_state((), keys_since=version)).keys

        assert (keys.version, keys.is_everything, keys.changed, keys.removed) == (version, False, (), frozenset())

    async def test_a_key_that_is_new_changed_or_gone_is_told_and_no_other(self, store: ApiGatewayStore) -> None:
        version = (await store.load_state(())).keys.version
        await store.save_new_api_key(_key("key4", "m1.04"), ())
        await store.change_api_key(_ACCOUNT, "key1", lambda key: msgspec.structs.replace(key, enabled=not key.enabled))
        await store.delete_api_key(_ACCOUNT, "key2")

        keys = (await store.load_state((), keys_since=version)).keys

        assert sorted(key.id for key in keys.changed) == ["key1", "key4"]
        assert (keys.removed, keys.is_everything) == (frozenset({"key2"}), False)

    async def test_a_key_that_comes_into_a_plan_or_leaves_it_is_told(self, store: ApiGatewayStore) -> None:
        version = (await store.load_state(())).keys.version
        await store.save_new_usage_plan_key(_ACCOUNT, "plan1", "key3", lambda *_: None)
        joined = (await store.load_state((), keys_since=version)).keys
        await store.delete_usage_plan_key("plan1", "key3")
        left = (await store.load_state((), keys_since=joined.version)).keys

        assert [(key.id, key.plan_ids) for key in joined.changed] == [("key3", ("plan1",))]
        assert [(key.id, key.plan_ids) for key in left.changed] == [("key3", ())]

    async def test_a_version_that_is_yet_to_come_is_another_databases(self, store: ApiGatewayStore) -> None:
        version = (await store.load_state(())).keys.version

        assert (await store.load_state((), keys_since=version + 1)).keys.is_everything

    async def test_a_change_that_failed_is_no_change(self, store: ApiGatewayStore) -> None:
        version = (await store.load_state(())).keys.version

        def refuse(_key: ApiKey) -> ApiKey:
            raise LookupError

        with pytest.raises(LookupError):
            await store.change_api_key(_ACCOUNT, "key1", refuse)

        assert (await store.load_state((), keys_since=version)).keys.changed == ()
