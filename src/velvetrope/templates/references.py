"""Who refers to whom: checks that every reference leads somewhere, and the order in which resources can be made.

A resource depends on what its properties name (`Ref`, `Fn::GetAtt`, `Fn::Sub`) and on its `DependsOn`. Resources that
depend on nothing come first; those that wait for each other in a circle are refused with CloudFormation's sentence.

Which types exist, and which attributes they have, is handed in.

Source: CloudFormation User Guide, "DependsOn attribute", "Troubleshooting CloudFormation" (dependency errors).
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from velvetrope.templates.activation import ActiveTemplate
from velvetrope.templates.document import Template
from velvetrope.templates.errors import CircularDependency, InvalidTemplate
from velvetrope.templates.resolving import PSEUDO_PARAMETERS, function_call, substitutions
from velvetrope.templates.values import Value

__all__ = ["Reference", "check_references", "dependencies", "order_resources", "references_in"]


@dataclass(frozen=True, slots=True)
class Reference:
    """One mention of a name; `attribute` is None for a `Ref`."""

    name: str
    attribute: str | None
    function: str


def references_in(value: Value) -> Iterator[Reference]:
    """Every mention of a name in `value`, pseudo parameters left out."""
    function, argument = function_call(value) or (None, None)
    if function == "Ref" and isinstance(argument, str):
        if argument not in PSEUDO_PARAMETERS:
            yield Reference(argument, None, "Ref")
        return
    if function == "Fn::GetAtt":
        if isinstance(argument, str):
            resource, _, attribute = argument.partition(".")
            yield Reference(resource, attribute, "Fn::GetAtt")
            return
        if isinstance(argument, list) and len(argument) == 2 and isinstance(argument[0], str):
            # An attribute that is itself a function of parameters is checked when it is resolved.
            yield Reference(argument[0], argument[1] if isinstance(argument[1], str) else "", "Fn::GetAtt")
            yield from references_in(argument[1])
            return
    if function == "Fn::Sub":
        yield from _references_in_sub(argument)
        return
    if isinstance(value, dict):
        for item in value.values():
            yield from references_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from references_in(item)


def _references_in_sub(argument: Value) -> Iterator[Reference]:
    text, variables = (
        (argument[0], argument[1]) if isinstance(argument, list) and len(argument) == 2 else (argument, {})
    )
    own = variables if isinstance(variables, dict) else {}
    if isinstance(text, str):
        for name in substitutions(text):
            if name in own or name in PSEUDO_PARAMETERS:
                continue
            resource, dot, attribute = name.partition(".")
            yield Reference(resource, attribute if dot else None, "Fn::Sub")
    for item in own.values():
        yield from references_in(item)


def check_references(template: Template, active: ActiveTemplate, attributes: Mapping[str, Collection[str]]) -> None:
    """Refuse resource types that are not in `attributes`, and references that lead nowhere.

    `attributes` has, by resource type, the names that `Fn::GetAtt` may ask for.

    Raises:
        InvalidTemplate: naming the type, the reference or the attribute, and where it stands.
    """
    types = {resource.type for resource in template.resources.values()}
    if unknown := sorted(types - set(attributes)):
        raise InvalidTemplate(f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]")
    for name, resource in active.resources.items():
        for reference in references_in(dict(resource.properties)):
            _check(reference, active, attributes, block="Resources", where=f"Resources/{name}")
        for waited_for in resource.depends_on:
            if waited_for not in template.resources:
                raise InvalidTemplate(
                    f"Template format error: Unresolved resource dependencies [{waited_for}] in the Resources block of "
                    f"the template (Resources/{name}/DependsOn)"
                )
    for name, output in active.outputs.items():
        for reference in references_in(output.value):
            _check(reference, active, attributes, block="Outputs", where=f"Outputs/{name}")


def _check(
    reference: Reference,
    active: ActiveTemplate,
    attributes: Mapping[str, Collection[str]],
    *,
    block: str,
    where: str,
) -> None:
    if reference.attribute is None and reference.name in active.scope.parameters:
        return
    resource = active.resources.get(reference.name)
    if resource is None:
        if reference.function == "Fn::GetAtt":
            raise InvalidTemplate(
                f"Template error: instance of Fn::GetAtt references undefined resource {reference.name} ({where})"
            )
        raise InvalidTemplate(
            f"Template format error: Unresolved resource dependencies [{reference.name}] in the {block} block of the "
            f"template ({where})"
        )
    if reference.attribute and reference.attribute not in attributes[resource.type]:
        raise InvalidTemplate(
            f"Template error: resource {reference.name} does not support attribute type {reference.attribute} in "
            f"{reference.function} ({where})"
        )


def dependencies(active: ActiveTemplate) -> dict[str, frozenset[str]]:
    """By logical id, the ids of the active resources that must be there before it."""
    return {
        name: frozenset(
            {reference.name for reference in references_in(dict(resource.properties))}.union(resource.depends_on)
            & active.resources.keys()
        )
        for name, resource in active.resources.items()
    }


def order_resources(waits_for: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """The ids so that each comes after what it waits for; otherwise in the order given.

    Raises:
        CircularDependency: with the members of the circles.
    """
    left = {name: set(waited) for name, waited in waits_for.items()}
    ordered: list[str] = []
    while left:
        ready = [name for name, waited in left.items() if not waited & left.keys()]
        if not ready:
            raise CircularDependency(_circle_members(left))
        for name in ready:
            del left[name]
        ordered.extend(ready)
    return tuple(ordered)


def _circle_members(left: Mapping[str, set[str]]) -> tuple[str, ...]:
    """Those that are in a circle themselves, without those that only wait for one."""
    members = dict(left)
    while True:
        waited_for = set().union(*members.values())
        outside = [name for name in members if name not in waited_for]
        if not outside:
            return tuple(members)
        for name in outside:
            del members[name]
