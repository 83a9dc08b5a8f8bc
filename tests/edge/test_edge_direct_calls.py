"""Calls as the listener takes them: at once, in turns, in pieces, and when they have to wait.

Those to deployed APIs and those of AWS operations are taken by cycles of one kind: each test runs for both.
"""

import asyncio
import contextlib
import gc
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from datetime import UTC, datetime
from typing import Any

import pytest
import uvloop

from support.edge import Serving
from velvetrope.edge.bodies import GatewayCall
from velvetrope.edge.direct_cycle import DirectCycle
from velvetrope.edge.http_connection import Pace
from velvetrope.edge.requests import RequestHead
from velvetrope.execute_api import GatewayResponse, IncomingRequest, Likeness

MAX_CALL_BYTES = 1000
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class EchoDoor:
    """Answers calls under `/_api/` with what it was told. Some wait for something, as calls of functions do."""

    def __init__(self) -> None:
        self.waiting = threading.Event()
        self.may_go_on = threading.Event()
        self.likenesses: list[Likeness | None] = []
        self.fails = False

    def find_gateway_call(self, raw_path: bytes, host: bytes, /) -> GatewayCall | None:
        return ("api", raw_path[5:], None) if raw_path.startswith(b"/_api/") else None

    def now(self) -> datetime:
        return datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)

    async def answer_gateway(self, incoming: IncomingRequest, /) -> GatewayResponse:
        if incoming.has_large_body:
            return self.refuse_large_call()
        self.likenesses.append(incoming.likeness)
        if self.fails:
            raise ZeroDivisionError
        return await self._answer(incoming.method, incoming.stage_path, incoming.query_string, incoming.body)

    def takes_call(self, head: RequestHead, /) -> bool:
        return head.raw_path.startswith(b"/_api/")

    def max_call_bytes(self, head: RequestHead, /) -> int:
        return MAX_CALL_BYTES

    async def answer_operation(self, head: RequestHead, body: bytes, *_: object) -> GatewayResponse:
        return await self._answer(head.method, head.raw_path[5:], head.query_string, body)

    async def _answer(self, method: str, path: bytes, query_string: bytes, body: bytes) -> GatewayResponse:
        if path == b"/wait":
            self.waiting.set()
            await asyncio.to_thread(self.may_go_on.wait, 60)
        elif path == b"/turns":
            for _ in range(3):
                await asyncio.sleep(0)
        elif path == b"/caught":
            loop = asyncio.get_running_loop()
            failing = loop.create_future()
            loop.call_soon(failing.set_exception, TimeoutError())
            try:
                await failing
            except TimeoutError:
                body = b"timed out"
        elif path == b"/fault":
            raise ZeroDivisionError
        elif path == b"/hold":
            # The loop stands still meanwhile.
            self.waiting.set()
            self.may_go_on.wait(60)
        elif path in {b"/cancelled", b"/late-cancelled"}:
            if path == b"/late-cancelled":
                await asyncio.sleep(0)
            cancelled = asyncio.get_running_loop().create_future()
            cancelled.cancel()
            await cancelled
        elif path == b"/late-fault":
            await asyncio.sleep(0)
            raise ZeroDivisionError
        text = b"%s %s?%s %s" % (method.encode(), path, query_string, body)
        own = [(b"x-good", b"1"), (b"x bad", b"1"), (b"x-split", b"1\r\nx-smuggled: 1"), (b"x-nul", b"\0")]
        return GatewayResponse(200, [(b"Content-Length", b"%d" % len(text)), *own], text)

    def refuse_large_call(self) -> GatewayResponse:
        return GatewayResponse(413, [(b"Content-Length", b"0")], b"")


