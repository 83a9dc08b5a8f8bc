"""`python -m benchmarks.functions`: warm and cold invocations, beside what AWS's runtime client itself can do.

The ceiling is AWS's Python runtime client, unchanged, against a Runtime API that does nothing: a blocking socket that
answers every call with bytes made beforehand, or the same on an event loop. What it reaches is what any server of the
Runtime API could reach with this client. AWS's bootstrap over bare frames, with nothing but a loop at the other end, is
what any server behind a socketpair could reach. The same handler then runs behind our Runtime API and our socketpair,
one sandbox, one invocation after the other, turn by turn in the same run.

Ratios are of median latencies: on a machine that others use, these move far less than rates do.
"""

import argparse
import asyncio
import itertools
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import httptools
import uvloop

from benchmarks.load import resident_mib
from velvetrope.functions import FunctionService
from velvetrope.functions.sandbox import Sandbox
from velvetrope.iam import IamPrincipals, knows_action
from velvetrope.principals import Principal, TemporaryCredentials
from velvetrope.sealing import MasterKeys
from velvetrope.secret import Secret
from velvetrope.server.machine import SystemClock, SystemEntropy
from velvetrope.store import Database
from velvetrope.store.tables.functions import LATEST, Function, FunctionConfiguration, FunctionStore
from velvetrope.store.tables.iam import IamStore
from velvetrope.zygote import frames

HANDLER = "def handler(event, context):\n    return {'statusCode': 200, 'body': 'hello'}\n"
EVENT = b'{"path": "/hello", "httpMethod": "GET", "headers": {"Accept": "*/*"}, "body": null}'
ACCOUNT, REGION = "123456789012", "us-west-2"
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:bench"
ROOT = Principal(
    kind="Account", account_id=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:root", policy_arn="", unique_id=ACCOUNT
)


class Roles:
    """Every role can be assumed."""

    async def assume_role_for_service(
        self,
        role_arn: str,
        *,
        service: str,
        session_name: str,
        duration_seconds: int,
        now: datetime,
        source_function_arn: str | None = None,
    ) -> TemporaryCredentials:
        return TemporaryCredentials("ASIABENCH", Secret("secret"), "token", now + timedelta(hours=1))

    async def act_for_service(
        self,
        role_arn: str,
        *,
        service: str,
        session_name: str,
        duration_seconds: int,
        now: datetime,
        source_function_arn: str | None = None,
    ) -> Principal:
        return ROOT


class NoOthers:
    """There is no other service."""

    async def invoke(self, service: str, operation: str, parameters: object, call: object) -> dict[str, object]:
        raise LookupError(operation)

    async def allows(self, service: str, operation: str, parameters: object, call: object) -> bool:
        return False

    async def exist(self, queue_arn: str) -> bool:
        """There are no queues."""
        return False


@dataclass
class Rig:
    """A running functions room with one function."""

    service: FunctionService
    configuration: FunctionConfiguration

    async def invoke(self, count: int) -> list[float]:
        """Invoke so often, one after the other; the latencies in seconds."""
        invoke, clock, latencies = self.service.invoker.invoke, SystemClock(), []
        for _ in range(count):
            started = time.perf_counter()
            result = await invoke(ARN, EVENT, caller=ROOT, source_arn=None, now=clock.now())
            latencies.append(time.perf_counter() - started)
            if result.function_error is not None:
                raise RuntimeError(result.payload.decode())
        return latencies

    async def start_sandbox(self) -> Sandbox:
        """A sandbox of its own, not started yet."""
        factory = self.service.invoker._factory  # noqa: SLF001  the part that is measured
        return await factory.maker(self.configuration)(lambda _: None, lambda _: None)


@asynccontextmanager
async def rig(folder: Path, *, over_http: bool) -> AsyncIterator[Rig]:
    """The functions room over an empty database."""
    clock, entropy = SystemClock(), SystemEntropy()
    database = await Database.open(f"sqlite:///{folder}/velvetrope.db", durable=False)
    service = FunctionService(
        database,
        folder / "functions",
        Roles(),
        IamPrincipals(IamStore(database)),
        clock,
        entropy,
        MasterKeys.generate(entropy),
        knows_action=knows_action,
        endpoint_url="http://127.0.0.1:4800",
        region=REGION,
        account_id=ACCOUNT,
        python_over_http=over_http,
    )
    await service.start(NoOthers(), NoOthers())
    stored = service.code.put_zip(_zip())
    configuration = FunctionConfiguration(
        function_name="bench",
        function_arn=ARN,
        version=LATEST,
        runtime=f"python3.{sys.version_info.minor}",
        handler="app.handler",
        role=f"arn:aws:iam::{ACCOUNT}:role/bench",
        code_sha256=stored.sha256,
        code_size_bytes=stored.size_bytes,
        modified_at=clock.now(),
        revision_id="1",
    )
    await FunctionStore(database).create_function(Function(account_id=ACCOUNT, region=REGION, latest=configuration))
    try:
        yield Rig(service, configuration)
    finally:
        await service.stop()
        await database.close()


