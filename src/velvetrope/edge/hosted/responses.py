"""What the hosted UI answers: one small value, and the headers that every answer carries.

The common headers are Cognito's own, with two differences. Strict-Transport-Security is left to hosts that have a name
of their own (see `app`): on localhost it would break plain http on every other port. And pages carry a
Content-Security-Policy, which allows the one inline style by its hash and nothing else.

Source: hosted-ui reference, section 4 (observed headers).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from velvetrope.edge.asgi import Send

__all__ = ["HostedResponse", "json_response", "redirect_response"]

_NOT_KEPT = (
    ("cache-control", "no-cache, no-store, max-age=0, must-revalidate"),
    ("pragma", "no-cache"),
    ("expires", "0"),
)
_COMMON = (
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("x-xss-protection", "1; mode=block"),
    # same-origin, not no-referrer: with the latter browsers send `Origin: null` with our own form.
    ("referrer-policy", "same-origin"),
)


@dataclass(slots=True)
class HostedResponse:
    """A complete answer; the headers may still be added to on the way out."""

    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    max_age_seconds: int = 0
    """How long anybody may keep the answer: for what is public and the same for all. 0: it is never kept."""

    async def send(self, send: Send, *, request_id: str, with_body: bool) -> None:
        """Put it on the wire. For HEAD the length is told and the body kept back."""
        headers = [
            *self.headers,
            *(_NOT_KEPT if self.max_age_seconds == 0 else _kept(self.max_age_seconds)),
            *_COMMON,
            ("content-length", str(len(self.body))),
            ("x-amz-cognito-request-id", request_id),
        ]
        await send(
            {
                "type": "http.response.start",
                "status": self.status,
                "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
            }
        )
        await send({"type": "http.response.body", "body": self.body if with_body else b""})


def _kept(seconds: int) -> tuple[tuple[str, str], ...]:
    return (("cache-control", f"public, max-age={seconds}"),)


def json_response(status: int, members: Mapping[str, object]) -> HostedResponse:
    """JSON with the content type that Cognito's endpoints use."""
    body = json.dumps(members, separators=(",", ":")).encode()
    return HostedResponse(status, body, [("content-type", "application/json;charset=UTF-8")])


def redirect_response(location: str) -> HostedResponse:
    """302: the method becomes GET, and nothing is remembered."""
    return HostedResponse(302, b"", [("location", location)])
