"""Models and request validators, and the methods that name them."""

import json
from typing import Any

import pytest

from support.gateway import patch
from velvetrope.apigateway import BadRequestException, ConflictException, NotFoundException

Plane = Any
_PET = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}


async def _api(plane: Plane) -> dict[str, str]:
    api = await plane.create_rest_api(name="demo")
    return {"rest_api_id": api["id"], "resource_id": api["root_resource_id"], "http_method": "POST"}


async def _model(plane: Plane, api_id: str, name: str, schema: object) -> Any:
    text = schema if isinstance(schema, str) else json.dumps(schema)
    return await plane.create_model(rest_api_id=api_id, name=name, content_type="application/json", schema=text)


def _reference(api_id: str, name: str) -> dict[str, str]:
    return {"$ref": f"https://apigateway.amazonaws.com/restapis/{api_id}/models/{name}"}


async def test_every_api_starts_with_two_models(plane: Plane) -> None:
    api_id = (await _api(plane))["rest_api_id"]

    models = (await plane.get_models(rest_api_id=api_id))["items"]

    assert [model["name"] for model in models] == ["Empty", "Error"]
    assert json.loads(models[0]["schema"])["title"] == "Empty Schema"


async def test_a_model_is_kept_word_for_word_and_changed(plane: Plane) -> None:
    api_id = (await _api(plane))["rest_api_id"]
    text = json.dumps(_PET, indent=7)

    made = await _model(plane, api_id, "Pet", text)
    changed = await plane.update_model(
        rest_api_id=api_id,
        model_name="Pet",
        patch_operations=(
            *patch("replace", "/description", "a pet"),
            *patch("replace", "/schema", '{"type": "array"}'),
        ),
    )

    assert made["schema"] == text
    assert (changed["description"], changed["schema"]) == ("a pet", '{"type": "array"}')
    with pytest.raises(BadRequestException, match="Invalid patch path  '/name'"):
        await plane.update_model(rest_api_id=api_id, model_name="Pet", patch_operations=patch("replace", "/name", "x"))
    with pytest.raises(BadRequestException, match="Invalid model schema specified"):
        await plane.update_model(
            rest_api_id=api_id, model_name="Pet", patch_operations=patch("replace", "/schema", "{")
        )


@pytest.mark.parametrize(
    ("name", "schema", "text"),
    [
        ("", _PET, "Model name must be non-empty"),
        ("my-pet", _PET, "Model name must be alphanumeric: my-pet"),
        ("Pet", "", "Model schema must have at least 1 property or array items defined"),
        ("Pet", "[]", "A schema is a JSON object"),
        ("Pet", "{", "It is not JSON"),
        ("Pet", {"type": "pet"}, "Invalid model schema specified"),
        ("Pet", {"$ref": "https://example.com/schema.json"}, "Invalid model reference specified"),
        ("Pet", {"$ref": "#/definitions/none"}, "Invalid model reference specified"),
        ("Pet", _reference("a1", "Nobody"), "Invalid model reference specified: Nobody"),
        ("Pet", {"type": "object", "description": "x" * 400 * 1024}, "at most 400 KB"),
        ("Bad", {"properties": {"pattern": {"pattern": "a(?=b)"}}}, "The pattern a.*: lookahead that is not at"),
        ("Bad", {"items": [{"patternProperties": {"(": {}}}]}, "a group that is not closed"),
        ("Bad", {"allOf": [{"not": {"pattern": "a++"}}]}, "a possessive repetition"),
    ],
)
async def test_models_that_cannot_be(plane: Plane, name: str, schema: object, text: str) -> None:
    api_id = (await _api(plane))["rest_api_id"]

    with pytest.raises(BadRequestException, match=text):
        await _model(plane, api_id, name, schema)


@pytest.mark.parametrize("pattern", [r"^(?<year>\d{4})$", "^[^]$", r"\cA", "[[&&]", r"^\ud83d\ude00$", "a{,2}"])
async def test_a_models_patterns_are_ecma_262s_and_not_pythons(plane: Plane, pattern: str) -> None:
    api_id = (await _api(plane))["rest_api_id"]

    made = await _model(plane, api_id, "Dated", {"pattern": pattern})

    assert json.loads(made["schema"]) == {"pattern": pattern}


async def test_a_model_is_there_once_and_nowhere_else(plane: Plane) -> None:
    api_id, other = [(await _api(plane))["rest_api_id"] for _ in range(2)]
    await _model(plane, api_id, "Pet", _PET)

    with pytest.raises(ConflictException, match="Model name already exists for this REST API"):
        await _model(plane, api_id, "Pet", _PET)
    for operation in (plane.get_model, plane.delete_model, plane.get_model_template):
        with pytest.raises(NotFoundException, match="Invalid model name specified: Pet"):
            await operation(rest_api_id=other, model_name="Pet")


