"""Scalars as text and back: timestamps in AWS's three formats, blobs in base64, numbers and booleans in XML and URLs.

Sources: Smithy 2.0, "Protocol traits", `timestampFormat`; RFC 9110 section 5.6.7 for HTTP dates.
"""

import base64
import binascii
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from velvetrope.edge.models import Member
from velvetrope.errors import ReasonError

__all__ = [
    "LARGEST_LONG",
    "SMALLEST_LONG",
    "MalformedRequest",
    "UnknownMember",
    "fits_long",
    "header_value",
    "parse_blob",
    "parse_text",
    "parse_timestamp",
    "render_blob",
    "render_text",
    "render_timestamp",
    "timestamp_as_number",
]


class MalformedRequest(ReasonError):
    """The request is not spelled as its protocol prescribes."""


class UnknownMember(ReasonError):
    """The model has no such member. The message is the member's path."""


SMALLEST_LONG, LARGEST_LONG = -(2**63), 2**63 - 1
"""Of the largest type of the wire's, and of the store's."""

_CONTROLS = dict.fromkeys((*range(32), 127), " ")


def header_value(text: str) -> bytes:
    """`text` as a header's value: one line of Latin-1, with nothing in it that could end the header."""
    return text.translate(_CONTROLS).encode("latin-1", "replace")


def fits_long(number: float) -> bool:
    """Whether a number is one of 64 bits."""
    return SMALLEST_LONG <= number <= LARGEST_LONG


def parse_timestamp(value: object) -> datetime:
    """A moment from epoch seconds (number or digits), ISO 8601 or an HTTP date.

    Raises:
        MalformedRequest: none of the three, or out of range.
    """
    try:
        if isinstance(value, bool):
            raise MalformedRequest("a boolean is not a timestamp")
        if isinstance(value, (int, float)):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str):
            text = value.strip()
            if text.replace(".", "", 1).removeprefix("-").isdigit():
                return datetime.fromtimestamp(float(text), UTC)
            parsed = parsedate_to_datetime(text) if "," in text else datetime.fromisoformat(text)
            return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise MalformedRequest("the value is not a timestamp")


def timestamp_as_number(value: datetime) -> int | float:
    """Epoch seconds, with milliseconds if there are any."""
    seconds = value.timestamp()
    return int(seconds) if value.microsecond == 0 else round(seconds, 3)


def render_timestamp(value: datetime, timestamp_format: str) -> str:
    """A moment in one of Smithy's formats."""
    at = value.astimezone(UTC)
    if timestamp_format == "unixTimestamp":
        return str(timestamp_as_number(at))
    if timestamp_format == "rfc822":
        return format_datetime(at.replace(microsecond=0), usegmt=True)
    fraction = f".{at.microsecond // 1000:03d}" if at.microsecond else ""
    return f"{at:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def parse_blob(value: str) -> bytes:
    """Bytes from base64.

    Raises:
        MalformedRequest: a character outside the alphabet, or wrong padding.
    """
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedRequest("the value is not base64") from None


def render_blob(value: bytes) -> str:
    """Bytes in base64."""
    return base64.b64encode(value).decode()


def parse_text(text: str, member: Member) -> object:
    """A scalar of `member`'s shape from its text in a form, a URL or a header.

    Raises:
        MalformedRequest: the text is not such a scalar.
    """
    match member.shape.type:
        case "integer" | "long":
            try:
                number = int(text)
            except ValueError:
                raise MalformedRequest(f"{member.name} is not an integer") from None
            if not fits_long(number):
                raise MalformedRequest(f"{member.name} is not an integer of 64 bits")
            return number
        case "float" | "double":
            try:
                return float(text)
            except ValueError:
                raise MalformedRequest(f"{member.name} is not a number") from None
        case "boolean":
            if text.lower() not in {"true", "false"}:
                raise MalformedRequest(f"{member.name} is not a boolean")
            return text.lower() == "true"
        case "timestamp":
            return parse_timestamp(text)
        case "blob":
            return parse_blob(text)
        case "string" | "character":
            return text
        case _:
            raise MalformedRequest(f"{member.name} is not a scalar")


def render_text(value: object, timestamp_format: str) -> str:
    """A scalar as text in XML or a header."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return render_timestamp(value, timestamp_format)
    if isinstance(value, bytes):
        return render_blob(value)
    return str(value)
