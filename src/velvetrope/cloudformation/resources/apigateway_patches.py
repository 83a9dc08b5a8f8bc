"""Patch operations: how API Gateway is told what changed.

`patches` compares old and new properties by a table of property and path. Values travel as text; `/` and `~` inside
one step of a path are escaped as in JSON pointers.

Source: API Gateway API Reference, "Patch operations"; RFC 6901 section 3.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from velvetrope.cloudformation.schemas import Properties
from velvetrope.templates import text_of

__all__ = ["Patch", "escaped", "map_patches", "patch", "scalar_patches", "set_patches"]

Patch = dict[str, str]


def patch(op: str, path: str, value: object = None) -> Patch:
    """One operation; without a value for `remove` of a path."""
    text = text_of(value)
    return {"op": op, "path": path} if text is None else {"op": op, "path": path, "value": text}


def escaped(step: str) -> str:
    """One step of a path."""
    return step.replace("~", "~0").replace("/", "~1")


def scalar_patches(old: Properties, new: Properties, paths: Mapping[str, str]) -> Iterator[Patch]:
    """A `replace` for each property of `paths` that changed; one that was taken out becomes empty."""
    for name, path in paths.items():
        if old.get(name) != new.get(name):
            yield patch("replace", path, new.get(name, ""))


def map_patches(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[Patch]:
    """A `replace` for each entry of a map that changed, a `remove` for each that is gone."""
    for key, value in new.items():
        if old.get(key) != value:
            yield patch("replace", f"{path}/{escaped(key)}", value)
    for key in old:
        if key not in new:
            yield patch("remove", f"{path}/{escaped(key)}")


def set_patches(old: list[str], new: list[str], path: str) -> Iterator[Patch]:
    """An `add` for each member of a set that is new, a `remove` for each that is gone; the member is in the path."""
    for item in new:
        if item not in old:
            yield patch("add", f"{path}/{escaped(item)}")
    for item in old:
        if item not in new:
            yield patch("remove", f"{path}/{escaped(item)}")
