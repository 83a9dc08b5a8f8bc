"""An operation's signature, made into a type that wire values are converted to.

    contract = SignatureContract("CreateGroup", method)
    arguments = contract.arguments({"GroupName": "admins"}, shape)   # {"group_name": "admins"}
    await method(call, **arguments)

The keyword parameters of the handler become a `msgspec.Struct`, built once on first use, and `msgspec.convert` turns
the validated wire dict into it: nested Structs, tuples, datetimes and `Secret[str]` included. What the caller left out
is left out of the call, so that the handler's own defaults hold.
"""

import inspect
import re
import typing
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from velvetrope.edge.members import UnsupportedMember, to_snake
from velvetrope.edge.models import Shape
from velvetrope.errors import ReasonError
from velvetrope.secret import Secret

__all__ = ["MissingParameter", "SignatureContract", "UnsupportedValue", "take_as_is"]


class MissingParameter(ReasonError):
    """Our operation needs a member that its model leaves optional. The message is the member's wire name."""


class UnsupportedValue(ReasonError):
    """The model allows this value and our operation's annotation does not. The message begins with its path."""


class SignatureContract:
    """What one operation method takes, by its annotations."""

    def __init__(self, operation: str, method: Callable[..., Awaitable[object]]) -> None:
        self._operation = operation
        # `operation` keeps the method itself, so its annotations are those the author wrote.
        function = getattr(method, "__func__", method)
        hints = typing.get_type_hints(function)
        self.annotations: dict[str, Any] = {}
        self._required: list[str] = []
        for name, parameter in inspect.signature(function).parameters.items():
            if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
                continue
            self.annotations[name] = hints[name]
            if parameter.default is inspect.Parameter.empty:
                self._required.append(name)
        self.required = frozenset(self._required)
        self._struct = msgspec.defstruct(
            f"{operation}Parameters",
            [(name, annotation, msgspec.UNSET) for name, annotation in self.annotations.items()],
            kw_only=True,
            forbid_unknown_fields=True,
        )

    def arguments(self, parameters: Mapping[str, object], shape: Shape | None) -> dict[str, object]:
        """Keyword arguments for the handler from a wire dict that its model has accepted.

        Raises:
            UnsupportedMember: a member that the signature lacks, at any depth.
            MissingParameter: a member that the signature needs and the model does not.
            UnsupportedValue: a value that an annotation (a `Literal`, a bound) does not allow.
        """
        renamed: dict[str, object] = {}
        members = {} if shape is None else shape.members
        for name, value in parameters.items():
            if value is None:
                continue
            member = members[name]
            path = f"{self._operation}.{name}"
            if member.snake_name not in self.annotations:
                raise UnsupportedMember(path)
            renamed[member.snake_name] = to_snake(value, member.shape, self.annotations[member.snake_name], path)
        for wanted in self._required:
            if wanted not in renamed:
                known = shape.by_snake_name.get(wanted) if shape is not None else None
                raise MissingParameter(known.name if known is not None else wanted)
        try:
            converted = msgspec.convert(renamed, self._struct, dec_hook=take_as_is)
        except msgspec.ValidationError as error:
            raise UnsupportedValue(f"{self._operation}{_said_by_path(str(error), shape)}") from None
        return {name: getattr(converted, name) for name in renamed}


_PLACE = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.(?P<name>\w+)|\[[^\]]*\]")


def _said_by_path(text: str, shape: Shape | None) -> str:
    """What msgspec says of a value, behind the place in the wire's own names; elements of lists have no number."""
    found = _PLACE.search(text)
    if found is None:
        return f": {text}"
    path = ""
    for step in _STEP.finditer(found["path"]):
        name = step["name"]
        member = None if shape is None else shape.by_snake_name.get(name) if name else shape.item or shape.value
        path += f".{name if member is None else member.name}" if name else ""
        shape = None if member is None else member.shape
    return f"{path}: {text[: found.start()]}"


def take_as_is(wanted: type, value: object) -> object:
    """What `msgspec` has no rule for: secrets, and members that a handler takes as they are."""
    if wanted is object:
        return value
    if (typing.get_origin(wanted) or wanted) is Secret:
        if isinstance(value, str):
            return Secret(value)
        if isinstance(value, bytes):
            return Secret(value)
    raise NotImplementedError(f"operations cannot take a {wanted}")
