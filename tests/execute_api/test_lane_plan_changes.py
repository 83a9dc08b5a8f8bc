"""What becomes of a key's limits when plans, keys and stages change in the middle of a period."""

from datetime import timedelta

import pytest

from support.gateway import API_KEY, Gateway, patch
from velvetrope.apigateway import BadRequestException, ConflictException
from velvetrope.apigateway.usage_plans import ApiStageInput, QuotaSettings


async def statuses(gateway: Gateway, count: int, *, stage: str = "latest") -> list[int]:
    return [(await gateway.get("/no-auth", api_key=API_KEY, stage=stage)).status for _ in range(count)]


@pytest.mark.parametrize(
    ("rate", "burst", "first", "later"),
    [
        (0.0, 0, [429, 429], [429, 429]),
        (0.0, 1, [200, 429], [429, 429]),
        (5.0, 0, [429, 429], [429, 429]),
        (None, 0, [429, 429], [429, 429]),
        (0.5, 1, [200, 429], [200, 429]),
    ],
)
async def test_a_burst_of_nothing_lets_nobody_through_and_a_rate_of_nothing_gives_nothing_back(
    gateway: Gateway, rate: float | None, burst: int, first: list[int], later: list[int]
) -> None:
    await gateway.plan_with_key(rate=rate, burst=burst)

    assert await statuses(gateway, 2) == first
    gateway.clock.advance(timedelta(seconds=10))
    assert await statuses(gateway, 2) == later


async def test_a_quota_of_nothing_lets_nobody_through(gateway: Gateway) -> None:
    await gateway.plan_with_key(rate=None, burst=None, quota=0)

    assert await statuses(gateway, 2) == [429, 429]


async def test_all_stages_of_a_plan_count_together(gateway: Gateway) -> None:
    await gateway.plane.create_deployment(rest_api_id=gateway.api_id, stage_name="second")
    plan, _ = await gateway.plan_with_key(rate=None, burst=None, quota=3)
    await gateway.plane.update_usage_plan(
        usage_plan_id=plan, patch_operations=patch("add", "/apiStages", f"{gateway.api_id}:second")
    )

    assert await statuses(gateway, 2) == [200, 200]
    assert await statuses(gateway, 2, stage="second") == [200, 429]
    assert await statuses(gateway, 1) == [429]


async def test_a_key_that_moves_to_another_plan_starts_there_and_finds_its_former_quota_spent_when_it_comes_back(
    gateway: Gateway,
) -> None:
    first, key = await gateway.plan_with_key(rate=None, burst=None, quota=2)
    plane, stage = gateway.plane, f"{gateway.api_id}:latest"
    second = (await plane.create_usage_plan(name="second", quota=QuotaSettings(limit=3, period="MONTH")))["id"]
    spent = await statuses(gateway, 3)
    await plane.create_usage_plan_key(usage_plan_id=second, key_id=key, key_type="API_KEY")
    with pytest.raises(ConflictException, match="a key has one usage plan per stage"):
        await plane.update_usage_plan(usage_plan_id=second, patch_operations=patch("add", "/apiStages", stage))

    await plane.delete_usage_plan_key(usage_plan_id=first, key_id=key)
    between = await statuses(gateway, 1)
    await plane.update_usage_plan(usage_plan_id=second, patch_operations=patch("add", "/apiStages", stage))
    moved = await statuses(gateway, 4)
    await plane.delete_usage_plan_key(usage_plan_id=second, key_id=key)
    await plane.create_usage_plan_key(usage_plan_id=first, key_id=key, key_type="API_KEY")
    back = await statuses(gateway, 1)
    used = await plane.get_usage(usage_plan_id=first, start_date="2026-01-01", end_date="2026-01-01")

    assert (spent, between, moved, back) == ([200, 200, 429], [403], [200, 200, 200, 429], [429])
    assert used["items"] == {key: [[2, 0]]}


async def test_a_changed_limit_goes_by_what_was_used_in_this_period(gateway: Gateway) -> None:
    plan, key = await gateway.plan_with_key(rate=None, burst=None, quota=2)

    async def limit(value: str) -> None:
        await gateway.plane.update_usage_plan(
            usage_plan_id=plan, patch_operations=patch("replace", "/quota/limit", value)
        )

    assert await statuses(gateway, 3) == [200, 200, 429]
    await limit("5")
    assert await statuses(gateway, 4) == [200, 200, 200, 429]
    await limit("3")
    assert await statuses(gateway, 1) == [429]
    await limit("6")
    assert await statuses(gateway, 2) == [200, 429]
    used = await gateway.plane.get_usage(usage_plan_id=plan, start_date="2026-01-01", end_date="2026-01-01")
    assert used["items"] == {key: [[6, 0]]}


