"""The hosted UI's cookies: who is signed in, how far a sign-in has come, and that a form was ours.

On AWS's own host names they are called as on AWS, `cognito` and `XSRF-TOKEN`, so that scripts which sign in by filling
the form work unchanged. Everywhere else the pool's domain and the port are part of the name
(`__Host-cognito-auth-api-demo-4800`): browsers share a host's cookies among all its ports, and two pools or two servers
on localhost would sign each other's users out. The prefix has browsers refuse a cookie of that name from another host
of the site and from plain http, so that a neighbour cannot have somebody work in its own session without noticing.

Both are Secure, HttpOnly, SameSite=Lax and without a Domain, so that no other host of a site ever sees them. A third,
`csrf-state`, binds the way to an identity provider to the way back, and is SameSite=None, since some of them have the
browser post to us.

CSRF is a double submit: the form repeats the cookie's value, which another site can neither read nor set. A browser
that says where the form came from (Origin, Sec-Fetch-Site) is taken at its word besides, since a neighbour on the same
site, or another port, might have planted a cookie.

Sources: hosted-ui reference, section 4; OWASP CSRF Prevention Cheat Sheet; RFC 6265bis section 4.1.3.2 (`__Host-`).
"""

import hmac
import re
from dataclasses import dataclass

from velvetrope.clock import Entropy
from velvetrope.edge.hosted.addresses import is_aws_host
from velvetrope.edge.hosted.requests import HostedRequest
from velvetrope.identifiers import new_uuid
from velvetrope.secret import Secret

__all__ = [
    "FEDERATION",
    "SESSION",
    "STEP",
    "HeldCookie",
    "csrf_token_of",
    "form_is_ours",
    "language_of",
    "new_csrf_token",
    "passkeys_are_put_off",
    "render_csrf_cookie",
    "render_language_cookie",
    "render_put_off_cookie",
]

_CSRF = "XSRF-TOKEN"
_LANGUAGE = "lang"
_PUT_OFF = "passkey-later"
_LANGUAGE_KEPT_SECONDS = 365 * 24 * 3600
_CSRF_TOKEN = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Lax"
_ACROSS_SITES = "Path=/; Secure; HttpOnly; SameSite=None"


@dataclass(frozen=True, slots=True)
class HeldCookie:
    """A secret value that a browser holds for us under one name."""

    base: str
    attributes: str = _ATTRIBUTES

    def of(self, request: HostedRequest, domain: str) -> Secret[str] | None:
        """What the browser presents: one value. Two are somebody's attempt to plant one, and count for none."""
        values = request.cookies(_name(self.base, request, domain))
        return Secret(values[0]) if len(values) == 1 and values[0] else None

    def render(
        self, request: HostedRequest, domain: str, value: Secret[str], *, max_age_seconds: int | None = None
    ) -> str:
        """Set-Cookie; without an age it goes when the browser closes."""
        age = "" if max_age_seconds is None else f"Max-Age={max_age_seconds}; "
        return f"{_name(self.base, request, domain)}={value.reveal()}; {age}{self.attributes}"

    def expired(self, request: HostedRequest, domain: str) -> str:
        """Set-Cookie that makes the browser forget it."""
        return f"{_name(self.base, request, domain)}=; Max-Age=0; {self.attributes}"


SESSION = HeldCookie("cognito")
"""Who is signed in."""
STEP = HeldCookie("cognito-step")
"""The id of a sign-in that waits for another answer; worth nothing once that has come or its time is over."""
FEDERATION = HeldCookie("csrf-state", _ACROSS_SITES)
"""What a browser keeps that has left for an identity provider.

SameSite=None, as on AWS: Apple and SAML providers have the browser post to us from their own page. What it binds is
taken once, and nothing else is known by it.
"""


def csrf_token_of(request: HostedRequest, domain: str) -> str | None:
    """The token that the browser holds: one, and of our form."""
    values = request.cookies(_name(_CSRF, request, domain))
    return values[0] if len(values) == 1 and _CSRF_TOKEN.fullmatch(values[0]) else None


def new_csrf_token(entropy: Entropy) -> str:
    """A UUID, as on AWS."""
    return new_uuid(entropy)


def render_csrf_cookie(request: HostedRequest, domain: str, token: str) -> str:
    """Set-Cookie for the token; it goes when the browser closes."""
    return f"{_name(_CSRF, request, domain)}={token}; {_ATTRIBUTES}"


def language_of(request: HostedRequest, domain: str) -> str | None:
    """The language that this browser asked for before."""
    values = request.cookies(_name(_LANGUAGE, request, domain))
    return values[0] if values else None


def render_language_cookie(request: HostedRequest, domain: str, code: str) -> str:
    """Set-Cookie for the language that was asked for; kept for a year."""
    return f"{_name(_LANGUAGE, request, domain)}={code}; Max-Age={_LANGUAGE_KEPT_SECONDS}; {_ATTRIBUTES}"


def passkeys_are_put_off(request: HostedRequest, domain: str) -> bool:
    """Whether somebody has said "not now" to a passkey with this browser."""
    return bool(request.cookies(_name(_PUT_OFF, request, domain)))


def render_put_off_cookie(request: HostedRequest, domain: str, *, max_age_seconds: int) -> str:
    """Set-Cookie for a browser in which passkeys are not to be offered for a while."""
    return f"{_name(_PUT_OFF, request, domain)}=1; Max-Age={max_age_seconds}; {_ATTRIBUTES}"


def form_is_ours(request: HostedRequest, domain: str, in_form: str | None, *, own_origins: frozenset[str]) -> bool:
    """Whether the form was served by us to this browser, as far as anyone can tell."""
    token = csrf_token_of(request, domain)
    if token is None or in_form is None or not hmac.compare_digest(token.encode(), in_form.encode()):
        return False
    origin = request.header("origin")
    if origin is not None and origin.lower() not in own_origins:
        return False
    return request.header("sec-fetch-site") in {None, "same-origin", "none"}


def _name(base: str, request: HostedRequest, domain: str) -> str:
    host, port = request.host_and_port
    if is_aws_host(host):
        return base
    return f"__Host-{base}-{domain}-{port}" if port else f"__Host-{base}-{domain}"
