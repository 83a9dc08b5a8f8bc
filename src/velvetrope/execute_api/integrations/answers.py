"""What an integration answers, before the gateway adds its own headers."""

import msgspec

from velvetrope.execute_api.requests import BodyStream, IntegrationOutcome

__all__ = ["Answer", "with_length"]

_NO_CONTENT = frozenset({204, 304})  # RFC 9110 section 8.6: no body, and 204 has no Content-Length


class Answer(msgspec.Struct, gc=False):
    """Status, headers without length and ids, body. `outcome` is for logs; a fixed answer has none."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    outcome: IntegrationOutcome | None = None
    told_by: str = ""
    """Who answered, for the decision record."""
    stream: BodyStream | None = None
    """A body that is still to come, in place of `body`."""
    has_length: bool = False
    """Whether `headers` say the length already, as those of an answer to HEAD do."""


def with_length(
    status: int, headers: list[tuple[bytes, bytes]], body: bytes, *, has_length: bool = False
) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Headers and body as they may go with `status`. The headers are changed in place."""
    if status in _NO_CONTENT:
        return headers, b""
    if not has_length:
        headers.append((b"Content-Length", b"%d" % len(body)))
    return headers, body
