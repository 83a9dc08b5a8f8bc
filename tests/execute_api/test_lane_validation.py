"""Request validators: what a request lacks, what its body is not, and what a caller hears of it."""

import json
from typing import Any

import pytest

from support.gateway import FUNCTION_URI, Gateway, header
from velvetrope.execute_api import GatewayResponse
from velvetrope.store import Database
from velvetrope.store.tables.apigateway import (
    GatewayResponse as GatewayResponseSetting,
)
from velvetrope.store.tables.apigateway import Integration, Method, Model, RequestValidator

BAD_BODY = b'{"message": "Invalid request body"}'
ITEM = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "maxLength": 5},
        "n": {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
        "tags": {"type": "array", "uniqueItems": True},
        "size": {"$ref": "https://apigateway.amazonaws.com/restapis/any/models/Size"},
        "child": {"$ref": "#"},
    },
    "additionalProperties": False,
}
PARAMETERS = {
    "method.request.querystring.qs1": True,
    "method.request.path.issuer": True,
    "method.request.header.x-header-param": True,
    "method.request.header.x-optional": False,
}


def model(name: str, schema: object) -> Model:
    text = schema if isinstance(schema, str) else json.dumps(schema)
    return Model(id=name.lower(), name=name, content_type="application/json", schema=text)


async def deploy(
    database: Database,
    *,
    body: bool = True,
    parameters: bool = False,
    schema: object = None,
    request_parameters: dict[str, bool] | None = None,
    **members: Any,
) -> Gateway:
    gateway = Gateway(database)
    method = Method(
        http_method="POST",
        request_validator_id="v",
        request_parameters=PARAMETERS if request_parameters is None else request_parameters,
        request_models={"application/json": "Item"},
        integration=Integration(type="AWS_PROXY", http_method="POST", uri=FUNCTION_URI),
    )
    models = [model("Item", ITEM if schema is None else schema), model("Size", {"enum": ["S", "L"]})]
    await gateway.deploy_record(
        {"POST /{issuer}": method},
        models={one.name: one for one in models},
        request_validators={
            "v": RequestValidator(id="v", name="v", validate_request_body=body, validate_request_parameters=parameters)
        },
        **members,
    )
    return gateway


async def post(gateway: Gateway, body: object, path: str = "/i", **headers: str) -> GatewayResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await gateway.call(gateway.request("POST", path, headers=headers, body=raw))


@pytest.mark.parametrize(
    "body",
    [{"name": "a"}, {"name": "aaaaa", "n": 1, "tags": [1, 2], "size": "S"}, {"name": "a", "child": {"name": "b"}}],
)
async def test_a_body_that_is_what_its_model_says_passes(database: Database, body: object) -> None:
    gateway = await deploy(database)

    assert (await post(gateway, body)).status == 200


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="a required member is missing"),
        pytest.param(b"", id="no body at all"),
        pytest.param([], id="another type"),
        pytest.param({"name": "aaaaaa"}, id="one character too long"),
        pytest.param({"name": "a", "n": 0}, id="at the excluded end"),
        pytest.param({"name": "a", "x": 1}, id="a member that is not known"),
        pytest.param({"name": "a", "tags": [{"a": 1, "b": 2}, {"b": 2, "a": 1}]}, id="twice the same"),
        pytest.param({"name": "a", "size": "M"}, id="not what another model says"),
        pytest.param({"name": "a", "child": {}}, id="further down"),
        pytest.param(b"{", id="not JSON"),
        pytest.param(b"\xff", id="not text"),
        pytest.param(b"[" * 5_000, id="nested without end"),
    ],
)
async def test_any_other_body_is_refused_and_the_caller_hears_no_more(database: Database, body: object) -> None:
    gateway = await deploy(database)

    response = await post(gateway, body)

    assert (response.status, response.body) == (400, BAD_BODY)
    assert header(response, "x-amzn-ErrorType") == "BadRequestException"
    assert gateway.functions.calls == []


async def test_a_body_of_a_media_type_without_a_model_is_not_checked(database: Database) -> None:
    gateway = await deploy(database)

    assert (await post(gateway, b"<x/>", **{"Content-Type": "text/xml"})).status == 200
    assert (await post(gateway, b"<x/>", **{"Content-Type": "Application/JSON; charset=utf-8"})).status == 400


async def test_a_validator_that_does_not_check_bodies_lets_them_all_pass(database: Database) -> None:
    gateway = await deploy(database, body=False)

    assert (await post(gateway, b"{")).status == 200


async def test_all_missing_parameters_are_named_in_awss_order_before_the_body_is_looked_at(
    database: Database,
) -> None:
    gateway = await deploy(database, parameters=True)

    response = await post(gateway, b"{")
    assert response.body == b'{"message": "Missing required request parameters: [x-header-param, qs1]"}'
    assert (response.status, header(response, "x-amzn-ErrorType")) == (400, "BadRequestException")
    assert (await post(gateway, b"{", "/i?qs1=1", **{"X-Header-Param": "1"})).body == BAD_BODY


@pytest.mark.parametrize(
    ("path", "value", "passes"),
    [("/i?qs1=1", "1", True), ("/i?qs1=", "1", False), ("/i?QS1=1", "1", False), ("/i?qs1=1", " ", False)],
)
async def test_a_parameter_has_to_be_there_and_not_blank(
    database: Database, path: str, value: str, passes: bool
) -> None:
    gateway = await deploy(database, body=False, parameters=True)

    response = await post(gateway, b"", path, **{"x-header-param": value})

    assert (response.status == 200) is passes


