"""A head of an operation's call that is known means what the parser read in it, for the bodies it speaks of."""

import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from datetime import UTC, datetime
from typing import Any

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.edge import Serving
from velvetrope.edge.bodies import GatewayCall
from velvetrope.edge.known_calls import KnownCall, KnownCalls
from velvetrope.edge.requests import RequestHead, head_of
from velvetrope.execute_api import GatewayResponse, IncomingRequest


def head(length: int, *extra: bytes, path: bytes = b"/") -> bytes:
    lines = (b"Host: x", b"X-Amz-Target: A.B", *extra, b"Content-Length: %d" % length)
    return b"POST %b HTTP/1.1\r\n%b\r\n\r\n" % (path, b"\r\n".join(lines))


class Reading:
    """What the parser reads in a chunk."""

    def __init__(self, chunk: bytes) -> None:
        self.url = self.body = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.messages = 0
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(chunk)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.messages += 1

    def as_known(self) -> KnownCall:
        return KnownCall(
            head_of(self.parser.get_method().decode(), self.url.decode(), self.url, b"", self.headers),
            self.parser.get_http_version(),
            self.parser.should_keep_alive(),
            len(self.body),
            1_000,
        )


def learnt(chunk: bytes) -> KnownCalls:
    calls, read = KnownCalls(), Reading(chunk)
    calls.learn(chunk, read.as_known(), read.body)
    return calls


@given(st.binary(max_size=40), st.data())
def test_known_head_means_the_same_in_front_of_another_body(first: bytes, data: st.DataObject) -> None:
    second = data.draw(st.binary(min_size=len(first), max_size=len(first)))
    chunk = head(len(first)) + second

    found = learnt(head(len(first)) + first).find(chunk)

    read = Reading(chunk)
    assert found == (read.as_known(), read.body)
    assert read.messages == 1


@pytest.mark.parametrize(
    "chunk",
    [
        head(4) + b"abc",
        head(4) + b"abcde",
        head(4) + b"abcd" + head(4) + b"abcd",
        head(3) + b"abc",
        head(4, path=b"/other") + b"abcd",
        head(4)[:-2] + b"X: y\r\n\r\nabcd",
        b" " + head(4) + b"abcd",
        head(4),
        b"",
    ],
    ids=["part", "more", "two", "another length", "another path", "another header", "space", "no body", "nothing"],
)
def test_anything_but_one_whole_message_with_that_head_is_not_known(chunk: bytes) -> None:
    calls = learnt(head(4) + b"abcd")

    assert calls.find(head(4) + b"wxyz") is not None
    assert calls.find(chunk) is None


def test_head_without_its_blank_line_is_not_a_message_without_a_body() -> None:
    calls = learnt(head(0))

    assert calls.find(head(0)) is not None
    for cut in (1, 2, 3, 4):
        assert calls.find(head(0)[:-cut]) is None


@pytest.mark.parametrize(
    "extra",
    [
        b"Authorization: AWS4-HMAC-SHA256 x",
        b"Expect: 100-continue",
        b"Upgrade: h2c",
        b"X-Long: " + b"x" * 2048,
        b"X-Twice: 1\r\nx-twice: 2",
    ],
)
def test_heads_that_might_be_read_in_two_ways_are_left_to_the_parser(extra: bytes) -> None:
    assert len(learnt(head(4, extra) + b"abcd")) == 0


