"""What botocore signs we verify; with any one byte changed, we refuse it."""

import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from unittest.mock import patch

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from velvetrope.secret import Secret
from velvetrope.sigv4 import (
    PresentedSignature,
    SignatureRefused,
    SignedRequest,
    VerifiedSignature,
    parse_authorization,
    sign_request,
    verify_signature,
)
from velvetrope.sigv4.authorization import _from_header, _from_regular_header
from velvetrope.sigv4.canonical import canonical_path, canonical_query
from velvetrope.sigv4.verification import calculate_signature

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)

UNRESERVED = "abcXYZ019-._~"
SEGMENTS = st.lists(st.text(UNRESERVED + "@:$*", min_size=1, max_size=6).filter(lambda s: s.strip(".")), max_size=4)
PATHS = st.builds(
    lambda segments, tail: "/" + "/".join(segments) + tail, SEGMENTS, st.sampled_from(["", "%2F", "%20x"])
)
QUERIES = st.lists(st.tuples(st.text(UNRESERVED, min_size=1), st.text(UNRESERVED)), max_size=4).map(
    lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)
)
HEADER_VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)


def as_botocore_signs(
    method: str, path: str, query: str, header: str, body: bytes, *, token: str | None, in_query: bool
) -> SignedRequest:
    if in_query:
        body = b""  # botocore moves the body of what it presigns into the query
    url = f"http://localhost:4800{path}" + (f"?{query}" if query else "")
    request = AWSRequest(method, url, headers={} if in_query else {"x-thing": header}, data=body)
    credentials = Credentials("AKIDEXAMPLE", SECRET, token)
    auth = botocore.auth.SigV4QueryAuth if in_query else botocore.auth.SigV4Auth
    with patch("botocore.auth.get_current_datetime", return_value=NOW):
        auth(credentials, "execute-api", "us-west-2").add_auth(request)
    prepared = request.prepare()
    target = prepared.url.removeprefix("http://localhost:4800")
    raw_path, _, raw_query = target.partition("?")
    headers = [(b"Host", b"localhost:4800")]
    for name, value in prepared.headers.items():
        text = value if isinstance(value, bytes) else str(value).encode()
        headers.append((name.encode(), text))
    return SignedRequest(method, raw_path.encode(), raw_query.encode(), tuple(headers), body)


def verify(request: SignedRequest) -> VerifiedSignature:
    presented = parse_authorization(request, now=NOW)
    return verify_signature(
        request, presented, secret=Secret(SECRET), service="execute-api", region="us-west-2", now=NOW
    )


REQUESTS = st.builds(
    as_botocore_signs,
    st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    PATHS,
    QUERIES,
    HEADER_VALUES,
    st.binary(max_size=40),
    token=st.none() | st.text("abc+/=", min_size=1, max_size=30),
    in_query=st.booleans(),
)


@given(REQUESTS)
def test_what_botocore_signs_is_verified(request: SignedRequest) -> None:
    assert verify(request).access_key_id == "AKIDEXAMPLE"


@given(REQUESTS, st.data())
def test_any_changed_byte_is_refused(request: SignedRequest, data: st.DataObject) -> None:
    """Only a change that the canonical form itself does not see (`/a//b` for `/a/./b`, `%2f` for `%2F`) may pass."""
    part = data.draw(st.sampled_from(["method", "path", "query", "header", "body"]))
    method, path, query, body = request.method, request.raw_path, request.query_string, request.body
    headers = list(request.headers)
    if part == "method":
        method = changed(method.encode(), data).decode("latin-1")
    elif part == "path":
        path = changed(path, data)
    elif part == "query":
        query = changed(query, data)
    elif part == "body":
        body = changed(body, data)
    else:
        signed = [i for i, (name, _) in enumerate(headers) if name.lower() in (b"host", b"x-thing", b"x-amz-date")]
        index = data.draw(st.sampled_from(signed))
        headers[index] = (headers[index][0], changed(headers[index][1], data))
    tampered = SignedRequest(method, path, query, tuple(headers), body)
    if same_meaning(tampered, request):
        return

    with pytest.raises(SignatureRefused):
        verify(tampered)


def changed(text: bytes, data: st.DataObject) -> bytes:
    if not text:
        return bytes([data.draw(st.integers(0x21, 0x7E))])
    index = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.integers(0x21, 0x7E).filter(lambda byte: byte != text[index]))
    return text[:index] + bytes([other]) + text[index + 1 :]


