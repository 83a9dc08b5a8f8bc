"""String operators. Equals is exact and takes `*` literally; Like knows `*` and `?`; case counts unless it says not."""

from velvetrope.policy.globs import Token, glob_of
from velvetrope.policy.operators.operator import Matcher, Operator, text_of

__all__ = ["STRING_OPERATORS"]


def _equals(tokens: tuple[Token, ...]) -> Matcher:
    wanted = text_of(tokens)
    return lambda value: value == wanted


def _equals_ignoring_case(tokens: tuple[Token, ...]) -> Matcher:
    wanted = text_of(tokens).lower()
    return lambda value: value.lower() == wanted


def _like(tokens: tuple[Token, ...]) -> Matcher:
    return glob_of(tokens).matches


STRING_OPERATORS = (
    Operator("StringEquals", _equals, takes_variables=True),
    Operator("StringNotEquals", _equals, negates=True, takes_variables=True),
    Operator("StringEqualsIgnoreCase", _equals_ignoring_case, takes_variables=True),
    Operator("StringNotEqualsIgnoreCase", _equals_ignoring_case, negates=True, takes_variables=True),
    Operator("StringLike", _like, takes_wildcards=True, takes_variables=True),
    Operator("StringNotLike", _like, negates=True, takes_wildcards=True, takes_variables=True),
)
