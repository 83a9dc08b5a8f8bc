"""Integration requests: what of a caller's request goes to the backend, and in which form.

Parameters: `integration.request.{header,querystring,path}.X` to an expression. Body: the template of the request's
media type (`application/json` without one); without a matching template the body goes as it is, unless
`passthroughBehavior` is NEVER, or WHEN_NO_TEMPLATES and there are any: then 415.

Values of headers become one line; AWS would refuse them, a backend must never see two.

Sources: API Gateway Developer Guide, "Integration passthrough behaviors", "API Gateway request and response data
mapping reference".
"""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import msgspec

from velvetrope.errors import ReasonError
from velvetrope.events import matches_binary_media_type, query_parameters
from velvetrope.execute_api.context_variables import ContextVariables, RequestFacts
from velvetrope.execute_api.errors import ApiConfiguration, UnsupportedMediaType
from velvetrope.execute_api.integrations.content import NotBase64, check_readable, convert_request
from velvetrope.execute_api.proxy_events import header_text
from velvetrope.execute_api.request_values import RequestValue, compile_request_value
from velvetrope.execute_api.requests import AdmittedRequest, MatchedRequest
from velvetrope.mappings import MappingTemplate, RenderedTemplate, TemplateFailed, TemplateInput
from velvetrope.store.tables.apigateway import Integration

__all__ = [
    "OutgoingRequest",
    "RequestMapping",
    "UnknownMapping",
    "compile_request_mapping",
    "facts_of",
    "one_line",
    "template_input",
]

_TARGET = re.compile(r"integration\.request\.(?P<place>header|querystring|path)\.(?P<name>[^\s]+)")


class UnknownMapping(ReasonError):
    """A parameter mapping leads nowhere that is known."""


class OutgoingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the backend is to get. Values of `path` are percent-encoded; those of `querystring` are not.

    `without_headers` (in lower case) and `without_query` are what is mapped and has no value in this request.
    """

    headers: Mapping[str, str]
    querystring: Mapping[str, str]
    path: Mapping[str, str]
    body: bytes
    content_type: str
    without_headers: AbstractSet[str] = frozenset()
    without_query: AbstractSet[str] = frozenset()
    response_headers: Mapping[str, object] = {}
    response_status: str | None = None
    """What the template set of the response already."""


@dataclass(frozen=True)
class RequestMapping:
    """One integration's request side, compiled."""

    parameters: tuple[tuple[str, str, RequestValue], ...]
    """(place, name, value)"""
    templates: Mapping[str, MappingTemplate]
    """By media type in lower case."""
    passthrough: str
    content_handling: str | None

    def map(self, facts: RequestFacts, request: MatchedRequest) -> OutgoingRequest:
        """The integration request.

        Raises:
            UnsupportedMediaType: no template, and the body is not passed through.
            ApiConfiguration: a template fails or cannot read the body, or the body cannot be converted.
        """
        places: dict[str, dict[str, str]] = {"header": {}, "querystring": {}, "path": {}}
        missing: dict[str, set[str]] = {"header": set(), "querystring": set(), "path": set()}
        for place, name, value in self.parameters:
            found = value.read(facts)
            if found is None:
                missing[place].add(name.lower() if place == "header" else name)
            else:
                places[place][name] = encoded_path_value(found, value) if place == "path" else one_line(found)
        content_type = header_text(request.headers.get(b"content-type", b""))
        body = self._body(request, content_type)
        media_type = content_type.split(";", 1)[0].strip().lower() or "application/json"
        template = self.templates.get(media_type)
        if template is None:
            if self.passthrough == "NEVER" or (self.passthrough == "WHEN_NO_TEMPLATES" and self.templates):
                raise UnsupportedMediaType(step="integration", detail=f"no request template for {media_type}")
            return OutgoingRequest(
                headers=places["header"],
                querystring=places["querystring"],
                path=places["path"],
                body=body,
                content_type=content_type or "application/json",
                without_headers=missing["header"],
                without_query=missing["querystring"],
            )
        check_readable(content_type, request.stage.binary_media_types, handling=self.content_handling)
        rendered = render_template(template, template_input(facts, request, body))
        for place, overrides in rendered.request_override.items():
            for name, given in overrides.items():
                text = one_line(str(given))
                places[place][name] = text if place != "path" else _quoted(text)
        return OutgoingRequest(
            headers=places["header"],
            querystring=places["querystring"],
            path=places["path"],
            body=rendered.text.encode("utf-8", "surrogatepass"),
            content_type=media_type,
            without_headers=missing["header"],
            without_query=missing["querystring"],
            response_headers=rendered.response_headers,
            response_status=rendered.response_status,
        )

    def _body(self, request: MatchedRequest, content_type: str) -> bytes:
        is_binary = matches_binary_media_type(content_type, request.stage.binary_media_types)
        try:
            return convert_request(request.incoming.body, is_binary=is_binary, handling=self.content_handling)
        except NotBase64 as finding:
            raise ApiConfiguration(step="integration", detail=finding.message) from None


def compile_request_mapping(integration: Integration) -> RequestMapping:
    """The request side of `integration`.

    Raises:
        UnknownMapping: a parameter is mapped to what is no part of a request.
        velvetrope.execute_api.request_values.UnknownExpression, velvetrope.mappings.UnsupportedTemplate
    """
    parameters = []
    for target, expression in integration.request_parameters.items():
        found = _TARGET.fullmatch(target)
        if found is None:
            raise UnknownMapping(f"{target} is no part of an integration request")
        parameters.append((found["place"], found["name"], compile_request_value(expression)))
    return RequestMapping(
        parameters=tuple(parameters),
        templates={name.lower(): MappingTemplate(text) for name, text in integration.request_templates.items()},
        passthrough=integration.passthrough_behavior,
        content_handling=integration.content_handling,
    )


def facts_of(admitted: AdmittedRequest) -> RequestFacts:
    """What is known when a request reaches its integration."""
    request = admitted.authorized.caller.matched
    return RequestFacts(incoming=request.incoming, ids=request.ids, stage=request.stage, passed=admitted)


def template_input(facts: RequestFacts, request: MatchedRequest, body: bytes) -> TemplateInput:
    """What templates are rendered with: the request, and `body`, which is the response's for response templates."""
    incoming = request.incoming
    return TemplateInput(
        body=body.decode("utf-8", "replace"),
        path=request.path_parameters,
        querystring=dict(query_parameters(incoming.query_string.decode("latin-1"))),
        header={name.decode("latin-1"): header_text(value) for name, value in incoming.headers},
        context=ContextVariables(facts).tree(),
        stage_variables=request.stage.variables,
    )


def render_template(template: MappingTemplate, given: TemplateInput) -> RenderedTemplate:
    """The text of a template.

    Raises:
        ApiConfiguration: it cannot be rendered.
    """
    try:
        return template.render(given)
    except TemplateFailed as failure:
        raise ApiConfiguration(step="integration", detail=f"a mapping template failed: {failure.message}") from None


def one_line(text: str) -> str:
    """`text` without what could end a header."""
    return text.translate(_LINE_ENDS).strip() if any(end in text for end in "\r\n\0") else text


_LINE_ENDS = str.maketrans("\r\n\0", "   ")


def encoded_path_value(text: str, value: RequestValue) -> str:
    """A value for the backend's path. What comes from the caller's path is encoded already, all else is not."""
    if value.place != "path":
        return _quoted(text)
    return "".join(one if "!" <= one <= "~" and one not in '"<>\\^`{|}#?' else _quoted(one) for one in text)


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")
