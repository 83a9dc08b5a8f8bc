"""Throttles and quotas as callers meet them: exact within a node, never exceeded by several, kept over restarts."""

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest

from support.gateway import API_KEY, Gateway, header
from velvetrope.apigateway.patches import PatchOperation
from velvetrope.execute_api import GatewayResponse, RequestLane

_THROTTLED = b'{"message":"Too Many Requests"}'
_OVER_QUOTA = b'{"message":"Limit Exceeded"}'


async def _calls(gateway: Gateway, count: int, *, lane: RequestLane | None = None) -> list[int]:
    lane = lane or gateway.lane
    return [(await lane.answer(gateway.request("GET", "/no-auth", api_key=API_KEY))).status for _ in range(count)]


async def _usage(
    gateway: Gateway, plan_id: str, key_id: str, start: str = "2026-01-01", end: str = "2026-01-01"
) -> Any:
    answer = await gateway.plane.get_usage(usage_plan_id=plan_id, start_date=start, end_date=end)
    return answer["items"][key_id]


def _patch(path: str, value: str) -> tuple[PatchOperation, ...]:
    return (PatchOperation(op="replace", path=path, value=value),)


async def test_the_burst_passes_and_the_next_is_429_without_retry_after(gateway: Gateway) -> None:
    await gateway.plan_with_key(rate=10, burst=20)

    statuses = await _calls(gateway, 20)
    refused = await gateway.get("/no-auth", api_key=API_KEY)

    assert statuses == [200] * 20
    assert (refused.status, refused.body) == (429, _THROTTLED)
    assert header(refused, "x-amzn-ErrorType") == "TooManyRequestsException"
    assert not any(name.lower() == b"retry-after" for name, _ in refused.headers)


async def test_tokens_come_back_at_the_rate_to_the_millisecond(gateway: Gateway) -> None:
    await gateway.plan_with_key(rate=10, burst=20)
    await _calls(gateway, 20)

    gateway.clock.advance(timedelta(milliseconds=99))
    early = await _calls(gateway, 1)
    gateway.clock.advance(timedelta(milliseconds=1))
    due = await _calls(gateway, 2)
    gateway.clock.advance(timedelta(seconds=30))
    rested = await _calls(gateway, 21)

    assert (early, due) == ([429], [200, 429])
    assert rested == [200] * 20 + [429]


async def test_throttled_requests_do_not_use_the_quota(gateway: Gateway) -> None:
    await gateway.plan_with_key(rate=1, burst=2, quota=3)

    first = await _calls(gateway, 4)
    gateway.clock.advance(timedelta(seconds=2))
    second = await _calls(gateway, 2)

    assert (first, second) == ([200, 200, 429, 429], [200, 429])
    refused = await gateway.get("/no-auth", api_key=API_KEY)
    assert refused.body == _OVER_QUOTA


async def test_over_quota_is_429_until_the_next_day(gateway: Gateway) -> None:
    await gateway.plan_with_key(rate=None, burst=None, quota=5)

    statuses = await _calls(gateway, 6)
    refused: GatewayResponse = await gateway.get("/no-auth", api_key=API_KEY)
    gateway.clock.advance(timedelta(hours=23, minutes=59, seconds=59))
    still = await _calls(gateway, 1)
    gateway.clock.advance(timedelta(seconds=1))
    tomorrow = await _calls(gateway, 6)

    assert statuses == [200] * 5 + [429]
    assert (refused.body, header(refused, "x-amzn-ErrorType")) == (_OVER_QUOTA, "LimitExceededException")
    assert still == [429]
    assert tomorrow == [200] * 5 + [429]


async def test_quota_survives_a_clean_restart_to_the_request(gateway: Gateway) -> None:
    await gateway.plan_with_key(rate=None, burst=None, quota=1_000)
    await _calls(gateway, 250)

    await gateway.lane.close()
    second = gateway.make_lane()

    assert (await _calls(gateway, 751, lane=second)) == [200] * 750 + [429]


async def test_a_crash_loses_no_more_than_a_slice_and_never_gives_more(gateway: Gateway) -> None:
    await gateway.plan_with_key(rate=None, burst=None, quota=1_000)
    await _calls(gateway, 3)

    statuses = await _calls(gateway, 1_000, lane=gateway.make_lane())

    assert statuses.count(200) == 990  # a slice is 10; the crashed lane had spent 3 of its own


