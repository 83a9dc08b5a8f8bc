"""Canonical paths and queries, one row per sentence of the rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velvetrope.sigv4 import MalformedPath, MalformedQueryString, SignedRequest, canonical_request
from velvetrope.sigv4.canonical import canonical_path, canonical_query, decode_query


@pytest.mark.parametrize(
    ("wire", "canonical"),
    [
        pytest.param(b"", b"/", id="an empty path is the root"),
        pytest.param(b"/prod/a%20b", b"/prod/a%2520b", id="what arrives encoded is encoded once more"),
        pytest.param(
            b"/prod/%40connections/x%3D", b"/prod/%2540connections/x%253D", id="as the connections API echoes"
        ),
        pytest.param(b"/a%2Fb", b"/a%252Fb", id="an encoded slash is never decoded"),
        pytest.param(b"/a%2fb", b"/a%252fb", id="the case of wire escapes stays"),
        pytest.param(b"/prod/@c", b"/prod/%40c", id="reserved characters sent raw are encoded"),
        pytest.param(b"/a+b", b"/a%2Bb", id="a plus in a path is a plus"),
        pytest.param(b"/a/$x", b"/a/%24x", id="a dollar is encoded once"),
        pytest.param(b"/(a)'!*", b"/%28a%29%27%21%2A", id="what encodeURIComponent leaves is encoded too"),
        pytest.param(b"/-._~az09", b"/-._~az09", id="unreserved characters stay"),
        pytest.param(b"/./", b"/", id="a dot goes"),
        pytest.param(b"/a/..", b"/", id="two dots take a segment with them"),
        pytest.param(b"/a/./b/../c", b"/a/c", id="dots inside"),
        pytest.param(b"//example//", b"/example/", id="doubled slashes become one"),
        pytest.param(b"/a/b/", b"/a/b/", id="a trailing slash stays"),
        pytest.param(b"/.well-known/x", b"/.well-known/x", id="a name that begins with a dot is a name"),
        pytest.param(b"/a/...", b"/a/...", id="three dots are a name"),
        pytest.param("/ሴ".encode(), b"/%E1%88%B4", id="bytes beyond ASCII are encoded one by one"),
    ],
)
def test_path(wire: bytes, canonical: bytes) -> None:
    assert canonical_path(wire) == canonical


@pytest.mark.parametrize("wire", [b"/..", b"/../a", b"/a/../../b", b"/100%", b"/%2", b"/%zz", b"/a%2/b"])
def test_a_path_that_climbs_or_has_a_broken_escape_is_refused(wire: bytes) -> None:
    with pytest.raises(MalformedPath):
        canonical_path(wire)


@pytest.mark.parametrize(
    ("wire", "canonical"),
    [
        pytest.param(b"", b"", id="empty"),
        pytest.param(b"b=2&a=1&a=0&A=3", b"A=3&a=0&a=1&b=2", id="sorted by name, then value, upper case first"),
        pytest.param(b"Param-3=a&Param=b", b"Param=b&Param-3=a", id="sorted by name and not by the whole pair"),
        pytest.param(b"a", b"a=", id="a name alone gets its equals sign"),
        pytest.param(b"a=b=c", b"a=b%3Dc", id="split on the first equals sign"),
        pytest.param(b"a=b+c", b"a=b%20c", id="a plus is a space"),
        pytest.param(b"a=%7e%2d", b"a=~-", id="needless escapes are undone"),
        pytest.param(b"a=x/y", b"a=x%2Fy", id="a slash in a value is encoded"),
        pytest.param(b"a=%2f", b"a=%2F", id="escapes are in upper case"),
        pytest.param(b"%C3%A9=1&z=0", b"%C3%A9=1&z=0", id="sorted as encoded"),
        pytest.param(b"a=1&&b=2", b"=&a=1&b=2", id="an empty pair is not dropped"),
        pytest.param(b"X-Amz-Signature=x&a=1", b"X-Amz-Signature=x&a=1", id="the signature counts, signed by header"),
    ],
)
def test_query(wire: bytes, canonical: bytes) -> None:
    assert canonical_query(wire) == canonical


def test_a_presigned_query_leaves_its_signature_out() -> None:
    assert canonical_query(b"b=1&X-Amz-Signature=x&a=1", without_signature=True) == b"a=1&b=1"


def test_a_query_that_ends_inside_an_escape_is_refused() -> None:
    with pytest.raises(MalformedQueryString) as refusal:
        canonical_query(b"a=%4")

    assert refusal.value.message == "Incomplete trailing escape % sequence"


def test_a_query_escape_that_is_not_hexadecimal_is_refused() -> None:
    with pytest.raises(MalformedQueryString) as refusal:
        canonical_query(b"a=%4x&b=1")

    assert refusal.value.message == "Illegal hex character in escape % pattern: %4x"


def test_a_repeated_header_is_joined_in_the_order_of_arrival() -> None:
    request = SignedRequest("GET", b"/", b"", ((b"X-A", b" b  c "), (b"host", b"h"), (b"x-a", b"a")), b"")

    lines = canonical_request(request, (b"host", b"x-a")).split(b"\n")

    assert lines[3:5] == [b"host:h", b"x-a:b c,a"]


def test_a_listed_header_that_was_not_sent_is_empty() -> None:
    request = SignedRequest("GET", b"/", b"", ((b"host", b"h"),), b"")

    assert b"\nx-a:\n" in canonical_request(request, (b"host", b"x-a"))


@given(st.lists(st.tuples(st.binary(), st.binary()), max_size=6))
def test_the_canonical_query_decodes_to_the_same_pairs(pairs: list[tuple[bytes, bytes]]) -> None:
    from urllib.parse import quote

    wire = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs).encode()

    assert sorted(decode_query(canonical_query(wire))) == sorted(pairs)


@given(st.binary())
def test_any_path_has_a_canonical_form_of_safe_bytes_or_is_refused(path: bytes) -> None:
    try:
        canonical = canonical_path(path)
    except MalformedPath:
        return

    assert canonical.startswith(b"/")
    assert not canonical.translate(None, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~/%")
