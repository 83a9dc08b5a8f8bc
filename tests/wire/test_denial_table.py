"""The table of denials, row by row and byte by byte, as a raw socket hears them from a real server.

A row is one situation in which API Gateway refuses; what is compared is the whole answer, from its status line to its
last byte, once the date and the two ids (checked for their form) are left out. What is let in beside each row is in
`test_gateway_lane.py` and `test_denials.py`.

Sources: API Gateway Developer Guide, "Gateway response types for API Gateway", "Identity and access … troubleshooting";
captures of AWS, as listed in the project's reference on execute-api, section 3.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest
from botocore.credentials import Credentials

from support.clients import new_user, signed
from support.days import in_one_day
from support.expired import FormerServer
from support.gateway_story import ACCOUNT, REGION, GatewayStory, RawAnswer, send_raw

INVOKE = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
JSON = "Content-Type: application/json"
VALIDATED = {
    "x-amazon-apigateway-request-validator": "all",
    "parameters": [
        {"name": "qs", "in": "query", "required": True, "schema": {"type": "string"}},
        {"name": "x-own", "in": "header", "required": True, "schema": {"type": "string"}},
    ],
    "requestBody": {"content": {"application/json": {"schema": {"type": "object", "required": ["name"]}}}},
}


class Table:
    """The story's API, one more with what its rows need, one with a resource policy, and who calls them."""

    def __init__(self, story: GatewayStory, former: FormerServer) -> None:
        self.story, self.former, self.server = story, former, story.server
        self.gateway = story.gateway
        self.rows_id = self._deploy(self._document())
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": "*",
                    "Action": "execute-api:Invoke",
                    "Resource": "execute-api:/*/GET/a",
                },
                {
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "execute-api:Invoke",
                    "Resource": "execute-api:/*/GET/b",
                },
            ],
        }
        mock = {"get": _route({"type": "mock", "requestTemplates": {"application/json": '{"statusCode": 200}'}})}
        mock["get"]["x-amazon-apigateway-integration"]["responses"] = {"default": {"statusCode": "200"}}
        paths = {"/a": mock, "/b": mock, "/c": mock}
        self.policed_id = self._deploy({"paths": paths, "x-amazon-apigateway-policy": policy})
        self.nobody = new_user(self.server, "table-nobody")
        self.invoker = new_user(self.server, "table-invoker", INVOKE)
        self.barred = new_user(self.server, "table-barred", INVOKE, {**INVOKE, "Effect": "Deny"})
        self.planless = self.gateway.create_api_key(name="planless", enabled=True)["value"]
        self.disabled = self.key_in_plan(enabled=False)
        self.throttled = self.key_in_plan(throttle={"rateLimit": 0.001, "burstLimit": 1})

    def get(self, route: str, *headers: str, api: str | None = None) -> RawAnswer:
        return self.send("GET", route, *headers, api=api)

    def send(self, method: str, route: str, *headers: str, body: bytes = b"", api: str | None = None) -> RawAnswer:
        host = self.server.url.removeprefix("http://")
        lines = [f"{method} /_api/{api or self.rows_id}/latest{route} HTTP/1.1", f"Host: {host}", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return send_raw(self.server, "\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def signed(
        self, credentials: Credentials, route: str = "/iam", *, called: str | None = None, **options: Any
    ) -> RawAnswer:
        """`called` is what is called instead of `route`, which was signed."""
        url = f"{self.server.url}/_api/{self.rows_id}/latest{route}"
        sent = signed(self.server, credentials, url=url, headers={}, **options).headers
        return self.get(called or route, *(f"{name}: {value}" for name, value in sent.items()))

    def second(self, api_key: str) -> RawAnswer:
        """The answer to a second call with a key that one call uses up."""
        self.get("/keyed", f"x-api-key: {api_key}")
        return self.get("/keyed", f"x-api-key: {api_key}")

    def expired_id_token(self) -> str:
        issuer = f"https://cognito-idp.{REGION}.amazonaws.com/{self.story.pool_id}"
        return self.former.id_token(self.story.pool_id, self.story.client_id, issuer)

    def key_in_plan(self, *, enabled: bool = True, **limits: Any) -> str:
        """The value of a new key, alone in a plan with those limits."""
        key = self.gateway.create_api_key(name="in a plan", enabled=enabled)
        stage = {"apiId": self.rows_id, "stage": "latest"}
        plan = self.gateway.create_usage_plan(name="a plan", apiStages=[stage], **limits)
        self.gateway.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
        return str(key["value"])

    def _deploy(self, document: Mapping[str, Any]) -> str:
        body = json.dumps({"openapi": "3.0.1", "info": {"title": "table"}, **document}).encode()
        api_id = str(self.gateway.import_rest_api(body=body)["id"])
        self.gateway.create_deployment(restApiId=api_id, stageName="latest")
        return api_id

    def _document(self) -> dict[str, Any]:
        header = {"type": "apiKey", "in": "header", "name": "Authorization"}
        pool_arn = f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{self.story.pool_id}"
        mock = {
            "type": "mock",
            "requestTemplates": {"application/json": '{"statusCode": 200}'},
            "responses": {"default": {"statusCode": "200"}},
        }
        not_base64 = {"application/json": "no base64!"}
        decoded = {"statusCode": "200", "contentHandling": "CONVERT_TO_BINARY", "responseTemplates": not_base64}
        undecodable = {**mock, "responses": {"default": decoded}}
        unheard, strict = "lane-forbidden", {"identityValidationExpression": "^let .*"}
        return {
            "components": {
                "securitySchemes": {
                    "iam": {**header, "x-amazon-apigateway-authtype": "awsSigv4"},
                    "api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
                    "pool": {
                        **header,
                        "x-amazon-apigateway-authtype": "cognito_user_pools",
                        "x-amazon-apigateway-authorizer": {"type": "cognito_user_pools", "providerARNs": [pool_arn]},
                    },
                    "guard": {**header, **_guarded("lane-guard")},
                    "strict": {**header, **_guarded("lane-guard", **strict)},
                    "unheard": {**header, **_guarded(unheard)},
                    "absent": {**header, **_guarded("nobody-made-this")},
                },
            },
            "x-amazon-apigateway-request-validators": {
                "all": {"validateRequestBody": True, "validateRequestParameters": True}
            },
            "paths": {
                "/open": {"get": _route(mock), "post": _route(mock)},
                "/iam": {"get": _route(mock, "iam")},
                "/iam/{id}": {"get": _route(mock, "iam")},
                "/keyed": {"get": _route(mock, "api_key")},
                "/keyed-iam": {"get": _route(mock, "iam", "api_key")},
                "/pool": {"get": _route(mock, "pool")},
                "/pool/{id}": {"get": _route(mock, "pool")},
                "/scoped": {"get": _route(mock, "pool", scopes=["other/scope"])},
                **{f"/{name}": {"get": _route(mock, name)} for name in ("guard", "strict", "unheard", "absent")},
                "/validated": {"post": _route(mock, **VALIDATED)},
                "/never": {"post": _route(_function("plain", "aws", passthroughBehavior="never"))},
                "/echo": {"post": _route(_function("handler"))},
                "/misshapen": {"get": _route(_function("misshapen"))},
                # It looks for an authorizer's event.
                "/failing": {"get": _route(_function("guard"))},
                "/forbidden": {"get": _route(_function("forbidden"))},
                "/by-get": {"get": _route({**_function("handler"), "httpMethod": "GET"})},
                "/slow": {"get": _route(_function("slow", timeoutInMillis=50))},
                "/nobody": {"get": _route({"type": "http_proxy", "httpMethod": "GET", "uri": "http://127.0.0.1:9/"})},
                "/undecodable": {"get": _route(undecodable)},
            },
        }


def _guarded(function: str, **members: Any) -> dict[str, Any]:
    uri = _function(function.removeprefix("lane-"))["uri"] if function.startswith("lane-") else _uri(function)
    return {
        "x-amazon-apigateway-authtype": "custom",
        "x-amazon-apigateway-authorizer": {
            "type": "token",
            "authorizerUri": uri,
            "authorizerResultTtlInSeconds": 0,
            **members,
        },
    }


def _uri(function: str) -> str:
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"
    return f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations"


def _function(name: str, kind: str = "aws_proxy", **members: Any) -> dict[str, Any]:
    return {"type": kind, "httpMethod": "POST", "uri": _uri(f"lane-{name}"), **members}


def _route(integration: Mapping[str, Any], *security: str, scopes: Any = (), **members: Any) -> dict[str, Any]:
    made = {"responses": {"200": {"description": "ok"}}, "x-amazon-apigateway-integration": integration, **members}
    return {**made, "security": [{name: list(scopes)} for name in security]} if security else made


@pytest.fixture(scope="module")
def table(gateway_story: GatewayStory, tmp_path_factory: pytest.TempPathFactory) -> Table:
    return Table(gateway_story, FormerServer(gateway_story.server, tmp_path_factory.mktemp("former") / "state"))


class Row(NamedTuple):
    """A call, and what it hears: status, `x-amzn-ErrorType`, and the body, with `API` for the id of what was called."""

    call: Callable[[Table], RawAnswer]
    status: str
    error_type: str
    body: str


def digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def member(text: str, *, name: str = "message", spaced: bool = False) -> str:
    return json.dumps({name: text}, separators=(",", ": " if spaced else ":"))


MISSING = ("403 Forbidden", "MissingAuthenticationTokenException", member("Missing Authentication Token"))
FORBIDDEN = ("403 Forbidden", "ForbiddenException", member("Forbidden"))
UNAUTHORIZED = ("401 Unauthorized", "UnauthorizedException", member("Unauthorized"))
INCOMPLETE = ("403 Forbidden", "IncompleteSignatureException")
INVALID = ("403 Forbidden", "InvalidSignatureException")
UNRECOGNIZED = ("403 Forbidden", "UnrecognizedClientException")
DENIED = ("403 Forbidden", "AccessDeniedException")
BAD = ("400 Bad Request", "BadRequestException")
MISCONFIGURED = ("500 Internal Server Error", "AuthorizerConfigurationException", '{"message":null}')
FAULT = ("InternalServerErrorException", member("Internal server error", spaced=True))
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details.\n\nThe Canonical String for this request "
    "should have been\n'ANY'\n\nThe String-to-Sign should have been\n'ANY'\n"
)
PARTS = ("Credential", "Signature", "SignedHeaders")
DATE = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
AUTH = "Authorization: "
ME = f"arn:aws:execute-api:{REGION}:********{ACCOUNT[-4:]}:API/latest/GET"


