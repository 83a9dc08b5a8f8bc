"""Deployed APIs, REST and HTTP, called by every client that signs for API Gateway: let in, and refused without rights.

One run of `tests/javascript/signing_clients.mjs` for each kind of API makes all calls of the JavaScript clients; the
tests here look at what came of them. botocore and curl are called one by one.
"""

import json
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest
import requests
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support.clients import aws_client
from support.node import run_story
from support.running import RunningServer, clean_environment
from support.zips import make_zip

ACCOUNT, REGION = "123456789012", "us-west-2"
KINDS = ("rest", "http")
MOCK = {
    "type": "mock",
    "passthroughBehavior": "when_no_templates",
    "requestTemplates": {"application/json": '{"statusCode": 200}', "text/plain": '{"statusCode": 200}'},
    "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": "{}"}}},
}
PATHS = {
    "plain": "/a/b",
    "encoded": "/%C3%A9t%C3%A9/a%20b",
    "an encoded slash": "/a%2Fb",
    "unreserved": "/~x_y-z.1",
    "a plus": "/a+b",
    "sub-delimiters": "/a;b=c,d",
    "queries out of order": "/q?b=2&a=1&a=0",
    "an encoded query": "/q?x=%20%2B%3D%26&y=%2F%C3%A9",
    "an encoded name": "/q?x=1&%C3%A9=2",
    "an empty value": "/q?empty=&other=1",
}
# Amplify sorts parameters by their decoded names, and AWS by the encoded ones.
NOT_SIGNED_RIGHT = {("amplify", "an encoded name")}
JAVASCRIPT = ("amplify", "aws4", "aws4fetch", "smithy")


