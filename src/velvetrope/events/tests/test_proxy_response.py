"""What a function may answer, and what makes it a 502."""

import base64
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from velvetrope.events import (
    InvalidProxyResponse,
    ProxyResponse,
    ResponseBodyNotBase64,
    matches_binary_media_type,
    parse_proxy_response,
)

_JSON = (b"Content-Type", b"application/json")


def _parse(answer: Any, *, accept: str = "", binary: tuple[str, ...] = ()) -> ProxyResponse:
    return parse_proxy_response(msgspec.json.encode(answer), accept=accept, binary_media_types=binary)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param({"statusCode": 201, "body": "x"}, ProxyResponse(201, [_JSON], b"x"), id="status and body"),
        pytest.param({"statusCode": "404"}, ProxyResponse(404, [_JSON], b""), id="a numeric string is a status"),
        pytest.param({"headers": {"A": "b"}}, ProxyResponse(200, [(b"A", b"b"), _JSON], b""), id="only headers"),
        pytest.param({"statusCode": 200, "headers": None}, ProxyResponse(200, [_JSON], b""), id="null headers"),
        pytest.param({"headers": {"A": True}}, ProxyResponse(200, [(b"A", b"true"), _JSON], b""), id="a bool is text"),
        pytest.param(
            {"headers": {"content-type": "text/html"}, "body": "<p>"},
            ProxyResponse(200, [(b"content-type", b"text/html")], b"<p>"),
            id="the function's content type wins",
        ),
        pytest.param(
            {"headers": {"x-a": "solo"}, "multiValueHeaders": {"X-A": ["multi"]}},
            ProxyResponse(200, [(b"X-A", b"multi"), (b"X-A", b"solo"), _JSON], b""),
            id="multi-value headers come first and give the casing",
        ),
        pytest.param(
            {"headers": {"Connection": "close", "WWW-Authenticate": "Basic"}},
            ProxyResponse(
                200,
                [(b"x-amzn-Remapped-Connection", b"close"), (b"x-amzn-Remapped-WWW-Authenticate", b"Basic"), _JSON],
                b"",
            ),
            id="headers of the connection are renamed",
        ),
        pytest.param(
            {"headers": {"x-amzn-RequestId": "1"}},
            ProxyResponse(200, [(b"x-amzn-Remapped-x-amzn-RequestId", b"1"), _JSON], b""),
            id="the request id is not the function's to give",
        ),
    ],
)
def test_answer_is_understood(answer: dict[str, Any], expected: ProxyResponse) -> None:
    assert _parse(answer) == expected


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({}, id="an empty object"),
        pytest.param(None, id="null"),
        pytest.param("hello", id="a plain string"),
        pytest.param({"statusCode": 200, "wrong": 1}, id="an unknown member"),
        pytest.param({"statusCode": "okay"}, id="a status in words"),
        pytest.param({"statusCode": True}, id="a status that is a bool"),
        pytest.param({"statusCode": 99}, id="a status below 100"),
        pytest.param({"statusCode": 100}, id="a status that another answer has to follow"),
        pytest.param({"statusCode": "199"}, id="the last of these"),
        pytest.param({"statusCode": 600}, id="a status above 599"),
        pytest.param({"body": {"a": 1}}, id="a body that is an object"),
        pytest.param({"headers": {"A": 1}}, id="a header that is a number"),
        pytest.param({"headers": {"A": ["b"]}}, id="a header that is a list"),
        pytest.param({"multiValueHeaders": {"A": "b"}}, id="a multi-value header that is no list"),
        pytest.param({"headers": {"A": "b\r\nSet-Cookie: c"}}, id="a header that ends its line"),
        pytest.param({"headers": {"A b": "c"}}, id="a header name with a space"),
        pytest.param({"body": "x", "isBase64Encoded": "true"}, id="isBase64Encoded in words"),
    ],
)
def test_answer_is_refused(answer: Any) -> None:
    with pytest.raises(InvalidProxyResponse):
        _parse(answer)


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(InvalidProxyResponse):
        parse_proxy_response(b"{'a': 1}", accept="", binary_media_types=())


def test_base64_is_decoded_for_a_caller_who_accepts_a_binary_media_type_first() -> None:
    answer = {"body": base64.b64encode(b"\x89PNG").decode(), "isBase64Encoded": True}

    first = _parse(answer, accept="image/png, */*", binary=("image/png",))
    second = _parse(answer, accept="text/html, image/png", binary=("image/png",))

    assert first.body == b"\x89PNG"
    assert second.body == answer["body"].encode()  # type: ignore[attr-defined]  # the literal is a str


@pytest.mark.parametrize("status", [204, "304"])
def test_with_a_status_that_has_no_body_none_is_sent(status: object) -> None:
    assert _parse({"statusCode": status, "body": "HTTP/1.1 200 OK"}).body == b""
    assert _parse({"statusCode": 205, "body": "x"}).body == b"x"


def test_a_body_that_is_not_base64_cannot_be_decoded() -> None:
    with pytest.raises(ResponseBodyNotBase64):
        _parse({"body": "!", "isBase64Encoded": True}, accept="a/b", binary=("*/*",))


@pytest.mark.parametrize(
    ("header", "types", "matches"),
    [
        ("image/png;q=1, text/html", ("image/png",), True),
        ("IMAGE/PNG", ("image/png",), True),
        ("text/html", ("image/png",), False),
        ("", ("*/*",), True),
        ("image/png", (), False),
    ],
)
def test_only_the_first_media_type_counts(header: str, types: tuple[str, ...], matches: bool) -> None:
    assert matches_binary_media_type(header, types) is matches


@given(st.integers(200, 599), st.dictionaries(st.from_regex(r"X-[A-Za-z]{1,8}", fullmatch=True), st.booleans()))
def test_whatever_a_well_formed_answer_says_comes_out(status: int, headers: dict[str, bool]) -> None:
    unique = {name.lower(): value for name, value in headers.items()}

    parsed = _parse({"statusCode": status, "headers": unique})

    assert parsed.status == status
    assert len(parsed.headers) == len(unique) + 1
