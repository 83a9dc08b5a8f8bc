"""Every way to be refused at the demo's API, each beside what would have been let in.

One test per row of the issue's list: exact status, body and `x-amzn-errortype` of AWS's execute-api, with the CORS
headers that let a browser show the status. The clients are botocore's signer and `requests`, unmodified.
"""

import http.client
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.auth
import pytest
import requests
from botocore.credentials import Credentials

from support.clients import aws_client, guest_credentials, signed, user_credentials
from support.days import in_one_day
from support.running import RunningServer

UNSIGNED = ("MissingAuthenticationTokenException", b'{"message":"Missing Authentication Token"}')
FORBIDDEN = ("ForbiddenException", b'{"message":"Forbidden"}')
INVALID_TOKEN = "The security token included in the request is invalid"


@pytest.fixture(scope="module")
def user(demo: RunningServer) -> Credentials:
    return user_credentials(demo)


def send(request: requests.PreparedRequest) -> requests.Response:
    with requests.Session() as session:
        return session.send(request)


def refused(response: requests.Response, status: int, error_type: str, body: bytes | None = None) -> str:
    """Assert a refusal's status, error type and body, and that a browser may see it; its message."""
    assert response.status_code == status, response.text
    assert response.headers["x-amzn-ErrorType"] == error_type
    assert response.headers["Content-Type"] == "application/json"
    assert re.fullmatch(r"[0-9a-f-]{36}", response.headers["x-amzn-RequestId"])
    assert response.headers["x-amz-apigw-id"].endswith("=")
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    if body is not None:
        assert response.content == body
    document = response.json()
    return str(document.get("message", document.get("Message")))


def test_an_api_key_opens_the_open_route(demo: RunningServer) -> None:
    response = requests.get(demo.config["api_url"] + "/no-auth", headers={"x-api-key": demo.config["api_key"]})

    assert response.status_code == 200
    assert response.json() == {"message": "Open for All!"}


def test_a_signed_in_user_is_past_the_velvet_rope(demo: RunningServer, user: Credentials) -> None:
    response = send(signed(demo, user))

    assert response.status_code == 200
    assert response.json() == {"message": "You're past the velvet rope!"}


def test_no_api_key(demo: RunningServer) -> None:
    refused(requests.get(demo.config["api_url"] + "/no-auth"), 403, *FORBIDDEN)


def test_a_wrong_api_key(demo: RunningServer) -> None:
    response = requests.get(demo.config["api_url"] + "/no-auth", headers={"x-api-key": "x" * 40})

    refused(response, 403, *FORBIDDEN)


def test_a_good_signature_without_an_api_key(demo: RunningServer, user: Credentials) -> None:
    refused(send(signed(demo, user, headers={})), 403, *FORBIDDEN)


def test_a_disabled_api_key(demo: RunningServer) -> None:
    gateway = aws_client(demo, "apigateway")
    key = gateway.create_api_key(name="to-be-disabled", enabled=True)
    plan = gateway.get_usage_plans()["items"][0]
    gateway.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    url, headers = demo.config["api_url"] + "/no-auth", {"x-api-key": key["value"]}
    assert requests.get(url, headers=headers).status_code == 200

    gateway.update_api_key(apiKey=key["id"], patchOperations=[{"op": "replace", "path": "/enabled", "value": "false"}])

    refused(requests.get(url, headers=headers), 403, *FORBIDDEN)


def test_a_key_of_no_plan(demo: RunningServer) -> None:
    key = aws_client(demo, "apigateway").create_api_key(name="in-no-plan", enabled=True)

    response = requests.get(demo.config["api_url"] + "/no-auth", headers={"x-api-key": key["value"]})

    refused(response, 403, *FORBIDDEN)


def test_unsigned(demo: RunningServer) -> None:
    response = requests.get(demo.config["api_url"] + "/require-auth", headers={"x-api-key": demo.config["api_key"]})

    refused(response, 403, *UNSIGNED)


def test_a_bearer_token_is_no_signature(demo: RunningServer) -> None:
    headers = {"x-api-key": demo.config["api_key"], "Authorization": "Bearer abc"}
    response = requests.get(demo.config["api_url"] + "/require-auth", headers=headers)

    message = refused(response, 403, "IncompleteSignatureException")
    assert message.startswith(
        "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256"
    )


