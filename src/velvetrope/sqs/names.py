"""Queues as callers name them: by name, and by the URL that CreateQueue and GetQueueUrl answer.

A queue URL is `{endpoint}/{account}/{name}`. Its scheme and host are not looked at: the server may be reached by
several, and a port that was chosen at start is another one after the next.

Source: Amazon SQS Developer Guide, "Queue and message identifiers"; names: SQS API Reference, CreateQueue.
"""

import re
from dataclasses import dataclass

from velvetrope.sqs.errors import InvalidAddress, InvalidParameterValueException

__all__ = ["QueueReference", "check_queue_name", "parse_queue_url"]

_URL = re.compile(r"https?://[^/?#\s]+/(?P<account>\d{12})/(?P<name>[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo)")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo")


@dataclass(frozen=True, slots=True)
class QueueReference:
    """A queue that a URL names. Whether it exists is not said."""

    account_id: str
    region: str
    name: str

    @property
    def arn(self) -> str:
        return f"arn:aws:sqs:{self.region}:{self.account_id}:{self.name}"


def parse_queue_url(queue_url: str, *, region: str) -> QueueReference:
    """The queue that the URL names.

    Raises:
        InvalidAddress: not a queue URL.
    """
    found = _URL.fullmatch(queue_url)
    if found is None:
        raise InvalidAddress(f"The address {queue_url} is not valid for this endpoint.")
    return QueueReference(found["account"], region, found["name"])


def check_queue_name(name: str, *, fifo: bool) -> None:
    """Refuse a name that this kind of queue cannot have.

    Raises:
        InvalidParameterValueException: with AWS's text.
    """
    if fifo and not name.endswith(".fifo"):
        raise InvalidParameterValueException(
            "The name of a FIFO queue can only include alphanumeric characters, "
            "hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length."
        )
    if _NAME.fullmatch(name) is None or (name.endswith(".fifo") and not fifo):
        raise InvalidParameterValueException(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        )
