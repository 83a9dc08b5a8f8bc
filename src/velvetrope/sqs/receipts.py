"""Receipt handles: what deletes a message, or changes how long it stays out of sight.

A handle names the queue (by a hash), the message and the one time it was received, of which the last part is 128
random bits: nobody makes one up. It proves having received the message, and is no permission: `sqs:DeleteMessage` is
asked for besides.

Source: Amazon SQS Developer Guide, "Queue and message identifiers", receipt handle.
"""

import base64
import binascii
import hashlib
import uuid
from dataclasses import dataclass

from velvetrope.sqs.errors import ReceiptHandleIsInvalid

__all__ = ["Receipt", "parse_receipt_handle", "render_receipt_handle"]

_QUEUE_BYTES, _PART_BYTES = 12, 16


@dataclass(frozen=True, slots=True)
class Receipt:
    """A message, and one time it was received."""

    message_id: str
    receipt: str


def render_receipt_handle(queue_arn: str, receipt: Receipt) -> str:
    """The handle, in base64."""
    parts = _queue_part(queue_arn) + uuid.UUID(receipt.message_id).bytes + bytes.fromhex(receipt.receipt)
    return base64.b64encode(parts).decode()


def parse_receipt_handle(queue_arn: str, handle: str) -> Receipt:
    """What the handle stands for in this queue.

    Raises:
        ReceiptHandleIsInvalid: not a handle, or one of another queue.
    """
    try:
        parts = base64.b64decode(handle, validate=True)
    except (binascii.Error, ValueError):
        parts = b""
    if len(parts) != _QUEUE_BYTES + 2 * _PART_BYTES or parts[:_QUEUE_BYTES] != _queue_part(queue_arn):
        raise ReceiptHandleIsInvalid(f'The input receipt handle "{handle}" is not a valid receipt handle.')
    message, receipt = parts[_QUEUE_BYTES:-_PART_BYTES], parts[-_PART_BYTES:]
    return Receipt(str(uuid.UUID(bytes=message)), receipt.hex())


def _queue_part(queue_arn: str) -> bytes:
    return hashlib.sha256(queue_arn.encode()).digest()[:_QUEUE_BYTES]
