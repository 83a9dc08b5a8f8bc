"""The moment a request says it was signed, and whether that moment is near enough to now.

The window is five minutes either side, both ends included: AWS's sentence says "is now earlier than", and at exactly
five minutes it is not. Seconds are all that a timestamp carries, so `now` counts in whole seconds too. A presigned
request with X-Amz-Expires must also be no older than that. S3 lets such a request live for days; other services are
said to apply the skew window (UNVERIFIED for execute-api), so here both hold and whichever ends first decides.

Source: IAM User Guide, "Troubleshoot Signature Version 4 signing for AWS API requests".
"""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final

from velvetrope.sigv4.errors import SignatureExpired, SignatureIncomplete, SignatureNotYetCurrent

__all__ = ["MAX_EXPIRES_SECONDS", "check_window", "parse_timestamp", "render_timestamp"]

_SKEW: Final = timedelta(minutes=5)
_WELL_AFTER: Final = timedelta(minutes=4, seconds=59)
_WELL_BEFORE: Final = -_WELL_AFTER
"""Nearer to `now` than this is within five minutes of `now` in whole seconds, too: nothing has to be rounded."""
MAX_EXPIRES_SECONDS: Final = 604_800
"""Seven days. Source: Amazon S3 User Guide, "Authenticating Requests: Using Query Parameters"."""


def render_timestamp(moment: datetime) -> str:
    """`moment` (aware, UTC) in ISO 8601 basic form: 20150830T123600Z."""
    return moment.strftime("%Y%m%dT%H%M%SZ")


@lru_cache(maxsize=1024)
def parse_timestamp(text: str) -> tuple[datetime, str]:
    """The moment that `text` names, and its ISO 8601 basic form.

    The basic form is what signers send. The extended form and the HTTP date (of a `Date` header, as botocore signs
    when one is present) are read too: the string to sign holds the basic form whichever was sent.

    Raises:
        SignatureIncomplete: another form, or a day or hour that does not exist.
    """
    try:
        moment = _moment(text)
    except (ValueError, IndexError, TypeError, OverflowError):
        raise SignatureIncomplete(
            f"Date must be in ISO-8601 'basic format'. Got '{text}'. See http://en.wikipedia.org/wiki/ISO_8601"
        ) from None
    return moment, render_timestamp(moment)


def _moment(text: str) -> datetime:
    if not text.isascii() or len(text) > 64:
        raise ValueError(text)
    if len(text) == 16 and text[8] == "T" and text[15] == "Z":
        return _from_digits(text[:8] + text[9:15])
    if len(text) == 20 and text[4] == text[7] == "-" and text[10] == "T" and text[13] == text[16] == ":":
        if text[19] != "Z":
            raise ValueError(text)
        return _from_digits(text[:4] + text[5:7] + text[8:10] + text[11:13] + text[14:16] + text[17:19])
    if not text.endswith(" GMT"):
        raise ValueError(text)
    moment = parsedate_to_datetime(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _from_digits(digits: str) -> datetime:
    if not digits.isdecimal():
        raise ValueError(digits)
    year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:8])
    return datetime(year, month, day, int(digits[8:10]), int(digits[10:12]), int(digits[12:14]), tzinfo=UTC)


def check_window(timestamp: datetime, *, now: datetime, expires_in_seconds: int | None = None) -> None:
    """The request was signed no more than five minutes before or after `now`, and has not outlived X-Amz-Expires.

    Raises:
        SignatureExpired: too long ago.
        SignatureNotYetCurrent: too far in the future.
    """
    if expires_in_seconds is None and _WELL_BEFORE < timestamp - now < _WELL_AFTER:
        return
    now = now.replace(microsecond=0)
    if timestamp < now - _SKEW:
        raise _expired(timestamp, now, now - _SKEW, "5 min")
    if timestamp > now + _SKEW:
        raise SignatureNotYetCurrent(
            f"Signature not yet current: {render_timestamp(timestamp)} is still later than "
            f"{render_timestamp(now + _SKEW)} ({render_timestamp(now)} + 5 min.)"
        )
    if expires_in_seconds is not None and timestamp < (limit := now - timedelta(seconds=expires_in_seconds)):
        # The sentence for X-Amz-Expires outside S3 is not known (UNVERIFIED); this one follows the skew's.
        raise _expired(timestamp, now, limit, f"{expires_in_seconds} sec")


def _expired(timestamp: datetime, now: datetime, limit: datetime, width: str) -> SignatureExpired:
    return SignatureExpired(
        f"Signature expired: {render_timestamp(timestamp)} is now earlier than {render_timestamp(limit)} "
        f"({render_timestamp(now)} - {width}.)"
    )
