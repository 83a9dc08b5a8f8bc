"""TestInvokeMethod and TestInvokeAuthorizer: what is under work, tried by its author before anybody can call it."""

import json
from typing import Any

import pytest

from support.gateway import ACCOUNT, REGION, Gateway, Invocation
from velvetrope.apigateway import BadRequestException, NotFoundException

_HEADER = "method.request.header.X-Token"


async def _resource(gateway: Gateway, path: str) -> dict[str, str]:
    items = (await gateway.plane.get_resources(rest_api_id=gateway.api_id, limit=500))["items"]
    found = next(item for item in items if item["path"] == path)
    return {"rest_api_id": gateway.api_id, "resource_id": found["id"]}


async def _authorizer(gateway: Gateway, **members: Any) -> dict[str, str]:
    from support.gateway import FUNCTION_URI

    made = await gateway.plane.create_authorizer(
        **{
            "rest_api_id": gateway.api_id,
            "name": "doorman",
            "type": "TOKEN",
            "authorizer_uri": FUNCTION_URI,
            "identity_source": _HEADER,
            **members,
        }
    )
    return {"rest_api_id": gateway.api_id, "authorizer_id": made["id"]}


async def test_a_method_is_run_without_its_authorizer_and_its_key(gateway: Gateway) -> None:
    where = await _resource(gateway, "/require-auth")

    trial = await gateway.plane.test_invoke_method(**where, http_method="GET")

    assert (trial["status"], json.loads(trial["body"])) == (200, {"ok": True})
    assert trial["headers"]["Content-Type"] == "application/json"
    assert "Method completed with status: 200" in trial["log"]
    assert gateway.log.recent(10) == [], "nobody called"


async def test_what_is_under_work_is_run_and_not_what_is_deployed(gateway: Gateway) -> None:
    where = await _resource(gateway, "/open")
    await gateway.plane.put_method(**where, http_method="PUT", authorization_type="AWS_IAM")
    with pytest.raises(NotFoundException, match="Invalid Integration identifier specified"):
        await gateway.plane.test_invoke_method(**where, http_method="PUT")
    await gateway.plane.put_integration(
        **where, http_method="PUT", type="MOCK", request_templates={"application/json": '{"statusCode": 204}'}
    )
    await gateway.plane.put_method_response(**where, http_method="PUT", status_code="204")
    await gateway.plane.put_integration_response(**where, http_method="PUT", status_code="204")

    trial = await gateway.plane.test_invoke_method(**where, http_method="PUT")
    deployed = await gateway.call(gateway.request("PUT", "/open"))

    assert (trial["status"], trial["body"]) == (204, "")
    assert deployed.status == 403


async def test_a_function_sees_who_tries_it_and_the_test_stage(gateway: Gateway) -> None:
    where = await _resource(gateway, "/function/{proxy+}")
    answer = {"statusCode": 201, "body": "made", "multiValueHeaders": {"X-A": ["1", "2"]}}
    gateway.functions.answer = Invocation(json.dumps(answer).encode())

    trial = await gateway.plane.test_invoke_method(
        **where,
        http_method="ANY",
        path_with_query_string="/function/a b?q=1",
        headers={"X-One": "1"},
        multi_value_headers={"X-Two": ["2", "3"]},
        body="hello",
        stage_variables={"colour": "blue"},
    )

    called = gateway.functions.calls[-1]
    event = json.loads(called["payload"])
    assert (trial["status"], trial["body"], trial["multi_value_headers"]["X-A"]) == (201, "made", ["1", "2"])
    source = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{gateway.api_id}/test-invoke-stage/"
    assert called["source_arn"].startswith(source)
    assert (event["path"], event["body"], event["stageVariables"]) == ("/function/a%20b", "hello", {"colour": "blue"})
    assert event["queryStringParameters"] == {"q": "1"}
    assert event["multiValueHeaders"]["X-Two"] == ["2", "3"]
    assert event["requestContext"]["identity"]["sourceIp"] == "test-invoke-source-ip"


async def test_a_refusal_is_what_a_caller_would_have_got(gateway: Gateway) -> None:
    where = await _resource(gateway, "/function/{proxy+}")
    gateway.functions.answer = Invocation(b'{"errorMessage": "no"}', "Unhandled")

    trial = await gateway.plane.test_invoke_method(**where, http_method="ANY", path_with_query_string="/function/x")

    assert (trial["status"], json.loads(trial["body"])) == (502, {"message": "Internal server error"})
    assert "Method completed with status: 502" in trial["log"]


@pytest.mark.parametrize("path", ["/other", "function/x", "/function", "/open"])
async def test_a_path_of_another_resource_is_refused(gateway: Gateway, path: str) -> None:
    where = await _resource(gateway, "/function/{proxy+}")

    with pytest.raises(BadRequestException, match="Invalid path specified"):
        await gateway.plane.test_invoke_method(**where, http_method="ANY", path_with_query_string=path)

    assert gateway.functions.calls == []


async def test_a_header_of_two_lines_is_refused(gateway: Gateway) -> None:
    where = await _resource(gateway, "/open")

    with pytest.raises(BadRequestException, match="Invalid header specified: X-A"):
        await gateway.plane.test_invoke_method(**where, http_method="GET", headers={"X-A": "1\r\nX-B: 2"})


async def test_an_authorizer_says_what_it_would_say(gateway: Gateway) -> None:
    where = await _authorizer(gateway)
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}],
    }
    gateway.functions.answer = Invocation(json.dumps({"principalId": "alice", "policyDocument": policy}).encode())

    trial = await gateway.plane.test_invoke_authorizer(**where, headers={"X-Token": "open"})
    again = await gateway.plane.test_invoke_authorizer(**where, headers={"X-Token": "open"})

    assert (trial["client_status"], trial["principal_id"], json.loads(trial["policy"])) == (0, "alice", policy)
    assert again["client_status"] == 0
    assert len(gateway.functions.calls) == 2, "what an authorizer says in a trial is not kept"
    assert "open" not in trial["log"].replace("X-Token", "")


@pytest.mark.parametrize(
    ("headers", "answer", "status"),
    [
        ({}, Invocation(b"{}"), 401),
        ({"X-Token": "9"}, Invocation(b"{}"), 401),
        ({"X-Token": "a"}, Invocation(b'{"errorMessage": "Unauthorized"}', "Unhandled"), 401),
        ({"X-Token": "a"}, Invocation(b'{"errorMessage": "other"}', "Unhandled"), 500),
        ({"X-Token": "a"}, Invocation(b'{"principalId": "alice"}'), 500),
    ],
)
async def test_an_authorizer_that_lets_nobody_in_gives_the_callers_status(
    gateway: Gateway, headers: dict[str, str], answer: Invocation, status: int
) -> None:
    where = await _authorizer(gateway, identity_validation_expression="[a-z]+")
    gateway.functions.answer = answer

    trial = await gateway.plane.test_invoke_authorizer(**where, headers=headers)

    assert (trial["client_status"], trial["principal_id"], trial["policy"]) == (status, None, None)


async def test_an_authorizer_that_is_not_there_is_not_asked(gateway: Gateway) -> None:
    with pytest.raises(NotFoundException, match="Invalid Authorizer identifier specified"):
        await gateway.plane.test_invoke_authorizer(rest_api_id=gateway.api_id, authorizer_id="nope")
