"""One port for http and https, and manners for whoever connects to it.

    listener = Listener(app, sock, tls=lambda: server_context(certificates))     # `sock` listens already
    await listener.start()
    ...
    await listener.stop()                     # finishes what is being answered, a few seconds at most

The first byte of a connection tells TLS (0x16, a handshake record) from plain HTTP; it is looked at without being
taken (`MSG_PEEK`), and then the event loop takes the socket over. Works on asyncio's loop and on uvloop's. Only
`http/1.1` is offered in ALPN: advertising `h2` without serving it breaks browsers.

What is spoken then is `connections.py`'s. One sweep a second looks after all connections, idle ones too, so that no
request pays for a timer of its own.

Sources: RFC 8446 section 5.1 (the record type), RFC 7301.
"""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable
from email.utils import formatdate
from typing import Any, Final, cast

from uvicorn.config import Config
from uvicorn.server import ServerState

from velvetrope.edge.connections import Connection, DirectDoors
from velvetrope.edge.gateway_cycle import GatewayDoor
from velvetrope.edge.http_connection import Pace
from velvetrope.edge.known_calls import KnownCalls
from velvetrope.edge.known_heads import KnownHeads
from velvetrope.edge.operation_cycle import OperationDoor
from velvetrope.edge.turns import Turn

__all__ = ["Listener"]

_TLS_HANDSHAKE_RECORD: Final = b"\x16"
_OUT_OF_RESOURCES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PACE: Final = Pace()


class Listener:
    """Accepts connections on one socket and hands each to a protocol, over TLS or not."""

    def __init__(
        self,
        app: Callable[..., Any],
        sock: socket.socket,
        *,
        gateway: GatewayDoor | None = None,
        operations: OperationDoor | None = None,
        tls: Callable[[], ssl.SSLContext] | None = None,
        grace_seconds: float = 5.0,
        pace: Pace = _PACE,
        sweep_seconds: float = 1.0,
    ) -> None:
        """`gateway` answers calls to deployed APIs and `operations` those of AWS operations, without ASGI (`EdgeApp`
        is both); `app` answers all others.

        `tls` makes the context; it is called once, in a thread, by the first client that speaks TLS.
        """
        self._socket = sock
        self._make_tls_context = tls
        self._tls_context: asyncio.Task[ssl.SSLContext] | None = None
        self._grace_seconds = grace_seconds
        self._pace = pace
        self._sweep_seconds = sweep_seconds
        self._config = Config(
            app,
            interface="asgi3",
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
        )
        self._state = ServerState()
        self._doors = DirectDoors(gateway, operations, Turn(self._state), KnownHeads(), KnownCalls())
        self._greetings: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._socket.getsockname()[1])

    async def start(self) -> None:
        """Begin to accept."""
        self._config.load()
        self._refresh_date()
        self._tasks = [asyncio.create_task(self._accept()), asyncio.create_task(self._sweep())]

    async def serve_until(self, stop: asyncio.Event) -> None:
        """Accept until `stop` is set, then finish what is under way."""
        await self.start()
        try:
            await stop.wait()
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Stop accepting, let requests under way finish for the grace period, then close what is left."""
        await _cancel(*self._tasks, *self._greetings)
        self._socket.close()
        connections = cast("set[Connection]", self._state.connections)
        for connection in list(connections):
            connection.shutdown()
        await self._wait_until_quiet(self._grace_seconds)
        for connection in list(connections):
            connection.transport.abort()
        # The transports report their end in the loop's next turns; what then still runs has nobody to answer.
        await self._wait_until_quiet(0.5)
        await _cancel(*self._state.tasks)

    async def _wait_until_quiet(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._state.connections or self._state.tasks:  # noqa: ASYNC110 - uvicorn's sets tell nobody
                    await asyncio.sleep(0.01)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(self._socket)
            except OSError as error:
                if error.errno in _OUT_OF_RESOURCES:
                    # Nothing to accept with; the backlog holds the callers until connections have closed.
                    await asyncio.sleep(0.1)
                continue
            task = loop.create_task(self._greet(client))
            self._greetings.add(task)
            task.add_done_callback(self._greetings.discard)

    async def _greet(self, client: socket.socket) -> None:
        """Find out what the client speaks, and hand the socket to the loop."""
        loop = asyncio.get_running_loop()
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            first = await _peek(client, self._pace.head_timeout_seconds)
            if not first:
                client.close()
            elif first == _TLS_HANDSHAKE_RECORD and self._make_tls_context is not None:
                await loop.connect_accepted_socket(
                    self.new_protocol,
                    client,
                    ssl=await self._context(),
                    ssl_handshake_timeout=self._pace.head_timeout_seconds,
                )
            else:
                await loop.connect_accepted_socket(self.new_protocol, client)
        except (OSError, TimeoutError):
            # Silent, gone, or no TLS after all (ssl.SSLError is an OSError): nobody to tell.
            client.close()
        except asyncio.CancelledError:
            client.close()
            raise

    async def _context(self) -> ssl.SSLContext:
        if self._tls_context is None and self._make_tls_context is not None:
            self._tls_context = asyncio.create_task(asyncio.to_thread(self._make_tls_context))
        if self._tls_context is None:
            raise OSError("no certificates")
        return await asyncio.shield(self._tls_context)

    def new_protocol(self) -> asyncio.Protocol:
        """What speaks HTTP on one connection."""
        loop = asyncio.get_running_loop()
        return Connection(self._config, self._state, loop, self._doors)

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._sweep_seconds)
            # If this process stood still meanwhile, what has come in that time is read before anybody is called slow.
            await asyncio.sleep(0)
            self._refresh_date()
            now = loop.time()
            for connection in list(self._state.connections):
                cast("Connection", connection).check_pace(now, self._pace)

    def _refresh_date(self) -> None:
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]


async def _peek(client: socket.socket, seconds: float) -> bytes:
    """The first byte, left where it is; empty if the client has gone.

    Raises:
        TimeoutError: it did not come within `seconds`.
    """
    client.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        return client.recv(1, socket.MSG_PEEK)
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(client.fileno(), readable.set)
    try:
        async with asyncio.timeout(seconds):
            await readable.wait()
    except TimeoutError:
        # If this process stood still meanwhile, it was not the client that was slow: its byte is there.
        with contextlib.suppress(BlockingIOError):
            return client.recv(1, socket.MSG_PEEK)
        raise
    finally:
        loop.remove_reader(client.fileno())
    return client.recv(1, socket.MSG_PEEK)


async def _cancel(*tasks: "asyncio.Task[None]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
