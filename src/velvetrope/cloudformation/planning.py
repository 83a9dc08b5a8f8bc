"""From what is wanted and what is there to what is to be done. Reads only; calls nobody.

    plan = make_plan(active, there)      # KeepResource, CreateResource, UpdateResource, ReplaceResource, DeleteResource

Instructions are data: `execution.py` carries them out, change sets show them. A property that depends on a resource
still to be made is UNKNOWN while planning, so an instruction about it is a forecast (`certain=False`). The executor
asks `decide` again when the value is known, and that answer counts; a forecast can only shrink (a conditional
replacement becomes an update, or nothing).

Everything that can be found out before the first call is found out here: unknown and unsupported properties, wrong
types, missing ones, changes that AWS does not allow.

Source: CloudFormation User Guide, "Understand update behaviors of stack resources", "Update stacks using change sets".
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from velvetrope.cloudformation.contents import OutputValue
from velvetrope.cloudformation.errors import ResourceRefused, ValidationError
from velvetrope.cloudformation.resource import Made, ResourceHandler
from velvetrope.cloudformation.schemas import Properties, ResourceSchema, check_properties
from velvetrope.templates import (
    UNKNOWN,
    ActiveTemplate,
    InvalidTemplate,
    ResourceDefinition,
    Unknown,
    Value,
    contains_unknown,
    dependencies,
    order_resources,
    resolve,
    text_of,
)

__all__ = [
    "Catalog",
    "CreateResource",
    "DeleteResource",
    "Existing",
    "Instruction",
    "KeepResource",
    "KnownResources",
    "Plan",
    "ReplaceResource",
    "UpdateResource",
    "decide",
    "deletion_order",
    "make_plan",
    "resolve_outputs",
    "resolve_properties",
    "with_policies",
]

COMPLETE: Final = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "ROLLBACK_COMPLETE"})
"""States in which a resource is what its record says. In any other, its next operation has to be done again."""


@dataclass(frozen=True, slots=True)
class Existing:
    """A resource that is there: one incarnation of a logical id.

    One whose update failed is somewhere between its `properties` and those that were `attempted`.
    """

    logical_id: str
    type: str
    incarnation: str
    made: Made
    properties: Properties
    status: str
    depends_on: frozenset[str] = frozenset()
    deletion_policy: str = "Delete"
    update_replace_policy: str = "Delete"
    retired: bool = False
    attempted: Properties | None = None

    @property
    def is_complete(self) -> bool:
        return self.status in COMPLETE


@dataclass(frozen=True, slots=True)
class Catalog:
    """The resource types there are: AWS's description of each, and who carries it out."""

    schemas: Mapping[str, ResourceSchema]
    handlers: Mapping[str, ResourceHandler]

    def attributes(self) -> dict[str, frozenset[str]]:
        """What `Fn::GetAtt` may ask for, by resource type."""
        return {name: handler.attributes for name, handler in self.handlers.items()}


@dataclass(frozen=True, slots=True)
class CreateResource:
    """It is not there yet."""

    definition: ResourceDefinition


@dataclass(frozen=True, slots=True)
class KeepResource:
    """It is as it should be. `policies_changed`: only what happens at its deletion is different."""

    definition: ResourceDefinition
    existing: Existing
    policies_changed: bool = False


@dataclass(frozen=True, slots=True)
class UpdateResource:
    """Some properties change in place. Not `certain`: one of them is not known yet, and may turn out the same."""

    definition: ResourceDefinition
    existing: Existing
    changed: tuple[str, ...]
    certain: bool = True


@dataclass(frozen=True, slots=True)
class ReplaceResource:
    """Another is made in its place, and this one goes when all else is done."""

    definition: ResourceDefinition
    existing: Existing
    changed: tuple[str, ...]
    certain: bool = True


@dataclass(frozen=True, slots=True)
class DeleteResource:
    """The template has it no more."""

    existing: Existing


