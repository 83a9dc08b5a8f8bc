"""Sandboxes and the server's end: on either event loop, and when the server is killed."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import uvloop

from support.functions import process_is_alive, running_lambda, until
from support.stores import open_store
from velvetrope.functions.channels import Refusal, Verdict
from velvetrope.functions.runtime_api import RuntimeApi

SERVER = """
import asyncio, sys
from pathlib import Path
from support.functions import OWNER, WallClock, running_lambda
from support.stores import open_store

async def main(folder):
    database = await open_store(folder)
    async with running_lambda(database, folder / "functions") as functions:
        arn = await functions.create(
            "import os, subprocess\\ndef handler(event, context):\\n"
            "    return [os.getpid(), subprocess.Popen(['sleep', '300'], start_new_session=True).pid]"
        )
        print((await functions.invoke(arn)).payload.decode(), flush=True)
        await asyncio.Event().wait()

asyncio.run(main(Path(sys.argv[1])))
"""


async def crash_and_go_on(folder: Path) -> list[object]:
    """Invoke, crash, invoke again: what came back. Ends the service and leaves no process."""
    database = await open_store(folder)
    async with running_lambda(database, folder / "functions") as functions:
        source = "import os\ndef handler(event, context): return os._exit(event) if event else os.getpid()"
        arn = await functions.create(source)
        results = [await functions.invoke(arn, payload) for payload in (b"0", b"5", b"0")]
        pids = functions.service.invoker.process_ids()
    await database.close()
    assert not any(process_is_alive(pid) for pid in pids)
    return [json.loads(result.payload) for result in results]


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_exits_are_seen_under_asyncio_and_uvloop(new_loop: type[asyncio.AbstractEventLoop], tmp_path: Path) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        first, crash, second = runner.run(crash_and_go_on(tmp_path))

    assert first != second
    assert isinstance(crash, dict)
    assert crash["errorMessage"].endswith("Runtime exited with error: exit status 5")


async def test_a_server_that_is_killed_takes_its_sandboxes_with_it(tmp_path: Path) -> None:
    paths = os.pathsep.join(path for path in sys.path if path)
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, str(tmp_path), stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths}
    )
    assert server.stdout is not None
    sandbox, hidden = json.loads(await server.stdout.readline())
    assert process_is_alive(sandbox)
    assert process_is_alive(hidden)

    server.send_signal(signal.SIGKILL)
    await server.wait()

    await until(lambda: not process_is_alive(sandbox))
    await until(lambda: not process_is_alive(hidden))


async def test_where_peers_cannot_be_known_the_path_is_the_secret() -> None:
    class Owner:
        """Nobody's sandbox."""

        def next_asked(self, waiting: object) -> None: ...
        def connection_lost(self, waiting: object) -> None: ...
        def responded(self, request_id: str, body: bytes | None) -> Verdict:
            raise NotImplementedError

        def failed(self, request_id: str, body: bytes | None) -> Verdict:
            raise NotImplementedError

        def init_failed(self, body: bytes | None, error_type: str) -> Refusal | None: ...

    api = RuntimeApi(Owner(), secret_path=b"/unguessable")
    await api.open()
    address, _, path = api.address.partition("/")
    host, _, port = address.partition(":")

    async def ping(base: str) -> bytes:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET {base}/2018-06-01/ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        return answer.partition(b"\r\n")[0]

    assert await ping(f"/{path}") == b"HTTP/1.1 200 OK"
    assert await ping("") == b"HTTP/1.1 404 Not Found"
    assert await ping("/guessed") == b"HTTP/1.1 404 Not Found"
    api.close()
