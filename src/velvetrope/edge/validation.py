"""A call's parameters held against its model, with AWS's words for what is wrong.

    2 validation errors detected: Value null at 'userPoolId' failed to satisfy constraint: Member must not be null;
    Value 'x' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 60

Input is a wire dict: the model's member names, with numbers, booleans, datetimes and bytes already parsed (the codecs
refuse what has the wrong type). Checked are: required members, lengths of strings, blobs, lists and maps, ranges of
numbers, enumerations and patterns, at any depth. Values of shapes that the model calls sensitive are never repeated.

A member of a list is named `tags.1.member.key`, one of a map `logins.KEY.member`; what is wrong with a scalar inside a
list or with the keys of a map is said of the whole list or map, as AWS does.

Source: user-pools.md section 9, identity-pools.md, sts-iam.md section 1.3 and lambda.md section 3.1 of the reference.
The forms for scalars in lists and for map keys are as clients quote them (UNVERIFIED there).
"""

from collections.abc import Iterator, Mapping, Sequence

from velvetrope.edge.models import Member, Shape
from velvetrope.edge.patterns import matches_pattern

__all__ = ["MAX_PATTERN_CHARACTERS", "breaks_a_constraint", "describe_violations", "find_violations"]

_MAX_ECHO_CHARACTERS = 1024
MAX_PATTERN_CHARACTERS = 65_536
"""A longer value, if longer than its shape allows too, is a mismatch without being matched: what a stranger sends must
not decide how long we look at it. Our longest bounded shape is an IAM policy document, 131,072 characters."""


def describe_violations(violations: Sequence[str]) -> str:
    """AWS's one sentence for any number of violations."""
    count = len(violations)
    return f"{count} validation error{'' if count == 1 else 's'} detected: {'; '.join(violations)}"


def find_violations(parameters: Mapping[str, object], shape: Shape | None) -> list[str]:
    """What the model has against `parameters`, one line each, in the model's order."""
    return [] if shape is None else list(_structure(parameters, shape, ""))


def breaks_a_constraint(value: object, shape: Shape) -> bool:
    """Whether the shape itself has something against `value`; what is inside it is not looked at."""
    return next(_broken_constraints(value, shape), None) is not None


def _structure(value: Mapping[str, object], shape: Shape, path: str) -> Iterator[str]:
    for name, member in shape.members.items():
        given = value.get(name)
        if given is None:
            if name in shape.required and not member.is_idempotency_token:
                yield f"Value null at '{_at(path, name)}' failed to satisfy constraint: Member must not be null"
        else:
            yield from _member(given, member, _at(path, name))


def _member(value: object, member: Member, path: str) -> Iterator[str]:
    shape = member.shape
    for constraint in _broken_constraints(value, shape):
        yield _about(value, shape, path, constraint)
    if shape.is_document:
        return
    if shape.type == "structure" and isinstance(value, Mapping):
        yield from _structure(value, shape, path)
    elif shape.type == "list" and isinstance(value, (list, tuple)) and shape.item is not None:
        yield from _list(value, shape, shape.item, path)
    elif shape.type == "map" and isinstance(value, Mapping) and shape.key is not None and shape.value is not None:
        yield from _map(value, shape, path)


def _list(value: Sequence[object], shape: Shape, item: Member, path: str) -> Iterator[str]:
    if item.shape.type in {"structure", "list", "map"}:
        for index, element in enumerate(value, 1):
            if element is not None:
                yield from _member(element, item, f"{path}.{index}.member")
    elif any(breaks_a_constraint(element, item.shape) for element in value):
        rules = ", ".join(_constraints(item.shape))
        yield _about(value, shape, path, f"Member must satisfy constraint: [{rules}]")


