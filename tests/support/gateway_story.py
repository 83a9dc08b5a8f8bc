"""One deployed REST API on a real server with a route for each way in and each thing behind it, made by boto3."""

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from support.clients import aws_client
from support.running import RunningServer
from support.zips import make_zip

ACCOUNT, REGION = "123456789012", "us-west-2"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/"
SOURCE = """
import json, time

def handler(event, context):
    return {"statusCode": 200, "headers": {"X-From": "function"}, "body": json.dumps(event)}

def plain(event, context):
    if event.get("fail"):
        raise ValueError("[BadRequest] " + event["fail"])
    return {"heard": event}

def misshapen(event, context):
    return {"statusCode": 200, "surprise": True}

def slow(event, context):
    time.sleep(5)

def guard(event, context):
    token = event["authorizationToken"]
    if token == "unauthorized":
        raise Exception("Unauthorized")
    if token == "broken":
        raise Exception("boom")
    if token == "nonsense":
        return "Allow"
    effect = "Deny" if token == "deny" else "Allow"
    resource = event["methodArn"] if token != "elsewhere" else "arn:aws:execute-api:us-west-2:1:a/b/GET/c"
    return {
        "principalId": "guarded-user",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource}],
        },
        "context": {"tier": "gold"},
        "usageIdentifierKey": token,
    }
"""


class RawAnswer(NamedTuple):
    """An answer as it stands on the wire."""

    status_line: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def status(self) -> int:
        return int(self.status_line.split(" ")[1])

    def header(self, name: str) -> str | None:
        return next((value for one, value in self.headers if one.lower() == name.lower()), None)


