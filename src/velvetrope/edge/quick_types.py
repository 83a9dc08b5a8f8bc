"""A model's shapes as types of `msgspec`: a quick yes to what is beyond doubt.

    accepts(parameters, parameters_type(operation.input))       # True, or ask `find_violations`

Walking a shape member by member costs 15 µs for a call of two small structures; one call into C that holds the whole
value against a type costs one. The types say yes only where the walk would: a value that they refuse may still be right
(a null, `5.0` for a whole number, letters beyond ASCII where a pattern speaks of letters) and gets its answer, and
AWS's words for what is wrong with it, from the walk. So there is one place that refuses, and this is not it.

`parameters_type` is of wire dicts, as codecs make them; `document_type` of JSON objects as clients send them, and only
of those that are wire dicts already: members under their own names, nothing in them that would have to be read
(timestamps, blobs, floats, which a client may spell as whole numbers). A property test holds both against the walk, for
the inputs of all operations that we have.

Types are made when first asked for and kept; one costs about 0.1 ms for each structure in it.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from types import GenericAlias
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from velvetrope.edge.codecs.values import LARGEST_LONG, SMALLEST_LONG
from velvetrope.edge.models import Member, Shape
from velvetrope.edge.patterns import searched_pattern
from velvetrope.edge.validation import MAX_PATTERN_CHARACTERS, breaks_a_constraint

__all__ = ["accepts", "document_type", "parameters_type"]


class _Never:
    """No value that a client sends is one of these."""


_Document = dict[str, Any] | list[Any] | str | int | float | bool
"""Any JSON but null, which is a member that was not sent."""


class _Reading(NamedTuple):
    """What types are made for."""

    is_document: bool
    inside: frozenset[str] = frozenset()
    """The structures that this shape is in: one in itself is refused, and so left to the walk."""


def accepts(value: Mapping[str, object], wanted: object) -> bool:
    """Whether `value` is beyond doubt."""
    try:
        msgspec.convert(value, wanted)
    except (msgspec.ValidationError, RecursionError):
        return False
    return True


@lru_cache(maxsize=4096)
def parameters_type(shape: Shape) -> Any:  # noqa: ANN401 - types of `msgspec` have no type of their own
    """The type of wire dicts in which the model finds nothing wrong."""
    return _structure(shape, _Reading(is_document=False))


@lru_cache(maxsize=4096)
def document_type(shape: Shape) -> Any:  # noqa: ANN401 - as above
    """The type of JSON objects that are wire dicts as they are, and in which the model finds nothing wrong."""
    return _structure(shape, _Reading(is_document=True))


def _structure(shape: Shape, reading: _Reading) -> object:
    if shape.name in reading.inside:
        return _Never
    inner = reading._replace(inside=reading.inside | {shape.name})
    fields: list[tuple[str, Any, Any]] = []
    names: dict[str, str] = {}
    for number, (name, member) in enumerate(shape.members.items()):
        if reading.is_document and member.location is not None:
            continue
        # Members' names need not be Python's.
        field = f"member_{number}"
        names[field] = member.wire_name if reading.is_document else name
        is_required = name in shape.required and not member.is_idempotency_token
        is_read_differently = reading.is_document and member.wire_name != name
        wanted = _Never if is_read_differently else _of(member, inner)
        fields.append((field, wanted, msgspec.NODEFAULT if is_required else msgspec.UNSET))
    return msgspec.defstruct(shape.name, fields, rename=names, kw_only=True, forbid_unknown_fields=True, gc=False)


def _of(member: Member, reading: _Reading) -> object:
    shape = member.shape
    if shape.is_document:
        return _Document
    match shape.type:
        case "structure":
            return _structure(shape, reading)
        case "list" if shape.item is not None:
            return _long(GenericAlias(list, (_of(shape.item, reading),)), shape)
        case "map" if shape.key is not None and shape.value is not None:
            return _long(GenericAlias(dict, (_of(shape.key, reading), _of(shape.value, reading))), shape)
        case "string" | "character":
            return _text(shape)
        case "integer" | "long":
            smallest = SMALLEST_LONG if shape.minimum is None else int(shape.minimum)
            largest = LARGEST_LONG if shape.maximum is None else int(shape.maximum)
            return Annotated[int, msgspec.Meta(ge=smallest, le=largest)]
        case "boolean":
            return bool
        case "float" | "double" if not reading.is_document:
            return Annotated[float, msgspec.Meta(ge=shape.minimum, le=shape.maximum)]
        case "timestamp" if not reading.is_document:
            return datetime
        case "blob" if not reading.is_document:
            return _long(bytes, shape)
        case _:
            return _Never


def _text(shape: Shape) -> object:
    if shape.enum:
        allowed = tuple(value for value in shape.enum if not breaks_a_constraint(value, shape))
        return Literal[allowed] if allowed else _Never
    pattern, maximum = None, shape.maximum
    if shape.pattern is not None:
        pattern = searched_pattern(shape.pattern)
        if not _can_be_matched(pattern):
            return _Never
        maximum = MAX_PATTERN_CHARACTERS if maximum is None else maximum
    return Annotated[str, msgspec.Meta(min_length=_whole(shape.minimum), max_length=_whole(maximum), pattern=pattern)]


def _long(of: object, shape: Shape) -> object:
    return Annotated[of, msgspec.Meta(min_length=_whole(shape.minimum), max_length=_whole(shape.maximum))]


def _whole(bound: float | None) -> int | None:
    return None if bound is None else int(bound)


def _can_be_matched(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True
