"""Velocity's operators, but for `and` and `or`, which need not look at both sides.

Numbers are Java's long and double: what does not fit fails. Comparing what cannot be compared is false, calculating
with what is no number gives no value, and `+` joins texts.

Source: Apache Velocity 1.7 User Guide, "Math", "Relational and Logical Operators".
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any

from velvetrope.mappings.budget import Budget, TemplateFailed
from velvetrope.mappings.values import are_equal, render_value

__all__ = ["OPERATORS"]

_LARGEST = 2**63
Operator = Callable[[object, object, Budget], object]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _fitting(value: object) -> object:
    if isinstance(value, int) and abs(value) >= _LARGEST:
        raise TemplateFailed("the template calculates with numbers that are too large")
    return value


def _add(left: object, right: object, budget: Budget) -> object:
    if isinstance(left, str) or isinstance(right, str):
        text = render_value(left, budget) + render_value(right, budget)
        budget.claim(len(text))
        return text
    return _calculate(operator.add)(left, right, budget)


def _calculate(apply: Callable[[int | float, int | float], object]) -> Operator:
    def calculate(left: object, right: object, _budget: Budget) -> object:
        if (
            not isinstance(left, int | float)
            or not isinstance(right, int | float)
            or not _is_number(left)
            or not _is_number(right)
        ):
            return None
        try:
            return _fitting(apply(left, right))
        except (ZeroDivisionError, OverflowError):
            return None

    return calculate


def _divide(left: float, right: float) -> object:
    if isinstance(left, int) and isinstance(right, int):
        quotient = abs(left) // abs(right)  # Java rounds towards zero
        return quotient if (left < 0) == (right < 0) else -quotient
    return left / right


def _remainder(left: float, right: float) -> object:
    if isinstance(left, int) and isinstance(right, int):
        remainder = abs(left) % abs(right)
        return -remainder if left < 0 else remainder
    return None


def _compare(apply: Callable[[Any, Any], bool]) -> Operator:
    def compare(left: object, right: object, _budget: Budget) -> object:
        if _is_number(left) and _is_number(right):
            return apply(left, right)
        return False

    return compare


def _equals(left: object, right: object, budget: Budget) -> bool:
    if left is None or right is None:
        return left is right
    if type(left) is type(right) or (_is_number(left) and _is_number(right)):
        return are_equal(left, right, budget)
    return render_value(left, budget) == render_value(right, budget)


OPERATORS: Mapping[str, Operator] = {
    "+": _add,
    "-": _calculate(operator.sub),
    "*": _calculate(operator.mul),
    "/": _calculate(_divide),
    "%": _calculate(_remainder),
    "==": _equals,
    "eq": _equals,
    "!=": lambda left, right, budget: not _equals(left, right, budget),
    "ne": lambda left, right, budget: not _equals(left, right, budget),
    "<": _compare(operator.lt),
    "lt": _compare(operator.lt),
    "<=": _compare(operator.le),
    "le": _compare(operator.le),
    ">": _compare(operator.gt),
    "gt": _compare(operator.gt),
    ">=": _compare(operator.ge),
    "ge": _compare(operator.ge),
}
