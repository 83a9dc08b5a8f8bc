"""The client of HTTP backends: which answers it takes, when a connection is used again, and where it does not go."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.backend import OK, Backend
from velvetrope.edge.tls import ensure_certificates, names_for, server_context
from velvetrope.execute_api.backend_addresses import AddressRefused, is_refused, resolve
from velvetrope.execute_api.backend_pools import MAX_CONNECTIONS
from velvetrope.execute_api.http_backends import BackendFailed, BackendTooSlow, HttpAnswer, HttpBackends, HttpCall
from velvetrope.server.machine import SystemClock


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    async with Backend() as backend:
        yield backend


@pytest.fixture
async def backends() -> AsyncIterator[HttpBackends]:
    backends = HttpBackends()
    yield backends
    await backends.close()


def a_call(url: str, **members: Any) -> HttpCall:
    defaults: dict[str, Any] = {"method": "GET", "headers": (), "body": b"", "timeout_seconds": 5.0}
    return HttpCall(url=url, **(defaults | members))


async def test_a_head_says_host_and_length_and_what_was_given(backend: Backend, backends: HttpBackends) -> None:
    await backends.call(
        a_call(f"{backend.url}?a=b", method="POST", headers=(("X-One", "1"), ("host", "evil"), ("Connection", "close")))
    )

    request = backend.requests[0]
    assert (request.method, request.target) == ("POST", "/?a=b")
    assert request.headers == [("Host", backend.url[7:]), ("X-One", "1"), ("Content-Length", "0")]


@pytest.mark.parametrize("header", [("X", "a\r\nY: b"), ("X", "a\nb"), ("X", "a\rb"), ("X", "a\0b"), ("X Y", "a")])
async def test_a_header_that_would_end_its_line_is_not_sent(
    backend: Backend, backends: HttpBackends, header: tuple[str, str]
) -> None:
    with pytest.raises(BackendFailed):
        await backends.call(a_call(backend.url, headers=(header,)))

    assert backend.connections == 0


@pytest.mark.parametrize("url", ["ftp://h/", "http://", "http://a@h/", "http://h:0/", "http://h:65536/", "http://[::1"])
async def test_an_url_of_no_backend_is_refused(backends: HttpBackends, url: str) -> None:
    with pytest.raises(BackendFailed):
        await backends.call(a_call(url))


@pytest.mark.parametrize(
    ("answer", "body", "is_kept"),
    [
        (OK, b'{"ok":true}', True),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b'{"ok":true}', True),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, b'{"ok":true}', True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nX: trailer\r\n\r\n",
            b"abc",
            True,
        ),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na", b"a", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", b"a", False),
        (OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", b'{"ok":true}', False),
        (OK + b"x", b'{"ok":true}', False),
    ],
)
async def test_a_connection_is_used_again_after_a_complete_answer_and_nothing_else(
    backend: Backend, backends: HttpBackends, answer: bytes, body: bytes, is_kept: bool
) -> None:
    backend.answer = answer
    first = await backends.call(a_call(backend.url))
    backend.answer = OK

    second = await backends.call(a_call(backend.url))

    assert (first.body, second.body) == (body, b'{"ok":true}')
    assert b"X" not in dict(first.headers)
    assert backend.connections == (1 if is_kept else 2)


async def test_an_answer_to_head_ends_with_its_head_and_its_connection(
    backend: Backend, backends: HttpBackends
) -> None:
    first = await backends.call(a_call(backend.url, method="HEAD"))
    second = await backends.call(a_call(backend.url))

    assert (first.body, second.body, backend.connections) == (b"", b'{"ok":true}', 2)


async def test_an_answer_without_a_length_ends_with_the_connection(backend: Backend, backends: HttpBackends) -> None:
    async def until_closed(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        await writer.drain()
        writer.close()

    backend.answer = until_closed

    assert (await backends.call(a_call(backend.url))).body == b"all of it"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000,
        b"HTTP/2 200\r\n\r\n",
    ],
    ids=["upgrade", "coding", "two lengths, one a coding", "two lengths", "long head", "another version"],
)
async def test_an_answer_that_could_be_read_in_two_ways_is_none(
    backend: Backend, backends: HttpBackends, answer: bytes
) -> None:
    backend.answer = answer

    with pytest.raises(BackendFailed):
        await backends.call(a_call(backend.url))


class _Vanishing:
    """Answers the first request of each connection, and ends the connection at its second."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._served = 0

    async def __call__(self, writer: asyncio.StreamWriter) -> None:
        self._served += 1
        if self._served == 2:
            writer.close()
        else:
            writer.write(OK)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_an_idempotent_request_that_meets_the_end_of_a_used_connection_is_sent_once_more(
    backend: Backend, backends: HttpBackends, method: str
) -> None:
    backend.answer = _Vanishing(backend)
    await backends.call(a_call(backend.url))

    answer = await backends.call(a_call(backend.url, method=method))

    assert answer.status == 200
    assert [request.method for request in backend.requests] == ["GET", method, method]


