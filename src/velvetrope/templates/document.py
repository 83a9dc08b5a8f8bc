"""A CloudFormation template as types: what each section may hold, checked once.

`parse_template` looks at form: sections, members, types of values, names. Whether references lead somewhere is
`references.py`; what the functions give is `resolving.py`; what a resource type means is not known in this room.
A member that we do not know, or know and do not carry out, is refused by name: nothing is skipped.

Source: CloudFormation User Guide, "Template sections", "Resource attribute reference"; "CloudFormation quotas".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from velvetrope.patterns import Dialect, PatternRefused, compile_pattern
from velvetrope.templates.errors import InvalidTemplate
from velvetrope.templates.loading import load_document
from velvetrope.templates.values import Value, text_of

__all__ = [
    "SERVERLESS_TRANSFORM",
    "DeletionPolicy",
    "OutputDefinition",
    "ParameterDefinition",
    "ResourceDefinition",
    "Template",
    "parse_template",
    "template_from_document",
]

SERVERLESS_TRANSFORM: Final = "AWS::Serverless-2016-10-31"
MAX_RESOURCES: Final = 500
MAX_PARAMETERS: Final = 200
MAX_OUTPUTS: Final = 200

DeletionPolicy = Literal["Delete", "Retain", "RetainExceptOnCreate"]

_SECTIONS: Final = frozenset(
    {
        "AWSTemplateFormatVersion",
        "Conditions",
        "Description",
        "Mappings",
        "Metadata",
        "Outputs",
        "Parameters",
        "Resources",
        "Transform",
    }
)
_SECTIONS_REFUSED: Final = frozenset({"Rules", "Hooks"})
_RESOURCE_MEMBERS: Final = frozenset(
    {"Type", "Properties", "DependsOn", "Condition", "DeletionPolicy", "UpdateReplacePolicy", "Metadata"}
)
_RESOURCE_MEMBERS_REFUSED: Final = frozenset({"CreationPolicy", "UpdatePolicy"})
_PARAMETER_MEMBERS: Final = frozenset(
    {
        "Type",
        "Default",
        "AllowedValues",
        "AllowedPattern",
        "MinLength",
        "MaxLength",
        "MinValue",
        "MaxValue",
        "NoEcho",
        "Description",
        "ConstraintDescription",
    }
)
_PARAMETER_TYPES: Final = frozenset({"String", "Number", "List<Number>", "CommaDelimitedList"})
_ALPHANUMERIC: Final = re.compile(r"[A-Za-z0-9]{1,255}")


@dataclass(frozen=True, slots=True)
class ParameterDefinition:
    """One entry of Parameters. Scalars of the rules are text, as their values are."""

    name: str
    type: str
    default: str | None = None
    allowed_values: tuple[str, ...] = ()
    allowed_pattern: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    min_value: float | None = None
    max_value: float | None = None
    no_echo: bool = False
    description: str = ""
    constraint_description: str = ""

    @property
    def is_list(self) -> bool:
        return self.type in ("CommaDelimitedList", "List<Number>")


@dataclass(frozen=True, slots=True)
class ResourceDefinition:
    """One entry of Resources. `properties` still hold their functions."""

    logical_id: str
    type: str
    properties: Mapping[str, Value]
    depends_on: tuple[str, ...] = ()
    condition: str | None = None
    deletion_policy: DeletionPolicy = "Delete"
    update_replace_policy: Literal["Delete", "Retain"] = "Delete"


@dataclass(frozen=True, slots=True)
class OutputDefinition:
    """One entry of Outputs. `value` still holds its functions."""

    name: str
    value: Value
    description: str = ""
    condition: str | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template. `document` is what it was made of, as plain data with functions in their long form."""

    document: Mapping[str, Value] = field(repr=False)
    description: str
    transforms: tuple[str, ...]
    parameters: Mapping[str, ParameterDefinition]
    mappings: Mapping[str, Mapping[str, Mapping[str, Value]]]
    conditions: Mapping[str, Value]
    resources: Mapping[str, ResourceDefinition]
    outputs: Mapping[str, OutputDefinition]

    @property
    def is_serverless(self) -> bool:
        """Whether `expand_sam` is still to be run on it."""
        return SERVERLESS_TRANSFORM in self.transforms


