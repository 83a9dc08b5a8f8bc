"""A head that is known means what the parser would read in it, whatever is changed in it."""

from datetime import UTC, datetime

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from velvetrope.edge.known_heads import KnownHead, KnownHeads, take_apart
from velvetrope.secret import Secret
from velvetrope.sigv4 import SignedRequest, sign_request

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
PATH = b"/_api/abc/live/things"


class Reading:
    """What the parser reads in a chunk: one message, or nothing that counts."""

    def __init__(self, chunk: bytes) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.messages = 0
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(chunk)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_message_complete(self) -> None:
        self.messages += 1


def head(query: bytes = b"n=1", *, at: datetime = NOW, order: str = "as signed", extra: bytes = b"") -> bytes:
    signed = sign_request(
        SignedRequest("GET", PATH, query, ((b"Host", b"localhost:4800"), (b"x-api-key", b"key")), b""),
        access_key_id="AKIDEXAMPLE",
        secret=Secret("secret"),
        service="execute-api",
        region="us-west-2",
        now=at,
        session_token="token",
    )
    headers = list(signed.headers)
    if order == "date last":
        headers.sort(key=lambda header: header[0].lower() == b"x-amz-date")
    target = PATH + (b"?" + query if query else b"")
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return b"GET " + target + b" HTTP/1.1\r\n" + lines + extra + b"\r\n"


def learnt(chunk: bytes, *, base_path: bytes | None = None) -> KnownHeads:
    heads, read = KnownHeads(), Reading(chunk)
    raw_path, _, query = read.url.partition(b"?")
    heads.learn(
        chunk, ("abc", b"/live/things", base_path), raw_path, query, read.parser.get_http_version(), read.headers
    )
    return heads


@pytest.mark.parametrize("order", ["as signed", "date last"])
@pytest.mark.parametrize("query", [b"", b"n=2", b"a=1&b=2&c"])
def test_the_next_call_of_a_client_is_known(order: str, query: bytes) -> None:
    chunk = head(query, at=NOW.replace(second=9), order=order)
    parts = take_apart(chunk)
    assert parts is not None

    known = learnt(head(order=order)).find(parts)

    assert known is not None
    headers, by_name = known.headers_of(parts)
    read = Reading(chunk)
    assert list(headers) == read.headers
    assert by_name == {name.lower(): value for name, value in read.headers}
    assert (known.raw_path, parts.query_string) == (PATH, query)


KNOWN = learnt(head())
BASE = head(b"n=7", at=NOW.replace(second=8))


def known_head(chunk: bytes) -> KnownHead:
    parts = take_apart(chunk)
    assert parts is not None
    found = learnt(chunk).find(parts)
    assert found is not None
    return found


KNOWN_HEAD = known_head(head())


@pytest.mark.parametrize("order", ["as signed", "date last"])
@pytest.mark.parametrize("query", [b"", b"n=2", b"a=1&b=2&c"])
def test_on_its_connection_it_is_taken_apart_in_the_same_way(order: str, query: bytes) -> None:
    chunk = head(query, at=NOW.replace(second=9), order=order)

    assert known_head(head(order=order)).find_parts(chunk) == take_apart(chunk)


