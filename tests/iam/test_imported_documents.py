"""Importing an API passes the roles that its document names, and sets the policy that it carries."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.iam import ACCOUNT, Iam, allow, call_by, make_role, open_iam
from velvetrope.iam.imported_documents import read_imported_document

ROLE = f"arn:aws:iam::{ACCOUNT}:role/Backend"
IMPORTS = [
    ("apigateway", "ImportRestApi", {"body": None}),
    ("apigateway", "PutRestApi", {"restApiId": "abc", "body": None}),
    ("apigatewayv2", "ImportApi", {"Body": None}),
    ("apigatewayv2", "ReimportApi", {"ApiId": "abc", "Body": None}),
]


@pytest.fixture
async def iam(tmp_path: Path) -> AsyncIterator[Iam]:
    async with open_iam(tmp_path) as opened:
        yield opened


def document(**members: Any) -> str:
    return json.dumps({"openapi": "3.0.1", "info": {"title": "t", "version": "1"}, "paths": {}, **members})


WITH_ROLE = document(
    paths={"/a": {"get": {"x-amazon-apigateway-integration": {"type": "aws", "credentials": ROLE}}}},
)
WITH_AUTHORIZER = document(
    components={"securitySchemes": {"f": {"x-amazon-apigateway-authorizer": {"authorizerCredentials": ROLE}}}},
)
IN_YAML = (
    f"openapi: 3.0.1\npaths:\n  /a:\n    get:\n      x-amazon-apigateway-integration:\n        credentials: {ROLE}\n"
)
PLAIN = document()
WITH_POLICY = document(**{"x-amazon-apigateway-policy": {"Version": "2012-10-17", "Statement": []}})
OF_A_SCHEMA = document(components={"schemas": {"a": {"example": {"credentials": "secret"}}}})


@pytest.mark.parametrize(("service", "operation", "parameters"), IMPORTS, ids=[name for _, name, _ in IMPORTS])
@pytest.mark.parametrize("text", [WITH_ROLE, WITH_AUTHORIZER, IN_YAML], ids=["integration", "authorizer", "yaml"])
async def test_a_role_in_the_document_is_passed(
    iam: Iam, service: str, operation: str, parameters: dict[str, Any], text: str
) -> None:
    passing = allow("iam:PassRole", ROLE, {"StringEquals": {"iam:PassedToService": "apigateway.amazonaws.com"}})
    without = await make_role(iam, allow("apigateway:*"), name="Without")
    with_pass = await make_role(iam, allow("apigateway:*"), passing, name="With")
    body: object = text.encode() if "body" in parameters else text
    asked = {**parameters, ("body" if "body" in parameters else "Body"): body}

    refused = await iam.judge.judge(service, operation, asked, call_by(without))
    assert (refused.decision.allowed, refused.action, refused.resource) == (False, "iam:PassRole", ROLE)
    assert (await iam.judge.judge(service, operation, asked, call_by(with_pass))).decision.allowed


@pytest.mark.parametrize("text", [PLAIN, OF_A_SCHEMA, "no document", ""])
async def test_a_document_without_roles_passes_none(iam: Iam, text: str) -> None:
    caller = await make_role(iam, allow("apigateway:*"))
    judged = await iam.judge.judge("apigateway", "ImportRestApi", {"body": text.encode()}, call_by(caller))

    assert judged.decision.allowed


async def test_a_policy_in_the_document_needs_the_right_to_set_one(iam: Iam) -> None:
    posting = await make_role(iam, allow(["apigateway:POST", "apigateway:PUT"]), name="Posting")
    setting = await make_role(
        iam, allow(["apigateway:POST", "apigateway:PUT", "apigateway:UpdateRestApiPolicy"]), name="Setting"
    )
    asked = {"body": WITH_POLICY.encode()}

    refused = await iam.judge.judge("apigateway", "ImportRestApi", asked, call_by(posting))
    assert (refused.decision.allowed, refused.action) == (False, "apigateway:UpdateRestApiPolicy")
    assert (await iam.judge.judge("apigateway", "ImportRestApi", asked, call_by(setting))).decision.allowed


def test_what_is_no_document_asks_for_nothing() -> None:
    for body in (None, 7, b"\xff\xfe", "{", '{"a": 1, "a": 2}', "[1]"):
        assert read_imported_document(body).roles == ()
