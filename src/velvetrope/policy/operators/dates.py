"""Date operators: W3C profile of ISO 8601, or seconds since 1970. A request value that is no date matches nothing.

A date without a time is its first moment, a time without a zone is UTC.
"""

import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime

from velvetrope.policy.globs import Token
from velvetrope.policy.operators.operator import Matcher, Operator, text_of

__all__ = ["DATE_OPERATORS", "read_date"]

_EPOCH_SECONDS = re.compile(r"-?\d{1,11}(\.\d{1,6})?", re.ASCII)
_YEAR_MONTH = re.compile(r"\d{4}(-\d{2})?", re.ASCII)
_FULL = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?", re.ASCII)


def read_date(text: str) -> datetime | None:
    """The moment that `text` names; None if it names none."""
    try:
        if _YEAR_MONTH.fullmatch(text):
            # Four digits are a year and not a second of 1970.
            return datetime(int(text[:4]), int(text[5:7] or "1"), 1, tzinfo=UTC)
        if _EPOCH_SECONDS.fullmatch(text):
            return datetime.fromtimestamp(float(text), UTC)
        if not _FULL.fullmatch(text):
            return None
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _reads(value: str) -> bool:
    return read_date(value) is not None


def _comparing(compare: Callable[[datetime, datetime], bool]) -> Callable[[tuple[Token, ...]], Matcher]:
    def compile_value(tokens: tuple[Token, ...]) -> Matcher:
        wanted = read_date(text_of(tokens))

        def matches(value: str) -> bool:
            given = read_date(value)
            return given is not None and wanted is not None and compare(given, wanted)

        return matches

    return compile_value


DATE_OPERATORS = (
    Operator("DateEquals", _comparing(operator.eq), reads=_reads),
    Operator("DateNotEquals", _comparing(operator.eq), negates=True, reads=_reads),
    Operator("DateLessThan", _comparing(operator.lt), reads=_reads),
    Operator("DateLessThanEquals", _comparing(operator.le), reads=_reads),
    Operator("DateGreaterThan", _comparing(operator.gt), reads=_reads),
    Operator("DateGreaterThanEquals", _comparing(operator.ge), reads=_reads),
)
