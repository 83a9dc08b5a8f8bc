"""OpenAPI documents with API Gateway's extensions: what SAM emits comes in whole, what is not understood stays out."""

import copy
import json
from typing import Any

import pytest

from velvetrope.apigateway import BadRequestException, NotSupported

_URI = (
    "arn:aws:apigateway:us-west-2:lambda:path/2015-03-31/functions/"
    "arn:aws:lambda:us-west-2:111111111111:function:demo/invocations"
)
_CORS_HEADER = "method.response.header.Access-Control-Allow-Origin"
_PROXY = {"type": "aws_proxy", "httpMethod": "POST", "uri": _URI}
_SCHEMES = {
    "api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
    "AWS_IAM": {
        "type": "apiKey",
        "name": "Authorization",
        "in": "header",
        "x-amazon-apigateway-authtype": "awsSigv4",
    },
}
_DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.1",
    "info": {"title": "demo-stack", "version": "1.0"},
    "components": {"securitySchemes": _SCHEMES},
    "paths": {
        "/no-auth": {
            "get": {"x-amazon-apigateway-integration": _PROXY, "security": [{"api_key": []}], "responses": {}},
            "options": {
                "summary": "CORS support",
                "responses": {
                    "200": {
                        "description": "Default response for CORS method",
                        "headers": {"Access-Control-Allow-Origin": {"schema": {"type": "string"}}},
                    }
                },
                "x-amazon-apigateway-integration": {
                    "type": "mock",
                    "requestTemplates": {"application/json": '{\n  "statusCode" : 200\n}\n'},
                    "responses": {
                        "default": {
                            "statusCode": "200",
                            "responseParameters": {_CORS_HEADER: "'*'"},
                            "responseTemplates": {"application/json": "{}\n"},
                        }
                    },
                },
            },
        },
        "/pets/{id}/{proxy+}": {
            "x-amazon-apigateway-any-method": {
                "x-amazon-apigateway-integration": _PROXY,
                "security": [{"AWS_IAM": []}, {"api_key": []}],
                "responses": {},
            }
        },
    },
    "x-amazon-apigateway-gateway-responses": {
        "DEFAULT_4XX": {
            "responseParameters": {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"},
            "responseTemplates": {},
        }
    },
}


def _with(path: str, value: object) -> bytes:
    document = copy.deepcopy(_DOCUMENT)
    *parents, last = path.split("|")
    at = document
    for parent in parents:
        at = at[parent]
    at[last] = value
    return json.dumps(document).encode()


def _swagger() -> bytes:
    document = copy.deepcopy(_DOCUMENT)
    del document["openapi"]
    document["swagger"] = "2.0"
    document["securityDefinitions"] = document.pop("components")["securitySchemes"]
    return json.dumps(document).encode()


@pytest.mark.parametrize("body", [json.dumps(_DOCUMENT).encode(), _swagger()], ids=["OpenAPI 3.0", "Swagger 2.0"])
async def test_what_sam_emits_becomes_methods_and_can_be_deployed(plane: Any, body: bytes) -> None:
    api = await plane.import_rest_api(body=body)

    resources = (await plane.get_resources(rest_api_id=api["id"], embed=["methods"]))["items"]
    methods = {item["path"]: item["resource_methods"] for item in resources if item["resource_methods"]}
    await plane.create_deployment(rest_api_id=api["id"], stage_name="latest")

    assert api["name"] == "demo-stack"
    assert [item["path"] for item in resources] == ["/", "/no-auth", "/pets", "/pets/{id}", "/pets/{id}/{proxy+}"]
    get, everything = methods["/no-auth"]["GET"], methods["/pets/{id}/{proxy+}"]["ANY"]
    assert (get["authorization_type"], get["api_key_required"]) == ("NONE", True)
    assert (everything["authorization_type"], everything["api_key_required"]) == ("AWS_IAM", True)
    answer = methods["/no-auth"]["OPTIONS"]["method_integration"]["integration_responses"]["200"]
    assert answer["response_parameters"] == {_CORS_HEADER: "'*'"}
    custom = await plane.get_gateway_response(rest_api_id=api["id"], response_type="DEFAULT_4XX")
    assert custom["default_response"] is False


async def test_yaml_is_read_too(plane: Any) -> None:
    body = b"swagger: 2.0\ninfo: {title: plain}\npaths:\n  /a:\n    get:\n      responses: {200: {description: ok}}\n"

    api = await plane.import_rest_api(body=body)

    resources = (await plane.get_resources(rest_api_id=api["id"], embed=["methods"]))["items"]
    assert resources[1]["resource_methods"]["GET"]["method_responses"] == {
        "200": {"status_code": "200", "response_parameters": None, "response_models": None}
    }


