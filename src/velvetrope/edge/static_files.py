"""A folder of a built single-page app, served at `/`; and the plain page that stands there if there is none.

Paths that name no file get `index.html`, so that the app's own routes survive a reload; but a missing file with an
extension, or below `/assets/`, is a 404, since an HTML page in a script's place only hides the mistake. Files whose
name carries a hash of their content are cached for good; everything else is asked for again (`ETag`).

A path that leaves the folder, by dots or by a symbolic link, is not found. Sources: RFC 9111 section 5.2, RFC 8246
(immutable), W3C Content Security Policy 3.
"""

import asyncio
import mimetypes
import re
from hashlib import sha256
from pathlib import Path
from typing import Final

from velvetrope import __version__
from velvetrope.edge.requests import ControlRequest, WireAnswer

__all__ = ["LandingPage", "StaticFiles"]

_HASHED_NAME: Final = re.compile(r"[-.][A-Za-z0-9_-]{8,}\.[a-z0-9]+(\.map)?$")
_FOREVER: Final = (b"cache-control", b"public, max-age=31536000, immutable")
_ASK_AGAIN: Final = (b"cache-control", b"no-cache")
_SECURITY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_CONTENT_SECURITY_POLICY: Final = (
    b"content-security-policy",
    # Connections may go to any https host and to this machine: an app's API and user pool may be elsewhere.
    (
        b"default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        b"font-src 'self' data:; connect-src 'self' https: http://localhost:* http://*.localhost:* http://127.0.0.1:*; "
        b"object-src 'none'; base-uri 'self'; form-action 'self' https:; frame-ancestors 'none'"
    ),
)
_TYPES: Final = {
    # Not left to the machine's own tables, which differ.
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
}


class StaticFiles:
    """The files below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    async def answer(self, request: ControlRequest) -> WireAnswer:
        """The file at `request.head.path`, `index.html`, or 404."""
        if request.head.method not in {"GET", "HEAD"}:
            return _text(405, "Method Not Allowed", (b"allow", b"GET, HEAD"))
        found = await asyncio.to_thread(self._read, request.head.path)
        if found is None:
            return _text(404, "Not Found")
        path, content = found
        etag = f'"{sha256(content).hexdigest()[:32]}"'.encode()
        headers = [
            (b"content-type", _content_type(path).encode()),
            (b"etag", etag),
            _FOREVER if _HASHED_NAME.search(path.name) else _ASK_AGAIN,
            *_SECURITY,
        ]
        if path.suffix == ".html":
            headers.append(_CONTENT_SECURITY_POLICY)
        if (request.header(b"if-none-match") or "").encode("latin-1") == etag:
            return WireAnswer(304, b"", headers)
        return WireAnswer(200, content, headers)

    def _read(self, path: str) -> tuple[Path, bytes] | None:
        wanted = self._inside(path)
        if wanted is not None and wanted.is_file():
            return wanted, wanted.read_bytes()
        if "." in path.rpartition("/")[2] or path.startswith("/assets/"):
            return None
        index = self._folder / "index.html"
        return (index, index.read_bytes()) if index.is_file() else None

    def _inside(self, path: str) -> Path | None:
        """The file that `path` names if it lies inside the folder, links followed."""
        if "\0" in path or "\\" in path:
            return None
        try:
            wanted = (self._folder / path.lstrip("/")).resolve()
        except (OSError, ValueError):
            return None
        return wanted if wanted.is_relative_to(self._folder) else None


class LandingPage:
    """What stands at `/` when no app is served: a line that says what this is."""

    async def answer(self, request: ControlRequest) -> WireAnswer:
        """The line at `/`, and 404 elsewhere."""
        if request.head.path != "/" or request.head.method not in {"GET", "HEAD"}:
            return _text(404, "Not Found")
        return _text(
            200,
            f"This is velvetrope {__version__}: user pools, identity pools, roles, API gateway and functions, spoken "
            "to with AWS's own clients.\nPoint AWS_ENDPOINT_URL here; `velvetrope env` prints the rest.\n",
        )


def _content_type(path: Path) -> str:
    known = _TYPES.get(path.suffix.lower())
    return known or mimetypes.guess_type(path.name)[0] or "application/octet-stream"


def _text(status: int, text: str, *headers: tuple[bytes, bytes]) -> WireAnswer:
    return WireAnswer(
        status, text.encode(), [(b"content-type", b"text/plain; charset=utf-8"), _ASK_AGAIN, *_SECURITY, *headers]
    )
