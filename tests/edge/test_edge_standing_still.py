"""Who is slow when this process itself stood still: a machine under load, a debugger, a container that was paused."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

import pytest
import uvloop

from velvetrope.edge.connections import Connection
from velvetrope.edge.listener import Listener
from velvetrope.server.sockets import bind

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


async def app(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


def stand_still(seconds: float) -> None:
    """Block the loop: timers become due, and what is sent meanwhile waits in the sockets."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - the listener tells nobody of its greetings
            await asyncio.sleep(0)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_first_byte_that_came_while_we_stood_still_is_seen(loop: str) -> None:
    async def talk() -> bytes:
        listener = Listener(app, bind("127.0.0.1", 0), sweep_seconds=0.05)
        await listener.start()
        with socket.create_connection(("127.0.0.1", listener.port)) as client:
            await until(lambda: listener._silent)
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            stand_still(0.1)  # the sweep is due
            for silent in listener._silent:
                listener._silent[silent] -= 3600  # so long, as far as the loop can tell
            client.setblocking(False)
            answer = await asyncio.get_running_loop().sock_recv(client, 1000)
        await listener.stop()
        return answer

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        assert runner.run(talk()).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("loop", LOOPS)
def test_nobody_is_called_slow_for_what_came_while_we_stood_still(loop: str) -> None:
    async def talk() -> bytes:
        listener = Listener(app, bind("127.0.0.1", 0), sweep_seconds=0.05)
        await listener.start()
        connections = cast("set[Connection]", listener._state.connections)
        with socket.create_connection(("127.0.0.1", listener.port)) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
            await until(lambda: any(connection._body_since for connection in connections))
            client.sendall(b"cd")
            stand_still(0.1)  # the sweep is due
            for connection in connections:
                connection._body_moved_at -= 3600  # so long, as far as the loop can tell
            client.setblocking(False)
            answer = await asyncio.get_running_loop().sock_recv(client, 1000)
        await listener.stop()
        return answer

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        assert runner.run(talk()).startswith(b"HTTP/1.1 200 OK")
