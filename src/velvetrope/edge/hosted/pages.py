"""The three pages: sign in, something is wrong, signed out. Templates and style are in `templates/`.

A page is one response (`edge.html`); nothing in it can load, frame or run anything.
"""

from pathlib import Path
from urllib.parse import urlsplit

from velvetrope.edge.hosted.responses import HostedResponse
from velvetrope.edge.html import PageTemplates

__all__ = ["error_page", "login_page", "signed_out_page"]

_TEMPLATES = PageTemplates(Path(__file__).with_name("templates"))

_EXPLAINED = {
    "redirect_mismatch": (
        "The app asked us to send you back to an address that is not on its list. To keep you safe, we stopped here."
    ),
    "unauthorized_client": "The app is not set up to sign people in with this page.",
    "invalid_request": "The link that brought you here is incomplete or was changed on its way.",
    "server_error": "This is our fault, not yours. Please try again in a moment.",
    "https_required": "This page takes passwords, so it is served over https only. Nothing that you entered was used.",
    "not_found": "There is nothing to sign in to at this address.",
}
"""What a code means to somebody who came here by a link."""


def login_page(
    *,
    status: int,
    action: str,
    redirect_uri: str,
    username: str,
    csrf_token: str,
    problem: str = "",
) -> HostedResponse:
    """The sign-in form. `action` is where it posts to, `problem` what to say above it."""
    return _page(
        "login.html",
        status,
        redirect_uri=redirect_uri,
        action=action,
        destination=_destination(redirect_uri),
        username=username,
        csrf_token=csrf_token,
        problem=problem,
    )


def error_page(*, status: int, code: str, text: str, request_id: str) -> HostedResponse:
    """What went wrong: AWS's text, its code, and what it means to a person."""
    return _page("error.html", status, code=code, text=text, explained=_EXPLAINED.get(code, ""), request_id=request_id)


def signed_out_page(*, status: int, text: str) -> HostedResponse:
    """Signed out, with nowhere to go on to; `text` says why."""
    return _page("signed_out.html", status, text=text)


def _page(template: str, status: int, *, redirect_uri: str = "", **values: str) -> HostedResponse:
    return HostedResponse(
        status,
        _TEMPLATES.render(template, **values),
        [
            ("content-type", "text/html;charset=UTF-8"),
            ("content-language", "en"),
            ("content-security-policy", _content_security_policy(redirect_uri)),
        ],
    )


def _content_security_policy(redirect_uri: str) -> str:
    """Nothing but the one style and the icon in the page itself.

    `form-action` is wide because Chromium holds it against every redirect that follows the form, first to the app's
    redirect_uri and then to wherever the app goes on to, which may be another origin (an API on one port and its pages
    on another). It still keeps a form from being sent to anything that is not https, loopback or the app's own scheme.
    """
    form_action = ["'self'", "https:", "http://localhost:*", "http://127.0.0.1:*"]
    parts = urlsplit(redirect_uri)
    if parts.scheme not in {"", "http", "https"} or parts.hostname == "::1":
        # An app's own scheme; or http as a whole, since a source expression cannot hold an IPv6 address.
        form_action.append(f"{parts.scheme}:")
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src {_TEMPLATES.style_source}",
            "img-src data:",
            f"form-action {' '.join(form_action)}",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    )


def _destination(redirect_uri: str) -> str:
    """What a person would call the place they go back to: its host, or the app's scheme."""
    parts = urlsplit(redirect_uri)
    return parts.netloc if parts.scheme in {"http", "https"} else parts.scheme