def send_raw(server: RunningServer, request: bytes) -> RawAnswer:
    """What the server answers to these bytes, on a connection of their own."""
    with socket.create_connection(("localhost", server.port), timeout=20) as connection:
        connection.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received:
            part = connection.recv(65_536)
            assert part, received
            received += part
        head, _, body = received.partition(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
        while len(body) < length:
            part = connection.recv(65_536)
            assert part, body
            body += part
    return RawAnswer(status_line, headers, body)


class HttpBackend:
    """A web server of the author's own."""

    def __init__(self) -> None:
        backend = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def __getattr__(self, name: str) -> Any:
                # Whatever the verb, the answer is the same.
                if name.startswith("do_"):
                    return self._answer
                raise AttributeError(name)

            def _answer(self) -> None:
                backend.targets.append(self.path)
                backend.headers.append(dict(self.headers))
                length = int(self.headers.get("Content-Length", 0))
                body = json.dumps({"path": self.path, "body": self.rfile.read(length).decode()}).encode()
                if "stream" in self.path:
                    self.send_response(200)
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    for part in (b"one", b"two"):
                        self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
                        self.wfile.flush()
                        if part == b"one":
                            backend.go_on.wait(10)
                    self.wfile.write(b"0\r\n\r\n")
                    return
                self.send_response(201)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("X-Backend", "yes")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: Any) -> None:
                pass

        self.targets: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.go_on = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class GatewayStory:
    """The API, and what is around it."""

    def __init__(self, server: RunningServer, role: str, backend: HttpBackend) -> None:
        self.server = server
        self.backend = backend
        self.gateway = aws_client(server, "apigateway")
        self._make_functions(role)
        self._make_pool()
        self._make_queue()
        self._deploy()

    def path(self, route: str) -> str:
        return f"/_api/{self.api_id}/latest{route}"

    def url(self, route: str) -> str:
        return self.server.url + self.path(route)

    def token(self, use: str = "IdToken") -> str:
        """A token of the pool's only user."""
        answer = aws_client(self.server, "cognito-idp").initiate_auth(
            ClientId=self.client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": "maria", "PASSWORD": "Correct-horse-1"},
        )
        return str(answer["AuthenticationResult"][use])

    def raw(self, method: str, route: str, *headers: str, body: bytes = b"") -> RawAnswer:
        """One request over a socket of its own; headers are whole lines."""
        lines = [f"{method} {self.path(route)} HTTP/1.1", "Host: localhost", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return send_raw(self.server, "\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def _make_functions(self, role: str) -> None:
        functions = aws_client(self.server, "lambda")
        for name in ("handler", "plain", "misshapen", "slow", "guard", "forbidden"):
            functions.create_function(
                FunctionName=f"lane-{name}",
                Role=role,
                Runtime="python3.12",
                Handler=f"main.{name.replace('forbidden', 'handler')}",
                Code={"ZipFile": make_zip({"main.py": SOURCE})},
                Timeout=10,
            )
            if name != "forbidden":
                functions.add_permission(
                    FunctionName=f"lane-{name}",
                    StatementId="gateway",
                    Action="lambda:InvokeFunction",
                    Principal="apigateway.amazonaws.com",
                    SourceArn=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:*",
                )

    def _make_pool(self) -> None:
        pools = aws_client(self.server, "cognito-idp")
        self.pool_id = pools.create_user_pool(PoolName="lane")["UserPool"]["Id"]
        self.client_id = pools.create_user_pool_client(
            UserPoolId=self.pool_id, ClientName="web", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"]
        )["UserPoolClient"]["ClientId"]
        pools.admin_create_user(
            UserPoolId=self.pool_id,
            Username="maria",
            MessageAction="SUPPRESS",
            UserAttributes=[
                {"Name": "email", "Value": "maria@example.com"},
                {"Name": "email_verified", "Value": "true"},
            ],
        )
        pools.admin_set_user_password(
            UserPoolId=self.pool_id, Username="maria", Password="Correct-horse-1", Permanent=True
        )

    def _make_queue(self) -> None:
        queues = aws_client(self.server, "sqs")
        self.queue_url = queues.create_queue(QueueName="lane")["QueueUrl"]
        iam = aws_client(self.server, "iam")
        trust = {"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}
        iam.create_role(
            RoleName="lane-untrusting",
            AssumeRolePolicyDocument=json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [{**trust, "Principal": {"Service": "lambda.amazonaws.com"}}],
                }
            ),
        )
        for name, statements in {
            "lane-sender": [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}],
            "lane-invoker": [{"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "*"}],
            "lane-idle": [],
        }.items():
            iam.create_role(
                RoleName=name,
                AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
            )
            if statements:
                iam.put_role_policy(
                    RoleName=name,
                    PolicyName="given",
                    PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
                )

    def _deploy(self) -> None:
        document = json.dumps(self._document()).encode()
        self.api_id = str(self.gateway.import_rest_api(body=document)["id"])
        self.gateway.create_deployment(restApiId=self.api_id, stageName="latest", variables={"who": "maria"})

    def _document(self) -> dict[str, Any]:
        def function(name: str, kind: str = "aws_proxy", **members: Any) -> dict[str, Any]:
            arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:lane-{name}"
            uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations"
            return {"type": kind, "httpMethod": "POST", "uri": uri, **members}

        def route(integration: dict[str, Any], security: str = "", scopes: Any = (), **members: Any) -> dict[str, Any]:
            made: dict[str, Any] = {
                "responses": {"200": {"description": "ok"}, "400": {"description": "bad"}},
                "x-amazon-apigateway-integration": integration,
                **members,
            }
            if security:
                made["security"] = [{name: list(scopes)} for name in security.split()]
            return made

        def queue(role: str) -> dict[str, Any]:
            return {
                "type": "aws",
                "httpMethod": "POST",
                "uri": f"arn:aws:apigateway:{REGION}:sqs:path/{ACCOUNT}/lane",
                "credentials": f"arn:aws:iam::{ACCOUNT}:role/{role}",
                "requestParameters": {
                    "integration.request.header.Content-Type": "'application/x-amz-json-1.0'",
                    "integration.request.header.X-Amz-Target": "'AmazonSQS.SendMessage'",
                },
                "requestTemplates": {
                    "application/json": json.dumps({"QueueUrl": self.queue_url, "MessageBody": "BODY"}).replace(
                        '"BODY"', '"$util.escapeJavaScript($input.body)"'
                    )
                },
                "responses": {
                    "default": {"statusCode": "200", "responseTemplates": {"application/json": '{"sent":true}'}},
                    "4\\d{2}": {"statusCode": "400", "responseTemplates": {"application/json": '{"sent":false}'}},
                },
            }

        in_path = {"integration.request.path.proxy": "method.request.path.proxy"}
        proxied = [{"name": "proxy", "in": "path", "required": True, "schema": {"type": "string"}}]
        echo, mock = (
            function("handler"),
            {
                "type": "mock",
                "requestTemplates": {"application/json": '{"statusCode": 200}'},
                "responses": {
                    "default": {"statusCode": "200", "responseTemplates": {"application/json": '{"ok":true}'}}
                },
            },
        )
        header = {"type": "apiKey", "in": "header", "name": "Authorization"}
        guard = function("guard")["uri"]
        validated: dict[str, Any] = {
            "x-amazon-apigateway-request-validator": "all",
            "parameters": [{"name": "q", "in": "query", "required": True, "schema": {"type": "string"}}],
            "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}}},
        }
        return {
            "openapi": "3.0.1",
            "info": {"title": "lane", "version": "1"},
            "components": {
                "schemas": {
                    "Item": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
                },
                "securitySchemes": {
                    "iam": {**header, "x-amazon-apigateway-authtype": "awsSigv4"},
                    "api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
                    "pool": {
                        **header,
                        "x-amazon-apigateway-authtype": "cognito_user_pools",
                        "x-amazon-apigateway-authorizer": {
                            "type": "cognito_user_pools",
                            "providerARNs": [f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{self.pool_id}"],
                        },
                    },
                    "guard": {
                        **header,
                        "x-amazon-apigateway-authtype": "custom",
                        "x-amazon-apigateway-authorizer": {
                            "type": "token",
                            "authorizerUri": guard,
                            "authorizerResultTtlInSeconds": 0,
                        },
                    },
                },
            },
            "x-amazon-apigateway-request-validators": {
                "all": {"validateRequestBody": True, "validateRequestParameters": True}
            },
            "paths": {
                "/open": {"get": route(mock), "post": route(mock)},
                "/echo": {"get": route(echo), "post": route(echo)},
                "/iam": {"get": route(echo, "iam")},
                "/keyed": {"get": route(mock, "api_key")},
                "/pool": {"get": route(echo, "pool")},
                "/scoped": {"get": route(echo, "pool", ["aws.cognito.signin.user.admin", "other/scope"])},
                "/unscoped": {"get": route(echo, "pool", ["other/scope"])},
                "/guarded": {"get": route(echo, "guard")},
                "/misshapen": {"get": route(function("misshapen"))},
                "/slow": {"get": route(function("slow", timeoutInMillis=50))},
                "/forbidden": {"get": route(function("forbidden"))},
                "/plain": {
                    "post": route(
                        function(
                            "plain",
                            "aws",
                            requestTemplates={
                                "application/json": '{"who":"$stageVariables.who","fail":"$input.params(\'fail\')"}'
                            },
                            responses={
                                "\\[BadRequest\\].*": {
                                    "statusCode": "400",
                                    "responseTemplates": {
                                        "application/json": '{"why":"$input.path(\'$.errorMessage\')"}'
                                    },
                                },
                                "default": {"statusCode": "200"},
                            },
                            passthroughBehavior="never",
                        )
                    )
                },
                "/backend/{proxy+}": {
                    "x-amazon-apigateway-any-method": route(
                        {
                            "type": "http_proxy",
                            "httpMethod": "ANY",
                            "uri": f"{self.backend.url}/under/{{proxy}}",
                            "requestParameters": in_path,
                        },
                        parameters=proxied,
                    )
                },
                "/stream/{proxy+}": {
                    "get": route(
                        {
                            "type": "http_proxy",
                            "httpMethod": "GET",
                            "uri": f"{self.backend.url}/stream/{{proxy}}",
                            "requestParameters": in_path,
                            "responseTransferMode": "STREAM",
                        },
                        parameters=proxied,
                    )
                },
                "/nobody": {"get": route({"type": "http_proxy", "httpMethod": "GET", "uri": "http://127.0.0.1:9/"})},
                # No permission of the function's, but a role for the gateway.
                "/as-invoker": {"get": route(function("forbidden", credentials=ROLE + "lane-invoker"))},
                "/as-idle": {"get": route(function("forbidden", credentials=ROLE + "lane-idle"))},
                "/as-untrusting": {"get": route(function("forbidden", credentials=ROLE + "lane-untrusting"))},
                "/queue": {"post": route(queue("lane-sender"))},
                "/idle-queue": {"post": route(queue("lane-idle"))},
                "/validated": {"post": route(mock, **validated)},
            },
        }


@contextmanager
def http_backend() -> Iterator[HttpBackend]:
    backend = HttpBackend()
    try:
        yield backend
    finally:
        backend.close()
