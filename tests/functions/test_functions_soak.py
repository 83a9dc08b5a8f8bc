"""Many invocations while workers are killed: none is lost, none answered twice, and nothing is left at the end.

`VELVETROPE_SOAK_INVOCATIONS` says how many; `make soak` runs twenty thousand.
"""

import asyncio
import json
import os
import random
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path

from support.functions import Lambda, open_descriptors, running_lambda, until
from support.running import Descendants
from velvetrope.functions import LogEvent
from velvetrope.functions.configurations import Environment
from velvetrope.store import Database

INVOCATIONS = int(os.environ.get("VELVETROPE_SOAK_INVOCATIONS", "2000"))
CALLERS = 8
KILL_EVERY = 50

ECHO = """
import os
def handler(event, context):
    if event["n"] % 7 == 0:
        print("number", event["n"])
    return {"n": event["n"], "id": context.aws_request_id}
"""


async def test_killed_workers_lose_no_invocation_and_nothing_is_left(database: Database, tmp_path: Path) -> None:
    with Descendants(os.getpid()) as found:
        others = found.process_ids  # whole servers of other tests may run on
    descriptors = open_descriptors()
    numbers = iter(range(INVOCATIONS))
    answered: Counter[int] = Counter()
    lines: Counter[str] = Counter()
    killed, lost = 0, list[str]()

    def count(event: LogEvent) -> None:
        what, _, rest = event.message.partition(" RequestId: ")
        if rest and what in {"START", "END", "REPORT"}:
            lines[f"{what} {rest[:36]}"] += 1

    async with running_lambda(database, tmp_path / "functions", max_sandboxes_per_version=3) as functions:
        functions.service.logs.subscribe(count)
        frames = await functions.create(ECHO)
        http = await bootstrapped(functions)
        by_choice = random.Random(4)

        async def call() -> None:
            nonlocal killed
            for n in numbers:
                arn = http if n % 10 == 0 else frames
                result = await functions.invoke(arn, b'{"n": %d}' % n)
                answered[n] += 1
                if result.function_error is None:
                    assert json.loads(result.payload) == {"n": n, "id": result.request_id}
                else:
                    lost.append(json.loads(result.payload)["errorMessage"])
                if n % KILL_EVERY == 0 and (pids := functions.service.invoker.process_ids()):
                    with suppress(ProcessLookupError):
                        os.kill(by_choice.choice(pids), signal.SIGKILL)
                        killed += 1

        await asyncio.gather(*(call() for _ in range(CALLERS)))
        children = Descendants(os.getpid(), besides=others)

    assert answered == Counter(range(INVOCATIONS))
    assert killed > INVOCATIONS // KILL_EVERY // 2
    # A kill ends one process, that is one invocation at most; who is not told of it has his own answer.
    assert len(lost) <= killed
    assert all(message.endswith("Error: Runtime exited with error: signal: killed") for message in lost)
    assert set(lines.values()) == {1}
    started = Counter(line.partition(" ")[2] for line in lines)
    assert set(started.values()) == {3}
    # One that waited for a process that was killed while it began is answered without having begun.
    assert INVOCATIONS - len(lost) <= len(started) <= INVOCATIONS
    with children:
        assert children
        assert await asyncio.to_thread(children.alive_after, 60) == set()
    await until(lambda: open_descriptors() <= descriptors)
    assert list((tmp_path / "functions").glob("scratch/*")) == []


async def bootstrapped(functions: Lambda) -> str:
    """The same handler behind the Runtime API: a variable has a fresh interpreter begun."""
    fresh = Environment(variables={"PYTHONHASHSEED": "1"})
    return await functions.create(ECHO, name="http", environment=fresh)
