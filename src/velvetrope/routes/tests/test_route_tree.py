"""Which route a path and method mean, one row per sentence of the documents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velvetrope.routes import HTTP_METHODS, RouteConflict, RouteTree

_PETS = [
    ("/", "GET"),
    ("/pets", "GET"),
    ("/pets", "POST"),
    ("/pets/{petId}", "GET"),
    ("/pets/{petId}/toys", "ANY"),
    ("/pets/first", "GET"),
    ("/pets/first", "ANY"),
    ("/files/{proxy+}", "GET"),
    ("/{proxy+}", "OPTIONS"),
    ("/{proxy+}", "PUT"),
]


def _tree(*routes: tuple[str, str]) -> RouteTree[str]:
    return RouteTree((path, method, f"{method} {path}") for path, method in routes or _PETS)


@pytest.mark.parametrize(
    ("method", "path", "target", "parameters"),
    [
        pytest.param("GET", "/", "GET /", {}, id="the root has a method of its own"),
        pytest.param("GET", "/pets", "GET /pets", {}, id="an exact path"),
        pytest.param("GET", "/pets/", "GET /pets", {}, id="one trailing slash is ignored"),
        pytest.param("GET", "/pets/a1b2", "GET /pets/{petId}", {"petId": "a1b2"}, id="a variable takes one segment"),
        pytest.param("GET", "/pets/a%2Fb", "GET /pets/{petId}", {"petId": "a%2Fb"}, id="values stay encoded"),
        pytest.param("GET", "/pets/first", "GET /pets/first", {}, id="an exact segment beats a variable"),
        pytest.param("DELETE", "/pets/first", "ANY /pets/first", {}, id="a method of its own beats ANY, ANY the rest"),
        pytest.param("PATCH", "/pets/1/toys", "ANY /pets/{petId}/toys", {"petId": "1"}, id="ANY takes every method"),
        pytest.param("OPTIONS", "/pets", "OPTIONS /{proxy+}", {"proxy": "pets"}, id="a greedy sibling fills in"),
        pytest.param("PUT", "/pets/1/2", "PUT /{proxy+}", {"proxy": "pets/1/2"}, id="the search goes back"),
        pytest.param("GET", "/files/a//b", "GET /files/{proxy+}", {"proxy": "a//b"}, id="double slashes are kept"),
        pytest.param("GET", "/files/a/b/", "GET /files/{proxy+}", {"proxy": "a/b"}, id="greedy drops the last slash"),
    ],
)
def test_route_is_found(method: str, path: str, target: str, parameters: dict[str, str]) -> None:
    matched = _tree().match(path, method)

    assert matched is not None
    assert (matched.target, dict(matched.path_parameters)) == (target, parameters)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("HEAD", "/pets", id="HEAD is not derived from GET"),
        pytest.param("GET", "/nowhere", id="the method is missing on the greedy one too"),
        pytest.param("GET", "/files", id="a greedy part needs one segment"),
        pytest.param("GET", "/files/", id="an empty segment is none"),
        pytest.param("GET", "/files//", id="slashes alone are no segment"),
        pytest.param("GET", "/pets//", id="a variable needs something"),
        pytest.param("TRACE", "/pets/1/toys", id="ANY is not every word"),
        pytest.param("GET", "/files/../pets", id="dot segments match nothing"),
        pytest.param("GET", "/files/%2E%2e/pets", id="encoded dot segments match nothing"),
        pytest.param("GET", "/PETS", id="case counts"),
    ],
)
def test_route_is_not_found(method: str, path: str) -> None:
    assert _tree().match(path, method) is None


def test_half_matched_variables_are_forgotten_when_the_search_goes_back() -> None:
    tree = _tree(("/{a}/x", "GET"), ("/{all+}", "GET"))

    matched = tree.match("/1/y", "GET")

    assert matched is not None
    assert dict(matched.path_parameters) == {"all": "1/y"}


@pytest.mark.parametrize(
    "routes",
    [
        pytest.param([("/{a}", "GET"), ("/{b}/c", "GET")], id="two variables at one place"),
        pytest.param([("/{a+}", "GET"), ("/{b+}", "PUT")], id="two greedy ones at one place"),
        pytest.param([("/{a+}/b", "GET")], id="a greedy one that is not last"),
        pytest.param([("/a", "GET"), ("/a", "GET")], id="one route twice"),
    ],
)
def test_conflicting_routes_are_refused(routes: list[tuple[str, str]]) -> None:
    with pytest.raises(RouteConflict):
        _tree(*routes)


_SEGMENTS = st.text(alphabet="abc", min_size=1, max_size=3)


@given(st.lists(st.lists(_SEGMENTS, min_size=1, max_size=3), min_size=1, max_size=5), st.sampled_from(HTTP_METHODS))
def test_every_exact_route_is_found_whatever_stands_beside_it(paths: list[list[str]], method: str) -> None:
    routes = sorted({"/" + "/".join(path) for path in paths})

    tree = _tree(*((route, method) for route in routes), ("/{any+}", "ANY"))

    for route in routes:
        matched = tree.match(route, method)
        assert matched is not None
        assert matched.target == f"{method} {route}"