def test_a_wrong_secret(demo: RunningServer, user: Credentials) -> None:
    forged = Credentials(user.access_key, "w" * 40, user.token)

    message = refused(send(signed(demo, forged)), 403, "InvalidSignatureException")

    assert message.startswith("The request signature we calculated does not match the signature you provided.")
    assert "The Canonical String for this request should have been\n'GET\n" in message
    assert "The String-to-Sign should have been\n'AWS4-HMAC-SHA256\n" in message


def test_a_tampered_path(demo: RunningServer, user: Credentials) -> None:
    request = signed(demo, user, path="/no-auth")
    request.url = demo.config["api_url"] + "/require-auth"

    message = refused(send(request), 403, "InvalidSignatureException")
    assert message.startswith("The request signature we calculated does not match")


def test_a_tampered_query(demo: RunningServer, user: Credentials) -> None:
    request = signed(demo, user, params={"seat": "1"})
    assert send(request).status_code == 200
    assert request.url is not None
    request.url = request.url.replace("seat=1", "seat=2")

    message = refused(send(request), 403, "InvalidSignatureException")
    assert message.startswith("The request signature we calculated does not match")


def test_a_tampered_body(demo: RunningServer, user: Credentials) -> None:
    assert send(signed(demo, user, data=b"one")).status_code == 200
    request = signed(demo, user, data=b"one")
    request.body = b"two"

    message = refused(send(request), 403, "InvalidSignatureException")
    assert message.startswith("The request signature we calculated does not match")


@pytest.mark.parametrize(
    ("shift", "words"),
    [
        pytest.param(timedelta(minutes=-6), "Signature expired: ", id="too old"),
        pytest.param(timedelta(minutes=6), "Signature not yet current: ", id="too new"),
    ],
)
def test_a_stale_date(
    demo: RunningServer, user: Credentials, monkeypatch: pytest.MonkeyPatch, shift: timedelta, words: str
) -> None:
    moment = datetime.fromtimestamp(datetime_now(demo).timestamp(), UTC) + shift
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_a, **_k: moment.replace(tzinfo=None))

    message = refused(send(signed(demo, user)), 403, "InvalidSignatureException")

    assert message.startswith(f"{words}{moment:%Y%m%dT%H%M%SZ}")


def datetime_now(demo: RunningServer) -> datetime:
    """The server's clock, from its Date header."""
    date = requests.get(demo.url + "/_velvetrope/health").headers["Date"]
    return datetime.strptime(date, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)


def test_an_altered_session_token(demo: RunningServer, user: Credentials) -> None:
    middle = len(user.token) // 2
    flipped = "A" if user.token[middle] != "A" else "B"
    altered = Credentials(user.access_key, user.secret_key, user.token[:middle] + flipped + user.token[middle + 1 :])

    message = refused(send(signed(demo, altered)), 403, "UnrecognizedClientException")
    assert message.rstrip(".") == INVALID_TOKEN


def test_a_foreign_session_token(demo: RunningServer, user: Credentials) -> None:
    foreign = Credentials(user.access_key, user.secret_key, guest_credentials(demo).token)

    message = refused(send(signed(demo, foreign)), 403, "UnrecognizedClientException")
    assert message.rstrip(".") == INVALID_TOKEN


def test_temporary_credentials_without_their_token(demo: RunningServer, user: Credentials) -> None:
    bare = Credentials(user.access_key, user.secret_key)

    message = refused(send(signed(demo, bare)), 403, "UnrecognizedClientException")
    assert message.rstrip(".") == INVALID_TOKEN


def test_an_unknown_access_key(demo: RunningServer) -> None:
    invented = Credentials("AKIAINVENTED00000000", "x" * 40)

    message = refused(send(signed(demo, invented)), 403, "UnrecognizedClientException")
    assert message == INVALID_TOKEN + "."


def test_guest_credentials_on_the_protected_route(demo: RunningServer) -> None:
    response = send(signed(demo, guest_credentials(demo)))

    message = refused(response, 403, "AccessDeniedException")
    config = demo.config
    account, masked = config["account_id"], "*" * 8 + config["account_id"][-4:]
    arn = f"arn:aws:execute-api:{config['region']}:{masked}:{config['api_id']}/latest/GET/require-auth"
    assert re.fullmatch(
        rf"User: arn:aws:sts::{account}:assumed-role/[^/ ]+/CognitoIdentityCredentials is not authorized to perform: "
        rf"execute-api:Invoke on resource: {re.escape(arn)}"
        r"( because no identity-based policy allows the execute-api:Invoke action)?",
        message,
    )
    assert list(response.json()) == ["Message"]


