"""The number of sandboxes that all functions have together: who finds none, who makes room, and who goes on waiting."""

import asyncio
import json
from pathlib import Path

import pytest

from support.functions import running_lambda, sandboxes_of, until
from velvetrope.functions.errors import TooManyRequestsException
from velvetrope.server.settings import Settings, SettingsError
from velvetrope.store import Database

ANSWERS = "import os\ndef handler(event, context): return os.getpid()"


async def test_a_function_without_a_sandbox_is_throttled_while_all_are_at_work(
    database: Database, tmp_path: Path
) -> None:
    async with running_lambda(database, tmp_path / "functions", max_sandboxes=1) as functions:
        busy = await functions.create("import time\ndef handler(event, context): time.sleep(30)", timeout=60)
        other = await functions.create(ANSWERS, name="other")
        running = asyncio.create_task(functions.invoke(busy))
        await until(lambda: any(line.message.startswith("START") for line in functions.lines))

        with pytest.raises(TooManyRequestsException) as refused:
            await functions.invoke(other)

        assert refused.value.reason == "ConcurrentInvocationLimitExceeded"
        for sandbox in sandboxes_of(functions):
            sandbox.kill()
        await running
        assert (await functions.invoke(other)).function_error is None


async def test_the_sandbox_that_has_been_idle_longest_makes_room(database: Database, tmp_path: Path) -> None:
    async with running_lambda(database, tmp_path / "functions", max_sandboxes=2) as functions:
        arns = [await functions.create(ANSWERS, name=name) for name in ("first", "second", "third")]
        pids = [json.loads((await functions.invoke(arn)).payload) for arn in arns]

        # The first made room for the third; the second is warm still.
        again = [json.loads((await functions.invoke(arn)).payload) for arn in (arns[1], arns[2])]

        assert again == pids[1:]
        await until(lambda: len(sandboxes_of(functions)) == 2)


async def test_who_has_a_sandbox_waits_for_it_where_there_can_be_no_second(database: Database, tmp_path: Path) -> None:
    async with running_lambda(database, tmp_path / "functions", max_sandboxes=1) as functions:
        arn = await functions.create(
            "import os, time\ndef handler(event, context): time.sleep(.05); return os.getpid()"
        )

        results = await asyncio.gather(*(functions.invoke(arn) for _ in range(5)))

        assert {result.function_error for result in results} == {None}
        assert len({result.payload for result in results}) == 1


async def test_no_more_than_the_number_live_at_once(database: Database, tmp_path: Path) -> None:
    async with running_lambda(database, tmp_path / "functions", max_sandboxes=3) as functions:
        arns = [
            await functions.create("import time\ndef handler(event, context): time.sleep(.05)", name=f"function-{n}")
            for n in range(3)
        ]
        most = 0

        async def call(arn: str) -> None:
            nonlocal most
            await functions.invoke(arn)
            most = max(most, sum(pool.size for pool in functions.service.invoker._pools.values()))

        await asyncio.gather(*(call(arn) for arn in arns * 4))

        assert most <= 3


@pytest.mark.parametrize("number", [0, 1001])
def test_the_number_has_bounds(number: int) -> None:
    with pytest.raises(SettingsError, match="--max-sandboxes"):
        Settings(max_sandboxes=number)


@pytest.mark.parametrize("number", [1, 1000])
def test_the_bounds_themselves_are_good(number: int) -> None:
    assert Settings(max_sandboxes=number).max_sandboxes == number
