"""OpenAPI documents as SAM and people write them, to HTTP APIs and back."""

import json
from typing import Any

import pytest

from support.http_apis import AUTHORIZER_FUNCTION, FUNCTION, HttpApiPlane
from velvetrope.apigatewayv2 import BadRequestException, NotFoundException, NotSupported

INVOKE = f"arn:aws:apigateway:us-west-2:lambda:path/2015-03-31/functions/{FUNCTION}/invocations"
AUTHORIZE = f"arn:aws:apigateway:us-west-2:lambda:path/2015-03-31/functions/{AUTHORIZER_FUNCTION}/invocations"
PROXY = {"type": "aws_proxy", "httpMethod": "POST", "uri": INVOKE, "payloadFormatVersion": "2.0"}
WHOLE: dict[str, Any] = {
    "openapi": "3.0.1",
    "info": {"title": "pets", "version": "1.2", "description": "All of them"},
    "paths": {
        "/pets/{petId}": {
            "get": {
                "operationId": "getPet",
                "summary": "One pet",
                "parameters": [{"name": "petId", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {"200": {"description": "It"}},
                "security": [{"people": ["read", "write"]}],
                "x-amazon-apigateway-integration": {"$ref": "#/components/x-amazon-apigateway-integrations/function"},
            },
            "delete": {
                "security": [{"AWS_IAM": []}],
                "x-amazon-apigateway-integration": {"$ref": "#/components/x-amazon-apigateway-integrations/function"},
            },
        },
        "/{proxy+}": {
            "x-amazon-apigateway-any-method": {
                "security": [{"asked": []}],
                "x-amazon-apigateway-integration": {
                    "type": "http_proxy",
                    "httpMethod": "ANY",
                    "uri": "https://backend.example/{proxy}",
                    "payloadFormatVersion": 1.0,
                    "timeoutInMillis": 5000,
                    "requestParameters": {"append:header.x-a": "$context.requestId"},
                    "responseParameters": {"500": {"overwrite:statuscode": "502"}},
                    "tlsConfig": {"serverNameToVerify": "inner.example"},
                },
            }
        },
        "/$default": {"x-amazon-apigateway-any-method": {"isDefaultRoute": True}},
    },
    "components": {
        "securitySchemes": {
            "people": {
                "type": "oauth2",
                "flows": {},
                "x-amazon-apigateway-authorizer": {
                    "type": "jwt",
                    "identitySource": "$request.header.Authorization",
                    "jwtConfiguration": {"issuer": "https://issuer.example", "audience": ["client"]},
                },
            },
            "asked": {
                "type": "apiKey",
                "name": "Unused",
                "in": "header",
                "x-amazon-apigateway-authorizer": {
                    "type": "request",
                    "identitySource": "$request.header.A, $request.querystring.b",
                    "authorizerUri": AUTHORIZE,
                    "authorizerPayloadFormatVersion": 2.0,
                    "authorizerResultTtlInSeconds": 30,
                    "enableSimpleResponses": True,
                },
            },
            "AWS_IAM": {
                "type": "apiKey",
                "name": "Authorization",
                "in": "header",
                "x-amazon-apigateway-authtype": "awsSigv4",
            },
        },
        "x-amazon-apigateway-integrations": {"function": PROXY},
    },
    "tags": [{"name": "team", "x-amazon-apigateway-tag-value": "pets"}, {"name": "only words"}],
    "x-amazon-apigateway-cors": {"allowOrigins": ["https://a.example"], "allowMethods": ["GET"], "maxAge": 60},
    "x-amazon-apigateway-endpoint-configuration": {"disableExecuteApiEndpoint": True},
    "x-amazon-apigateway-importexport-version": "1.0",
    "x-somebody-elses": {"may": "be anything"},
}


def document(**changes: Any) -> str:
    return json.dumps(WHOLE | changes)


def operation(**members: Any) -> dict[str, Any]:
    return {"paths": {"/": {"get": {"x-amazon-apigateway-integration": PROXY} | members}}}


async def test_a_whole_document_becomes_an_api(plane: HttpApiPlane) -> None:
    api = await plane.import_api(body=document())

    routes = {route["route_key"]: route for route in (await plane.get_routes(api_id=api["api_id"]))["items"]}
    integrations = (await plane.get_integrations(api_id=api["api_id"]))["items"]
    authorizers = {one["name"]: one for one in (await plane.get_authorizers(api_id=api["api_id"]))["items"]}
    assert (api["name"], api["version"], api["description"]) == ("pets", "1.2", "All of them")
    assert (api["tags"], api["disable_execute_api_endpoint"]) == ({"team": "pets"}, True)
    assert api["cors_configuration"]["max_age"] == 60
    assert routes.keys() == {"GET /pets/{petId}", "DELETE /pets/{petId}", "ANY /{proxy+}", "$default"}
    get = routes["GET /pets/{petId}"]
    assert (get["authorization_type"], get["authorization_scopes"]) == ("JWT", ["read", "write"])
    assert get["authorizer_id"] == authorizers["people"]["authorizer_id"]
    assert get["target"] == routes["DELETE /pets/{petId}"]["target"]
    assert routes["DELETE /pets/{petId}"]["authorization_type"] == "AWS_IAM"
    assert routes["ANY /{proxy+}"]["authorization_type"] == "CUSTOM"
    assert authorizers["asked"]["identity_source"] == ["$request.header.A", "$request.querystring.b"]
    assert authorizers["asked"]["authorizer_payload_format_version"] == "2.0"
    assert [one["integration_type"] for one in integrations] == ["AWS_PROXY", "HTTP_PROXY"]
    assert integrations[1]["tls_config"] == {"server_name_to_verify": "inner.example"}


@pytest.mark.parametrize("output_type", ["JSON", "YAML"])
async def test_what_is_exported_makes_the_same_api_again(plane: HttpApiPlane, output_type: str) -> None:
    first = await plane.import_api(body=document())
    exported = await plane.export_api(api_id=first["api_id"], specification="OAS30", output_type=output_type)
    second = await plane.import_api(body=exported["body"].decode())

    again = await plane.export_api(api_id=second["api_id"], specification="OAS30", output_type=output_type)

    assert again == exported
    assert _without_ids(second) == _without_ids(first)


def _without_ids(api: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in api.items() if name not in {"api_id", "api_endpoint"}}


async def test_an_export_of_a_stage_is_what_was_deployed(plane: HttpApiPlane) -> None:
    api_id = (await plane.import_api(body=document(**operation())))["api_id"]
    await plane.create_stage(api_id=api_id, stage_name="dev")
    where = {"api_id": api_id, "specification": "OAS30", "output_type": "JSON"}
    with pytest.raises(NotFoundException):
        await plane.export_api(**where, stage_name="dev")
    await plane.create_deployment(api_id=api_id, stage_name="dev")
    await plane.new_route(api_id, "GET /later")

    deployed = json.loads((await plane.export_api(**where, stage_name="dev"))["body"])
    latest = json.loads((await plane.export_api(**where))["body"])
    bare = json.loads((await plane.export_api(**where, include_extensions=False))["body"])

    assert (deployed["paths"].keys(), latest["paths"].keys()) == ({"/"}, {"/", "/later"})
    assert "x-amazon" not in json.dumps(bare)


async def test_a_reimport_takes_the_place_of_everything(plane: HttpApiPlane) -> None:
    api_id = (await plane.import_api(body=document()))["api_id"]

    await plane.reimport_api(api_id=api_id, body=document(**operation()))

    assert [route["route_key"] for route in (await plane.get_routes(api_id=api_id))["items"]] == ["GET /"]
    assert len((await plane.get_integrations(api_id=api_id))["items"]) == 1
    assert (await plane.get_authorizers(api_id=api_id))["items"] == []


@pytest.mark.parametrize(
    ("mode", "route_key"), [(None, "GET /"), ("ignore", "GET /"), ("prepend", "GET /v1/a/x"), ("split", "GET /a/x")]
)
async def test_the_servers_path_is_taken_as_asked(plane: HttpApiPlane, mode: str | None, route_key: str) -> None:
    path = "/" if route_key == "GET /" else "/x"
    servers = [{"url": "https://example.com/{basePath}", "variables": {"basePath": {"default": "v1/a"}}}]
    paths = {path: {"get": {"x-amazon-apigateway-integration": PROXY}}}

    api = await plane.import_api(body=document(paths=paths, servers=servers), basepath=mode)

    assert [route["route_key"] for route in (await plane.get_routes(api_id=api["api_id"]))["items"]] == [route_key]


async def test_security_of_the_document_holds_where_an_operation_says_nothing(plane: HttpApiPlane) -> None:
    paths = {
        "/a": {"get": {"x-amazon-apigateway-integration": PROXY}},
        "/b": {"get": {"x-amazon-apigateway-integration": PROXY, "security": []}},
    }

    api = await plane.import_api(body=document(paths=paths, security=[{"AWS_IAM": []}]))

    routes = (await plane.get_routes(api_id=api["api_id"]))["items"]
    assert {route["route_key"]: route["authorization_type"] for route in routes} == {
        "GET /a": "AWS_IAM",
        "GET /b": "NONE",
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"x-amazon-apigateway-policy": {}},
        {"x-amazon-apigateway-gateway-responses": {}},
        operation(**{"x-amazon-apigateway-request-validator": "all"}),
        operation(security=[{"AWS_IAM": [], "people": []}]),
        operation(security=[{"AWS_IAM": []}, {"people": []}]),
        operation(security=[{"AWS_IAM": []}, {}]),
        operation(**{"x-amazon-apigateway-integration": PROXY | {"type": "mock"}}),
        operation(**{"x-amazon-apigateway-integration": PROXY | {"credentials": "arn:aws:iam::1:role/x"}}),
        operation(**{"x-amazon-apigateway-integration": PROXY | {"connectionType": "VPC_LINK"}}),
        operation(**{"x-amazon-apigateway-integration": PROXY | {"integrationSubtype": "SQS-SendMessage"}}),
        operation(**{"x-amazon-apigateway-integration": PROXY | {"requestTemplates": {}}}),
        operation(security=[{"bare": []}]) | {"components": {"securitySchemes": {"bare": {"type": "apiKey"}}}},
    ],
)
async def test_what_is_not_understood_is_refused_by_name(plane: HttpApiPlane, changes: dict[str, Any]) -> None:
    with pytest.raises(NotSupported):
        await plane.import_api(body=document(**changes))
    assert (await plane.get_apis())["items"] == []


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "[1]",
        "a: [",
        document(openapi="3.1.0"),
        '{"swagger": "2.0"}',
        document(info={}),
        document(paths=[]),
        document(**operation(security=[{"nobody": []}])),
        document(**operation(security="x")),
        document(**operation(**{"x-amazon-apigateway-integration": PROXY | {"timeoutInMillis": 10}})),
        document(**operation(**{"x-amazon-apigateway-integration": {"$ref": "#/nowhere"}})),
        document(**{"x-amazon-apigateway-cors": {"maxAge": "long"}}),
    ],
)
async def test_a_document_that_breaks_a_rule_is_refused(plane: HttpApiPlane, body: str) -> None:
    with pytest.raises(BadRequestException):
        await plane.import_api(body=body)


async def test_an_unknown_basepath_mode_is_refused(plane: HttpApiPlane) -> None:
    with pytest.raises(BadRequestException):
        await plane.import_api(body=document(), basepath="append")


async def test_servers_of_a_path_or_an_operation_only_describe(plane: HttpApiPlane) -> None:
    elsewhere = [{"url": "https://elsewhere.example/v9"}]
    paths = {"/a": {"servers": elsewhere, "get": {"servers": elsewhere, "responses": {}}}}

    api = await plane.import_api(body=document(paths=paths), fail_on_warnings=True)

    [route] = (await plane.get_routes(api_id=api["api_id"]))["items"]
    assert route["route_key"] == "GET /a"
