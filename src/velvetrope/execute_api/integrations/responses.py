"""Integration responses: what of a backend's answer goes to the caller, and in which form.

Which integration response applies is told by its `selectionPattern`, a regular expression over the backend's status,
or over the error message of a function that failed; the one without a pattern takes the rest. If none applies the API
is configured wrongly.

Headers: `method.response.header.X` to `'literal'`, `integration.response.header.Y`, `….multivalueheader.Y`,
`….body.JSONPath`, `context.x` or `stageVariables.x`. Body: the template of the media type that the caller accepts
first, else of `application/json`, else the first; without any the body goes as it is.

Sources: API Gateway Developer Guide, "API Gateway request and response data mapping reference", "Set up method response
in API Gateway". UNVERIFIED: which template is taken when the caller accepts none of them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from velvetrope.events import is_context_name, matches_binary_media_type
from velvetrope.execute_api.context_variables import ContextVariables, RequestFacts
from velvetrope.execute_api.errors import ApiConfiguration, GatewayRefusal
from velvetrope.execute_api.integrations.answers import Answer
from velvetrope.execute_api.integrations.content import NotBase64, convert_response
from velvetrope.execute_api.integrations.outgoing import (
    OutgoingRequest,
    UnknownMapping,
    one_line,
    render_template,
    template_input,
)
from velvetrope.execute_api.requests import IntegrationOutcome, MatchedRequest
from velvetrope.mappings import JsonPath, MappingTemplate, TemplateFailed
from velvetrope.patterns import Dialect, Pattern, TooMuchToMatch, compile_pattern
from velvetrope.store.tables.apigateway import Integration, IntegrationResponse

__all__ = ["BackendAnswer", "ResponseMapping", "compile_response_mapping", "compile_selection_pattern"]


class BackendAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the backend said. `selector` is what patterns are matched with, None to go to the default."""

    headers: tuple[tuple[str, str], ...]
    body: bytes
    selector: str | None
    outcome: IntegrationOutcome | None
    told_by: str
    content_type: str = "application/json"


_Reader = Callable[[BackendAnswer, RequestFacts], str | None]


@dataclass(frozen=True)
class _Response:
    status: int
    pattern: Pattern | None
    headers: tuple[tuple[str, _Reader], ...]
    templates: tuple[tuple[str, MappingTemplate], ...]
    content_handling: str | None


@dataclass(frozen=True)
class ResponseMapping:
    """One integration's response side, compiled."""

    responses: tuple[_Response, ...]

    def map(
        self, answer: BackendAnswer, outgoing: OutgoingRequest, facts: RequestFacts, request: MatchedRequest
    ) -> Answer:
        """The method response.

        Raises:
            ApiConfiguration: no response applies, or what applies cannot be made.
        """
        try:
            return self._map(answer, outgoing, facts, request)
        except GatewayRefusal as refusal:
            refusal.outcome = answer.outcome
            raise

    def _map(
        self, answer: BackendAnswer, outgoing: OutgoingRequest, facts: RequestFacts, request: MatchedRequest
    ) -> Answer:
        response = self._select(answer)
        accept = request.headers.get(b"accept", b"").decode("latin-1")
        binary_media_types = request.stage.binary_media_types
        headers = {name: value for name, read in response.headers if (value := read(answer, facts)) is not None}
        headers |= {name: str(value) for name, value in outgoing.response_headers.items()}
        status = outgoing.response_status
        chosen = _choose(response.templates, accept)
        body, content_type = answer.body, answer.content_type
        if chosen is not None:
            content_type, template = chosen
            rendered = render_template(template, template_input(facts, request, body))
            body = rendered.text.encode("utf-8", "surrogatepass")
            headers |= {name: str(value) for name, value in rendered.response_headers.items()}
            status = rendered.response_status or status
        try:
            body = convert_response(
                body,
                is_binary=matches_binary_media_type(content_type, binary_media_types),
                wants_binary=matches_binary_media_type(accept, binary_media_types),
                handling=response.content_handling,
            )
        except NotBase64 as finding:
            raise ApiConfiguration(step="integration", detail=finding.message) from None
        own = {name.lower() for name in headers}
        lines = [] if "content-type" in own else [(b"Content-Type", content_type.encode("latin-1", "replace"))]
        lines += [(_name(name), one_line(value).encode()) for name, value in headers.items()]
        return Answer(_status(status, response.status), lines, body, answer.outcome, answer.told_by)

    def _select(self, answer: BackendAnswer) -> _Response:
        default = None
        for response in self.responses:
            if response.pattern is None:
                default = default or response
            elif answer.selector is not None and _takes(response.pattern, answer.selector):
                return response
        if default is None:
            raise ApiConfiguration(
                step="integration", detail=f"no integration response takes {answer.selector or 'what came back'}"
            )
        return default


