"""Values inside a template, and the methods that they have: texts, numbers, lists and maps, as Java has them.

What is not in these tables does not exist for a template. Regular expressions are Java's, as far as they can be matched
in linear time (decision 0041); the work that they may take counts with all else that a template reads.

Sources: the Java SE API of String, List and Map, as far as Velocity templates use them.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol, TypeGuard

import msgspec

from velvetrope.mappings.budget import Budget, TemplateFailed
from velvetrope.patterns import (
    Dialect,
    Found,
    PatternRefused,
    TooMuchToMatch,
    compile_finder,
    compile_pattern,
)

__all__ = ["Entry", "TemplateObject", "call_method", "get_index", "get_property", "render_value"]

_MAX_LIST = 100_000
_LITERAL = re.compile(r"(?:[^\\^$.|?*+()\[\]{}]|\\[^A-Za-z0-9])*")
_SPECIAL = re.compile(r"\\(?P<character>.)|\$(?P<group>\d)?", re.DOTALL | re.ASCII)
_COMPILING = 20_000
"""What compiling a pattern costs, in characters gone through."""


class TemplateObject(Protocol):
    """An object of ours that a template sees: `$input`, `$util`. It has methods and properties and nothing else."""

    def template_methods(self) -> Mapping[str, Callable[..., object]]: ...

    def template_properties(self) -> Mapping[str, object]: ...


class Entry(msgspec.Struct, frozen=True):
    """One pair of a map, from `entrySet()`."""

    key: object
    value: object


def are_equal(left: object, right: object, budget: Budget) -> bool:
    """Whether two values are the same, looked at one by one: lists may stand in lists many times over."""
    budget.step()
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(are_equal(one, right[n], budget) for n, one in enumerate(left))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(are_equal(one, right[key], budget) for key, one in left.items())
    if isinstance(left, Entry) and isinstance(right, Entry):
        return are_equal(left.key, right.key, budget) and are_equal(left.value, right.value, budget)
    if isinstance(left, list | dict | Entry) or isinstance(right, list | dict | Entry):
        return False
    if isinstance(left, str):
        budget.read(len(left))
    return left == right


def _position(values: Iterable[object], sought: object, budget: Budget) -> int:
    return next((n for n, one in enumerate(values) if are_equal(one, sought, budget)), -1)


def render_value(value: object, budget: Budget) -> str:
    """The value as text, as Java writes it."""
    budget.step()
    if isinstance(value, str):
        text = value
    elif value is None:
        text = "null"
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, dict):
        text = f"{{{', '.join(f'{_part(k, budget)}={_part(v, budget)}' for k, v in value.items())}}}"
    elif isinstance(value, list):
        text = f"[{', '.join(_part(one, budget) for one in value)}]"
    elif isinstance(value, Entry):
        text = f"{_part(value.key, budget)}={_part(value.value, budget)}"
    elif isinstance(value, int | float):
        text = str(value)
    else:
        raise TemplateFailed("the template writes an object that has no text")
    budget.claim(len(text))
    return text


def _part(value: object, budget: Budget) -> str:
    return render_value(value, budget)


def get_property(value: object, name: str) -> object:
    """`$value.name`; None if there is none."""
    if isinstance(value, dict):
        return value.get(name)
    if isinstance(value, Entry):
        return {"key": value.key, "value": value.value}.get(name)
    if _is_object(value):
        return value.template_properties().get(name)
    if name == "empty" and isinstance(value, str | list):
        return not value
    return None


def get_index(value: object, index: object) -> object:
    """`$value[index]`; None if there is none."""
    if isinstance(value, dict):
        return value.get(index) if isinstance(index, str | int | float) else None
    if isinstance(value, list) and isinstance(index, int) and not isinstance(index, bool):
        return value[index] if 0 <= index < len(value) else None
    return None


def call_method(value: object, name: str, arguments: list[object], budget: Budget) -> object:
    """`$value.name(arguments)`.

    Raises:
        TemplateFailed: there is no such method, or it does not take these arguments.
    """
    if value is None:
        return None
    if isinstance(value, str | list | dict):
        budget.read(len(value))
    if name == "toString" and not arguments and not _is_object(value):
        return render_value(value, budget)
    if name == "equals" and len(arguments) == 1:
        return are_equal(value, arguments[0], budget)
    method: Callable[..., object] | None
    if _is_object(value):
        found = value.template_methods().get(name)
        method = None if found is None else (lambda _value, _budget, *given: found(*given))
    else:
        method = _table_of(value).get(name)
    if method is None:
        raise TemplateFailed(f"the template calls a method that is not known: {name}")
    try:
        return method(value, budget, *arguments)
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        raise TemplateFailed(f"the template calls {name} with what it does not take: {error}") from None


def _is_object(value: object) -> TypeGuard[TemplateObject]:
    return hasattr(value, "template_methods")


def _table_of(value: object) -> Mapping[str, Callable[..., object]]:
    if isinstance(value, str):
        return _TEXT
    if isinstance(value, list):
        return _LIST
    if isinstance(value, dict):
        return _MAP
    return _ENTRY if isinstance(value, Entry) else _NUMBER


# Texts


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is wanted")
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("a whole number is wanted")
    return value


def _substring(text: str, _budget: Budget, start: object, end: object = None) -> str:
    first, last = _whole(start), len(text) if end is None else _whole(end)
    if not 0 <= first <= last <= len(text):
        raise IndexError("outside of the text")
    return text[first:last]


def _replace(text: str, budget: Budget, old: object, new: object) -> str:
    wanted, replacement = _text(old), _text(new)
    budget.claim(len(text) + text.count(wanted) * len(replacement))
    return text.replace(wanted, replacement)


def _plain(expression: str) -> str | None:
    """The text that an expression is, if it is nothing else."""
    return re.sub(r"\\(.)", r"\1", expression) if _LITERAL.fullmatch(expression) else None


def _found(text: str, budget: Budget, expression: str) -> Iterator[Found]:
    """The places of `text` that match, the work charged to `budget`."""
    budget.read(_COMPILING + len(expression))
    try:
        yield from compile_finder(expression, Dialect.JAVA).find_all(text, budget.read)
    except PatternRefused as refused:
        raise TemplateFailed(f"the pattern {expression}: {refused.message}") from None


def _replace_all(text: str, budget: Budget, expression: object, new: object, count: int = 0) -> str:
    pattern, replacement = _text(expression), _text(new)
    plain = _plain(pattern)
    if plain is not None and "$" not in replacement:
        literal = re.sub(r"\\(.)", r"\1", replacement)
        return text.replace(plain, literal, count) if count else _replace(text, budget, plain, literal)
    parts, end = [], 0
    for found in itertools.islice(_found(text, budget, pattern), count or None):
        parts += [text[end : found.start], _replacement(replacement, found, text)]
        budget.claim(len(parts[-2]) + len(parts[-1]))
        end = found.end
    budget.claim(len(text) - end)
    return "".join([*parts, text[end:]])


def _replacement(replacement: str, found: Found, text: str) -> str:
    """Java's `$1` is a group, which is empty where it took no part; a backslash takes the next character as it is."""
    parts, position = [], 0
    for special in _SPECIAL.finditer(replacement):
        parts.append(replacement[position : special.start()])
        position = special.end()
        if special["character"] is not None:
            parts.append(special["character"])
            continue
        group = special["group"]
        if group is None or int(group) > len(found.groups):
            raise TemplateFailed(f"the replacement {replacement} names no group")
        parts.append(text[found.start : found.end] if group == "0" else found.groups[int(group) - 1] or "")
    return "".join([*parts, replacement[position:]])