def parse_template(text: str) -> Template:
    """The template written in `text`, JSON or YAML.

    Raises:
        InvalidTemplate: not well-formed, or a section, member or value that is not what CloudFormation admits.
    """
    return template_from_document(load_document(text))


def template_from_document(document: Mapping[str, Value]) -> Template:
    """The template that `document` is: plain data with functions in their long form (`Fn::Sub`).

    Raises:
        InvalidTemplate: as `parse_template`.
    """
    transforms = _transforms(document.get("Transform"))
    allowed = _SECTIONS | {"Globals"} if SERVERLESS_TRANSFORM in transforms else _SECTIONS
    for section in document:
        if section in _SECTIONS_REFUSED:
            raise InvalidTemplate(f"The template section {section} is not supported by velvetrope.")
    if unknown := sorted(set(document) - allowed):
        raise InvalidTemplate(f"Invalid template property or properties [{', '.join(unknown)}]")
    version = document.get("AWSTemplateFormatVersion", "2010-09-09")
    if version != "2010-09-09":
        raise InvalidTemplate("Template format error: unsupported value for AWSTemplateFormatVersion.")
    description = document.get("Description", "")
    if not isinstance(description, str):
        raise InvalidTemplate("Template format error: Description must be a string.")
    resources = {name: _resource(name, entry) for name, entry in _section(document, "Resources").items()}
    if not resources:
        raise InvalidTemplate("Template format error: At least one Resources member must be defined.")
    parameters = {name: _parameter(name, entry) for name, entry in _section(document, "Parameters").items()}
    outputs = {name: _output(name, entry) for name, entry in _section(document, "Outputs").items()}
    for what, count, limit in (
        ("resources", len(resources), MAX_RESOURCES),
        ("parameters", len(parameters), MAX_PARAMETERS),
        ("outputs", len(outputs), MAX_OUTPUTS),
    ):
        if count > limit:
            raise InvalidTemplate(
                f"Template format error: Number of {what}, {count}, is greater than maximum allowed, {limit}"
            )
    if both := sorted(set(parameters) & set(resources)):
        raise InvalidTemplate(f"Template format error: Duplicate name {both[0]} in Parameters and Resources.")
    return Template(
        document=document,
        description=description,
        transforms=transforms,
        parameters=parameters,
        mappings=_mappings(_section(document, "Mappings")),
        conditions=_section(document, "Conditions"),
        resources=resources,
        outputs=outputs,
    )


def _section(document: Mapping[str, Value], name: str) -> Mapping[str, Value]:
    section = document.get(name, {})
    if not isinstance(section, dict):
        raise InvalidTemplate(f"Template format error: {name} must be an object.")
    for entry in section:
        if name != "Mappings" and not _ALPHANUMERIC.fullmatch(entry):
            noun = {"Resources": "Resource", "Parameters": "Parameter", "Outputs": "Output"}.get(name, "Condition")
            raise InvalidTemplate(f"Template format error: {noun} name {entry} is non alphanumeric.")
    return section


def _transforms(value: Value) -> tuple[str, ...]:
    names = value if isinstance(value, list) else [] if value is None else [value]
    for name in names:
        if name != SERVERLESS_TRANSFORM:
            shown = name if isinstance(name, str) else "an inline macro"
            raise InvalidTemplate(f"The transform {shown} is not supported; only {SERVERLESS_TRANSFORM} is.")
    return (SERVERLESS_TRANSFORM,) if names else ()