@pytest.mark.parametrize("schema", ["not json", '{"type": 7}'])
async def test_a_model_that_cannot_be_understood_lets_no_body_pass(database: Database, schema: str) -> None:
    gateway = await deploy(database, schema=schema)

    response = await post(gateway, {"name": "a"})

    assert (response.status, response.body) == (500, b'{"message": "Internal server error"}')


@pytest.mark.parametrize(
    "reference",
    [
        "https://apigateway.amazonaws.com/restapis/any/models/Nope",
        "https://example.com/schema",
        "file:///etc/passwd",
        "#/definitions/nope",
    ],
)
async def test_a_reference_that_leads_nowhere_lets_no_body_pass(database: Database, reference: str) -> None:
    gateway = await deploy(database, schema={"properties": {"a": {"$ref": reference}}})

    assert (await post(gateway, {"a": 1})).body == BAD_BODY


async def test_models_that_refer_to_each_other_without_end_do_not_hang(database: Database) -> None:
    gateway = await deploy(database, schema={"$ref": "https://apigateway.amazonaws.com/restapis/x/models/Item"})

    assert (await post(gateway, {"a": 1})).status in (400, 500)


async def test_gateway_responses_may_say_what_was_wrong_and_the_record_holds_no_value(database: Database) -> None:
    template = '{"errors":"$context.error.validationErrorString"}'
    setting = GatewayResponseSetting(
        response_type="BAD_REQUEST_BODY", response_templates={"application/json": template}
    )
    gateway = await deploy(database, gateway_responses={"BAD_REQUEST_BODY": setting})

    response = await post(gateway, {"name": 12345})

    assert response.body == b'{"errors":"[12345 is not of type \'string\']"}'
    reason = gateway.log.recent(1)[0].steps[-1].reason
    assert reason == "the body is not a Item: $.name by type"


async def test_a_long_list_is_checked_for_doubles_in_one_pass(database: Database) -> None:
    gateway = await deploy(database)
    tags = [{"n": n} for n in range(50_000)]

    assert (await post(gateway, {"name": "a", "tags": tags})).status == 200
    assert (await post(gateway, {"name": "a", "tags": [*tags, tags[0]]})).status == 400


async def test_a_method_without_a_validator_takes_anything(database: Database) -> None:
    gateway = Gateway(database)
    method = Method(
        http_method="POST",
        request_parameters=PARAMETERS,
        request_models={"application/json": "Item"},
        integration=Integration(type="AWS_PROXY", http_method="POST", uri=FUNCTION_URI),
    )
    await gateway.deploy_record({"POST /{issuer}": method}, models={"Item": model("Item", ITEM)})

    assert (await post(gateway, b"{")).status == 200


NAMED = {
    "patternProperties": {"^x-": {"type": "integer"}, "^(a+)+$": {"type": "string", "pattern": "^[^@]+@[^@]+$"}},
    "additionalProperties": {"type": "boolean"},
}


@pytest.mark.parametrize("body", [{"x-1": 1, "aa": "a@b", "other": True}, {}, [1], "text"])
async def test_members_are_told_apart_by_the_patterns_of_their_names(database: Database, body: object) -> None:
    gateway = await deploy(database, schema=NAMED)

    assert (await post(gateway, body)).status == 200


@pytest.mark.parametrize("body", [{"x-1": "1"}, {"aa": "a@b@c"}, {"aa": 1}, {"other": 1}, {"ax-": 1}])
async def test_members_that_their_pattern_does_not_allow_are_refused(database: Database, body: object) -> None:
    gateway = await deploy(database, schema=NAMED)

    assert (await post(gateway, body)).status == 400


async def test_a_pattern_is_ecma_262s_and_not_pythons(database: Database) -> None:
    gateway = await deploy(database, schema={"properties": {"n": {"pattern": r"^\d+$"}}})

    assert (await post(gateway, {"n": "12"})).status == 200
    assert (await post(gateway, {"n": "١٢"})).status == 400
    assert (await post(gateway, {"n": "12\n"})).status == 400, "$ is the end, not before a last line break"


async def test_a_pattern_that_python_does_not_know_is_matched(database: Database) -> None:
    gateway = await deploy(database, schema={"properties": {"n": {"pattern": r"^(?<year>\d{4})[^]$"}}})

    assert (await post(gateway, {"n": "2026\n"})).status == 200
    assert (await post(gateway, {"n": "2026"})).status == 400


async def test_patterns_that_take_long_are_matched_in_a_thread_and_not_for_ever(database: Database) -> None:
    gateway = await deploy(database, schema={"properties": {"n": {"pattern": "^.{1,2000}$"}}})

    assert (await post(gateway, {"n": "a" * 2_000})).status == 200
    assert (await post(gateway, {"n": "a" * 2_001})).status == 400
    assert (await post(gateway, {"n": "a" * 200_000})).status == 400


async def test_a_model_whose_pattern_cannot_be_matched_lets_no_body_pass(database: Database) -> None:
    """The control plane refuses to save it; a database may hold it from before."""
    gateway = await deploy(database, schema={"properties": {"n": {"not": {"pattern": r"(a)\1"}}}})

    assert (await post(gateway, {"n": "b"})).status == 500
