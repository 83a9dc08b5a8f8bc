"""What an operation answers, written in the model's member names: `user_pool_id` here is `UserPoolId` there.

    write = answer_writer(operation.output)              # names of the wire, Python's values
    write = json_writer(operation.output)                # as `msgspec.json.encode` takes them
    document = write({"user_pool": {"id": ..., "creation_date": ...}})

An answer is a mapping or a Struct in snake case. It is held against its shape on the way: a member or a type that the
shape has not is a fault of ours (TypeError). What is None is left out. Keys of maps are data and are never renamed.

A writer is made of a shape once, when it is first asked for: a function that knows each member's name and type, and
hands most values on as they are. In JSON, timestamps are epoch seconds unless the model says otherwise and blobs are
base64; members that travel outside of the body are left out.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final

import msgspec

from velvetrope.edge.codecs.values import render_blob, render_timestamp, timestamp_as_number
from velvetrope.edge.members import is_scalar_of
from velvetrope.edge.models import Member, Shape
from velvetrope.secret import Secret

__all__ = ["AnswerWriter", "answer_members", "answer_writer", "json_writer"]

AnswerWriter = Callable[[object], dict[str, object]]
_Writer = Callable[[object], object]
_Row = tuple[str, type, _Writer]
"""A member: its name on the wire (empty if it travels outside of the body), the class of values that are handed on as
they are, and what writes others."""

_AS_THEY_ARE: Final[Mapping[str, type]] = {
    "string": str,
    "character": str,
    "integer": int,
    "long": int,
    "boolean": bool,
}


class _NoClass:
    """No value is one of these."""


@lru_cache(maxsize=4096)
def answer_writer(shape: Shape) -> AnswerWriter:
    """Writes answers of this structure with the names of the model, and with Python's values."""
    return _Structure(shape, is_json=False, known={}).write


@lru_cache(maxsize=4096)
def json_writer(shape: Shape) -> AnswerWriter:
    """Writes answers of this structure as JSON objects, with the names of the wire."""
    return _Structure(shape, is_json=True, known={}).write


def answer_members(value: object) -> Mapping[str, object]:
    """The members of an answer, in snake case.

    Raises:
        TypeError: it is no structure.
    """
    if isinstance(value, Mapping):
        return value
    if isinstance(value, msgspec.Struct):
        names = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        return {encoded: getattr(value, name) for encoded, name in names}
    raise TypeError(f"a {type(value).__name__} cannot be sent as a structure")


class _Rows(dict[str, _Row]):
    """The members of a structure, by their names in Python."""

    def __init__(self, structure: str) -> None:
        super().__init__()
        self._structure = structure

    def __missing__(self, snake_name: str) -> _Row:
        raise TypeError(f"{self._structure} has no member for {snake_name}")


class _Structure:
    """Writes one structure."""

    def __init__(self, shape: Shape, *, is_json: bool, known: "dict[str, _Structure]") -> None:
        """`known` are the structures that the same answer has elsewhere. Shapes may contain themselves."""
        known[shape.name] = self
        self._rows = _Rows(shape.name)
        for member in shape.members.values():
            if is_json and member.location is not None:
                self._rows[member.snake_name] = "", _NoClass, _handed_on
                continue
            name = member.wire_name if is_json else member.name
            write = _writer(member, is_json=is_json, known=known)
            self._rows[member.snake_name] = name, _class_as_it_is(member), write

    def write(self, value: object) -> dict[str, object]:
        rows, written = self._rows, {}
        for snake_name, inner in (value if isinstance(value, dict) else answer_members(value)).items():
            name, as_they_are, write = rows[snake_name]
            if inner.__class__ is as_they_are:
                written[name] = inner
            elif name and inner is not None and inner is not msgspec.UNSET:
                written[name] = write(inner)
        return written


def _writer(member: Member, *, is_json: bool, known: dict[str, _Structure]) -> _Writer:
    shape = member.shape
    if shape.is_document:
        return _handed_on
    match shape.type:
        case "structure":
            return (known.get(shape.name) or _Structure(shape, is_json=is_json, known=known)).write
        case "list" if shape.item is not None:
            return _list_writer(shape, _class_as_it_is(shape.item), _writer(shape.item, is_json=is_json, known=known))
        case "map" if shape.value is not None:
            return _map_writer(shape, _class_as_it_is(shape.value), _writer(shape.value, is_json=is_json, known=known))
        case _:
            return _json_scalar_writer(member) if is_json else _scalar_writer(shape)


def _handed_on(value: object) -> object:
    return value


def _class_as_it_is(member: Member) -> type:
    """The class whose values need no look when they are written."""
    return _NoClass if member.shape.is_document else _AS_THEY_ARE.get(member.shape.type, _NoClass)


def _list_writer(shape: Shape, as_they_are: type, write: _Writer) -> _Writer:
    def write_list(value: object) -> object:
        if not isinstance(value, Iterable) or isinstance(value, (str, bytes)):
            raise TypeError(f"a {type(value).__name__} cannot be sent as {shape.name}")
        return [element if element.__class__ is as_they_are else write(element) for element in value]

    return write_list


def _map_writer(shape: Shape, as_they_are: type, write: _Writer) -> _Writer:
    def write_map(value: object) -> object:
        if not isinstance(value, (dict, Mapping)):
            raise TypeError(f"a {type(value).__name__} cannot be sent as {shape.name}")
        return {
            str(key): element if element.__class__ is as_they_are else write(element)
            for key, element in value.items()
            if element is not None
        }

    return write_map


def _scalar_writer(shape: Shape) -> _Writer:
    def write_scalar(value: object) -> object:
        if isinstance(value, Secret):
            # A secret that an operation answers with is one that the caller is entitled to see.
            value = value.reveal()
        if not is_scalar_of(value, shape):
            raise TypeError(f"a {type(value).__name__} cannot be sent as {shape.name}, a {shape.type}")
        return bytes(value) if isinstance(value, (bytearray, memoryview)) else value

    return write_scalar


def _json_scalar_writer(member: Member) -> _Writer:
    check, timestamp_format = _scalar_writer(member.shape), member.timestamp_format

    def write_scalar(value: object) -> object:
        value = check(value)
        if isinstance(value, datetime):
            if timestamp_format in {None, "unixTimestamp"}:
                return timestamp_as_number(value)
            return render_timestamp(value, timestamp_format or "")
        return render_blob(value) if isinstance(value, bytes) else value

    return write_scalar