def test_head_without_a_length_is_left_to_the_parser() -> None:
    assert len(learnt(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n")) == 0
    chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n"
    assert len(learnt(chunked)) == 0


def test_length_in_another_spelling_is_left_to_the_parser() -> None:
    assert len(learnt(head(4).replace(b"Length: 4", b"Length: 04") + b"abcd")) == 0


def test_head_in_a_chunk_of_two_messages_is_not_learnt() -> None:
    calls = KnownCalls()
    read = Reading(head(4) + b"abcd")

    calls.learn(head(4) + b"abcd" + head(4) + b"abcd", read.as_known(), read.body)

    assert len(calls) == 0


def test_memory_is_bounded_and_forgets_what_was_not_asked_for_the_longest() -> None:
    calls = KnownCalls()
    chunks = [head(4, path=b"/%d" % n) + b"abcd" for n in range(600)]
    for chunk in chunks:
        read = Reading(chunk)
        calls.learn(chunk, read.as_known(), read.body)
        assert calls.find(chunks[0]) is not None

    assert len(calls) == 512
    assert calls.find(chunks[1]) is None


async def no_app(
    _scope: MutableMapping[str, Any],
    _receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


class OperationsDoor:
    """Echoes a call's path, body and target. It is the gateway's door as well, which has a domain name or not."""

    def __init__(self) -> None:
        self.domain = b""

    def takes_call(self, head: RequestHead) -> bool:
        return head.method == "POST"

    def max_call_bytes(self, head: RequestHead) -> int:
        return 1_000

    async def answer_operation(self, head: RequestHead, body: bytes, *_: object) -> GatewayResponse:
        text = b"%b %b %b %b" % (head.method.encode(), head.path.encode(), head.by_name[b"x-amz-target"], body)
        return GatewayResponse(200, [(b"content-length", b"%d" % len(text))], text)

    def find_gateway_call(self, raw_path: bytes, host: bytes) -> GatewayCall | None:
        return ("api", raw_path, b"") if self.domain and host == self.domain else None

    def now(self) -> datetime:
        return datetime(2026, 3, 4, tzinfo=UTC)

    async def answer_gateway(self, incoming: IncomingRequest) -> GatewayResponse:
        text = b"the API's " + incoming.body
        return GatewayResponse(200, [(b"content-length", b"%d" % len(text))], text)

    def refuse_large_call(self) -> GatewayResponse:
        return GatewayResponse(413, [(b"content-length", b"0")], b"")


@pytest.fixture
def door() -> OperationsDoor:
    return OperationsDoor()


@pytest.fixture
def connection(door: OperationsDoor) -> Iterator[socket.socket]:
    with (
        Serving(no_app, gateway=door, operations=door) as serving,
        socket.create_connection(("127.0.0.1", serving.port), timeout=10) as sock,
    ):
        yield sock


def ask(sock: socket.socket, *parts: bytes, until: bytes) -> bytes:
    """Send parts, and read until the answer ends with `until`."""
    for part in parts:
        sock.sendall(part)
    received = b""
    while not received.endswith(until):
        chunk = sock.recv(65_536)
        assert chunk, received
        received += chunk
    return received


def test_calls_with_one_head_are_each_answered_for_their_own_body(connection: socket.socket) -> None:
    for body in (b"abcd", b"wxyz", b"1234"):
        answer = ask(connection, head(4) + body, until=b"POST / A.B " + body)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def test_known_heads_taking_turns_on_one_connection_are_each_what_they_were(connection: socket.socket) -> None:
    heads = {
        b"abcd": head(4),
        b"abcdef": head(6),
        b"x" * 1_001: head(1_001),
        b"wxyz": head(4, path=b"/other"),
        b"last": head(4, b"Connection: close"),
    }
    for body, its_head in heads.items():
        with contextlib.closing(socket.create_connection(connection.getpeername(), timeout=10)) as another:
            ask(another, its_head + body, until=b"\r\n\r\n" if len(body) > 1_000 else body)

    for body in (b"abcd", b"abcdef", b"x" * 1_001, b"abcdef", b"wxyz", b"abcd"):
        if len(body) > 1_000:
            assert ask(connection, heads[body] + body, until=b"\r\n\r\n").startswith(b"HTTP/1.1 413 ")
        else:
            path = b"/other" if body == b"wxyz" else b"/"
            answer = ask(connection, heads[body] + body, until=b"POST %b A.B %b" % (path, body))
            assert b"connection: close" not in answer
    assert b"connection: close\r\n" in ask(connection, heads[b"last"] + b"last", until=b"POST / A.B last")
    assert connection.recv(1) == b""


def test_known_head_whose_body_comes_later_or_not_alone_is_parsed(connection: socket.socket) -> None:
    ask(connection, head(4) + b"abcd", until=b"abcd")

    ask(connection, head(4) + b"wx", b"yz", until=b" wxyz")
    two = ask(connection, head(4) + b"1234" + head(4) + b"5678", until=b" 5678")
    ask(connection, head(4) + b"last", until=b" last")

    assert two.count(b"HTTP/1.1 200 OK\r\n") == 2


def test_known_head_is_the_apis_while_its_host_is_a_domain_name_of_one(
    connection: socket.socket, door: OperationsDoor
) -> None:
    ask(connection, head(4) + b"abcd", until=b"POST / A.B abcd")

    door.domain = b"x"
    ask(connection, head(4) + b"wxyz", until=b"the API's wxyz")

    door.domain = b""
    ask(connection, head(4) + b"1234", until=b"POST / A.B 1234")


def test_head_that_the_door_did_not_take_is_never_known(connection: socket.socket) -> None:
    for _ in range(2):
        answer = ask(connection, head(4).replace(b"POST", b"PUT") + b"abcd", until=b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 404 ")


def test_known_head_of_a_body_over_the_limit_is_refused_again(connection: socket.socket) -> None:
    for _ in range(2):
        answer = ask(connection, head(1_001) + b"x" * 1_001, until=b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 413 ")


def test_known_head_that_closes_its_connection_closes_every_one(door: OperationsDoor) -> None:
    with Serving(no_app, operations=door) as serving:
        for body in (b"abcd", b"wxyz"):
            with socket.create_connection(("127.0.0.1", serving.port), timeout=10) as sock:
                answer = ask(sock, head(4, b"Connection: close") + body, until=body)
                assert b"connection: close\r\n" in answer
                assert sock.recv(1) == b""