@pytest.mark.parametrize("period", ["DAY", "WEEK", "MONTH"])
async def test_usage_after_a_crash_is_what_the_quota_goes_by(gateway: Gateway, period: str) -> None:
    """The crashed lane held ten and had spent three of them: all ten are used, in the report and for the quota."""
    plan_id, key_id = await gateway.plan_with_key(rate=None, burst=None, quota=1_000)
    await gateway.plane.update_usage_plan(usage_plan_id=plan_id, patch_operations=_patch("/quota/period", period))
    crashed, second = gateway.make_lane(), gateway.make_lane()
    await _calls(gateway, 3, lane=crashed)
    await _calls(gateway, 4, lane=second)
    await second.settle_usage()

    usage = await _usage(gateway, plan_id, key_id)
    rest = await _calls(gateway, 1_000, lane=second)
    await second.settle_usage()

    assert usage == [[14, 986]]
    assert rest.count(200) == 986
    assert await _usage(gateway, plan_id, key_id) == [[1_000, 0]]


async def test_what_is_used_on_another_day_than_it_was_taken_is_reported_for_that_day(gateway: Gateway) -> None:
    plan_id, key_id = await gateway.plan_with_key(rate=None, burst=None, quota=1_000)
    await gateway.plane.update_usage_plan(usage_plan_id=plan_id, patch_operations=_patch("/quota/period", "WEEK"))
    await _calls(gateway, 3)
    gateway.clock.advance(timedelta(days=1))
    await _calls(gateway, 4)
    gateway.clock.advance(timedelta(days=1))

    used = await _usage(gateway, plan_id, key_id, "2026-01-01", "2026-01-05")

    assert used == [[3, 993], [4, 993], [0, 993], [0, 993], [0, 1_000]]  # the 5th is a Monday


async def test_what_was_held_when_the_period_ended_goes_back_to_that_period(gateway: Gateway) -> None:
    plan_id, key_id = await gateway.plan_with_key(rate=None, burst=None, quota=1_000)
    await _calls(gateway, 3)
    gateway.clock.advance(timedelta(days=1))

    statuses = await _calls(gateway, 1_001)

    assert statuses == [200] * 1_000 + [429]
    assert await _usage(gateway, plan_id, key_id, "2026-01-01", "2026-01-03") == [[3, 997], [1_000, 0], [0, 1_000]]


async def test_a_crash_loses_a_second_of_the_usage_that_no_quota_limits(gateway: Gateway) -> None:
    plan_id, key_id = await gateway.plan_with_key(rate=None, burst=None, quota=None)
    crashed = gateway.make_lane()
    await _calls(gateway, 5, lane=crashed)
    gateway.clock.advance(timedelta(seconds=1))
    await _calls(gateway, 1, lane=crashed)

    assert await _usage(gateway, plan_id, key_id) == [[5, 0]]


async def test_a_restart_does_not_refill_the_bucket(gateway: Gateway) -> None:
    await gateway.plan_with_key(rate=1, burst=10)
    await _calls(gateway, 10)

    await gateway.lane.close()

    assert await _calls(gateway, 1, lane=gateway.make_lane()) == [429]


@pytest.mark.parametrize("seed", range(6))
async def test_no_interleaving_of_lanes_exceeds_rate_burst_or_quota(gateway: Gateway, seed: int) -> None:
    await gateway.plan_with_key(rate=5, burst=6, quota=60)
    chance = random.Random(seed)
    lanes = [gateway.make_lane() for _ in range(3)]
    admitted: list[float] = []
    at = 0.0

    for _ in range(120):
        step = chance.choice([0, 0, 1, 5, 40, 130, 900]) / 1000
        at += step
        gateway.clock.advance(timedelta(seconds=step))
        lane = chance.randrange(3)
        if chance.random() < 0.05:
            lanes[lane] = gateway.make_lane()  # the old one crashed
        results = await asyncio.gather(
            *(
                lanes[chance.randrange(3)].answer(gateway.request("GET", "/no-auth", api_key=API_KEY))
                for _ in range(chance.randrange(1, 4))
            )
        )
        admitted += [at for response in results if response.status == 200]

    assert len(admitted) <= 60
    assert admitted
    for first, start in enumerate(admitted):
        for last in range(first, len(admitted)):
            assert last - first + 1 <= 6 + 5 * (admitted[last] - start) + 1e-6