def _zip() -> bytes:
    import io
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("app.py", HANDLER)
    return out.getvalue()


def _client_environment(port: int) -> dict[str, str]:
    return {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python3.{sys.version_info.minor}",
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_FUNCTION_VERSION": LATEST,
        "AWS_LAMBDA_LOG_GROUP_NAME": "bench",
        "AWS_LAMBDA_LOG_STREAM_NAME": "bench",
        "PATH": os.environ["PATH"],
    }


def _start_client(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    """AWS's Python runtime client as it is."""
    (folder / "app.py").write_text(HANDLER)
    arguments = [sys.executable, "-s", "-m", "awslambdaric", "app.handler"]
    return subprocess.Popen(arguments, cwd=folder, env=_client_environment(port))


class Ceiling:
    """AWS's client against a Runtime API that does nothing, in a process each: a blocking socket."""

    def __init__(self, folder: Path) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._client = _start_client(folder, self._listening.getsockname()[1])
        self._connection, self._buffer = self._listening.accept()[0], b""
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._receive()

    def invoke(self, count: int) -> list[float]:
        """Invoke so often, one after the other; how long each took, from event to event."""
        event, accepted = _null_answers()
        latencies, clock = [], time.perf_counter
        for _ in range(count):
            started = clock()
            self._connection.sendall(event)
            self._receive()
            self._connection.sendall(accepted)
            self._receive()
            latencies.append(clock() - started)
        return latencies

    def close(self) -> None:
        self._client.kill()
        self._client.wait()
        self._connection.close()
        self._listening.close()

    def _receive(self) -> None:
        """One whole request, whichever connection the client uses for it."""
        data = self._buffer
        while True:
            head = data.find(b"\r\n\r\n")
            if head >= 0:
                at = data.lower().find(b"content-length:", 0, head)
                length = int(data[at + 15 : data.find(b"\r\n", at)]) if at >= 0 else 0
                end = head + 4 + length
                if len(data) >= end:
                    self._buffer = data[end:]
                    return
            more = self._connection.recv(65536)
            if not more:
                self._connection.close()
                self._connection, data = self._listening.accept()[0], b""
                self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                continue
            data += more


def _null_answers() -> tuple[bytes, bytes]:
    """The answers to `next` and to `response`."""
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        "Lambda-Runtime-Aws-Request-Id: 11111111-2222-3333-4444-555555555555\r\n"
        f"Lambda-Runtime-Deadline-Ms: 4102444800000\r\nLambda-Runtime-Invoked-Function-Arn: {ARN}\r\n"
        f"Content-Length: {len(EVENT)}\r\n\r\n"
    ).encode()
    accepted = b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n'
    return head + EVENT, accepted


class NullConnection(asyncio.Protocol):
    """A connection to a Runtime API on an event loop that parses HTTP and knows nothing else."""

    def __init__(self, ceiling: "LoopCeiling") -> None:
        self._ceiling = ceiling
        self._event, self._accepted = _null_answers()
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        if self._parser.get_method() == b"POST":
            self._transport.write(self._accepted)
        elif self._ceiling.takes_one():
            self.give()
        else:
            self._ceiling.wait(self)

    def give(self) -> None:
        self._transport.write(self._event)


class LoopCeiling:
    """AWS's client against a Runtime API that does nothing, on this event loop: the kind of server that ours is."""

    def __init__(self) -> None:
        self._left = 0
        self._given: list[float] = []
        self._waiting: asyncio.Queue[NullConnection] = asyncio.Queue()

    async def open(self, folder: Path) -> None:
        self._server = await asyncio.get_running_loop().create_server(lambda: NullConnection(self), "127.0.0.1", 0)
        self._client = _start_client(folder, self._server.sockets[0].getsockname()[1])

    async def invoke(self, count: int) -> list[float]:
        """Invoke so often, one after the other; how long each took, from event to event."""
        connection = await self._waiting.get()
        self._left, self._given = count - 1, [time.perf_counter()]
        connection.give()
        again = await self._waiting.get()
        self._given.append(time.perf_counter())
        self._waiting.put_nowait(again)
        return [later - earlier for earlier, later in itertools.pairwise(self._given)]

    def takes_one(self) -> bool:
        self._left -= 1
        if self._left < 0:
            return False
        self._given.append(time.perf_counter())
        return True

    def wait(self, connection: NullConnection) -> None:
        self._waiting.put_nowait(connection)

    def close(self) -> None:
        self._client.kill()
        self._client.wait()
        self._server.close()


