"""Doors of API Gateway that other emulators leave open, each tried on a live server with the key beside it.

The list is in `docs/threat-model.md`. Where a door stands on a clock (a presigned URL, the
day of a quota), the boundary itself is tried in process, by a clock that tests move: `tests/execute_api`.
"""

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from support.clients import aws_client, new_user
from support.days import in_one_day
from support.running import RunningServer
from support.zips import make_zip

ACCOUNT, REGION = "123456789012", "us-west-2"
KEY = "a-key-value-of-enough-characters-of-its-own"
INVOCATIONS = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{{arn}}/invocations"
OVER_RATE, OVER_QUOTA = b'{"message":"Too Many Requests"}', b'{"message":"Limit Exceeded"}'


class House:
    """A REST API: `/iam` for signatures, `/keyed` for API keys, `/function` for a function without a permission."""

    def __init__(self, server: RunningServer, function_role: str) -> None:
        self.gateway = aws_client(server, "apigateway")
        function = aws_client(server, "lambda").create_function(
            FunctionName="of-peers-doors",
            Role=function_role,
            Runtime="python3.12",
            Handler="main.handler",
            Code={"ZipFile": make_zip({"main.py": "def handler(event, context):\n    return {'statusCode': 200}\n"})},
        )["FunctionArn"]
        self.document = {
            "openapi": "3.0.1",
            "info": {"title": "doors"},
            "components": {
                "securitySchemes": {
                    "signed": {"type": "apiKey", "name": "Authorization", "in": "header", AUTHTYPE: "awsSigv4"},
                    "key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
                }
            },
            "paths": {
                "/iam": {"get": {"security": [{"signed": []}], INTEGRATION: MOCK}},
                "/keyed": {"get": {"security": [{"key": []}], INTEGRATION: MOCK}},
                "/function": {
                    "get": {
                        INTEGRATION: {
                            "type": "aws_proxy",
                            "httpMethod": "POST",
                            "uri": INVOCATIONS.format(arn=function),
                        }
                    }
                },
            },
        }
        self.api_id = self.gateway.import_rest_api(body=json.dumps(self.document))["id"]
        self.gateway.create_deployment(restApiId=self.api_id, stageName="live")
        self.url = f"{server.url}/_api/{self.api_id}/live"
        self.caller = new_user(
            server,
            "past-every-door",
            {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": f"arn:aws:execute-api:*:*:{self.api_id}/*"},
        )

    def signed(self, *, service: str = "execute-api") -> requests.Response:
        request = AWSRequest(method="GET", url=f"{self.url}/iam")
        SigV4Auth(self.caller, service, REGION).add_auth(request)
        return requests.get(f"{self.url}/iam", headers=dict(request.headers))

    def keyed(self, key: str) -> requests.Response:
        return requests.get(f"{self.url}/keyed", headers={"x-api-key": key})

    def new_key(self, name: str, **limits: Any) -> tuple[str, str]:
        """Id and value of a key in a plan of its own."""
        key = self.gateway.create_api_key(name=name, value=f"{KEY}-{name}", enabled=True)
        plan = self.gateway.create_usage_plan(name=name, apiStages=[{"apiId": self.api_id, "stage": "live"}], **limits)
        self.gateway.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
        return key["id"], key["value"]


AUTHTYPE, INTEGRATION = "x-amazon-apigateway-authtype", "x-amazon-apigateway-integration"
MOCK: dict[str, Any] = {
    "type": "mock",
    "requestTemplates": {"application/json": '{"statusCode": 200}'},
    "responses": {"default": {"statusCode": "200"}},
}


@pytest.fixture(scope="module")
def house(serving: RunningServer, function_role: str) -> Iterator[House]:
    house = House(serving, function_role)
    yield house
    house.gateway.delete_rest_api(restApiId=house.api_id)


def test_an_unsigned_call_to_an_aws_iam_method_is_refused(house: House) -> None:
    unsigned = requests.get(f"{house.url}/iam")

    assert house.signed().status_code == 200
    assert (unsigned.status_code, unsigned.content) == (403, b'{"message":"Missing Authentication Token"}')


@pytest.mark.parametrize("service", ["s3", "lambda", "sts", "apigateway", "execute-api2"])
def test_a_signature_scoped_to_another_service_is_refused(house: House, service: str) -> None:
    refused = house.signed(service=service)

    assert (refused.status_code, refused.headers["x-amzn-ErrorType"]) == (403, "InvalidSignatureException")
    assert "Credential should be scoped to correct service: 'execute-api'." in refused.json()["message"]


def test_a_presigned_url_past_its_expiry_is_refused(house: House) -> None:
    """The signature is good; it is one second over by the signer's own clock."""
    fresh, over = (_presigned(house.url + "/iam", house.caller, age) for age in (0, 62))

    refused = requests.get(over)

    assert requests.get(fresh).status_code == 200
    assert (refused.status_code, refused.headers["x-amzn-ErrorType"]) == (403, "InvalidSignatureException")
    assert refused.json()["message"].startswith("Signature expired: ")


def _presigned(url: str, credentials: Credentials, age_seconds: int) -> str:
    # botocore signs for now; the time that it signs for is moved back, and the signature made for that.
    signer = SigV4QueryAuth(credentials, "execute-api", REGION, expires=60)
    request = AWSRequest(method="GET", url=url)
    signer.add_auth(request)
    signed_at = dt.datetime.strptime(request.context["timestamp"] + "+0000", "%Y%m%dT%H%M%SZ%z")
    request = AWSRequest(method="GET", url=url)
    request.context["timestamp"] = f"{signed_at - dt.timedelta(seconds=age_seconds):%Y%m%dT%H%M%SZ}"
    signer._modify_request_before_signing(request)
    canonical = signer.canonical_request(request)
    signer._inject_signature_to_request(request, signer.signature(signer.string_to_sign(request, canonical), request))
    return str(request.url)


def test_a_disabled_api_key_is_refused(house: House) -> None:
    key_id, key = house.new_key("disabled")
    before = house.keyed(key)

    house.gateway.update_api_key(
        apiKey=key_id, patchOperations=[{"op": "replace", "path": "/enabled", "value": "false"}]
    )

    refused = house.keyed(key)
    assert before.status_code == 200
    assert (refused.status_code, refused.content) == (403, b'{"message":"Forbidden"}')


def test_a_plans_rate_and_burst_are_held(house: House) -> None:
    """One request in a thousand seconds after a burst of three: that no refill comes meanwhile is no matter of luck."""
    _, key = house.new_key("throttled", throttle={"rateLimit": 0.001, "burstLimit": 3})

    answers = [house.keyed(key) for _ in range(5)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[-1].content == OVER_RATE


def test_a_plans_quota_is_held(house: House) -> None:
    def call() -> list[requests.Response]:
        _, key = house.new_key("limited", quota={"limit": 3, "period": "MONTH"})
        return [house.keyed(key) for _ in range(5)]

    answers = in_one_day(call)

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[-1].content == OVER_QUOTA


@pytest.mark.parametrize("kind", ["JWT", "cognito_user_pools", "Token", "OIDC"])
def test_an_authorizer_of_an_unknown_type_is_refused_and_not_skipped(house: House, kind: str) -> None:
    document = json.loads(json.dumps(house.document))
    document["components"]["securitySchemes"]["signed"] = {
        "type": "apiKey",
        "name": "Authorization",
        "in": "header",
        AUTHTYPE: "custom",
        "x-amazon-apigateway-authorizer": {"type": kind.lower() if kind == "OIDC" else kind},
    }

    with pytest.raises(ClientError) as made:
        house.gateway.create_authorizer(restApiId=house.api_id, name="a", type=kind)
    with pytest.raises(ClientError) as imported:
        house.gateway.put_rest_api(restApiId=house.api_id, mode="overwrite", body=json.dumps(document))

    for refused in (made, imported):
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert house.gateway.get_authorizers(restApiId=house.api_id)["items"] == []


def test_a_function_is_not_invoked_without_its_permission(house: House, serving: RunningServer) -> None:
    functions = aws_client(serving, "lambda")
    refused = requests.get(f"{house.url}/function")
    functions.add_permission(
        FunctionName="of-peers-doors",
        StatementId="another-api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:another/*",
    )
    still = requests.get(f"{house.url}/function")
    functions.add_permission(
        FunctionName="of-peers-doors",
        StatementId="this-api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{house.api_id}/*/GET/function",
    )

    for answer in (refused, still):
        assert (answer.status_code, answer.content) == (500, b'{"message": "Internal server error"}')
    assert requests.get(f"{house.url}/function").status_code == 200
