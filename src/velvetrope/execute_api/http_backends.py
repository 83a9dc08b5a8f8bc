"""HTTP backends of APIs: one client for all of them, with connections that are kept and used again.

Which hosts are called is the API author's choice alone: callers can fill in segments of a path and values of a query,
never a scheme, a host or a port. Redirects are not followed, cookies are not kept, proxies of the environment are not
used, and certificates are verified against the machine's authorities unless the integration says otherwise. Bodies come
as the backend sent them: nothing is decompressed.

The client is made by the first call that needs it and lives until `close`.
"""

import asyncio
from typing import TYPE_CHECKING

import msgspec

from velvetrope.errors import ReasonError
from velvetrope.execute_api.requests import BodyStream

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

__all__ = ["AnswerTooLarge", "BackendFailed", "BackendTooSlow", "HttpAnswer", "HttpBackends", "HttpCall"]

_MAX_CONNECTIONS_PER_HOST = 200
_KEPT_SECONDS = 4.0
"""Shorter than what web servers commonly keep an idle connection for, which is five seconds: a request that meets the
end of its connection cannot be sent again, since nobody knows whether it was served."""
_CHUNK_BYTES = 65_536
_MAX_BODY_BYTES = 10_485_760  # API Gateway quotas: payload size
_OUR_OWN = frozenset({"host", "content-length", "transfer-encoding", "connection"})


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
    """Calls backends."""

    def __init__(self) -> None:
        self._session: ClientSession | None = None

    async def call(self, call: HttpCall) -> HttpAnswer:
        """The backend's answer.

        Raises:
            BackendFailed, BackendTooSlow, AnswerTooLarge: there is none that could be passed on.
        """
        import aiohttp

        if asyncio.current_task() is None:
            # A call that has waited for nothing so far may run in no task, and timeouts end tasks. This makes it one.
            await asyncio.sleep(0)
        try:
            async with asyncio.timeout(call.timeout_seconds):
                response = await self._send(call)
                if call.is_streamed:
                    return _answer(response, b"", _Body(response, call.timeout_seconds))
                try:
                    return _answer(response, await _read(response), None)
                finally:
                    # A complete body has given the connection back already; any other cannot be used again.
                    response.close()
        except TimeoutError:
            raise BackendTooSlow(f"the backend did not answer within {call.timeout_seconds:g} seconds") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise BackendFailed(f"{type(error).__name__}: {error}") from error

    async def close(self) -> None:
        """Close all connections. The client may be used again."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _send(self, call: HttpCall) -> "ClientResponse":
        import aiohttp
        from multidict import CIMultiDict
        from yarl import URL

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0, limit_per_host=_MAX_CONNECTIONS_PER_HOST, keepalive_timeout=_KEPT_SECONDS
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
            )
        headers: CIMultiDict[str] = CIMultiDict(
            (name, value) for name, value in call.headers if name.lower() not in _OUR_OWN
        )
        return await self._session.request(
            call.method,
            URL(call.url, encoded=True),
            headers=headers,
            data=call.body or None,
            allow_redirects=False,
            ssl=call.verify_certificate,
            server_hostname=call.server_name,
        )


def _answer(response: "ClientResponse", body: bytes, stream: BodyStream | None) -> HttpAnswer:
    return HttpAnswer(status=response.status, headers=tuple(response.raw_headers), body=body, stream=stream)


async def _read(response: "ClientResponse") -> bytes:
    parts: list[bytes] = []
    length = 0
    async for part in response.content.iter_chunked(_CHUNK_BYTES):
        parts.append(part)
        length += len(part)
        if length > _MAX_BODY_BYTES:
            raise AnswerTooLarge(f"the backend's answer has more than {_MAX_BODY_BYTES} bytes")
    return b"".join(parts)


class _Body:
    """A body as it comes. A backend that is silent for `idle_seconds`, or breaks off, ends it with an error."""

    def __init__(self, response: "ClientResponse", idle_seconds: float) -> None:
        self._response = response
        self._idle_seconds = idle_seconds

    def __aiter__(self) -> "_Body":
        return self

    async def __anext__(self) -> bytes:
        async with asyncio.timeout(self._idle_seconds):
            part = await self._response.content.readany()
        if not part:
            raise StopAsyncIteration
        return part

    async def aclose(self) -> None:
        # What was read to its end has given its connection back already; any other cannot be used again.
        self._response.close()
