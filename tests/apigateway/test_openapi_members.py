"""What a document can say beyond methods: authorizers, validators, models, base paths, and what is warned of."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from support.gateway import FUNCTION_URI
from velvetrope.apigateway import BadRequestException, NotSupported

Plane = Any
_POOL = "arn:aws:cognito-idp:us-west-2:111111111111:userpool/us-west-2_Abc123xyz"
_PET_STORE = (
    (Path(__file__).parent / "cases" / "pet_store.yaml").read_text().replace("{backend}", "https://example.com")
)
_MOCK = {"type": "mock", "requestTemplates": {"application/json": '{"statusCode": 200}'}}
_AUTHORIZER = "x-amazon-apigateway-authorizer"
_AUTHTYPE = "x-amazon-apigateway-authtype"
_KEY = {"type": "apiKey", "in": "header"}
_SCHEMES: dict[str, Any] = {
    "token": {
        **_KEY,
        "name": "X-Token",
        _AUTHTYPE: "custom",
        _AUTHORIZER: {"type": "token", "authorizerUri": FUNCTION_URI},
    },
    "request": {
        **_KEY,
        "name": "Unused",
        _AUTHTYPE: "custom",
        _AUTHORIZER: {
            "type": "request",
            "authorizerUri": FUNCTION_URI,
            "identitySource": "method.request.header.A, method.request.querystring.b",
            "authorizerResultTtlInSeconds": 60,
        },
    },
    "pool": {
        **_KEY,
        "name": "Authorization",
        _AUTHTYPE: "cognito_user_pools",
        _AUTHORIZER: {"type": "cognito_user_pools", "providerARNs": [_POOL]},
    },
    "sigv4": {**_KEY, "name": "Authorization", _AUTHTYPE: "awsSigv4"},
    "api_key": {**_KEY, "name": "x-api-key"},
}


def _document(**operation: Any) -> dict[str, Any]:
    return {
        "openapi": "3.0.1",
        "info": {"title": "demo", "version": "1"},
        "components": {"securitySchemes": copy.deepcopy(_SCHEMES)},
        "paths": {"/a": {"get": {"responses": {}, "x-amazon-apigateway-integration": _MOCK, **operation}}},
    }


async def _imported(plane: Plane, document: dict[str, Any], **parameters: Any) -> Any:
    return await plane.import_rest_api(body=json.dumps(document).encode(), **parameters)


async def _methods(plane: Plane, api_id: str) -> dict[str, Any]:
    resources = (await plane.get_resources(rest_api_id=api_id, embed=["methods"]))["items"]
    return {
        f"{verb} {item['path']}": method
        for item in resources
        for verb, method in (item["resource_methods"] or {}).items()
    }


@pytest.mark.parametrize(
    ("kind", "security", "authorization_type"),
    [
        ("none", [], "NONE"),
        ("NONE", [{"sigv4": []}], "AWS_IAM"),
        ("NONE", [{"pool": []}], "COGNITO_USER_POOLS"),
        ("aws_iam", [], "AWS_IAM"),
        ("AWS_IAM", [{"sigv4": []}], "AWS_IAM"),
    ],
)
async def test_the_auth_of_an_operation_is_read_in_any_case_and_none_opens_nothing(
    plane: Plane, kind: str, security: list[Any], authorization_type: str
) -> None:
    api = await _imported(plane, _document(security=security, **{"x-amazon-apigateway-auth": {"type": kind}}))

    assert (await _methods(plane, api["id"]))["GET /a"]["authorization_type"] == authorization_type


async def test_the_cors_of_http_apis_is_warned_of(plane: Plane) -> None:
    document = {**_document(), "x-amazon-apigateway-cors": {"allowOrigins": ["*"]}}

    with pytest.raises(BadRequestException, match="is for HTTP APIs"):
        await _imported(plane, document, fail_on_warnings=True)
    api = await _imported(plane, document)

    assert api["warnings"] == ["x-amazon-apigateway-cors: is for HTTP APIs; a REST API has OPTIONS methods"]
    assert "OPTIONS /a" not in await _methods(plane, api["id"])


async def test_what_only_describes_an_operation_changes_nothing(plane: Plane) -> None:
    document = _document(servers=[{"url": "https://elsewhere.example"}], deprecated=True, tags=["a"])
    document["paths"]["/a"] |= {"servers": [{"url": "https://elsewhere.example"}], "summary": "s"}
    document["components"]["links"] = {"self": {"operationId": "x"}}

    api = await _imported(plane, document, fail_on_warnings=True)

    assert api["warnings"] is None
    assert set(await _methods(plane, api["id"])) == {"GET /a"}


@pytest.mark.parametrize(
    ("security", "authorization_type", "authorizer", "scopes", "api_key"),
    [
        ([{"token": []}], "CUSTOM", "token", None, False),
        ([{"request": []}, {"api_key": []}], "CUSTOM", "request", None, True),
        ([{"pool": ["a/read", "a/write"]}], "COGNITO_USER_POOLS", "pool", ["a/read", "a/write"], False),
        ([{"pool": [], "api_key": []}], "COGNITO_USER_POOLS", "pool", None, True),
        ([{"sigv4": []}], "AWS_IAM", None, None, False),
        ([], "NONE", None, None, False),
    ],
)
async def test_security_says_who_is_asked(
    plane: Plane,
    security: list[Any],
    authorization_type: str,
    authorizer: str | None,
    scopes: list[str] | None,
    api_key: bool,
) -> None:
    api = await _imported(plane, _document(security=security))

    method = (await _methods(plane, api["id"]))["GET /a"]
    names = {one["id"]: one["name"] for one in (await plane.get_authorizers(rest_api_id=api["id"]))["items"]}

    assert method["authorization_type"] == authorization_type
    assert names.get(method["authorizer_id"]) == authorizer
    assert (method["authorization_scopes"], method["api_key_required"]) == (scopes, api_key)


async def test_authorizers_are_made_as_the_schemes_say(plane: Plane) -> None:
    api = await _imported(plane, _document())

    made = {one["name"]: one for one in (await plane.get_authorizers(rest_api_id=api["id"]))["items"]}

    assert set(made) == {"token", "request", "pool"}
    assert made["token"]["identity_source"] == "method.request.header.X-Token"
    assert made["request"]["identity_source"] == "method.request.header.A, method.request.querystring.b"
    assert made["request"]["authorizer_result_ttl_in_seconds"] == 60
    assert (made["pool"]["type"], made["pool"]["provider_arns"]) == ("COGNITO_USER_POOLS", [_POOL])


async def test_two_ways_of_authorization_on_one_method_are_refused(plane: Plane) -> None:
    both: list[list[dict[str, list[str]]]] = [[{"token": []}, {"pool": []}], [{"sigv4": [], "token": []}]]
    for security in both:
        with pytest.raises(NotSupported, match="is one more way of authorization"):
            await _imported(plane, _document(security=security))

    assert (await plane.get_rest_apis())["items"] == []


@pytest.mark.parametrize(
    ("name", "scheme", "text"),
    [
        ("jwt", {"type": "oauth2", _AUTHORIZER: {"type": "jwt"}}, "The authorizer type JWT"),
        ("jwt", {"type": "oauth2", _AUTHORIZER: {"type": "jwt", "jwtConfiguration": {}}}, "jwtConfiguration"),
        ("bearer", {"type": "http", "scheme": "bearer"}, "The security scheme bearer of type http"),
        (
            "bearer",
            {"type": "http", "scheme": "bearer", _AUTHORIZER: {"type": "cognito_user_pools", "providerARNs": [_POOL]}},
            "The security scheme bearer of type http .*takes its token from a header",
        ),
        ("cookie", {"type": "apiKey", "in": "cookie", "name": "x-api-key"}, "The security scheme cookie"),
        (
            "simple",
            {**_KEY, "name": "A", _AUTHORIZER: {"type": "request", "enableSimpleResponses": True}},
            "enableSimple",
        ),
    ],
)
async def test_schemes_that_nobody_would_check_are_refused(
    plane: Plane, name: str, scheme: dict[str, Any], text: str
) -> None:
    document = _document()
    document["components"]["securitySchemes"][name] = scheme

    with pytest.raises(NotSupported, match=text):
        await _imported(plane, document)


async def test_request_validators_are_by_name_and_by_default(plane: Plane) -> None:
    document = _document()
    document["x-amazon-apigateway-request-validators"] = {
        "all": {"validateRequestBody": True, "validateRequestParameters": True},
        "none": {},
    }
    document["x-amazon-apigateway-request-validator"] = "all"
    document["paths"]["/a"]["put"] = {**document["paths"]["/a"]["get"], "x-amazon-apigateway-request-validator": "none"}

    api = await _imported(plane, document)

    names = {one["id"]: one["name"] for one in (await plane.get_request_validators(rest_api_id=api["id"]))["items"]}
    methods = await _methods(plane, api["id"])
    assert names[methods["GET /a"]["request_validator_id"]] == "all"
    assert names[methods["PUT /a"]["request_validator_id"]] == "none"
    document["x-amazon-apigateway-request-validator"] = "nobody"
    with pytest.raises(BadRequestException, match="Invalid request validator specified in GET /a: nobody"):
        await _imported(plane, document)


async def test_bodies_become_models_that_refer_to_each_other(plane: Plane) -> None:
    document = _document(
        requestBody={"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pets"}}}},
        responses={
            "200": {"content": {"application/json": {"schema": {"type": "array", "items": {"type": "string"}}}}}
        },
    )
    document["components"]["schemas"] = {
        "Pets": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}},
        "Pet": {"type": "object", "properties": {"name": {"type": "string"}}},
    }

    api = await _imported(plane, document)
    again = await _imported(plane, document)

    method = (await _methods(plane, api["id"]))["GET /a"]
    pets = await plane.get_model(rest_api_id=api["id"], model_name="Pets")
    assert method["request_models"] == {"application/json": "Pets"}
    assert json.loads(pets["schema"])["items"] == {
        "$ref": f"https://apigateway.amazonaws.com/restapis/{api['id']}/models/Pet"
    }
    inline = method["method_responses"]["200"]["response_models"]["application/json"]
    assert inline.startswith("MODEL")
    assert (await plane.get_model(rest_api_id=again["id"], model_name=inline))["content_type"] == "application/json"
    document["components"]["schemas"]["Pets"]["items"] = {"$ref": "#/components/schemas/Nobody"}
    with pytest.raises(BadRequestException, match="the model Nobody does not exist"):
        await _imported(plane, document)


async def test_parameters_are_shared_referred_to_and_mapped(plane: Plane) -> None:
    document = _document(
        parameters=[{"$ref": "#/components/parameters/Page"}, {"name": "X", "in": "header", "required": True}],
    )
    document["components"]["parameters"] = {"Page": {"name": "page", "in": "query"}}
    document["paths"]["/a"]["parameters"] = [{"name": "X", "in": "header"}, {"name": "lang", "in": "query"}]

    api = await _imported(plane, document)

    assert (await _methods(plane, api["id"]))["GET /a"]["request_parameters"] == {
        "method.request.header.X": True,
        "method.request.querystring.lang": False,
        "method.request.querystring.page": False,
    }
    document["components"]["parameters"]["Page"] = {"$ref": "#/components/parameters/Page"}
    with pytest.raises(BadRequestException, match=r"references of .* do not end"):
        await _imported(plane, document)


@pytest.mark.parametrize(
    ("mode", "paths"),
    [
        ("ignore", ["/", "/a"]),
        ("prepend", ["/", "/store", "/store/v1", "/store/v1/a"]),
        ("split", ["/", "/v1", "/v1/a"]),
    ],
)
@pytest.mark.parametrize("version", ["Swagger 2.0", "OpenAPI 3.0"])
async def test_the_base_path_goes_where_the_import_says(
    plane: Plane, mode: str, paths: list[str], version: str
) -> None:
    document = _document()
    if version == "Swagger 2.0":
        del document["openapi"], document["components"]
        document |= {"swagger": "2.0", "basePath": "/store/v1"}
    else:
        variables = {"basePath": {"default": "/store/v1"}}
        document["servers"] = [{"url": "https://x.example.com/{basePath}", "variables": variables}]

    api = await _imported(plane, document, parameters={"basepath": mode})

    assert [item["path"] for item in (await plane.get_resources(rest_api_id=api["id"]))["items"]] == paths
    with pytest.raises(BadRequestException, match="Invalid basepath mode specified: join"):
        await _imported(plane, document, parameters={"basepath": "join"})
    with pytest.raises(NotSupported, match="The import parameter mode=fast"):
        await _imported(plane, document, parameters={"mode": "fast"})


async def test_what_an_api_does_not_have_is_warned_of_or_refused(plane: Plane) -> None:
    document = _document(parameters=[{"name": "session", "in": "cookie"}])

    api = await _imported(plane, document)
    with pytest.raises(BadRequestException) as refused:
        await _imported(plane, document, fail_on_warnings=True)

    assert api["warnings"] == ["Parameter session of GET /a in cookie: ignored"]
    assert refused.value.message == f"Warnings found during import:\n\t{api['warnings'][0]}"
    assert len((await plane.get_rest_apis())["items"]) == 1


async def test_extensions_of_others_are_nobodys_business(plane: Plane) -> None:
    document = _document(**{"x-codegen-name": "get_a"})
    document["x-logo"] = {"url": "https://example.com"}

    api = await _imported(plane, document)

    assert api["warnings"] is None


async def test_a_refusal_says_which_method_it_was(plane: Plane) -> None:
    integration = {"type": "http", "httpMethod": "GET", "uri": "example.com"}

    with pytest.raises(BadRequestException) as refused:
        await _imported(plane, _document(**{"x-amazon-apigateway-integration": integration}))

    assert refused.value.message == (
        "Unable to put method 'GET' on resource at path '/a': Invalid HTTP endpoint specified for URI"
    )


@pytest.mark.parametrize("kind", ["oas30", "swagger"])
@pytest.mark.parametrize("accepts", ["application/json", "application/yaml"])
@pytest.mark.parametrize("source", ["pet store", "everything"])
async def test_what_is_exported_makes_the_same_api(plane: Plane, kind: str, accepts: str, source: str) -> None:
    api = await plane.import_rest_api(body=_PET_STORE.encode() if source == "pet store" else _everything())
    await plane.create_deployment(rest_api_id=api["id"], stage_name="latest")
    before = await plane.store.load_rest_api("111111111111", api["id"])

    export = await plane.get_export(
        rest_api_id=api["id"],
        stage_name="latest",
        export_type=kind,
        accepts=accepts,
        parameters={"extensions": "apigateway"},
    )
    await plane.put_rest_api(rest_api_id=api["id"], mode="overwrite", body=export["body"])
    after = await plane.store.load_rest_api("111111111111", api["id"])

    assert _shape(after) == _shape(before)
    assert export["content_type"] == accepts
    assert export["content_disposition"].startswith(f'attachment; filename="{kind}_2026-01-01T')


def _everything() -> bytes:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}
    document = _document(security=[{"pool": ["a/read"]}, {"api_key": []}])
    document["paths"]["/a"]["put"] = {**document["paths"]["/a"]["get"], "security": [{"request": []}]}
    document["paths"]["/a"]["post"] = {**document["paths"]["/a"]["get"], "security": [{"sigv4": []}]}
    document["paths"]["/b/{proxy+}"] = {
        "x-amazon-apigateway-any-method": {
            "security": [{"token": []}],
            "x-amazon-apigateway-integration": {
                "type": "aws_proxy",
                "httpMethod": "POST",
                "uri": FUNCTION_URI,
                "credentials": "arn:aws:iam::111111111111:role/calls",
                "timeoutInMillis": 1000,
                "contentHandling": "CONVERT_TO_TEXT",
            },
        }
    }
    document["x-amazon-apigateway-policy"] = {"Version": "2012-10-17", "Statement": [statement]}
    document["x-amazon-apigateway-binary-media-types"] = ["image/png"]
    document["x-amazon-apigateway-api-key-source"] = "AUTHORIZER"
    document["x-amazon-apigateway-gateway-responses"] = {
        "UNAUTHORIZED": {"statusCode": 403, "responseTemplates": {"application/json": '{"a": "b"}'}}
    }
    return json.dumps(document).encode()


def _shape(api: Any) -> Any:
    """The API without what an import may choose: the order of entries, and how schemas are laid out."""
    import msgspec

    plain = msgspec.to_builtins(api)
    for model in plain["models"].values():
        model["schema"] = json.loads(model["schema"])
    for authorizer in plain["authorizers"].values():
        default = "cognito_user_pools" if authorizer["type"] == "COGNITO_USER_POOLS" else "custom"
        authorizer["auth_type"] = authorizer["auth_type"] or default
    return plain


async def test_an_export_without_extensions_says_what_clients_need_and_no_more(plane: Plane) -> None:
    api = await plane.import_rest_api(body=_everything())
    await plane.create_deployment(rest_api_id=api["id"], stage_name="latest")
    where = {"rest_api_id": api["id"], "stage_name": "latest"}

    plain = json.loads((await plane.get_export(**where, export_type="oas30"))["body"])
    backends = json.loads(
        (await plane.get_export(**where, export_type="swagger", parameters={"extensions": "integrations"}))["body"]
    )

    assert "authorizerUri" not in json.dumps(plain)
    assert "x-amazon-apigateway-integration" not in json.dumps(plain)
    assert plain["paths"]["/a"]["get"]["security"] == [{"pool": ["a/read"]}, {"api_key": []}]
    assert plain["servers"][0]["url"] == f"https://{api['id']}.execute-api.us-west-2.amazonaws.com/{{basePath}}"
    assert (backends["host"], backends["basePath"]) == (
        f"{api['id']}.execute-api.us-west-2.amazonaws.com",
        "/latest",
    )
    assert "x-amazon-apigateway-integration" in backends["paths"]["/a"]["get"]
    assert "authorizerUri" not in json.dumps(backends["securityDefinitions"])


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"export_type": "raml"}, "No API exporter for type 'raml'"),
        ({"export_type": "swagger", "accepts": "text/html"}, "Unsupported export format: text/html"),
        ({"export_type": "swagger", "parameters": {"extensions": "postman"}}, "The export extension postman"),
        ({"export_type": "swagger", "parameters": {"format": "x"}}, "The export parameter format=x"),
        ({"export_type": "swagger", "stage_name": "nope"}, "Invalid stage identifier specified"),
    ],
)
async def test_exports_that_cannot_be(plane: Plane, parameters: dict[str, Any], text: str) -> None:
    from velvetrope.errors import ServiceError

    api = await plane.import_rest_api(body=_everything())
    await plane.create_deployment(rest_api_id=api["id"], stage_name="latest")

    with pytest.raises(ServiceError, match=text):
        await plane.get_export(**{"rest_api_id": api["id"], "stage_name": "latest", **parameters})