async def test_a_model_that_is_referred_to_stays(plane: Plane) -> None:
    where = await _api(plane)
    api_id = where["rest_api_id"]
    await _model(plane, api_id, "Pet", _PET)
    await _model(plane, api_id, "Pets", {"type": "array", "items": _reference(api_id, "Pet")})
    await plane.put_method(**where, authorization_type="NONE", request_models={"application/json": "Pets"})

    with pytest.raises(ConflictException, match="'Pet', is referenced in model: Pets"):
        await plane.delete_model(rest_api_id=api_id, model_name="Pet")
    with pytest.raises(ConflictException, match="'Pets', is referenced in method request: //POST"):
        await plane.delete_model(rest_api_id=api_id, model_name="Pets")
    await plane.update_method(**where, patch_operations=patch("remove", "/requestModels/application~1json"))
    await plane.delete_model(rest_api_id=api_id, model_name="Pets")
    await plane.delete_model(rest_api_id=api_id, model_name="Pet")


async def test_a_flattened_model_has_those_it_refers_to_inside(plane: Plane) -> None:
    api_id = (await _api(plane))["rest_api_id"]
    await _model(plane, api_id, "Pet", _PET)
    await _model(plane, api_id, "Pets", {"type": "array", "items": _reference(api_id, "Pet")})

    shown = await plane.get_model(rest_api_id=api_id, model_name="Pets")
    flat = await plane.get_model(rest_api_id=api_id, model_name="Pets", flatten=True)

    assert json.loads(shown["schema"])["items"] == _reference(api_id, "Pet")
    assert json.loads(flat["schema"]) == {
        "type": "array",
        "items": {"$ref": "#/definitions/Pet"},
        "definitions": {"Pet": _PET},
    }


async def test_a_models_template_makes_what_it_describes(plane: Plane) -> None:
    api_id = (await _api(plane))["rest_api_id"]
    await _model(plane, api_id, "Pet", _PET)
    tree = {"type": "object", "properties": {"pet": _reference(api_id, "Pet"), "next": {"$ref": "#"}}}
    await _model(plane, api_id, "Tree", tree)

    template = (await plane.get_model_template(rest_api_id=api_id, model_name="Tree"))["value"]

    first, _, sample = template.partition("\n")
    assert first == "#set($inputRoot = $input.path('$'))"
    assert json.loads(sample)["pet"] == {"name": "foo", "age": 42}


async def test_request_validators_come_change_and_go(plane: Plane) -> None:
    where = await _api(plane)
    api_id = where["rest_api_id"]
    made = await plane.create_request_validator(rest_api_id=api_id, name="body", validate_request_body=True)
    named = {"rest_api_id": api_id, "request_validator_id": made["id"]}
    await plane.put_method(**where, authorization_type="NONE", request_validator_id=made["id"])

    changed = await plane.update_request_validator(
        **named, patch_operations=patch("replace", "/validateRequestParameters", "true")
    )
    with pytest.raises(ConflictException, match="is referenced in method: //POST"):
        await plane.delete_request_validator(**named)
    await plane.update_method(**where, patch_operations=patch("replace", "/requestValidatorId", ""))
    await plane.delete_request_validator(**named)

    assert (made["validate_request_body"], made["validate_request_parameters"]) == (True, False)
    assert (changed["validate_request_body"], changed["validate_request_parameters"]) == (True, True)
    assert (await plane.get_request_validators(rest_api_id=api_id))["items"] == []
    with pytest.raises(NotFoundException, match="Invalid Request Validator identifier specified"):
        await plane.get_request_validator(**named)


async def test_a_method_names_models_and_validators_that_exist(plane: Plane) -> None:
    where = await _api(plane)

    with pytest.raises(BadRequestException, match="Invalid Request Validator identifier specified"):
        await plane.put_method(**where, authorization_type="NONE", request_validator_id="nope")
    with pytest.raises(BadRequestException, match="Invalid model identifier specified: Nobody"):
        await plane.put_method(**where, authorization_type="NONE", request_models={"application/json": "Nobody"})
    with pytest.raises(
        BadRequestException, match=r"Invalid mapping expression specified: .*method\.request\.cookie\.x"
    ):
        await plane.put_method(**where, authorization_type="NONE", request_parameters={"method.request.cookie.x": True})
    await plane.put_method(**where, authorization_type="NONE", request_models={"application/json": "Empty"})
    with pytest.raises(BadRequestException, match="Invalid model identifier specified: Nobody"):
        await plane.put_method_response(**where, status_code="200", response_models={"application/json": "Nobody"})


async def test_a_clone_has_everything_but_what_is_the_other_apis_own(plane: Plane) -> None:
    where = await _api(plane)
    api_id = where["rest_api_id"]
    await _model(plane, api_id, "Pet", _PET)
    await _model(plane, api_id, "Pets", {"type": "array", "items": _reference(api_id, "Pet")})
    await plane.put_method(**where, authorization_type="AWS_IAM", request_models={"application/json": "Pets"})
    await plane.tag_resource(resource_arn=f"arn:aws:apigateway:us-west-2::/restapis/{api_id}", tags={"a": "b"})

    clone = await plane.create_rest_api(name="copy", clone_from=api_id, tags={"c": "d"})

    method = await plane.get_method(**{**where, "rest_api_id": clone["id"]})
    pets = await plane.get_model(rest_api_id=clone["id"], model_name="Pets")
    assert (clone["name"], clone["tags"]) == ("copy", {"c": "d"})
    assert method["authorization_type"] == "AWS_IAM"
    assert json.loads(pets["schema"])["items"] == _reference(clone["id"], "Pet")
    with pytest.raises(NotFoundException, match="Invalid API identifier specified 111111111111:nope"):
        await plane.create_rest_api(name="copy", clone_from="nope")
