"""HTTP APIs over the wire: made by boto3 and by a SAM template, called by `requests`; each door without its key."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from support.clients import aws_client
from support.running import ROOT_KEY, RunningServer, clean_environment
from support.zips import make_zip

ACCOUNT, REGION = "123456789012", "us-west-2"
SOURCE = """
import json

def handler(event, context):
    if event.get("type") == "REQUEST":
        return {"isAuthorized": event["identitySource"] == ["open sesame"], "context": {"door": "cave"}}
    return {"statusCode": 200, "headers": {"x-from": "function"}, "body": json.dumps(event)}
"""


@pytest.fixture(scope="module")
def function(serving: RunningServer, function_role: str) -> str:
    """The ARN of a function that answers with its event, and that API Gateway may invoke."""
    functions = aws_client(serving, "lambda")
    arn = functions.create_function(
        FunctionName="http-api-echo",
        Role=function_role,
        Runtime="python3.12",
        Handler="main.handler",
        Code={"ZipFile": make_zip({"main.py": SOURCE})},
    )["FunctionArn"]
    functions.add_permission(
        FunctionName="http-api-echo",
        StatementId="gateway",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:*",
    )
    return str(arn)


class Story:
    """One HTTP API with a route for each way to ask who is calling."""

    def __init__(self, server: RunningServer, function: str) -> None:
        self.server = server
        self.gateway = aws_client(server, "apigatewayv2")
        self.api = self.gateway.create_api(
            Name="story", ProtocolType="HTTP", CorsConfiguration={"AllowOrigins": ["https://app.example"]}
        )
        self.api_id = self.api["ApiId"]
        self.url = self.api["ApiEndpoint"]
        self.gateway.create_stage(ApiId=self.api_id, StageName="$default", AutoDeploy=True)
        self.target = "integrations/" + str(
            self.gateway.create_integration(
                ApiId=self.api_id,
                IntegrationType="AWS_PROXY",
                IntegrationUri=function,
                PayloadFormatVersion="2.0",
            )["IntegrationId"]
        )
        pools = aws_client(server, "cognito-idp")
        self.pool_id = pools.create_user_pool(PoolName="story")["UserPool"]["Id"]
        self.client_id = pools.create_user_pool_client(
            UserPoolId=self.pool_id, ClientName="web", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"]
        )["UserPoolClient"]["ClientId"]
        pools.admin_create_user(UserPoolId=self.pool_id, Username="ana", MessageAction="SUPPRESS")
        pools.admin_set_user_password(UserPoolId=self.pool_id, Username="ana", Password="Secret-Pass-1", Permanent=True)
        self.tokens = pools.initiate_auth(
            ClientId=self.client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": "ana", "PASSWORD": "Secret-Pass-1"},
        )["AuthenticationResult"]
        jwt = self.gateway.create_authorizer(
            ApiId=self.api_id,
            Name="people",
            AuthorizerType="JWT",
            IdentitySource=["$request.header.Authorization"],
            JwtConfiguration={
                "Issuer": f"https://cognito-idp.{REGION}.amazonaws.com/{self.pool_id}",
                "Audience": [self.client_id],
            },
        )["AuthorizerId"]
        asked = self.gateway.create_authorizer(
            ApiId=self.api_id,
            Name="cave",
            AuthorizerType="REQUEST",
            IdentitySource=["$request.header.X-Word"],
            AuthorizerUri=f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function}/invocations",
            AuthorizerPayloadFormatVersion="2.0",
            EnableSimpleResponses=True,
        )["AuthorizerId"]
        self.route("GET /open")
        self.route("GET /signed/{id}", AuthorizationType="AWS_IAM")
        self.route("GET /me", AuthorizationType="JWT", AuthorizerId=jwt)
        self.route("GET /scoped", AuthorizationType="JWT", AuthorizerId=jwt, AuthorizationScopes=["shop/read"])
        self.route("GET /cave", AuthorizationType="CUSTOM", AuthorizerId=asked)

    def route(self, key: str, **members: Any) -> None:
        self.gateway.create_route(ApiId=self.api_id, RouteKey=key, Target=self.target, **members)

    def get(self, path: str, **headers: str) -> requests.Response:
        return requests.get(self.url + path, headers={name.replace("_", "-"): v for name, v in headers.items()})

    def signed(self, path: str, credentials: Credentials, *, service: str = "execute-api") -> requests.Response:
        request = AWSRequest(method="GET", url=self.url + path)
        SigV4Auth(credentials, service, REGION).add_auth(request)
        return requests.get(self.url + path, headers=dict(request.headers))


@pytest.fixture(scope="module")
def story(serving: RunningServer, function: str) -> Iterator[Story]:
    story = Story(serving, function)
    yield story
    story.gateway.delete_api(ApiId=story.api_id)


def user_with(server: RunningServer, name: str, policy: dict[str, Any] | None) -> Credentials:
    """A new IAM user's key, with one inline policy."""
    iam = aws_client(server, "iam")
    iam.create_user(UserName=name)
    if policy is not None:
        document = {"Version": "2012-10-17", "Statement": [policy]}
        iam.put_user_policy(UserName=name, PolicyName="one", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])


