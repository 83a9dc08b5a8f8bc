"""ARN operators. Equals and Like are the same: six parts, each matched alone, `*` and `?` acting inside a part.

A policy value that has no variable and fewer than six parts could never match, which would silently switch a Deny off,
so it is refused when saved. (AWS keeps such values; what `*` alone then does is UNVERIFIED.)
"""

from velvetrope.policy.globs import Glob, Token, glob_of
from velvetrope.policy.operators.operator import Matcher, Operator

__all__ = ["ARN_OPERATORS"]


def _parts(tokens: tuple[Token, ...]) -> list[list[Token]]:
    """`tokens` split at the first five colons."""
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if not isinstance(token, str):
            parts[-1].append(token)
            continue
        first, *rest = token.split(":", 6 - len(parts))
        parts[-1].append(first)
        parts.extend([piece] for piece in rest)
    return parts


def _like(tokens: tuple[Token, ...]) -> Matcher:
    globs: tuple[Glob, ...] = tuple(glob_of(part) for part in _parts(tokens))

    def matches(value: str) -> bool:
        given = value.split(":", 5)
        if len(globs) != 6 or len(given) != 6:
            return False
        return all(glob.matches(part) for glob, part in zip(globs, given, strict=True))

    return matches


def _reads(value: str) -> bool:
    return "${" in value or (value.startswith(("arn:", "*:")) and value.count(":") >= 5)


ARN_OPERATORS = (
    Operator("ArnEquals", _like, takes_wildcards=True, takes_variables=True, reads=_reads),
    Operator("ArnLike", _like, takes_wildcards=True, takes_variables=True, reads=_reads),
    Operator("ArnNotEquals", _like, negates=True, takes_wildcards=True, takes_variables=True, reads=_reads),
    Operator("ArnNotLike", _like, negates=True, takes_wildcards=True, takes_variables=True, reads=_reads),
)