def _split(text: str, budget: Budget, expression: object) -> list[object]:
    pattern = _text(expression)
    budget.claim(len(text))
    plain = _plain(pattern)
    parts: list[object] = []
    if plain:
        parts += text.split(plain)
    else:
        end = 0
        for found in _found(text, budget, pattern):
            # Java begins with no empty text before a match that takes nothing, nor does one at the end divide.
            if found.end > found.start or 0 < found.start < len(text):
                parts.append(text[end : found.start])
                end = found.end
        parts.append(text[end:])
    while len(parts) > 1 and not parts[-1]:
        parts.pop()  # as Java does, who leaves one text of an empty one
    return parts


def _matches(text: str, budget: Budget, expression: object) -> bool:
    pattern = _text(expression)
    plain = _plain(pattern)
    if plain is not None:
        return text == plain
    budget.read(_COMPILING + len(pattern))
    try:
        compiled = compile_pattern(pattern, Dialect.JAVA, whole=True)
        budget.read(len(text) * compiled.size)
        return compiled.matches(text)
    except (PatternRefused, TooMuchToMatch) as refused:
        raise TemplateFailed(f"the pattern {pattern}: {refused.message}") from None


def _concat(text: str, budget: Budget, other: object) -> str:
    added = _text(other)
    budget.claim(len(text) + len(added))
    return text + added


