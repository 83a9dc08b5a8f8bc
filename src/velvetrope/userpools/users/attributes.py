"""The attributes a pool knows, and which values they take.

`schema` is built once, when the pool is created: the standard attributes with AWS's defaults, changed by what the
caller asked for, then the custom ones with `custom:` in front. Every write of attributes goes through
`checked_attributes`, which knows who is writing: an administrator may set `email_verified` and may set immutable
attributes at creation only; an app client may write what its `write_attributes` list. Reading through a client is
`readable`.

Sources: Cognito Developer Guide, "Working with user attributes"; the sentences are those of user-pools reference
section 6, or marked UNVERIFIED where AWS's were not seen.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Literal

import msgspec

from velvetrope.store.tables.userpools import (
    AppClient,
    NumberAttributeConstraints,
    SchemaAttribute,
    StringAttributeConstraints,
    UserPool,
)
from velvetrope.userpools.directory import EMAIL, PHONE_NUMBER, username_form
from velvetrope.userpools.errors import InvalidParameterException, NotAuthorizedException
from velvetrope.userpools.shapes import AttributeType
from velvetrope.userpools.users.naming import check_no_alias

__all__ = [
    "STANDARD_ATTRIBUTES",
    "added_to_schema",
    "build_schema",
    "changed_attributes",
    "check_attribute_list",
    "missing_required",
    "new_attributes",
    "readable",
    "rendered",
]

_MAX_VALUE_CHARACTERS = 2048
_MAX_CUSTOM_ATTRIBUTES = 50
_VERIFIED = ("email_verified", "phone_number_verified")
_BIRTHDATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def _text(name: str, shortest: int = 0, longest: int = _MAX_VALUE_CHARACTERS) -> SchemaAttribute:
    return SchemaAttribute(
        name=name,
        attribute_data_type="String",
        mutable=name != "sub",
        required=name == "sub",
        string_attribute_constraints=StringAttributeConstraints(min_length=str(shortest), max_length=str(longest)),
    )


STANDARD_ATTRIBUTES: Mapping[str, SchemaAttribute] = {
    attribute.name: attribute
    for attribute in (
        _text("sub", 1),
        *map(_text, ("name", "given_name", "family_name", "middle_name", "nickname", "preferred_username")),
        *map(_text, ("profile", "picture", "website", "email")),
        SchemaAttribute(name="email_verified", attribute_data_type="Boolean"),
        _text("gender"),
        _text("birthdate", 10, 10),
        *map(_text, ("zoneinfo", "locale", "phone_number")),
        SchemaAttribute(name="phone_number_verified", attribute_data_type="Boolean"),
        _text("address"),
        SchemaAttribute(
            name="updated_at",
            attribute_data_type="Number",
            number_attribute_constraints=NumberAttributeConstraints(min_value="0"),
        ),
        SchemaAttribute(
            name="identities", attribute_data_type="String", string_attribute_constraints=StringAttributeConstraints()
        ),
    )
}
"""What every pool knows, in the order in which DescribeUserPool shows it."""

_NOBODY_WRITES = ("sub", "identities")
_SIGNS_IN = ("email", "preferred_username")


def build_schema(asked: Sequence[SchemaAttribute]) -> tuple[SchemaAttribute, ...]:
    """The schema of a new pool.

    Raises:
        InvalidParameterException: an attribute twice, a standard one with another type, a required or developer-only
            custom one, or more custom ones than AWS allows.
    """
    schema = dict(STANDARD_ATTRIBUTES)
    given: set[str] = set()
    for attribute in asked:
        if attribute.developer_only_attribute:
            raise _developer_only(attribute)
        standard = STANDARD_ATTRIBUTES.get(attribute.name)
        added = _custom(attribute) if standard is None else attribute
        if added.name in given:
            raise InvalidParameterException(f"The attribute {attribute.name} is given twice in Schema.")
        given.add(added.name)
        if standard is None:
            schema[added.name] = added
            continue
        if (
            attribute.attribute_data_type not in {None, standard.attribute_data_type}
            or attribute.name in _NOBODY_WRITES
        ):
            raise InvalidParameterException(
                "You can not change AttributeDataType or set developerOnlyAttribute for standard schema attribute "
                f"{attribute.name}"
            )
        _check_constraints(attribute)
        schema[attribute.name] = msgspec.structs.replace(
            standard,
            mutable=attribute.mutable,
            required=attribute.required,
            string_attribute_constraints=attribute.string_attribute_constraints
            or standard.string_attribute_constraints,
            number_attribute_constraints=attribute.number_attribute_constraints
            or standard.number_attribute_constraints,
        )
    _check_count(schema)
    return tuple(schema.values())


def added_to_schema(
    present: Sequence[SchemaAttribute], asked: Sequence[SchemaAttribute]
) -> tuple[SchemaAttribute, ...]:
    """The schema with further custom attributes; what is there stays as it is.

    Raises:
        InvalidParameterException: one is there already, is given twice, is required or for developers only, or there
            would be more than AWS allows.
    """
    schema = {attribute.name: attribute for attribute in present}
    for attribute in asked:
        if attribute.developer_only_attribute:
            raise _developer_only(attribute)
        added = _custom(attribute)
        if added.name in schema:
            raise InvalidParameterException(f"{added.name}: Existing attribute already has name {added.name}.")
        schema[added.name] = added
    _check_count(schema)
    return tuple(schema.values())


def _custom(attribute: SchemaAttribute) -> SchemaAttribute:
    if attribute.required:
        raise InvalidParameterException("Required custom attributes are not supported currently.")
    name = attribute.name if attribute.name.startswith("custom:") else f"custom:{attribute.name}"
    _check_constraints(attribute)
    return msgspec.structs.replace(attribute, name=name, attribute_data_type=attribute.attribute_data_type or "String")


def _check_constraints(attribute: SchemaAttribute) -> None:
    """Bounds between which there is something. A custom attribute stays as it is, and could never be written else.

    Raises:
        InvalidParameterException: a bound is no number, or the lower one is above the upper one. Text UNVERIFIED.
    """
    numbers, lengths = attribute.number_attribute_constraints, attribute.string_attribute_constraints
    for lower, upper in (
        (numbers and numbers.min_value, numbers and numbers.max_value),
        (lengths and lengths.min_length, lengths and lengths.max_length),
    ):
        given = [bound for bound in (lower, upper) if bound]
        if not all(map(_NUMBER.fullmatch, given)) or (len(given) == 2 and float(given[0]) > float(given[1])):
            raise InvalidParameterException(f"Invalid constraints of the attribute {attribute.name}.")


def _check_count(schema: Collection[str]) -> None:
    if len(schema) - len(STANDARD_ATTRIBUTES) > _MAX_CUSTOM_ATTRIBUTES:
        raise InvalidParameterException(f"A user pool has at most {_MAX_CUSTOM_ATTRIBUTES} custom attributes.")


def _developer_only(attribute: SchemaAttribute) -> InvalidParameterException:
    return InvalidParameterException(
        f"DeveloperOnlyAttribute is not supported by velvetrope (attribute {attribute.name})."
    )


def new_attributes(
    pool: UserPool,
    given: Sequence[AttributeType],
    *,
    client: AppClient | None,
    brought_by_name: Mapping[str, str] = MappingProxyType({}),
    may_lack_required: bool = False,
) -> dict[str, str]:
    """The attributes of a new user. `client` is None when an administrator creates them.

    `may_lack_required`: those that are missing are asked for with the first password of the user's own.

    Raises:
        InvalidParameterException: an unknown attribute, a bad value, or a required one that is missing.
        NotAuthorizedException: the client may not write one of them.
    """
    named = [AttributeType(name=name, value=value) for name, value in brought_by_name.items()]
    written = {**_written(pool, given, client=client), **_written(pool, named, client=None)}
    attributes = {name: value for name, value in written.items() if value}
    missing = missing_required(pool, attributes)
    if missing and not may_lack_required:
        raise InvalidParameterException(
            "Attributes did not conform to the schema: "
            + "\n".join(f"{name}: The attribute is required" for name in missing)
        )
    return attributes


def changed_attributes(
    pool: UserPool, before: Mapping[str, str], given: Sequence[AttributeType], *, client: AppClient | None
) -> dict[str, str]:
    """The attributes after a change. An empty value removes the attribute; a new address is no longer verified.

    Raises:
        InvalidParameterException: as `new_attributes`, or one that cannot be changed.
        NotAuthorizedException: the client may not write one of them.
    """
    written = _written(pool, given, client=client)
    known = {attribute.name: attribute for attribute in pool.schema_attributes}
    after = dict(before)
    for name, value in written.items():
        if name in before and _kept_form(pool, name, before[name]) == value:
            continue  # it is what it was; who was kept with capitals keeps them
        if not known[name].mutable:
            raise InvalidParameterException(f"user.{name}: Attribute cannot be updated.")
        if value:
            after[name] = value
        elif known[name].required:
            raise InvalidParameterException(
                f"Attributes did not conform to the schema: {name}: The attribute is required"
            )
        else:
            after.pop(name, None)
    for address in ("email", "phone_number"):
        if after.get(address) != before.get(address) and f"{address}_verified" not in written:
            after.pop(f"{address}_verified", None)
            if address in after:
                after[f"{address}_verified"] = "false"
    return after


def missing_required(pool: UserPool, attributes: Mapping[str, str]) -> list[str]:
    """Names of required attributes that are not there; `sub` always is."""
    return [
        attribute.name
        for attribute in pool.schema_attributes
        if attribute.required and attribute.name != "sub" and not attributes.get(attribute.name)
    ]


def readable(client: AppClient, name: str) -> bool:
    """Whether the client may read the attribute; without a list of its own it reads the standard ones."""
    if name == "sub":
        return True
    if client.read_attributes is None:
        return name in STANDARD_ATTRIBUTES
    return name in client.read_attributes


def check_attribute_list(pool: UserPool, names: Collection[str], *, access: Literal["read", "write"]) -> None:
    """ReadAttributes and WriteAttributes name attributes that the pool has and that can be read or written so.

    Raises:
        InvalidParameterException: one does not.
    """
    known = {attribute.name for attribute in pool.schema_attributes}
    if access == "write":
        known -= {*_NOBODY_WRITES, *_VERIFIED}
    if not known.issuperset(names):
        raise InvalidParameterException(f"Invalid {access} attributes specified while creating a client")


def rendered(sub: str, attributes: Mapping[str, str], *, only: Collection[str] | None = None) -> list[dict[str, str]]:
    """Attributes as AWS lists them: pairs of Name and Value, `sub` last unless `only` leaves it out."""
    everything = {**attributes, "sub": sub}
    return [{"name": name, "value": value} for name, value in everything.items() if only is None or name in only]


def _written(pool: UserPool, given: Sequence[AttributeType], *, client: AppClient | None) -> dict[str, str]:
    """Names and values, each allowed by itself; an empty value means that the attribute is to go."""
    known = {attribute.name: attribute for attribute in pool.schema_attributes}
    written: dict[str, str] = {}
    for attribute in given:
        name, value = attribute.name, attribute.value or ""
        if name not in known:
            raise InvalidParameterException(
                f"Attributes did not conform to the schema: Type for attribute {{{name}}} could not be determined"
            )
        if name in _NOBODY_WRITES:
            raise InvalidParameterException(f"user.{name}: Attribute cannot be updated.")
        if client is not None and not _writable(client, name):
            raise NotAuthorizedException(
                "A client attempted to write unauthorized attribute", detail=f"the client may not write {name}"
            )
        if name in written:
            raise InvalidParameterException(f"The attribute {name} is given twice.")
        if value:
            _check_value(known[name], value)
        if name == "preferred_username" and name in pool.alias_attributes:
            check_no_alias(pool, value)
        written[name] = _kept_form(pool, name, value)
    return written


def _kept_form(pool: UserPool, name: str, value: str) -> str:
    """Where the pool ignores case, it does so of what people sign in with (see `username_form`)."""
    return username_form(pool, value) if name in _SIGNS_IN else value


def _writable(client: AppClient, name: str) -> bool:
    # Whether an address is verified is never the client's word, whatever its list says.
    if name in _VERIFIED:
        return False
    if client.write_attributes is None:
        return name in STANDARD_ATTRIBUTES
    return name in client.write_attributes


def _check_value(attribute: SchemaAttribute, value: str) -> None:
    """One value against its type and constraints. Texts but those of addresses are UNVERIFIED."""
    name = attribute.name
    if len(value) > _MAX_VALUE_CHARACTERS:
        raise _nonconforming(name, f"String must be no longer than {_MAX_VALUE_CHARACTERS} characters")
    if name == "email" and not EMAIL.fullmatch(value):
        raise InvalidParameterException("Invalid email address format.")
    if name == "phone_number" and not PHONE_NUMBER.fullmatch(value):
        raise InvalidParameterException("Invalid phone number format.")
    if "\x00" in value:
        raise _nonconforming(name, "String must not have the character U+0000")
    if name == "birthdate" and not _BIRTHDATE.fullmatch(value):
        raise _nonconforming(name, "Date must be of the form YYYY-MM-DD")
    match attribute.attribute_data_type:
        case "Number":
            _check_number(attribute, value)
        case "DateTime":
            _check_date_time(name, value)
        case "Boolean":
            if value.lower() not in {"true", "false"}:
                raise _nonconforming(name, "Value must be true or false")
        case _:
            _check_length(attribute, value)


def _check_date_time(name: str, value: str) -> None:
    """ISO 8601, or a number of seconds since 1970. AWS's form is not documented (UNVERIFIED)."""
    if _NUMBER.fullmatch(value):
        return
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise _nonconforming(name, "Value must be a date and time") from None


