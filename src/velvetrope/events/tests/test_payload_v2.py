"""Payload format 2.0, member by member: the event, and what is made of the function's answer."""

import base64
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from velvetrope.events import (
    CallerIdentity,
    InvalidProxyResponse,
    PayloadV2Event,
    parse_payload_v2_response,
    render_iam_authorizer,
    render_payload_v2_event,
)

_EVENT = PayloadV2Event(
    account_id="111111111111",
    api_id="abc123",
    stage="$default",
    route_key="GET /pets/{petId}",
    http_method="GET",
    raw_path="/pets/a%20b",
    query_string="",
    headers=(("Host", "abc123.execute-api.us-west-2.amazonaws.com"), ("tEsT", "1"), ("test", "2"), ("Connection", "x")),
    body=b"",
    path_parameters={},
    stage_variables={},
    authorizer=None,
    source_ip="127.0.0.1",
    user_agent="curl/8",
    scheme="https",
    port="443",
    domain_name="abc123.execute-api.us-west-2.amazonaws.com",
    request_id="JKJaXmPLvHcESHA=",
    trace_id="Root=1-5f000000-aaaaaaaaaaaaaaaaaaaaaaaa",
    received_at=datetime(2020, 3, 4, 19, 15, 17, 250_000, tzinfo=UTC),
)


def _rendered(**changes: Any) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(render_payload_v2_event(replace(_EVENT, **changes)))
    return decoded


def test_members_with_nothing_in_them_are_left_out() -> None:
    event = _rendered()

    assert list(event) == [
        "version",
        "routeKey",
        "rawPath",
        "rawQueryString",
        "headers",
        "requestContext",
        "isBase64Encoded",
    ]
    assert "authorizer" not in event["requestContext"]


def test_names_of_headers_are_lower_case_and_repeated_ones_joined() -> None:
    headers = _rendered()["headers"]

    assert headers["test"] == "1,2"
    assert "connection" not in headers
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "https"


def test_a_signature_stays_at_the_gateway_and_a_bearer_token_goes_on() -> None:
    signed = _rendered(headers=(("Authorization", "AWS4-HMAC-SHA256 Credential=x"),))
    bearer = _rendered(headers=(("Authorization", "Bearer x"),))

    assert "authorization" not in signed["headers"]
    assert bearer["headers"]["authorization"] == "Bearer x"


def test_cookies_have_a_list_of_their_own() -> None:
    event = _rendered(headers=(("Cookie", "a=1; b=2"), ("cookie", "c=3")))

    assert event["cookies"] == ["a=1", "b=2", "c=3"]
    assert "cookie" not in event["headers"]


def test_query_parameters_are_decoded_and_joined() -> None:
    event = _rendered(query_string="a=1&b=x%20y&a=2+3&flag")

    assert event["rawQueryString"] == "a=1&b=x%20y&a=2+3&flag"
    assert event["queryStringParameters"] == {"a": "1,2 3", "b": "x y", "flag": ""}


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "text/plain", "application/xml", ""])
def test_a_body_of_text_goes_as_text(media_type: str) -> None:
    event = _rendered(body="é".encode(), headers=(("Content-Type", media_type),))

    assert (event["body"], event["isBase64Encoded"]) == ("é", False)


@pytest.mark.parametrize(
    ("media_type", "body"),
    [("application/octet-stream", b"text"), ("application/x-www-form-urlencoded", b"a=b"), ("text/plain", b"\xff")],
)
def test_every_other_body_goes_as_base64(media_type: str, body: bytes) -> None:
    event = _rendered(body=body, headers=(("Content-Type", media_type),))

    assert (base64.b64decode(event["body"]), event["isBase64Encoded"]) == (body, True)


def test_context_tells_who_called_what_and_when() -> None:
    authorizer = render_iam_authorizer(
        CallerIdentity(
            access_key="ASIA1",
            account_id="111111111111",
            caller="AROA1:session",
            user="AROA1:session",
            user_arn="arn:aws:sts::111111111111:assumed-role/r/session",
            cognito_identity_id="us-west-2:1",
            cognito_identity_pool_id="us-west-2:2",
            cognito_authentication_type="authenticated",
            cognito_authentication_provider="pool,pool:CognitoSignIn:sub",
        )
    )
    context = _rendered(authorizer=authorizer)["requestContext"]

    assert context["http"] == {
        "method": "GET",
        "path": "/pets/a%20b",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "curl/8",
    }
    assert (context["time"], context["timeEpoch"]) == ("04/Mar/2020:19:15:17 +0000", 1583349317250)
    assert context["domainPrefix"] == "abc123"
    assert context["authorizer"]["iam"]["cognitoIdentity"] == {
        "amr": ["authenticated", "pool", "pool:CognitoSignIn:sub"],
        "identityId": "us-west-2:1",
        "identityPoolId": "us-west-2:2",
    }


def test_a_caller_without_an_identity_pool_has_no_cognito_identity() -> None:
    assert render_iam_authorizer(CallerIdentity(access_key="AKIA1"))["iam"] == {
        "accessKey": "AKIA1",
        "accountId": None,
        "callerId": None,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": None,
        "userId": None,
    }


@pytest.mark.parametrize(
    ("payload", "body"),
    [(b'"hello"', b"hello"), (b'{"a":1}', b'{"a":1}'), (b"[1]", b"[1]"), (b"null", b"null"), (b"{}", b"{}")],
)
def test_an_answer_without_a_status_is_the_body_of_a_200(payload: bytes, body: bytes) -> None:
    response = parse_payload_v2_response(payload, default_content_type="text/plain")

    assert (response.status, response.headers) == (200, [(b"Content-Type", b"application/json")])
    assert response.body == body


def test_an_answer_with_a_status_is_read_member_by_member() -> None:
    response = parse_payload_v2_response(
        b'{"statusCode":"201","headers":{"X-A":"1","Connection":"close"},"cookies":["a=1; Secure","b=2"],'
        b'"body":"aGk=","isBase64Encoded":true,"multiValueHeaders":{"X-B":["2"]}}',
        default_content_type="text/plain",
    )

    assert (response.status, response.body) == (201, b"hi")
    assert response.headers == [
        (b"X-A", b"1"),
        (b"x-amzn-Remapped-Connection", b"close"),
        (b"Content-Type", b"text/plain"),
        (b"Set-Cookie", b"a=1; Secure"),
        (b"Set-Cookie", b"b=2"),
    ]


@pytest.mark.parametrize(
    "payload",
    [
        b"not json",
        b'{"statusCode":"no"}',
        b'{"statusCode":99}',
        b'{"statusCode":200,"body":{}}',
        b'{"statusCode":200,"headers":[]}',
        b'{"statusCode":200,"headers":{"a":1}}',
        b'{"statusCode":200,"headers":{"a":"x\\r\\nSet-Cookie: b"}}',
        b'{"statusCode":200,"headers":{"a b":"x"}}',
        b'{"statusCode":200,"cookies":"a=1"}',
        b'{"statusCode":200,"cookies":["a\\nb"]}',
        b'{"statusCode":200,"isBase64Encoded":"yes"}',
        b'{"statusCode":200,"isBase64Encoded":true,"body":"%"}',
    ],
)
def test_an_answer_in_another_format_is_refused(payload: bytes) -> None:
    with pytest.raises(InvalidProxyResponse):
        parse_payload_v2_response(payload, default_content_type="text/plain")
