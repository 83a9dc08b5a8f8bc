"""Parameter mappings of HTTP APIs: headers, query and path of a request, headers and status of a response, rewritten.

    mapping = parse_request_mapping("append:header.x-caller", "$context.authorizer.claims.sub")
    text = mapping.value.render(values)

A key is `append`, `overwrite` or `remove`, a colon, and what is changed: `header.NAME`, `querystring.NAME`, `path`
(requests, `overwrite` only), `statuscode` (responses, `overwrite` only). A value is text; in it `${…}`, and in the
place of all of it `$…`, stand for

| Expression | Where | What |
|---|---|---|
| `request.header.NAME`, `request.querystring.NAME` | requests | all values, joined with commas |
| `request.body`, `request.body.MEMBER[0].MEMBER` | requests | the body, or one part of it as JSON |
| `request.path`, `request.path.NAME` | requests | the path without the stage; a path parameter |
| `response.header.NAME`, `response.body…` | responses | the same of the integration's answer |
| `context.NAME`, `stageVariables.NAME` | both | |

What is not there is the empty text. An expression that is none of these, and a header that API Gateway keeps for
itself, is refused. Only the first 100 KB of a body are looked into, as on AWS.

Source: API Gateway Developer Guide, "Transform API requests and responses for HTTP APIs in API Gateway".
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from velvetrope.errors import ReasonError
from velvetrope.events.context_names import is_context_name

__all__ = [
    "InvalidParameterMapping",
    "MappingValue",
    "MappingValues",
    "ParameterMapping",
    "parse_request_mapping",
    "parse_response_mapping",
]

_MAX_SEARCHED_BODY_BYTES: Final = 102_400
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_EXPRESSION = re.compile(r"\$\{([^{}]*)\}")
_BODY_STEP = re.compile(r"\.([A-Za-z0-9_$-]+)|\[(\d{1,6})\]|\[['\"]([^'\"\]]+)['\"]\]")
_HTTP_CONTEXT_NAMES: Final = frozenset({"routeKey"})

_RESERVED_HEADERS: Final = frozenset(
    {
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-location",
        "forwarded",
        "keep-alive",
        "origin",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailers",
        "transfer-encoding",
        "upgrade",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
    }
)
_RESERVED_PREFIXES: Final = ("access-control-", "apigw-", "x-amz-", "x-amzn-")

Kind = Literal["text", "header", "querystring", "body", "path", "parameter", "context", "stageVariables"]


class InvalidParameterMapping(ReasonError):
    """The key or the value of a mapping is not one of those that API Gateway has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingValues:
    """What expressions stand for, in one request or response. Header names are in lower case."""

    headers: Mapping[str, str]
    body: bytes
    context: Callable[[str], str]
    stage_variables: Mapping[str, str]
    query: Mapping[str, str] = field(default_factory=dict)
    path: str = ""
    path_parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MappingValue:
    """The value of a mapping, understood: text and expressions in turn."""

    parts: tuple[tuple[Kind, str], ...]

    def render(self, values: MappingValues) -> str:
        """The text that it comes to."""
        return "".join(text if kind == "text" else _resolve(kind, text, values) for kind, text in self.parts)


@dataclass(frozen=True, slots=True)
class ParameterMapping:
    """One change. `name` is empty for `path` and `statuscode`; `value` is None for `remove`."""

    action: Literal["append", "overwrite", "remove"]
    location: Literal["header", "querystring", "path", "statuscode"]
    name: str
    value: MappingValue | None


def parse_request_mapping(key: str, value: str) -> ParameterMapping:
    """A change of what the integration is sent.

    Raises:
        InvalidParameterMapping: see the module's table.
    """
    return _parse(key, value, side="request")


def parse_response_mapping(key: str, value: str) -> ParameterMapping:
    """A change of what the caller is sent.

    Raises:
        InvalidParameterMapping: see the module's table.
    """
    return _parse(key, value, side="response")


