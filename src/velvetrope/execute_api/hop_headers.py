"""Headers that end at a gateway, and those that go on: RFC 9110 section 7.6.1, and what a client makes itself.

Source: API Gateway Developer Guide, "Amazon API Gateway important notes" (headers that are remapped for callers).
"""

from collections.abc import Iterable

__all__ = ["OF_CONNECTION", "backend_response_headers", "named_by_connection"]

OF_CONNECTION = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
    }
)
"""In lower case."""

_REMAPPED_FOR_CALLERS = frozenset({"date", "server", "www-authenticate", "x-amzn-requestid"})
"""The request id of a backend stands beside ours, never in its place: ours finds the decision."""


def named_by_connection(connection: bytes) -> frozenset[str]:
    """The headers that a Connection header names as its own, in lower case."""
    return frozenset(name.strip().lower() for name in connection.decode("latin-1").split(",") if name.strip())


def backend_response_headers(
    headers: Iterable[tuple[bytes, bytes]], *, keeps_length: bool = False
) -> list[tuple[bytes, bytes]]:
    """What of a backend's headers the caller gets."""
    given = list(headers)
    connection = next((value for name, value in given if name.lower() == b"connection"), b"")
    left_out = OF_CONNECTION | named_by_connection(connection)
    kept = []
    for name, value in given:
        lower = name.decode("latin-1").lower()
        if lower in _REMAPPED_FOR_CALLERS:
            kept.append((b"x-amzn-Remapped-" + name, value))
        elif lower not in left_out or (keeps_length and lower == "content-length"):
            kept.append((name, value))
    return kept