async def test_merge_keeps_what_the_document_does_not_name_and_overwrite_does_not(plane: Any) -> None:
    api = await plane.import_rest_api(body=json.dumps(_DOCUMENT).encode())
    smaller = copy.deepcopy(_DOCUMENT)
    smaller["info"]["title"] = "renamed"
    smaller["paths"] = {"/new": smaller["paths"]["/no-auth"]}
    body = json.dumps(smaller).encode()

    async def paths() -> list[str]:
        return [item["path"] for item in (await plane.get_resources(rest_api_id=api["id"]))["items"]]

    before = {item["path"]: item["id"] for item in (await plane.get_resources(rest_api_id=api["id"]))["items"]}
    kept_name = (await plane.put_rest_api(rest_api_id=api["id"], mode="merge", body=body))["name"]
    merged = await paths()
    new_name = (await plane.put_rest_api(rest_api_id=api["id"], mode="overwrite", body=body))["name"]
    overwritten = await paths()
    await plane.put_rest_api(rest_api_id=api["id"], mode="merge", body=json.dumps(_DOCUMENT).encode())

    assert (kept_name, new_name) == ("demo-stack", "renamed")
    assert merged == ["/", "/new", "/no-auth", "/pets", "/pets/{id}", "/pets/{id}/{proxy+}"]
    assert overwritten == ["/", "/new"]
    root = (await plane.get_resources(rest_api_id=api["id"]))["items"][0]
    assert root["id"] == before["/"]


async def test_the_documents_default_security_holds_where_an_operation_says_nothing(plane: Any) -> None:
    document = copy.deepcopy(_DOCUMENT)
    document["security"] = [{"AWS_IAM": []}]

    api = await plane.import_rest_api(body=json.dumps(document).encode())

    resources = (await plane.get_resources(rest_api_id=api["id"], embed=["methods"]))["items"]
    methods = next(item["resource_methods"] for item in resources if item["path"] == "/no-auth")
    assert methods["OPTIONS"]["authorization_type"] == "AWS_IAM"
    assert methods["GET"]["authorization_type"] == "NONE"


_GET = "paths|/no-auth|get"


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("x-amazon-apigateway-minimum-compression-size", 5, "x-amazon-apigateway-minimum-compression-size"),
        ("x-amazon-apigateway-api-key-source", "QUERY", "QUERY"),
        ("webhooks", {}, "webhooks"),
        (f"{_GET}|x-amazon-apigateway-throttle", {}, "x-amazon-apigateway-throttle"),
        (f"{_GET}|callbacks", {}, "callbacks"),
        ("x-amazon-apigateway-request-throttle", {}, "x-amazon-apigateway-request-throttle"),
        ("x-amazon-apigateway-request-validators", {"a": {"validateRequestHeaders": True}}, "validateRequestHeaders"),
        ("x-amazon-apigateway-gateway-responses", {"DEFAULT_4XX": {"ResponseParameters": {}}}, "ResponseParameters"),
        (f"{_GET}|security", [{"unknown": []}], "unknown"),
        (f"{_GET}|x-amazon-apigateway-auth", {"type": "CUSTOM"}, "CUSTOM"),
        (f"{_GET}|x-amazon-apigateway-integration|type", "grpc", "GRPC"),
        (f"{_GET}|x-amazon-apigateway-integration|connectionType", "VPC_LINK", "VPC_LINK"),
        (f"{_GET}|x-amazon-apigateway-integration|payloadFormatVersion", "2.0", "payloadFormatVersion 2.0"),
        (f"{_GET}|x-amazon-apigateway-integration|integrationSubtype", "SQS-SendMessage", "integrationSubtype"),
        (f"{_GET}|parameters", [{"$ref": "https://example.com/a.json"}], "https://example.com/a.json"),
        ("paths|/no-auth|trace", {}, "trace"),
        (
            "components|securitySchemes|pool",
            {
                "type": "apiKey",
                "name": "Authorization",
                "in": "header",
                "x-amazon-apigateway-authtype": "cognito_user_pools",
            },
            "pool",
        ),
        ("components|securitySchemes|oidc", {"type": "openIdConnect"}, "oidc"),
    ],
)
async def test_what_is_not_understood_is_refused_by_name(plane: Any, path: str, value: object, named: str) -> None:
    with pytest.raises(NotSupported, match=named):
        await plane.import_rest_api(body=_with(path, value))

    assert (await plane.get_rest_apis())["items"] == []


@pytest.mark.parametrize(
    "body",
    [
        *(b"\x00", b"[]", b"{}", b'{"openapi": "3.1.0"}'),
        _with("x-amazon-apigateway-policy", {}),
        _with("paths|/pets//toys", _DOCUMENT["paths"]["/no-auth"]),
    ],
    ids=["neither JSON nor YAML", "a list", "no version", "OpenAPI 3.1", "an empty policy", "an empty segment"],
)
async def test_what_is_no_document_is_refused(plane: Any, body: bytes) -> None:
    with pytest.raises(BadRequestException):
        await plane.import_rest_api(body=body)


async def test_a_policy_in_the_document_becomes_the_apis(plane: Any) -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}
    body = _with("x-amazon-apigateway-policy", {"Version": "2012-10-17", "Statement": [statement]})

    api = await plane.import_rest_api(body=body, parameters={"endpointConfigurationTypes": "REGIONAL"})

    assert api["endpoint_configuration"]["types"] == ["REGIONAL"]
    assert f":{api['id']}/*" in api["policy"]