def _parse(key: str, value: str, *, side: Literal["request", "response"]) -> ParameterMapping:
    action, _, target = key.partition(":")
    location, _, name = target.partition(".")
    if action not in {"append", "overwrite", "remove"}:
        raise InvalidParameterMapping(f"Invalid mapping expression specified: {key}")
    whole = {"request": "path", "response": "statuscode"}[side]
    named = {"request": {"header", "querystring"}, "response": {"header"}}[side]
    if not (location in named and name) and not (target == whole and action == "overwrite"):
        raise InvalidParameterMapping(f"Invalid mapping expression specified: {key}")
    if location == "header":
        if not _TOKEN.fullmatch(name):
            raise InvalidParameterMapping(f"Invalid mapping expression specified: {key}")
        lower = name.lower()
        if lower in _RESERVED_HEADERS or lower.startswith(_RESERVED_PREFIXES):
            raise InvalidParameterMapping(f"Operations on header {name} are restricted")
    if action == "remove":
        if value not in {"", "''"}:
            raise InvalidParameterMapping(f"{key} takes no value")
        parsed = None
    else:
        parsed = _parse_value(value, side)
    return ParameterMapping(action, location, name, parsed)  # type: ignore[arg-type]  # both were checked above


def _parse_value(value: str, side: str) -> MappingValue:
    if not value:
        raise InvalidParameterMapping("A mapping needs a value")
    if value.startswith("$") and not value.startswith("${"):
        return MappingValue((_parse_expression(value[1:], side),))
    parts: list[tuple[Kind, str]] = []
    at = 0
    for found in _EXPRESSION.finditer(value):
        if found.start() > at:
            parts.append(("text", value[at : found.start()]))
        parts.append(_parse_expression(found[1], side))
        at = found.end()
    if at < len(value):
        parts.append(("text", value[at:]))
    return MappingValue(tuple(parts))


def _parse_expression(text: str, side: str) -> tuple[Kind, str]:
    root, _, rest = text.partition(".")
    if root == "context" and (is_context_name(rest) or rest in _HTTP_CONTEXT_NAMES):
        return "context", rest
    if root == "stageVariables" and re.fullmatch(r"[A-Za-z0-9_]+", rest):
        return "stageVariables", rest
    if root == side:
        where, _, name = rest.partition(".")
        if where == "header" and _TOKEN.fullmatch(name):
            return "header", name.lower()
        path = rest.removeprefix("body")
        if rest.startswith("body") and _is_body_path(path):
            return "body", path
        if side == "request":
            if where == "querystring" and name:
                return "querystring", name
            if rest == "path":
                return "path", ""
            if where == "path" and name:
                return "parameter", name
    raise InvalidParameterMapping(f"Invalid mapping expression specified: ${text}")


def _is_body_path(path: str) -> bool:
    at = 0
    while at < len(path):
        step = _BODY_STEP.match(path, at)
        if step is None:
            return False
        at = step.end()
    return True


def _resolve(kind: Kind, name: str, values: MappingValues) -> str:
    match kind:
        case "header":
            return values.headers.get(name, "")
        case "querystring":
            return values.query.get(name, "")
        case "path":
            return values.path
        case "parameter":
            return values.path_parameters.get(name, "")
        case "context":
            return values.context(name)
        case "stageVariables":
            return values.stage_variables.get(name, "")
        case _:
            return _part_of_body(values.body, name)


def _part_of_body(body: bytes, path: str) -> str:
    if not path:
        return body.decode("utf-8", "replace")
    try:
        found: object = msgspec.json.decode(body[:_MAX_SEARCHED_BODY_BYTES])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    for step in _BODY_STEP.finditer(path):
        member, index = step[1] or step[3], step[2]
        if member is not None and isinstance(found, dict):
            found = found.get(member)
        elif index is not None and isinstance(found, list) and int(index) < len(found):
            found = found[int(index)]
        else:
            return ""
    if found is None:
        return ""
    return found if isinstance(found, str) else msgspec.json.encode(found).decode()
