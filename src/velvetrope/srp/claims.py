"""What a client sends to claim that it knows the password: a signature, and the time it was made.

The signature is HMAC-SHA256 over pool name, internal user id, secret block and timestamp, in base64. The timestamp is
`Tue Sep 5 09:03:07 UTC 2023`: English names, no leading zero on the day. It is signed as the text the client sent, so
that text must be understood and never rewritten.

Source: amplify-js, packages/auth/src/providers/cognito/utils/srp (getSignatureString, getNowString).
"""

import base64
import hmac
import re
from datetime import UTC, datetime

from velvetrope.errors import ReasonError

__all__ = ["InvalidTimestamp", "claim_signature", "parse_timestamp", "render_timestamp"]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TIMESTAMP = re.compile(
    rf"({'|'.join(_DAYS)}) ({'|'.join(_MONTHS)}) ([1-9]|[12][0-9]|3[01]) ([0-9]{{2}}):([0-9]{{2}}):([0-9]{{2}}) UTC "
    r"([0-9]{4})"
)


class InvalidTimestamp(ReasonError):
    """The text is not a time in the one form that clients use."""


def claim_signature(key: bytes, *, pool_name: str, user_id: str, secret_block: bytes, timestamp: str) -> str:
    """PASSWORD_CLAIM_SIGNATURE as a client with this key makes it. Compare it in constant time."""
    message = pool_name.encode() + user_id.encode() + secret_block + timestamp.encode()
    return base64.b64encode(hmac.digest(key, message, "sha256")).decode()


def parse_timestamp(text: str) -> datetime:
    """The moment that TIMESTAMP names.

    Raises:
        InvalidTimestamp: another form, a day that does not exist, or a weekday that was not that day's.
    """
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        raise InvalidTimestamp("TIMESTAMP is not of the form: Tue Sep 5 09:03:07 UTC 2023")
    weekday, month, day, hour, minute, second, year = found.groups()
    try:
        moment = datetime(
            int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second), tzinfo=UTC
        )
    except ValueError:
        raise InvalidTimestamp("TIMESTAMP names a moment that never was") from None
    if _DAYS[moment.weekday()] != weekday:
        raise InvalidTimestamp("TIMESTAMP names a weekday that was not that day's")
    return moment


def render_timestamp(moment: datetime) -> str:
    """`moment`, aware and UTC, in the form that clients send."""
    return f"{_DAYS[moment.weekday()]} {_MONTHS[moment.month - 1]} {moment.day} {moment:%H:%M:%S} UTC {moment.year:04d}"
