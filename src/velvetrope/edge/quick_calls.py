"""Calls of an operation that is often called, read in one go: from a JSON body to the method's arguments.

    reader = QuickReader(operation, contract)
    read = reader.read(body)            # (parameters, arguments), or None: read it step by step

Step by step, a body is decoded, parsed by its shape, held against the model, renamed and converted to the method's
annotations: five walks over the same members. Here it is decoded, held against one type (`quick_types`), and each
member is handed on as it is, if its annotation asks for no more than the model does, or converted. Whatever is not
plainly right is None, and so is what the method does not support: only the steps refuse.

A reader is made when an operation has been called `CALLS_BEFORE` times, so that a server that starts makes none.
"""

import types
import typing
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import msgspec

from velvetrope.edge.members import to_snake
from velvetrope.edge.models import Member, Operation, Shape
from velvetrope.edge.parameters import SignatureContract, take_as_is
from velvetrope.edge.quick_types import document_type
from velvetrope.errors import ReasonError
from velvetrope.secret import Secret

__all__ = ["CALLS_BEFORE", "QuickReader"]

CALLS_BEFORE: Final = 8

_Conversion = Callable[[object], object]
_PLAIN: Final[Mapping[str, type]] = {"string": str, "integer": int, "long": int, "boolean": bool}
"""What values of these shapes are in JSON and in Python alike."""


class QuickReader:
    """Reads calls of one operation of a JSON service."""

    def __init__(self, operation: Operation, contract: SignatureContract) -> None:
        shape = operation.input
        members = {} if shape is None else shape.members
        self._type = _Nothing if shape is None else document_type(shape)
        self._required = contract.required
        self._members = {
            name: (member.snake_name, _conversion(member, contract.annotations[member.snake_name], name))
            for name, member in members.items()
            if member.snake_name in contract.annotations
        }

    def read(self, body: bytes) -> tuple[dict[str, object], dict[str, object]] | None:
        """The wire dict and the method's arguments, if the body is beyond doubt."""
        try:
            document = msgspec.json.decode(body)
            msgspec.convert(document, self._type)
            arguments: dict[str, object] = {}
            for name, value in document.items():
                snake_name, convert = self._members[name]
                arguments[snake_name] = value if convert is None else convert(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError, ReasonError):
            return None
        return (document, arguments) if self._required <= arguments.keys() else None


class _Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """The input of an operation that has none."""


def _conversion(member: Member, annotation: object, path: str) -> _Conversion | None:
    """How a value that the member's shape allows becomes one that the annotation does; None if it is one already."""
    wanted = _without_none(annotation)
    if _is_same(member.shape, wanted):
        return None
    if wanted == Secret[str] and _is_same(member.shape, str):
        return partial(take_as_is, Secret)
    return partial(_convert, member.shape, annotation, path)


def _without_none(annotation: object) -> object:
    """What an optional annotation holds if it holds something. `Annotated` stays: it may have bounds of its own."""
    if typing.get_origin(annotation) not in {typing.Union, types.UnionType}:
        return annotation
    left = [one for one in typing.get_args(annotation) if one is not type(None)]
    return left[0] if len(left) == 1 else annotation


def _is_same(shape: Shape, annotation: object) -> bool:
    """Whether each value of `shape` is one of `annotation`, and would be taken as it is."""
    if shape.is_document:
        return False
    if shape.type == "list" and shape.item is not None and typing.get_origin(annotation) is list:
        return _is_same(shape.item.shape, typing.get_args(annotation)[0])
    if shape.type == "map" and shape.value is not None and typing.get_origin(annotation) is dict:
        key, value = typing.get_args(annotation)
        return key is str and _is_same(shape.value.shape, value)
    if typing.get_origin(annotation) is typing.Literal:
        return shape.type == "string" and bool(shape.enum) and set(shape.enum) <= set(typing.get_args(annotation))
    return annotation is not None and _PLAIN.get(shape.type) is annotation


def _convert(shape: Shape, annotation: object, path: str, value: object) -> object:
    renamed = to_snake(value, shape, annotation, path)
    return msgspec.convert(renamed, annotation, dec_hook=take_as_is)
