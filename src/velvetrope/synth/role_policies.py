"""What a role of an identity pool may call: an Allow of the routes that name it, and a Deny of what that would let in.

A policy names calls by text, and its `*` is any text, slashes included: what allows `/items/{id}` speaks of
`/items/7/private` too, and what allows `/files/{rest+}` of `/files/secret`. API Gateway answers these by routes of
their own, which may be for somebody else. So for each signed route that does not name the role, and some call of which
falls under what the role is allowed, a Deny stands beside the Allow. It may refuse a little more than that route: with
`/files/{id}/private` denied, what `/files/{rest+}` would have had of `/files/a/b/private` is refused as well. Where it
would refuse a route that the role is allowed even if each variable, a greedy one too, is one part, the app is refused.

A `*` stands for nothing too, and a variable does not: `/files//` is no call of `/files/{rest+}`, but of a `/{rest+}` if
there is one. Where such a route is closed to the role, paths with an empty part below it are denied.

Sources: IAM User Guide, "IAM JSON policy elements: Resource" (wildcards); API Gateway Developer Guide, "Control access
for invoking an API".
"""

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from velvetrope.builder import IdentityPoolRole, Route
from velvetrope.builder.api import Api
from velvetrope.routes import RouteTree
from velvetrope.synth.errors import AppFileError
from velvetrope.synth.names import logical_id
from velvetrope.synth.services import Template

__all__ = ["invoke_statements"]

_VARIABLE = re.compile(r"\{[^}]*\}")
_ANYTHING = "~"
"""Stands for whatever a variable takes: no route has a part of this name."""


def invoke_statements(api: Api, role: IdentityPoolRole) -> list[Template]:
    """The statements of `role`'s policy; none if no route allows it.

    Raises:
        AppFileError: what the routes allow the role cannot be said in a policy.
    """
    allowed = [route for route in api.routes if role in route.allow]
    others = [route for route in api.routes if route.authorization_type == "AWS_IAM" and role not in route.allow]
    tree = RouteTree([(route.path, route.method, route) for route in api.routes])
    let_in = {other: one for other in others for one in allowed if _speaks_of(one, other, tree)}
    for other, covering in let_in.items():
        for one in allowed:
            if one.method == other.method and fnmatchcase(_VARIABLE.sub(_ANYTHING, one.path), _glob(other)):
                raise AppFileError(
                    f"What lets the {role.kind} role of the identity pool {role.identity_pool.name!r} call "
                    f"{covering.method} {covering.path} lets it call {other.method} {other.path} too, which does not "
                    f"allow it (a * in a policy spans slashes); and what refuses that refuses {one.method} {one.path}, "
                    "which does. Allow the role there as well, or change one of the paths."
                )
    with_wildcard = {one.method for one in allowed if "{" in one.path}
    denied = [other.method + _glob(other) for other in let_in]
    for other in others:
        if other.path.endswith("+}") and other not in let_in and other.method in with_wildcard:
            denied += _empty_parts_below(other)
    calls = {"Allow": [one.method + _glob(one) for one in allowed], "Deny": denied}
    return [
        {"Effect": effect, "Action": "execute-api:Invoke", "Resource": [_method_arn(api, one) for one in named]}
        for effect, named in calls.items()
        if named
    ]


def _glob(route: Route) -> str:
    return _VARIABLE.sub("*", route.path)


def _empty_parts_below(greedy: Route) -> tuple[str, str]:
    """The calls of a greedy route with an empty part within, and with one at the end (a last slash is not counted)."""
    start = greedy.method + _glob(greedy).removesuffix("/*")
    return f"{start}*//*", f"{start}/?*/"


def _method_arn(api: Api, call: str) -> Template:
    base = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}"
    return {"Fn::Sub": f"{base}:${{{logical_id(api.name, 'Api')}}}/{api.stage}/{call}"}


def _speaks_of(one: Route, other: Route, tree: RouteTree[Route]) -> bool:
    """Whether a policy for `one` speaks of a call that `other` answers."""
    if one.method != other.method:
        return False
    if other.path == "/":
        return _glob(one) == "/*"  # the one place where nothing stands for a `*`
    for parts in _common(_glob(one)[1:].split("/"), other.path[1:].split("/")):
        found = tree.match("/" + "/".join(parts), other.method)
        if found is not None and found.target is other:
            return True
    return False


def _common(glob: Sequence[str], path: Sequence[str]) -> Iterator[list[str]]:
    """Paths, in parts, that fit both: some for each way in which a `*` (any parts) and a variable can lie together."""
    if not glob or not path:
        if not glob and not path:
            yield []
        return
    is_star, is_variable = glob[0] == "*", path[0].startswith("{")
    if not is_star and not is_variable and glob[0] != path[0]:
        return
    part = glob[0] if not is_star else _ANYTHING if is_variable else path[0]
    rests = [(glob[1:], path[1:])]
    if is_star:
        rests.append((glob, path[1:]))
    if path[0].endswith("+}"):
        rests.append((glob[1:], path))
    for rest in rests:
        for more in _common(*rest):
            yield [part, *more]
            if is_star and path[0].endswith("+}"):
                yield [part, part, *more]  # longer than any route with single variables that has the shorter one
