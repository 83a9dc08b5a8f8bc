"""Pages: a template, a language and a look become one response. Templates and our own sheet are in `templates/`.

    render_page("login.html", Dress(language, look), status=200, redirect_uri=uri, action=…)

Nothing in a page can load, frame or run anything: our sheet and the look's are allowed by their hashes, images are data
in the page. The pages for passkeys run one script of ours, allowed by its hash too. Every text of a template goes
through `t` (`languages`); every value is escaped. `HostedContext.page` is what endpoints call; here is what it is made
of, and the pages that are shown where there is no pool.
"""

from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from velvetrope.edge.hosted.languages import ENGLISH, Language
from velvetrope.edge.hosted.looks import OUR_LOOK, Look
from velvetrope.edge.hosted.responses import HostedResponse
from velvetrope.edge.html import InlineScript, PageTemplates

__all__ = ["OUR_DRESS", "Dress", "LanguageLink", "destination", "error_page", "render_page", "signed_out_page"]

_TEMPLATES = PageTemplates(Path(__file__).with_name("templates"))

_ICON: Final = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E"
    "%3Crect width='32' height='32' rx='7' fill='%233a1030'/%3E"
    "%3Cpath d='M8 9v16M24 9v16' stroke='%23d9aa55' stroke-width='2.6' stroke-linecap='round'/%3E"
    "%3Ccircle cx='8' cy='7.5' r='2.4' fill='%23d9aa55'/%3E%3Ccircle cx='24' cy='7.5' r='2.4' fill='%23d9aa55'/%3E"
    "%3Cpath d='M8 11c3 9 13 9 16 0' fill='none' stroke='%23c2335b' stroke-width='3.4' stroke-linecap='round'/%3E"
    "%3C/svg%3E"
)
_EXPLAINED: Final = {
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


@dataclass(frozen=True, slots=True)
class LanguageLink:
    """The same page in another language."""

    code: str
    name: str
    href: str


@dataclass(frozen=True, slots=True)
class Dress:
    """How a page is said and how it looks."""

    language: Language
    look: Look
    other_languages: tuple[LanguageLink, ...] = ()
    """Where the page can be had in another language by a link."""


OUR_DRESS: Final = Dress(ENGLISH, OUR_LOOK)


def render_page(
    template: str, dress: Dress, *, status: int = 200, redirect_uri: str = "", script: str = "", **values: object
) -> HostedResponse:
    """The page of a template. `redirect_uri` is where its form leads in the end; the policy has to let it.

    `script` names the one script that the page may run, which its template is given under that name.
    """
    language, look = dress.language, dress.look
    inline = _TEMPLATES.script(script) if script else None
    body = _TEMPLATES.render(
        template,
        t=language.say,
        language=language.code,
        other_languages=dress.other_languages,
        look=look,
        our_icon=_ICON,
        script="" if inline is None else inline.text,
        **values,
    )
    return HostedResponse(
        status,
        body,
        [
            ("content-type", "text/html;charset=UTF-8"),
            ("content-language", language.code),
            ("content-security-policy", _content_security_policy(redirect_uri, look, inline)),
        ],
    )


def error_page(*, status: int, code: str, text: str, request_id: str, dress: Dress = OUR_DRESS) -> HostedResponse:
    """What went wrong: AWS's text, its code, and what it means to a person."""
    explained = _EXPLAINED.get(code, "")
    return render_page(
        "error.html", dress, status=status, code=code, text=text, explained=explained, request_id=request_id
    )


def signed_out_page(*, status: int, text: str = "", note: str = "", dress: Dress = OUR_DRESS) -> HostedResponse:
    """Signed out, with nowhere to go on to; `text` says why that is, `note` what else there is to know."""
    return render_page("signed_out.html", dress, status=status, text=text, note=note)


def destination(redirect_uri: str) -> str:
    """What a person would call the place they go back to: its host, or the app's scheme."""
    parts = urlsplit(redirect_uri)
    return parts.netloc if parts.scheme in {"http", "https"} else parts.scheme


def _content_security_policy(redirect_uri: str, look: Look, script: InlineScript | None) -> str:
    """Nothing but the style sheets, the images and at most one script, all in the page itself.

    `form-action` is wide because Chromium holds it against every redirect that follows the form, first to the app's
    redirect_uri and then to wherever the app goes on to, which may be another origin (an API on one port and its pages
    on another). It still keeps a form from being sent to anything that is not https, loopback or the app's own scheme.
    """
    form_action = ["'self'", "https:", "http://localhost:*", "http://127.0.0.1:*"]
    parts = urlsplit(redirect_uri)
    if parts.scheme not in {"", "http", "https"} or parts.hostname == "::1":
        # An app's own scheme; or http as a whole, since a source expression cannot hold an IPv6 address.
        form_action.append(f"{parts.scheme}:")
    sheets = [_TEMPLATES.style_source]
    if look.sheet:
        sheets.append(f"'sha256-{b64encode(sha256(look.sheet.encode()).digest()).decode()}'")
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src {' '.join(sheets)}",
            "img-src data:",
            *(() if script is None else (f"script-src {script.source}",)),
            f"form-action {' '.join(form_action)}",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    )
