"""`python -m benchmarks.sign_in_parts`: where the processor time of one SRP sign-in goes, without HTTP.

User pools run in this process on a SQLite file that waits for the disk. Of each of the two calls it is told how much
arithmetic and the database took, how much the wait for the disk took in a thread, and what is left. Clocks are those of
the processor, per thread where a part is meant. The client's arithmetic is done between the calls and counted nowhere.
"""

import argparse
import functools
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import uvloop

from benchmarks.userpools import SrpClient, open_pool
from velvetrope.srp.groups import Group
from velvetrope.store import Database
from velvetrope.store.threads import Threads
from velvetrope.tokens import SigningKey

PARTS = ("arithmetic", "database", "disk, in a thread", "else")


class Meter:
    """Seconds of processor by part, since `begin`."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.visits = 0
        self._meter(Group, "power", "arithmetic")
        self._meter(Group, "joint_power", "arithmetic")
        self._meter(Group, "generator_power", "arithmetic")
        self._meter(SigningKey, "sign", "arithmetic")
        self._meter(Database, "read_here", "database")
        self._meter(Database, "rows_here", "database")
        self._meter(Database, "write_here", "database")
        self._meter_threads()

    def begin(self) -> None:
        self.seconds.clear()
        self.visits = 0

    def _meter(self, owner: type, name: str, part: str) -> None:
        plain: Callable[..., Any] = getattr(owner, name)

        @functools.wraps(plain)
        def metered(*given: Any, **named: Any) -> Any:
            started = time.thread_time()
            try:
                return plain(*given, **named)
            finally:
                self.seconds[part] += time.thread_time() - started

        setattr(owner, name, metered)

    def _meter_threads(self) -> None:
        plain = Threads.run

        async def metered(threads: Threads, work: Callable[[], object]) -> object:
            def timed() -> object:
                started = time.thread_time()
                try:
                    return work()
                finally:
                    self.seconds["disk, in a thread"] += time.thread_time() - started

            self.visits += 1
            return await plain(threads, timed)

        setattr(Threads, "run", metered)  # noqa: B010  mypy lets nobody assign to a method


async def measure(times: int) -> None:
    meter, samples = Meter(), defaultdict[str, list[dict[str, float]]](list)

    async def one(call: str, work: Callable[[], Any]) -> Any:
        meter.begin()
        process = time.process_time()
        answer = await work()
        found = {"whole": time.process_time() - process}
        found |= {part: meter.seconds[part] for part in PARTS[:-1]}
        found["else"] = found["whole"] - sum(found[part] for part in PARTS[:-1])
        found["visits"] = meter.visits
        samples[call].append(found)
        return answer

    with tempfile.TemporaryDirectory() as folder:
        async with open_pool(folder, durable=True) as (pool, _):
            srp = SrpClient(pool.user_pool_id)
            for _ in range(times):
                challenge = await one("InitiateAuth", functools.partial(pool.begin_srp, srp))
                answer = srp.answer(challenge["challenge_parameters"])
                await one("RespondToAuthChallenge", functools.partial(pool.answer_srp, answer))

    rows = [*PARTS, "whole"]
    medians = {
        call: {row: statistics.median(found[row] for found in taken[times // 10 :]) for row in (*rows, "visits")}
        for call, taken in samples.items()
    }
    print("| CPU µs | InitiateAuth | RespondToAuthChallenge |")
    print("|---|---|---|")
    for row in rows:
        print(f"| {row} | " + " | ".join(f"{found[row] * 1e6:.0f}" for found in medians.values()) + " |")
    print("| visits to threads | " + " | ".join(f"{found['visits']:.0f}" for found in medians.values()) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sign_in_parts", description=__doc__)
    parser.add_argument("--times", type=int, default=400)
    uvloop.run(measure(parser.parse_args().times))


if __name__ == "__main__":
    main()
