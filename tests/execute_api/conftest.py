"""A gateway with the demo's routes deployed, and more of them for single rules."""

from typing import Any

import pytest

from support.gateway import FUNCTION_URI, Gateway
from velvetrope.store import Database

MOCK: dict[str, Any] = {
    "type": "mock",
    "requestTemplates": {"application/json": '{"statusCode": 200}'},
    "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": '{"ok":true}'}}},
}
PROXY = {"type": "aws_proxy", "httpMethod": "POST", "uri": FUNCTION_URI}
KEY: dict[str, list[str]] = {"api_key": []}
IAM: dict[str, list[str]] = {"AWS_IAM": []}
ROUTES: dict[str, Any] = {
    "components": {
        "securitySchemes": {
            "api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
            "AWS_IAM": {
                "type": "apiKey",
                "name": "Authorization",
                "in": "header",
                "x-amazon-apigateway-authtype": "awsSigv4",
            },
        }
    },
    "paths": {
        "/open": {"get": {"x-amazon-apigateway-integration": MOCK}},
        "/no-auth": {"get": {"x-amazon-apigateway-integration": MOCK, "security": [KEY]}},
        "/require-auth": {"get": {"x-amazon-apigateway-integration": MOCK, "security": [KEY, IAM]}},
        "/iam": {
            "get": {"x-amazon-apigateway-integration": MOCK, "security": [IAM]},
            "post": {"x-amazon-apigateway-integration": MOCK, "security": [IAM]},
        },
        "/iam/{id}": {"get": {"x-amazon-apigateway-integration": PROXY, "security": [IAM]}},
        "/function/{proxy+}": {"x-amazon-apigateway-any-method": {"x-amazon-apigateway-integration": PROXY}},
        "/keyed-function": {"get": {"x-amazon-apigateway-integration": PROXY, "security": [KEY]}},
        "/": {"get": {"x-amazon-apigateway-integration": MOCK}},
    },
}


@pytest.fixture
async def gateway(database: Database) -> Gateway:
    gateway = Gateway(database)
    await gateway.deploy(ROUTES)
    return gateway
