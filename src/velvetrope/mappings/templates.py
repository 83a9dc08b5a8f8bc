"""A mapping template with API Gateway's own variables: `$input`, `$context`, `$stageVariables`, `$util`.

    $input.body                 the payload as text
    $input.json('$.a')          a part of it, as JSON text
    $input.path('$.a')          a part of it, as a value to go through
    $input.params()             all parameters: `.path`, `.querystring`, `.header`
    $input.params('x')          the first of these that has `x`
    $util.escapeJavaScript(s)   and parseJson, urlEncode, urlDecode, base64Encode, base64Decode

`#set($context.requestOverride.header.X = …)` and `$context.responseOverride.…` are given back beside the text.

Source: API Gateway Developer Guide, "Mapping template variables for data transformations",
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from urllib.parse import quote_plus, unquote_plus

import msgspec

from velvetrope.mappings.budget import MAX_TEXT_CHARACTERS, TemplateFailed
from velvetrope.mappings.json_path import JsonPath, MalformedJsonPath
from velvetrope.mappings.velocity import Scope, VelocityTemplate

__all__ = ["MappingTemplate", "RenderedTemplate", "TemplateInput"]


class TemplateInput(msgspec.Struct, frozen=True, kw_only=True):
    """What a template is rendered with. `context` is the nested maps of `$context`; parameters are by their names."""

    body: str
    path: Mapping[str, str]
    querystring: Mapping[str, str]
    header: Mapping[str, str]
    context: Mapping[str, object]
    stage_variables: Mapping[str, str]


class RenderedTemplate(msgspec.Struct, frozen=True):
    """The text, and what the template overrode: `header`, `path`, `querystring`, and the response's `status`."""

    text: str
    request_override: dict[str, dict[str, object]]
    response_headers: dict[str, object]
    response_status: str | None


class MappingTemplate:
    """A compiled mapping template."""

    __slots__ = ("_static", "_template")

    def __init__(self, text: str) -> None:
        """Compile `text`.

        Raises:
            velvetrope.mappings.UnsupportedTemplate: it is not Velocity, or uses what is not supported here.
        """
        self._static = text if "$" not in text and "#" not in text and "\\" not in text else None
        self._template = None if self._static is not None else VelocityTemplate(text)

    @property
    def static(self) -> str | None:
        """The text, if it has nothing to fill in."""
        return self._static

    def render(self, given: TemplateInput) -> RenderedTemplate:
        """The text for one request.

        Raises:
            TemplateFailed: it cannot be rendered.
        """
        if self._template is None:
            return RenderedTemplate(self._static or "", {}, {}, None)
        request_override: dict[str, dict[str, object]] = {"header": {}, "path": {}, "querystring": {}}
        response_override: dict[str, object] = {"header": {}}
        scope = Scope(
            {
                "context": {
                    **given.context,
                    "requestOverride": request_override,
                    "responseOverride": response_override,
                },
                "input": _Input(given),
                "stageVariables": dict(given.stage_variables),
                "util": _UTIL,
            }
        )
        text = self._template.render(scope)
        headers, status = response_override.get("header"), response_override.get("status")
        if not isinstance(headers, dict) or not all(isinstance(one, dict) for one in request_override.values()):
            raise TemplateFailed("an override was set to what is no map")
        return RenderedTemplate(text, request_override, headers, None if status is None else str(status))


def _as_json(value: object) -> str:
    if not isinstance(value, list):
        return msgspec.json.encode(value).decode()
    # A path with `..` finds what stands in each other many times over, so the whole may be far longer than the body.
    parts: list[str] = []
    left = MAX_TEXT_CHARACTERS
    for one in value:
        parts.append(msgspec.json.encode(one).decode())
        left -= len(parts[-1])
        if left < 0:
            raise TemplateFailed("the template makes too much text")
    return f"[{','.join(parts)}]"


class _Input:
    """`$input`."""

    def __init__(self, given: TemplateInput) -> None:
        self._given = given
        self._document: object = _UNREAD

    def template_methods(self) -> Mapping[str, Callable[..., object]]:
        return {"json": self._json, "params": self._params, "path": self._path}

    def template_properties(self) -> Mapping[str, object]:
        return {"body": self._given.body}

    def _read(self) -> object:
        if self._document is _UNREAD:
            try:
                self._document = msgspec.json.decode(self._given.body) if self._given.body.strip() else {}
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                raise TemplateFailed("the template reads the body as JSON, which it is not") from None
        return self._document

    def _path(self, expression: object = "$") -> object:
        if not isinstance(expression, str):
            raise TypeError("a path is a text")
        try:
            return JsonPath(expression).find(self._read())
        except MalformedJsonPath as finding:
            raise TemplateFailed(finding.message) from None

    def _json(self, expression: object = "$") -> object:
        found = self._path(expression)
        # AWS writes `""` for what is not there.
        return '""' if found is None else _as_json(found)

    def _params(self, name: object = None) -> object:
        given = self._given
        if name is None:
            return {"path": dict(given.path), "querystring": dict(given.querystring), "header": dict(given.header)}
        for place in (given.path, given.querystring, given.header):
            if name in place:
                return place[str(name)]
        return ""


_UNREAD: object = object()


class _Util:
    """`$util`."""

    def template_methods(self) -> Mapping[str, Callable[..., object]]:
        return {
            "base64Decode": _base64_decode,
            "base64Encode": lambda text: base64.b64encode(_given_text(text).encode("utf-8", "replace")).decode(),
            "escapeJavaScript": _escape_javascript,
            "parseJson": _parse_json,
            "urlDecode": lambda text: unquote_plus(_given_text(text)),
            "urlEncode": lambda text: quote_plus(_given_text(text), errors="replace"),
        }

    def template_properties(self) -> Mapping[str, object]:
        return {}


_UTIL = _Util()
_ESCAPES = str.maketrans(
    {
        "'": "\\'",
        '"': '\\"',
        "\\": "\\\\",
        "/": "\\/",
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
        "\b": "\\b",
        "\f": "\\f",
    }
)


def _given_text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError("a text is wanted")
    return value


def _escape_javascript(value: object) -> str:
    text = (value if isinstance(value, str) else _simple(value)).translate(_ESCAPES)
    if text.isascii() and text.isprintable():
        return text
    return "".join(one if " " <= one < "\x7f" else _unicode_escape(one) for one in text)


def _unicode_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02X}{units[at + 1]:02X}" for at in range(0, len(units), 2))


def _simple(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise TypeError("a text is wanted")


def _parse_json(value: object) -> object:
    try:
        decoded: object = msgspec.json.decode(_given_text(value))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise TemplateFailed("$util.parseJson is given what is not JSON") from None
    return decoded


def _base64_decode(value: object) -> str:
    try:
        return base64.b64decode(_given_text(value), validate=True).decode("utf-8", "replace")
    except binascii.Error:
        raise TemplateFailed("$util.base64Decode is given what is not base64") from None
