"""The status of a MOCK integration, and the substitutions of gateway responses."""

import pytest

from velvetrope.events import (
    UnknownSubstitution,
    parse_gateway_parameter,
    parse_gateway_template,
    parse_mock_status,
)


def _lookup(kind: str, name: str) -> str:
    return f"<{kind} {name}>"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ('{"statusCode": 200}', "200"),
        ('{"statusCode": "404"}', "404"),
        ('{"statusCode": true}', None),
        ('{"status": 200}', None),
        ("[200]", None),
        ("", None),
    ],
)
def test_status_of_a_mock(text: str, status: str | None) -> None:
    assert parse_mock_status(text) == status


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ('{"message":$context.error.messageString}', '{"message":<context error.messageString>}'),
        ("at ${context.stage}.", "at <context stage>."),
        ("at $context.stage.", "at <context stage>."),
        ("$stageVariables.color!", "<stageVariables color>!"),
        ("nothing", "nothing"),
    ],
)
def test_substitutions_of_bodies(text: str, rendered: str) -> None:
    assert parse_gateway_template(text).render(_lookup) == rendered


@pytest.mark.parametrize(
    ("expression", "rendered"),
    [
        ("'*'", "*"),
        ("context.requestId", "<context requestId>"),
        ("stageVariables.a", "<stageVariables a>"),
        ("method.request.header.Origin", "<header Origin>"),
    ],
)
def test_substitutions_of_headers(expression: str, rendered: str) -> None:
    assert parse_gateway_parameter(expression).render(_lookup) == rendered


@pytest.mark.parametrize("text", ["$context.unknown", "$input.path('$.a')", "#if(1)x#end"])
def test_unknown_substitutions_of_bodies_are_refused(text: str) -> None:
    with pytest.raises(UnknownSubstitution):
        parse_gateway_template(text)


@pytest.mark.parametrize("expression", ["*", "context.unknown", "integration.response.header.a", "'a\n'", "'"])
def test_unknown_substitutions_of_headers_are_refused(expression: str) -> None:
    with pytest.raises(UnknownSubstitution):
        parse_gateway_parameter(expression)