def missing(authorization: str, *parts: str, date: str = DATE) -> str:
    needs = "".join(f"Authorization header requires '{part}' parameter. " for part in parts)
    return member(f"{needs}{date}(Hashed with SHA-256 and encoded with Base64) Authorization={digest(authorization)}")


def refused_by_policy(who: str, resource: str, because: str) -> str:
    return member(
        f"User: {who} is not authorized to perform: execute-api:Invoke on resource: {resource} {because}",
        name="Message",
    )


def refused_by_guard(because: str) -> str:
    return member(f"User is not authorized to access this resource {because}", name="Message")


def bare_word(route: str) -> Row:
    text = (
        "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with "
        f"Base64): '{digest('Bearer abc')}'."
    )
    return Row(lambda t: t.get(route, AUTH + "Bearer abc"), *INCOMPLETE, member(text))


def padded_word(route: str) -> Row:
    return Row(lambda t: t.get(route, AUTH + "Bearer YQ=="), *INCOMPLETE, missing("Bearer YQ==", *PARTS))


SILENT = "because no identity-based policy allows the execute-api:Invoke action"
USER = f"arn:aws:iam::{ACCOUNT}:user/"
GOOD_CLAIM = "AWS4-HMAC-SHA256 Credential=a/20260101/us-west-2/execute-api/aws4_request"
ROWS: dict[str, Row] = {
    "unknown stage": Row(lambda t: t.get("/open", api="nosuchapi0"), *FORBIDDEN),
    "no route, no Authorization header": Row(lambda t: t.get("/nowhere"), *MISSING),
    "path exists, method does not": Row(lambda t: t.send("PUT", "/open"), *MISSING),
    "AWS_IAM method, unsigned": Row(lambda t: t.get("/iam"), *MISSING),
    "AWS_IAM method with a key, neither signed nor keyed": Row(lambda t: t.get("/keyed-iam"), *MISSING),
    "no route, with a bare word": bare_word("/nowhere"),
    "AWS_IAM, with a bare word": bare_word("/iam"),
    "no route, with a word that has an equal sign": padded_word("/nowhere"),
    "AWS_IAM, with a word that has an equal sign": padded_word("/iam"),
    "only the missing parts are listed: no signature": Row(
        lambda t: t.get("/iam", f"{AUTH}{GOOD_CLAIM}, SignedHeaders=host"),
        *INCOMPLETE,
        missing(f"{GOOD_CLAIM}, SignedHeaders=host", "Signature"),
    ),
    "only the missing parts are listed: no date": Row(
        lambda t: t.get("/iam", f"{AUTH}{GOOD_CLAIM}, SignedHeaders=host, Signature=a"),
        *INCOMPLETE,
        missing(f"{GOOD_CLAIM}, SignedHeaders=host, Signature=a"),
    ),
    "wrong secret": Row(lambda t: t.signed(Credentials(t.invoker.access_key, "w" * 40)), *INVALID, member(MISMATCH)),
    "altered request": Row(lambda t: t.signed(t.invoker, called="/iam?a=1"), *INVALID, member(MISMATCH)),
    "wrong service in scope": Row(
        lambda t: t.signed(t.invoker, service="s3"),
        *INVALID,
        member("Credential should be scoped to correct service: 'execute-api'. "),
    ),
    "wrong region in scope": Row(
        lambda t: t.signed(t.invoker, region="eu-west-1"),
        *INVALID,
        member("Credential should be scoped to a valid region, not 'eu-west-1'. "),
    ),
    "wrong region and service in scope": Row(
        lambda t: t.signed(t.invoker, region="eu-west-1", service="s3"),
        *INVALID,
        member(
            "Credential should be scoped to a valid region, not 'eu-west-1'. "
            "Credential should be scoped to correct service: 'execute-api'. "
        ),
    ),
    "unknown access key id": Row(
        lambda t: t.signed(Credentials("AKIAINVENTED00000000", "x" * 40)),
        *UNRECOGNIZED,
        member("The security token included in the request is invalid."),
    ),
    "bad session token": Row(
        lambda t: t.signed(Credentials(t.invoker.access_key, t.invoker.secret_key, "undefined")),
        *UNRECOGNIZED,
        member("The security token included in the request is invalid"),
    ),
    "expired session token": Row(
        lambda t: t.signed(t.former.session()),
        "403 Forbidden",
        "ExpiredTokenException",
        member("The security token included in the request is expired"),
    ),
    "IAM identity not allowed": Row(
        lambda t: t.signed(t.nobody), *DENIED, refused_by_policy(f"{USER}table-nobody", f"{ME}/iam", SILENT)
    ),
    "IAM explicit deny": Row(
        lambda t: t.signed(t.barred),
        *DENIED,
        refused_by_policy(f"{USER}table-barred", f"{ME}/iam", "with an explicit deny in an identity-based policy"),
    ),
    "resource policy, implicit, anonymous": Row(
        lambda t: t.get("/c", api=t.policed_id),
        *DENIED,
        refused_by_policy(
            "anonymous", f"{ME}/c", "because no resource-based policy allows the execute-api:Invoke action"
        ),
    ),
    "resource policy, explicit, anonymous": Row(
        lambda t: t.get("/b", api=t.policed_id),
        *DENIED,
        refused_by_policy("anonymous", f"{ME}/b", "with an explicit deny in a resource-based policy"),
    ),
    "Lambda authorizer, policy denies explicitly": Row(
        lambda t: t.get("/guard", AUTH + "deny"),
        *DENIED,
        refused_by_guard("with an explicit deny in an identity-based policy"),
    ),
    "Lambda authorizer, nothing matches": Row(
        lambda t: t.get("/guard", AUTH + "elsewhere"), *DENIED, refused_by_guard(SILENT)
    ),
    "Lambda authorizer, identity source missing": Row(lambda t: t.get("/guard"), *UNAUTHORIZED),
    "Lambda authorizer, validation expression fails": Row(lambda t: t.get("/strict", AUTH + "deny"), *UNAUTHORIZED),
    "Lambda authorizer throws exactly Unauthorized": Row(
        lambda t: t.get("/guard", AUTH + "unauthorized"), *UNAUTHORIZED
    ),
    "Cognito authorizer, identity source missing": Row(lambda t: t.get("/pool"), *UNAUTHORIZED),
    "Cognito authorizer, no token": Row(lambda t: t.get("/pool", AUTH + "Bearer abc"), *UNAUTHORIZED),
    "Cognito authorizer, bad signature": Row(
        lambda t: t.get("/pool", AUTH + t.story.token()[:-6] + "AAAAAA"), *UNAUTHORIZED
    ),
    "Cognito authorizer, wrong token type": Row(
        lambda t: t.get("/pool", AUTH + t.story.token("AccessToken")), *UNAUTHORIZED
    ),
    "Cognito authorizer, wrong token type for scopes": Row(
        lambda t: t.get("/scoped", AUTH + t.story.token()), *UNAUTHORIZED
    ),
    "Cognito authorizer, scope not matched": Row(
        lambda t: t.get("/scoped", AUTH + t.story.token("AccessToken")), *UNAUTHORIZED
    ),
    "Cognito authorizer, well-formed but expired token": Row(
        lambda t: t.get("/pool", AUTH + t.expired_id_token()),
        "401 Unauthorized",
        "UnauthorizedException",
        member("The incoming token has expired"),
    ),
    "authorizer output unparsable": Row(lambda t: t.get("/guard", AUTH + "nonsense"), *MISCONFIGURED),
    "authorizer cannot be invoked": Row(lambda t: t.get("/absent", AUTH + "x"), *MISCONFIGURED),
    "authorizer without invoke permission": Row(lambda t: t.get("/unheard", AUTH + "x"), *MISCONFIGURED),
    "authorizer function raises any other error": Row(
        lambda t: t.get("/guard", AUTH + "broken"),
        "500 Internal Server Error",
        "AuthorizerFailureException",
        '{"message":null}',
    ),
    "API key missing": Row(lambda t: t.get("/keyed"), *FORBIDDEN),
    "API key unknown": Row(lambda t: t.get("/keyed", "x-api-key: wrong"), *FORBIDDEN),
    "API key disabled": Row(lambda t: t.get("/keyed", f"x-api-key: {t.disabled}"), *FORBIDDEN),
    "API key in no plan of this stage": Row(lambda t: t.get("/keyed", f"x-api-key: {t.planless}"), *FORBIDDEN),
    "plan throttle": Row(
        lambda t: t.second(t.throttled),
        "429 Too Many Requests",
        "TooManyRequestsException",
        member("Too Many Requests"),
    ),
    "plan quota used up": Row(
        lambda t: in_one_day(lambda: t.second(t.key_in_plan(quota={"limit": 1, "period": "MONTH"}))),
        "429 Too Many Requests",
        "LimitExceededException",
        member("Limit Exceeded"),
    ),
    "validator: parameters": Row(
        lambda t: t.send("POST", "/validated", JSON, body=b"{}"),
        *BAD,
        member("Missing required request parameters: [x-own, qs]", spaced=True),
    ),
    "validator: body": Row(
        lambda t: t.send("POST", "/validated?qs=1", JSON, "x-own: 1", body=b"{}"),
        *BAD,
        member("Invalid request body", spaced=True),
    ),
    "content type not matched, passthrough NEVER": Row(
        lambda t: t.send("POST", "/never", "Content-Type: text/xml", body=b"<x/>"),
        "415 Unsupported Media Type",
        "BadRequestException",
        member("Unsupported Media Type", spaced=True),
    ),
    "Lambda rejects payload as too large": Row(
        lambda t: t.send("POST", "/echo", "Content-Type: text/plain", body=b"x" * 6_500_000),
        "413 Request Entity Too Large",
        "RequestTooLargeException",
        member("Request Too Long"),
    ),
    "method ARN over 1600 bytes": Row(
        lambda t: t.signed(t.invoker, f"/iam/{'x' * 1600}"),
        "414 Request-URI Too Long",
        "RequestTooLargeException",
        member("Request URI too long"),
    ),
    "method ARN over 1600 bytes, by token": Row(
        lambda t: t.get(f"/pool/{'x' * 1600}", AUTH + t.story.token()),
        "414 Request-URI Too Long",
        "RequestTooLargeException",
        member("Request URI too long"),
    ),
    "Lambda proxy response malformed": Row(lambda t: t.get("/misshapen"), "502 Bad Gateway", *FAULT),
    "function error": Row(lambda t: t.get("/failing"), "502 Bad Gateway", *FAULT),
    "API Gateway not permitted to invoke function": Row(
        lambda t: t.get("/forbidden"), "500 Internal Server Error", *FAULT
    ),
    "integration method not POST": Row(lambda t: t.get("/by-get"), "500 Internal Server Error", *FAULT),
    "integration longer than timeoutInMillis": Row(
        lambda t: t.get("/slow"),
        "504 Gateway Timeout",
        "InternalServerErrorException",
        member("Endpoint request timed out", spaced=True),
    ),
    "backend network failure": Row(
        lambda t: t.get("/nobody"),
        "504 Gateway Timeout",
        "InternalServerErrorException",
        member("Network error communicating with endpoint", spaced=True),
    ),
    "base64 decode failure on response": Row(lambda t: t.get("/undecodable"), "500 Internal Server Error", *FAULT),
}


