"""The CSV files that users are imported from: which columns a pool's file has, and what one line says.

    header = csv_header(pool)                  # GetCSVHeader
    cells = parse_row("anna,Anna\\, Lady,…")    # a backslash stands before a comma that is part of a value
    person = parse_person(pool, header, cells)

Values are not quoted; a backslash before anything but a comma or a backslash is a backslash. (AWS's page names the
comma only; that a backslash may be escaped is ours, since a value could not end in one otherwise.)

Source: Cognito Developer Guide, "Creating the user import CSV file". Sentences marked UNVERIFIED are ours.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from velvetrope.errors import ReasonError
from velvetrope.store.tables.userpools import MfaType, UserPool
from velvetrope.userpools.shapes import AttributeType

__all__ = [
    "MAX_LINE_CHARACTERS",
    "ImportedPerson",
    "RowRefused",
    "check_header",
    "csv_header",
    "parse_person",
    "parse_row",
    "parse_truth",
    "render_row",
]

MAX_LINE_CHARACTERS: Final = 16_000
_USERNAME, _MFA = "cognito:username", "cognito:mfa_enabled"
_NOT_IMPORTED = ("sub", "identities")
_TRUTHS: Mapping[str, bool] = MappingProxyType({"true": True, "false": False})
_NOT_VERIFIED = (
    "The User Record does not set any of the auto verified attributes to true. (Example: email_verified to true)."
)


class RowRefused(ReasonError):
    """Why a line is not imported. The message names no value of the line: it goes to a log."""


@dataclass(frozen=True, slots=True)
class ImportedPerson:
    """What a line says. Whether the pool's schema takes the attributes is not checked yet."""

    username: str
    attributes: tuple[AttributeType, ...]
    mfa_enabled: tuple[MfaType, ...]


def csv_header(pool: UserPool) -> list[str]:
    """The columns of the pool's file, in the order in which AWS shows them."""
    attributes = [one.name for one in pool.schema_attributes if one.name not in _NOT_IMPORTED]
    return [*attributes, _MFA, _USERNAME]


def check_header(pool: UserPool, header: Sequence[str]) -> None:
    """The file's columns are the pool's, each once, in any order.

    Raises:
        RowRefused: one is missing, twice, or unknown.
    """
    wanted = set(csv_header(pool))
    for what, names in (
        ("lacks", sorted(wanted - set(header))),
        ("has unknown columns, such as", sorted(set(header) - wanted)),
        ("names twice", sorted({name for name in header if header.count(name) > 1})),
    ):
        if names:
            raise RowRefused(f"The header {what} {names[0][:64]}.")  # UNVERIFIED


def parse_row(line: str) -> list[str]:
    """The cells of one line."""
    cells, cell, rest = [], [], iter(line)
    for character in rest:
        if character == "\\":
            after = next(rest, "")
            cell.append(after if after in {",", "\\"} and after else character + after)
        elif character == ",":
            cells.append("".join(cell))
            cell = []
        else:
            cell.append(character)
    return [*cells, "".join(cell)]


def render_row(cells: Collection[str]) -> str:
    """The line that `parse_row` reads back; a value with a line break has no such form.

    Raises:
        RowRefused: a value has a line break.
    """
    if any(character in cell for cell in cells for character in "\r\n"):
        raise RowRefused("A value has a line break.")
    return ",".join(cell.replace("\\", "\\\\").replace(",", "\\,") for cell in cells)


def parse_person(pool: UserPool, header: Sequence[str], cells: Sequence[str]) -> ImportedPerson:
    """Who a line is about.

    Raises:
        RowRefused: another number of cells than columns, no name, no proven address, or MFA that cannot be.
    """
    if len(cells) != len(header):
        raise RowRefused(f"The line has {len(cells)} values; the header has {len(header)}.")  # UNVERIFIED
    values = dict(zip(header, cells, strict=True))
    username, mfa = values.pop(_USERNAME), values.pop(_MFA)
    if not username:
        raise RowRefused("cognito:username is missing.")  # UNVERIFIED
    for name in ("email_verified", "phone_number_verified"):
        if values.get(name):
            values[name] = "true" if parse_truth(name, values[name]) else "false"
    _check_proven(pool, values)
    return ImportedPerson(
        username=username,
        attributes=tuple(AttributeType(name=name, value=value) for name, value in values.items() if value),
        mfa_enabled=_mfa(pool, wanted=parse_truth(_MFA, mfa), has_phone=bool(values.get("phone_number"))),
    )


def parse_truth(name: str, text: str) -> bool:
    """What a cell says: true or false, in whatever case a spreadsheet has put it.

    Raises:
        RowRefused: something else.
    """
    said = _TRUTHS.get(text.strip().lower())
    if said is None:
        raise RowRefused(f"{name} must be true or false.")  # UNVERIFIED
    return said


def _check_proven(pool: UserPool, values: Mapping[str, str]) -> None:
    """Where a pool verifies one address, everybody's is verified; where it verifies both, one of them."""
    proven = [name for name in pool.auto_verified_attributes if values.get(f"{name}_verified") == "true"]
    if not proven:
        raise RowRefused(_NOT_VERIFIED)
    for name in ("email", "phone_number"):
        if values.get(f"{name}_verified") == "true" and not values.get(name):
            raise RowRefused(f"{name}_verified is true and {name} is missing.")  # UNVERIFIED


def _mfa(pool: UserPool, *, wanted: bool, has_phone: bool) -> tuple[MfaType, ...]:
    """The second factors of somebody whose line says whether they have one.

    A file holds no secret of an app, so what it can switch on is SMS. In a pool that demands MFA and offers other
    factors, the first sign-in asks for one to be set up.

    Raises:
        RowRefused: the pool says otherwise, or there is no factor that could be asked for.
    """
    if not wanted:
        if pool.mfa_configuration == "ON":
            raise RowRefused("The user pool requires MFA and cognito:mfa_enabled is false.")  # UNVERIFIED
        return ()
    if pool.mfa_configuration == "OFF":
        raise RowRefused("cognito:mfa_enabled is true and the user pool has MFA switched off.")  # UNVERIFIED
    if "SMS_MFA" in pool.mfa_types and has_phone:
        return ("SMS_MFA",)
    if pool.mfa_configuration == "ON" and "SOFTWARE_TOKEN_MFA" in pool.mfa_types:
        return ()
    raise RowRefused("cognito:mfa_enabled is true and there is no phone number to send codes to.")  # UNVERIFIED
