"""The Null operator: `true` when the key is absent or empty, `false` when it has a value.

It is the one operator that asks about the key and not about its values, so it takes neither IfExists nor a set
operator; `conditions.py` gives it `absent` or `present` in place of a request value.
"""

from velvetrope.policy.globs import Token
from velvetrope.policy.operators.operator import Matcher, Operator, text_of

__all__ = ["NULL", "NULL_OPERATORS"]


def _is_null(tokens: tuple[Token, ...]) -> Matcher:
    wanted = "absent" if text_of(tokens).lower() == "true" else "present"
    return lambda value: value == wanted


def _reads(value: str) -> bool:
    return value.lower() in {"true", "false"}


NULL = Operator("Null", _is_null, reads=_reads)
NULL_OPERATORS = (NULL,)
