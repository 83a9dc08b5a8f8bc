"""The bare server: the same listener and protocol, and an app that says hello. `python -m benchmarks.bare`."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

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


async def main() -> None:
    sock = bind("127.0.0.1", 0)
    print(sock.getsockname()[1], flush=True)
    await Listener(hello, sock).serve_until(asyncio.Event())


if __name__ == "__main__":
    uvloop.run(main())