@pytest.mark.parametrize(
    "chunk",
    [
        pytest.param(head(b"q=" + b"x" * 4_096), id="too long"),
        pytest.param(head(extra=b"X-More: 1\r\n"), id="another header"),
        pytest.param(head().replace(b"/live/things", b"/live/thingz"), id="another path"),
        pytest.param(head().replace(b"x-api-key: key", b"x-api-key: kex"), id="another value"),
        pytest.param(head() + head(), id="two of them"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_on_its_connection_another_head_is_another_one(chunk: bytes) -> None:
    assert KNOWN_HEAD.find_parts(chunk) is None


@given(st.data())
def test_what_is_changed_is_read_as_the_parser_reads_it_or_left_to_it(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(BASE) - 1))
    length = data.draw(st.integers(0, 3))
    inserted = data.draw(
        st.sampled_from([b"", b"\r\n", b"\n", b" ", b"\0", b"?", b"Signature=", b"\r\nX-Amz-Date: ", b"%0d%0a", b"#"])
        | st.binary(max_size=3)
    )
    chunk = BASE[:at] + inserted + BASE[at + length :]
    parts = take_apart(chunk)
    known = None if parts is None else KNOWN.find(parts)
    assert KNOWN_HEAD.find_parts(chunk) == (None if known is None else parts)
    if parts is None or known is None:
        return

    read = Reading(chunk)

    assert read.messages == 1
    assert tuple(read.headers) == known.headers_of(parts)[0]
    assert read.url.partition(b"?")[::2] == (known.raw_path, parts.query_string)


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param(b"Content-Length: 0\r\n", id="a length"),
        pytest.param(b"Transfer-Encoding: chunked\r\n", id="a transfer coding"),
        pytest.param(b"Connection: close\r\n", id="a connection that closes"),
        pytest.param(b"Proxy-Connection: close\r\n", id="a connection that closes, by its old name"),
        pytest.param(b"Upgrade: h2c\r\n", id="an upgrade"),
        pytest.param(b"Expect: 100-continue\r\n", id="an expectation"),
        pytest.param(b"X-HTTP-Method-Override: DELETE\r\n", id="another method"),
        pytest.param(b"X-Api-Key: other\r\n", id="a header twice"),
        pytest.param(b"X-Amz-date: 20260304T050607Z\r\n", id="a timestamp twice"),
        pytest.param(b"X-Other: Signature=" + b"0" * 64 + b"\r\n", id="another signature"),
    ],
)
def test_heads_out_of_the_ordinary_are_not_kept(extra: bytes) -> None:
    chunk = head(extra=extra)
    parts = take_apart(chunk)

    assert parts is None or learnt(chunk).find(parts) is None


def test_a_client_that_says_keep_alive_is_known() -> None:
    chunk = head(extra=b"Connection: keep-alive\r\n")
    parts = take_apart(chunk)
    assert parts is not None

    assert learnt(chunk).find(parts) is not None


def test_a_call_by_a_domain_name_is_not_kept() -> None:
    """Which API a name leads to may change."""
    parts = take_apart(head())
    assert parts is not None

    assert learnt(head(), base_path=b"").find(parts) is None


@pytest.mark.parametrize(
    "chunk",
    [
        pytest.param(head()[:-2], id="not whole"),
        pytest.param(head() + b"GET / HTTP/1.1\r\n", id="more than one"),
        pytest.param(head().replace(b"GET", b"HEAD", 1), id="another verb"),
        pytest.param(head(b"n=%31"), id="an encoded query"),
    ],
)
def test_what_is_not_plainly_one_call_is_left_to_the_parser(chunk: bytes) -> None:
    assert take_apart(chunk) is None


def test_two_heads_in_one_chunk_are_not_kept() -> None:
    chunk = head() + head()
    heads = KnownHeads()
    read = Reading(head())
    heads.learn(chunk, ("abc", b"/live/things", None), PATH, b"n=1", "1.1", read.headers)
    parts = take_apart(chunk)

    assert parts is None or heads.find(parts) is None


def test_the_heads_that_were_asked_for_last_are_kept() -> None:
    heads, read = KnownHeads(), Reading(head())
    wanted = take_apart(head())
    assert wanted is not None
    heads.learn(head(), ("abc", b"/live/things", None), PATH, b"n=1", "1.1", read.headers)

    for number in range(1_100):
        extra = b"X-Other: %d\r\n" % number
        headers = [*read.headers, (b"X-Other", b"%d" % number)]
        heads.learn(head(extra=extra), ("abc", b"/live/things", None), PATH, b"n=1", "1.1", headers)
        if number == 1_000:
            assert heads.find(wanted) is not None

    assert heads.find(wanted) is not None
    first = take_apart(head(extra=b"X-Other: 0\r\n"))
    assert first is not None
    assert heads.find(first) is None
