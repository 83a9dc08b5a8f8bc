"""`$.orders[0].id`: a part of a JSON document.

A definite path (names and indexes only) gives the value or None, any other the list of all it finds, as the library
behind AWS's templates does.

The document is a stranger's, so a search is bounded: it looks at so many values and then fails, and no value carries
its path along (the library's own does, which makes the cost of long names quadratic). What a filter asks about an
element is not counted, so it may ask about the element's own members by name and not about whatever is below it or
elsewhere in the document.

Source: RFC 9535; API Gateway Developer Guide, "$input variables".
"""

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from velvetrope.errors import ReasonError
from velvetrope.mappings.budget import TemplateFailed

if TYPE_CHECKING:
    from jsonpath import JSONPath, JSONPathMatch

__all__ = ["JsonPath", "MalformedJsonPath"]

_MAX_CHARACTERS = 2_048
_MAX_VALUES = 250_000
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
_BEYOND_MEMBERS = re.compile(r"\.\.|[$*^#]")


class MalformedJsonPath(ReasonError):
    """The text is no JSONPath."""


class JsonPath:
    """A compiled path."""

    __slots__ = ("_path", "is_definite")

    def __init__(self, text: str) -> None:
        """Compile `text`.

        Raises:
            MalformedJsonPath: it is not one.
        """
        self._path = _compile(text)
        self.is_definite = self._path.singular_query()

    def find(self, document: object) -> object:
        """The value of a definite path, None if there is none; a list for any other path.

        Raises:
            TemplateFailed: the search would have to look at too many values, or too deep.
        """
        if not isinstance(document, dict | list):
            return document if str(self._path) == "$" else None if self.is_definite else []
        found = _search(self._path, document)
        if not self.is_definite:
            return found
        return found[0] if found else None


def _search(path: "JSONPath", document: object) -> list[object]:
    from jsonpath import JSONPathError

    nodes: Iterable[JSONPathMatch] = [_node_class()(document)]
    for segment in path.segments:
        nodes = segment.resolve(nodes)
    try:
        return [node.obj for node in nodes]
    except (JSONPathError, RecursionError) as error:
        raise TemplateFailed(f"the path {path} cannot be followed: {type(error).__name__}") from None


@cache
def _node_class() -> Any:  # noqa: ANN401  a class of the library's, which is only imported when a path is used
    from jsonpath import JSONPathMatch

    class Node(JSONPathMatch):
        """A value of the document; all of one search count together."""

        __slots__ = ("looked_at",)

        def __init__(self, document: object) -> None:
            super().__init__(filter_context={}, obj=document, parent=None, path="$", parts=(), root=document)  # type: ignore[arg-type]  # filters have no "$"
            self.looked_at = [0]

        def new_child(self, obj: object, _key: int | str) -> "Node":
            self.looked_at[0] += 1
            if self.looked_at[0] > _MAX_VALUES:
                raise TemplateFailed(f"a path leads to more than {_MAX_VALUES} values")
            child = Node(obj)
            child.root, child.looked_at = self.root, self.looked_at
            return child

        def add_child(self, *children: JSONPathMatch) -> None:
            pass

    return Node


@lru_cache(maxsize=1_024)
def _compile(text: str) -> "JSONPath":
    import jsonpath

    if len(text) > _MAX_CHARACTERS:
        raise MalformedJsonPath(f"the path has {len(text)} characters")
    _check_filters(text)
    try:
        compiled = jsonpath.compile(text)
    except (jsonpath.JSONPathError, RecursionError) as error:
        raise MalformedJsonPath(f"{text} is no JSONPath: {error}") from None
    if not isinstance(compiled, jsonpath.JSONPath):
        raise MalformedJsonPath(f"{text} joins several paths")
    return compiled


def _check_filters(text: str) -> None:
    """That filters ask about members of their own element only."""
    plain = _QUOTED.sub("''", text)
    depth, filter_depth = 0, None
    start = 0
    for position, character in enumerate(plain):
        if character == "[":
            depth += 1
        elif character == "?" and filter_depth is None:
            filter_depth, start = depth, position
        elif character == "]":
            if depth == filter_depth:
                _check_filter(plain[start:position])
                filter_depth = None
            depth -= 1
    if filter_depth is not None:
        _check_filter(plain[start:])


def _check_filter(text: str) -> None:
    found = _BEYOND_MEMBERS.search(text)
    if found is not None:
        raise MalformedJsonPath(f"a filter with {found[0]} is not supported: it may ask about members of its element")
