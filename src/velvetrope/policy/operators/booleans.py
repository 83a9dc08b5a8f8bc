"""The Bool operator: `true` or `false`. Compared without regard to case (UNVERIFIED: the pages show lower case)."""

from velvetrope.policy.globs import Token
from velvetrope.policy.operators.operator import Matcher, Operator, text_of

__all__ = ["BOOLEAN_OPERATORS"]


def _equals(tokens: tuple[Token, ...]) -> Matcher:
    wanted = text_of(tokens).lower()
    return lambda value: value.lower() == wanted


def _reads(value: str) -> bool:
    return value.lower() in {"true", "false"}


BOOLEAN_OPERATORS = (Operator("Bool", _equals, takes_variables=True, reads=_reads),)
