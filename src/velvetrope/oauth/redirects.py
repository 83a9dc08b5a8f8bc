"""Redirect URIs: which ones a browser may be sent to, and how an answer is put on one.

The comparison with the registered ones is of the whole string, as it is (RFC 9700 section 4.1.3). The form is checked
besides, so that a callback that should never have been registered is still no way out.

Source: RFC 6749 section 3.1.2; Cognito Developer Guide, "Authorize endpoint", redirect_uri.
"""

import re
from collections.abc import Collection, Mapping
from urllib.parse import urlencode, urlsplit

__all__ = ["explain_mismatch", "is_redirect_uri", "put_on_uri"]

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_SHOWN = 300
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")
_CUSTOM_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")

# Schemes that a browser runs or opens by itself, rather than handing them to an app of the client's.
_NOT_AN_APP = frozenset(
    {"about", "blob", "chrome", "data", "file", "filesystem", "ftp", "javascript", "mailto", "vbscript", "view-source"}
    | {"ws", "wss"}
)


def is_redirect_uri(uri: str) -> bool:
    """Whether the form is one that AWS registers: https, http on loopback names, or an app's own scheme.

    Absolute, without a fragment, a user name or a backslash, in visible ASCII.
    """
    if not _VISIBLE_ASCII.fullmatch(uri) or "#" in uri or "\\" in uri:
        return False
    try:
        parts = urlsplit(uri)
        host = parts.hostname
        _ = parts.port  # raises when it is no port
    except ValueError:
        return False
    if "@" in parts.netloc:
        return False
    if parts.scheme == "https":
        return bool(host)
    if parts.scheme == "http":
        return host in _LOOPBACK
    return (
        bool(_CUSTOM_SCHEME.fullmatch(parts.scheme))
        and parts.scheme not in _NOT_AN_APP
        and uri.startswith(f"{parts.scheme}:")
        and len(uri) > len(parts.scheme) + 1
    )


def explain_mismatch(redirect_uri: str, registered: Collection[str]) -> str:
    """For the owner: what came, what would have been let through, and what little may be between them."""
    said = f"redirect_uri {redirect_uri[:_SHOWN]} is not registered for the client"
    if not registered:
        return f"{said}, which has no CallbackURLs"
    alike = [uri for uri in sorted(registered) if _folded(uri) == _folded(redirect_uri)]
    if alike:
        return f"{said}; {alike[0][:_SHOWN]} is, and every character counts"
    return f"{said}; these are: {', '.join(sorted(registered))[:_SHOWN]}"


def _folded(uri: str) -> str:
    """Without what is overlooked most easily: case, a last slash, another port."""
    return re.sub(r":\d+(?=/|$)", "", uri.lower().rstrip("/"))


def put_on_uri(uri: str, answer: Mapping[str, str], *, in_fragment: bool) -> str:
    """`uri` with an answer in its query or its fragment.

    A query that is already there stays and the answer follows it (RFC 6749 section 3.1.2; UNVERIFIED on AWS).
    """
    if in_fragment:
        return f"{uri}#{urlencode(answer)}"
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode(answer)}"
