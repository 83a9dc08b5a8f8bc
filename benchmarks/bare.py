"""Two bare servers with the same app, which says hello: `python -m benchmarks.bare uvicorn`, or `own`.

`uvicorn` is the server as people run it in front of raw ASGI: uvloop, httptools, no access log. `own` is our listener
with that app behind it, which answers such a call for a fifth less than uvicorn does and so asks more of the gateway.
"""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn
import uvloop

from velvetrope.edge.listener import Listener
from velvetrope.server.sockets import bind

_BODY = b'{"message":"You\'re past the velvet rope!"}'
_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(_BODY)).encode())],
}
_END = {"type": "http.response.body", "body": _BODY}


async def hello(
    _scope: MutableMapping[str, Any],
    _receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    """Answer anything with the body of the protected route."""
    await send(_START)
    await send(_END)


async def serve_by_uvicorn(sock: socket.socket) -> None:
    """Until the process is told to end."""
    config = uvicorn.Config(
        hello, loop="uvloop", http="httptools", ws="none", lifespan="off", access_log=False, log_level="warning"
    )
    await uvicorn.Server(config).serve(sockets=[sock])


async def serve_by_own_listener(sock: socket.socket) -> None:
    """Until the process is ended."""
    await Listener(hello, sock).serve_until(asyncio.Event())


SERVERS = {"uvicorn": serve_by_uvicorn, "own": serve_by_own_listener}


async def main(server: str) -> None:
    sock = bind("127.0.0.1", 0)
    print(sock.getsockname()[1], flush=True)
    await SERVERS[server](sock)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
