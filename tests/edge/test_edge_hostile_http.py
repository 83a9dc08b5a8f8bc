"""What strangers send over raw sockets: each is answered as it deserves, and the server goes on serving.

All ways through the listener are tried: ASGI (any path), the request lane's (`/_api/…`) and the operations' (`/_call`).
"""

import re
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from support.edge import Serving
from velvetrope.edge.bodies import MAX_GATEWAY_BODY_BYTES, GatewayCall
from velvetrope.edge.http_connection import MAX_FRAMING_BYTES, Pace
from velvetrope.edge.requests import RequestHead
from velvetrope.execute_api import GatewayResponse, IncomingRequest

LANES = {"asgi": b"/page", "lane": b"/_api/abc/stage/x", "operations": b"/_call"}


class Door:
    """Answers calls with what they were: method, path, body, and the names of the headers."""

    def find_gateway_call(self, raw_path: bytes, host: bytes) -> GatewayCall | None:
        return ("abc", raw_path, None) if raw_path.startswith(b"/_api/") else None

    def now(self) -> datetime:
        return datetime(2026, 3, 4, tzinfo=UTC)

    async def answer_gateway(self, incoming: IncomingRequest, /) -> GatewayResponse:
        if incoming.has_large_body:
            return self.refuse_large_call()
        return _told(incoming.method.encode(), incoming.raw_path, incoming.body, incoming.headers)

    def takes_call(self, head: RequestHead) -> bool:
        return head.raw_path.startswith(b"/_call")

    def max_call_bytes(self, head: RequestHead) -> int:
        return MAX_GATEWAY_BODY_BYTES

    async def answer_operation(self, head: RequestHead, body: bytes, *_: object) -> GatewayResponse:
        return _told(head.method.encode(), head.raw_path, body, head.headers)

    def refuse_large_call(self) -> GatewayResponse:
        return GatewayResponse(413, [(b"Content-Length", b"3")], b"413")


async def app(scope: Any, receive: Any, send: Any) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
        more = message.get("more_body", False)
    told = _told(scope["method"].encode(), scope["raw_path"], body, scope["headers"])
    await send({"type": "http.response.start", "status": told.status, "headers": told.headers})
    await send({"type": "http.response.body", "body": told.body})


def _told(method: bytes, path: bytes, body: bytes, headers: Any) -> GatewayResponse:
    names = b",".join(name.lower() for name, _ in headers)
    text = b"<%s|%s|%s|%s>" % (method, path, body, names)
    return GatewayResponse(200, [(b"Content-Length", b"%d" % len(text))], text)


@pytest.fixture(scope="module")
def serving() -> Iterator[Serving]:
    door = Door()
    with Serving(app, gateway=door, operations=door, sweep_seconds=0.05) as serving:
        yield serving


@pytest.fixture(params=LANES)
def path(request: pytest.FixtureRequest) -> bytes:
    return LANES[request.param]


def exchange(serving: Serving, data: bytes) -> bytes:
    """All that the server says before it closes; requests ask it to."""
    with socket.create_connection(("127.0.0.1", serving.port), timeout=30) as sock:
        sock.sendall(data)
        received = b""
        try:
            while chunk := sock.recv(65_536):
                received += chunk
        except ConnectionResetError:
            pass
    return received


def head(method: bytes, path: bytes, *headers: bytes, version: bytes = b"1.1", host: bytes = b"Host: x") -> bytes:
    lines = [b"%s %s HTTP/%s" % (method, path, version), *([host] if host else []), *headers, b"Connection: close"]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def statuses(answer: bytes) -> list[bytes]:
    return re.findall(rb"HTTP/1\.1 (\d{3}) [A-Z]", answer)


