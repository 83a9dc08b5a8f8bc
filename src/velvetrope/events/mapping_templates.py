"""Mapping templates without Velocity: the fixed texts of MOCK integrations, the substitutions of gateway responses.

A MOCK integration's templates are taken if they are plain text; one that uses Velocity (`$…` references, `#…`
directives) is `TemplateNeedsVtl`, since rendering it as text would answer something else than AWS does.

Gateway responses have substitutions but no Velocity: `$context.…` and `$stageVariables.…` in a body, the same without
the `$`, `method.request.header.…` or a `'quoted literal'` in a header. A name that is not in the table below is refused
when the response is saved.

Sources: API Gateway Developer Guide, "Set up mock integrations", "Gateway responses in API Gateway", "API Gateway
mapping template and access logging variable reference".
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from velvetrope.errors import ReasonError

__all__ = [
    "CONTEXT_NAMES",
    "GatewayTemplate",
    "TemplateNeedsVtl",
    "UnknownSubstitution",
    "check_static_template",
    "parse_gateway_parameter",
    "parse_gateway_template",
    "parse_mock_status",
    "parse_quoted_literal",
]

_VELOCITY = re.compile(r"\$[A-Za-z_{!]|#[A-Za-z@{#*\[]")
_REFERENCE = re.compile(
    r"\$(?:\{(?P<braced>(?:context|stageVariables)\.[A-Za-z0-9_.]+)\}|(?P<bare>(?:context|stageVariables)\.[A-Za-z0-9_.]+))"
)

CONTEXT_NAMES = frozenset(
    {
        "accountId",
        "apiId",
        "domainName",
        "error.message",
        "error.messageString",
        "error.responseType",
        "extendedRequestId",
        "httpMethod",
        "identity.sourceIp",
        "identity.userAgent",
        "path",
        "requestId",
        "requestTimeEpoch",
        "resourceId",
        "resourcePath",
        "stage",
    }
)
"""The `$context` variables that gateway responses may use here."""


class TemplateNeedsVtl(ReasonError):
    """The template uses the Velocity Template Language."""


class UnknownSubstitution(ReasonError):
    """The expression is not a quoted literal, and not one of the substitutions that we know."""


def check_static_template(text: str) -> None:
    """The template is plain text.

    Raises:
        TemplateNeedsVtl: it has a Velocity reference or directive.
    """
    found = _VELOCITY.search(text)
    if found is not None:
        raise TemplateNeedsVtl(f"the template uses the Velocity Template Language at {text[found.start() :][:20]!r}")


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
"""(kind, name) to text; kinds are `context`, `stageVariables` and `header`."""


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
        kind, _, name = expression.rstrip(".").partition(".")
        trailing = len(expression) - len(expression.rstrip("."))
        if kind == "context" and name not in CONTEXT_NAMES:
            raise UnknownSubstitution(f"$context.{name} is not supported in gateway responses")
        pieces += [text[end : found.start()], (kind, name), "." * trailing]
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
    if expression.startswith("method.request.header."):
        return GatewayTemplate((("header", expression.removeprefix("method.request.header.")),))
    kind, _, name = expression.partition(".")
    if kind == "stageVariables" or (kind == "context" and name in CONTEXT_NAMES):
        return GatewayTemplate(((kind, name),))
    return GatewayTemplate((parse_quoted_literal(expression),))