@pytest.mark.parametrize("method", ["POST", "PATCH", "LOCK"])
async def test_another_request_is_not_sent_twice(backend: Backend, backends: HttpBackends, method: str) -> None:
    backend.answer = _Vanishing(backend)
    await backends.call(a_call(backend.url))

    with pytest.raises(BackendFailed):
        await backends.call(a_call(backend.url, method=method, body=b"pay"))

    assert [request.method for request in backend.requests] == ["GET", method]


async def test_a_request_over_a_new_connection_is_not_sent_twice(backend: Backend, backends: HttpBackends) -> None:
    async def close(writer: asyncio.StreamWriter) -> None:
        writer.close()

    backend.answer = close

    with pytest.raises(BackendFailed):
        await backends.call(a_call(backend.url))

    assert len(backend.requests) == 1


async def test_a_connection_that_the_backend_has_closed_is_not_used(backend: Backend, backends: HttpBackends) -> None:
    async def answer_and_close(writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await writer.drain()
        writer.close()

    backend.answer = answer_and_close
    await backends.call(a_call(backend.url))
    async with asyncio.timeout(60):
        await backend.has_closed.wait()
    await asyncio.sleep(0)

    answer = await backends.call(a_call(backend.url, method="POST"))

    assert (answer.status, len(backend.requests)) == (200, 2)


async def test_who_finds_all_connections_in_use_waits_for_one(backend: Backend, backends: HttpBackends) -> None:
    go_on = asyncio.Event()

    async def once_told(writer: asyncio.StreamWriter) -> None:
        await go_on.wait()
        writer.write(OK)

    async def call() -> HttpAnswer:
        return await backends.call(a_call(backend.url, timeout_seconds=30))

    backend.answer = once_told
    running = [asyncio.create_task(call()) for _ in range(MAX_CONNECTIONS + 3)]
    await backend.wait_for_requests(MAX_CONNECTIONS)
    with pytest.raises(BackendTooSlow):
        await backends.call(a_call(backend.url, timeout_seconds=0.01))
    running.pop().cancel()
    go_on.set()

    answers = await asyncio.gather(*running)

    assert {answer.status for answer in answers} == {200}
    assert backend.connections == MAX_CONNECTIONS


async def test_a_cancelled_call_does_not_leave_its_answer_to_the_next(backend: Backend, backends: HttpBackends) -> None:
    go_on = asyncio.Event()

    async def late(writer: asyncio.StreamWriter) -> None:
        await go_on.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")

    await backends.call(a_call(backend.url))
    backend.answer = late
    task = asyncio.create_task(backends.call(a_call(backend.url)))
    await backend.wait_for_requests(2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    go_on.set()
    backend.answer = OK

    assert (await backends.call(a_call(backend.url))).body == b'{"ok":true}'
    assert backend.connections == 2


async def test_a_backend_that_falls_silent_in_a_stream_ends_it(backend: Backend, backends: HttpBackends) -> None:
    backend.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\none"
    answer = await backends.call(a_call(backend.url, is_streamed=True, timeout_seconds=1))

    assert answer.stream is not None
    assert await anext(answer.stream) == b"one"
    with pytest.raises(BackendTooSlow):
        await anext(answer.stream)
    await answer.stream.aclose()


async def test_a_backend_waits_for_a_reader_who_is_slower(backend: Backend, backends: HttpBackends) -> None:
    most = 64 * 1_048_576
    written = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % most)
        while written < most:
            writer.write(b"x" * 65_536)
            written += 65_536
            await writer.drain()

    backend.answer = endless
    answer = await backends.call(a_call(backend.url, is_streamed=True))
    before = -1
    while before != written:  # until it cannot write any more
        before = written
        for _ in range(200):
            await asyncio.sleep(0)

    assert written < most
    assert answer.stream is not None
    assert sum([len(part) async for part in answer.stream]) == most


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.0.1",
        "169.254.255.255",
        "fe80::1",
        "fe80::1%eth0",
        "febf::1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "fd00:ec2::254",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
    ],
)
async def test_an_address_that_no_backend_has_is_refused_unless_the_owner_allows_it(address: str) -> None:
    assert is_refused(address)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "169.253.255.255", "169.255.0.0", "::1", "fec0::1", "fd00:ec2::253", "192.0.2.1"],
)
async def test_the_addresses_beside_them_are_not(address: str) -> None:
    assert not is_refused(address)


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest/meta-data/", "http://[::ffff:a9fe:a9fe]/", "http://2852039166/"]
)
async def test_the_metadata_service_is_not_called_however_it_is_written(backends: HttpBackends, url: str) -> None:
    with pytest.raises(BackendFailed, match=r"link-local or metadata|AddressRefused|gaierror"):
        await backends.call(a_call(url))


