"""One request to the hosted UI, read whole: these are small, and a body that is not is refused while it arrives."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from urllib.parse import quote

from velvetrope.edge.asgi import Receive, Scope
from velvetrope.edge.bodies import read_body
from velvetrope.edge.hosted.addresses import is_loopback_host, parse_host

__all__ = [
    "MAX_BODY_BYTES",
    "MAX_SAML_BODY_BYTES",
    "HostedRequest",
    "read_request",
]

_FORM = "application/x-www-form-urlencoded"
MAX_BODY_BYTES = 16 * 1024
"""A password is at most 256 characters, a refresh token some 2 KB."""
MAX_SAML_BODY_BYTES = 512 * 1024
"""A SAML message has up to 256 KiB (`saml`), a third more in base64, and some percent signs."""


@dataclass(frozen=True)
class HostedRequest:
    """A request, with its whole body."""

    method: str
    scheme: str
    path: str
    raw_path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    """Lower-case names, in the order received."""
    body: str
    peer: str
    request_id: str
    now: datetime

    def header(self, name: str) -> str | None:
        """The first header of this (lower-case) name."""
        return next((value for key, value in self.headers if key == name), None)

    @cached_property
    def host_and_port(self) -> tuple[str, str]:
        """From the Host header; `localhost` when there is none that can be read (HTTP/1.0)."""
        return parse_host(self.header("host") or "") or ("localhost", "")

    @property
    def host(self) -> str:
        return self.host_and_port[0]

    @property
    def authority(self) -> str:
        """Host and port as the client wrote them."""
        host, port = self.host_and_port
        return f"{host}:{port}" if port else host

    @property
    def is_local(self) -> bool:
        """Whether nothing between the client and us is a network: by the name it used, or by where it comes from."""
        return is_loopback_host(self.host) or is_loopback_host(self.peer)

    @property
    def is_form(self) -> bool:
        """Whether the body says that it is a form."""
        return (self.header("content-type") or "").partition(";")[0].strip().lower() == _FORM

    def cookies(self, name: str) -> list[str]:
        """Every value that the browser sent under this name.

        Around a pair there are blanks and tabs to drop (RFC 6265 section 4.2.1). Anything else that looks like a blank
        is a part of its name: a browser lets every host of the site set that, whatever prefix comes after it.
        """
        found = []
        for header in (value for key, value in self.headers if key == "cookie"):
            for pair in header.split(";"):
                key, _, value = pair.strip(" \t").partition("=")
                if key == name:
                    found.append(value.strip('"'))
        return found


async def read_request(
    scope: Scope,
    receive: Receive,
    *,
    request_id: str,
    now: datetime,
    public_origin: str | None = None,
    max_body_bytes: int = MAX_BODY_BYTES,
) -> HostedRequest:
    """The request with its body, and by the scheme in which it left the browser (see `_scheme`).

    Raises:
        velvetrope.edge.bodies.BodyTooLarge: above `max_body_bytes`; the rest is not read.
        velvetrope.edge.bodies.ClientGone: the connection closed before the body was complete.
    """
    has_body = scope["method"] in {"POST", "PUT", "PATCH"}
    body = await read_body(scope, receive, limit=max_body_bytes) if has_body else b""
    raw_path = scope.get("raw_path") or quote(scope["path"]).encode()
    read = HostedRequest(
        method=scope["method"],
        scheme=scope.get("scheme", "http"),
        path=scope["path"],
        raw_path=raw_path.decode("latin-1"),
        query=scope.get("query_string", b"").decode("latin-1"),
        headers=tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]),
        body=body.decode("latin-1"),
        peer=(scope.get("client") or ("", 0))[0],
        request_id=request_id,
        now=now,
    )
    return replace(read, scheme=_scheme(read, public_origin))


def _scheme(request: HostedRequest, public_origin: str | None) -> str:
    """https also where a proxy of this machine has taken TLS off and says so (`X-Forwarded-Proto`).

    It is believed from a loopback address only, and only about the public URL. A proxy elsewhere speaks https to us:
    between it and us there is a network.
    """
    said = [value.strip().lower() for name, value in request.headers if name == "x-forwarded-proto"]
    if said == ["https"] and is_loopback_host(request.peer) and public_origin == f"https://{request.authority}".lower():
        return "https"
    return request.scheme
