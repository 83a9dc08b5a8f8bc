"""Templates without Velocity: the substitutions of gateway responses, and the status that a MOCK integration is told.

Gateway responses have substitutions but no Velocity: `$context.…`, `$stageVariables.…` and
`$method.request.{header,querystring,path}.…` in a body, the same without the `$` or a `'quoted literal'` in a header. A
`$context` name that does not exist is refused when the response is saved.

Sources: API Gateway Developer Guide, "Set up mock integrations", "Gateway responses in API Gateway", "API Gateway
mapping template and access logging variable reference".
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from velvetrope.errors import ReasonError
from velvetrope.events.context_names import is_context_name

__all__ = [
    "GatewayTemplate",
    "UnknownSubstitution",
    "parse_gateway_parameter",
    "parse_gateway_template",
    "parse_mock_status",
    "parse_quoted_literal",
]

_VELOCITY = re.compile(r"\$[A-Za-z_{!]|#[A-Za-z@{#*\[]")
_NAME = r"(?:context|stageVariables|method\.request\.(?:header|querystring|path))\.[A-Za-z0-9_.-]+"
_REFERENCE = re.compile(rf"\$(?:\{{(?P<braced>{_NAME})\}}|(?P<bare>{_NAME}))")
_METHOD_REQUEST = re.compile(r"method\.request\.(?P<kind>header|querystring|path)\.(?P<name>[A-Za-z0-9_.-]+)")


class UnknownSubstitution(ReasonError):
    """The expression is not a quoted literal, and not one of the substitutions that we know."""


def parse_mock_status(text: str | bytes) -> str | None:
    """The status of `{"statusCode": 200}`, which a MOCK integration's request template must yield; None without one."""
    try:
        decoded: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    status = decoded.get("statusCode") if isinstance(decoded, dict) else None
    if isinstance(status, int) and not isinstance(status, bool):
        return str(status)
    return status if isinstance(status, str) and status.isdigit() else None


def parse_quoted_literal(expression: str) -> str:
    """The text of `'text'`.

    Raises:
        UnknownSubstitution: it is not one line in single quotes.
    """
    if len(expression) < 2 or expression[0] != "'" or expression[-1] != "'" or "\n" in expression:
        raise UnknownSubstitution(f"{expression} is not a static value in single quotes")
    return expression[1:-1]


Lookup = Callable[[str, str], str]
"""(kind, name) to text; kinds are `context`, `stageVariables`, `header`, `querystring` and `path`."""


@dataclass(frozen=True)
class GatewayTemplate:
    """A body or header value in pieces: texts, and (kind, name) to look up."""

    pieces: tuple[str | tuple[str, str], ...]
    static: str | None = field(init=False)

    def __post_init__(self) -> None:
        texts = [piece for piece in self.pieces if isinstance(piece, str)]
        object.__setattr__(self, "static", "".join(texts) if len(texts) == len(self.pieces) else None)

    def render(self, lookup: Lookup) -> str:
        if self.static is not None:
            return self.static
        return "".join(piece if isinstance(piece, str) else lookup(*piece) for piece in self.pieces)


def parse_gateway_template(text: str) -> GatewayTemplate:
    """A gateway response's body template.

    Raises:
        UnknownSubstitution: it names a variable that we do not know.
    """
    pieces: list[str | tuple[str, str]] = []
    end = 0
    for found in _REFERENCE.finditer(text):
        expression = found["braced"] or found["bare"]
        bare = expression.rstrip(".-")
        pieces += [text[end : found.start()], _reference(bare), expression[len(bare) :]]
        end = found.end()
    pieces.append(text[end:])
    if _VELOCITY.search("".join(piece for piece in pieces if isinstance(piece, str))):
        raise UnknownSubstitution("the template has an expression that gateway responses do not know")
    return GatewayTemplate(tuple(piece for piece in pieces if piece))


def parse_gateway_parameter(expression: str) -> GatewayTemplate:
    """A gateway response's header value: `'literal'`, `context.x`, `stageVariables.x` or `method.request.header.X`.

    Raises:
        UnknownSubstitution: it is none of these.
    """
    kind, _, name = expression.partition(".")
    if _METHOD_REQUEST.fullmatch(expression) or (kind in ("context", "stageVariables") and name):
        return GatewayTemplate((_reference(expression),))
    return GatewayTemplate((parse_quoted_literal(expression),))


def _reference(expression: str) -> tuple[str, str]:
    """`context.x`, `stageVariables.x` or `method.request.header.x` as what is looked up.

    Raises:
        UnknownSubstitution: there is no such `context` variable.
    """
    of_request = _METHOD_REQUEST.fullmatch(expression)
    if of_request is not None:
        return of_request["kind"], of_request["name"]
    kind, _, name = expression.partition(".")
    if kind == "context" and not is_context_name(name):
        raise UnknownSubstitution(f"$context.{name} is not a variable of API Gateway")
    return kind, name