Instruction: TypeAlias = CreateResource | KeepResource | UpdateResource | ReplaceResource


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done: `instructions` in an order in which they can be, `deletions` in the order in which they will.

    `waits_for` has by logical id those that must be done before it.
    """

    instructions: tuple[Instruction, ...]
    deletions: tuple[DeleteResource, ...]
    waits_for: Mapping[str, frozenset[str]]

    @property
    def changes_anything(self) -> bool:
        kept = all(isinstance(one, KeepResource) and not one.policies_changed for one in self.instructions)
        return bool(self.deletions) or not kept


@dataclass(slots=True)
class KnownResources:
    """Answers `Ref` and `Fn::GetAtt` from the resources made so far; UNKNOWN for those still to be made."""

    made: dict[str, Made] = field(default_factory=dict)

    def reference(self, logical_id: str) -> str | Unknown:
        made = self.made.get(logical_id)
        return UNKNOWN if made is None else made.ref

    def attribute(self, logical_id: str, name: str) -> Value:
        made = self.made.get(logical_id)
        if made is None:
            return UNKNOWN
        if name not in made.attributes:
            raise InvalidTemplate(f"Template error: resource {logical_id} has no value for the attribute {name}")
        value: Value = made.attributes[name]
        return value


def make_plan(active: ActiveTemplate, there: Collection[Existing], catalog: Catalog) -> Plan:
    """What turns `there` into `active`.

    Raises:
        InvalidTemplate: a circle, or a function that cannot be carried out.
        ValidationError: a property or a change that is refused, with the logical id.
    """
    current = {one.logical_id: one for one in there if not one.retired}
    waits_for = dependencies(active)
    known = KnownResources()
    instructions: list[Instruction] = []
    for logical_id in order_resources(waits_for):
        definition = active.resources[logical_id]
        try:
            properties = resolve_properties(definition, active, known, catalog)
            existing = current.get(logical_id)
            instruction = decide(definition, properties, existing, waits_for[logical_id], catalog)
        except ResourceRefused as refusal:
            raise ValidationError(
                f"Properties validation failed for resource {logical_id} with message:\n{refusal.message}"
            ) from None
        instructions.append(instruction)
        # What an update leaves unchanged is its id and its attributes; a replacement is not known yet.
        if isinstance(instruction, KeepResource | UpdateResource):
            known.made[logical_id] = instruction.existing.made
    surplus = [one for one in there if one.retired or one.logical_id not in active.resources]
    return Plan(
        instructions=tuple(instructions),
        deletions=tuple(DeleteResource(one) for one in deletion_order(surplus)),
        waits_for=waits_for,
    )


def resolve_properties(
    definition: ResourceDefinition, active: ActiveTemplate, known: KnownResources, catalog: Catalog
) -> dict[str, Any]:
    """The properties of `definition` with their functions carried out, in the types of the schema.

    Raises:
        InvalidTemplate: a function that cannot be carried out.
        ResourceRefused: a property that the type does not have, or that we do not carry out.
    """
    where = f"Resources/{definition.logical_id}"
    resolved = resolve(dict(definition.properties), active.scope_with(known), where=where)
    if not isinstance(resolved, dict):
        raise InvalidTemplate(f"Template error: the properties of {where} are no object")
    checked = check_properties(catalog.schemas[definition.type], resolved)
    handler = catalog.handlers[definition.type]
    for name in checked:
        if name not in handler.properties:
            raise ResourceRefused(f"#/{name}: {definition.type} {name} is not supported by velvetrope")
    return checked


def decide(
    definition: ResourceDefinition,
    properties: Properties,
    existing: Existing | None,
    waits_for: frozenset[str],
    catalog: Catalog,
) -> Instruction:
    """What is to be done about one resource, given its properties as far as they are known.

    Raises:
        ResourceRefused: a change that AWS does not allow.
    """
    if existing is None:
        return CreateResource(definition)
    if existing.type != definition.type:
        raise ResourceRefused(
            "Update of resource type is not permitted. The new template modifies resource type of the following "
            f"resources: [{definition.logical_id}]"
        )
    names = sorted({*properties, *existing.properties})
    changed = tuple(name for name in names if _differs(properties, existing.properties, name))
    if existing.status == "UPDATE_FAILED":
        # It is first put back to what is recorded, and then made what is wanted; that can be the same.
        changed = changed or tuple(names)
    elif not existing.is_complete:
        return ReplaceResource(definition, existing, changed or tuple(names))
    if not changed:
        policies = (definition.deletion_policy, definition.update_replace_policy, waits_for)
        was = (existing.deletion_policy, existing.update_replace_policy, existing.depends_on)
        return KeepResource(definition, existing, policies_changed=policies != was)
    certain = not any(contains_unknown(properties.get(name)) for name in changed)
    for name in changed:
        refusal = catalog.handlers[definition.type].fixed.get(name)
        if refusal is not None and _certainly_differs(properties, existing.properties, name):
            raise ResourceRefused(refusal)
    schema = catalog.schemas[definition.type]
    if not any(_differs(properties, existing.properties, name) for name in schema.create_only):
        return UpdateResource(definition, existing, changed, certain)
    _check_name_is_free(schema, properties, existing)
    return ReplaceResource(definition, existing, changed, certain)


def _differs(new: Properties, old: Properties, name: str) -> bool:
    missing = object()
    before, after = old.get(name, missing), new.get(name, missing)
    return contains_unknown(after) or before != after


def _certainly_differs(new: Properties, old: Properties, name: str) -> bool:
    return not contains_unknown(new.get(name)) and _differs(new, old, name)


def _check_name_is_free(schema: ResourceSchema, properties: Properties, existing: Existing) -> None:
    """A replacement is made while the old one is there, so the two cannot have one name that the template gives."""
    if not schema.is_named_by_its_writer:
        return
    if all(name in properties and not _differs(properties, existing.properties, name) for name in schema.identifier):
        shown = existing.made.physical_id
        raise ResourceRefused(
            "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename "
            f"{shown} and update the stack again."
        )


def deletion_order(resources: Collection[Existing]) -> list[Existing]:
    """The resources so that each goes before those that it depends on."""
    names = {one.logical_id for one in resources}
    waits_for: dict[str, set[str]] = {}
    for one in resources:
        waits_for.setdefault(one.logical_id, set()).update(one.depends_on & names - {one.logical_id})
    try:
        order = order_resources(waits_for)
    except InvalidTemplate:
        # Incarnations of two templates, of which one had the dependency the other way round: neither order is wrong.
        order = tuple(waits_for)
    place = {name: index for index, name in enumerate(order)}
    return sorted(resources, key=lambda one: place[one.logical_id], reverse=True)


def resolve_outputs(active: ActiveTemplate, known: KnownResources) -> tuple[OutputValue, ...]:
    """The outputs that are in force, all of whose resources are known.

    Raises:
        InvalidTemplate: one that is no text, or that asks for what is not there.
    """
    scope = active.scope_with(known)
    outputs: list[OutputValue] = []
    for name, output in active.outputs.items():
        text = text_of(resolve(output.value, scope, where=f"Outputs/{name}"))
        if text is None:
            raise InvalidTemplate(
                f"Template format error: Output {name} is malformed. The Value field of every Outputs member must "
                "evaluate to a String."
            )
        outputs.append(OutputValue(name, text, output.description))
    return tuple(outputs)


def with_policies(existing: Existing, definition: ResourceDefinition, waits_for: frozenset[str]) -> Existing:
    """`existing` with what the template now says about its deletion and its dependencies."""
    return replace(
        existing,
        depends_on=waits_for,
        deletion_policy=definition.deletion_policy,
        update_replace_policy=definition.update_replace_policy,
    )