@pytest.fixture(scope="module")
def keys(serving: RunningServer) -> dict[str, Credentials]:
    """A user who may call everything, and one who may call nothing."""
    iam = aws_client(serving, "iam")
    found = {}
    for name in ("allowed", "stranger"):
        iam.create_user(UserName=f"signing-{name}")
        key = iam.create_access_key(UserName=f"signing-{name}")["AccessKey"]
        found[name] = Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
    iam.put_user_policy(
        UserName="signing-allowed",
        PolicyName="call",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    return found


@pytest.fixture(scope="module")
def api_url(serving: RunningServer, function_role: str) -> dict[str, str]:
    """The address of an API of each kind, with one signed route for everything."""

    scheme = {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"}
    document = {
        "openapi": "3.0.1",
        "info": {"title": "signed"},
        "components": {"securitySchemes": {"iam": scheme}},
        "paths": {
            "/{proxy+}": {
                "x-amazon-apigateway-any-method": {"security": [{"iam": []}], "x-amazon-apigateway-integration": MOCK}
            }
        },
    }
    rest = aws_client(serving, "apigateway")
    rest_id = rest.import_rest_api(body=json.dumps(document))["id"]
    rest.create_deployment(restApiId=rest_id, stageName="live")
    functions = aws_client(serving, "lambda")
    arn = functions.create_function(
        FunctionName="signed-http-api",
        Role=function_role,
        Runtime="python3.12",
        Handler="main.handler",
        Code={"ZipFile": make_zip({"main.py": "def handler(event, context):\n    return {}\n"})},
    )["FunctionArn"]
    functions.add_permission(
        FunctionName="signed-http-api",
        StatementId="gateway",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
    )
    http = aws_client(serving, "apigatewayv2")
    api = http.create_api(Name="signed", ProtocolType="HTTP", Target=arn)
    route = http.get_routes(ApiId=api["ApiId"])["Items"][0]
    http.update_route(ApiId=api["ApiId"], RouteId=route["RouteId"], AuthorizationType="AWS_IAM")
    return {"rest": f"{serving.url}/_api/{rest_id}/live", "http": api["ApiEndpoint"]}


@pytest.fixture(scope="module")
def told(api_url: Mapping[str, str], keys: Mapping[str, Credentials]) -> dict[str, dict[str, Any]]:
    """What came of the JavaScript clients' calls, by kind of API and name."""
    allowed = {"accessKeyId": keys["allowed"].access_key, "secretAccessKey": keys["allowed"].secret_key}
    stranger = {"accessKeyId": keys["stranger"].access_key, "secretAccessKey": keys["stranger"].secret_key}
    calls: list[dict[str, Any]] = []
    for client in JAVASCRIPT:
        common = {"client": client, "credentials": allowed}
        calls += [{**common, "name": f"{client} {name}", "path": path} for name, path in PATHS.items()]
        calls += [
            {**common, "name": f"{client} post", "path": "/a", "method": "POST", "body": '{"x":"é"}'},
            {**common, "name": f"{client} delete", "path": "/a", "method": "DELETE"},
            {**common, "name": f"{client} stranger", "path": "/a", "credentials": stranger},
            {
                **common,
                "name": f"{client} wrong secret",
                "path": "/a",
                "credentials": {**allowed, "secretAccessKey": "x" * 40},
            },
        ]
        if client != "amplify":
            calls.append({**common, "name": f"{client} other service", "path": "/a", "service": "s3"})
    presigned = {"client": "presigned", "credentials": allowed, "path": "/a?b=c&a=%20", "expires_in": 60}
    calls += [
        {**presigned, "name": "presigned"},
        {**presigned, "name": "presigned nearly over", "age": 50},
        {**presigned, "name": "presigned over", "age": 61},
        {**presigned, "name": "presigned other service", "service": "s3"},
        {**presigned, "name": "presigned stranger", "credentials": stranger},
    ]
    settings = {"region": REGION, "api_url": dict(api_url), "calls": calls}
    return {kind: run_story("signing_clients.mjs", {**settings, "kind": kind}) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("client", JAVASCRIPT)
def test_a_javascript_client_is_let_in_on_every_path(
    told: Mapping[str, Mapping[str, Any]], kind: str, client: str
) -> None:
    names = [f"{client} {n}" for n in (*PATHS, "post", "delete") if (client, n) not in NOT_SIGNED_RIGHT]

    assert {name: told[kind][name] for name in names} == dict.fromkeys(names, 200)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("client", JAVASCRIPT)
def test_a_javascript_client_without_rights_is_refused(
    told: Mapping[str, Mapping[str, Any]], kind: str, client: str
) -> None:
    refused = ["stranger", "wrong secret"] + (["other service"] if client != "amplify" else [])
    names = [f"{client} {name}" for name in refused]

    assert {name: told[kind][name] for name in names} == dict.fromkeys(names, 403)


@pytest.mark.parametrize("kind", KINDS)
def test_a_presigned_url_is_good_until_it_expires(told: Mapping[str, Mapping[str, Any]], kind: str) -> None:
    found = {name: status for name, status in told[kind].items() if name.startswith("presigned")}

    assert found == {
        "presigned": 200,
        "presigned nearly over": 200,
        "presigned over": 403,
        "presigned other service": 403,
        "presigned stranger": 403,
    }


def by_botocore(url: str, credentials: Credentials, *, service: str = "execute-api") -> int:
    request = AWSRequest(method="PUT", url=url, data=b"body", headers={"X-Spaced": "a   b"})
    SigV4Auth(credentials, service, REGION).add_auth(request)
    prepared = requests.Request("PUT", request.url, headers=dict(request.headers), data=b"body").prepare()
    prepared.url = url
    return requests.Session().send(prepared).status_code


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PATHS)
def test_botocore_is_let_in_on_every_path(
    api_url: Mapping[str, str], keys: Mapping[str, Credentials], kind: str, name: str
) -> None:
    assert by_botocore(api_url[kind] + PATHS[name], keys["allowed"]) == 200


@pytest.mark.parametrize("kind", KINDS)
def test_botocore_without_rights_is_refused(
    api_url: Mapping[str, str], keys: Mapping[str, Credentials], kind: str
) -> None:
    url = api_url[kind] + "/a"

    assert by_botocore(url, keys["stranger"]) == 403
    assert by_botocore(url, keys["allowed"], service="s3") == 403
    assert by_botocore(url, Credentials(keys["allowed"].access_key, "another")) == 403


@pytest.mark.parametrize("kind", KINDS)
def test_a_url_presigned_by_botocore_is_good_for_its_own_request_only(
    api_url: Mapping[str, str], keys: Mapping[str, Credentials], kind: str
) -> None:
    request = AWSRequest(method="GET", url=api_url[kind] + "/a?x=1")
    SigV4QueryAuth(keys["allowed"], "execute-api", REGION, expires=60).add_auth(request)

    assert requests.get(request.url).status_code == 200
    assert requests.post(request.url).status_code == 403
    assert requests.get(request.url.replace("x=1", "x=2")).status_code == 403
    assert requests.get(request.url.replace("X-Amz-Expires=60", "X-Amz-Expires=600")).status_code == 403
    assert requests.get(request.url.replace("/a?", "/b?")).status_code == 403


def by_curl(url: str, credentials: Credentials, *more: str, service: str = "execute-api") -> int:
    finished = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--output", "/dev/null", "--write-out", "%{http_code}"),
            *("--aws-sigv4", f"aws:amz:{REGION}:{service}"),
            *("--user", f"{credentials.access_key}:{credentials.secret_key}", *more, url),
        ],
        capture_output=True,
        text=True,
        check=True,
        env=clean_environment(),
    )
    return int(finished.stdout)


@pytest.mark.parametrize("kind", KINDS)
def test_curl_is_let_in_and_refused_without_rights(
    api_url: Mapping[str, str], keys: Mapping[str, Credentials], kind: str
) -> None:
    url = api_url[kind] + "/a/b?x=1&y=2"  # older curls do not sort queries
    post = ("--data", "body", "--header", "Content-Type: text/plain")

    assert by_curl(url, keys["allowed"]) == 200
    assert by_curl(url, keys["allowed"], *post) == 200
    assert by_curl(url, keys["stranger"]) == 403
    assert by_curl(url, keys["allowed"], service="s3") == 403
