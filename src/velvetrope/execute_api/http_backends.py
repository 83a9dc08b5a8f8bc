"""HTTP backends of APIs: one client for all of them, with connections that are kept and used again.

Which hosts are called is the API author's choice alone: callers can fill in segments of a path and values of a query,
never a scheme, a host or a port; and no author's host is a link-local or metadata address, unless the owner allows it
(`backend_addresses`). Redirects are not followed, cookies are not kept, proxies of the environment are not used, and
certificates are verified against the machine's authorities unless the integration says otherwise. Bodies come as the
backend sent them: nothing is decompressed.

A request that meets the end of a connection that was used before is sent once more, over a new one, if its method is
idempotent; any other cannot be, since nobody knows whether it was served (RFC 9110 section 9.2.2).

A call that finds a connection needs no task and no timer but its own deadline, and costs about a third of what a
general client does (decision 0030).
"""

import asyncio
import re
from functools import lru_cache
from typing import Final
from urllib.parse import quote

import msgspec

from velvetrope.errors import ReasonError
from velvetrope.execute_api.backend_connections import BackendConnection, ConnectionBroken
from velvetrope.execute_api.backend_pools import KEPT_SECONDS, BackendPool, Origin
from velvetrope.execute_api.requests import BodyStream

__all__ = ["AnswerTooLarge", "BackendFailed", "BackendTooSlow", "HttpAnswer", "HttpBackends", "HttpCall"]

_MAX_BODY_BYTES: Final = 10_485_760  # API Gateway quotas: payload size
_MAX_ORIGINS: Final = 1_024
_OUR_OWN: Final = frozenset({"host", "content-length", "transfer-encoding", "connection"})
_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
_WITH_CONTENT: Final = frozenset({"POST", "PUT", "PATCH"})  # RFC 9110 section 8.6: their length is told, be it 0
_URL: Final = re.compile(r"(https?)://([^/?#@]+)([^#]*)")
_AUTHORITY: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+))(?::(\d{1,5}))?")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_VISIBLE: Final = re.compile(r"[!-~]*")
_VISIBLE_CHARACTERS: Final = "".join(map(chr, range(0x21, 0x7F)))


class BackendFailed(ReasonError):
    """No connection, or it broke off. The message is for the owner."""


class BackendTooSlow(ReasonError):
    """The backend took longer than the integration's timeout."""


class AnswerTooLarge(ReasonError):
    """The answer is longer than API Gateway takes."""


class HttpCall(msgspec.Struct, frozen=True, kw_only=True):
    """One request to a backend. `url` is complete and encoded; `Host` and the body's length are added."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    timeout_seconds: float
    verify_certificate: bool = True
    server_name: str | None = None
    """The name that the certificate must be for, where it is not the URL's."""
    is_streamed: bool = False


class HttpAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer; with `stream` its body is still to come, and `body` is empty."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    stream: BodyStream | None = None


class HttpBackends:
    """Calls backends. With `allow_link_local` also those at link-local and metadata addresses."""

    def __init__(self, *, allow_link_local: bool = False) -> None:
        self._allow_link_local = allow_link_local
        self._pools: dict[Origin, BackendPool] = {}
        self._sweep: asyncio.TimerHandle | None = None

    async def call(self, call: HttpCall) -> HttpAnswer:
        """The backend's answer.

        Raises:
            BackendFailed, BackendTooSlow, AnswerTooLarge: there is none that could be passed on.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + call.timeout_seconds
        try:
            authority, target = _split(call.url)
            origin = _origin(*authority, call.verify_certificate, call.server_name)
            head = _render_head(call, origin, target)
            pool = self._pool(origin)
            idle = pool.find_idle(loop.time())
            if idle is not None:
                try:
                    return await self._exchange(call, head, pool, idle, deadline)
                except ConnectionBroken:
                    if call.method not in _IDEMPOTENT or not idle.may_be_sent_again:
                        raise
            return await self._exchange(call, head, pool, await _connect(pool, deadline), deadline)
        except TimeoutError:
            raise _too_slow(call) from None
        except (ConnectionBroken, OSError, ValueError) as error:
            raise BackendFailed(f"{type(error).__name__}: {error}") from error

    async def close(self) -> None:
        """Close all idle connections. The client may be used again."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for pool in self._pools.values():
            pool.close_idle(float("inf"))
        self._pools.clear()

    async def _exchange(
        self, call: HttpCall, head: bytes, pool: BackendPool, connection: BackendConnection, deadline: float
    ) -> HttpAnswer:
        loop = asyncio.get_running_loop()
        timer = loop.call_at(deadline, connection.fail, _too_slow(call))
        stream: BodyStream | None = None
        body = b""
        try:
            connection.send(head, call.body, is_head_request=call.method == "HEAD")
            while not connection.has_head:
                await connection.wait()
            status, headers = connection.status, tuple(connection.headers)
            if call.is_streamed:
                stream = _Body(self, pool, connection, call.timeout_seconds)
            else:
                body = await _read(connection)
        finally:
            timer.cancel()
            if stream is None:
                self.give_back(pool, connection)
        return HttpAnswer(status=status, headers=headers, body=body, stream=stream)

    def _pool(self, origin: Origin) -> BackendPool:
        found = self._pools.get(origin)
        if found is None:
            if len(self._pools) >= _MAX_ORIGINS:
                self._pools = {kept: pool for kept, pool in self._pools.items() if not pool.is_unused}
            found = self._pools[origin] = BackendPool(origin, allow_link_local=self._allow_link_local)
        return found

    def give_back(self, pool: BackendPool, connection: BackendConnection) -> None:
        """Let go of a connection: `pool` keeps it for a while, if it can be used again."""
        loop = asyncio.get_running_loop()
        pool.give_back(connection, loop.time())
        if self._sweep is None:
            self._sweep = loop.call_later(KEPT_SECONDS, self._close_idle)

    def _close_idle(self) -> None:
        loop = asyncio.get_running_loop()
        # Every pool, also when the first has something left.
        left = [pool.close_idle(loop.time()) for pool in self._pools.values()]
        self._sweep = loop.call_later(KEPT_SECONDS / 4, self._close_idle) if any(left) else None