CHUNKED = b"Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (b"Content-Length: 5", b"hello"),
        (CHUNKED, b"5\r\nhello\r\n0\r\n\r\n"),
        (CHUNKED, b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
        (CHUNKED, b"00005\r\nhello\r\n000\r\n\r\n"),
        (CHUNKED, b'5;name="a;b"\r\nhello\r\n0;last\r\n\r\n'),
        (CHUNKED, b"5\r\nhello\r\n0\r\nX-Trailer: 1\r\nX-Other: 2\r\n\r\n"),
        (b"TRANSFER-ENCODING: Chunked", b"5\r\nhello\r\n0\r\n\r\n"),
    ],
)
def test_both_framings_of_a_body_are_read(serving: Serving, path: bytes, framing: bytes, body: bytes) -> None:
    answer = exchange(serving, head(b"POST", path, framing) + body)

    assert statuses(answer) == [b"200"]
    assert b"<POST|%s|hello|" % path in answer


def test_a_trailer_is_no_header(serving: Serving, path: bytes) -> None:
    """Whoever stands in front filters headers: what comes behind the body must not get past as one."""
    trailers = b"Authorization: x\r\nX-HTTP-Method-Override: DELETE\r\nX-Api-Key: k\r\nHost: y\r\n"

    answer = exchange(serving, head(b"POST", path, CHUNKED) + b"1\r\nx\r\n0\r\n" + trailers + b"\r\n")

    assert statuses(answer) == [b"200"]
    assert answer.endswith(b"|host,transfer-encoding,connection>")