def test_an_unknown_path(demo: RunningServer) -> None:
    response = requests.get(demo.config["api_url"] + "/nowhere", headers={"x-api-key": demo.config["api_key"]})

    refused(response, 403, *UNSIGNED)


def test_an_unknown_method(demo: RunningServer) -> None:
    response = requests.delete(demo.config["api_url"] + "/no-auth", headers={"x-api-key": demo.config["api_key"]})

    refused(response, 403, *UNSIGNED)


def test_an_unknown_stage(demo: RunningServer) -> None:
    url = demo.config["api_url"].removesuffix("/latest") + "/nightly/no-auth"

    refused(requests.get(url, headers={"x-api-key": demo.config["api_key"]}), 403, *FORBIDDEN)


def test_a_signature_scoped_to_another_service(demo: RunningServer, user: Credentials) -> None:
    message = refused(send(signed(demo, user, service="s3")), 403, "InvalidSignatureException")

    assert message.strip() == "Credential should be scoped to correct service: 'execute-api'."


def test_a_signature_scoped_to_another_region(demo: RunningServer, user: Credentials) -> None:
    message = refused(send(signed(demo, user, region="eu-west-1")), 403, "InvalidSignatureException")

    assert message.startswith("Credential should be scoped to a valid region")


def own_key(demo: RunningServer, **plan: Any) -> str:
    """The value of a new key, alone in a plan of its own over the demo's stage."""
    gateway = aws_client(demo, "apigateway")
    key = gateway.create_api_key(name="own", enabled=True)
    stage = {"apiId": demo.config["api_id"], "stage": "latest"}
    plan_id = gateway.create_usage_plan(name="own", apiStages=[stage], **plan)["id"]
    gateway.create_usage_plan_key(usagePlanId=plan_id, keyId=key["id"], keyType="API_KEY")
    return str(key["value"])


def test_over_the_rate(demo: RunningServer) -> None:
    key = own_key(demo, throttle={"rateLimit": 0.001, "burstLimit": 3})
    url, headers = demo.config["api_url"] + "/no-auth", {"x-api-key": key}

    answers = [requests.get(url, headers=headers) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    refused(answers[3], 429, "TooManyRequestsException", b'{"message":"Too Many Requests"}')


def test_over_the_quota(demo: RunningServer) -> None:
    def call() -> list[requests.Response]:
        headers = {"x-api-key": own_key(demo, quota={"limit": 2, "period": "DAY"})}
        return [requests.get(demo.config["api_url"] + "/no-auth", headers=headers) for _ in range(3)]

    answers = in_one_day(call)

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    refused(answers[2], 429, "LimitExceededException", b'{"message":"Limit Exceeded"}')


def test_a_refusal_has_the_header_names_of_http_1(demo: RunningServer) -> None:
    """AWS writes `x-amzn-RequestId` and `x-amzn-ErrorType` with these capitals; some clients compare them as text."""
    connection = http.client.HTTPConnection("localhost", demo.port, timeout=10)
    connection.request("GET", f"/_api/{demo.config['api_id']}/latest/no-auth")
    names = [name for name, _ in connection.getresponse().getheaders()]
    connection.close()

    assert {"x-amzn-RequestId", "x-amzn-ErrorType", "x-amz-apigw-id"} <= set(names)


def test_a_browser_may_send_a_signed_request(demo: RunningServer) -> None:
    asked = "authorization,content-type,x-amz-content-sha256,x-amz-date,x-amz-security-token,x-api-key"
    response = requests.options(
        demo.config["api_url"] + "/require-auth",
        headers={
            "Origin": "http://localhost:3000",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": asked,
        },
    )

    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    allowed = {name.strip().lower() for name in response.headers["Access-Control-Allow-Headers"].split(",")}
    assert set(asked.split(",")) <= allowed
    assert "GET" in response.headers["Access-Control-Allow-Methods"]
