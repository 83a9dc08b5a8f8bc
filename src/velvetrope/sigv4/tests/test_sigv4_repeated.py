"""A repeated signature is right exactly when the whole way says so."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velvetrope.secret import Secret
from velvetrope.sigv4 import RepeatedSignature, SignatureRefused, SignedRequest, scope_request, sign_request

SECRET = Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
NOW = datetime(2026, 3, 4, 23, 58, 0, tzinfo=UTC)
HEADERS = ((b"Host", b"localhost:4800"), (b"X-Thing", b"a  b"), (b"x-api-key", b"k"))


def signed(
    query: bytes = b"a=1", *, at: datetime = NOW, secret: Secret[str] = SECRET, path: bytes = b"/live/a%20b"
) -> SignedRequest:
    return sign_request(
        SignedRequest("GET", path, query, HEADERS, b""),
        access_key_id="AKIDEXAMPLE",
        secret=secret,
        service="execute-api",
        region="us-west-2",
        now=at,
        session_token="token",
    )


def repeated(first: SignedRequest) -> RepeatedSignature:
    scoped = scope_request(first, service="execute-api", regions=("us-west-2",), now=NOW)
    scoped.verify(SECRET, now=NOW)
    found = RepeatedSignature.of(first, scoped.presented, SECRET)
    assert found is not None
    return found


def is_let_in(request: SignedRequest, now: datetime) -> bool:
    """What the whole way says."""
    try:
        scope_request(request, service="execute-api", regions=("us-west-2",), now=now).verify(SECRET, now=now)
    except SignatureRefused:
        return False
    return True


def parts(request: SignedRequest) -> tuple[bytes, bytes, bytes]:
    headers = request.first_by_name()
    return request.query_string, headers[b"x-amz-date"], headers[b"authorization"][-64:]


FIRST = repeated(signed())
MOMENTS = st.integers(-700, 700).map(lambda seconds: NOW + timedelta(seconds=seconds))


@given(
    st.sampled_from([b"", b"a=1", b"b=2&a=1", b"a=%20", b"a=%2", b"a", b"a=+b", b"X-Amz-Algorithm=AWS4-HMAC-SHA256"]),
    MOMENTS,
    MOMENTS,
)
def test_it_is_right_when_the_whole_way_says_so(query: bytes, at: datetime, now: datetime) -> None:
    try:
        request = signed(query, at=at)
    except SignatureRefused:
        request = signed(at=at)
        request = SignedRequest(request.method, request.raw_path, query, request.headers, b"")
    same_day = at.date() == NOW.date()

    found = FIRST.is_of(*parts(request), now=now)

    assert found == (is_let_in(request, now) and same_day)


@given(st.integers(0, 2), st.data())
def test_one_changed_byte_is_refused(which: int, data: st.DataObject) -> None:
    changed = list(parts(signed()))
    part = changed[which]
    at = data.draw(st.integers(0, len(part) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda found: found != part[at]))
    changed[which] = part[:at] + bytes([byte]) + part[at + 1 :]

    assert not FIRST.is_of(changed[0], changed[1], changed[2], now=NOW)


def test_another_key_is_refused() -> None:
    assert not FIRST.is_of(*parts(signed(secret=Secret("another"))), now=NOW)


def test_a_signature_of_another_path_is_refused() -> None:
    assert not FIRST.is_of(*parts(signed(path=b"/live/other")), now=NOW)


@pytest.mark.parametrize("minutes", [-6, 6])
def test_the_window_holds(minutes: int) -> None:
    assert FIRST.is_of(*parts(signed()), now=NOW)
    assert not FIRST.is_of(*parts(signed()), now=NOW + timedelta(minutes=minutes))


def test_a_repeated_header_is_left_to_the_whole_way() -> None:
    first = signed()
    scoped = scope_request(first, service="execute-api", regions=("us-west-2",), now=NOW)
    twice = SignedRequest("GET", first.raw_path, b"a=1", (*first.headers, (b"X-Other", b"1"), (b"x-other", b"2")), b"")

    assert RepeatedSignature.of(twice, scoped.presented, SECRET) is None


def test_a_timestamp_in_another_form_is_left_to_the_whole_way() -> None:
    first = signed()
    scoped = scope_request(first, service="execute-api", regions=("us-west-2",), now=NOW)
    headers = tuple(
        (name, b"2026-03-04T23:58:00Z" if name.lower() == b"x-amz-date" else v) for name, v in first.headers
    )

    assert (
        RepeatedSignature.of(SignedRequest("GET", first.raw_path, b"", headers, b""), scoped.presented, SECRET) is None
    )
