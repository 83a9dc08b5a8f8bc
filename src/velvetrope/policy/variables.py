"""Policy variables: `${aws:username}`, `${aws:PrincipalTag/team, 'nobody'}`, and the literals `${*}`, `${?}`, `${$}`.

`parse_template` reads a value of a policy once into literals, wildcards and variables; `resolve` fills the variables in
from a request's context. What a variable brings in is literal text: a caller whose tag is `*` gains nothing by it.

A key that the request lacks, or whose value is empty, leaves the variable unresolved unless it has a default; one with
several values does so always. The value as a whole is then unresolved, and the element that uses it says what follows.
In a document of version 2008-10-17 there are no variables and the caller does not ask for them.

Source: IAM User Guide, "IAM policy elements: Variables and tags".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from velvetrope.policy.globs import Token, tokens_of

__all__ = ["Template", "Variable", "literal_template", "parse_template"]

_LITERALS = {"*": "*", "?": "?", "$": "$"}
_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_WITH_DEFAULT = re.compile(r"([^,']+), '([^']*)'")
# Key names as the context has them; a `/` introduces a tag key, which may hold spaces and most punctuation.
_KEY = re.compile(r"[A-Za-z0-9_.\-:/]*[:][A-Za-z0-9_.\-:/=+@ ]+")


@dataclass(frozen=True, slots=True)
class Variable:
    """`${key}` or `${key, 'default'}`; `key` is in lower case."""

    key: str
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """A value with its variables. `static` is the whole of it when there are none."""

    parts: tuple[Token | Variable, ...]
    static: tuple[Token, ...] | None

    @property
    def keys(self) -> tuple[str, ...]:
        """The context keys that the variables name."""
        return tuple(part.key for part in self.parts if isinstance(part, Variable))

    def resolve(self, context: Mapping[str, tuple[str, ...]]) -> tuple[Token, ...] | None:
        """The tokens with every variable filled in; None if one stays unresolved."""
        if self.static is not None:
            return self.static
        out: list[Token] = []
        for part in self.parts:
            if not isinstance(part, Variable):
                out.append(part)
                continue
            values = context.get(part.key, ())
            # Only single-valued keys may be used as variables, and only a text that is one: `${aws:PrincipalTag/team}*`
            # would be every resource to a caller with an empty tag. (AWS's page says "a key that has no value"; whether
            # that is meant is UNVERIFIED.)
            if len(values) == 1 and values[0]:
                out.append(values[0])
            elif part.default is not None and not any(values):
                out.append(part.default)
            else:
                return None
        return tuple(out)


def literal_template(text: str, *, wildcards: bool) -> Template:
    """`text` without variables."""
    tokens = tokens_of(text) if wildcards else ((text,) if text else ())
    return Template(tokens, tokens)


def parse_template(text: str, *, wildcards: bool) -> Template | None:
    """`text` with its variables; None if something in `${…}` cannot be understood."""
    parts: list[Token | Variable] = []
    position = 0
    for match in _VARIABLE.finditer(text):
        parts.extend(literal_template(text[position : match.start()], wildcards=wildcards).parts)
        position = match.end()
        inside = match.group(1)
        if inside in _LITERALS:
            parts.append(_LITERALS[inside])
            continue
        defaulted = _WITH_DEFAULT.fullmatch(inside)
        key = defaulted.group(1) if defaulted else inside
        if _KEY.fullmatch(key) is None:
            return None
        parts.append(Variable(key.lower(), defaulted.group(2) if defaulted else None))
    rest = text[position:]
    if "${" in rest or any(isinstance(part, str) and "${" in part for part in parts):
        return None
    parts.extend(literal_template(rest, wildcards=wildcards).parts)
    static = tuple(part for part in parts if not isinstance(part, Variable))
    return Template(tuple(parts), static if len(static) == len(parts) else None)
