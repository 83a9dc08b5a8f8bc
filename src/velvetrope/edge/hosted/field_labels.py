"""The fields of the account pages: names that people sign in and up with, and attributes (`attribute_fields`).

Labels are English texts, to be said by `languages`. Source: WHATWG HTML, "Autofill".
"""

from dataclasses import dataclass
from typing import Final

from velvetrope.edge.hosted.attribute_fields import attribute_field
from velvetrope.hosted_ui import NameKind, SignUpField

__all__ = ["FieldLook", "look_of_attribute", "look_of_name"]

_NAME_LABELS: Final[dict[frozenset[NameKind], str]] = {
    frozenset({"username"}): "Username",
    frozenset({"email"}): "E-mail address",
    frozenset({"phone_number"}): "Phone number",
    frozenset({"username", "email"}): "Username or e-mail address",
    frozenset({"username", "phone_number"}): "Username or phone number",
    frozenset({"email", "phone_number"}): "E-mail address or phone number",
    frozenset({"username", "email", "phone_number"}): "Username, e-mail address or phone number",
}
_NEW_PHONE_NUMBER: Final = "With the country code, as +15550100."
_HINTS: Final = {
    "zoneinfo": "As Europe/Berlin.",
    "locale": "As en-US.",
}


@dataclass(frozen=True, slots=True)
class FieldLook:
    """A field as a template shows it."""

    id: str
    name: str
    label: str
    type: str
    autocomplete: str
    required: bool
    value: str
    hint: str = ""
    inputmode: str = ""


def look_of_name(names: frozenset[NameKind], *, value: str, new: bool = False) -> FieldLook:
    """The field for the name that somebody signs in with, or wants to."""
    kind = {frozenset({"email"}): "email", frozenset({"phone_number"}): "tel"}.get(names, "text")
    hint = _NEW_PHONE_NUMBER if new and names == {"phone_number"} else ""
    return FieldLook(
        "username", "username", _NAME_LABELS[names], kind, "username", required=True, value=value, hint=hint
    )


def look_of_attribute(field: SignUpField, *, value: str) -> FieldLook:
    """The field for an attribute of somebody who signs up, under the name that AWS's form gives it."""
    known = attribute_field(field.name)
    kind = known.type
    hint = _HINTS.get(field.name, "")
    inputmode = ""
    if field.kind == "Number":
        inputmode = "decimal"
    if field.kind == "Boolean":
        hint = "true or false"
    if field.kind == "DateTime":
        kind = "date"
    return FieldLook(
        id=field.name.replace(":", "-"),
        name=f"requiredAttributes[{field.name}]",
        label=known.label,
        type=kind,
        autocomplete=known.autocomplete,
        required=field.required,
        value=value,
        hint=hint,
        inputmode=inputmode,
    )
