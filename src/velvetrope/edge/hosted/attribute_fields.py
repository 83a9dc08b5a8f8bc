"""How a form asks for an attribute of a user: what it is called, and what a browser can do to help.

Custom attributes are called by their own names. Source: OpenID Connect Core section 5.1 for what each of them is; HTML,
"Autofill", for the tokens.
"""

from dataclasses import dataclass
from typing import Final

__all__ = ["AttributeField", "attribute_field"]


@dataclass(frozen=True, slots=True)
class AttributeField:
    """One field of a form."""

    name: str
    """As the schema has it: `given_name`, `custom:tier`."""
    label: str
    """In English; pages say it with `t`."""
    type: str = "text"
    autocomplete: str = "off"


_SAID: Final[dict[str, str]] = {
    "address": "Address",
    "birthdate": "Date of birth",
    "email": "E-mail address",
    "family_name": "Family name",
    "gender": "Gender",
    "given_name": "Given name",
    "locale": "Language and region",
    "middle_name": "Middle name",
    "name": "Full name",
    "nickname": "Nickname",
    "phone_number": "Phone number, with + and the country code",
    "picture": "Address of your picture",
    "preferred_username": "Preferred username",
    "profile": "Address of your profile",
    "updated_at": "Time of the last update",
    "website": "Website",
    "zoneinfo": "Time zone",
}
_TYPES: Final = {"email": "email", "phone_number": "tel", "birthdate": "date", "picture": "url", "website": "url"}
_AUTOCOMPLETE: Final = {
    "address": "street-address",
    "birthdate": "bday",
    "email": "email",
    "family_name": "family-name",
    "gender": "sex",
    "given_name": "given-name",
    "locale": "language",
    "middle_name": "additional-name",
    "name": "name",
    "nickname": "nickname",
    "phone_number": "tel",
    "picture": "photo",
    "preferred_username": "nickname",
    "website": "url",
}


def attribute_field(name: str) -> AttributeField:
    """The field of one attribute."""
    if name not in _SAID:
        return AttributeField(name, name.removeprefix("custom:"))
    return AttributeField(name, _SAID[name], _TYPES.get(name, "text"), _AUTOCOMPLETE.get(name, "off"))