async def no_app(
    _scope: MutableMapping[str, Any],
    _receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def door() -> EchoDoor:
    return EchoDoor()


@pytest.fixture(params=[(loop, kind) for loop in LOOPS for kind in ("gateway", "operations")], ids="-".join)
def serving(request: pytest.FixtureRequest, door: EchoDoor) -> Iterator[Serving]:
    loop, kind = request.param
    with Serving(
        no_app,
        gateway=door if kind == "gateway" else None,
        operations=door if kind == "operations" else None,
        loop_factory=LOOPS[loop],
        sweep_seconds=0.05,
    ) as serving:
        yield serving
        door.may_go_on.set()


def connect(serving: Serving) -> socket.socket:
    return socket.create_connection(("127.0.0.1", serving.port), timeout=30)


def request(path: str, *, body: bytes = b"", last: bool = False) -> bytes:
    head = f"POST /_api{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + (b"Connection: close\r\n" if last else b"") + b"\r\n" + body


def read_all(sock: socket.socket) -> bytes:
    received = b""
    while chunk := sock.recv(65_536):
        received += chunk
    return received


def read_until(sock: socket.socket, end: bytes) -> bytes:
    received = b""
    while not received.endswith(end):
        received += sock.recv(65_536)
    return received


def test_calls_are_answered_on_one_connection_one_after_the_other(serving: Serving) -> None:
    with connect(serving) as sock:
        for number in range(3):
            sock.sendall(request(f"/a?n={number}", body=b"xyz"))
            assert read_until(sock, b"POST /a?n=%d xyz" % number).startswith(b"HTTP/1.1 200 OK\r\n")


def test_pipelined_calls_are_answered_in_order_whether_they_wait_or_not(serving: Serving) -> None:
    paths = ["/a", "/turns", "/b", "/caught", "/c", "/turns", "/d"]

    with connect(serving) as sock:
        sock.sendall(b"".join(request(f"{path}?{n}") for n, path in enumerate(paths)) + request("/end", last=True))
        answer = read_all(sock)

    positions = [answer.index(f"POST {path}?{n} ".encode()) for n, path in enumerate(paths)]
    assert positions == sorted(positions)
    assert answer.count(b"HTTP/1.1 200 OK") == len(paths) + 1
    assert b"POST /caught?3 timed out" in answer


def test_a_body_may_come_in_pieces(serving: Serving) -> None:
    whole = request("/a", body=b"0123456789", last=True)

    with connect(serving) as sock:
        for at in range(0, len(whole), 7):
            sock.sendall(whole[at : at + 7])

        assert read_all(sock).endswith(b"POST /a? 0123456789")


def test_a_client_that_waits_for_100_is_told_to_go_on(serving: Serving) -> None:
    with connect(serving) as sock:
        head, _, body = request("/a", body=b"abc", last=True).partition(b"\r\n\r\n")
        sock.sendall(head + b"\r\nExpect: 100-continue\r\n\r\n")
        assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)

        assert read_all(sock).endswith(b"POST /a? abc")


def test_a_call_leaves_no_task_behind_however_it_ends(serving: Serving) -> None:
    tasks = serving.listener._state.tasks

    async def until(there_are_some: bool) -> None:
        async with asyncio.timeout(60):
            while bool(tasks) != there_are_some:  # noqa: ASYNC110 - a set tells nobody
                await asyncio.sleep(0)

    def wait_until(*, there_are_some: bool) -> None:
        asyncio.run_coroutine_threadsafe(until(there_are_some), serving.loop).result(90)

    for path in ("/a", "/turns", "/caught", "/fault", "/late-fault", "/cancelled"):
        with connect(serving) as sock, contextlib.suppress(OSError):
            sock.sendall(request(path, last=True))
            read_all(sock)
    with connect(serving) as sock:
        sock.sendall(request("/a", body=b"x" * (MAX_CALL_BYTES + 1), last=True))
        read_all(sock)
    wait_until(there_are_some=False)
    with connect(serving) as sock:
        sock.sendall(request("/a", body=b"abc")[:-1])
        wait_until(there_are_some=True)

    wait_until(there_are_some=False)


def test_a_call_that_waits_keeps_no_other_waiting(serving: Serving, door: EchoDoor) -> None:
    with connect(serving) as slow, connect(serving) as quick:
        slow.sendall(request("/wait", last=True))
        assert door.waiting.wait(60)
        quick.sendall(request("/a", last=True))
        assert read_all(quick).endswith(b"POST /a? ")

        door.may_go_on.set()
        assert read_all(slow).endswith(b"POST /wait? ")


