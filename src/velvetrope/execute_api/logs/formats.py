"""Access log formats: free text with `$context` variables, as CLF, JSON, XML or CSV.

A variable without a value is `-`. Values are written so that none can end its line or, where the format shows what it
is, its place: in a format that begins with `{` as JSON strings are written, with `<` as XML text, else as the Apache
server writes quoted strings. (How AWS writes a quote in a value is UNVERIFIED; as it is, a caller's User-Agent could
forge members of a JSON line.)

Source: API Gateway Developer Guide, "Set up CloudWatch logging for REST APIs", "Variables for access logging".
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

__all__ = ["AccessLog", "compile_access_log"]

_VARIABLE = re.compile(
    r"\$(?:\{context\.(?P<braced>[A-Za-z0-9_.'\[\]:-]+)\}|context\.(?P<bare>[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+|\['[^']+'\])*))"
)
_NO_VALUE = "-"
_IS_JSON = frozenset({"error.messageString"})
"""Variables that are JSON already, quotes and all."""
Lookup = Callable[[str], str | None]


@dataclass(frozen=True)
class AccessLog:
    """A stage's access log: the log group's name, and the format in pieces; every other piece is a variable's name."""

    group: str
    pieces: tuple[str, ...]
    escape: Callable[[str], str]

    def render(self, lookup: Lookup) -> str:
        """One line."""
        written = list(self.pieces)
        for at in range(1, len(written), 2):
            name = written[at]
            value = lookup(name)
            if value is None or value == "":
                written[at] = _NO_VALUE
            elif name in _IS_JSON and self.escape is _for_json:
                written[at] = value
            else:
                written[at] = self.escape(value)
        return "".join(written)


def compile_access_log(destination_arn: str, text: str) -> AccessLog:
    """The access log of a stage. `destination_arn` is `arn:…:log-group:{name}`, with or without `:*`."""
    group = destination_arn.partition(":log-group:")[2].removesuffix(":*") or destination_arn
    pieces: list[str] = []
    end = 0
    for found in _VARIABLE.finditer(text):
        pieces += [text[end : found.start()], found["braced"] or found["bare"]]
        end = found.end()
    pieces.append(text[end:])
    return AccessLog(group, tuple(pieces), _escape_for(text))


def _escape_for(text: str) -> Callable[[str], str]:
    match text.lstrip()[:1]:
        case "{" | "[":
            return _for_json
        case "<":
            return _for_xml
        case _:
            return _for_quotes


def _for_json(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]


def _for_xml(value: str) -> str:
    return escape(_CONTROL.sub(" ", value))  # the characters that HTML escapes are XML's


def _for_quotes(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", escaped)


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
