"""Patch operations: what `Update…` calls are made of.

An operation has an `op`, a JSON pointer `path` (RFC 6901: `~1` is `/`, `~0` is `~`) and a `value`, which is always
text. Each resource says which (op, path) it takes; every other one is refused with AWS's sentence. `move`, `copy` and
`test` are not supported.
"""

import re
from collections.abc import Mapping, Sequence
from math import isinf
from typing import TypeVar

import msgspec

from velvetrope.apigateway.errors import BadRequestException, NotFoundException

__all__ = [
    "PatchOperation",
    "invalid_patch",
    "patch_bool",
    "patch_entry",
    "patch_int",
    "patch_members",
    "patch_number",
    "pointer_parts",
    "required_value",
]

T = TypeVar("T")
# Python reads more than these as numbers: "1_000", " 7", digits of other scripts.
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


class PatchOperation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One change. `from` (of `move` and `copy`) is not a member, and so is refused by name."""

    op: str = "replace"
    path: str = ""
    value: str | None = None


def pointer_parts(path: str) -> tuple[str, ...]:
    """`/a~1b/c` as `("a/b", "c")`.

    Raises:
        BadRequestException: `path` is no pointer to a member, since it does not begin with a slash.
    """
    if not path.startswith("/"):
        raise BadRequestException(f"Invalid patch path '{path}': it must begin with a slash")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in path.removeprefix("/").split("/"))


def invalid_patch(patch: PatchOperation, supported: Sequence[str]) -> BadRequestException:
    """AWS's refusal of a path, which lists the ones that would do."""
    return BadRequestException(
        f"Invalid patch path  '{patch.path}' specified for op '{patch.op}'. Must be one of: [{', '.join(supported)}]"
    )


def required_value(patch: PatchOperation) -> str:
    """The value, which this operation cannot do without."""
    if patch.value is None:
        raise BadRequestException(f"A value is required for the patch path '{patch.path}'")
    return patch.value


def patch_bool(patch: PatchOperation) -> bool:
    """`true` in any case is true and everything else is false, as on AWS."""
    return (patch.value or "").lower() == "true"


def patch_int(patch: PatchOperation) -> int:
    """The value as a whole number."""
    value = required_value(patch)
    if _WHOLE_NUMBER.fullmatch(value) is None:
        raise BadRequestException(f"Invalid value '{patch.value}' for the patch path '{patch.path}'")
    return int(value)


def patch_number(patch: PatchOperation) -> float:
    """The value as a number."""
    value = required_value(patch)
    number = float(value) if _NUMBER.fullmatch(value) is not None else float("inf")
    if isinf(number):
        raise BadRequestException(f"Invalid value '{patch.value}' for the patch path '{patch.path}'")
    return number


def patch_entry(present: Mapping[str, T], patch: PatchOperation, name: str, value: T) -> dict[str, T]:
    """`present` with the entry `name` put (`add`, `replace`) or taken away (`remove`)."""
    if patch.op in {"add", "replace"}:
        return {**present, name: value}
    if patch.op != "remove":
        raise invalid_patch(patch, (patch.path,))
    if name not in present:
        raise NotFoundException("Invalid parameter name specified")
    return {key: one for key, one in present.items() if key != name}


def patch_members(present: Sequence[str], patch: PatchOperation) -> tuple[str, ...]:
    """`present` with the value added or removed; `replace` puts the values of a comma-separated list in its place."""
    value = required_value(patch)
    left = tuple(one for one in present if one != value)
    if patch.op == "add":
        return (*left, value)
    if patch.op == "remove":
        return left
    if patch.op == "replace":
        return tuple(part.strip() for part in value.split(",") if part.strip())
    raise invalid_patch(patch, (patch.path,))