REFUSED = {
    "a length and chunks": (b"400", head(b"POST", b"PATH", b"Content-Length: 5", CHUNKED) + b"0\r\n\r\n"),
    "chunks and a length": (b"400", head(b"POST", b"PATH", CHUNKED, b"Content-Length: 5") + b"0\r\n\r\n"),
    "two lengths": (b"400", head(b"POST", b"PATH", b"Content-Length: 1", b"Content-Length: 2") + b"x"),
    "the same length twice": (b"400", head(b"POST", b"PATH", b"Content-Length: 1", b"Content-Length: 1") + b"x"),
    "a list of lengths": (b"400", head(b"POST", b"PATH", b"Content-Length: 1, 1") + b"x"),
    "a signed length": (b"400", head(b"POST", b"PATH", b"Content-Length: +1") + b"x"),
    "a hexadecimal length": (b"400", head(b"POST", b"PATH", b"Content-Length: 0x1") + b"x"),
    "an endless length": (b"400", head(b"POST", b"PATH", b"Content-Length: 99999999999999999999999") + b"x"),
    "no chunks at the end": (b"400", head(b"POST", b"PATH", b"Transfer-Encoding: chunked, identity")),
    "chunks, then something else": (b"400", head(b"POST", b"PATH", CHUNKED, b"Transfer-Encoding: identity")),
    "another transfer coding": (b"501", head(b"POST", b"PATH", b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n"),
    "identity before chunks": (b"501", head(b"POST", b"PATH", b"Transfer-Encoding: identity, chunked") + b"0\r\n\r\n"),
    "nearly chunked": (b"501", head(b"POST", b"PATH", b"Transfer-Encoding: xchunked") + b"0\r\n\r\n"),
    "chunked behind a tab": (b"400", head(b"POST", b"PATH", b"Transfer-Encoding:\x0bchunked") + b"0\r\n\r\n"),
    "chunks of HTTP/1.0": (b"400", head(b"POST", b"PATH", CHUNKED, version=b"1.0") + b"0\r\n\r\n"),
    "a space before the colon": (b"400", head(b"POST", b"PATH", b"Content-Length : 5") + b"hello"),
    "a folded header": (b"400", head(b"GET", b"PATH", b"X-A: a\r\n b")),
    "a line that begins with a space": (b"400", head(b"GET", b"PATH", b" X-A: a")),
    "line feeds alone": (b"400", head(b"GET", b"PATH").replace(b"\r\n", b"\n")),
    "one line feed alone": (b"400", head(b"GET", b"PATH", b"X: y\nZ: z")),
    "a carriage return alone": (b"400", head(b"GET", b"PATH", b"X: a\rY: b")),
    "a null in a value": (b"400", head(b"GET", b"PATH", b"X: a\x00b")),
    "a null in a name": (b"400", head(b"GET", b"PATH", b"X\x00: a")),
    "a name that is no token": (b"400", head(b"GET", b"PATH", "É: x".encode())),
    "a header without a name": (b"400", head(b"GET", b"PATH", b": x")),
    "no host": (b"400", head(b"GET", b"PATH", host=b"")),
    "two hosts": (b"400", head(b"GET", b"PATH", b"Host: y")),
    "the same host twice": (b"400", head(b"GET", b"PATH", b"Host: x")),
    "a host with a space": (b"400", head(b"GET", b"PATH", host=b"Host: a b")),
    "a host with a user": (b"400", head(b"GET", b"PATH", host=b"Host: a@b")),
    "a host with a path": (b"400", head(b"GET", b"PATH", host=b"Host: a/b")),
    "a target of another host": (b"400", head(b"GET", b"http://yPATH")),
    "a target of another scheme": (b"400", head(b"GET", b"ftp://xPATH")),
    "an authority for a target": (b"400", head(b"GET", b"x:80")),
    "an asterisk for a target": (b"400", head(b"GET", b"*")),
    "a tunnel": (b"400", b"CONNECT PATH HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a tunnel to a host": (b"400", b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n"),
    "a method in lower case": (b"400", head(b"get", b"PATH")),
    "a method that nobody has": (b"400", head(b"FETCH", b"PATH")),
    "a tab in the request line": (b"400", head(b"GET", b"PATH").replace(b"GET ", b"GET\t")),
    "a space in the path": (b"400", head(b"GET", b"PATH b")),
    "a control character in the path": (b"400", head(b"GET", b"PATH\x01")),
    "a byte over ASCII in the path": (b"400", head(b"GET", b"PATH\xff")),
    "HTTP/0.9": (b"400", b"GET PATH\r\n\r\n"),
    "HTTP/0.9 by name": (b"400", head(b"GET", b"PATH", version=b"0.9")),
    "HTTP/1.2": (b"400", head(b"GET", b"PATH", version=b"1.2")),
    "HTTP/2 without TLS": (b"400", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "a chunk size that overflows": (b"400", head(b"POST", b"PATH", CHUNKED) + b"FFFFFFFFFFFFFFFFFF\r\nx"),
    "a negative chunk size": (b"400", head(b"POST", b"PATH", CHUNKED) + b"-1\r\nx"),
    "a chunk size with 0x": (b"400", head(b"POST", b"PATH", CHUNKED) + b"0x1\r\nx\r\n0\r\n\r\n"),
    "chunks with line feeds alone": (b"400", head(b"POST", b"PATH", CHUNKED) + b"1\nx\n0\n\n"),
    "a chunk longer than it says": (b"400", head(b"POST", b"PATH", CHUNKED) + b"1\r\nxx\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_be_read_in_two_ways_is_refused_and_ends_the_connection(
    serving: Serving, path: bytes, name: str
) -> None:
    status, request = REFUSED[name]
    smuggled = head(b"GET", b"/smuggled")

    answer = exchange(serving, request.replace(b"PATH", path) + smuggled)

    assert statuses(answer) == [status], answer
    assert b"smuggled" not in answer
    assert requests.get(f"{serving.url}/after", timeout=30).status_code == 200


@pytest.mark.parametrize(
    "target",
    [b"http://x%s", b"HTTP://X%s", b"%s"],
)
def test_an_absolute_target_of_the_same_host_is_served(serving: Serving, path: bytes, target: bytes) -> None:
    answer = exchange(serving, head(b"GET", target % path))

    assert statuses(answer) == [b"200"]
    assert b"<GET|%s||" % path in answer


def test_an_asterisk_asks_for_the_options_of_the_server(serving: Serving) -> None:
    assert statuses(exchange(serving, head(b"OPTIONS", b"*"))) == [b"200"]


@pytest.mark.parametrize(("version", "expected"), [(b"1.1", [b"100", b"200"]), (b"1.0", [b"200"])])
def test_only_clients_that_know_of_100_are_told_to_go_on(
    serving: Serving, path: bytes, version: bytes, expected: list[bytes]
) -> None:
    """HTTP/1.0 has no answers before the answer: a client of it would take that one for its own."""
    waits = head(b"POST", path, b"Expect: 100-continue", b"Content-Length: 5", version=version)
    with socket.create_connection(("127.0.0.1", serving.port), timeout=30) as sock:
        sock.sendall(waits)
        received = sock.recv(65_536) if version == b"1.1" else b""
        sock.sendall(b"hello")
        while chunk := sock.recv(65_536):
            received += chunk

    assert statuses(received) == expected
    assert b"<POST|%s|hello|" % path in received


def test_http_1_0_needs_no_host(serving: Serving, path: bytes) -> None:
    assert statuses(exchange(serving, head(b"GET", path, version=b"1.0", host=b""))) == [b"200"]


@pytest.mark.parametrize("host", [b"Host: [::1]:4800", b"Host: a.b-c_d.example:1", b"Host:", b"host: X"])
def test_a_host_may_be_an_address_a_name_or_empty(serving: Serving, path: bytes, host: bytes) -> None:
    assert statuses(exchange(serving, head(b"GET", path, host=host))) == [b"200"]


@pytest.mark.parametrize(
    "suffix",
    [b"/%2e%2e/%2e%2e/etc/passwd", b"/../..", b"//a//", b"/%00", b"/%zz%2", b"\\..\\x", b"/a;b=c", b"?a=%00&%"],
)
def test_hostile_paths_arrive_as_they_were_sent(serving: Serving, path: bytes, suffix: bytes) -> None:
    answer = exchange(serving, head(b"GET", path + suffix))

    assert statuses(answer) == [b"200"]
    assert b"<GET|%s|" % (path + suffix).partition(b"?")[0] in answer


def test_pipelined_requests_are_answered_in_order_and_nothing_behind_the_last(serving: Serving, path: bytes) -> None:
    keep = b"POST %s/%d HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n%02d"
    requests_sent = b"".join(keep % (path, n, n) for n in range(10))

    answer = exchange(serving, requests_sent + head(b"GET", path) + head(b"GET", path + b"/behind"))

    assert statuses(answer) == [b"200"] * 11
    positions = [answer.index(b"<POST|%s/%d|%02d|" % (path, n, n)) for n in range(10)]
    assert positions == sorted(positions)
    assert b"behind" not in answer


def test_a_malformed_request_behind_good_ones_does_not_take_their_answers(serving: Serving, path: bytes) -> None:
    good = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path
    with socket.create_connection(("127.0.0.1", serving.port), timeout=30) as sock:
        sock.sendall(good)
        first = b""
        while not first.endswith(b">"):
            first += sock.recv(65_536)
        sock.sendall(good[:-2] + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n")
        rest = b""
        while chunk := sock.recv(65_536):
            rest += chunk

    assert statuses(first) == [b"200"]
    assert statuses(rest) == [b"400"]


@pytest.mark.parametrize("body", [b"", b"hello"])
def test_a_request_to_upgrade_keeps_its_body_and_what_comes_behind_it(
    serving: Serving, path: bytes, body: bytes
) -> None:
    """Java's client asks every plain server for HTTP/2 like this, with the body of its first request."""
    asks = [b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA", b"Content-Length: %d" % len(body)]
    first = b"\r\n".join(
        [b"POST %s HTTP/1.1" % path, b"Host: x", b"Connection: Upgrade, HTTP2-Settings", *asks, b"", b""]
    )

    answer = exchange(serving, first + body + head(b"GET", path + b"/second"))

    assert statuses(answer) == [b"200", b"200"]
    assert b"<POST|%s|%s|" % (path, body) in answer
    assert b"<GET|%s/second||" % path in answer


def test_what_comes_behind_a_last_request_that_asks_to_upgrade_does_not_take_its_answer(
    serving: Serving, path: bytes
) -> None:
    first = head(b"POST", path, b"Upgrade: h2c", b"Connection: Upgrade", b"Content-Length: 5") + b"hello"

    answer = exchange(serving, first + head(b"GET", path + b"/behind"))

    assert statuses(answer) == [b"200"]
    assert b"<POST|%s|hello|" % path in answer
    assert b"behind" not in answer


@pytest.mark.parametrize("path", [LANES["lane"], LANES["operations"]])
def test_a_body_that_was_refused_and_then_stalls_is_not_answered_again(path: bytes) -> None:
    """The second answer would be taken for that of the client's next request."""
    door = Door()
    large = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (path, MAX_GATEWAY_BODY_BYTES + 1)
    with Serving(
        app, gateway=door, operations=door, pace=Pace(body_stall_seconds=0.05), sweep_seconds=0.01
    ) as impatient:
        assert statuses(exchange(impatient, large + b"x" * 100)) == [b"413"]


def test_endless_trailers_and_chunk_extensions_are_cut_off(serving: Serving, path: bytes) -> None:
    for endless in (b"0\r\nX-Trailer: " + b"y" * 4 * MAX_FRAMING_BYTES, b"1;" + b"e" * 4 * MAX_FRAMING_BYTES):
        with socket.create_connection(("127.0.0.1", serving.port), timeout=30) as sock:
            sock.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" % path)
            received = b""
            try:
                for start in range(0, len(endless), 4096):
                    sock.sendall(endless[start : start + 4096])
                received = sock.recv(65_536)
            except OSError:
                received = b"HTTP/1.1 400"
        assert received.startswith(b"HTTP/1.1 400")
    assert requests.get(f"{serving.url}/after", timeout=30).status_code == 200


def test_a_body_in_small_chunks_is_no_endless_framing(serving: Serving, path: bytes) -> None:
    chunks = b"".join(b"1\r\nx\r\n" for _ in range(30_000))

    answer = exchange(serving, head(b"POST", path, CHUNKED) + chunks + b"0\r\n\r\n")

    assert statuses(answer) == [b"200"]
    assert b"x" * 30_000 in answer


def test_a_chunked_body_over_the_limit_is_413_on_the_lane(serving: Serving) -> None:
    with socket.create_connection(("127.0.0.1", serving.port), timeout=30) as sock:
        sock.sendall(head(b"POST", LANES["lane"], CHUNKED))
        received = b""
        try:
            for _ in range(MAX_GATEWAY_BODY_BYTES // 65_536 + 2):
                sock.sendall(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
            received = sock.recv(65_536)
        except OSError:
            received = b"HTTP/1.1 413"
    assert received.startswith(b"HTTP/1.1 413")
    assert requests.get(f"{serving.url}/after", timeout=30).status_code == 200


def test_many_slow_senders_keep_nobody_from_being_served(path: bytes) -> None:
    """As long as they are waited for, and they are not waited for long."""
    door = Door()
    with Serving(app, gateway=door, operations=door) as patient, dawdling(patient, path) as socks:
        assert requests.get(f"{patient.url}/meanwhile", timeout=30).status_code == 200
        assert select.select(socks, [], [], 0)[0] == []
        threads = threading.active_count()
    with (
        Serving(
            app,
            gateway=door,
            operations=door,
            pace=Pace(head_timeout_seconds=0.2, body_stall_seconds=0.2),
            sweep_seconds=0.05,
        ) as impatient,
        dawdling(impatient, path) as socks,
    ):
        answers = {sock.recv(1000)[:12] for sock in socks}

    assert threads < 50
    assert answers == {b"HTTP/1.1 408"}


@contextmanager
def dawdling(serving: Serving, path: bytes) -> Iterator[list[socket.socket]]:
    """Sixty clients who send half of a head, or half of a body."""
    stalled = [b"GET %s HTT" % path, b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab" % path]
    with ExitStack() as opened:
        with serving.held():
            socks = [
                opened.enter_context(socket.create_connection(("127.0.0.1", serving.port), timeout=30))
                for _ in range(60)
            ]
            for number, sock in enumerate(socks):
                sock.sendall(stalled[number % 2])
        yield socks
