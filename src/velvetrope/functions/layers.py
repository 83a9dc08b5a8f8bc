"""Which layers a function may use, and what they are called.

A layer is named by its name or its ARN, a version by the layer's ARN and its number. `LayerFinder` turns the ARNs that
a function is configured with into references that hold what the function needs even when the version is deleted.

Source: AWS Lambda Developer Guide, "Managing Lambda dependencies with layers"; Lambda quotas (5 layers, 250 MB unzipped
together with the code). Texts marked UNVERIFIED are ours.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

from velvetrope.functions.code import MAX_UNZIPPED_BYTES
from velvetrope.functions.code_library import CodeLibrary
from velvetrope.functions.errors import InvalidParameterValueException, ResourceNotFoundException
from velvetrope.operations import Call
from velvetrope.store.tables.function_layers import LayerStore
from velvetrope.store.tables.functions import LayerReference

__all__ = ["LayerFinder", "parse_layer_name", "parse_version_arn"]

MAX_LAYERS = 5
_NAME = re.compile(r"(?:arn:aws:lambda:(?P<region>[a-z0-9-]+):(?P<account_id>\d{12}):layer:)?(?P<name>[a-zA-Z0-9-_]+)")
_VERSION_ARN = re.compile(
    r"(?P<layer_arn>arn:aws:lambda:[a-z0-9-]+:\d{12}:layer:[a-zA-Z0-9-_]+):(?P<version>[1-9][0-9]{0,8})"
)
"""One number is written in one way, as `parse_version` has it for functions."""
MAX_VERSION = 999_999_999


def parse_layer_name(text: str, call: Call) -> tuple[str, str]:
    """The ARN and the name of the layer that `text` names.

    Raises:
        ResourceNotFoundException: it is the ARN of another account or region.
        InvalidParameterValueException: it is neither a name nor an ARN.
    """
    found = _NAME.fullmatch(text)
    if found is None:
        raise InvalidParameterValueException(f"The layer name {text} is not valid.")
    if found["region"] not in {None, call.region} or found["account_id"] not in {None, call.account_id}:
        raise ResourceNotFoundException("The resource you requested does not exist.")
    return call.arn("lambda", f"layer:{found['name']}"), found["name"]


def parse_version_arn(text: str) -> tuple[str, int] | None:
    """The layer's ARN and the version's number; None if it is no ARN of a version."""
    found = _VERSION_ARN.fullmatch(text)
    return None if found is None else (found["layer_arn"], int(found["version"]))


@dataclass(frozen=True, slots=True)
class LayerFinder:
    """Finds the versions that functions ask for."""

    store: LayerStore
    code: CodeLibrary

    async def find(self, version_arns: Sequence[str], *, code_sha256: str) -> tuple[LayerReference, ...]:
        """The references of these versions, for a function with that code.

        Raises:
            InvalidParameterValueException: too many, too large with the code, two of one layer, one that is not there,
                or one that brings extensions, which are not run here.
        """
        if len(version_arns) > MAX_LAYERS:
            # UNVERIFIED: AWS's exact words.
            raise InvalidParameterValueException(f"Cannot reference more than {MAX_LAYERS} layers.")
        found: list[LayerReference] = []
        layer_arns: set[str] = set()
        for arn in version_arns:
            parsed = parse_version_arn(arn)
            version = await self.store.load_version(*parsed) if parsed is not None else None
            if version is None:
                raise InvalidParameterValueException(f"Layer version {arn} does not exist.")
            if version.layer_arn in layer_arns:
                named = ", ".join(version_arns)
                # UNVERIFIED: AWS's exact words.
                raise InvalidParameterValueException(
                    "Two different versions of the same layer are not allowed to be referenced in the same function. "
                    f"Provided layers: {named}"
                )
            await self.code.fetch([version.code_sha256])
            await asyncio.to_thread(self._check_extensions, arn, version.code_sha256)
            layer_arns.add(version.layer_arn)
            found.append(
                LayerReference(
                    version_arn=arn, code_sha256=version.code_sha256, code_size_bytes=version.code_size_bytes
                )
            )
        if found:
            await self.check_size([code_sha256, *(layer.code_sha256 for layer in found)])
        return tuple(found)

    def _check_extensions(self, arn: str, code_sha256: str) -> None:
        # Lambda starts every executable of /opt/extensions before the runtime (Lambda Extensions API). A function that
        # relies on one would run without it, and nobody would be told.
        folder = self.code.folders.folder_of(code_sha256) / "extensions"
        names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
        if names:
            raise InvalidParameterValueException(
                f"velvetrope does not run Lambda extensions, and {arn} brings {', '.join(names)}."
            )

    async def check_size(self, digests: Sequence[str]) -> None:
        """Refuse code and layers that have too much together.

        Raises:
            InvalidParameterValueException: they have.
        """
        await self.code.fetch(digests)
        size = await asyncio.to_thread(lambda: sum(self.code.folders.unpacked_bytes(digest) for digest in digests))
        if size > MAX_UNZIPPED_BYTES:
            raise InvalidParameterValueException(
                f"Function code combined with layers exceeds the maximum allowed size of {MAX_UNZIPPED_BYTES} bytes. "
                f"The actual size is {size} bytes."
            )
