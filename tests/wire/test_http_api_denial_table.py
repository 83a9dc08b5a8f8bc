"""What an HTTP API says when it refuses, row by row and byte by byte, as a raw socket hears it from a real server.

It says less than a REST API: the words of the status, and no `x-amzn-ErrorType`. What is let in beside each row is in
`test_http_apis.py`.

Sources: API Gateway Developer Guide, "Control access to HTTP APIs with JWT authorizers", "Troubleshooting HTTP API
Lambda integrations"; UNVERIFIED rows are named in `execute_api.http_apis.errors`.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from botocore.credentials import Credentials

from support.clients import aws_client, new_user, signed
from support.gateway_story import ACCOUNT, REGION, GatewayStory, RawAnswer, send_raw

INVOKE = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
ISSUER = f"https://cognito-idp.{REGION}.amazonaws.com/"


class Table:
    """An HTTP API with what its rows need, and who calls it."""

    def __init__(self, story: GatewayStory) -> None:
        self.story, self.server = story, story.server
        self.gateway = aws_client(story.server, "apigatewayv2")
        self.api_id = self.gateway.create_api(Name="table", ProtocolType="HTTP")["ApiId"]
        self.nobody = new_user(self.server, "http-table-nobody")
        self.invoker = new_user(self.server, "http-table-invoker", INVOKE)
        jwt = self._authorizer(
            AuthorizerType="JWT",
            IdentitySource=["$request.header.Authorization"],
            JwtConfiguration={"Issuer": ISSUER + story.pool_id, "Audience": [story.client_id]},
        )
        nobodys = self._authorizer(
            AuthorizerType="REQUEST",
            IdentitySource=["$request.header.Authorization"],
            AuthorizerUri=_uri("lane-forbidden"),
            AuthorizerPayloadFormatVersion="2.0",
            EnableSimpleResponses=True,
        )
        handler = self._integration(_function("handler"))
        self._route("POST /echo", handler)
        self._route("GET /throttled", handler)
        self._route("ANY /iam/{id}", handler, AuthorizationType="AWS_IAM")
        self._route("GET /jwt", handler, AuthorizationType="JWT", AuthorizerId=jwt)
        self._route("GET /scoped", handler, AuthorizationType="JWT", AuthorizerId=jwt, AuthorizationScopes=["a/b"])
        self._route("GET /asked", handler, AuthorizationType="CUSTOM", AuthorizerId=nobodys)
        self._route("GET /failing", self._integration(_function("guard")))
        self._route("GET /forbidden", self._integration(_function("forbidden")))
        self._route("GET /slow", self._integration(_function("slow"), TimeoutInMillis=50))
        proxied = {"IntegrationType": "HTTP_PROXY", "IntegrationMethod": "GET", "PayloadFormatVersion": "1.0"}
        self._route("GET /nobody", self._integration("http://127.0.0.1:9/", **proxied))
        limits = {"GET /throttled": {"ThrottlingBurstLimit": 0, "ThrottlingRateLimit": 0}}
        self.gateway.create_stage(ApiId=self.api_id, StageName="$default", RouteSettings=limits, AutoDeploy=True)

    def get(self, route: str, *headers: str, method: str = "GET", body: bytes = b"") -> RawAnswer:
        host = self.server.url.removeprefix("http://")
        lines = [f"{method} /_api/{self.api_id}{route} HTTP/1.1", f"Host: {host}", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return send_raw(self.server, "\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def signed(self, credentials: Credentials, route: str = "/iam/1", **options: Any) -> RawAnswer:
        url = f"{self.server.url}/_api/{self.api_id}{route}"
        sent = signed(self.server, credentials, url=url, headers={}, **options).headers
        return self.get(route, *(f"{name}: {value}" for name, value in sent.items()))

    def _authorizer(self, **members: Any) -> str:
        return str(
            self.gateway.create_authorizer(ApiId=self.api_id, Name=members["AuthorizerType"], **members)["AuthorizerId"]
        )

    def _integration(self, uri: str, **members: Any) -> str:
        made = {"IntegrationType": "AWS_PROXY", "PayloadFormatVersion": "2.0", **members}
        created = self.gateway.create_integration(ApiId=self.api_id, IntegrationUri=uri, **made)
        return f"integrations/{created['IntegrationId']}"

    def _route(self, key: str, target: str, **members: Any) -> None:
        self.gateway.create_route(ApiId=self.api_id, RouteKey=key, Target=target, **members)


def _function(name: str) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:lane-{name}"


def _uri(function: str) -> str:
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"
    return f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations"


@pytest.fixture(scope="module")
def table(gateway_story: GatewayStory) -> Table:
    return Table(gateway_story)


class Row(NamedTuple):
    """A call, and what it hears: status, the words of the body, and the challenge that goes with a 401."""

    call: Callable[[Table], RawAnswer]
    status: str
    words: str
    challenge: str = ""


FORBIDDEN = ("403 Forbidden", "Forbidden")
UNAUTHORIZED = ("401 Unauthorized", "Unauthorized")
INTERNAL = ("500 Internal Server Error", "Internal Server Error")
AUTH = "Authorization: "
ROWS: dict[str, Row] = {
    "no route": Row(lambda t: t.get("/nowhere"), "404 Not Found", "Not Found"),
    "path exists, method does not": Row(lambda t: t.get("/echo"), "404 Not Found", "Not Found"),
    "AWS_IAM, unsigned": Row(lambda t: t.get("/iam/1"), *FORBIDDEN),
    "AWS_IAM, a bare word": Row(lambda t: t.get("/iam/1", AUTH + "Bearer abc"), *FORBIDDEN),
    "AWS_IAM, wrong secret": Row(lambda t: t.signed(Credentials(t.invoker.access_key, "w" * 40)), *FORBIDDEN),
    "AWS_IAM, wrong service in scope": Row(lambda t: t.signed(t.invoker, service="s3"), *FORBIDDEN),
    "AWS_IAM, unknown access key id": Row(
        lambda t: t.signed(Credentials("AKIAINVENTED00000000", "x" * 40)), *FORBIDDEN
    ),
    "AWS_IAM, not allowed": Row(lambda t: t.signed(t.nobody), *FORBIDDEN),
    "AWS_IAM, method ARN over 1600 bytes": Row(lambda t: t.signed(t.invoker, f"/iam/{'x' * 1600}"), *FORBIDDEN),
    "JWT, no token": Row(lambda t: t.get("/jwt"), *UNAUTHORIZED, "Bearer"),
    "JWT, no token at all": Row(
        lambda t: t.get("/jwt", AUTH + "Bearer abc"), *UNAUTHORIZED, 'Bearer scope="" error="invalid_token"'
    ),
    "JWT, bad signature": Row(
        lambda t: t.get("/jwt", f"{AUTH}Bearer {t.story.token()[:-6]}AAAAAA"),
        *UNAUTHORIZED,
        'Bearer scope="" error="invalid_token"',
    ),
    "JWT, without the scope": Row(
        lambda t: t.get("/scoped", f"{AUTH}Bearer {t.story.token('AccessToken')}"),
        *FORBIDDEN,
        'Bearer scope="a/b" error="insufficient_scope"',
    ),
    "Lambda authorizer, identity source missing": Row(lambda t: t.get("/asked"), *UNAUTHORIZED),
    "Lambda authorizer, no permission to invoke": Row(lambda t: t.get("/asked", AUTH + "x"), *INTERNAL),
    "route throttle": Row(lambda t: t.get("/throttled"), "429 Too Many Requests", "Too Many Requests"),
    "body over 10 MB": Row(
        lambda t: t.get("/echo", "Content-Length: 10485761", method="POST"),
        "413 Request Entity Too Large",
        "Request Entity Too Large",
    ),
    "Lambda rejects payload as too large": Row(
        lambda t: t.get("/echo", "Content-Type: text/plain", method="POST", body=b"x" * 6_500_000),
        "413 Request Entity Too Large",
        "Request Entity Too Large",
    ),
    "function error": Row(lambda t: t.get("/failing"), *INTERNAL),
    "API Gateway not permitted to invoke function": Row(lambda t: t.get("/forbidden"), *INTERNAL),
    "integration longer than its timeout": Row(
        lambda t: t.get("/slow"), "503 Service Unavailable", "Service Unavailable"
    ),
    "backend network failure": Row(lambda t: t.get("/nobody"), "502 Bad Gateway", "Bad Gateway"),
}


def wire_form(answer: RawAnswer) -> str:
    """The whole answer, but for the date and the id, in the order in which they came."""
    lines = [answer.status_line, *(f"{name}: {value}" for name, value in answer.headers)]
    head = "\r\n".join(lines) + "\r\n\r\n"
    head = re.sub(r"(?m)^date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r$", "date: DATE\r", head)
    return re.sub(r"(?m)^Apigw-Requestid: [\w+/]{15}=\r$", "Apigw-Requestid: ID\r", head) + answer.body.decode()


@pytest.mark.parametrize("name", ROWS)
def test_a_row_of_the_table_is_answered_byte_for_byte(table: Table, name: str) -> None:
    row = ROWS[name]

    answer = row.call(table)

    body = f'{{"message":"{row.words}"}}'
    challenge = f"WWW-Authenticate: {row.challenge}\r\n" if row.challenge else ""
    assert wire_form(answer) == (
        f"HTTP/1.1 {row.status}\r\ndate: DATE\r\nContent-Type: application/json\r\n{challenge}"
        f"Content-Length: {len(body)}\r\nApigw-Requestid: ID\r\n\r\n{body}"
    )
