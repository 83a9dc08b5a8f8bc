"""Values of a request by the expressions that name them: `method.request.header.X`, `context.x`, `stageVariables.x`.

Identity sources of authorizers, required parameters of validators and parameter mappings all speak this language. An
expression is compiled once, with the deployment; reading it costs a look-up.

Header names are compared without case here; AWS documents that its mappings are case sensitive for headers, which
nobody can rely on through HTTP/2 (UNVERIFIED for the REST API runtime). Query names are exact. Of a repeated header or
query parameter the last value counts, `multivalueheader` and `multivaluequerystring` give all. Of an identity source
all count: whoever decides about a caller may look at any of them, and what was decided holds for no other list.

Source: API Gateway Developer Guide, "API Gateway request and response data mapping reference".
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec

from velvetrope.errors import ReasonError
from velvetrope.events import is_context_name, query_parameters
from velvetrope.execute_api.context_variables import ContextVariables, RequestFacts

__all__ = ["RequestValue", "UnknownExpression", "compile_identity_source", "compile_request_value"]

_OF_METHOD = re.compile(
    r"method\.request\.(?P<place>header|querystring|path|multivalueheader|multivaluequerystring)\.(?P<name>[^\s]+)"
)
_BODY = re.compile(r"method\.request\.body(?P<path>(\.[A-Za-z0-9_\-.\[\]'\"*]+)?)")


class UnknownExpression(ReasonError):
    """The text names no value of a request."""


@dataclass(frozen=True, slots=True)
class RequestValue:
    """One expression; `read` gives its text, None without a value."""

    expression: str
    place: str
    """`header`, `querystring`, `path`, `multivalueheader`, `multivaluequerystring`, `body`, `context`,
    `stageVariables` or `literal`."""
    name: str
    read: Callable[[RequestFacts], str | None]


def compile_request_value(expression: str) -> RequestValue:
    """What `expression` names.

    Raises:
        UnknownExpression: it is none of the forms.
    """
    of_method = _OF_METHOD.fullmatch(expression)
    if of_method is not None:
        place, name = of_method["place"], of_method["name"]
        return RequestValue(expression, place, name, _READERS[place](name))
    of_body = _BODY.fullmatch(expression)
    if of_body is not None:
        return RequestValue(expression, "body", of_body["path"], _of_body(of_body["path"]))
    kind, _, name = expression.partition(".")
    if kind == "context" and is_context_name(name):
        return RequestValue(expression, kind, name, _of_context(name))
    if kind == "stageVariables" and name:
        return RequestValue(expression, kind, name, _of_stage(name))
    if len(expression) >= 2 and expression[0] == expression[-1] == "'":
        text = expression[1:-1]
        return RequestValue(expression, "literal", text, lambda _facts: text)
    raise UnknownExpression(f"{expression} names no value of a request")


def compile_identity_source(expression: str) -> RequestValue:
    """What `expression` names, with all values of a repeated header or query parameter, joined with commas.

    Raises:
        UnknownExpression: it is none of the forms.
    """
    value = compile_request_value(expression)
    if value.place not in ("header", "querystring"):
        return value
    return replace(value, read=_READERS[f"multivalue{value.place}"](value.name))


def _of_header(name: str) -> Callable[[RequestFacts], str | None]:
    wanted = name.lower().encode()

    def read(facts: RequestFacts) -> str | None:
        found = None
        for one, value in facts.incoming.headers:
            if one.lower() == wanted:
                found = value
        return None if found is None else found.decode("latin-1")

    return read


def _of_headers(name: str) -> Callable[[RequestFacts], str | None]:
    wanted = name.lower().encode()

    def read(facts: RequestFacts) -> str | None:
        found = [value.decode("latin-1") for one, value in facts.incoming.headers if one.lower() == wanted]
        return ",".join(found) if found else None

    return read


def _of_query(name: str) -> Callable[[RequestFacts], str | None]:
    return lambda facts: dict(query_parameters(facts.incoming.query_string.decode("latin-1"))).get(name)


def _of_queries(name: str) -> Callable[[RequestFacts], str | None]:
    def read(facts: RequestFacts) -> str | None:
        parameters = query_parameters(facts.incoming.query_string.decode("latin-1"))
        found = [value for one, value in parameters if one == name]
        return ",".join(found) if found else None

    return read


def _of_path(name: str) -> Callable[[RequestFacts], str | None]:
    return lambda facts: None if facts.matched is None else facts.matched.path_parameters.get(name)


_READERS = {
    "header": _of_header,
    "multivalueheader": _of_headers,
    "querystring": _of_query,
    "multivaluequerystring": _of_queries,
    "path": _of_path,
}


def _of_stage(name: str) -> Callable[[RequestFacts], str | None]:
    return lambda facts: None if facts.stage is None else facts.stage.variables.get(name)


def _of_context(name: str) -> Callable[[RequestFacts], str | None]:
    return lambda facts: ContextVariables(facts).get(name)


def _of_body(path: str) -> Callable[[RequestFacts], str | None]:
    from velvetrope.mappings import JsonPath, TemplateFailed

    query = JsonPath(f"${path}") if path else None

    def read(facts: RequestFacts) -> str | None:
        if not facts.incoming.body:
            return None
        if query is None:
            return facts.incoming.body.decode("utf-8", "replace")
        try:
            document: object = msgspec.json.decode(facts.incoming.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        try:
            found = query.find(document)
        except TemplateFailed:
            return None  # as for a body that is no JSON
        if found is None or isinstance(found, str):
            return found
        return msgspec.json.encode(found).decode()

    return read
