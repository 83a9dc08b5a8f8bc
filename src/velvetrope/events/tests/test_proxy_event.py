"""The event, member by member."""

import base64
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from velvetrope.events import CallerIdentity, ProxyEvent, query_parameters, render_proxy_event

_EVENT = ProxyEvent(
    account_id="111111111111",
    api_id="abc123",
    stage="latest",
    deployment_id="dep123",
    resource_id="res123",
    resource_path="/pets/{petId}",
    http_method="GET",
    path="/pets/a%20b",
    stage_path="/latest/pets/a%20b",
    query_string="",
    headers=(("Host", "localhost:4800"), ("tEsT", "1"), ("tEsT", "2"), ("Content-Length", "3"), ("Connection", "x")),
    body=b"",
    path_parameters={"petId": "a%20b"},
    stage_variables={},
    identity=CallerIdentity(),
    source_ip="127.0.0.1",
    user_agent="curl/8",
    scheme="http",
    port="4800",
    domain_name="localhost",
    request_id="11111111-2222-4333-8444-555555555555",
    extended_request_id="AAAAAAAAAAAAAAA=",
    trace_id="Root=1-5f000000-aaaaaaaaaaaaaaaaaaaaaaaa",
    received_at=datetime(2020, 3, 4, 19, 15, 17, 250_000, tzinfo=UTC),
)


def _rendered(**changes: Any) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(render_proxy_event(replace(_EVENT, **changes)))
    return decoded


def test_every_member_is_there_and_empty_ones_are_null() -> None:
    event = _rendered(path_parameters={})

    assert list(event) == [
        "resource",
        "path",
        "httpMethod",
        "headers",
        "multiValueHeaders",
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "pathParameters",
        "stageVariables",
        "requestContext",
        "body",
        "isBase64Encoded",
    ]
    assert [name for name, value in event.items() if value is None] == [
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "pathParameters",
        "stageVariables",
        "body",
    ]


def test_headers_keep_their_casing_and_the_last_of_a_repeated_one_wins() -> None:
    event = _rendered()

    assert event["headers"] == {
        "Host": "localhost:4800",
        "tEsT": "2",
        "X-Amzn-Trace-Id": "Root=1-5f000000-aaaaaaaaaaaaaaaaaaaaaaaa",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Port": "4800",
        "X-Forwarded-Proto": "http",
    }
    assert event["multiValueHeaders"]["tEsT"] == ["1", "2"]


def test_a_forged_forwarded_for_stands_before_the_address_we_saw() -> None:
    event = _rendered(headers=(("x-forwarded-for", "10.0.0.1"), ("X-Forwarded-Proto", "https")))

    assert event["headers"]["X-Forwarded-For"] == "10.0.0.1, 127.0.0.1"
    assert event["multiValueHeaders"]["X-Forwarded-Proto"] == ["http"]


def test_a_signature_does_not_reach_the_function_and_any_other_authorization_does() -> None:
    signed = _rendered(headers=(("Authorization", "AWS4-HMAC-SHA256 Credential=x"),))
    bearer = _rendered(headers=(("Authorization", "Bearer abc"),))

    assert "Authorization" not in signed["headers"]
    assert bearer["headers"]["Authorization"] == "Bearer abc"


def test_query_values_are_decoded_once_and_path_values_are_not() -> None:
    event = _rendered(query_string="a=1&a=2%2525&b=x+y&c")

    assert event["queryStringParameters"] == {"a": "2%25", "b": "x y", "c": ""}
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2%25"], "b": ["x y"], "c": [""]}
    assert event["pathParameters"] == {"petId": "a%20b"}


def test_body_is_text_unless_its_type_is_one_of_the_binary_media_types() -> None:
    headers = (("content-type", "image/png; q=1"),)

    text = _rendered(headers=headers, body="grüß".encode())
    binary = _rendered(headers=headers, body=b"\x89PNG", binary_media_types=("image/png",))

    assert (text["body"], text["isBase64Encoded"]) == ("grüß", False)
    assert (base64.b64decode(binary["body"]), binary["isBase64Encoded"]) == (b"\x89PNG", True)


def test_request_context_of_a_caller_who_proved_nothing() -> None:
    context = _rendered()["requestContext"]

    assert context["path"] == "/latest/pets/a%20b"
    assert context["protocol"] == "HTTP/1.1"
    assert context["requestTime"] == "04/Mar/2020:19:15:17 +0000"
    assert context["requestTimeEpoch"] == 1_583_349_317_250
    assert "authorizer" not in context
    assert "operationName" not in context
    assert sorted(context["identity"]) == [
        "accessKey",
        "accountId",
        "caller",
        "cognitoAuthenticationProvider",
        "cognitoAuthenticationType",
        "cognitoIdentityId",
        "cognitoIdentityPoolId",
        "principalOrgId",
        "sourceIp",
        "user",
        "userAgent",
        "userArn",
    ]


def test_api_key_is_in_the_identity_only_when_one_was_used() -> None:
    identity = _rendered(api_key="k" * 20, api_key_id="id1")["requestContext"]["identity"]

    assert (identity["apiKey"], identity["apiKeyId"]) == ("k" * 20, "id1")


@given(st.text(alphabet="abc=&;%+0", max_size=40))
def test_any_query_string_can_be_read(query_string: str) -> None:
    assert all(isinstance(value, str) for pair in query_parameters(query_string) for value in pair)
