"""Filter patterns of terms: what each lets through, and the kinds that are refused."""

import pytest

from velvetrope.logs.errors import InvalidParameterException
from velvetrope.logs.filter_patterns import parse_filter_pattern


@pytest.mark.parametrize(
    ("pattern", "message", "wanted"),
    [
        ("", "anything", True),
        ("ERROR", "[ERROR] no", True),
        ("ERROR", "[error] no", False),
        ("ERROR payment", "ERROR in payment", True),
        ("ERROR payment", "ERROR in shipping", False),
        ('"not found"', "it was not found", True),
        ('"not found"', "found it was not", False),
        ("ERROR -payment", "ERROR in payment", False),
        ("ERROR -payment", "ERROR in shipping", True),
        ('-"a b"', "a b", False),
        ('-"a b"', "b a", True),
        ("?ERROR ?WARN", "WARN", True),
        ("?ERROR ?WARN", "INFO", False),
        ("INFO ?ERROR ?WARN", "INFO", True),
        (r'"say \"hi\""', 'say "hi"', True),
        ('"6f5f0d1e-0000"', "RequestId: 6f5f0d1e-0000 Duration", True),
    ],
)
def test_a_pattern_of_terms(pattern: str, message: str, wanted: bool) -> None:
    assert parse_filter_pattern(pattern)(message) is wanted


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ('{ $.level = "ERROR" }', "JSON filter patterns are not supported"),
        ("[ip, user]", "space-delimited filter patterns are not supported"),
        ("%ERR.R%", "regular expression filter patterns are not supported"),
        ('"open', "Invalid filter pattern"),
    ],
)
def test_patterns_of_other_kinds_are_refused_by_name(pattern: str, said: str) -> None:
    with pytest.raises(InvalidParameterException, match=said):
        parse_filter_pattern(pattern)
