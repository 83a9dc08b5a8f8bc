"""A deployed REST API over the wire: every way in, and everything behind it.

Every refusal, to the byte: `test_denial_table.py`.
"""

import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest
import requests

from support.clients import aws_client, new_user, signed
from support.gateway_story import ACCOUNT, REGION, GatewayStory, RawAnswer
from support.running import RunningServer

INTERNAL = b'{"message": "Internal server error"}'


@pytest.fixture(scope="module")
def story(gateway_story: GatewayStory) -> GatewayStory:
    return gateway_story


def denied(answer: RawAnswer) -> tuple[int, str | None, bytes]:
    """Status, error type and body, once the rest of a refusal is as it should be."""
    names = [name for name, _ in answer.headers]
    request_id = answer.header("x-amzn-RequestId") or ""
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", request_id)
    assert (answer.header("x-amz-apigw-id") or "").endswith("=")
    assert answer.header("Content-Type") == "application/json"
    assert answer.header("Content-Length") == str(len(answer.body))
    assert answer.header("Date") is not None
    assert len(names) == len(set(names))
    assert "Retry-After" not in names
    return answer.status, answer.header("x-amzn-ErrorType"), answer.body


ARN = f"arn:aws:execute-api:{REGION}:********{ACCOUNT[-4:]}:API/latest"


def test_a_signature_without_permission_is_refused_with_a_masked_arn(story: GatewayStory) -> None:
    nobody = new_user(story.server, "lane-nobody")

    response = requests.Session().send(signed(story.server, nobody, url=story.url("/iam"), headers={}))

    text = (
        f"User: arn:aws:iam::{ACCOUNT}:user/lane-nobody is not authorized to perform: execute-api:Invoke on resource: "
        f"{ARN.replace('API', story.api_id)}/GET/iam because no identity-based policy allows the execute-api:Invoke "
        "action"
    )
    assert (response.status_code, response.content) == (
        403,
        json.dumps({"Message": text}, separators=(",", ":")).encode(),
    )


def test_a_body_of_one_byte_too_many_is_refused_in_plain_text(story: GatewayStory) -> None:
    answer = story.raw("POST", "/open", "Content-Length: 10485761")

    assert (answer.status, answer.header("Content-Type")) == (413, "text/plain")
    assert answer.body == b"HTTP content length exceeded 10485760 bytes."


def _identity(response: requests.Response) -> dict[str, Any]:
    context: dict[str, Any] = response.json()["requestContext"]
    return context


def test_a_function_hears_who_signed(story: GatewayStory) -> None:
    allowed = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
    user = new_user(story.server, "lane-caller", allowed)

    response = requests.Session().send(signed(story.server, user, url=story.url("/iam"), headers={}))

    context = _identity(response)
    identity = context["identity"]
    assert response.status_code == 200
    assert identity["userArn"] == f"arn:aws:iam::{ACCOUNT}:user/lane-caller"
    assert (identity["accessKey"], identity["accountId"]) == (user.access_key, ACCOUNT)
    assert identity["caller"] == identity["user"]
    assert identity["user"].startswith("AIDA")
    assert identity["cognitoIdentityId"] is None
    assert "authorizer" not in context
    assert "Authorization" not in response.json()["headers"]


@pytest.mark.parametrize("prefix", ["", "Bearer "])
def test_a_function_hears_the_claims_of_an_id_token(story: GatewayStory, prefix: str) -> None:
    response = requests.get(story.url("/pool"), headers={"Authorization": prefix + story.token()})

    context = _identity(response)
    claims = context["authorizer"]["claims"]
    assert (claims["cognito:username"], claims["token_use"]) == ("maria", "id")
    assert (claims["email"], claims["email_verified"]) == ("maria@example.com", "true")
    assert re.fullmatch(r"\w{3} \w{3} \d\d \d\d:\d\d:\d\d UTC \d{4}", claims["exp"])
    assert context["identity"]["userArn"] is None


def test_an_access_token_with_the_scope_opens_the_method_that_asks_for_it(story: GatewayStory) -> None:
    response = requests.get(story.url("/scoped"), headers={"Authorization": story.token("AccessToken")})

    assert response.status_code == 200
    assert _identity(response)["authorizer"]["claims"]["scope"] == "aws.cognito.signin.user.admin"


def test_a_function_hears_what_another_function_said_of_the_caller(story: GatewayStory) -> None:
    response = requests.get(story.url("/guarded"), headers={"Authorization": "let me in"})

    authorizer = _identity(response)["authorizer"]
    assert response.status_code == 200
    assert (authorizer["principalId"], authorizer["tier"]) == ("guarded-user", "gold")
    assert isinstance(authorizer["integrationLatency"], int)


def test_a_function_without_the_proxy_format_is_mapped_both_ways(story: GatewayStory) -> None:
    good = requests.post(story.url("/plain"), json={})
    bad = requests.post(story.url("/plain?fail=twice"), json={})

    assert (good.status_code, good.json()) == (200, {"heard": {"who": "maria", "fail": ""}})
    assert (bad.status_code, bad.json()) == (400, {"why": "[BadRequest] twice"})


def test_a_backend_behind_the_gateway_is_reached_with_the_rest_of_the_path(story: GatewayStory) -> None:
    response = requests.post(story.url("/backend/a%2Fb/c?x=1"), data="hello", headers={"X-Own": "1"})

    assert (response.status_code, response.headers["X-Backend"]) == (201, "yes")
    assert response.json() == {"path": "/under/a%2Fb/c?x=1", "body": "hello"}
    assert story.backend.headers[-1]["X-Own"] == "1"
    assert story.backend.headers[-1]["x-amzn-apigateway-api-id"] == story.api_id