_TEXT: Mapping[str, Callable[..., object]] = {
    "charAt": lambda text, _budget, at: text[_whole(at)],
    "concat": _concat,
    "contains": lambda text, _budget, part: _text(part) in text,
    "endsWith": lambda text, _budget, part: text.endswith(_text(part)),
    "equalsIgnoreCase": lambda text, _budget, other: text.lower() == _text(other).lower(),
    "indexOf": lambda text, _budget, part: text.find(_text(part)),
    "isEmpty": lambda text, _budget: not text,
    "lastIndexOf": lambda text, _budget, part: text.rfind(_text(part)),
    "length": lambda text, _budget: len(text),
    "matches": _matches,
    "replace": _replace,
    "replaceAll": _replace_all,
    "replaceFirst": lambda text, budget, expression, new: _replace_all(text, budget, expression, new, 1),
    "split": _split,
    "startsWith": lambda text, _budget, part: text.startswith(_text(part)),
    "substring": _substring,
    "toLowerCase": lambda text, _budget: text.lower(),
    "toUpperCase": lambda text, _budget: text.upper(),
    "trim": lambda text, _budget: text.strip(),
}

# Lists and maps


def _add(values: list[object], _budget: Budget, *given: object) -> bool:
    if len(values) >= _MAX_LIST:
        raise TemplateFailed(f"a list has at most {_MAX_LIST} elements")
    if len(given) == 2:
        values.insert(_whole(given[0]), given[1])
    else:
        (value,) = given
        values.append(value)
    return True


def _put(values: dict[object, object], _budget: Budget, key: object, value: object) -> object:
    if len(values) >= _MAX_LIST:
        raise TemplateFailed(f"a map has at most {_MAX_LIST} entries")
    before = values.get(key)
    values[key] = value
    return before


def _put_all(values: dict[object, object], _budget: Budget, others: object) -> None:
    if not isinstance(others, dict):
        raise TypeError("a map is wanted")
    if len(values) + len(others) > _MAX_LIST:
        raise TemplateFailed(f"a map has at most {_MAX_LIST} entries")
    values.update(others)


def _set(values: list[object], _budget: Budget, at: object, value: object) -> object:
    before = values[_whole(at)]
    values[_whole(at)] = value
    return before


_LIST: Mapping[str, Callable[..., object]] = {
    "add": _add,
    "contains": lambda values, budget, value: _position(values, value, budget) >= 0,
    "get": lambda values, _budget, at: get_index(values, at),
    "indexOf": lambda values, budget, value: _position(values, value, budget),
    "isEmpty": lambda values, _budget: not values,
    "remove": lambda values, _budget, at: values.pop(_whole(at)),
    "set": _set,
    "size": lambda values, _budget: len(values),
}

_MAP: Mapping[str, Callable[..., object]] = {
    "containsKey": lambda values, _budget, key: key in values,
    "containsValue": lambda values, budget, value: _position(values.values(), value, budget) >= 0,
    "entrySet": lambda values, _budget: [Entry(key, value) for key, value in values.items()],
    "get": lambda values, _budget, key: values.get(key),
    "isEmpty": lambda values, _budget: not values,
    "keySet": lambda values, _budget: list(values),
    "put": _put,
    "putAll": _put_all,
    "remove": lambda values, _budget, key: values.pop(key, None),
    "size": lambda values, _budget: len(values),
    "values": lambda values, _budget: list(values.values()),
}

_ENTRY: Mapping[str, Callable[..., object]] = {
    "getKey": lambda entry, _budget: entry.key,
    "getValue": lambda entry, _budget: entry.value,
}

_NUMBER: Mapping[str, Callable[..., object]] = {
    "intValue": lambda value, _budget: int(value),
    "doubleValue": lambda value, _budget: float(value),
}
