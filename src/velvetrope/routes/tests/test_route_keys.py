"""Route keys of HTTP APIs, and a tree in which a trailing slash counts."""

import pytest

from velvetrope.routes import RouteKey, RouteTree


def test_a_key_is_a_verb_and_a_path_with_named_variables() -> None:
    key = RouteKey.parse("ANY /pets/{petId}/{proxy+}")

    assert key == RouteKey("ANY", "/pets/{petId}/{proxy+}", ("petId", "proxy"), "/pets/{0}/{1+}")
    assert key is not None
    assert not key.is_default


def test_the_default_route_has_no_path() -> None:
    key = RouteKey.parse("$default")

    assert key is not None
    assert key.is_default


def test_the_root_is_a_path() -> None:
    assert RouteKey.parse("GET /") == RouteKey("GET", "/", (), "/")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "GET",
            "/pets",
            "GET  /pets",
            "get /pets",
            "TRACE /pets",
            "GET pets",
            "GET /a/",
            "GET //a",
            "GET /{a+}/b",
        ),
        *("GET /{a}/{a}", "GET /{}", "GET /a{b}", "GET /a b", "GET /a?b", "$connect", "$default "),
    ],
)
def test_everything_else_is_no_key(text: str) -> None:
    assert RouteKey.parse(text) is None


@pytest.mark.parametrize(
    ("path", "target", "parameters"),
    [
        ("/pets", "exact", {}),
        ("/pets/", "greedy", {"1": "pets/"}),
        ("/pets/1", "variable", {"0": "1"}),
        ("/pets/1/", "greedy", {"1": "pets/1/"}),
        ("/", None, None),
        ("//", None, None),
    ],
)
def test_a_trailing_slash_is_for_greedy_variables_only(
    path: str, target: str | None, parameters: dict[str, str] | None
) -> None:
    tree = RouteTree(
        [("/pets", "GET", "exact"), ("/pets/{0}", "GET", "variable"), ("/{1+}", "ANY", "greedy")],
        ignores_trailing_slash=False,
    )

    found = tree.match(path, "GET")

    assert (
        (target, parameters) == (None, None)
        if found is None
        else (found.target, found.path_parameters)
        == (
            target,
            parameters,
        )
    )