def wire_form(answer: RawAnswer) -> str:
    """The whole answer, but for the date, the ids and the two strings that a mismatch shows."""
    lines = [answer.status_line, *(f"{name}: {value}" for name, value in answer.headers)]
    head = "\r\n".join(lines) + "\r\n\r\n"
    head = re.sub(r"(?m)^date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r$", "date: DATE\r", head)
    head = re.sub(r"(?m)^(x-amzn-RequestId): [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\r$", r"\1: ID\r", head)
    head = re.sub(r"(?m)^(x-amz-apigw-id): [\w+/]{15}=\r$", r"\1: ID\r", head)
    body = re.sub(r"should have been\\n'[^']*'", r"should have been\\n'ANY'", answer.body.decode())
    if "'ANY'" in body:
        # It is as long as the strings that it shows.
        head = re.sub(r"Content-Length: \d+", "Content-Length: ANY", head)
    return head + body


@pytest.mark.parametrize("name", ROWS)
def test_a_row_of_the_table_is_answered_byte_for_byte(table: Table, name: str) -> None:
    row = ROWS[name]

    answer = row.call(table)

    assert answer.header("Content-Length") == str(len(answer.body))
    api_id = table.policed_id if name.startswith("resource policy") else table.rows_id
    body = row.body.replace("API/", f"{api_id}/")
    length = "ANY" if "'ANY'" in body else len(body)
    assert wire_form(answer) == (
        f"HTTP/1.1 {row.status}\r\ndate: DATE\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n"
        f"x-amzn-RequestId: ID\r\nx-amz-apigw-id: ID\r\nx-amzn-ErrorType: {row.error_type}\r\n\r\n{body}"
    )
