"""An HTTP backend for tests: it keeps what it was sent, answers what it is told to, and counts its connections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import NamedTuple, Self

import httptools

__all__ = ["Backend", "BackendRequest"]

OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok":true}'


class BackendRequest(NamedTuple):
    """One request as it arrived."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The only value of a header, whatever its casing; None if it is not there."""
        found = [value for one, value in self.headers if one.lower() == name.lower()]
        assert len(found) <= 1, found
        return found[0] if found else None


class _Reader:
    def __init__(self) -> None:
        self.headers: list[tuple[str, str]] = []
        self.body = b""
        self.target = ""
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.target += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_body(self, part: bytes) -> None:
        self.body += part

    def on_message_complete(self) -> None:
        self.complete = True


class Backend:
    """`async with Backend() as backend: backend.url`. `answer` is raw HTTP, or writes it as it likes."""

    def __init__(self) -> None:
        self.requests: list[BackendRequest] = []
        self.connections = 0
        self.has_closed = asyncio.Event()
        """Whether a connection has ended."""
        self._has_arrived = asyncio.Event()
        self.answer: bytes | Callable[[asyncio.StreamWriter], Awaitable[None]] = OK
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def wait_for_requests(self, count: int) -> None:
        """Until so many have arrived, five seconds at most."""
        async with asyncio.timeout(60):
            while len(self.requests) < count:
                self._has_arrived.clear()
                await self._has_arrived.wait()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._serve(reader, writer):
                pass
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.has_closed.set()
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        read = _Reader()
        parser = httptools.HttpRequestParser(read)
        while not read.complete:
            data = await reader.read(65_536)
            if not data:
                return False
            parser.feed_data(data)
        self.requests.append(BackendRequest(parser.get_method().decode(), read.target, read.headers, read.body))
        self._has_arrived.set()
        if isinstance(self.answer, bytes):
            writer.write(self.answer)
        else:
            await self.answer(writer)
        await writer.drain()
        return True