def same_meaning(one: SignedRequest, other: SignedRequest) -> bool:
    if (one.method, one.headers, one.body) != (other.method, other.headers, other.body):
        return False
    try:
        return (canonical_path(one.raw_path), canonical_query(one.query_string)) == (
            canonical_path(other.raw_path),
            canonical_query(other.query_string),
        )
    except SignatureRefused:
        return False


@given(
    st.sampled_from(["GET", "POST"]),
    SEGMENTS,
    QUERIES,
    HEADER_VALUES,
    st.binary(max_size=40),
    st.none() | st.text("abc+/=", min_size=1),
)
def test_what_we_sign_we_verify(
    method: str, segments: list[str], query: str, header: str, body: bytes, token: str | None
) -> None:
    request = SignedRequest(
        method,
        ("/" + "/".join(segments)).encode(),
        query.encode(),
        ((b"host", b"localhost"), (b"x-thing", header.encode()), (b"user-agent", b"x")),
        body,
    )

    signed = sign_request(
        request,
        access_key_id="AKIDEXAMPLE",
        secret=Secret(SECRET),
        service="execute-api",
        region="us-west-2",
        now=NOW,
        session_token=token,
    )

    assert verify(signed).access_key_id == "AKIDEXAMPLE"


HEADER_PIECES = st.sampled_from(
    [
        "AWS4-HMAC-SHA256",
        "AWS4-ECDSA-P256-SHA256",
        "Bearer",
        " ",
        "  ",
        ", ",
        ",",
        "\u00a0",
        "=",
        "Credential=AKIDEXAMPLE/20260304/us-west-2/execute-api/aws4_request",
        "Credential=AKIDEXAMPLE/20260304/us-west-2/execute-api",
        "Credential=",
        "SignedHeaders=host;x-amz-date",
        "SignedHeaders=x-amz-date;Host;host",
        "SignedHeaders=x-amz-date",
        "SignedHeaders",
        "Signature=",
        "xSignature=",
        "a" * 64,
        "0f" * 31,
        "A" * 65,
        "nothing",
    ]
)
REGULAR_HEADER = [
    "AWS4-HMAC-SHA256",
    " ",
    "Credential=AKIDEXAMPLE/20260304/us-west-2/execute-api/aws4_request",
    ", ",
    "SignedHeaders=host;x-amz-date",
    ", ",
    "Signature=",
    "a" * 64,
]


@st.composite
def nearly_regular_headers(draw: st.DrawFn) -> bytes:
    """A header as clients send it, with a few of its pieces changed, gone or doubled."""
    pieces = list(REGULAR_HEADER)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(pieces) - 1)) if pieces else 0
        pieces[at : at + draw(st.integers(0, 2))] = draw(st.lists(HEADER_PIECES, max_size=2))
    return "".join(pieces).encode("latin-1")


DATES = st.sampled_from(
    [b"20260304T050607Z", b" 20260304T050607Z ", b"20260304T060607Z", b"20200101T000000Z", b"x", b""]
)


def outcome_of(read: Callable[[], PresentedSignature | None]) -> object:
    try:
        return read()
    except SignatureRefused as refusal:
        return type(refusal), refusal.message


@given(nearly_regular_headers(), DATES, st.sampled_from([None, b"token", b" token "]))
def test_a_header_read_by_the_short_way_means_what_it_means_by_the_long_one(
    authorization: bytes, date: bytes, token: bytes | None
) -> None:
    headers = {b"x-amz-date": date} | ({} if token is None else {b"x-amz-security-token": token})

    short = outcome_of(lambda: _from_regular_header(authorization, headers, NOW))

    if short is not None:
        assert short == outcome_of(lambda: _from_header(authorization.decode("latin-1"), headers, NOW))


def test_the_header_that_clients_send_takes_the_short_way() -> None:
    headers = {b"x-amz-date": b"20260304T050607Z"}

    assert _from_regular_header("".join(REGULAR_HEADER).encode(), headers, NOW) is not None


@given(st.text(min_size=1, max_size=40), st.text(max_size=300))
def test_a_signature_is_the_hmac_of_the_text_under_the_derived_key(secret: str, text: str) -> None:
    key = f"AWS4{secret}".encode()
    for part in ("20260304", "us-west-2", "execute-api", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")

    signature = calculate_signature(
        text, secret=Secret(secret), date="20260304", service="execute-api", region="us-west-2"
    )

    assert signature == hmac.digest(key, text.encode(), "sha256").hex()
