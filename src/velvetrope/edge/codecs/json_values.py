"""JSON documents by shape, parsed into wire dicts (`answers.py` is the way back).

Used for the bodies of JSON 1.1 and of REST-JSON. Timestamps are epoch seconds unless the model says otherwise; both
forms are read. Blobs are base64. A JSON null is a member that was not sent.
"""

from collections.abc import Mapping

import msgspec

from velvetrope.edge.codecs.values import (
    MalformedRequest,
    UnknownMember,
    fits_long,
    parse_blob,
    parse_timestamp,
)
from velvetrope.edge.models import Member, Shape

__all__ = ["parse_json_document", "parse_structure"]

_JSON_TYPES = {str: "STRING_VALUE", bool: "TRUE_VALUE", int: "NUMBER_VALUE", float: "NUMBER_VALUE"}


def parse_json_document(body: bytes) -> dict[str, object]:
    """The JSON object that `body` holds; an empty body is an empty object.

    Raises:
        MalformedRequest: not JSON, or another value than an object.
    """
    if not body.strip():
        return {}
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedRequest("the body is not valid JSON") from None
    if not isinstance(document, dict):
        raise MalformedRequest("Start of structure or map found where not expected.")
    return document


def parse_structure(document: Mapping[str, object], shape: Shape, path: str = "") -> dict[str, object]:
    """A structure's members from a JSON object, by their wire names.

    Raises:
        MalformedRequest: a value has the wrong JSON type.
        UnknownMember: the shape has no such member.
    """
    parsed: dict[str, object] = {}
    for name, value in document.items():
        member = shape.by_wire_name.get(name)
        if member is None or member.location is not None:
            raise UnknownMember(f"{path}{name}")
        if value is not None:
            parsed[member.name] = _parse(value, member, f"{path}{name}.")
    return parsed


def _parse(value: object, member: Member, path: str) -> object:
    shape = member.shape
    if shape.is_document:
        return value
    match shape.type, value:
        case "structure", dict():
            return parse_structure(value, shape, path)
        case "list", list() if shape.item is not None:
            return [_parse(element, shape.item, path) for element in value if element is not None]
        case "map", dict() if shape.value is not None:
            return {key: _parse(element, shape.value, path) for key, element in value.items() if element is not None}
        case (("string" | "character"), str()):
            return value
        case "boolean", bool():
            return value
        case (("integer" | "long"), (int() | float())) if _is_integer(value):
            return int(value)
        case (("float" | "double"), (int() | float())) if not isinstance(value, bool):
            return float(value)
        case "timestamp", (int() | float() | str()):
            return parse_timestamp(value)
        case "blob", str():
            return parse_blob(value)
    raise MalformedRequest(_type_mismatch(value, shape))


def _is_integer(value: float) -> bool:
    """Whether it is a whole number that some type of the wire can hold."""
    return not isinstance(value, bool) and fits_long(value) and value == int(value)


def _type_mismatch(value: object, shape: Shape) -> str:
    """AWS's text for a value of the wrong JSON type; it names types only, never the value."""
    if isinstance(value, (dict, list)):
        return (
            "Start of structure or map found where not expected."
            if isinstance(value, dict)
            else ("Start of list found where not expected")
        )
    if shape.type in {"structure", "list", "map"}:
        return "Unexpected field type"
    found = "FALSE_VALUE" if value is False else _JSON_TYPES.get(type(value), "VALUE")
    return f"{found} can not be converted to {shape.type.capitalize()}"