def _map(value: Mapping[str, object], shape: Shape, path: str) -> Iterator[str]:
    key, item = shape.key, shape.value
    if key is None or item is None:
        return
    if any(breaks_a_constraint(name, key.shape) for name in value):
        rules = ", ".join(_constraints(key.shape))
        yield _about(value, shape, path, f"Map keys must satisfy constraint: [{rules}]")
    if item.shape.type in {"structure", "list", "map"}:
        for name, element in value.items():
            if element is not None:
                yield from _member(element, item, f"{path}.{name}.member")
    elif any(breaks_a_constraint(element, item.shape) for element in value.values()):
        rules = ", ".join(_constraints(item.shape))
        yield _about(value, shape, path, f"Map value must satisfy constraint: [{rules}]")


def _broken_constraints(value: object, shape: Shape) -> Iterator[str]:
    size = _size(value, shape)
    if size is not None:
        if shape.minimum is not None and size < shape.minimum:
            yield _minimum(shape)
        if shape.maximum is not None and size > shape.maximum:
            yield _maximum(shape)
    if isinstance(value, str):
        if shape.enum and value not in shape.enum:
            yield _enumeration(shape)
        if shape.pattern is not None and (
            len(value) > max(MAX_PATTERN_CHARACTERS, shape.maximum or 0) or not matches_pattern(shape.pattern, value)
        ):
            yield _pattern(shape)


def _constraints(shape: Shape) -> Iterator[str]:
    """All rules of a scalar, in the order in which AWS lists them for the members of a list or map."""
    if shape.maximum is not None:
        yield _maximum(shape)
    if shape.minimum is not None:
        yield _minimum(shape)
    if shape.enum:
        yield _enumeration(shape)
    if shape.pattern is not None:
        yield _pattern(shape)


def _size(value: object, shape: Shape) -> float | None:
    """What `min` and `max` of this shape bound: a number itself, else a length."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, (str, bytes, list, tuple)) or (isinstance(value, Mapping) and shape.type == "map"):
        return len(value)
    return None


def _is_number(shape: Shape) -> bool:
    return shape.type in {"integer", "long", "float", "double"}


def _minimum(shape: Shape) -> str:
    what = "value" if _is_number(shape) else "length"
    return f"Member must have {what} greater than or equal to {_plain(shape.minimum)}"


def _maximum(shape: Shape) -> str:
    what = "value" if _is_number(shape) else "length"
    return f"Member must have {what} less than or equal to {_plain(shape.maximum)}"


def _enumeration(shape: Shape) -> str:
    return f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"


def _pattern(shape: Shape) -> str:
    return f"Member must satisfy regular expression pattern: {shape.pattern}"


def _plain(number: float | None) -> str:
    return str(int(number)) if number is not None and number == int(number) else str(number)


def _about(value: object, shape: Shape, path: str, constraint: str) -> str:
    return f"Value{_echo(value, shape)} at '{path}' failed to satisfy constraint: {constraint}"


def _echo(value: object, shape: Shape) -> str:
    """` 'value'`, or nothing where the value is a secret or holds one."""
    if _holds_secret(shape, set()):
        return ""
    text = _spell(value)
    return f" '{text[:_MAX_ECHO_CHARACTERS]}'"


def _spell(value: object) -> str:
    """A value as Java prints it: `[a, b]`, `{k=v}`."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_spell, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{k}={_spell(v)}' for k, v in value.items())}}}"
    if isinstance(value, bytes):
        return "java.nio.HeapByteBuffer"
    return str(value)


def _holds_secret(shape: Shape, seen: set[str]) -> bool:
    if shape.sensitive:
        return True
    if shape.name in seen:
        return False
    seen.add(shape.name)
    inside = [*shape.members.values(), *(m for m in (shape.item, shape.key, shape.value) if m is not None)]
    return any(_holds_secret(member.shape, seen) for member in inside)


def _at(path: str, name: str) -> str:
    """Where a member is, in the words of a violation."""
    camel = name[:1].lower() + name[1:]
    return f"{path}.{camel}" if path else camel
