"""Parameter mappings, expression by expression."""

import pytest

from velvetrope.events import (
    InvalidParameterMapping,
    MappingValues,
    parse_request_mapping,
    parse_response_mapping,
)

VALUES = MappingValues(
    headers={"x-a": "1,2"},
    body=b'{"pet": {"names": ["Rex", "Bo"], "age": 3, "none": null}}',
    context=lambda name: f"<{name}>",
    stage_variables={"color": "blue"},
    query={"q": "1,2"},
    path="/pets/1",
    path_parameters={"petId": "1"},
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("fixed", "fixed"),
        ("$request.header.X-A", "1,2"),
        ("$request.header.missing", ""),
        ("$request.querystring.q", "1,2"),
        ("$request.querystring.Q", ""),
        ("$request.path", "/pets/1"),
        ("$request.path.petId", "1"),
        ("$request.body", VALUES.body.decode()),
        ("$request.body.pet.names[1]", "Bo"),
        ("$request.body['pet'].age", "3"),
        ("$request.body.pet.names", '["Rex","Bo"]'),
        ("$request.body.pet.none", ""),
        ("$request.body.pet.names[7]", ""),
        ("$request.body.pet[0]", ""),
        ("$context.requestId", "<requestId>"),
        ("$context.authorizer.claims.sub", "<authorizer.claims.sub>"),
        ("$context.routeKey", "<routeKey>"),
        ("$stageVariables.color", "blue"),
        ("${request.path.petId}-${stageVariables.color}!", "1-blue!"),
        ("cost: 5$", "cost: 5$"),
    ],
)
def test_an_expression_stands_for_its_value(value: str, text: str) -> None:
    mapping = parse_request_mapping("overwrite:header.x-b", value)

    assert mapping.value is not None
    assert mapping.value.render(VALUES) == text


def test_a_body_that_is_no_json_has_no_parts() -> None:
    mapping = parse_request_mapping("overwrite:querystring.x", "$request.body.a")

    assert mapping.value is not None
    assert mapping.value.render(MappingValues(headers={}, body=b"{", context=str, stage_variables={})) == ""


@pytest.mark.parametrize(
    ("key", "action", "location", "name"),
    [
        ("append:header.x-b", "append", "header", "x-b"),
        ("overwrite:querystring.a.b", "overwrite", "querystring", "a.b"),
        ("overwrite:path", "overwrite", "path", ""),
    ],
)
def test_a_key_says_what_is_changed(key: str, action: str, location: str, name: str) -> None:
    mapping = parse_request_mapping(key, "x")

    assert (mapping.action, mapping.location, mapping.name) == (action, location, name)


def test_a_removal_has_no_value() -> None:
    assert parse_response_mapping("remove:header.x-b", "").value is None
    with pytest.raises(InvalidParameterMapping):
        parse_response_mapping("remove:header.x-b", "y")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("", "x"),
        ("set:header.a", "x"),
        ("overwrite:header.", "x"),
        ("overwrite:header.a b", "x"),
        ("append:path", "x"),
        ("overwrite:statuscode", "200"),
        ("overwrite:body", "x"),
        ("overwrite:header.x", ""),
        ("overwrite:header.x", "$request.cookie.a"),
        ("overwrite:header.x", "$response.header.a"),
        ("overwrite:header.x", "$request.body..a"),
        ("overwrite:header.x", "$request.body.a[?(@.b)]"),
        ("overwrite:header.x", "$context.nothing"),
        ("overwrite:header.x", "$stageVariables."),
        ("overwrite:header.x", "a ${request.nothing} b"),
        ("overwrite:header.Authorization", "x"),
        ("overwrite:header.x-amz-date", "x"),
        ("append:header.Access-Control-Allow-Origin", "*"),
        ("overwrite:header.X-Forwarded-For", "127.0.0.1"),
        ("remove:header.via", ""),
    ],
)
def test_everything_else_is_refused(key: str, value: str) -> None:
    with pytest.raises(InvalidParameterMapping):
        parse_request_mapping(key, value)


@pytest.mark.parametrize(
    ("key", "value"),
    [("overwrite:path", "/x"), ("append:querystring.a", "x"), ("overwrite:header.x", "$request.header.a")],
)
def test_responses_have_mappings_of_their_own(key: str, value: str) -> None:
    with pytest.raises(InvalidParameterMapping):
        parse_response_mapping(key, value)
    assert parse_response_mapping("overwrite:statuscode", "$response.header.x-status").location == "statuscode"