async def _connect(pool: BackendPool, deadline: float) -> BackendConnection:
    if asyncio.current_task() is None:
        # A call that has waited for nothing so far may run in no task, and timeouts end tasks. This makes it one.
        await asyncio.sleep(0)
    async with asyncio.timeout_at(deadline):
        return await pool.new()


async def _read(connection: BackendConnection) -> bytes:
    """The whole body.

    Raises:
        AnswerTooLarge: it is longer than API Gateway takes.
        ConnectionBroken: it is not all there.
    """
    parts: list[bytes] = []
    length = 0
    while True:
        if connection.body_bytes:
            length += connection.body_bytes
            parts.append(connection.take())
            if length > _MAX_BODY_BYTES:
                raise AnswerTooLarge(f"the backend's answer has more than {_MAX_BODY_BYTES} bytes")
        if connection.is_complete:
            return parts[0] if len(parts) == 1 else b"".join(parts)
        await connection.wait()


class _Body:
    """A body as it comes. A backend that is silent for `idle_seconds`, or breaks off, ends it with an error."""

    def __init__(
        self, backends: HttpBackends, pool: BackendPool, connection: BackendConnection, idle_seconds: float
    ) -> None:
        self._backends = backends
        self._pool = pool
        self._connection: BackendConnection | None = connection
        self._idle_seconds = idle_seconds

    def __aiter__(self) -> "_Body":
        return self

    async def __anext__(self) -> bytes:
        connection = self._connection
        if connection is None:
            raise StopAsyncIteration
        if not connection.body_bytes and not connection.is_complete:
            silence = BackendTooSlow(f"the backend sent nothing for {self._idle_seconds:g} seconds")
            timer = asyncio.get_running_loop().call_later(self._idle_seconds, connection.fail, silence)
            try:
                await connection.wait()
            except ConnectionBroken as error:
                raise BackendFailed(f"ConnectionBroken: {error}") from error
            finally:
                timer.cancel()
        if connection.body_bytes:
            return connection.take()
        await self.aclose()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        # A body that was read to its end leaves a connection that can be used again; any other does not.
        connection, self._connection = self._connection, None
        if connection is not None:
            self._backends.give_back(self._pool, connection)


def _too_slow(call: HttpCall) -> BackendTooSlow:
    return BackendTooSlow(f"the backend did not answer within {call.timeout_seconds:g} seconds")


def _split(url: str) -> tuple[tuple[str, str], str]:
    """Scheme and authority, and the request target.

    Raises:
        ValueError: it is not the URL of a backend.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise ValueError("the URL is not one of an HTTP backend")
    scheme, authority, target = found.groups()
    if not _VISIBLE.fullmatch(target):
        target = quote(target, safe=_VISIBLE_CHARACTERS)
    return (scheme, authority), target if target.startswith("/") else f"/{target}"


@lru_cache(maxsize=1024)
def _origin(scheme: str, authority: str, verify_certificate: bool, server_name: str | None) -> Origin:
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        raise ValueError("the URL has no host")
    literal, name, port = found.groups()
    host = literal or name.encode("idna").decode("ascii")
    number = int(port) if port else (443 if scheme == "https" else 80)
    if not 0 < number < 65_536:
        raise ValueError("the URL has a port that there is not")
    return Origin(scheme, host, number, verify_certificate, server_name or host)


@lru_cache(maxsize=1024)
def _host_header(origin: Origin) -> str:
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return host if origin.port == (443 if origin.scheme == "https" else 80) else f"{host}:{origin.port}"


@lru_cache(maxsize=1024)
def _is_token(text: str) -> bool:
    return _TOKEN.fullmatch(text) is not None


def _render_head(call: HttpCall, origin: Origin, target: str) -> bytes:
    """The request line and the headers.

    Raises:
        ValueError: something in it would end a line, or is no name.
    """
    lines = [f"{call.method} {target} HTTP/1.1", f"Host: {_host_header(origin)}"]
    for name, value in call.headers:
        if not _is_token(name):
            raise ValueError("a header has a name that is none")
        if name.lower() not in _OUR_OWN:
            lines.append(f"{name}: {value}")
    if call.body or call.method in _WITH_CONTENT:
        lines.append(f"Content-Length: {len(call.body)}")
    breaks = len(lines) + 1
    lines += ("", "")
    head = "\r\n".join(lines)
    if head.count("\n") != breaks or head.count("\r") != breaks or "\0" in head or not _is_token(call.method):
        raise ValueError("a line break or a NUL in a header")
    return head.encode()
