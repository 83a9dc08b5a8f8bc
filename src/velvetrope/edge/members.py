"""Names between the wire and Python: `UserPoolId` there is `user_pool_id` here, by the shape and at any depth.

`to_snake` turns a wire dict into keyword arguments; at each structure it knows which members the handler's annotation
has, and refuses by name what the handler lacks. The way back is `answers.py`. Keys of maps are data and are never
renamed. Values keep their Python types (datetimes, bytes): how they are spelled is the codecs' business.
"""

import types
import typing
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from velvetrope.edge.codecs.values import MalformedRequest, UnknownMember
from velvetrope.edge.models import Shape
from velvetrope.errors import ReasonError

__all__ = ["UnsupportedMember", "check_wire_value", "is_scalar_of", "to_snake"]


class UnsupportedMember(ReasonError):
    """The model has this member and our operation does not. The message is the member's path, operation included."""


def check_wire_value(value: object, shape: Shape | None, path: str) -> None:
    """Hold a wire dict that no codec has parsed against its shape: known members, Python's types.

    Raises:
        UnknownMember: a member that the model has not.
        MalformedRequest: a value of the wrong type.
    """
    if value is None or (shape is not None and shape.is_document):
        return
    if shape is None:
        if value:
            raise UnknownMember(", ".join(map(str, value)) if isinstance(value, Mapping) else path)
    elif shape.type == "structure" and isinstance(value, Mapping):
        for name, inner in value.items():
            if name not in shape.members:
                raise UnknownMember(f"{path}.{name}".partition(".")[2])
            check_wire_value(inner, shape.members[name].shape, f"{path}.{name}")
    elif shape.type == "list" and shape.item is not None and isinstance(value, (list, tuple)):
        for inner in value:
            check_wire_value(inner, shape.item.shape, path)
    elif shape.type == "map" and shape.value is not None and isinstance(value, Mapping):
        for key, inner in value.items():
            check_wire_value(inner, shape.value.shape, f"{path}.{key}")
    elif not is_scalar_of(value, shape):
        raise MalformedRequest(f"{path}: a {type(value).__name__} is not a {shape.type}")


def to_snake(value: object, shape: Shape, annotation: object, path: str) -> object:
    """`value` with its structures' members renamed, checked against what `annotation` can hold.

    Raises:
        UnsupportedMember: a structure has a member that the Struct at this place does not name.
    """
    annotation = _bare(annotation)
    if shape.is_document:
        return value
    if shape.type == "structure" and isinstance(value, Mapping):
        fields = _struct_annotations(annotation)
        renamed = {}
        for name, inner in value.items():
            member = shape.members[name]
            if inner is None:
                continue
            if fields is not None and member.snake_name not in fields:
                raise UnsupportedMember(f"{path}.{name}")
            wanted = Any if fields is None else fields[member.snake_name]
            renamed[member.snake_name] = to_snake(inner, member.shape, wanted, f"{path}.{name}")
        return renamed
    if shape.type == "list" and shape.item is not None and isinstance(value, (list, tuple)):
        wanted = _argument(annotation, 0)
        return [to_snake(inner, shape.item.shape, wanted, path) for inner in value]
    if shape.type == "map" and shape.value is not None and isinstance(value, Mapping):
        wanted = _argument(annotation, 1)
        return {key: to_snake(inner, shape.value.shape, wanted, f"{path}.{key}") for key, inner in value.items()}
    return value


_BARE: dict[int, tuple[object, object]] = {}
"""By the id of an annotation: itself, which keeps the id its own, and what is left of it."""


def _bare(annotation: object) -> object:
    """`annotation` without `| None` and `Annotated`. There are as many as our operations' signatures have."""
    known = _BARE.get(id(annotation))
    if known is None:
        known = _BARE[id(annotation)] = (annotation, _stripped(annotation))
    return known[1]


def _stripped(annotation: object) -> object:
    while True:
        origin = typing.get_origin(annotation)
        if origin is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
        elif origin in {typing.Union, types.UnionType}:
            left = [a for a in typing.get_args(annotation) if a not in {type(None), msgspec.UnsetType}]
            if len(left) != 1:
                return Any
            annotation = left[0]
        else:
            return annotation


def _argument(annotation: object, index: int) -> object:
    arguments = typing.get_args(annotation)
    return arguments[index] if len(arguments) > index else Any


_ANNOTATIONS: dict[type, Mapping[str, object]] = {}


def _struct_annotations(annotation: object) -> Mapping[str, object] | None:
    """The fields of a Struct class with their types; None for annotations that take any structure."""
    if not (isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)):
        return None
    known = _ANNOTATIONS.get(annotation)
    if known is None:
        known = _ANNOTATIONS[annotation] = {f.encode_name: f.type for f in msgspec.structs.fields(annotation)}
    return known


_PYTHON_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "character": str,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "boolean": bool,
    "timestamp": datetime,
    "blob": (bytes, bytearray, memoryview),
}


def is_scalar_of(value: object, shape: Shape) -> bool:
    """Whether `value` has the Python type of a scalar of this shape."""
    wanted = _PYTHON_TYPES.get(shape.type)
    is_wrong_bool = isinstance(value, bool) and shape.type != "boolean"
    return wanted is not None and isinstance(value, wanted) and not is_wrong_bool