class FrameCeiling:
    """AWS's bootstrap over frames, and a loop that sends the same event again and again."""

    def __init__(self, folder: Path) -> None:
        (folder / "app.py").write_text(HANDLER)
        self._connection, theirs = socket.socketpair()
        script = (
            "import socket, sys; sys.path.insert(0, '.'); from velvetrope.zygote.python_runtime import run_handler; "
            "run_handler(socket.socket(fileno=int(sys.argv[1])), 'app.handler')"
        )
        self._client = subprocess.Popen(
            [sys.executable, "-s", "-c", script, str(theirs.fileno())],
            cwd=folder,
            env=_client_environment(0),
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        self._connection.recv(100)

    def invoke(self, count: int) -> list[float]:
        """Invoke so often, one after the other; how long each took."""
        event = frames.render_event(frames.Event("11111111-2222-3333-4444-555555555555", 4_102_444_800_000, ARN, EVENT))
        latencies, clock = [], time.perf_counter
        for _ in range(count):
            started = clock()
            self._connection.sendall(event)
            self._connection.recv(65536)
            latencies.append(clock() - started)
        return latencies

    def close(self) -> None:
        self._client.kill()
        self._client.wait()
        self._connection.close()


async def measure_warm(rounds: int, count: int) -> None:
    """Warm invocations, one after the other."""
    found: dict[str, list[list[float]]] = {
        "AWS's client, null Runtime API, blocking": [],
        "AWS's client, null Runtime API, event loop": [],
        "AWS's bootstrap, bare frames, blocking": [],
        "Runtime API": [],
        "socketpair": [],
    }
    with tempfile.TemporaryDirectory() as temporary:
        folders = [Path(temporary, name) for name in ("blocking", "loop", "bare", "frames", "http")]
        for folder in folders:
            folder.mkdir()
        blocking, loop, bare = Ceiling(folders[0]), LoopCeiling(), FrameCeiling(folders[2])
        await loop.open(folders[1])
        try:
            async with rig(folders[3], over_http=False) as framed, rig(folders[4], over_http=True) as http:
                for warming in (framed, http):
                    await warming.invoke(300)
                for _ in range(rounds):
                    rows = (
                        await asyncio.to_thread(blocking.invoke, count),
                        await loop.invoke(count),
                        await asyncio.to_thread(bare.invoke, count),
                        await http.invoke(count),
                        await framed.invoke(count),
                    )
                    for name, row in zip(found, rows, strict=True):
                        found[name].append(row)
        finally:
            for ceiling in (blocking, loop, bare):
                ceiling.close()
    print(f"\nWarm, one sandbox, one after the other; median of {rounds} rounds of {count}\n")
    print("| | per second | p50 ms | p99 ms | to the client, blocking | to the client, event loop | to bare frames |")
    print("|---|---|---|---|---|---|---|")
    ceilings = list(found)[:3]
    for name, each in found.items():
        p50, p99 = (statistics.median(sorted(one)[len(one) * part // 100] * 1000 for one in each) for part in (50, 99))
        rate = statistics.median(len(one) / sum(one) for one in each)
        ratios = [
            statistics.median(statistics.median(b) / statistics.median(a) for a, b in zip(each, found[to], strict=True))
            for to in ceilings
        ]
        shown = " | ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"| {name} | {rate:,.0f} | {p50:.3f} | {p99:.3f} | {shown} |")


async def measure_cold(times: int) -> None:
    """From fork to ready, and the memory of sandboxes that wait."""
    print(f"\nCold, median of {times}; memory with ten sandboxes waiting\n")
    print("| | fork to ready ms | p90 ms | first of all ms | memory of each MiB |")
    print("|---|---|---|---|---|")
    for name, over_http in (("socketpair", False), ("Runtime API", True)):
        with tempfile.TemporaryDirectory() as temporary:
            async with rig(Path(temporary), over_http=over_http) as running:
                seconds: list[float] = []
                for _ in range(times + 1):
                    sandbox = await running.start_sandbox()
                    started = time.perf_counter()
                    await sandbox.start()
                    seconds.append(time.perf_counter() - started)
                    sandbox.kill()
                    await sandbox.wait_ended()
                waiting = [await running.start_sandbox() for _ in range(10)]
                for sandbox in waiting:
                    await sandbox.start()
                mib = resident_mib([sandbox.process_id for sandbox in waiting if sandbox.process_id]) / len(waiting)
                for sandbox in waiting:
                    sandbox.kill()
                    await sandbox.wait_ended()
        first, *others = seconds
        others.sort()
        row = (statistics.median(others), others[len(others) * 9 // 10], first)
        print(f"| {name} | {' | '.join(f'{value * 1000:.1f}' for value in row)} | {mib:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.functions", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["all", "warm", "cold"], default="all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=3000, help="invocations of a round")
    parser.add_argument("--times", type=int, default=30, help="cold starts")
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if given.what in ("all", "warm"):
            runner.run(measure_warm(given.rounds, given.count))
        if given.what in ("all", "cold"):
            runner.run(measure_cold(given.times))


if __name__ == "__main__":
    main()
