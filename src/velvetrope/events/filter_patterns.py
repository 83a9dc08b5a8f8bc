"""Event filter patterns: which records of a source a function is to be given.

    pattern = parse_filter_pattern('{"body": {"status": ["open", {"prefix": "re"}]}}')
    pattern.matches({"body": {"status": "reopened"}})

A pattern is an object. Each key names a member of the record; below it is either another object, or a list of rules of
which one must hold. All keys must hold; `$or` has a list of patterns of which one must. A member that is a list holds a
rule if one of its elements does. What is not one of Lambda's rules is refused when the pattern is saved.

| Rule | Holds for |
|---|---|
| text, number, true, false, null | a member with exactly that value |
| `{"prefix": "a"}`, `{"suffix": "z"}` | text that begins or ends so |
| `{"equals-ignore-case": "a"}` | the same text in any case |
| `{"anything-but": [...]}` | a member that is there and has none of these values |
| `{"numeric": [">", 0, "<=", 5]}` | a number in all of these bounds; `=` too |
| `{"exists": true}` | a member that is there and is no object; `false`: that is not there |

Source: AWS Lambda Developer Guide, "Control which events Lambda sends to your function", Filter rule syntax.
"""

import json
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from velvetrope.errors import ReasonError

__all__ = ["FilterPattern", "InvalidFilterPattern", "parse_filter_pattern"]

MAX_DEPTH = 20
_OR = "$or"

_MISSING = object()
Value = object
_Rule = Callable[[Value], bool]
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


class InvalidFilterPattern(ReasonError):
    """Not a pattern. The message says where and why."""


@dataclass(frozen=True, slots=True)
class FilterPattern:
    """A parsed pattern. `keys` are the members of the record that it asks about, `$or` looked into."""

    keys: frozenset[str]
    _holds: Callable[[Value], bool]

    def matches(self, record: Mapping[str, Value]) -> bool:
        """Whether the record is to be passed on."""
        return self._holds(record)


def parse_filter_pattern(text: str) -> FilterPattern:
    """The pattern that `text` is.

    Raises:
        InvalidFilterPattern: not JSON, not an object, or something in it is no rule.
    """
    try:
        document = json.loads(text, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError):
        raise InvalidFilterPattern("the pattern is not valid JSON") from None
    if not isinstance(document, dict):
        raise InvalidFilterPattern("the pattern is not an object")
    return FilterPattern(frozenset(_keys(document)), _parse_object(document, "", 0))


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _keys(document: Mapping[str, object]) -> Iterator[str]:
    for key, below in document.items():
        if key != _OR:
            yield key
        elif isinstance(below, list):
            for choice in below:
                yield from _keys(choice) if isinstance(choice, dict) else ()


def _parse_object(document: Mapping[str, object], path: str, depth: int) -> _Rule:
    if depth > MAX_DEPTH:
        raise InvalidFilterPattern("the pattern is nested too deeply")
    rules: list[_Rule] = []
    for key, below in document.items():
        here = f"{path}.{key}".lstrip(".")
        if key == _OR:
            rules.append(_parse_choices(below, path, depth))
        elif isinstance(below, dict):
            if not below:
                raise InvalidFilterPattern(f"{here} is an empty object")
            rules.append(_of_member(key, _parse_object(below, here, depth + 1), _objects))
        elif isinstance(below, list) and below:
            rules.append(_of_member(key, _any([_parse_rule(rule, here) for rule in below]), _leaves))
        else:
            raise InvalidFilterPattern(f"{here} is neither an object nor a list of rules")
    return lambda value: all(rule(value) for rule in rules)


def _parse_choices(choices: object, path: str, depth: int) -> _Rule:
    if not isinstance(choices, list) or len(choices) < 2 or not all(isinstance(c, dict) and c for c in choices):
        raise InvalidFilterPattern(f"{path or 'the pattern'}: $or has a list of at least two patterns")
    return _any([_parse_object(choice, path, depth + 1) for choice in choices])


def _of_member(key: str, rule: _Rule, candidates: Callable[[Value], Iterable[Value]]) -> _Rule:
    def holds(value: Value) -> bool:
        member = value.get(key, _MISSING) if isinstance(value, Mapping) else _MISSING
        return any(rule(candidate) for candidate in candidates(member))

    return holds


def _objects(value: Value) -> Iterator[Value]:
    """An object's own; the objects of a list; one that lacks everything if there is none."""
    if isinstance(value, list):
        yield from (element for element in value if isinstance(element, Mapping))
    else:
        yield value if isinstance(value, Mapping) else {}


def _leaves(value: Value) -> Iterator[Value]:
    if isinstance(value, list):
        yield from value
    elif isinstance(value, Mapping):
        yield _MISSING  # rules are about values; an object has members instead
    else:
        yield value


def _any(rules: list[_Rule]) -> _Rule:
    return lambda value: any(rule(value) for rule in rules)


def _parse_rule(rule: object, path: str) -> _Rule:
    if not isinstance(rule, dict):
        if isinstance(rule, list):
            raise InvalidFilterPattern(f"{path} has a list inside its list of rules")
        return lambda value: _same(value, rule)
    if len(rule) != 1:
        raise InvalidFilterPattern(f"{path} has a rule with {len(rule)} names; it has one")
    [(name, argument)] = rule.items()
    parse = _RULES.get(name)
    parsed = None if parse is None else parse(argument)
    if parsed is None:
        raise InvalidFilterPattern(f"{path} has the rule {name}, which is unknown or has a wrong argument")
    return parsed


def _same(value: Value, wanted: object) -> bool:
    """Equal, and of one JSON type: 1 is not true, and 1 is 1.0."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    return value is not _MISSING and value == wanted


def _parse_exists(argument: object) -> _Rule | None:
    if not isinstance(argument, bool):
        return None
    return lambda value: (value is not _MISSING) == argument


def _parse_prefix(argument: object) -> _Rule | None:
    if not isinstance(argument, str) or not argument:
        return None
    return lambda value: isinstance(value, str) and value.startswith(argument)


def _parse_suffix(argument: object) -> _Rule | None:
    if not isinstance(argument, str) or not argument:
        return None
    return lambda value: isinstance(value, str) and value.endswith(argument)


def _parse_equals_ignore_case(argument: object) -> _Rule | None:
    if not isinstance(argument, str):
        return None
    folded = argument.casefold()
    return lambda value: isinstance(value, str) and value.casefold() == folded


def _parse_anything_but(argument: object) -> _Rule | None:
    values = argument if isinstance(argument, list) else [argument]
    if not values or any(isinstance(value, list | dict) for value in values):
        return None
    return lambda value: value is not _MISSING and not any(_same(value, unwanted) for unwanted in values)


def _parse_numeric(argument: object) -> _Rule | None:
    if not isinstance(argument, list) or len(argument) not in {2, 4}:
        return None
    bounds: list[tuple[Callable[[float, float], bool], float]] = []
    for sign, bound in zip(argument[::2], argument[1::2], strict=True):
        compare = _COMPARISONS.get(sign) if isinstance(sign, str) else None
        if compare is None or not _is_number(bound):
            return None
        bounds.append((compare, bound))
    return lambda value: isinstance(value, int | float) and _is_number(value) and all(c(value, b) for c, b in bounds)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_RULES: Mapping[str, Callable[[object], _Rule | None]] = {
    "exists": _parse_exists,
    "prefix": _parse_prefix,
    "suffix": _parse_suffix,
    "equals-ignore-case": _parse_equals_ignore_case,
    "anything-but": _parse_anything_but,
    "numeric": _parse_numeric,
}
