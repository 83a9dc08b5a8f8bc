"""The route tree: one node per path segment, searched best branch first with a way back.

Paths without variables are also kept in a flat table, since an exact path that has the method always wins. Building
refuses two variables at the same place, as the control plane of API Gateway does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Generic, TypeVar

from velvetrope.errors import ReasonError

__all__ = ["HTTP_METHODS", "RouteConflict", "RouteMatch", "RouteTree", "has_dot_segments"]

HTTP_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
"""What `ANY` stands for. HEAD is not derived from GET."""

T = TypeVar("T")
_NO_PARAMETERS: Mapping[str, str] = MappingProxyType({})
_DOT_SEGMENTS = frozenset({".", "..", "%2e", "%2e%2e", ".%2e", "%2e."})


class RouteConflict(ReasonError):
    """Two variables stand at the same place, a greedy one is not last, or a route is declared twice."""


def has_dot_segments(path: str) -> bool:
    """Whether a segment of `path` is `.` or `..`, percent-encoded or not: who is behind us may take it as a way up."""
    return any(segment.lower() in _DOT_SEGMENTS for segment in path.split("/"))


@dataclass(frozen=True, slots=True)
class RouteMatch(Generic[T]):
    """What was found; `path_parameters` hold the segments as they arrived, still percent-encoded."""

    target: T
    path_parameters: Mapping[str, str]


@dataclass(slots=True)
class _Node(Generic[T]):
    methods: dict[str, T] = field(default_factory=dict)
    exact: dict[str, "_Node[T]"] = field(default_factory=dict)
    variable_name: str = ""
    variable: "_Node[T] | None" = None
    greedy_name: str = ""
    greedy: dict[str, T] = field(default_factory=dict)


class RouteTree(Generic[T]):
    """A compiled set of (resource path, method, target)."""

    __slots__ = ("_flat", "_ignores_trailing_slash", "_root")

    def __init__(self, routes: Iterable[tuple[str, str, T]], *, ignores_trailing_slash: bool = True) -> None:
        """Compile `routes`; methods are HTTP verbs in upper case, or `ANY`.

        Where a trailing slash is not ignored, a path that has one is matched by greedy variables only.

        Raises:
            RouteConflict: the routes cannot stand side by side.
        """
        self._ignores_trailing_slash = ignores_trailing_slash
        self._root: _Node[T] = _Node()
        self._flat: dict[str, dict[str, RouteMatch[T]]] = {}
        for path, method, target in routes:
            self._add(path, method, target)

    def match(self, path: str, method: str) -> RouteMatch[T] | None:
        """The best route for `path` (without the stage, starting with `/`) and `method`; None if there is none."""
        flat = self._flat.get(path)
        if flat is not None:
            found = flat.get(method) or flat.get("ANY")
            if found is not None and method in HTTP_METHODS:
                return found
        if method not in HTTP_METHODS:
            return None
        trimmed = path[1:-1] if self._ignores_trailing_slash and len(path) > 1 and path.endswith("/") else path[1:]
        segments = trimmed.split("/") if trimmed else []
        if has_dot_segments(trimmed):
            return None
        parameters: dict[str, str] = {}
        target = _search(self._root, segments, 0, method, parameters)
        return None if target is None else RouteMatch(target[0], parameters)

    def _add(self, path: str, method: str, target: T) -> None:
        node = self._root
        segments = path[1:].split("/") if path != "/" else []
        for position, segment in enumerate(segments):
            if segment.startswith("{") and segment.endswith("+}"):
                if position != len(segments) - 1:
                    raise RouteConflict(f"Cannot create a child of a resource with a greedy path variable: {segment}")
                name = segment[1:-2]
                if node.greedy and node.greedy_name != name:
                    raise RouteConflict(f"{path}: another greedy variable, {node.greedy_name}, stands here")
                node.greedy_name = name
                _add_method(node.greedy, method, target, path)
                return
            if segment.startswith("{") and segment.endswith("}"):
                name = segment[1:-1]
                if node.variable is None:
                    node.variable, node.variable_name = _Node(), name
                elif node.variable_name != name:
                    raise RouteConflict(f"{path}: another variable, {node.variable_name}, stands here")
                node = node.variable
            else:
                node = node.exact.setdefault(segment, _Node())
        _add_method(node.methods, method, target, path)
        if "{" not in path:
            match = RouteMatch(target, _NO_PARAMETERS)
            for spelling in {path, path + "/"} - {"//"} if self._ignores_trailing_slash else {path}:
                self._flat.setdefault(spelling, {})[method] = match


def _add_method(methods: dict[str, T], method: str, target: T, path: str) -> None:
    if method in methods:
        raise RouteConflict(f"{method} {path} is declared twice")
    methods[method] = target


def _search(node: _Node[T], segments: list[str], at: int, method: str, parameters: dict[str, str]) -> tuple[T] | None:
    if at == len(segments):
        return _pick(node.methods, method)
    segment = segments[at]
    child = node.exact.get(segment)
    if child is not None:
        found = _search(child, segments, at + 1, method, parameters)
        if found is not None:
            return found
    if node.variable is not None and segment:
        found = _search(node.variable, segments, at + 1, method, parameters)
        if found is not None:
            parameters[node.variable_name] = segment
            return found
    if node.greedy:
        rest = "/".join(segments[at:])
        found = _pick(node.greedy, method)
        if found is not None and rest.strip("/"):
            parameters[node.greedy_name] = rest
            return found
    return None


def _pick(methods: dict[str, T], method: str) -> tuple[T] | None:
    # In a tuple, so that a target may be any value.
    if method in methods:
        return (methods[method],)
    if "ANY" in methods:
        return (methods["ANY"],)
    return None
