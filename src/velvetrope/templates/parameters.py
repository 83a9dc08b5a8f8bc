"""Values for a template's parameters: given, or the default, and held to the rules that the template writes.

A list parameter (`CommaDelimitedList`, `List<Number>`) is given as one text with commas and becomes a list of texts.
Numbers stay text, as CloudFormation keeps them; who needs a number reads one.

Source: CloudFormation User Guide, "CloudFormation template Parameters syntax".
"""

from collections.abc import Mapping

from velvetrope.patterns import Dialect, compile_pattern
from velvetrope.templates.document import ParameterDefinition, Template
from velvetrope.templates.errors import InvalidParameters

__all__ = ["ParameterValue", "resolve_parameters"]

ParameterValue = str | list[str]


def resolve_parameters(template: Template, given: Mapping[str, str]) -> dict[str, ParameterValue]:
    """Every parameter's value, in the template's order.

    Raises:
        InvalidParameters: one is given that the template lacks, has neither value nor default, or breaks its rule.
    """
    if unknown := [name for name in given if name not in template.parameters]:
        raise InvalidParameters(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    values = {name: given.get(name, definition.default) for name, definition in template.parameters.items()}
    if missing := [name for name, value in values.items() if value is None]:
        raise InvalidParameters(f"Parameters: [{', '.join(missing)}] must have values")
    return {name: _checked(template.parameters[name], value) for name, value in values.items() if value is not None}


def _checked(definition: ParameterDefinition, value: str) -> ParameterValue:
    if definition.is_list:
        items = [item.strip() for item in value.split(",")] if value else []
        for item in items:
            _check(definition, item)
        return items
    _check(definition, value)
    return value


def _check(definition: ParameterDefinition, value: str) -> None:
    broken = _broken_rule(definition, value)
    if broken is None:
        return
    name = definition.name
    if definition.constraint_description:
        raise InvalidParameters(f"Parameter {name} failed to satisfy constraint: {definition.constraint_description}")
    raise InvalidParameters(f"Parameter '{name}' {broken}")


def _broken_rule(definition: ParameterDefinition, value: str) -> str | None:
    if definition.allowed_values and value not in definition.allowed_values:
        return "must be one of AllowedValues"
    if definition.type in ("Number", "List<Number>"):
        try:
            number = float(value)
        except ValueError:
            return "must be a number"
        if definition.min_value is not None and number < definition.min_value:
            return f"must be a number not less than {definition.min_value:g}"
        if definition.max_value is not None and number > definition.max_value:
            return f"must be a number not greater than {definition.max_value:g}"
        return None
    if definition.min_length is not None and len(value) < definition.min_length:
        return f"must contain at least {definition.min_length} characters"
    if definition.max_length is not None and len(value) > definition.max_length:
        return f"must contain at most {definition.max_length} characters"
    if definition.allowed_pattern is not None and not _is_allowed(definition.allowed_pattern, value):
        return f"must match pattern {definition.allowed_pattern}"
    return None


def _is_allowed(pattern: str, value: str) -> bool:
    """AllowedPattern is anchored at both ends, as on AWS; that it is Java's is UNVERIFIED."""
    return compile_pattern(pattern, Dialect.JAVA, whole=True).surely_matches(value)
