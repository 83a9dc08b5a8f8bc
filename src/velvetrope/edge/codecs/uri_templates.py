"""URI templates of REST operations: `/restapis/{restapi_id}/resources`, matched against the path as it arrived.

A label is one path segment, percent-decoded after the split, so that an ARN with encoded slashes stays one label;
`{label+}` takes all that is left. `UriIndex` finds the operation of a request among all templates of a service: a
literal segment beats a label, and a template with a fixed query (`?mode=import`) beats one without.

Source: Smithy 2.0, "HTTP binding traits".
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl, unquote_to_bytes

__all__ = ["UriIndex", "UriTemplate", "path_segments", "uri_template"]

_MAX_KEPT_LENGTH: Final = 32
"""Segments; the longest template of our services has nine."""


class UriTemplate:
    """One template."""

    def __init__(self, template: str) -> None:
        path, _, query = template.partition("?")
        self.segments = tuple(segment for segment in path.split("/") if segment)
        self.fixed_query = dict(parse_qsl(query, keep_blank_values=True))

    def match(self, given: Sequence[str]) -> dict[str, str] | None:
        """The labels' values from the segments of a path, or None if it is another path."""
        found: dict[str, str] = {}
        for index, segment in enumerate(self.segments):
            if segment.endswith("+}"):
                rest = given[index:]
                if not rest:
                    return None
                found[segment[1:-2]] = "/".join(rest)
                return found
            if index >= len(given):
                return None
            if segment.startswith("{"):
                if not given[index]:
                    return None
                found[segment[1:-1]] = given[index]
            elif segment != given[index]:
                return None
        return found if len(given) == len(self.segments) else None

    def takes(self, length: int) -> bool:
        """Whether a path of so many segments can match."""
        greedy = next((index for index, segment in enumerate(self.segments) if segment.endswith("+}")), None)
        return length == len(self.segments) if greedy is None else length > greedy

    def matches_query(self, query: Mapping[str, str]) -> bool:
        """Whether the fixed part of the query is there."""
        return all(query.get(name) == value for name, value in self.fixed_query.items())

    @property
    def precedence(self) -> tuple[int, ...]:
        """Smaller goes first."""
        kinds = [2 if s.endswith("+}") else 1 if s.startswith("{") else 0 for s in self.segments]
        return (-len(self.fixed_query), *kinds)


@lru_cache(maxsize=2048)
def uri_template(template: str) -> UriTemplate:
    """This template, read. There are as many as the models have."""
    return UriTemplate(template)


class UriIndex:
    """All templates of one service, by method."""

    def __init__(self, request_uris: Mapping[str, tuple[str, str]]) -> None:
        self._by_method: dict[str, list[tuple[UriTemplate, str]]] = {}
        for name, (method, uri) in request_uris.items():
            self._by_method.setdefault(method, []).append((uri_template(uri), name))
        for templates in self._by_method.values():
            templates.sort(key=lambda pair: pair[0].precedence)
        self._by_length: dict[tuple[str, int], list[tuple[UriTemplate, str]]] = {}
        """What a path of so many segments can match, in the same order; kept once it was asked for."""

    def find(self, method: str, raw_path: bytes, query_string: bytes) -> str | None:
        """The wire name of the operation at this method, path and query."""
        query = dict(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)) if query_string else {}
        segments = path_segments(raw_path)
        for template, name in self._candidates(method, len(segments)):
            if template.match(segments) is not None and template.matches_query(query):
                return name
        return None

    def _candidates(self, method: str, length: int) -> list[tuple[UriTemplate, str]]:
        known = self._by_length.get((method, length))
        if known is None:
            known = [pair for pair in self._by_method.get(method, ()) if pair[0].takes(length)]
            # A stranger decides how many lengths there are, and which methods.
            if known and length <= _MAX_KEPT_LENGTH:
                self._by_length[method, length] = known
        return known


def path_segments(raw_path: bytes) -> tuple[str, ...]:
    """The path's segments, decoded; a trailing slash does not count."""
    if raw_path.isascii() and raw_path.find(b"%") < 0:
        plain = raw_path.decode("ascii").split("/")[1:]
        if plain and not plain[-1]:
            plain.pop()
        return tuple(plain)
    parts = raw_path.split(b"/")[1:]
    if parts and not parts[-1]:
        parts.pop()
    return tuple(unquote_to_bytes(part).decode("utf-8", "replace") for part in parts)