def _check_number(attribute: SchemaAttribute, value: str) -> None:
    if not _NUMBER.fullmatch(value):
        raise _nonconforming(attribute.name, "Value must be a number")
    bounds = attribute.number_attribute_constraints
    if bounds is None:
        return
    if bounds.min_value is not None and float(value) < _bound(attribute, bounds.min_value):
        raise _nonconforming(attribute.name, f"Number must be no less than {bounds.min_value}")
    if bounds.max_value is not None and float(value) > _bound(attribute, bounds.max_value):
        raise _nonconforming(attribute.name, f"Number must be no greater than {bounds.max_value}")


def _check_length(attribute: SchemaAttribute, value: str) -> None:
    bounds = attribute.string_attribute_constraints
    if bounds is None:
        return
    if bounds.min_length is not None and len(value) < _bound(attribute, bounds.min_length):
        raise _nonconforming(attribute.name, f"String must be no shorter than {bounds.min_length} characters")
    if bounds.max_length is not None and len(value) > _bound(attribute, bounds.max_length):
        raise _nonconforming(attribute.name, f"String must be no longer than {bounds.max_length} characters")


def _bound(attribute: SchemaAttribute, text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise _nonconforming(attribute.name, "the schema's constraint is not a number")
    return float(text)


def _nonconforming(name: str, rule: str) -> InvalidParameterException:
    return InvalidParameterException(f"Attributes did not conform to the schema: {name}: {rule}")
