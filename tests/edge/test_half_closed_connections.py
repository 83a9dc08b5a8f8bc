"""A client that closes its side behind its last request is owed the answers, and no more than those.

On both loops, and on all ways through the listener: ASGI, the request lane's and the operations'.
"""

import asyncio
import contextlib
import re
import socket
import threading
from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
import uvloop

from support.edge import Serving
from velvetrope.edge.bodies import MAX_GATEWAY_BODY_BYTES, GatewayCall
from velvetrope.edge.requests import RequestHead
from velvetrope.execute_api import GatewayResponse, IncomingRequest

LANES = {"asgi": b"/page", "lane": b"/_api/abc/stage", "operations": b"/_call"}
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class House:
    """An app and both doors; what is asked for under `/slow` waits to be let go, `/endless` never ends."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.may_leave = threading.Semaphore(0)
        self.stream_closed = threading.Event()

    async def answer(self, path: bytes) -> GatewayResponse:
        if path.endswith(b"/slow"):
            self.entered.release()
            assert await asyncio.to_thread(self.may_leave.acquire, timeout=10)
        if path.endswith(b"/endless"):
            return GatewayResponse(200, [], b"", stream=self._endless())
        return GatewayResponse(200, [(b"Content-Length", b"%d" % (len(path) + 2))], b"<%s>" % path)

    async def _endless(self) -> AsyncGenerator[bytes]:
        try:
            while True:
                yield b"more"
                await asyncio.sleep(0.001)
        finally:
            self.stream_closed.set()

    def find_gateway_call(self, raw_path: bytes, host: bytes) -> GatewayCall | None:
        return ("abc", raw_path, None) if raw_path.startswith(b"/_api/") else None

    def now(self) -> datetime:
        return datetime(2026, 3, 4, tzinfo=UTC)

    async def answer_gateway(self, incoming: IncomingRequest, /) -> GatewayResponse:
        return await self.answer(incoming.raw_path)

    def takes_call(self, head: RequestHead) -> bool:
        return head.raw_path.startswith(b"/_call")

    def max_call_bytes(self, head: RequestHead) -> int:
        return MAX_GATEWAY_BODY_BYTES

    async def answer_operation(self, head: RequestHead, *_: object) -> GatewayResponse:
        return await self.answer(head.raw_path)

    def refuse_large_call(self) -> GatewayResponse:
        return GatewayResponse(413, [(b"Content-Length", b"3")], b"413")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            if not message.get("more_body", False):
                break
        told = await self.answer(scope["raw_path"])
        await send({"type": "http.response.start", "status": told.status, "headers": told.headers})
        await send({"type": "http.response.body", "body": told.body})


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture(params=LOOPS)
def serving(request: pytest.FixtureRequest, house: House) -> Iterator[Serving]:
    with Serving(house, gateway=house, operations=house, loop_factory=LOOPS[request.param]) as serving:
        yield serving


@pytest.fixture(params=LANES)
def path(request: pytest.FixtureRequest) -> bytes:
    return LANES[request.param]


def connect(serving: Serving) -> socket.socket:
    return socket.create_connection(("127.0.0.1", serving.port), timeout=10)


def get(path: bytes) -> bytes:
    return b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path


def end_of(sock: socket.socket, serving: Serving) -> None:
    """Close our side, and see to it that the server has heard of it."""
    sock.shutdown(socket.SHUT_WR)
    # Its loop takes everything that has come before this request together with it, at the latest.
    assert requests.get(f"{serving.url}/after", timeout=10).status_code == 200


def read_all(sock: socket.socket) -> bytes:
    received = b""
    while chunk := sock.recv(65_536):
        received += chunk
    return received


def read_until(end: bytes, sock: socket.socket) -> bytes:
    received = b""
    while end not in received:
        chunk = sock.recv(65_536)
        assert chunk, received
        received += chunk
    return received


def bodies(answer: bytes) -> list[bytes]:
    return re.findall(rb"<(.*?)>", answer)


def test_a_call_that_waits_is_answered_and_the_connection_closed_behind_it(
    house: House, serving: Serving, path: bytes
) -> None:
    with connect(serving) as sock:
        sock.sendall(get(path + b"/slow"))
        assert house.entered.acquire(timeout=10)
        end_of(sock, serving)
        house.may_leave.release()

        answer = read_all(sock)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer.lower()
    assert bodies(answer) == [path + b"/slow"]


def test_a_call_that_waits_for_nothing_is_answered(serving: Serving, path: bytes) -> None:
    with connect(serving) as sock:
        sock.sendall(get(path))
        sock.shutdown(socket.SHUT_WR)

        assert bodies(read_all(sock)) == [path]


def test_a_request_for_the_head_alone_is_answered(serving: Serving, path: bytes) -> None:
    with connect(serving) as sock:
        sock.sendall(b"HEAD %s HTTP/1.1\r\nHost: x\r\n\r\n" % path)
        sock.shutdown(socket.SHUT_WR)

        answer = read_all(sock)

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\n")


def test_all_pipelined_calls_are_answered(house: House, serving: Serving, path: bytes) -> None:
    with connect(serving) as sock:
        sock.sendall(get(path + b"/slow") + get(path + b"/slow") + get(path + b"/last"))
        assert house.entered.acquire(timeout=10)
        end_of(sock, serving)
        house.may_leave.release(2)

        assert bodies(read_all(sock)) == [path + b"/slow", path + b"/slow", path + b"/last"]


@pytest.mark.parametrize(
    "unfinished", [b"GET /half HT", b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"]
)
def test_an_unfinished_request_behind_a_whole_one_costs_it_nothing_and_is_not_answered(
    house: House, serving: Serving, path: bytes, unfinished: bytes
) -> None:
    with connect(serving) as sock:
        sock.sendall(get(path + b"/slow") + unfinished.replace(b"%s", path))
        assert house.entered.acquire(timeout=10)
        end_of(sock, serving)
        house.may_leave.release()

        assert bodies(read_all(sock)) == [path + b"/slow"]


@pytest.mark.parametrize("unfinished", [b"GET /half HT", b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nh"])
def test_an_unfinished_request_alone_is_closed_without_an_answer(
    serving: Serving, path: bytes, unfinished: bytes
) -> None:
    with connect(serving) as sock:
        sock.sendall(unfinished.replace(b"%s", path))
        sock.shutdown(socket.SHUT_WR)

        assert read_all(sock) == b""


def test_a_client_that_asks_for_more_and_leaves_ends_the_stream_it_was_sent(house: House, serving: Serving) -> None:
    with connect(serving) as sock:
        sock.sendall(get(LANES["lane"] + b"/endless"))
        read_until(b"more", sock)
        sock.sendall(get(LANES["lane"]))

    assert house.stream_closed.wait(10)


def test_a_refusal_is_not_written_into_the_stream_of_the_call_before_it(house: House, serving: Serving) -> None:
    with connect(serving) as sock:
        sock.sendall(get(LANES["lane"] + b"/endless"))
        received = read_until(b"more", sock)
        sock.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n" % LANES["lane"])
        with contextlib.suppress(ConnectionResetError):
            received += read_all(sock)

    assert received.count(b"HTTP/1.1 ") == 1
    assert house.stream_closed.wait(10)