def test_a_client_that_leaves_while_its_call_waits_harms_nobody(serving: Serving, door: EchoDoor) -> None:
    with connect(serving) as leaving:
        leaving.sendall(request("/wait"))
        assert door.waiting.wait(60)
    door.may_go_on.set()

    with connect(serving) as sock:
        sock.sendall(request("/a", last=True))
        assert read_all(sock).endswith(b"POST /a? ")


@pytest.mark.parametrize("fault", ["/fault", "/late-fault", "/cancelled", "/late-cancelled"])
def test_a_fault_closes_its_own_connection_and_no_other(serving: Serving, fault: str) -> None:
    with connect(serving) as unlucky, connect(serving) as other:
        unlucky.sendall(request(fault))
        other.sendall(request("/a", last=True))

        assert read_all(other).endswith(b"POST /a? ")
        with contextlib.suppress(ConnectionResetError):
            assert read_all(unlucky) == b""


@pytest.mark.parametrize("fault", ["/fault", "/cancelled"])
def test_a_fault_takes_no_answer_from_those_who_were_read_in_the_same_turn(
    serving: Serving, door: EchoDoor, fault: str
) -> None:
    with contextlib.ExitStack() as opened:
        holding, *others = [opened.enter_context(connect(serving)) for _ in range(4)]
        holding.sendall(request("/hold", last=True))
        assert door.waiting.wait(60)
        for other, path in zip(others, ["/a", fault, "/b"], strict=True):
            other.sendall(request(path, last=True))
        door.may_go_on.set()

        assert read_all(others[0]).endswith(b"POST /a? ")
        assert read_all(others[2]).endswith(b"POST /b? ")
        with contextlib.suppress(ConnectionResetError):
            assert read_all(others[1]) == b""


def test_headers_that_would_split_the_answer_are_left_out(serving: Serving) -> None:
    with connect(serving) as sock:
        sock.sendall(request("/a", last=True))
        answer = read_all(sock)

    assert b"x-good: 1\r\n" in answer
    assert b"x bad" not in answer
    assert b"smuggled" not in answer
    assert b"x-nul" not in answer


@pytest.mark.parametrize("loop", LOOPS)
def test_an_idle_connection_is_closed_after_a_while(door: EchoDoor, loop: str) -> None:
    with (
        Serving(
            no_app, gateway=door, loop_factory=LOOPS[loop], sweep_seconds=0.05, pace=Pace(keep_alive_seconds=0.1)
        ) as serving,
        connect(serving) as sock,
    ):
        sock.sendall(request("/a"))

        assert read_all(sock).endswith(b"POST /a? ")


def test_an_answered_call_leaves_nothing_to_the_garbage_collector(serving: Serving) -> None:
    """A cycle of references in each call costs a tenth of its time, and a pause now and then."""
    with connect(serving) as sock:
        sock.sendall(request("/a"))
        read_until(sock, b"POST /a? ")
        gc.collect()
        gc.disable()
        try:
            for _ in range(50):
                sock.sendall(request("/a"))
                read_until(sock, b"POST /a? ")
            left = sum(isinstance(one, DirectCycle) for one in gc.get_objects())
        finally:
            gc.enable()

    assert left <= 1  # the connection knows its latest


@pytest.mark.parametrize(("size", "status"), [(MAX_CALL_BYTES, b"200"), (MAX_CALL_BYTES + 1, b"413")])
@pytest.mark.parametrize("loop", LOOPS)
def test_the_body_of_an_operations_call_has_a_limit_of_its_own(
    door: EchoDoor, loop: str, size: int, status: bytes
) -> None:
    with Serving(no_app, operations=door, loop_factory=LOOPS[loop]) as serving, connect(serving) as sock:
        sock.sendall(request("/a", body=b"x" * size, last=True))

        assert read_all(sock).startswith(b"HTTP/1.1 " + status)


SIGNED = "Authorization: AWS4-HMAC-SHA256 Credential=A/20260304/r/s/aws4_request, SignedHeaders=host, Signature="


