"""No interleaving of nodes, crashes, restarts and settlements admits more than the limits: a state machine over the
real store.

Every admitted request is remembered with its time. Whatever the nodes did, those times must be what ONE token bucket
could have let through, and a period's must be no more than its quota.
"""

import asyncio
import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from support.stores import open_store
from velvetrope.execute_api.meters import Meter, Meters, epoch_us
from velvetrope.metering import BucketLimits, full_bucket, take_token
from velvetrope.store.tables.apigateway import Quota
from velvetrope.store.tables.usage import UsageStore

_MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)
_numbers = itertools.count()


class Shared:
    """One store and one event loop for all examples, which use other names in it."""

    def __init__(self, folder: Path) -> None:
        self.runner = asyncio.Runner()
        self.database = self.runner.run(open_store(folder))

    def close(self) -> None:
        self.runner.run(self.database.close())
        self.runner.close()


class Metering(RuleBasedStateMachine):
    """Nodes come, crash and stop; requests are counted on any of them; time goes on."""

    shared: ClassVar[Shared]
    nodes: Bundle[Meters] = Bundle("nodes")

    @initialize(
        rate=st.sampled_from([0.5, 1, 3, 10, 50]),
        burst=st.integers(1, 12),
        quota=st.sampled_from([3, 25, 10_000]),  # the last leaves the bucket alone to limit
        offset=st.integers(0, 5),
    )
    def begin(self, rate: float, burst: int, quota: int, offset: int) -> None:
        number = next(_numbers)
        self.name, self.plan, self.now = f"bucket-{number}", f"plan-{number}", _MIDNIGHT
        self.limits = BucketLimits(rate_per_second=rate, burst_requests=burst)
        self.quota = Quota(limit=quota, period="DAY", offset=offset, first_day=date(2026, 1, 1))
        self.admitted: list[datetime] = []
        self.usage = UsageStore(self.shared.database)

    @rule(target=nodes)
    def start(self) -> Meters:
        return self.start_node()

    def start_node(self) -> Meters:
        return Meters(self.usage, node_id=f"{self.plan}-node-{next(_numbers)}")

    @rule(node=nodes, count=st.integers(1, 15))
    def call(self, node: Meters, count: int) -> None:
        self.shared.runner.run(self._call(node, count))

    @rule(first=nodes, second=nodes, count=st.integers(1, 10))
    def call_two_nodes_at_once(self, first: Meters, second: Meters, count: int) -> None:
        async def both() -> None:
            await asyncio.gather(self._call(first, count), self._call(second, count), self._call(first, count))

        self.shared.runner.run(both())

    async def _call(self, node: Meters, count: int) -> None:
        meter = Meter((node.bucket(self.name, self.limits),), node.quota(self.plan, "key", self.quota))
        for _ in range(count):
            now_us = epoch_us(self.now)
            while (verdict := meter.take(now_us)) == "not leased":
                await node.renew(meter, self.now, now_us)
            if verdict == "admitted":
                self.admitted.append(self.now)

    @rule(milliseconds=st.sampled_from([1, 10, 100, 333, 999, 1_000, 1_001, 2_500, 60_000]))
    def let_time_pass(self, milliseconds: int) -> None:
        self.now += timedelta(milliseconds=milliseconds)

    @rule(
        target=nodes,
        first=nodes,
        milliseconds=st.sampled_from([300, 999, 1_000, 1_300]),
        turns=st.integers(4, 8),
    )
    def call_a_node_and_a_new_one_in_turns(self, first: Meters, milliseconds: int, turns: int) -> Meters:
        """As often as each lets: whatever one of them believes to hold for too long is spent twice here."""
        second = self.start_node()
        for turn in range(turns):
            node = (first, second)[turn % 2]
            self.shared.runner.run(self._call(node, self.limits.burst_requests + 5))
            self.now += timedelta(milliseconds=milliseconds)
        return second

    @rule()
    def let_the_next_day_come(self) -> None:
        self.now = datetime.combine(self.now.date() + timedelta(days=1), datetime.min.time(), UTC)

    @rule(node=consumes(nodes))
    def crash(self, node: Meters) -> None:
        """Whatever it had leased and not spent is lost; it says nothing any more."""

    @rule(node=nodes)
    def settle(self, node: Meters) -> None:
        self.shared.runner.run(node.settle(self.now))

    @rule(node=nodes)
    def stop_and_go_on(self, node: Meters) -> None:
        self.shared.runner.run(node.release(self.now))

    @invariant()
    def one_bucket_could_have_admitted_all_of_them(self) -> None:
        if not getattr(self, "admitted", []):
            return
        state = full_bucket(self.limits.burst_requests, epoch_us(_MIDNIGHT))
        for at in self.admitted:
            state, was_there = take_token(
                state,
                epoch_us(at),
                rate_per_second=self.limits.rate_per_second,
                burst_requests=self.limits.burst_requests,
            )
            assert was_there, f"the request at {at} is over the rate and burst"

    @invariant()
    def no_day_has_more_than_its_quota(self) -> None:
        for day in {at.date() for at in getattr(self, "admitted", [])}:
            allowance = self.quota.limit - (self.quota.offset if day == self.quota.first_day else 0)
            assert sum(at.date() == day for at in self.admitted) <= max(0, allowance)

    @invariant()
    def the_days_report_what_the_quota_has_let_go_of(self) -> None:
        """No less than was admitted once every node has reported, and never anything but what is gone of the quota."""
        for day in {at.date() for at in getattr(self, "admitted", [])}:
            allowance = max(0, self.quota.limit - (self.quota.offset if day == self.quota.first_day else 0))
            [entry] = self.shared.runner.run(self.usage.load_used(self.plan, day, day, "key"))
            left = self.shared.runner.run(self.usage.load_quota_remaining(self.plan, "key", day, allowance=allowance))
            assert (entry.used, entry.remaining) == (allowance - left, left)
            assert entry.used >= sum(at.date() == day for at in self.admitted)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Shared]:
    Metering.shared = Shared(tmp_path)
    yield Metering.shared
    Metering.shared.close()


def test_limits_hold_over_nodes_crashes_and_restarts(store: Shared) -> None:
    run_state_machine_as_test(
        Metering,
        settings=settings(max_examples=40, stateful_step_count=30, suppress_health_check=list(HealthCheck)),
    )
