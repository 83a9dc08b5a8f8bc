"""From a template and parameter values to the part of it that is in force.

Conditions are evaluated first, since they depend on parameters alone. Then everything they switch off is taken away:
resources and outputs whose condition is false, branches of `Fn::If` not taken, and whatever is `AWS::NoValue`. What is
left, an `ActiveTemplate`, has no conditions in it any more; dependencies are found there, so that a branch not taken
is no dependency.

Source: CloudFormation User Guide, "Condition functions", "AWS::NoValue".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from velvetrope.templates.document import OutputDefinition, ResourceDefinition, Template
from velvetrope.templates.errors import InvalidTemplate
from velvetrope.templates.parameters import ParameterValue, resolve_parameters
from velvetrope.templates.resolving import (
    NO_VALUE,
    ResourceValues,
    Scope,
    function_call,
    resolve,
)
from velvetrope.templates.values import Value, text_of

__all__ = ["ActiveTemplate", "activate"]


class _Nothing:
    """Stands for AWS::NoValue until its container drops it."""


_NOTHING: Final = _Nothing()


@dataclass(frozen=True, slots=True)
class ActiveTemplate:
    """What is in force. Properties still hold the functions that need resources; none of them is `Fn::If`."""

    scope: Scope = field(repr=False)
    resources: Mapping[str, ResourceDefinition]
    outputs: Mapping[str, OutputDefinition]

    def scope_with(self, resources: ResourceValues) -> Scope:
        """The scope in which properties and outputs are resolved."""
        return replace(self.scope, resources=resources)


def activate(
    template: Template, *, parameters: Mapping[str, str], pseudo_parameters: Mapping[str, ParameterValue]
) -> ActiveTemplate:
    """The part of `template` that is in force for these values.

    Raises:
        InvalidParameters: as `resolve_parameters`.
        InvalidTemplate: a condition that is malformed, names itself in a circle, or does not exist.
    """
    scope = Scope(
        pseudo_parameters=pseudo_parameters,
        parameters=resolve_parameters(template, parameters),
        mappings=template.mappings,
    )
    conditions = _Conditions(template.conditions, scope).evaluate_all()
    return ActiveTemplate(
        scope=scope,
        resources={
            name: replace(resource, properties=_pruned_map(resource.properties, conditions, f"Resources/{name}"))
            for name, resource in template.resources.items()
            if _in_force(resource.condition, conditions, f"Resources/{name}")
        },
        outputs={
            name: replace(output, value=_pruned_output(output, conditions))
            for name, output in template.outputs.items()
            if _in_force(output.condition, conditions, f"Outputs/{name}")
        },
    )


def _in_force(condition: str | None, conditions: Mapping[str, bool], where: str) -> bool:
    if condition is None:
        return True
    if condition not in conditions:
        raise InvalidTemplate(f"Template error: unresolved condition dependency {condition} in {where}")
    return conditions[condition]


def _pruned_output(output: OutputDefinition, conditions: Mapping[str, bool]) -> Value:
    value = _pruned(output.value, conditions, f"Outputs/{output.name}")
    if isinstance(value, _Nothing):
        raise InvalidTemplate(
            f"Template format error: Output {output.name} is malformed. The Value field of every Outputs member must "
            "evaluate to a String."
        )
    return value


def _pruned_map(entries: Mapping[str, Value], conditions: Mapping[str, bool], where: str) -> dict[str, Value]:
    pruned = {key: _pruned(item, conditions, where) for key, item in entries.items()}
    return {key: item for key, item in pruned.items() if not isinstance(item, _Nothing)}


def _pruned(value: Value, conditions: Mapping[str, bool], where: str) -> "Value | _Nothing":
    call = function_call(value)
    if call == ("Ref", NO_VALUE):
        return _NOTHING
    if call is not None and call[0] == "Fn::If":
        condition, when_true, when_false = _if_branches(call[1], where)
        return _pruned(when_true if _in_force(condition, conditions, where) else when_false, conditions, where)
    if isinstance(value, dict):
        return _pruned_map(value, conditions, where)
    if isinstance(value, list):
        pruned = [_pruned(item, conditions, where) for item in value]
        return [item for item in pruned if not isinstance(item, _Nothing)]
    return value


def _if_branches(argument: Value, where: str) -> tuple[str, Value, Value]:
    if not isinstance(argument, list) or len(argument) != 3 or not isinstance(argument[0], str):
        raise InvalidTemplate(
            "Template error: Fn::If requires a list argument with three elements: a condition name and two values "
            f"({where})"
        )
    return argument[0], argument[1], argument[2]


class _Conditions:
    """Evaluates conditions that may name each other."""

    def __init__(self, definitions: Mapping[str, Value], scope: Scope) -> None:
        self._definitions = definitions
        self._scope = scope
        self._known: dict[str, bool] = {}
        self._open: list[str] = []

    def evaluate_all(self) -> Mapping[str, bool]:
        for name in self._definitions:
            self._named(name, f"Conditions/{name}")
        return self._known

    def _named(self, name: str, where: str) -> bool:
        if name in self._known:
            return self._known[name]
        if name not in self._definitions:
            raise InvalidTemplate(f"Template error: unresolved condition dependency {name} in {where}")
        if name in self._open:
            circle = ", ".join([*self._open[self._open.index(name) :], name])
            raise InvalidTemplate(f"Template error: circular dependency between conditions: [{circle}]")
        self._open.append(name)
        self._known[name] = self._evaluate(self._definitions[name], f"Conditions/{name}")
        self._open.pop()
        return self._known[name]

    def _evaluate(self, value: Value, where: str) -> bool:
        if not isinstance(value, dict) or len(value) != 1:
            raise InvalidTemplate(
                f"Template format error: Every Conditions member must be a condition function ({where})"
            )
        function, argument = next(iter(value.items()))
        match function:
            case "Condition" if isinstance(argument, str):
                return self._named(argument, where)
            case "Fn::Equals" if isinstance(argument, list) and len(argument) == 2:
                left, right = (self._operand(item, where) for item in argument)
                return left == right
            case "Fn::Not" if isinstance(argument, list) and len(argument) == 1:
                return not self._evaluate(argument[0], where)
            case "Fn::And" | "Fn::Or" if isinstance(argument, list) and 2 <= len(argument) <= 10:
                # All are evaluated, so that a wrong one is found whatever the others say.
                verdicts = [self._evaluate(item, where) for item in argument]
                return all(verdicts) if function == "Fn::And" else any(verdicts)
            case _:
                raise InvalidTemplate(f"Template error: {function} is no condition, or has wrong arguments ({where})")

    def _operand(self, value: Value, where: str) -> Value:
        resolved = resolve(value, self._scope, where=where)
        text = text_of(resolved)
        return resolved if text is None else text