def like(number: int, *, path: str = "/_api/a", more: str = "") -> bytes:
    """A call that differs in three places from another number's."""
    date = f"X-Amz-Date: 20260304T0506{number:02}Z"
    return f"GET {path}?n={number} HTTP/1.1\r\nHost: h\r\n{date}\r\n{SIGNED}{number:064x}\r\n{more}\r\n".encode()


@pytest.fixture(params=list(LOOPS.values()), ids=list(LOOPS))
def calls(request: pytest.FixtureRequest, door: EchoDoor) -> Iterator[Callable[[bytes], bytes]]:
    """One connection, on which one call after the other is answered."""
    with Serving(no_app, gateway=door, loop_factory=request.param) as serving, connect(serving) as connection:
        answers = connection.makefile("rb")

        def call(chunk: bytes) -> bytes:
            connection.sendall(chunk)
            length = 0
            while (line := answers.readline().strip()) != b"":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            return answers.read(length)

        yield call
        answers.close()


def test_a_call_like_one_that_was_answered_needs_no_parser(door: EchoDoor, calls: Callable[[bytes], bytes]) -> None:
    """The first on a connection is not looked at, the second is learnt."""
    found = [calls(like(n)) for n in range(4)]

    assert found == [b"GET /a?n=%d " % n for n in range(4)]
    assert door.likenesses[:2] == [None, None]
    assert door.likenesses[2] is not None
    assert door.likenesses[2] is door.likenesses[3]


def test_a_call_like_none_before_is_parsed(door: EchoDoor, calls: Callable[[bytes], bytes]) -> None:
    for number in range(3):
        calls(like(number))

    assert calls(like(5, path="/_api/b")) == b"GET /b?n=5 "
    assert calls(like(6, more="X-More: 1\r\n")) == b"GET /a?n=6 "
    assert calls(b"GET /_api/c HTTP/1.1\r\nHost: h\r\n\r\n") == b"GET /c? "
    assert calls(like(7)) == b"GET /a?n=7 "
    assert [likeness is not None for likeness in door.likenesses] == [False, False, True, False, False, False, True]


def test_two_known_heads_in_one_piece_are_parsed(door: EchoDoor, calls: Callable[[bytes], bytes]) -> None:
    for number in range(3):
        calls(like(number))

    assert calls(like(3) + like(4)) == b"GET /a?n=3 "
    assert calls(b"") == b"GET /a?n=4 "
    assert [likeness is not None for likeness in door.likenesses] == [False, False, True, False, False]


@pytest.mark.parametrize("path", ["/turns", "/caught"])
def test_known_calls_that_wait_are_answered_each_with_its_own(
    door: EchoDoor, calls: Callable[[bytes], bytes], path: str
) -> None:
    found = [calls(like(n, path=f"/_api{path}")) for n in range(6)]

    told = b"timed out" if path == "/caught" else b""
    assert found == [b"GET %s?n=%d %s" % (path.encode(), n, told) for n in range(6)]
    assert [likeness is not None for likeness in door.likenesses] == [False, False, True, True, True, True]


def test_known_heads_take_turns_on_a_connection_with_others(door: EchoDoor, calls: Callable[[bytes], bytes]) -> None:
    for number in range(2):
        calls(like(number))
        calls(like(number, path="/_api/turns"))

    for number in range(2, 5):
        assert calls(like(number)) == b"GET /a?n=%d " % number
        assert calls(like(number, path="/_api/turns")) == b"GET /turns?n=%d " % number
        assert calls(b"GET /_api/c HTTP/1.1\r\nHost: h\r\n\r\n") == b"GET /c? "
    assert [likeness is not None for likeness in door.likenesses[-9:]] == [True, True, False] * 3


def test_a_known_call_that_fails_ends_its_connection_and_no_later_one_takes_its_place(
    door: EchoDoor, calls: Callable[[bytes], bytes]
) -> None:
    for number in range(3):
        calls(like(number))
    door.fails = True

    for number in (3, 4):
        with contextlib.suppress(OSError):
            assert calls(like(number)) == b""
    assert door.likenesses[2] is door.likenesses[3] is not None
    assert len(door.likenesses) == 4
