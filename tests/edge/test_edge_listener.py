"""One port, spoken to as strangers do: plain and TLS, slowly, wrongly, all at once."""

import asyncio
import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import uvloop

from support.edge import Serving, SystemClock
from velvetrope.edge.http_connection import MAX_HEAD_BYTES, Pace
from velvetrope.edge.listener import Listener
from velvetrope.edge.tls import CertificateFiles, ensure_certificates, names_for, server_context
from velvetrope.server.sockets import CannotListen, PortTaken, bind

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class EchoApp:
    """Answers with what the server told it: scheme, path, header names and the body's length."""

    def __init__(self) -> None:
        self.calls = 0
        self.entered = threading.Event()
        self.may_leave = threading.Event()
        self.disconnected = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        if scope["path"] == "/slow":
            self.entered.set()
            await asyncio.to_thread(self.may_leave.wait, 60)
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnected.set()
                return
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        names = b",".join(name for name, _ in scope["headers"])
        body = b"%s %s %d %s" % (scope["scheme"].encode(), scope["raw_path"], size, names)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    folder = tmp_path_factory.mktemp("tls")
    return ensure_certificates(folder, names_for(region="us-west-2"), now=SystemClock().now())


@pytest.fixture(scope="module", params=LOOPS)
def serving(request: pytest.FixtureRequest, certificates: CertificateFiles) -> Iterator[Serving]:
    with Serving(
        EchoApp(), tls=server_context(certificates), loop_factory=LOOPS[request.param], sweep_seconds=0.05
    ) as serving:
        yield serving


@pytest.fixture(scope="module", params=LOOPS)
def impatient(request: pytest.FixtureRequest) -> Iterator[Serving]:
    """For those who dawdle only: on a busy machine anybody may be as slow."""
    with Serving(
        EchoApp(),
        loop_factory=LOOPS[request.param],
        pace=Pace(head_timeout_seconds=0.2, body_stall_seconds=0.2),
        sweep_seconds=0.05,
    ) as serving:
        yield serving


def connect(serving: Serving) -> socket.socket:
    return socket.create_connection(("127.0.0.1", serving.port), timeout=30)


def read_all(sock: socket.socket) -> bytes:
    """Everything until the server closes."""
    received = b""
    while chunk := sock.recv(65_536):
        received += chunk
    return received


def still_serves(serving: Serving) -> bool:
    return requests.get(f"{serving.url}/after", timeout=30).status_code == 200


def test_plain_and_tls_share_the_port(serving: Serving, certificates: CertificateFiles) -> None:
    plain = requests.get(f"http://localhost:{serving.port}/a", timeout=30)
    secure = requests.get(f"https://localhost:{serving.port}/b", verify=str(certificates.authority), timeout=30)

    assert plain.text.startswith("http /a 0 ")
    assert secure.text.startswith("https /b 0 ")
    assert "date" in plain.headers
    assert "server" not in plain.headers


