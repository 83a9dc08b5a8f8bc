"""Gateway responses of the author's own, and resource policies: what an API's owner may say about refusals."""

import json
from typing import Any

import pytest

from support.gateway import ACCOUNT, Gateway, allow, header
from velvetrope.store import Database

_MOCK: dict[str, Any] = {
    "type": "mock",
    "requestTemplates": {"application/json": '{"statusCode": 200}'},
    "responses": {"default": {"statusCode": "200"}},
}
_IAM = {
    "type": "apiKey",
    "name": "Authorization",
    "in": "header",
    "x-amazon-apigateway-authtype": "awsSigv4",
}


def _document(**members: Any) -> dict[str, Any]:
    return {
        "components": {"securitySchemes": {"AWS_IAM": _IAM}},
        "paths": {
            "/open": {"get": {"x-amazon-apigateway-integration": _MOCK}},
            "/iam": {"get": {"x-amazon-apigateway-integration": _MOCK, "security": [{"AWS_IAM": []}]}},
        },
        **members,
    }


def _responses(**types: dict[str, Any]) -> dict[str, Any]:
    return _document(**{"x-amazon-apigateway-gateway-responses": types})


async def test_headers_alone_leave_the_body_as_it_is(database: Database) -> None:
    gateway = Gateway(database, cors=True)
    origin = {"gatewayresponse.header.Access-Control-Allow-Origin": "'https://example.com'"}
    await gateway.deploy(_responses(DEFAULT_4XX={"responseParameters": origin}))

    response = await gateway.call(gateway.signed(gateway.request("GET", "/iam"), gateway.user()))

    assert header(response, "Access-Control-Allow-Origin") == "https://example.com"
    assert header(response, "Access-Control-Expose-Headers") is not None
    assert response.body.startswith(b'{"Message":"User: arn:aws:iam::111111111111:user/alice is not authorized')


async def test_the_exact_type_wins_over_the_default_and_may_change_status_and_body(database: Database) -> None:
    gateway = Gateway(database)
    body = '{"error":$context.error.messageString,"type":"$context.error.responseType","at":"$context.stage"}'
    await gateway.deploy(
        _responses(
            DEFAULT_4XX={"statusCode": 418},
            MISSING_AUTHENTICATION_TOKEN={
                "statusCode": "404",
                "responseTemplates": {"application/json": body},
                "responseParameters": {
                    "gatewayresponse.header.X-Id": "context.requestId",
                    "gatewayresponse.header.X-Origin": "method.request.header.origin",
                },
            },
        )
    )

    missing = await gateway.get("/nowhere", headers={"Origin": "https://a.example"})
    unreadable = await gateway.get("/nowhere", headers={"Authorization": "Bearer x"})

    assert missing.status == 404
    assert json.loads(missing.body) == {
        "error": "Missing Authentication Token",
        "type": "MISSING_AUTHENTICATION_TOKEN",
        "at": "latest",
    }
    assert header(missing, "X-Id") == header(missing, "x-amzn-RequestId")
    assert header(missing, "X-Origin") == "https://a.example"
    assert header(missing, "x-amzn-ErrorType") == "MissingAuthenticationTokenException"
    assert unreadable.status == 418


async def test_a_template_makes_access_denied_say_message_in_lower_case(database: Database) -> None:
    gateway = Gateway(database)
    templates = {"application/json": '{"message":$context.error.messageString}'}
    await gateway.deploy(_responses(ACCESS_DENIED={"responseTemplates": templates}))

    response = await gateway.call(gateway.signed(gateway.request("GET", "/iam"), gateway.user()))

    assert json.loads(response.body)["message"].startswith("User: arn:aws:iam::111111111111:user/alice is not")


async def test_a_change_is_served_once_it_is_deployed_and_not_before(database: Database) -> None:
    gateway = Gateway(database)
    await gateway.deploy(_document())
    await gateway.plane.put_gateway_response(rest_api_id=gateway.api_id, response_type="DEFAULT_4XX", status_code="418")

    before = await gateway.get("/nowhere")
    await gateway.plane.create_deployment(rest_api_id=gateway.api_id, stage_name="latest")
    after = await gateway.get("/nowhere")

    assert (before.status, after.status) == (403, 418)


def _policy(*statements: dict[str, Any]) -> dict[str, Any]:
    whole = [
        {"Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*", **statement}
        for statement in statements
    ]
    return _document(**{"x-amazon-apigateway-policy": {"Version": "2012-10-17", "Statement": whole}})


_LOCAL = {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}
_ELSEWHERE = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
_ALICE = {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/alice"}}


@pytest.mark.parametrize(
    ("statements", "ending"),
    [
        pytest.param([{"Effect": "Allow", "Condition": _LOCAL}], None, id="an Allow that matches"),
        pytest.param(
            [{"Effect": "Allow", "Condition": _ELSEWHERE}],
            " because no resource-based policy allows the execute-api:Invoke action",
            id="silence denies",
        ),
        pytest.param(
            [{"Effect": "Allow"}, {"Effect": "Deny", "Condition": _LOCAL}],
            " with an explicit deny in a resource-based policy",
            id="a Deny wins",
        ),
        pytest.param(
            [{"Effect": "Allow", **_ALICE}],
            " because no resource-based policy allows the execute-api:Invoke action",
            id="a named principal is never anonymous",
        ),
    ],
)
async def test_resource_policy_of_a_method_without_authorizer(
    database: Database, statements: list[dict[str, Any]], ending: str | None
) -> None:
    gateway = Gateway(database)
    await gateway.add_user()
    await gateway.deploy(_policy(*statements))

    response = await gateway.get("/open")

    if ending is None:
        assert response.status == 200
        return
    assert (response.status, header(response, "x-amzn-ErrorType")) == (403, "AccessDeniedException")
    masked = f"arn:aws:execute-api:us-west-2:********1111:{gateway.api_id}/latest/GET/open"
    text = f"User: anonymous is not authorized to perform: execute-api:Invoke on resource: {masked}{ending}"
    assert response.body == f'{{"Message":"{text}"}}'.encode()


_ALLOW, _DENY = {"Effect": "Allow"}, {"Effect": "Deny"}
_SILENT = {"Effect": "Allow", "Condition": _ELSEWHERE}


@pytest.mark.parametrize(
    ("identity", "statement", "allowed"),
    [
        ("Allow", _ALLOW, True),
        ("Allow", _SILENT, True),
        ("Allow", _DENY, False),
        (None, {**_ALLOW, **_ALICE}, True),
        (None, _SILENT, False),
        (None, _DENY, False),
        ("Deny", _ALLOW, False),
        ("Deny", _SILENT, False),
        ("Deny", _DENY, False),
    ],
)
async def test_identity_and_resource_policy_of_one_account(
    database: Database, identity: str | None, statement: dict[str, Any], allowed: bool
) -> None:
    """Table A of the developer guide's authorization flow."""
    gateway = Gateway(database)
    await gateway.add_user()
    await gateway.deploy(_policy(statement))
    if identity is not None:
        gateway.callers.policies[f"arn:aws:iam::{ACCOUNT}:user/alice"] = allow("*", effect=identity)

    response = await gateway.call(gateway.signed(gateway.request("GET", "/iam"), gateway.user()))

    assert response.status == (200 if allowed else 403)
