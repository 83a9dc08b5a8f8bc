"""Connections to one origin, kept and used again: the one that was used last goes first.

Connections are kept shorter than web servers commonly keep them, so that they rarely end while a request is under way.
There are at most so many at a time; who comes then waits until one is free.
"""

import asyncio
import ssl
from collections import deque
from typing import Final, NamedTuple

from velvetrope.execute_api.backend_addresses import resolve
from velvetrope.execute_api.backend_connections import BackendConnection

__all__ = ["BackendPool", "Origin"]

MAX_CONNECTIONS: Final = 200
KEPT_SECONDS: Final = 4.0
"""Shorter than what web servers commonly keep an idle connection for, which is five seconds."""


class Origin(NamedTuple):
    """What connections are interchangeable for."""

    scheme: str
    host: str
    port: int
    verify_certificate: bool
    server_name: str


class BackendPool:
    """The connections to one origin."""

    def __init__(self, origin: Origin, *, allow_link_local: bool) -> None:
        self._origin = origin
        self._allow_link_local = allow_link_local
        self._tls = _tls(verify_certificate=origin.verify_certificate) if origin.scheme == "https" else None
        self._idle: list[BackendConnection] = []
        self._open = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def is_unused(self) -> bool:
        return not self._open and not self._waiting

    def find_idle(self, now: float) -> BackendConnection | None:
        """A connection that can be used at once."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and connection.is_reusable and now - connection.idle_since < KEPT_SECONDS:
                return connection
            self._lose(connection)
        return None

    async def new(self) -> BackendConnection:
        """Another connection; waits while there are as many as may be. To be called in a task, with a timeout.

        Raises:
            OSError: it cannot be made.
        """
        loop = asyncio.get_running_loop()
        while self._open >= MAX_CONNECTIONS:
            free: asyncio.Future[None] = loop.create_future()
            self._waiting.append(free)
            try:
                await free
            except asyncio.CancelledError:
                if free.done() and not free.cancelled():
                    self._wake()  # it was meant for somebody
                raise
            found = self.find_idle(loop.time())
            if found is not None:
                return found
        self._open += 1
        try:
            return await self._connect(loop)
        except BaseException:
            self._open -= 1
            self._wake()
            raise

    def give_back(self, connection: BackendConnection, now: float) -> None:
        """Take a connection back: to be used again, if its last request was answered in full."""
        if connection.is_complete and connection.is_reusable and connection.is_open:
            connection.idle_since = now
            self._idle.append(connection)
            self._wake()
        else:
            self._lose(connection)

    def close_idle(self, now: float) -> bool:
        """Close what has been idle for too long; whether anything is left that could be."""
        kept = []
        for connection in self._idle:
            if connection.is_open and now - connection.idle_since < KEPT_SECONDS:
                kept.append(connection)
            else:
                self._lose(connection)
        self._idle = kept
        return bool(kept)

    def _lose(self, connection: BackendConnection) -> None:
        connection.close()
        self._open -= 1
        self._wake()

    def _wake(self) -> None:
        while self._waiting:
            free = self._waiting.popleft()
            if not free.done():
                free.set_result(None)
                return

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> BackendConnection:
        origin = self._origin
        addresses = await resolve(origin.host, origin.port, allow_link_local=self._allow_link_local)
        for position, address in enumerate(addresses):
            try:
                _, connection = await loop.create_connection(
                    lambda: BackendConnection(loop),
                    address,
                    origin.port,
                    ssl=self._tls,
                    server_hostname=origin.server_name if self._tls is not None else None,
                )
            except OSError:
                if position == len(addresses) - 1:
                    raise
            else:
                return connection
        raise AssertionError("there is at least one address")


def _tls(*, verify_certificate: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify_certificate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context