def refusal(response: requests.Response) -> tuple[int, str, set[str]]:
    """Status, body, and the names of the headers that the gateway made."""
    names = {name.lower() for name in response.headers}
    return response.status_code, response.text, names - {"date", "server"}


PLAIN = {"content-type", "content-length", "apigw-requestid"}


def test_an_open_route_answers_by_path_and_by_host(story: Story) -> None:
    by_path = story.get("/open?a=1")
    by_host = requests.get(
        f"{story.server.url}/open", headers={"Host": f"{story.api_id}.execute-api.{REGION}.amazonaws.com"}
    )

    assert (by_path.status_code, by_path.headers["x-from"]) == (200, "function")
    assert by_path.json()["requestContext"]["routeKey"] == "GET /open"
    assert by_host.json()["rawPath"] == "/open"
    assert by_host.json()["requestContext"]["domainPrefix"] == story.api_id


@pytest.mark.parametrize(("method", "path"), [("GET", "/nothing"), ("POST", "/open"), ("GET", "/open/"), ("GET", "/")])
def test_what_no_route_takes_is_not_found(story: Story, method: str, path: str) -> None:
    response = requests.request(method, story.url + path)

    assert refusal(response) == (404, '{"message":"Not Found"}', PLAIN)


def test_one_name_leads_to_an_http_api_and_to_a_rest_api(story: Story) -> None:
    """By keys of several segments, signed for the path that was called; the API's own address may be closed."""
    gateway, server, name = story.gateway, story.server, "apis.example.com"
    rest_apis = aws_client(server, "apigateway")
    mock = {"type": "mock", "requestTemplates": {"application/json": '{"statusCode": 200}'}}
    mock["responses"] = {"default": {"statusCode": "200", "responseTemplates": {"application/json": "REST"}}}
    document = {
        "openapi": "3.0.1",
        "info": {"title": "rest"},
        "paths": {"/open": {"get": {"x-amazon-apigateway-integration": mock}}},
    }
    rest_id = rest_apis.import_rest_api(body=json.dumps(document))["id"]
    rest_apis.create_deployment(restApiId=rest_id, stageName="live")
    gateway.create_domain_name(
        DomainName=name, DomainNameConfigurations=[{"EndpointType": "REGIONAL", "CertificateArn": "arn:aws:acm:x"}]
    )
    mapped = gateway.create_api_mapping(DomainName=name, ApiId=story.api_id, Stage="$default", ApiMappingKey="shop/v1")
    gateway.create_api_mapping(DomainName=name, ApiId=rest_id, Stage="live", ApiMappingKey="shop/v1/old")
    caller = user_with(
        server,
        "named",
        {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": f"arn:aws:execute-api:*:*:{story.api_id}/*"},
    )

    def get(path: str, *, credentials: Credentials | None = None, called: str = "") -> requests.Response:
        request = AWSRequest(method="GET", url=f"http://{name}{called or path}")
        if credentials is not None:
            SigV4Auth(credentials, "execute-api", REGION).add_auth(request)
        return requests.get(server.url + path, headers={**request.headers, "Host": name})

    new, old = get("/shop/v1/open"), get("/shop/v1/old/open")
    signed = get("/shop/v1/signed/1", credentials=caller)
    tampered = get("/shop/v1/signed/1", credentials=caller, called="/shop/v1/signed/2")
    unsigned = get("/shop/v1/signed/1")
    unmapped = get("/shop/open")
    gateway.update_api(ApiId=story.api_id, DisableExecuteApiEndpoint=True)
    closed, still = story.get("/open"), get("/shop/v1/open")
    gateway.update_api(ApiId=story.api_id, DisableExecuteApiEndpoint=False)
    with pytest.raises(ClientError, match="remove the API mapping shop/v1"):
        gateway.delete_api(ApiId=story.api_id)
    gateway.delete_api_mapping(DomainName=name, ApiMappingId=mapped["ApiMappingId"])
    gone = get("/shop/v1/open")
    gateway.delete_domain_name(DomainName=name)

    assert new.json()["rawPath"] == "/open"
    assert new.json()["requestContext"]["domainName"] == name
    assert (old.status_code, old.text) == (200, "REST")
    assert (signed.status_code, signed.json()["rawPath"]) == (200, "/signed/1")
    for refused in (tampered, unsigned, unmapped, gone):
        assert (refused.status_code, refused.content) == (403, b'{"message":"Forbidden"}')
    assert (closed.status_code, still.status_code) == (404, 200)


def test_a_caller_without_permission_makes_no_domain_names(story: Story) -> None:
    nobody = user_with(story.server, "no-names", None)
    gateway = aws_client(story.server, "apigatewayv2", nobody)

    with pytest.raises(ClientError, match="not authorized to perform: apigateway:POST") as refused:
        gateway.create_domain_name(DomainName="nobody.example.com")

    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_signed_caller_is_let_in_where_a_policy_says_so_and_nowhere_else(story: Story) -> None:
    allowed = {
        "Effect": "Allow",
        "Action": "execute-api:Invoke",
        "Resource": f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{story.api_id}/$default/GET/signed/mine",
    }
    ana = user_with(story.server, "http-api-ana", allowed)
    bob = user_with(story.server, "http-api-bob", None)

    let_in = story.signed("/signed/mine", ana)

    assert let_in.status_code == 200
    assert let_in.json()["requestContext"]["authorizer"]["iam"]["userArn"].endswith("user/http-api-ana")
    forbidden = (403, '{"message":"Forbidden"}', PLAIN)
    assert refusal(story.signed("/signed/hers", ana)) == forbidden
    assert refusal(story.signed("/signed/mine", bob)) == forbidden
    assert refusal(story.get("/signed/mine")) == forbidden
    assert refusal(story.signed("/signed/mine", ana, service="s3")) == forbidden
    assert refusal(story.signed("/signed/mine", Credentials(ana.access_key, "another secret"))) == forbidden


def test_a_pools_tokens_open_the_routes_that_ask_for_them(story: Story) -> None:
    for name in ("IdToken", "AccessToken"):
        response = story.get("/me", Authorization=f"Bearer {story.tokens[name]}")
        assert response.status_code == 200
        assert response.json()["requestContext"]["authorizer"]["jwt"]["claims"]["sub"]

    missing = story.get("/me")
    broken = story.get("/me", Authorization=f"Bearer {story.tokens['IdToken'][:-2]}xx")
    unscoped = story.get("/scoped", Authorization=f"Bearer {story.tokens['AccessToken']}")

    assert refusal(missing) == (401, '{"message":"Unauthorized"}', PLAIN | {"www-authenticate"})
    assert refusal(broken) == (401, '{"message":"Unauthorized"}', PLAIN | {"www-authenticate"})
    assert missing.headers["www-authenticate"] == "Bearer"
    assert refusal(unscoped) == (403, '{"message":"Forbidden"}', PLAIN | {"www-authenticate"})


def test_a_function_decides_by_the_word(story: Story) -> None:
    let_in = story.get("/cave", X_Word="open sesame")

    assert let_in.json()["requestContext"]["authorizer"] == {"lambda": {"door": "cave"}}
    assert refusal(story.get("/cave", X_Word="open barley")) == (403, '{"message":"Forbidden"}', PLAIN)
    assert refusal(story.get("/cave")) == (401, '{"message":"Unauthorized"}', PLAIN)


def test_the_owner_is_told_why_by_the_id_that_the_caller_was_told(story: Story) -> None:
    """Ids of HTTP APIs are base64, whose signs mean something in a query: one that has some is asked for."""
    ids = (story.get("/signed/1").headers["Apigw-Requestid"] for _ in range(200))
    request_id = next(one for one in ids if {"+", "/"} & set(one))
    environment = clean_environment(
        VELVETROPE_ROOT_ACCESS_KEY_ID=ROOT_KEY[0], VELVETROPE_ROOT_SECRET_ACCESS_KEY=ROOT_KEY[1]
    )
    command = [sys.executable, "-m", "velvetrope.cli", "explain", request_id]

    told = subprocess.run(
        [*command, "--state-folder", str(story.server.state_folder)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    ).stdout

    assert "the method asks for AWS_IAM and the request is not signed" in told
    assert told.endswith(f"id       {request_id}\n")


def test_a_preflight_is_answered_and_so_are_allowed_origins(story: Story) -> None:
    asks = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}
    preflight = requests.options(story.url + "/me", headers=asks)
    answer = story.get("/open", Origin="https://app.example")
    refused = story.get("/me", Origin="https://app.example")
    foreign = story.get("/open", Origin="https://other.example")

    assert (preflight.status_code, preflight.content) == (204, b"")
    for response in (preflight, answer, refused):
        assert response.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-origin" not in foreign.headers


def test_a_function_that_may_not_be_invoked_is_an_internal_error(story: Story, function: str) -> None:
    """The peers' open door: API Gateway needs the function's permission, from this API's ARN."""
    functions = aws_client(story.server, "lambda")
    functions.remove_permission(FunctionName="http-api-echo", StatementId="gateway")
    try:
        assert refusal(story.get("/open")) == (500, '{"message":"Internal Server Error"}', PLAIN)
    finally:
        functions.add_permission(
            FunctionName="http-api-echo",
            StatementId="gateway",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:*",
        )
    assert story.get("/open").status_code == 200


def test_the_control_plane_asks_for_its_own_permissions(story: Story) -> None:
    arn = f"arn:aws:apigateway:{REGION}::/apis/{story.api_id}"
    reader = user_with(
        story.server, "http-api-reader", {"Effect": "Allow", "Action": "apigateway:GET", "Resource": [arn, f"{arn}/*"]}
    )
    gateway = aws_client(story.server, "apigatewayv2", reader)

    assert gateway.get_api(ApiId=story.api_id)["Name"] == "story"
    assert gateway.get_routes(ApiId=story.api_id)["Items"]
    route = {"ApiId": story.api_id, "RouteKey": "GET /mine"}
    for operation, members in (("get_apis", {}), ("delete_api", {"ApiId": story.api_id}), ("create_route", route)):
        with pytest.raises(ClientError) as error:
            getattr(gateway, operation)(**members)
        assert error.value.response["Error"]["Code"] == "AccessDeniedException"


def test_websockets_portals_and_links_are_refused_by_name(story: Story) -> None:
    with pytest.raises(ClientError) as websocket:
        story.gateway.create_api(Name="x", ProtocolType="WEBSOCKET")
    with pytest.raises(ClientError) as link:
        story.gateway.create_vpc_link(Name="x", SubnetIds=["subnet-1"])

    assert "WEBSOCKET is not supported by velvetrope" in str(websocket.value)
    assert link.value.response["Error"]["Code"] == "NotImplemented"


TEMPLATE = {
    "AWSTemplateFormatVersion": "2010-09-09",
    "Transform": "AWS::Serverless-2016-10-31",
    "Resources": {
        "Api": {
            "Type": "AWS::Serverless::HttpApi",
            "Properties": {
                "CorsConfiguration": {"AllowOrigins": ["https://app.example"]},
                "Auth": {"EnableIamAuthorizer": True},
                "Domain": {
                    "DomainName": "sam.example.com",
                    "CertificateArn": "arn:aws:acm:us-west-2:123456789012:certificate/a",
                    "BasePath": ["v1"],
                },
                "DefaultRouteSettings": {"ThrottlingBurstLimit": 50, "ThrottlingRateLimit": 50},
            },
        },
        "Function": {
            "Type": "AWS::Serverless::Function",
            "Properties": {
                "Runtime": "python3.12",
                "Handler": "index.handler",
                "InlineCode": "def handler(event, context):\n    return {'route': event['routeKey']}\n",
                "Events": {
                    "Open": {
                        "Type": "HttpApi",
                        "Properties": {"ApiId": {"Ref": "Api"}, "Path": "/open/{id}", "Method": "get"},
                    },
                    "Signed": {
                        "Type": "HttpApi",
                        "Properties": {
                            "ApiId": {"Ref": "Api"},
                            "Path": "/signed",
                            "Method": "any",
                            "Auth": {"Authorizer": "AWS_IAM"},
                        },
                    },
                },
            },
        },
    },
    "Outputs": {"Url": {"Value": {"Fn::GetAtt": ["Api", "ApiEndpoint"]}}},
}


def test_a_sam_template_with_an_http_api_deploys_and_answers(serving: RunningServer) -> None:
    stacks = aws_client(serving, "cloudformation")
    stacks.create_stack(
        StackName="http-api",
        TemplateBody=json.dumps(TEMPLATE),
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    stacks.get_waiter("stack_create_complete").wait(StackName="http-api", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    url = stacks.describe_stacks(StackName="http-api")["Stacks"][0]["Outputs"][0]["OutputValue"]
    signed = AWSRequest(method="DELETE", url=f"{url}/signed")
    SigV4Auth(Credentials(*ROOT_KEY), "execute-api", REGION).add_auth(signed)

    assert requests.get(f"{url}/open/1").json() == {"route": "GET /open/{id}"}
    assert requests.delete(f"{url}/signed", headers=dict(signed.headers)).json() == {"route": "ANY /signed"}
    assert requests.get(f"{url}/signed").status_code == 403
    named = requests.get(f"{serving.url}/v1/open/1", headers={"Host": "sam.example.com"})
    assert named.json() == {"route": "GET /open/{id}"}
    stacks.delete_stack(StackName="http-api")
    stacks.get_waiter("stack_delete_complete").wait(StackName="http-api", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    assert requests.get(f"{url}/open/1").status_code == 403
