"""What a resource type is to the engine: a name, what it knows, and three verbs.

A `ResourceHandler` says which properties it carries out and which attributes it can give, and knows how to `create`,
`update` and `delete`. It speaks to the services in AWS's operations alone, through the `ResourceCall` it is handed.
Whether an update needs a replacement is not its business: the schema's `createOnlyProperties` say so.

`ByOperations` is the handler of every type that is one operation to create, one to update, one to delete; it is a
table. The others are classes in `resources/`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from velvetrope.clock import Clock, Entropy
from velvetrope.cloudformation.errors import ResourceRefused
from velvetrope.cloudformation.schemas import Properties, load_schemas, lower_members
from velvetrope.errors import ServiceError
from velvetrope.identifiers import new_alphanumeric, new_uuid
from velvetrope.operations import Call, OperationInvoker

__all__ = [
    "Artifacts",
    "ByOperations",
    "Made",
    "ResourceCall",
    "ResourceHandler",
    "member",
    "tag_changes",
    "tags_as_map",
    "text_member",
]

Artifacts: TypeAlias = Mapping[tuple[str, str], bytes]
"""Objects handed in with a template, by bucket and key: what `Code.S3Bucket` and `S3Key` may name."""


@dataclass(frozen=True, slots=True)
class Made:
    """A resource that exists: its physical id, what `Ref` gives, and what `Fn::GetAtt` gives.

    `name` is the one that it was given at its creation because its writer gave none; updates must repeat it.
    """

    physical_id: str
    ref: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""


class ResourceCall:
    """One resource's line to the services, for one step of one operation."""

    def __init__(
        self,
        *,
        stack_name: str,
        logical_id: str,
        invoker: OperationInvoker,
        call: Call,
        clock: Clock,
        entropy: Entropy,
        artifacts: Artifacts,
    ) -> None:
        self.stack_name = stack_name
        self.logical_id = logical_id
        self.call = call
        self.identified: Made | None = None
        self._invoker = invoker
        self._clock = clock
        self._entropy = entropy
        self._artifacts = artifacts

    async def invoke(self, service: str, operation: str, parameters: Mapping[str, object]) -> Mapping[str, object]:
        """Call an operation as the caller of the stack operation, by way of CloudFormation, with an id of its own."""
        call = msgspec.structs.replace(
            self.call,
            request_id=new_uuid(self._entropy),
            now=self._clock.now(),
            called_via=(*self.call.called_via, _SERVICE_HOST),
        )
        return await self._invoker.invoke(service, operation, parameters, call)

    async def invoke_unless_gone(
        self, service: str, operation: str, parameters: Mapping[str, object]
    ) -> Mapping[str, object] | None:
        """Call an operation on something that may be gone already; None if it is."""
        try:
            return await self.invoke(service, operation, parameters)
        except ServiceError as error:
            if error.code not in _GONE:
                raise
            return None

    def identify(self, made: Made) -> Made:
        """Say that the resource exists from here on, though more steps follow: if they fail, it is deleted again."""
        self.identified = made
        return made

    def new_name(self, *, max_length: int = 64, separator: str = "-", with_stack: bool = True) -> str:
        """A name for a resource that was given none: stack, logical id and twelve random characters."""
        random = new_alphanumeric(self._entropy, 12, mixed_case=True)
        stem = f"{self.stack_name}{separator}{self.logical_id}" if with_stack else self.logical_id
        return f"{stem[: max_length - len(random) - 1]}{separator}{random}"

    def artifact(self, bucket: str, key: str) -> bytes:
        """An object that came with the template.

        Raises:
            ResourceRefused: it did not; there is no S3 here.
        """
        try:
            return self._artifacts[bucket, key]
        except KeyError:
            raise ResourceRefused(
                f"S3Bucket {bucket} with S3Key {key} is not supported by velvetrope: there is no S3, and no such "
                "object was handed in with the template."
            ) from None


_SERVICE_HOST: Final = "cloudformation.amazonaws.com"
_GONE: Final = frozenset(
    {
        "NoSuchEntity",
        "NotFoundException",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
        "UserNotFoundException",
    }
)
"""What the services answer for something that is not there."""