def _resource(logical_id: str, entry: Value) -> ResourceDefinition:
    where = f"/Resources/{logical_id}"
    if not isinstance(entry, dict):
        raise InvalidTemplate(f"Template format error: [{where}] resource definition is malformed")
    resource_type = entry.get("Type")
    if not isinstance(resource_type, str) or not resource_type:
        raise InvalidTemplate(f"Template format error: [{where}] Every Resources object must contain a Type member.")
    # Connectors and the like are SAM's own members; SAM itself judges them.
    serverless = resource_type.startswith("AWS::Serverless::")
    for member in entry:
        if member in _RESOURCE_MEMBERS_REFUSED:
            raise InvalidTemplate(f"[{where}] the resource attribute {member} is not supported by velvetrope.")
        if member not in _RESOURCE_MEMBERS and not serverless:
            raise InvalidTemplate(f"Invalid template resource property '{member}' in resource {logical_id}")
    properties = entry.get("Properties", {})
    if not isinstance(properties, dict):
        raise InvalidTemplate(f"[{where}/Properties] Properties must be an object.")
    _check_no_null(properties, f"{where}/Properties")
    condition = entry.get("Condition")
    if condition is not None and not isinstance(condition, str):
        raise InvalidTemplate(f"Template format error: [{where}] Condition must be the name of a condition.")
    return ResourceDefinition(
        logical_id=logical_id,
        type=resource_type,
        properties=properties,
        depends_on=_names(entry.get("DependsOn", []), f"{where}/DependsOn"),
        condition=condition,
        deletion_policy=_deletion_policy(entry.get("DeletionPolicy", "Delete"), where, resource_type),
        update_replace_policy=_update_replace_policy(entry.get("UpdateReplacePolicy", "Delete"), where, resource_type),
    )


def _deletion_policy(value: Value, where: str, resource_type: str) -> DeletionPolicy:
    match value:
        case "Delete" | "Retain" | "RetainExceptOnCreate":
            return value
        case _:
            raise _unknown_policy("DeletionPolicy", value, where, resource_type)


def _update_replace_policy(value: Value, where: str, resource_type: str) -> Literal["Delete", "Retain"]:
    match value:
        case "Delete" | "Retain":
            return value
        case _:
            raise _unknown_policy("UpdateReplacePolicy", value, where, resource_type)


def _unknown_policy(name: str, value: Value, where: str, resource_type: str) -> InvalidTemplate:
    if value == "Snapshot":
        return InvalidTemplate(
            f"Template error: [{where}] resource type {resource_type} does not support {name} Snapshot"
        )
    shown = value if isinstance(value, str) else "a value that is no string"
    return InvalidTemplate(f"Template error: [{where}] Unrecognized {name} {shown}")


def _names(value: Value, where: str) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    names = tuple(name for name in listed if isinstance(name, str))
    if len(names) != len(listed):
        raise InvalidTemplate(f"Template format error: [{where}] every DependsOn value must be a string.")
    return names


