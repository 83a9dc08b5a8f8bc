"""HTTP APIs in the store: changes that race are all kept, and stages that follow never meet half of one."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Collection
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from support.stores import open_store
from velvetrope.store.tables.apigateway_domains import DomainNameStore
from velvetrope.store.tables.apigateway_records import BasePathMapping, DomainName
from velvetrope.store.tables.apigatewayv2 import HttpApi, HttpApiStore, HttpDeployment, HttpRoute, HttpStage

_ACCOUNT = "111111111111"
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_numbers = itertools.count()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[HttpApiStore]:
    database = await open_store(tmp_path)
    store = HttpApiStore(database)
    api = HttpApi(id="api1", account_id=_ACCOUNT, name="demo", created_at=_NOW)
    await store.save_new_api(api, _stage("$default", auto_deploy=True), _freeze)
    yield store
    await database.close()


def _anything(_mappings: Collection[BasePathMapping]) -> None:
    """Whatever leads there may be left leading nowhere."""


def _freeze(api: HttpApi) -> HttpDeployment:
    return HttpDeployment(id=f"d{next(_numbers)}", api_id=api.id, created_at=_NOW, api=api, auto_deployed=True)


def _stage(name: str, *, auto_deploy: bool) -> HttpStage:
    return HttpStage(api_id="api1", stage_name=name, created_at=_NOW, modified_at=_NOW, auto_deploy=auto_deploy)


def _with_route(route_id: str) -> Callable[[HttpApi], HttpApi]:
    route = HttpRoute(id=route_id, route_key=f"GET /{route_id}")
    return lambda api: msgspec.structs.replace(api, routes={**api.routes, route_id: route})


async def test_changes_that_race_are_all_kept_and_all_deployed(store: HttpApiStore) -> None:
    await asyncio.gather(*(store.change_api(_ACCOUNT, "api1", _with_route(f"r{n}"), _freeze) for n in range(8)))

    api = await store.load_api(_ACCOUNT, "api1")
    state = await store.load_state(())
    assert api is not None
    assert len(api.routes) == 8
    assert [deployment.api for deployment in state.deployments] == [api]
    assert len(await store.load_deployments("api1")) == 1


async def test_a_change_that_raises_changes_nothing(store: HttpApiStore) -> None:
    before = await store.load_state(())

    def change(_: HttpApi) -> HttpApi:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await store.change_api(_ACCOUNT, "api1", change, _freeze)

    assert await store.load_state(()) == before


async def test_a_deployment_that_another_stage_points_at_stays(store: HttpApiStore) -> None:
    first = (await store.load_state(())).deployments[0]
    await store.save_new_stage(_ACCOUNT, _stage("pinned", auto_deploy=False), _freeze)
    await store.change_stage(
        _ACCOUNT, "api1", "pinned", lambda stage, _: msgspec.structs.replace(stage, deployment_id=first.id), _freeze
    )

    await store.change_api(_ACCOUNT, "api1", _with_route("r1"), _freeze)

    pointed = {stage.stage_name: stage.deployment_id for stage in await store.load_stages("api1")}
    assert pointed["pinned"] == first.id
    assert pointed["$default"] != first.id
    assert {one.id for one in await store.load_deployments("api1")} == set(pointed.values())


async def test_a_stages_name_is_taken_once_however_many_want_it(store: HttpApiStore) -> None:
    wanted = [store.save_new_stage(_ACCOUNT, _stage("dev", auto_deploy=False), _freeze) for _ in range(5)]

    assert sorted(await asyncio.gather(*wanted)) == [False] * 4 + [True]


async def test_a_deleted_api_leaves_nothing(store: HttpApiStore) -> None:
    assert not await store.delete_api("222222222222", "api1", _anything)
    assert await store.delete_api(_ACCOUNT, "api1", _anything)

    state = await store.load_state(())
    assert (state.api_ids, state.stages, state.deployments) == (frozenset(), (), ())
    assert await store.load_stages("api1") == []
    assert not await store.delete_api(_ACCOUNT, "api1", _anything)


async def test_another_account_does_not_see_an_api(store: HttpApiStore) -> None:
    assert await store.load_api("222222222222", "api1") is None
    assert await store.load_apis("222222222222") == []
    assert await store.change_api("222222222222", "api1", _with_route("r1"), _freeze) is None
    assert await store.save_new_deployment("222222222222", "api1", _freeze) is None


async def test_what_a_mapping_leads_to_is_seen_before_it_is_deleted(tmp_path: Path) -> None:
    database = await open_store(tmp_path)
    store, domains = HttpApiStore(database), DomainNameStore(database)
    api = HttpApi(id="api1", account_id=_ACCOUNT, name="demo", created_at=_NOW)
    await store.save_new_api(api, _stage("$default", auto_deploy=True), _freeze)
    await domains.save_new_domain_name(DomainName(domain_name="a.example.com", account_id=_ACCOUNT, created_at=_NOW))
    mapping = BasePathMapping(
        domain_name="a.example.com", base_path="a/b", api_id="api1", stage="$default", is_http=True, id="m1"
    )
    seen: list[BasePathMapping] = []

    def refuse(mappings: Collection[BasePathMapping]) -> None:
        seen.extend(mappings)
        raise ValueError("mapped")

    assert await domains.save_new_base_path_mapping(mapping)
    assert not await domains.save_new_base_path_mapping(mapping)
    with pytest.raises(ValueError, match="mapped"):
        await store.delete_api(_ACCOUNT, "api1", refuse)
    with pytest.raises(ValueError, match="mapped"):
        await store.delete_stage("api1", "$default", refuse)

    assert seen == [mapping, mapping]
    assert await domains.delete_domain_name(_ACCOUNT, "a.example.com")
    assert await domains.load_served() == ([], [])
    assert await store.delete_api(_ACCOUNT, "api1", seen.extend)
    await database.close()
