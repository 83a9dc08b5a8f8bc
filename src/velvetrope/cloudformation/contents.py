"""What a stack holds of its writer's values, sealed at rest.

Templates, parameters, properties and outputs may hold passwords, client secrets and key values, so that none of it
lies open in the database. The seal is bound to the stack and, for a resource, to its incarnation: a sealed value moved
to another row does not open.
"""

from typing import Any, Final

import msgspec

from velvetrope.clock import Entropy
from velvetrope.sealing import MasterKeys
from velvetrope.store.tables.cloudformation import ChangeSetRecord, ResourceRecord, StackRecord

__all__ = ["ChangeSetContents", "OutputValue", "ResourceContents", "StackContents", "Vault"]

_PURPOSE: Final = "cloudformation"


class OutputValue(msgspec.Struct, frozen=True):
    """One output of a stack."""

    name: str
    value: str
    description: str = ""


class StackContents(msgspec.Struct, frozen=True):
    """`template` is the text as it was given, `processed` the JSON that SAM made of it (or the same template).

    `parameters` are those that were given, `effective` all of them, defaults filled in; `hidden` are the names of those
    that say NoEcho.
    """

    template: str
    processed: str = ""
    parameters: dict[str, str] = {}
    effective: dict[str, str] = {}
    hidden: tuple[str, ...] = ()
    outputs: tuple[OutputValue, ...] = ()

    def output_map(self) -> dict[str, str]:
        """The outputs' values by name."""
        return {output.name: output.value for output in self.outputs}


class ResourceContents(msgspec.Struct, frozen=True):
    """A resource's properties as they were carried out, and what `Ref` and `Fn::GetAtt` give.

    `attempted` are those of an update that failed half-way and could not be put back.
    """

    properties: dict[str, Any]
    ref: str
    attributes: dict[str, Any]
    name: str = ""
    attempted: dict[str, Any] | None = None


class ChangeSetContents(msgspec.Struct, frozen=True):
    """What a change set would apply. `hidden` are the parameters that say NoEcho."""

    template: str
    parameters: dict[str, str]
    hidden: tuple[str, ...] = ()


class Vault:
    """Seals and opens."""

    def __init__(self, master_keys: MasterKeys, entropy: Entropy) -> None:
        self._keys = master_keys
        self._entropy = entropy

    def seal_stack(self, stack_id: str, contents: StackContents) -> bytes:
        return self._seal(contents, stack_id)

    def open_stack(self, stack: StackRecord) -> StackContents:
        return msgspec.json.decode(self._open(stack.sealed, stack.stack_id), type=StackContents)

    def seal_resource(self, stack_id: str, incarnation: str, contents: ResourceContents) -> bytes:
        return self._seal(contents, f"{stack_id} {incarnation}")

    def open_resource(self, resource: ResourceRecord) -> ResourceContents:
        opened = self._open(resource.sealed, f"{resource.stack_id} {resource.incarnation}")
        return msgspec.json.decode(opened, type=ResourceContents)

    def seal_change_set(self, change_set_id: str, contents: ChangeSetContents) -> bytes:
        return self._seal(contents, change_set_id)

    def open_change_set(self, change_set: ChangeSetRecord) -> ChangeSetContents:
        return msgspec.json.decode(self._open(change_set.sealed, change_set.change_set_id), type=ChangeSetContents)

    def _seal(self, contents: msgspec.Struct, context: str) -> bytes:
        plain = msgspec.json.encode(contents)
        return self._keys.seal(plain, purpose=_PURPOSE, entropy=self._entropy, context=context.encode())

    def _open(self, sealed: bytes, context: str) -> bytes:
        return self._keys.open(sealed, purpose=_PURPOSE, context=context.encode())
