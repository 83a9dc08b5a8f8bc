"""Filter patterns, rule by rule, as the Lambda Developer Guide's table has them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velvetrope.events.filter_patterns import InvalidFilterPattern, parse_filter_pattern

MATCHING = [
    ("null", {"id": [None]}, {"id": None}),
    ("empty", {"name": [""]}, {"name": ""}),
    ("equals", {"name": ["Alice"]}, {"name": "Alice"}),
    ("equals ignore case", {"name": [{"equals-ignore-case": "alice"}]}, {"name": "ALICE"}),
    ("and", {"place": ["New York"], "day": ["Monday"]}, {"place": "New York", "day": "Monday"}),
    ("or", {"payment": ["Credit", "Debit"]}, {"payment": "Debit"}),
    ("or, several fields", {"$or": [{"place": ["A"]}, {"day": ["B"]}]}, {"place": "x", "day": "B"}),
    ("not", {"weather": [{"anything-but": ["Raining"]}]}, {"weather": "Sunny"}),
    ("numeric equals", {"price": [{"numeric": ["=", 100]}]}, {"price": 100.0}),
    ("numeric range", {"price": [{"numeric": [">", 10, "<=", 20]}]}, {"price": 20}),
    ("exists", {"product": [{"exists": True}]}, {"product": "x"}),
    ("exists, null", {"product": [{"exists": True}]}, {"product": None}),
    ("does not exist", {"product": [{"exists": False}]}, {}),
    ("does not exist, nested", {"body": {"product": [{"exists": False}]}}, {"other": 1}),
    ("begins with", {"region": [{"prefix": "us-"}]}, {"region": "us-west-2"}),
    ("ends with", {"file": [{"suffix": ".png"}]}, {"file": "a.png"}),
    ("an element of a list", {"tags": ["b"]}, {"tags": ["a", "b"]}),
    ("an object in a list", {"lines": {"sku": ["b"]}}, {"lines": [{"sku": "a"}, {"sku": "b"}]}),
    ("an empty pattern", {}, {"anything": 1}),
    ("one is 1.0", {"n": [1]}, {"n": 1.0}),
]
NOT_MATCHING = [
    ("null", {"id": [None]}, {"id": ""}),
    ("null, missing", {"id": [None]}, {}),
    ("equals, another case", {"name": ["Alice"]}, {"name": "alice"}),
    ("and", {"place": ["New York"], "day": ["Monday"]}, {"place": "New York", "day": "Sunday"}),
    ("or, several fields", {"$or": [{"place": ["A"]}, {"day": ["B"]}]}, {"place": "x", "day": "y"}),
    ("not, missing", {"weather": [{"anything-but": ["Raining"]}]}, {}),
    ("not", {"weather": [{"anything-but": "Raining"}]}, {"weather": "Raining"}),
    ("numeric, a bound", {"price": [{"numeric": [">", 10, "<=", 20]}]}, {"price": 10}),
    ("numeric, text", {"price": [{"numeric": ["=", 100]}]}, {"price": "100"}),
    ("numeric, true", {"price": [{"numeric": ["=", 1]}]}, {"price": True}),
    ("exists", {"product": [{"exists": True}]}, {}),
    ("exists, an object", {"product": [{"exists": True}]}, {"product": {"id": 1}}),
    ("does not exist", {"product": [{"exists": False}]}, {"product": None}),
    ("true is not 1", {"n": [1]}, {"n": True}),
    ("an object where a value is asked for", {"n": ["x"]}, {"n": {"x": "x"}}),
    ("text where an object is asked for", {"body": {"n": ["x"]}}, {"body": "x"}),
    ("an empty list", {"tags": ["b"]}, {"tags": []}),
]


@pytest.mark.parametrize(("pattern", "record"), [case[1:] for case in MATCHING], ids=[case[0] for case in MATCHING])
def test_a_pattern_matches(pattern: object, record: dict[str, object]) -> None:
    assert parse_filter_pattern(json.dumps(pattern)).matches(record)


@pytest.mark.parametrize(
    ("pattern", "record"), [case[1:] for case in NOT_MATCHING], ids=[case[0] for case in NOT_MATCHING]
)
def test_a_pattern_does_not_match(pattern: object, record: dict[str, object]) -> None:
    assert not parse_filter_pattern(json.dumps(pattern)).matches(record)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '"text"',
        '{"a": "b"}',
        '{"a": []}',
        '{"a": {}}',
        '{"a": [[1]]}',
        '{"a": [{}]}',
        '{"a": [{"prefix": "x", "suffix": "y"}]}',
        '{"a": [{"prefix": 1}]}',
        '{"a": [{"prefix": ""}]}',
        '{"a": [{"wildcard": "x*"}]}',
        '{"a": [{"cidr": "10.0.0.0/8"}]}',
        '{"a": [{"exists": "yes"}]}',
        '{"a": [{"anything-but": []}]}',
        '{"a": [{"anything-but": {"prefix": "x"}}]}',
        '{"a": [{"numeric": [">"]}]}',
        '{"a": [{"numeric": ["~", 1]}]}',
        '{"a": [{"numeric": [">", "1"]}]}',
        '{"a": [{"numeric": [">", true]}]}',
        '{"$or": [{"a": [1]}]}',
        '{"$or": {"a": [1]}}',
        '{"a": [1], "a": [2]}',
        '{"a":' * 30 + "[1]" + "}" * 30,
        "[" * 100_000,
    ],
)
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(InvalidFilterPattern):
        parse_filter_pattern(text)


def test_the_keys_that_a_pattern_asks_about_are_known() -> None:
    assert parse_filter_pattern('{"body": {"a": [1]}, "$or": [{"x": [1]}, {"y": [1]}]}').keys == {"body", "x", "y"}


_SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3)
_RECORDS = st.dictionaries(st.sampled_from("abc"), _SCALARS | st.lists(_SCALARS, max_size=2))


@given(_RECORDS, _SCALARS)
def test_one_of_a_value_and_anything_but_it_holds_for_every_scalar_that_is_there(
    record: dict[str, object], value: object
) -> None:
    is_value = parse_filter_pattern(json.dumps({"a": [value]}))
    is_not = parse_filter_pattern(json.dumps({"a": [{"anything-but": [value]}]}))

    if "a" in record and not isinstance(record["a"], list):
        assert is_value.matches(record) != is_not.matches(record)
    elif "a" not in record:
        assert not is_value.matches(record)
        assert not is_not.matches(record)