async def test_rate_is_per_key(gateway: Gateway) -> None:
    plan_id, _ = await gateway.plan_with_key(rate=1, burst=1)
    other = await gateway.plane.create_api_key(value="another-key-0123456789", enabled=True)
    await gateway.plane.create_usage_plan_key(usage_plan_id=plan_id, key_id=other["id"], key_type="API_KEY")

    assert await _calls(gateway, 2) == [200, 429]
    assert (await gateway.get("/no-auth", api_key="another-key-0123456789")).status == 200


async def test_a_method_of_a_plan_has_a_throttle_of_its_own(gateway: Gateway) -> None:
    plan_id, _ = await gateway.plan_with_key(rate=100, burst=100)
    base = f"/apiStages/{gateway.api_id}:latest/throttle/~1no-auth/GET"
    await gateway.plane.update_usage_plan(
        usage_plan_id=plan_id, patch_operations=(*_patch(f"{base}/rateLimit", "1"), *_patch(f"{base}/burstLimit", "2"))
    )

    assert await _calls(gateway, 3) == [200, 200, 429]
    assert (await gateway.get("/keyed-function", api_key=API_KEY)).status == 200


async def test_a_stage_throttle_holds_for_all_callers_of_a_method(gateway: Gateway) -> None:
    await gateway.plane.update_stage(
        rest_api_id=gateway.api_id,
        stage_name="latest",
        patch_operations=(
            *_patch("/~1open/GET/throttling/rateLimit", "1"),
            *_patch("/~1open/GET/throttling/burstLimit", "1"),
        ),
    )

    assert [(await gateway.get("/open")).status for _ in range(2)] == [200, 429]
    assert (await gateway.get("/")).status == 200


async def test_a_changed_plan_holds_at_once(gateway: Gateway) -> None:
    plan_id, _ = await gateway.plan_with_key(rate=10, burst=20, quota=5)
    await _calls(gateway, 2)

    await gateway.plane.update_usage_plan(usage_plan_id=plan_id, patch_operations=_patch("/quota/limit", "3"))

    assert await _calls(gateway, 2) == [200, 429]


async def test_usage_is_reported_to_the_request_and_can_be_extended(gateway: Gateway) -> None:
    plan_id, key_id = await gateway.plan_with_key(rate=None, burst=None, quota=500)
    await _calls(gateway, 7)

    before = await _usage(gateway, plan_id, key_id)
    await gateway.plane.update_usage(usage_plan_id=plan_id, key_id=key_id, patch_operations=_patch("/remaining", "2"))
    statuses = await _calls(gateway, 3)

    assert before == [[7, 493]]
    assert statuses == [200, 200, 429]
    assert await _usage(gateway, plan_id, key_id) == [[9, 0]]


async def test_usage_without_a_quota_is_counted_too(gateway: Gateway) -> None:
    plan_id, key_id = await gateway.plan_with_key(quota=None)
    await _calls(gateway, 3)

    assert await _usage(gateway, plan_id, key_id) == [[3, 0]]


async def test_requests_at_once_are_counted_once_each(gateway: Gateway) -> None:
    await gateway.plan_with_key(rate=1, burst=5, quota=100)

    responses = await asyncio.gather(*(gateway.get("/no-auth", api_key=API_KEY) for _ in range(12)))

    assert sorted(response.status for response in responses) == [200] * 5 + [429] * 7


@pytest.mark.parametrize(
    ("period", "last_moment"),
    [
        ("DAY", timedelta(hours=24)),
        ("WEEK", timedelta(days=4)),  # the clock starts on a Thursday, and weeks on Monday
        ("MONTH", timedelta(days=31)),
    ],
)
async def test_a_quota_is_of_the_calendars_period_and_not_of_the_first_call(
    gateway: Gateway, period: str, last_moment: timedelta
) -> None:
    await gateway.plan_with_key(rate=None, burst=None, quota=None)
    plan_id = (await gateway.plane.get_usage_plans())["items"][0]["id"]
    await gateway.plane.update_usage_plan(
        usage_plan_id=plan_id,
        patch_operations=(
            *_patch("/quota/limit", "5"),
            *_patch("/quota/period", period),
            *_patch("/quota/offset", "2"),
        ),
    )
    gateway.clock.advance(last_moment - timedelta(microseconds=1))
    first = await _calls(gateway, 4)
    gateway.clock.advance(timedelta(microseconds=1))
    second = await _calls(gateway, 6)

    assert first == [200] * 3 + [429]  # the offset is taken off in the first period
    assert second == [200] * 5 + [429]
