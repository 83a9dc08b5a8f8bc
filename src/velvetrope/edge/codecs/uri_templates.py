"""URI templates of REST operations: `/restapis/{restapi_id}/resources`, matched against the path as it arrived.

A label is one path segment, percent-decoded after the split, so that an ARN with encoded slashes stays one label;
`{label+}` takes all that is left. `UriIndex` finds the operation of a request among all templates of a service: a
literal segment beats a label, and a template with a fixed query (`?mode=import`) beats one without.

Source: Smithy 2.0, "HTTP binding traits".
"""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, unquote_to_bytes

__all__ = ["UriIndex", "UriTemplate", "path_segments"]


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

    def matches_query(self, query: Mapping[str, str]) -> bool:
        """Whether the fixed part of the query is there."""
        return all(query.get(name) == value for name, value in self.fixed_query.items())

    @property
    def precedence(self) -> tuple[int, ...]:
        """Smaller goes first."""
        kinds = [2 if s.endswith("+}") else 1 if s.startswith("{") else 0 for s in self.segments]
        return (-len(self.fixed_query), *kinds)


class UriIndex:
    """All templates of one service, by method."""

    def __init__(self, request_uris: Mapping[str, tuple[str, str]]) -> None:
        self._by_method: dict[str, list[tuple[UriTemplate, str]]] = {}
        for name, (method, uri) in request_uris.items():
            self._by_method.setdefault(method, []).append((UriTemplate(uri), name))
        for templates in self._by_method.values():
            templates.sort(key=lambda pair: pair[0].precedence)

    def find(self, method: str, raw_path: bytes, query_string: bytes) -> str | None:
        """The wire name of the operation at this method, path and query."""
        query = dict(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True))
        segments = path_segments(raw_path)
        for template, name in self._by_method.get(method, ()):
            if template.match(segments) is not None and template.matches_query(query):
                return name
        return None


def path_segments(raw_path: bytes) -> tuple[str, ...]:
    """The path's segments, decoded; a trailing slash does not count."""
    parts = raw_path.split(b"/")[1:]
    if parts and not parts[-1]:
        parts.pop()
    return tuple(unquote_to_bytes(part).decode("utf-8", "replace") for part in parts)