class ResourceHandler(Protocol):
    """One resource type."""

    @property
    def type(self) -> str:
        """Its name, such as `AWS::IAM::Role`."""
        ...

    @property
    def properties(self) -> frozenset[str]:
        """The properties that are carried out. Others that AWS knows are refused by name."""
        ...

    @property
    def attributes(self) -> frozenset[str]:
        """What `Fn::GetAtt` may ask for."""
        ...

    @property
    def fixed(self) -> Mapping[str, str]:
        """Properties that AWS does not let change at all, each with the sentence that refuses it."""
        ...

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        """Make it."""
        ...

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:
        """Change what differs between `old` and `new`, in place."""
        ...

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:
        """Take it away. That it is gone already is no error."""
        ...


Answer: TypeAlias = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ByOperations:
    """A type that is one operation to create, at most one to update, and one to delete.

    `members` has, by property, the member of the operations' input. `key` gives the members that name the resource in
    update and delete. `name` is the property that gets a generated name when it is not given. `read` makes sense of
    the answers of create and update, which have the same form.
    """

    type: str
    service: str
    create_operation: str
    members: Mapping[str, str]
    read: Callable[[ResourceCall, Properties, Answer], Made]
    key: Callable[[Made, Properties], dict[str, object]]
    attributes: frozenset[str] = frozenset()
    fixed: Mapping[str, str] = field(default_factory=dict)
    update_operation: str | None = None
    not_in_update: frozenset[str] = frozenset()
    delete_operation: str | None
    name: str | None = None
    lower: bool = False
    """API Gateway's operations write the members of structures with a small first letter."""

    @property
    def properties(self) -> frozenset[str]:
        return frozenset(self.members)

    async def create(self, at: ResourceCall, properties: Properties) -> Made:
        given = self._named(properties, at.new_name)
        answer = await at.invoke(self.service, self.create_operation, self._input(given, self.members))
        return self._read(at, given, answer)

    async def update(self, at: ResourceCall, made: Made, old: Properties, new: Properties) -> Made:  # noqa: ARG002
        if self.update_operation is None:
            raise ResourceRefused(f"{self.type} cannot be changed in place.")
        given = self._named(new, lambda: made.name)
        members = {name: member for name, member in self.members.items() if name not in self.not_in_update}
        parameters = {**self._input(given, members), **self.key(made, given)}
        answer = await at.invoke(self.service, self.update_operation, parameters)
        return self._read(at, given, answer)

    async def delete(self, at: ResourceCall, made: Made, properties: Properties) -> None:
        if self.delete_operation is not None:
            await at.invoke_unless_gone(self.service, self.delete_operation, self.key(made, properties))

    def _named(self, properties: Properties, name: Callable[[], str]) -> Properties:
        if self.name is None or self.name in properties:
            return properties
        return {**properties, self.name: name()}

    def _read(self, at: ResourceCall, properties: Properties, answer: Answer) -> Made:
        made = self.read(at, properties, answer)
        return made if self.name is None else replace(made, name=properties[self.name])

    def _input(self, properties: Properties, members: Mapping[str, str]) -> dict[str, object]:
        types = load_schemas()[self.type].properties
        return {
            members[name]: lower_members(value, types[name]) if self.lower else value
            for name, value in properties.items()
            if name in members
        }


def member(answer: Mapping[str, object], *path: str) -> object:
    """What lies under `path` in an operation's answer. Its absence is a fault of ours, not of the caller's."""
    found: object = answer
    for name in path:
        if not isinstance(found, Mapping):
            raise TypeError(f"{name} was looked for in something that is no structure")
        found = found[name]
    return found


def text_member(answer: Mapping[str, object], *path: str) -> str:
    """As `member`, for text."""
    found = member(answer, *path)
    if not isinstance(found, str):
        raise TypeError(f"{path[-1]} is no text")
    return found


def tag_changes(old: Properties, new: Properties) -> tuple[dict[str, str], list[str]]:
    """Of the property `Tags`: what `new` has and `old` had not, or not so; and the names that are in `old` alone."""
    was, now = _tags_of(old), _tags_of(new)
    added = {name: value for name, value in now.items() if was.get(name) != value}
    return added, [name for name in was if name not in now]


def _tags_of(properties: Properties) -> dict[str, str]:
    tags = properties.get("Tags", {})
    return dict(tags) if isinstance(tags, Mapping) else tags_as_map(tags)


def tags_as_map(tags: list[dict[str, str]]) -> dict[str, str]:
    """CloudFormation's list of Key and Value, as the services that take a map want it."""
    return {tag["Key"]: tag.get("Value", "") for tag in tags}
