"""An API author's regular expressions meet callers who know how they are matched, on a real server."""

import json
from collections.abc import Iterator
from typing import Any

import botocore.exceptions
import pytest
import requests

from support.clients import aws_client
from support.running import RunningServer

_FUNCTION = "arn:aws:lambda:us-west-2:000000000000:function:nobody"
_URI = f"arn:aws:apigateway:us-west-2:lambda:path/2015-03-31/functions/{_FUNCTION}/invocations"
_MOCK = {
    "type": "mock",
    "requestTemplates": {"application/json": '{"statusCode": 200}'},
    "responses": {"2(0+)+": {"statusCode": "200", "responseTemplates": {"application/json": '{"let": "in"}'}}},
}


def _document(*, pattern: str, expression: str = "Bearer ([a-z]+)+") -> bytes:
    answers = {"responses": {"200": {"description": "fine"}}, "x-amazon-apigateway-integration": _MOCK}
    model = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string", "pattern": pattern}},
        "patternProperties": {"^(x+x+)+y$": {"type": "integer"}},
        "additionalProperties": False,
    }
    document = {
        "openapi": "3.0.1",
        "info": {"title": "patterns", "version": "1"},
        "x-amazon-apigateway-request-validators": {"body": {"validateRequestBody": True}},
        "components": {
            "schemas": {"Named": model},
            "securitySchemes": {
                "guard": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "x-amazon-apigateway-authtype": "custom",
                    "x-amazon-apigateway-authorizer": {
                        "type": "token",
                        "authorizerUri": _URI,
                        "identityValidationExpression": expression,
                    },
                }
            },
        },
        "paths": {
            "/names": {
                "post": {
                    "x-amazon-apigateway-request-validator": "body",
                    "requestBody": {
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Named"}}}
                    },
                    **answers,
                }
            },
            "/guarded": {"get": {"security": [{"guard": []}], **answers}},
        },
    }
    return json.dumps(document).encode()


@pytest.fixture(scope="module")
def gateway(serving: RunningServer) -> Any:
    return aws_client(serving, "apigateway")


@pytest.fixture(scope="module")
def stage(serving: RunningServer, gateway: Any) -> Iterator[str]:
    """The URL of a deployed API whose patterns take exponential time where they are matched by trying."""
    api_id = gateway.import_rest_api(body=_document(pattern="^([a-z]+)*$"), failOnWarnings=True)["id"]
    gateway.create_deployment(restApiId=api_id, stageName="latest")
    yield f"{serving.url}/_api/{api_id}/latest"
    gateway.delete_rest_api(restApiId=api_id)


@pytest.mark.parametrize("letters", [40, 50_000, 1_000_000])
def test_a_text_made_for_a_models_pattern_is_refused_at_once(stage: str, letters: int) -> None:
    let_in = requests.post(f"{stage}/names", json={"name": "a" * letters}, timeout=60)
    refused = requests.post(f"{stage}/names", json={"name": "a" * letters + "!"}, timeout=60)

    assert (let_in.status_code, let_in.json()) == (200, {"let": "in"})
    assert (refused.status_code, refused.json()) == (400, {"message": "Invalid request body"})


def test_names_of_members_are_matched_likewise(stage: str) -> None:
    let_in = requests.post(f"{stage}/names", json={"name": "a", "x" * 5_000 + "y": 1}, timeout=60)
    wrong = requests.post(f"{stage}/names", json={"name": "a", "xxy": "1"}, timeout=60)
    unknown = requests.post(f"{stage}/names", json={"name": "a", "x" * 5_000: 1}, timeout=60)

    assert let_in.status_code == 200
    assert (wrong.status_code, unknown.status_code) == (400, 400)


def test_a_token_made_for_a_validation_expression_is_refused_at_once(stage: str) -> None:
    refused = requests.get(f"{stage}/guarded", headers={"Authorization": f"Bearer {'a' * 5_000}!"}, timeout=60)
    asked = requests.get(f"{stage}/guarded", headers={"Authorization": f"Bearer {'a' * 5_000}"}, timeout=60)

    assert (refused.status_code, refused.json()) == (401, {"message": "Unauthorized"})
    assert asked.status_code == 500, "what matches is given to the function, and there is none"


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"pattern": r"^(a)\1$"}, r"The pattern ^(a)\1$: the back reference \1 (at character 4) is not supported"),
        ({"pattern": "^((?!x).)*$"}, "lookahead that is not at the beginning of the whole pattern"),
        ({"pattern": "^a$", "expression": "a++"}, "specified: a++: a possessive repetition (at character 2)"),
    ],
)
def test_what_no_linear_matcher_can_do_is_refused_when_the_api_is_made(
    gateway: Any, members: dict[str, str], text: str
) -> None:
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        gateway.import_rest_api(body=_document(**members))

    assert refused.value.response["Error"]["Code"] == "BadRequestException"
    assert text in refused.value.response["Error"]["Message"]