@pytest.mark.parametrize("loop", LOOPS)
def test_no_answer_waits_for_the_one_before_to_be_acknowledged(loop: str) -> None:
    """RFC 896's delay is off: with it a client that acknowledges late gets what is written in two parts late."""

    async def option_of_a_connection() -> int:
        told: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        class Telling(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                sock = transport.get_extra_info("socket")
                told.set_result(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
                transport.close()

        class TellingListener(Listener):
            def new_protocol(self) -> asyncio.Protocol:
                return Telling()

        listener = TellingListener(EchoApp(), bind("127.0.0.1", 0))
        await listener.start()
        _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"GET")
        option = await told
        writer.close()
        await listener.stop()
        return option

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        assert runner.run(option_of_a_connection()) != 0


def test_only_http_1_1_is_offered(serving: Serving, certificates: CertificateFiles) -> None:
    context = ssl.create_default_context(cafile=str(certificates.authority))
    context.set_alpn_protocols(["h2", "http/1.1"])

    with connect(serving) as sock, context.wrap_socket(sock, server_hostname="localhost") as secure:
        assert secure.selected_alpn_protocol() == "http/1.1"


def test_header_names_keep_the_clients_casing(serving: Serving) -> None:
    with connect(serving) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Api-KEY: k\r\nconnection: close\r\n\r\n")
        answer = read_all(sock)

    assert answer.endswith(b"http / 0 Host,X-Api-KEY,connection")


def test_the_path_arrives_as_it_was_sent(serving: Serving) -> None:
    with connect(serving) as sock:
        sock.sendall(b"GET //a%2Fb/../c%20d?x=%2b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

        assert b"http //a%2Fb/../c%20d 0" in read_all(sock)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_malformed_http_is_answered_and_leaves_the_server_serving(serving: Serving, garbage: bytes) -> None:
    with connect(serving) as sock:
        sock.sendall(garbage)
        answer = read_all(sock)

    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert still_serves(serving)


def test_a_broken_tls_handshake_leaves_the_server_serving(serving: Serving) -> None:
    with connect(serving) as sock:
        sock.sendall(b"\x16\x03\x01\x00\x05hello")
        read_all(sock)

    assert still_serves(serving)


@pytest.mark.parametrize("pieces", [1, 200])
def test_a_head_over_the_limit_is_431(serving: Serving, pieces: int) -> None:
    value = b"v" * ((MAX_HEAD_BYTES + 1000) // pieces)
    head = b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: %s\r\n" % (n, value) for n in range(pieces))
    with connect(serving) as sock:
        sock.sendall(head + b"\r\n")
        answer = read_all(sock)

    assert answer.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert still_serves(serving)


def test_a_head_without_an_end_is_431_before_it_fills_memory(serving: Serving) -> None:
    with connect(serving) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nX: ")
        received = b""
        try:
            for _ in range(1000):
                sock.sendall(b"y" * 10_000)
            received = read_all(sock)
        except OSError:
            received = b"HTTP/1.1 431"

    assert received.startswith(b"HTTP/1.1 431")
    assert still_serves(serving)


def test_a_large_body_behind_a_small_head_is_no_large_head(serving: Serving) -> None:
    answer = requests.post(f"{serving.url}/x", data=b"b" * 3_000_000, timeout=30)

    assert answer.text.startswith("http /x 3000000 ")


def test_a_silent_client_is_closed(impatient: Serving) -> None:
    with connect(impatient) as sock:
        assert read_all(sock) == b""


def test_a_head_that_stalls_is_408(impatient: Serving) -> None:
    with contextlib.ExitStack() as opened:
        with impatient.held():
            sock = opened.enter_context(connect(impatient))
            sock.sendall(b"GET / HTTP/1.1\r\nHost: ")

        assert read_all(sock).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_a_body_that_stalls_is_408() -> None:
    with Serving(EchoApp(), pace=Pace(body_stall_seconds=0.2), sweep_seconds=0.05) as serving, connect(serving) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")

        assert read_all(sock).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_a_body_that_trickles_is_408_in_the_end() -> None:
    with Serving(EchoApp(), pace=Pace(body_stall_seconds=60, body_timeout_seconds=0.3), sweep_seconds=0.05) as serving:
        with connect(serving) as sock:
            sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
            sock.settimeout(0.02)
            received = b""
            for _ in range(500):
                try:
                    sock.sendall(b"x")
                    received += sock.recv(1000)
                except TimeoutError:
                    continue
                except OSError:
                    break
                if received:
                    break

        assert received.startswith(b"HTTP/1.1 408")


def test_an_idle_connection_is_not_a_slow_one(impatient: Serving) -> None:
    """Between requests a client may wait for longer than a head may take."""
    connection = http.client.HTTPConnection("127.0.0.1", impatient.port, timeout=30)
    with impatient.held():
        connection.request("GET", "/1")
    connection.getresponse().read()
    # Two slow clients are let go in the meantime, so that the sweep is known to have passed.
    test_a_silent_client_is_closed(impatient)
    test_a_silent_client_is_closed(impatient)

    connection.request("GET", "/2")
    assert connection.getresponse().read().startswith(b"http /2")
    connection.close()


def test_pipelined_requests_are_answered_in_order(serving: Serving) -> None:
    with connect(serving) as sock:
        sock.sendall(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(20)))
        sock.sendall(b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = read_all(sock)

    positions = [answer.index(b"http /%d " % n) for n in range(20)]
    assert positions == sorted(positions)
    assert answer.count(b"HTTP/1.1 200 OK") == 21


def test_a_request_to_upgrade_is_answered_as_if_it_had_not_asked(serving: Serving) -> None:
    with connect(serving) as sock:
        sock.sendall(b"GET /u HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")

        assert sock.recv(65_536).startswith(b"HTTP/1.1 200 OK")


def test_a_client_that_waits_for_100_is_told_to_go_on(serving: Serving) -> None:
    with connect(serving) as sock:
        sock.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
        )
        assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"abc")

        assert b"http / 3 " in read_all(sock)


def test_many_connections_at_once_are_all_answered(serving: Serving) -> None:
    def ask(number: int) -> int:
        return requests.get(f"{serving.url}/{number}", timeout=30).status_code

    with ThreadPoolExecutor(32) as pool:
        assert set(pool.map(ask, range(400))) == {200}


def test_a_connection_that_is_reset_leaves_the_server_serving(serving: Serving) -> None:
    for _ in range(20):
        sock = connect(serving)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        sock.sendall(b"GET /slow")
        sock.close()

    assert still_serves(serving)


@pytest.mark.parametrize("loop", LOOPS)
def test_stopping_finishes_what_is_under_way_and_takes_nothing_new(loop: str) -> None:
    app = EchoApp()
    with Serving(app, loop_factory=LOOPS[loop]) as serving, ThreadPoolExecutor(1) as pool, connect(serving) as idle:
        idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        while b"http /" not in idle.recv(1000):
            pass
        under_way = pool.submit(requests.get, f"{serving.url}/slow", timeout=30)
        assert app.entered.wait(60)

        serving.stop()

        assert read_all(idle) == b""  # what waits for nothing is closed at once, and the socket before it
        with pytest.raises(OSError, match="refused"):
            connect(serving)
        app.may_leave.set()
        assert under_way.result().status_code == 200


@pytest.mark.parametrize("loop", LOOPS)
def test_stopping_does_not_wait_for_ever(loop: str) -> None:
    app = EchoApp()
    with Serving(app, loop_factory=LOOPS[loop], grace_seconds=0.1) as serving, connect(serving) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
        requests.get(serving.url, timeout=30)

        serving.stop()

        sock.settimeout(5)
        with contextlib.suppress(ConnectionResetError):
            assert sock.recv(10) == b""


@pytest.mark.parametrize("turns", range(8))
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("loop", LOOPS)
def test_a_call_that_is_read_as_the_server_stops_has_its_answer(
    loop: str, scheme: str, turns: int, certificates: CertificateFiles
) -> None:
    """The stop comes so many turns of the loop after the first client: at each step of taking one over."""
    app = EchoApp()
    trusting = ssl.create_default_context(cafile=str(certificates.authority)) if scheme == "https" else None
    faults: list[object] = []

    async def ask(port: int) -> bytes:
        answer = b""
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
            with contextlib.closing(writer):
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                answer = await reader.read()
        return answer

    async def talk() -> list[bytes]:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        # A stop that waits for the end of its grace takes too long for a test.
        listener = Listener(app, bind("127.0.0.1", 0), tls=server_context(certificates), grace_seconds=3600)
        await listener.start()
        clients = [asyncio.create_task(ask(listener.port)) for _ in range(3)]
        while not (listener._silent or listener._hand_overs or listener._state.connections):  # noqa: ASYNC110
            await asyncio.sleep(0)
        for _ in range(turns):
            await asyncio.sleep(0)
        await listener.stop()
        return await asyncio.gather(*clients)

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        answers = runner.run(talk())

    assert sum(answer.startswith(b"HTTP/1.1 200") for answer in answers) == app.calls
    assert faults == []


@pytest.mark.parametrize("loop", LOOPS)
def test_nobody_who_waits_for_nothing_is_waited_for(loop: str, certificates: CertificateFiles) -> None:
    """Not a silent client, nor one over TLS that does not notice the end before it looks at its connection again."""
    trusting = ssl.create_default_context(cafile=str(certificates.authority))
    with (
        Serving(EchoApp(), tls=server_context(certificates), loop_factory=LOOPS[loop], grace_seconds=3600) as serving,
        connect(serving) as silent,
        connect(serving) as sock,
        trusting.wrap_socket(sock, server_hostname="localhost") as idle,
    ):
        idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        while b"https /" not in idle.recv(1000):
            pass

        serving.stop()
        serving.join()

        assert read_all(idle) == b""
        assert read_all(silent) == b""


def test_a_taken_port_is_named() -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(PortTaken, match=f"port {port} on 127.0.0.1 is already in use"):
            bind("127.0.0.1", port)


def test_an_address_that_is_not_here_is_named() -> None:
    with pytest.raises(CannotListen, match=r"cannot listen on port 0 of 192\.0\.2\.1"):
        bind("192.0.2.1", 0)


NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = names_for(region="us-west-2")


def test_certificates_are_kept_until_they_near_their_end(tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path, NAMES, now=NOW)
    first = files.certificate.read_bytes()

    ensure_certificates(tmp_path, NAMES, now=NOW.replace(month=12))
    assert files.certificate.read_bytes() == first
    authority = files.authority.read_bytes()

    ensure_certificates(tmp_path, NAMES, now=NOW.replace(year=2027, day=20))
    assert files.certificate.read_bytes() != first
    assert files.authority.read_bytes() == authority


@pytest.mark.parametrize("damaged", ["server.pem", "server-key.pem", "ca.pem", "ca-key.pem"])
def test_a_damaged_file_is_replaced_by_a_set_that_fits(tmp_path: Path, damaged: str) -> None:
    files = ensure_certificates(tmp_path, NAMES, now=NOW)
    (tmp_path / damaged).write_text("not a certificate")

    ensure_certificates(tmp_path, NAMES, now=NOW)

    server_context(files)
    assert files.certificate.read_bytes().endswith(files.authority.read_bytes())


def test_new_names_make_a_new_certificate_under_the_same_authority(tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path, NAMES, now=NOW)
    first, authority = files.certificate.read_bytes(), files.authority.read_bytes()

    ensure_certificates(tmp_path, names_for(region="us-west-2", hosts=("box.example.com",)), now=NOW)

    assert files.certificate.read_bytes() != first
    assert files.authority.read_bytes() == authority


def test_private_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, NAMES, now=NOW)

    assert (tmp_path / "server-key.pem").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "ca-key.pem").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca-key.pem", "ca.pem", "server-key.pem", "server.pem"]


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.0.0.1",
        "cognito-idp.us-west-2.amazonaws.com",
        "demo.auth.us-west-2.amazoncognito.com",
        "abc123.execute-api.us-west-2.amazonaws.com",
        "demo.auth.us-west-2.localhost",
    ],
)
def test_a_client_that_trusts_the_authority_trusts_every_name(
    serving: Serving, certificates: CertificateFiles, host: str
) -> None:
    context = ssl.create_default_context(cafile=str(certificates.authority))

    with connect(serving) as sock, context.wrap_socket(sock, server_hostname=host) as secure:
        assert secure.version() == "TLSv1.3"


def test_a_name_that_is_not_ours_is_not_trusted(serving: Serving, certificates: CertificateFiles) -> None:
    context = ssl.create_default_context(cafile=str(certificates.authority))

    with connect(serving) as sock, pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(sock, server_hostname="s3.us-west-2.amazonaws.com")
