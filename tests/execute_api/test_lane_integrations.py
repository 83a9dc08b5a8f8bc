"""What stands behind a method: fixed answers and functions, and what their failures look like from outside."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from support.gateway import ACCOUNT, API_KEY, FUNCTION_ARN, FUNCTION_URI, Gateway, Invocation, allow, header
from velvetrope.apigateway.patches import PatchOperation
from velvetrope.errors import ServiceError

_ERROR = b'{"message": "Internal server error"}'


class _Refused(ServiceError):
    code = "AccessDeniedException"
    http_status = 403


class _TooLarge(ServiceError):
    code = "RequestEntityTooLargeException"
    http_status = 413


def _event(gateway: Gateway) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(gateway.functions.calls[-1]["payload"])
    return decoded


async def test_mock_answers_at_once(gateway: Gateway) -> None:
    response = await gateway.get("/open")

    assert (response.status, response.body) == (200, b'{"ok":true}')
    assert header(response, "Content-Length") == "11"
    assert header(response, "x-amzn-RequestId") is not None
    assert header(response, "X-Amzn-Trace-Id") is None


async def test_root_and_stage_without_slash_are_the_same(gateway: Gateway) -> None:
    assert (await gateway.get("/")).status == 200
    assert (await gateway.get("")).status == 200


async def test_function_is_invoked_as_api_gateway_from_the_template_path(gateway: Gateway) -> None:
    gateway.functions.answer = Invocation(b'{"statusCode":201,"headers":{"X-A":"b"},"body":"hi"}')

    response = await gateway.call(gateway.request("PATCH", "/function/a%20b/c/?x=1&x=2", body=b"{}"))

    call = gateway.functions.calls[-1]
    assert (response.status, response.body, header(response, "X-A")) == (201, b"hi", "b")
    assert (header(response, "X-Amzn-Trace-Id") or "").startswith("Root=1-")
    assert call["function_arn"] == FUNCTION_ARN
    assert (call["caller"].kind, call["caller"].name) == ("Service", "apigateway.amazonaws.com")
    assert call["source_arn"] == gateway.arn("ANY/function/{proxy+}")
    event = _event(gateway)
    assert (event["httpMethod"], event["resource"], event["path"]) == (
        "PATCH",
        "/function/{proxy+}",
        "/function/a%20b/c/",
    )
    assert event["pathParameters"] == {"proxy": "a%20b/c"}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"]}
    context = event["requestContext"]
    assert (context["path"], context["stage"]) == ("/latest/function/a%20b/c/", "latest")
    assert context["requestId"] == header(response, "x-amzn-RequestId")
    assert context["extendedRequestId"] == header(response, "x-amz-apigw-id")
    assert (event["headers"]["X-Forwarded-Port"], event["headers"]["X-Forwarded-Proto"]) == ("4800", "http")


async def test_identity_of_an_unsigned_caller_is_empty_but_for_address_and_agent(gateway: Gateway) -> None:
    await gateway.get("/function/x")

    identity = _event(gateway)["requestContext"]["identity"]
    assert {name: value for name, value in identity.items() if value is not None} == {
        "sourceIp": "127.0.0.1",
        "userAgent": "tests",
    }


async def test_identity_of_a_signed_in_user_has_the_cognito_fields(gateway: Gateway) -> None:
    provider = "cognito-idp.us-west-2.amazonaws.com/us-west-2_pool"
    claims = {
        "cognito-identity.amazonaws.com:sub": ("us-west-2:identity",),
        "cognito-identity.amazonaws.com:aud": ("us-west-2:pool",),
        "cognito-identity.amazonaws.com:amr": ("authenticated", provider, f"{provider}:CognitoSignIn:sub-1"),
    }
    session = gateway.role_session(claims=claims)
    gateway.callers.policies[f"arn:aws:iam::{ACCOUNT}:role/authenticated"] = allow(gateway.arn("GET/iam/*"))

    response = await gateway.call(gateway.signed(gateway.request("GET", "/iam/1"), session))

    assert response.status == 200
    identity = _event(gateway)["requestContext"]["identity"]
    assert identity == {
        "accessKey": session.access_key_id,
        "accountId": ACCOUNT,
        "caller": "AROAEXAMPLEEXAMPLE123:CognitoIdentityCredentials",
        "cognitoAuthenticationProvider": f"{provider},{provider}:CognitoSignIn:sub-1",
        "cognitoAuthenticationType": "authenticated",
        "cognitoIdentityId": "us-west-2:identity",
        "cognitoIdentityPoolId": "us-west-2:pool",
        "principalOrgId": None,
        "sourceIp": "127.0.0.1",
        "user": "AROAEXAMPLEEXAMPLE123:CognitoIdentityCredentials",
        "userAgent": "tests",
        "userArn": f"arn:aws:sts::{ACCOUNT}:assumed-role/authenticated/CognitoIdentityCredentials",
    }
    assert "Authorization" not in _event(gateway)["headers"]


async def test_guests_have_no_authentication_provider(gateway: Gateway) -> None:
    claims = {
        "cognito-identity.amazonaws.com:sub": ("us-west-2:identity",),
        "cognito-identity.amazonaws.com:aud": ("us-west-2:pool",),
        "cognito-identity.amazonaws.com:amr": ("unauthenticated",),
    }
    gateway.callers.policies[f"arn:aws:iam::{ACCOUNT}:role/guest"] = allow("*")

    await gateway.call(gateway.signed(gateway.request("GET", "/iam/1"), gateway.role_session("guest", claims=claims)))

    identity = _event(gateway)["requestContext"]["identity"]
    assert identity["cognitoAuthenticationType"] == "unauthenticated"
    assert identity["cognitoAuthenticationProvider"] is None


async def test_the_key_that_was_used_is_in_the_identity(gateway: Gateway) -> None:
    _, key_id = await gateway.plan_with_key()

    await gateway.get("/keyed-function", api_key=API_KEY)

    identity = _event(gateway)["requestContext"]["identity"]
    assert (identity["apiKey"], identity["apiKeyId"]) == (API_KEY, key_id)


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        pytest.param(Invocation(b'{"errorMessage":"boom"}', "Unhandled"), 502, _ERROR, id="the function failed"),
        pytest.param(Invocation(b'"text"'), 502, _ERROR, id="the function answered in another format"),
        pytest.param(Invocation(b"null"), 502, _ERROR, id="the function answered nothing"),
        pytest.param(_Refused("no"), 500, _ERROR, id="API Gateway may not invoke it"),
        pytest.param(_TooLarge("big"), 413, b'{"message":"Request Too Long"}', id="the event is too large"),
    ],
)
async def test_failures_of_functions(gateway: Gateway, answer: Any, status: int, body: bytes) -> None:
    gateway.functions.answer = answer

    response = await gateway.get("/function/x")

    assert (response.status, response.body) == (status, body)
    if status >= 500:
        assert header(response, "x-amzn-ErrorType") == "InternalServerErrorException"
        assert header(response, "Content-Length") == "36"


async def test_a_slow_function_is_504(gateway: Gateway) -> None:
    document = {
        "paths": {
            "/slow": {
                "get": {
                    "x-amazon-apigateway-integration": {
                        "type": "aws_proxy",
                        "httpMethod": "POST",
                        "timeoutInMillis": 50,
                        "uri": FUNCTION_URI,
                    }
                }
            }
        }
    }
    await gateway.deploy(document)
    never = asyncio.Event()

    async def hang() -> Invocation:
        await never.wait()
        return Invocation(b"{}")

    gateway.functions.answer = hang
    response = await gateway.get("/slow")

    assert (response.status, response.body) == (504, b'{"message": "Endpoint request timed out"}')
    assert header(response, "x-amzn-ErrorType") == "InternalServerErrorException"


async def test_no_content_has_neither_body_nor_length(gateway: Gateway) -> None:
    gateway.functions.answer = Invocation(b'{"statusCode":204,"body":"ignored"}')

    response = await gateway.get("/function/x")

    assert (response.status, response.body, header(response, "Content-Length")) == (204, b"", None)


async def test_stage_variables_name_the_function_and_reach_the_event(gateway: Gateway) -> None:
    uri = (
        "arn:aws:apigateway:us-west-2:lambda:path/2015-03-31/functions/"
        f"arn:aws:lambda:us-west-2:{ACCOUNT}:function:${{stageVariables.name}}/invocations"
    )
    proxy = {"type": "aws_proxy", "httpMethod": "POST", "uri": uri}
    await gateway.deploy({"paths": {"/a": {"get": {"x-amazon-apigateway-integration": proxy}}}})

    before = await gateway.get("/a")
    await gateway.plane.update_stage(
        rest_api_id=gateway.api_id,
        stage_name="latest",
        patch_operations=(PatchOperation(op="replace", path="/variables/name", value="blue"),),
    )
    after = await gateway.get("/a")

    assert (before.status, after.status) == (500, 200)
    assert gateway.functions.calls[-1]["function_arn"].endswith(":function:blue")
    assert _event(gateway)["stageVariables"] == {"name": "blue"}


def _mock(**members: Any) -> dict[str, Any]:
    return {"paths": {"/m": {"post": {"x-amazon-apigateway-integration": {"type": "mock", **members}}}}}


_ANSWERS = {
    "default": {"statusCode": "200", "responseTemplates": {"application/json": "plain"}},
    "4\\d\\d": {"statusCode": "404", "responseTemplates": {"application/json": "gone"}},
}
_OK = {"application/json": '{"statusCode": 200}'}


@pytest.mark.parametrize(
    ("members", "content_type", "body", "expected"),
    [
        pytest.param({"requestTemplates": _OK}, None, b"", (200, b"plain"), id="the default answer"),
        pytest.param(
            {"requestTemplates": {"application/json": '{"statusCode": "404"}'}},
            "application/json; charset=utf-8",
            b"",
            (404, b"gone"),
            id="the answer whose pattern takes the status",
        ),
        pytest.param(
            {"requestTemplates": _OK}, "text/plain", b'{"statusCode":404}', (404, b"gone"), id="passed through"
        ),
        pytest.param({"requestTemplates": _OK}, "text/plain", b"hello", (500, _ERROR), id="passed through, no status"),
        pytest.param({}, None, b"", (500, _ERROR), id="no template and no body"),
        pytest.param(
            {"requestTemplates": _OK, "passthroughBehavior": "never"},
            "text/plain",
            b"",
            (415, b'{"message": "Unsupported Media Type"}'),
            id="never passed through",
        ),
        pytest.param(
            {"requestTemplates": _OK, "passthroughBehavior": "when_no_templates"},
            "text/plain",
            b"",
            (415, b'{"message": "Unsupported Media Type"}'),
            id="not passed through past other templates",
        ),
    ],
)
async def test_mock_picks_template_and_answer(
    gateway: Gateway, members: dict[str, Any], content_type: str | None, body: bytes, expected: tuple[int, bytes]
) -> None:
    await gateway.deploy(_mock(responses=_ANSWERS, **members))
    headers = {} if content_type is None else {"Content-Type": content_type}

    response = await gateway.call(gateway.request("POST", "/m", headers=headers, body=body))

    assert (response.status, response.body) == expected


async def test_a_mock_that_is_asked_again_answers_what_it_is_asked(gateway: Gateway) -> None:
    """What it found for one pair of Content-Type and Accept is nothing to another, and a body is read each time."""
    both = {"application/json": '{"a":1}', "text/plain": "one"}
    answers = {"default": {"statusCode": "200", "responseTemplates": both}, "404": {"statusCode": "404"}}
    await gateway.deploy(_mock(requestTemplates=_OK, responses=answers))

    async def ask(*, body: bytes = b"", **headers: str) -> tuple[int, bytes, str | None]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response = await gateway.call(gateway.request("POST", "/m", headers=named, body=body))
        return response.status, response.body, header(response, "Content-Type")

    for _ in range(2):
        assert await ask() == (200, b'{"a":1}', "application/json")
        assert await ask(Accept="text/plain") == (200, b"one", "text/plain")
        assert (await ask(body=b'{"statusCode":404}', Content_Type="text/plain"))[0] == 404
        assert (await ask(body=b'{"statusCode":200}', Content_Type="text/plain"))[0] == 200
        assert (await ask(body=b"{}", Content_Type="text/plain"))[0] == 500


async def test_mapped_headers_of_a_mock(gateway: Gateway) -> None:
    name = "method.response.header.Access-Control-Allow-Origin"
    answer = {"statusCode": "200", "responseParameters": {name: "'*'"}}
    await gateway.deploy(_mock(requestTemplates=_OK, responses={"default": answer}))

    response = await gateway.call(gateway.request("POST", "/m"))

    assert (response.body, header(response, "Access-Control-Allow-Origin")) == (b"", "*")


async def test_an_allowed_request_leaves_a_record_of_every_step(gateway: Gateway) -> None:
    _, key_id = await gateway.plan_with_key()
    session = gateway.role_session()
    gateway.callers.policies[f"arn:aws:iam::{ACCOUNT}:role/authenticated"] = allow(gateway.arn("GET/require-auth"))
    request = gateway.signed(gateway.request("GET", "/require-auth", api_key=API_KEY), session)

    response = await gateway.call(request)

    record = gateway.log.find(header(response, "x-amzn-RequestId") or "")
    assert record is not None
    assert (record.outcome, record.status, record.code) == ("allowed", 200, "")
    assert record.resource == gateway.arn("GET/require-auth")
    assert [(step.name, step.outcome) for step in record.steps] == [
        ("route", "allowed"),
        ("authentication", "allowed"),
        ("authorization", "allowed"),
        ("usage plan", "allowed"),
        ("integration", "allowed"),
    ]
    assert "inline policy invoke-api, statement 1 (Invoke)" in record.steps[2].reason
    assert key_id in record.steps[3].reason
    shown = json.dumps(msgspec.to_builtins(record))
    assert session.session_token not in shown
    assert API_KEY not in shown


async def test_a_stage_can_be_taken_away(gateway: Gateway) -> None:
    assert (await gateway.get("/open")).status == 200

    await gateway.plane.delete_stage(rest_api_id=gateway.api_id, stage_name="latest")

    assert (await gateway.get("/open")).body == b'{"message":"Forbidden"}'
