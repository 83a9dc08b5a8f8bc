"""Numeric operators: integers and decimals, compared exactly. A request value that is no number matches nothing."""

import operator
import re
from collections.abc import Callable
from decimal import Decimal

from velvetrope.policy.globs import Token
from velvetrope.policy.operators.operator import Matcher, Operator, text_of

__all__ = ["NUMERIC_OPERATORS"]

# At most 64 digits, so that nobody can make us do arithmetic on a book.
_NUMBER = re.compile(r"[+-]?\d{1,64}(\.\d{1,64})?([eE][+-]?\d{1,2})?")


def _reads(value: str) -> bool:
    return _NUMBER.fullmatch(value) is not None and value.isascii()


def _comparing(compare: Callable[[Decimal, Decimal], bool]) -> Callable[[tuple[Token, ...]], Matcher]:
    def compile_value(tokens: tuple[Token, ...]) -> Matcher:
        wanted = Decimal(text_of(tokens))
        return lambda value: _reads(value) and compare(Decimal(value), wanted)

    return compile_value


NUMERIC_OPERATORS = (
    Operator("NumericEquals", _comparing(operator.eq), reads=_reads),
    Operator("NumericNotEquals", _comparing(operator.eq), negates=True, reads=_reads),
    Operator("NumericLessThan", _comparing(operator.lt), reads=_reads),
    Operator("NumericLessThanEquals", _comparing(operator.le), reads=_reads),
    Operator("NumericGreaterThan", _comparing(operator.gt), reads=_reads),
    Operator("NumericGreaterThanEquals", _comparing(operator.ge), reads=_reads),
)