def compile_selection_pattern(pattern: str | None) -> Pattern | None:
    """A `selectionPattern`, which takes statuses and messages whole; None takes the rest.

    Raises:
        velvetrope.patterns.PatternRefused: it is no pattern that can be matched.
    """
    return compile_pattern(pattern, Dialect.JAVA, whole=True) if pattern else None


def _takes(pattern: Pattern, selector: str) -> bool:
    try:
        return pattern.matches(selector)
    except TooMuchToMatch as finding:
        raise ApiConfiguration(step="integration", detail=f"a selection pattern: {finding.message}") from None


def compile_response_mapping(integration: Integration) -> ResponseMapping:
    """The response side of `integration`.

    Raises:
        UnknownMapping: a header is mapped from what is no part of a response.
        velvetrope.mappings.UnsupportedTemplate, velvetrope.mappings.MalformedJsonPath,
        velvetrope.patterns.PatternRefused
    """
    return ResponseMapping(tuple(_compile(one) for one in integration.integration_responses.values()))


def _compile(response: IntegrationResponse) -> _Response:
    return _Response(
        status=int(response.status_code),
        pattern=compile_selection_pattern(response.selection_pattern),
        headers=tuple(
            (name.removeprefix("method.response.header."), _compile_reader(expression))
            for name, expression in response.response_parameters.items()
        ),
        templates=tuple((name, MappingTemplate(text)) for name, text in response.response_templates.items()),
        content_handling=response.content_handling,
    )


def _compile_reader(expression: str) -> _Reader:
    if len(expression) >= 2 and expression[0] == expression[-1] == "'":
        text = expression[1:-1]
        return lambda _answer, _facts: text
    kind, _, name = expression.partition(".")
    if kind == "context" and is_context_name(name):
        return lambda _answer, facts: ContextVariables(facts).get(name)
    if kind == "stageVariables" and name:
        return lambda _answer, facts: None if facts.stage is None else facts.stage.variables.get(name)
    place, _, name = expression.removeprefix("integration.response.").partition(".")
    if expression.startswith("integration.response.") and place in ("header", "multivalueheader") and name:
        return _header_reader(name.lower(), all_of_them=place == "multivalueheader")
    if expression == "integration.response.body":
        return lambda answer, _facts: answer.body.decode("utf-8", "replace")
    if expression.startswith("integration.response.body."):
        return _body_reader(JsonPath(f"$.{name}"))
    raise UnknownMapping(f"{expression} is no part of an integration response")


def _header_reader(wanted: str, *, all_of_them: bool) -> _Reader:
    def read(answer: BackendAnswer, _facts: RequestFacts) -> str | None:
        found = [value for name, value in answer.headers if name.lower() == wanted]
        if not found:
            return None
        return ",".join(found) if all_of_them else found[-1]

    return read


def _body_reader(path: JsonPath) -> _Reader:
    def read(answer: BackendAnswer, _facts: RequestFacts) -> str | None:
        try:
            document: object = msgspec.json.decode(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        try:
            found = path.find(document)
        except TemplateFailed:
            return None  # as for a body that is no JSON
        if found is None or isinstance(found, str):
            return found
        return msgspec.json.encode(found).decode()

    return read


def _choose(templates: tuple[tuple[str, MappingTemplate], ...], accept: str) -> tuple[str, MappingTemplate] | None:
    if not templates:
        return None
    wanted = accept.split(",", 1)[0].split(";", 1)[0].strip().lower()
    for one in (wanted, "application/json"):
        for content_type, template in templates:
            if content_type.lower() == one:
                return content_type, template
    return templates[0]


_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2


def _name(name: str) -> bytes:
    if not _HEADER_NAME.fullmatch(name):
        raise ApiConfiguration(step="integration", detail=f"{name!r} is not a header name")
    return name.encode("ascii")


def _status(override: str | None, declared: int) -> int:
    if override is None:
        return declared
    if not override.isascii() or not override.isdigit() or not 200 <= int(override[:4]) <= 599:
        raise ApiConfiguration(step="integration", detail=f"responseOverride.status is {override[:20]!r}")
    return int(override)
