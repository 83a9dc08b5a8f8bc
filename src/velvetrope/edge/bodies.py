"""Request bodies, read whole and bounded.

A body that arrived with its head, as small ones do, costs one `receive`. Past that the declared length is looked at
before more is taken in, and the sum as it grows. How slowly a body may come is the listener's business.
"""

from typing import Final

from velvetrope.edge.asgi import Receive, Scope
from velvetrope.errors import VelvetropeError

__all__ = ["MAX_GATEWAY_BODY_BYTES", "BodyTooLarge", "ClientGone", "GatewayCall", "read_body"]

GatewayCall = tuple[str, bytes, bytes | None]
"""A call to a deployed API: which one, and the path behind the part that named it."""
MAX_GATEWAY_BODY_BYTES: Final = 10_485_760
"""API Gateway quotas: "Payload size: 10 MB"."""


class BodyTooLarge(VelvetropeError):
    """The body is larger than this page takes."""


class ClientGone(VelvetropeError):
    """The client closed the connection before its request was complete."""


async def read_body(scope: Scope, receive: Receive, *, limit: int) -> bytes:
    """The request's body, `limit` bytes at the most.

    Raises:
        BodyTooLarge: more than `limit`, declared or sent.
        ClientGone: the connection closed in between.
    """
    message = await receive()
    if message["type"] != "http.request":
        raise ClientGone
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if len(body) > limit:
            raise BodyTooLarge
        return body
    for name, value in scope["headers"]:
        if name.lower() == b"content-length" and int(value) > limit:
            raise BodyTooLarge
    parts, size = [body], len(body)
    while message.get("more_body", False):
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise BodyTooLarge
        parts.append(part)
    return b"".join(parts)
