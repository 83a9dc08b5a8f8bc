"""CloudFormation's own description of each resource type, and the properties of a resource held against it.

`resource_types.json` is generated from AWS's provider schemas by `tools/generate_resource_types.py`. It answers which
properties exist, of which type, which are required, which of them make a replacement necessary, and which attributes
there are. What we do with a property is not known here.

`check_properties` gives back the properties in their proper types: CloudFormation takes `"10"` for 10 and true for
`"true"`, since a parameter is always text. An unknown key or a missing one is refused with CloudFormation's sentence.

Source: CloudFormation User Guide, "Resource type schema"; the messages are those of its schema validation.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from velvetrope.cloudformation.errors import ResourceRefused
from velvetrope.templates import UNKNOWN, text_of

__all__ = ["Properties", "ResourceSchema", "check_properties", "load_schemas", "lower_members"]

Properties: TypeAlias = Mapping[str, Any]
"""A resource's properties after `check_properties`: their types are the schema's, which Python cannot express."""

PropertyType: TypeAlias = str | list[Any] | dict[str, Any]
"""`"string"`, `["list", type]`, `["map", type]`, `{"properties": …, "required": …}`: see the generator."""


class ResourceSchema(msgspec.Struct, frozen=True):
    """One resource type as CloudFormation describes it."""

    properties: dict[str, PropertyType]
    required: tuple[str, ...]
    create_only: frozenset[str]
    identifier: tuple[str, ...]
    attributes: frozenset[str]

    @property
    def is_named_by_its_writer(self) -> bool:
        """Whether its primary identifier is made of properties alone, so that two of one name cannot be."""
        return all(name in self.properties for name in self.identifier)


class _SchemaFile(msgspec.Struct, frozen=True):
    source: str
    resource_types: dict[str, ResourceSchema]


@cache
def load_schemas() -> Mapping[str, ResourceSchema]:
    """The schemas by resource type. Read once."""
    text = Path(__file__).with_name("resource_types.json").read_bytes()
    return msgspec.json.decode(text, type=_SchemaFile).resource_types


def check_properties(schema: ResourceSchema, properties: Mapping[str, object]) -> dict[str, Any]:
    """`properties` in the schema's types. UNKNOWN passes anywhere.

    Raises:
        ResourceRefused: an extraneous key, a missing one, or a value of another type.
    """
    whole: PropertyType = {"properties": schema.properties, "required": schema.required}
    checked: dict[str, Any] = _check(properties, whole, "#")
    return checked


def lower_members(value: Any, property_type: PropertyType) -> Any:  # noqa: ANN401  JSON in, JSON out
    """`value` with the names of its members in API Gateway's case (`restApiId`); keys of maps stay as they are."""
    if isinstance(property_type, dict) and isinstance(value, Mapping):
        members = property_type["properties"]
        return {name[:1].lower() + name[1:]: lower_members(item, members[name]) for name, item in value.items()}
    if isinstance(property_type, list) and isinstance(value, Mapping):
        return {key: lower_members(item, property_type[1]) for key, item in value.items()}
    if isinstance(property_type, list) and isinstance(value, list):
        return [lower_members(item, property_type[1]) for item in value]
    return value


def _check(value: object, property_type: PropertyType, where: str) -> Any:  # noqa: ANN401  JSON in, JSON out
    if value is UNKNOWN or property_type == "json":
        return value
    if isinstance(property_type, str):
        return _check_scalar(value, property_type, where)
    if isinstance(property_type, dict):
        if not isinstance(value, Mapping):
            raise _wrong_type(where, "JSONObject", value)
        return dict(_check_members(value, property_type, where))
    kind, inner = property_type
    if kind == "list":
        if not isinstance(value, list):
            raise _wrong_type(where, "JSONArray", value)
        return [_check(item, inner, f"{where}/{index}") for index, item in enumerate(value)]
    if not isinstance(value, Mapping):
        raise _wrong_type(where, "JSONObject", value)
    return {key: _check(item, inner, f"{where}/{key}") for key, item in value.items()}


def _check_members(
    value: Mapping[str, object], property_type: dict[str, Any], where: str
) -> Iterator[tuple[str, object]]:
    for name in property_type["required"]:
        if name not in value:
            raise ResourceRefused(f"{where}: required key [{name}] not found")
    for name, item in value.items():
        if name not in property_type["properties"]:
            raise ResourceRefused(f"{where}: extraneous key [{name}] is not permitted")
        yield name, _check(item, property_type["properties"][name], f"{where}/{name}")


_TRUTH: Final = {"true": True, "false": False}


def _check_scalar(value: object, property_type: str, where: str) -> object:
    text = text_of(value)
    match property_type:
        case "string" if text is not None:
            return text
        case "boolean" if text is not None and text.lower() in _TRUTH:
            return _TRUTH[text.lower()]
        case "integer" if text is not None and not isinstance(value, bool):
            try:
                return int(text)
            except ValueError:
                raise _wrong_type(where, "Integer", value) from None
        case "number" if text is not None and not isinstance(value, bool):
            try:
                number = float(text)
            except ValueError:
                raise _wrong_type(where, "Number", value) from None
            return int(number) if number.is_integer() else number
        case _:
            raise _wrong_type(where, property_type.capitalize(), value)


def _wrong_type(where: str, expected: str, value: object) -> ResourceRefused:
    found = "JSONObject" if isinstance(value, Mapping) else "JSONArray" if isinstance(value, list) else "String"
    return ResourceRefused(f"{where}: expected type: {expected}, found: {found}")
