"""The values that templates are made of: what JSON has, and one that stands for "not known yet".

A property may depend on a resource that is still to be created. While planning, the function that asks for it gives
`UNKNOWN`, and so does every function that is handed an UNKNOWN; lists and maps around it keep their form. While
executing there are none.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias, final

from velvetrope.templates.errors import InvalidTemplate

__all__ = ["MAX_DEPTH", "UNKNOWN", "Unknown", "Value", "contains_unknown", "text_of", "too_deep"]

MAX_DEPTH: Final = 100
"""Levels of lists and maps. CloudFormation's own bound is not documented; no real template comes near this one."""


@final
class Unknown:
    """The one value that is not known before its resource exists."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()

Value: TypeAlias = "str | int | float | bool | Unknown | list[Value] | dict[str, Value] | None"
"""A template's value, before or after its functions were carried out. None only where `null` was written."""


def contains_unknown(value: object) -> bool:
    """Whether `value`, or anything in it, is UNKNOWN."""
    if isinstance(value, Mapping):
        return any(contains_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(contains_unknown(item) for item in value)
    return value is UNKNOWN


def text_of(value: object) -> str | None:
    """A scalar as CloudFormation writes it into text (`true`, `5`, `1.5`); None for lists, maps and the unknown."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    return None


def too_deep() -> InvalidTemplate:
    """The refusal of a document that is nested deeper than `MAX_DEPTH`."""
    return InvalidTemplate(f"Template format error: lists and maps are nested more than {MAX_DEPTH} levels deep.")