def test_a_streamed_answer_arrives_in_parts(story: GatewayStory) -> None:
    story.backend.go_on.clear()

    with requests.get(story.url("/stream/x"), stream=True, timeout=10) as response:
        parts = response.iter_content(None)
        assert next(parts) == b"one"
        story.backend.go_on.set()
        assert b"".join(parts) == b"two"

    assert response.headers["Transfer-Encoding"] == "chunked"


def test_a_connection_goes_on_after_a_streamed_answer(story: GatewayStory) -> None:
    story.backend.go_on.set()
    request = f"GET {story.path('/stream/x')} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()

    with socket.create_connection(("localhost", story.server.port), timeout=10) as connection:
        for _ in range(2):
            connection.sendall(request)
            received = b""
            while not received.endswith(b"0\r\n\r\n"):
                received += connection.recv(65_536)
            assert received.startswith(b"HTTP/1.1 200")
            body = received.partition(b"\r\n\r\n")[2]
            assert b"".join(body.split(b"\r\n")[1:-3:2]) == b"onetwo"


def test_an_old_client_gets_a_stream_that_ends_with_the_connection(story: GatewayStory) -> None:
    story.backend.go_on.set()

    with socket.create_connection(("localhost", story.server.port), timeout=10) as connection:
        connection.sendall(f"GET {story.path('/stream/x')} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        received = b""
        while part := connection.recv(65_536):
            received += part

    assert received.endswith(b"\r\n\r\nonetwo")
    assert b"transfer-encoding" not in received.lower()


def test_a_message_is_sent_to_a_queue_under_the_integrations_role(story: GatewayStory) -> None:
    response = requests.post(story.url("/queue"), json={"order": "7"})

    received = aws_client(story.server, "sqs").receive_message(QueueUrl=story.queue_url)["Messages"]
    assert (response.status_code, response.json()) == (200, {"sent": True})
    assert json.loads(received[0]["Body"]) == {"order": "7"}


def test_a_role_that_may_not_send_sends_nothing(story: GatewayStory) -> None:
    response = requests.post(story.url("/idle-queue"), json={"order": "8"})

    assert (response.status_code, response.json()) == (400, {"sent": False})
    assert "Messages" not in aws_client(story.server, "sqs").receive_message(QueueUrl=story.queue_url)


def test_a_function_may_be_invoked_as_a_role_that_the_integration_names(story: GatewayStory) -> None:
    response = requests.get(story.url("/as-invoker"))

    assert (response.status_code, response.headers["X-From"]) == (200, "function")


@pytest.mark.parametrize("route", ["/as-idle", "/as-untrusting"])
def test_a_role_without_the_permission_or_without_trust_in_the_gateway_invokes_nothing(
    story: GatewayStory, route: str
) -> None:
    assert denied(story.raw("GET", route)) == (500, "InternalServerErrorException", INTERNAL)


def test_a_valid_request_passes_its_validator(story: GatewayStory) -> None:
    assert requests.post(story.url("/validated?q=1"), json={"name": "x"}).json() == {"ok": True}


def test_logs_of_a_stage_are_read_where_aws_tools_read_them(story: GatewayStory) -> None:
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:lane-calls"
    text = '{"id":"$context.requestId","status":"$context.status","path":"$context.resourcePath"}'
    story.gateway.update_stage(
        restApiId=story.api_id,
        stageName="latest",
        patchOperations=[
            {"op": "replace", "path": "/accessLogSettings/destinationArn", "value": arn},
            {"op": "replace", "path": "/accessLogSettings/format", "value": text},
            {"op": "replace", "path": "/*/*/logging/loglevel", "value": "INFO"},
            {"op": "replace", "path": "/*/*/logging/dataTrace", "value": "true"},
        ],
    )
    token = story.token()

    answered = requests.get(story.url("/pool"), headers={"Authorization": token})
    refused = requests.get(story.url("/keyed"), headers={"x-api-key": "not-the-key-of-anybody"})

    logs = aws_client(story.server, "logs")
    lines = [json.loads(e["message"]) for e in logs.filter_log_events(logGroupName="lane-calls")["events"]]
    execution = logs.filter_log_events(logGroupName=f"API-Gateway-Execution-Logs_{story.api_id}/latest")["events"]
    told = "\n".join(event["message"] for event in execution)
    assert lines == [
        {"id": answered.headers["x-amzn-RequestId"], "status": "200", "path": "/pool"},
        {"id": refused.headers["x-amzn-RequestId"], "status": "403", "path": "/keyed"},
    ]
    assert f"({answered.headers['x-amzn-RequestId']}) Method completed with status: 200" in told
    assert "Method request headers" in told
    assert token not in told
    assert token.split(".")[1] not in told
    assert "not-the-key-of-anybody" not in told


def test_a_server_with_an_access_log_writes_a_line_of_json_for_each_request(tmp_path: Path) -> None:
    log = tmp_path / "access.jsonl"
    with RunningServer("serve", "--access-log", str(log), state_folder=tmp_path / "state") as server:
        response = requests.get(f"{server.url}/_api/nothing1/latest/x?token=secret-in-the-query")

    (line,) = [json.loads(line) for line in log.read_text().splitlines()]
    assert (response.status_code, line["status"], line["errorType"]) == (403, 403, "ForbiddenException")
    assert line["requestId"] == response.headers["x-amzn-RequestId"]
    assert (line["apiId"], line["stage"], line["path"]) == ("nothing1", "latest", "/latest/x")
    assert "secret-in-the-query" not in log.read_text()
