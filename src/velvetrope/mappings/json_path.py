"""`$.orders[0].id`: a part of a JSON document.

A definite path (names and indexes only) gives the value or None, any other the list of all it finds, as the library
behind AWS's templates does.

Source: RFC 9535; API Gateway Developer Guide, "$input variables".
"""

from functools import lru_cache
from typing import TYPE_CHECKING

from velvetrope.errors import ReasonError

if TYPE_CHECKING:
    from jsonpath import JSONPath

__all__ = ["JsonPath", "MalformedJsonPath"]

_MAX_CHARACTERS = 2_048


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
        """The value of a definite path, None if there is none; a list for any other path."""
        if not isinstance(document, dict | list):
            return document if str(self._path) == "$" else None if self.is_definite else []
        found = self._path.findall(document)
        if not self.is_definite:
            return found
        return found[0] if found else None


@lru_cache(maxsize=1_024)
def _compile(text: str) -> "JSONPath":
    import jsonpath

    if len(text) > _MAX_CHARACTERS:
        raise MalformedJsonPath(f"the path has {len(text)} characters")
    try:
        compiled = jsonpath.compile(text)
    except (jsonpath.JSONPathError, RecursionError) as error:
        raise MalformedJsonPath(f"{text} is no JSONPath: {error}") from None
    if not isinstance(compiled, jsonpath.JSONPath):
        raise MalformedJsonPath(f"{text} joins several paths")
    return compiled