async def test_an_extension_is_on_top_of_what_was_used_and_a_disabled_key_does_not_spend_it(gateway: Gateway) -> None:
    plan, key = await gateway.plan_with_key(rate=None, burst=None, quota=1)
    assert await statuses(gateway, 2) == [200, 429]

    extended = await gateway.plane.update_usage(
        usage_plan_id=plan, key_id=key, patch_operations=patch("replace", "/remaining", "2")
    )
    await gateway.plane.update_api_key(api_key=key, patch_operations=patch("replace", "/enabled", "false"))
    disabled = await statuses(gateway, 3)
    await gateway.plane.update_api_key(api_key=key, patch_operations=patch("replace", "/enabled", "true"))

    assert extended["items"] == {key: [[1, 2]]}
    assert disabled == [403, 403, 403]
    assert await statuses(gateway, 3) == [200, 200, 429]


async def test_a_plan_goes_once_it_has_no_stages_and_takes_its_keys_way_in_along(gateway: Gateway) -> None:
    plan, _ = await gateway.plan_with_key()
    assert await statuses(gateway, 1) == [200]

    with pytest.raises(BadRequestException, match="there are API Stages associated with it"):
        await gateway.plane.delete_usage_plan(usage_plan_id=plan)
    await gateway.plane.update_usage_plan(
        usage_plan_id=plan, patch_operations=patch("remove", "/apiStages", f"{gateway.api_id}:latest")
    )
    await gateway.plane.delete_usage_plan(usage_plan_id=plan)

    assert await statuses(gateway, 1) == [403]


async def test_an_offset_is_taken_from_the_first_period_to_its_last_microsecond_and_from_no_other(
    gateway: Gateway,
) -> None:
    gateway.clock.advance(timedelta(days=30, hours=23))
    gateway.plane.now = gateway.clock.now()
    plan = await gateway.plane.create_usage_plan(
        name="offset",
        api_stages=[ApiStageInput(api_id=gateway.api_id, stage="latest")],
        quota=QuotaSettings(limit=3, offset=2, period="MONTH"),
    )
    key = await gateway.plane.create_api_key(name="key", value=API_KEY, enabled=True)
    await gateway.plane.create_usage_plan_key(usage_plan_id=plan["id"], key_id=key["id"], key_type="API_KEY")

    assert await statuses(gateway, 2) == [200, 429]
    gateway.clock.advance(timedelta(hours=1) - timedelta(microseconds=1))
    assert await statuses(gateway, 1) == [429]
    gateway.clock.advance(timedelta(microseconds=1))
    assert await statuses(gateway, 4) == [200, 200, 200, 429]


@pytest.mark.parametrize("text", ["20260101", "2026-W01-1", "2026-1-1", "2026-13-01", "2026-01-32", "today", ""])
async def test_a_date_of_another_form_is_refused(gateway: Gateway, text: str) -> None:
    plan, _ = await gateway.plan_with_key()

    for dates in ({"start_date": text, "end_date": "2026-01-02"}, {"start_date": "2026-01-01", "end_date": text}):
        with pytest.raises(BadRequestException, match="must be of the form YYYY-MM-DD"):
            await gateway.plane.get_usage(usage_plan_id=plan, **dates)


async def test_usage_comes_in_pages_of_keys(gateway: Gateway) -> None:
    plan, first = await gateway.plan_with_key(rate=None, burst=None, quota=5)
    for number in range(3):
        key = await gateway.plane.create_api_key(name="more", value=f"another-key-value-{number:08}", enabled=True)
        await gateway.plane.create_usage_plan_key(usage_plan_id=plan, key_id=key["id"], key_type="API_KEY")
    await statuses(gateway, 2)
    dates = {"usage_plan_id": plan, "start_date": "2026-01-01", "end_date": "2026-01-02"}

    seen: dict[str, list[list[int]]] = {}
    position = None
    pages = 0
    while pages == 0 or position is not None:
        page = await gateway.plane.get_usage(**dates, limit=3, position=position)
        assert len(page["items"]) <= 3
        seen |= page["items"]
        position, pages = page["position"], pages + 1

    assert (len(seen), pages) == (4, 2)
    assert seen.pop(first) == [[2, 3], [0, 5]]
    assert all(days == [[0, 5], [0, 5]] for days in seen.values())