def _check_no_null(value: Value, where: str) -> None:
    if value is None:
        raise InvalidTemplate(f"[{where}] 'null' values are not allowed in templates")
    if isinstance(value, dict):
        for key, item in value.items():
            _check_no_null(item, f"{where}/{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_no_null(item, f"{where}/{index}")


def _parameter(name: str, entry: Value) -> ParameterDefinition:
    where = f"Parameters/{name}"
    if not isinstance(entry, dict):
        raise InvalidTemplate(f"Template format error: [{where}] Every Parameters object must contain a Type member.")
    if unknown := sorted(set(entry) - _PARAMETER_MEMBERS):
        raise InvalidTemplate(f"Invalid template parameter property '{unknown[0]}'")
    parameter_type = entry.get("Type")
    if parameter_type is None:
        raise InvalidTemplate(f"Template format error: [{where}] Every Parameters object must contain a Type member.")
    if parameter_type not in _PARAMETER_TYPES or not isinstance(parameter_type, str):
        raise InvalidTemplate(f"Template format error: Unrecognized parameter type: {parameter_type} ({where})")
    allowed = entry.get("AllowedValues", [])
    if not isinstance(allowed, list):
        raise InvalidTemplate(f"Template format error: [{where}/AllowedValues] must be a list.")
    pattern = _optional_text(entry, "AllowedPattern", where)
    if pattern is not None:
        try:
            compile_pattern(pattern, Dialect.JAVA, whole=True)
        except PatternRefused as refused:
            raise InvalidTemplate(
                f"Template error: [{where}] AllowedPattern is not a valid pattern: {refused.message}."
            ) from None
    return ParameterDefinition(
        name=name,
        type=parameter_type,
        default=_optional_text(entry, "Default", where),
        allowed_values=tuple(_text(item, f"{where}/AllowedValues") for item in allowed),
        allowed_pattern=pattern,
        min_length=_optional_int(entry, "MinLength", where),
        max_length=_optional_int(entry, "MaxLength", where),
        min_value=_optional_number(entry, "MinValue", where),
        max_value=_optional_number(entry, "MaxValue", where),
        no_echo=_optional_text(entry, "NoEcho", where) in ("true", "True", "TRUE"),
        description=_optional_text(entry, "Description", where) or "",
        constraint_description=_optional_text(entry, "ConstraintDescription", where) or "",
    )


def _text(value: Value, where: str) -> str:
    text = text_of(value)
    if text is None:
        raise InvalidTemplate(
            f"Template format error: Every {where.rpartition('/')[2]} member must be a string. ({where})"
        )
    return text


def _optional_text(entry: Mapping[str, Value], member: str, where: str) -> str | None:
    return _text(entry[member], f"{where}/{member}") if member in entry else None


def _optional_number(entry: Mapping[str, Value], member: str, where: str) -> float | None:
    text = _optional_text(entry, member, where)
    try:
        return None if text is None else float(text)
    except ValueError:
        raise InvalidTemplate(f"Template format error: [{where}/{member}] must be a number.") from None


def _optional_int(entry: Mapping[str, Value], member: str, where: str) -> int | None:
    number = _optional_number(entry, member, where)
    return None if number is None else int(number)


def _mappings(section: Mapping[str, Value]) -> Mapping[str, Mapping[str, Mapping[str, Value]]]:
    found: dict[str, dict[str, dict[str, Value]]] = {}
    for name, top in section.items():
        if not isinstance(top, dict):
            raise InvalidTemplate(f"Template format error: Every Mappings member {name} must be a map")
        found[name] = {}
        for key, attributes in top.items():
            if not isinstance(attributes, dict):
                raise InvalidTemplate(f"Template format error: Every Mappings attribute must be a map ({name}/{key})")
            for attribute, value in attributes.items():
                scalars = value if isinstance(value, list) else [value]
                if any(text_of(scalar) is None for scalar in scalars):
                    raise InvalidTemplate(
                        "Template format error: Every Mappings attribute must be a String or a List. "
                        f"({name}/{key}/{attribute})"
                    )
            found[name][key] = attributes
    return found


def _output(name: str, entry: Value) -> OutputDefinition:
    where = f"Outputs/{name}"
    if not isinstance(entry, dict) or "Value" not in entry:
        raise InvalidTemplate(f"Template format error: [/{where}] Every Outputs member must contain a Value object")
    if "Export" in entry:
        raise InvalidTemplate(f"[/{where}] the output attribute Export is not supported by velvetrope.")
    if unknown := sorted(set(entry) - {"Value", "Description", "Condition"}):
        raise InvalidTemplate(f"Invalid template output property '{unknown[0]}' in output {name}")
    condition = entry.get("Condition")
    if condition is not None and not isinstance(condition, str):
        raise InvalidTemplate(f"Template format error: [/{where}] Condition must be the name of a condition.")
    _check_no_null(entry["Value"], f"/{where}/Value")
    return OutputDefinition(
        name=name,
        value=entry["Value"],
        description=_optional_text(entry, "Description", where) or "",
        condition=condition,
    )
