"""What a condition operator is: a name, what it accepts as a policy value, and how that value meets a request's value.

Every file beside this one holds one family. `compile_value` turns one policy value (literals and wildcards; variables
have been filled in) into a question about one request value. Negation, several values, absent keys, IfExists and the
set operators are the same for all and live in `conditions.py`.

Source: IAM User Guide, "IAM JSON policy elements: Condition operators".
"""

from collections.abc import Callable
from dataclasses import dataclass

from velvetrope.policy.globs import Token

__all__ = ["Matcher", "Operator", "text_of"]

Matcher = Callable[[str], bool]
"""Whether a request's value matches one policy value."""


def _any_text(_value: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator. `reads` says whether a policy value can be understood; what cannot is refused when saved."""

    name: str
    compile_value: Callable[[tuple[Token, ...]], Matcher]
    negates: bool = False
    takes_wildcards: bool = False
    takes_variables: bool = False
    reads: Callable[[str], bool] = _any_text


def text_of(tokens: tuple[Token, ...]) -> str:
    """The text of a value of an operator without wildcards."""
    return "".join(token for token in tokens if isinstance(token, str))
