"""One port for http and https, and manners for whoever connects to it.

    listener = Listener(app, sock, tls=server_context(certificates))     # `sock` listens already, and does not block
    await listener.start()
    ...
    await listener.stop()                     # finishes what is being answered, a few seconds at most

The first byte of a connection tells TLS (0x16, a handshake record) from plain HTTP; it is looked at without being
taken (`MSG_PEEK`), and then the event loop takes the socket over. Works on asyncio's loop and on uvloop's. Only
`http/1.1` is offered in ALPN: advertising `h2` without serving it breaks browsers.

What is spoken then is `connections.py`'s. One sweep a second looks after all connections, idle and silent ones too, so
that no request pays for a timer of its own.

A stop keeps one promise: a call that was read has its answer, if the client takes it within the grace period. So what
is handed over to the loop is never taken back from it: whoever has said nothing is closed here, whoever is being handed
over is waited for.

Sources: RFC 8446 sections 5.1 (the record type) and 6.1 (whoever closes need not wait for the other), RFC 7301.
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
_ACCEPTED_AT_ONCE: Final = 64
"""Clients at most in one turn of the loop: those who are connected are answered meanwhile."""
_PARTING_SECONDS: Final = 0.5
"""How long a connection over which all is said may take to be closed. (TLS clients that are idle do not answer a
`close_notify` before they look at their connection again, and the loop would wait for that.)"""
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
        tls: ssl.SSLContext | None = None,
        grace_seconds: float = 5.0,
        pace: Pace = _PACE,
        sweep_seconds: float = 1.0,
    ) -> None:
        """`gateway` answers calls to deployed APIs and `operations` those of AWS operations, without ASGI (`EdgeApp`
        is both); `app` answers all others.
        """
        self._socket = sock
        self._tls = tls
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
        self._silent: dict[socket.socket, float] = {}
        """Clients of whom nothing has come yet, and the loop's time when they connected."""
        self._hand_overs: set[asyncio.Task[None]] = set()
        self._sweeping: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._socket.getsockname()[1])

    async def start(self) -> None:
        """Begin to accept."""
        self._config.load()
        self._refresh_date()
        self._watch_for_clients()
        self._sweeping = asyncio.create_task(self._sweep())

    async def serve_until(self, stop: asyncio.Event) -> None:
        """Accept until `stop` is set, then finish what is under way."""
        await self.start()
        try:
            await stop.wait()
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Stop accepting, let requests under way finish for the grace period, then close what is left."""
        if self._sweeping is not None:
            await _cancel(self._sweeping)
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        for client in list(self._silent):
            self._forget_silent(client)
            client.close()
        await self._wait_while(self._owes_anybody, self._grace_seconds)
        await self._wait_while(self._has_any, _PARTING_SECONDS)
        await _cancel(*self._hand_overs)
        for connection in self._connections():
            connection.transport.abort()
        # The transports report their end in the loop's next turns; what then still runs has nobody to answer.
        await self._wait_while(self._has_any, _PARTING_SECONDS)
        await _cancel(*self._state.tasks)

    async def _wait_while(self, condition: Callable[[], bool], seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while condition():  # noqa: ASYNC110 - uvicorn's sets tell nobody
                    await asyncio.sleep(0.01)

    def _owes_anybody(self) -> bool:
        """Whether there is an answer to be made or to be sent. Connections that have none are closed."""
        connections = self._connections()
        for connection in connections:
            connection.shutdown()  # those too that were being handed over a moment ago
        return bool(self._hand_overs or self._state.tasks) or any(map(Connection.owes_anything, connections))

    def _has_any(self) -> bool:
        return bool(self._state.connections or self._state.tasks)

    def _connections(self) -> "list[Connection]":
        return list(cast("set[Connection]", self._state.connections))

    def _watch_for_clients(self) -> None:
        asyncio.get_running_loop().add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        """Take over those who wait in the kernel's queue."""
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                client, _address = self._socket.accept()
            except OSError as error:
                # None waits any more, or one has gone already.
                if error.errno in _OUT_OF_RESOURCES:
                    # The queue holds the callers until connections have closed; the next sweep looks again.
                    asyncio.get_running_loop().remove_reader(self._socket)
                return
            client.setblocking(False)
            self._greet(client)

    def _greet(self, client: socket.socket) -> None:
        """Hand the client over to the loop as soon as it has said what it speaks."""
        loop = asyncio.get_running_loop()
        try:
            # asyncio's loop does so itself only where a socket was made with TCP's protocol number.
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            first = client.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            if client not in self._silent:
                self._silent[client] = loop.time()
                loop.add_reader(client, self._greet, client)
            return
        except OSError:
            first = b""
        self._forget_silent(client)
        if not first:
            client.close()
            return
        task = loop.create_task(self._hand_over(client, self._tls if first == _TLS_HANDSHAKE_RECORD else None))
        self._hand_overs.add(task)
        task.add_done_callback(self._hand_overs.discard)

    def _forget_silent(self, client: socket.socket) -> None:
        if self._silent.pop(client, None) is not None:
            asyncio.get_running_loop().remove_reader(client)

    async def _hand_over(self, client: socket.socket, tls: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        timeout = None if tls is None else self._pace.head_timeout_seconds
        # Gone, too slow, or no TLS after all (ssl.SSLError is an OSError): the loop has closed it, and nobody is told.
        with contextlib.suppress(OSError):
            await loop.connect_accepted_socket(self.new_protocol, client, ssl=tls, ssl_handshake_timeout=timeout)

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
            self._watch_for_clients()
            now = loop.time()
            for client, since in list(self._silent.items()):
                if now - since > self._pace.head_timeout_seconds:
                    self._forget_silent(client)
                    client.close()
            for connection in self._connections():
                connection.check_pace(now, self._pace)

    def _refresh_date(self) -> None:
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]


async def _cancel(*tasks: "asyncio.Task[None]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