async def test_the_owner_may_allow_them() -> None:
    assert await resolve("169.254.169.254", 80, allow_link_local=True) == ["169.254.169.254"]
    with pytest.raises(AddressRefused):
        await resolve("169.254.169.254", 80, allow_link_local=False)


class TestHttps:
    @pytest.fixture
    async def port(self, tmp_path: Path) -> AsyncIterator[int]:
        files = ensure_certificates(tmp_path, names_for(region="us-west-2"), now=SystemClock().now())

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
            await writer.drain()
            writer.close()

        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            server = await asyncio.start_server(answer, sock=listening.dup(), ssl=server_context(files))
            yield int(listening.getsockname()[1])
            server.close()

    async def test_a_certificate_that_nobody_vouches_for_is_refused(self, backends: HttpBackends, port: int) -> None:
        with pytest.raises(BackendFailed, match="CERTIFICATE_VERIFY_FAILED"):
            await backends.call(a_call(f"https://localhost:{port}/"))

    async def test_the_author_may_skip_that(self, backends: HttpBackends, port: int) -> None:
        answer = await backends.call(a_call(f"https://localhost:{port}/", verify_certificate=False))

        assert answer.body == b'{"ok":true}'

    async def test_a_certificate_of_an_authority_that_is_known_is_good_for_its_own_names_only(
        self, backends: HttpBackends, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = ssl.create_default_context

        def trusting() -> ssl.SSLContext:
            context = made()
            context.load_verify_locations(next(tmp_path.rglob("ca.pem")))
            return context

        monkeypatch.setattr(ssl, "create_default_context", trusting)

        answer = await backends.call(a_call(f"https://localhost:{port}/"))

        assert answer.status == 200
        with pytest.raises(BackendFailed, match="CERTIFICATE_VERIFY_FAILED"):
            await backends.call(a_call(f"https://localhost:{port}/", server_name="another.example"))
