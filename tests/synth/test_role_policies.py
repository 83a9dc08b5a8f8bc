"""What an app file says of a route's callers is what the policies of its roles say."""

from fnmatch import fnmatchcase
from itertools import product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from velvetrope.builder import Api, IdentityPool, IdentityPoolRole
from velvetrope.routes import RouteTree
from velvetrope.synth.errors import AppFileError
from velvetrope.synth.role_policies import invoke_statements


def app(guests: tuple[str, ...], people: tuple[str, ...], method: str = "GET") -> tuple[Api, IdentityPoolRole]:
    """An app with GET routes for guests, and routes by `method` for people only; and the guests' role."""
    pool = IdentityPool("p", clients=[], allow_guests=True)
    api = Api("a")
    for path in guests:
        api.get(path, authorization_type="AWS_IAM", allow=[pool.guest])(lambda **_: None)
    for path in people:
        api.route(method, path, authorization_type="AWS_IAM", allow=[pool.authenticated])(lambda **_: None)
    return api, pool.guest


def said(api: Api, role: IdentityPoolRole) -> dict[str, list[str]]:
    """The methods and paths of the policy, by effect."""
    statements = invoke_statements(api, role)
    return {one["Effect"]: [arn["Fn::Sub"].partition("/latest/")[2] for arn in one["Resource"]] for one in statements}


@pytest.mark.parametrize(
    ("guests", "people", "denied"),
    [
        ("/items/{id}", "/items/{id}/private", ["GET/items/*/private"]),
        ("/files/{rest+}", "/files/secret", ["GET/files/secret"]),
        ("/{rest+}", "/", ["GET/"]),
        ("/x/{a}/y", "/x/{a}/{b}/y", ["GET/x/*/*/y"]),
        ("/a/{rest+}", "/a/b/{id}", ["GET/a/b/*"]),
        ("/users/me", "/users/{id}", None),
        ("/items/{id}", "/items", None),
        ("/items/{id}", "/items/{id}/a", ["GET/items/*/a"]),
        ("/public/{rest+}", "/{rest+}", ["GET*//*", "GET/?*/"]),
        ("/public", "/{rest+}", None),
    ],
)
def test_a_route_that_falls_under_another_s_wildcard_is_denied_to_whom_it_does_not_name(
    guests: str, people: str, denied: list[str] | None
) -> None:
    policy = said(*app((guests,), (people,)))

    assert policy.get("Deny") == denied
    assert len(policy["Allow"]) == 1


def test_another_method_is_not_what_the_wildcard_speaks_of() -> None:
    assert "Deny" not in said(*app(("/items/{id}",), ("/items/{id}/private",), method="POST"))


def test_a_role_that_no_route_names_has_no_policy() -> None:
    assert said(*app((), ("/items/{id}",))) == {}


@pytest.mark.parametrize(
    ("guests", "people"), [(("/{rest+}", "/users/me"), "/users/{id}"), (("/items/{id}/x",), "/items/{rest+}")]
)
def test_what_no_policy_can_say_is_refused(guests: tuple[str, ...], people: str) -> None:
    with pytest.raises(AppFileError, match=r"lets it call GET /\S+ too, which does not allow it"):
        said(*app(guests, (people,)))


def _path(parts: list[str], is_greedy: bool) -> str:
    named = [part or f"{{v{place}}}" for place, part in enumerate(parts)]
    return "/" + "/".join([*named, "{r+}"] if is_greedy else named)


_PATHS = st.builds(_path, st.lists(st.sampled_from(["a", "b", ""]), max_size=3), st.booleans())
_CALLS = ["/" + "/".join(parts) for length in range(5) for parts in product(["a", "b", "c", ""], repeat=length)]


@settings(max_examples=50, deadline=None)
@given(st.sets(_PATHS, min_size=1, max_size=3), st.sets(_PATHS, min_size=1, max_size=3))
@example({"/a/{r+}"}, {"/{r+}"})
@example({"/a/{v1}", "/a/{v1}/{r+}"}, {"/{r+}"})
@example({"/{v0}/b", "/{v0}/{r+}"}, {"/{r+}"})
def test_no_call_of_another_s_route_is_allowed(guests: set[str], people: set[str]) -> None:
    api, role = app(tuple(sorted(guests)), tuple(sorted(people - guests)))
    tree = RouteTree([(route.path, route.method, route) for route in api.routes])
    try:
        policy = said(api, role)
    except AppFileError:
        return

    for call in _CALLS:
        found = tree.match(call, "GET")
        allows, denies = (
            any(fnmatchcase(f"GET/{call[1:].removesuffix('/')}", pattern) for pattern in policy.get(effect, ()))
            for effect in ("Allow", "Deny")
        )
        if found is not None and role not in found.target.allow:
            assert not allows or denies, call
        if found is not None and role in found.target.allow:
            assert allows, call
