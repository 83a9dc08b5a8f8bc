"""CORS of an HTTP API, answered by the API itself.

A preflight (OPTIONS with `Origin` and `Access-Control-Request-Method`) that no route takes is answered with 204. Every
other answer to an allowed origin gets the API's headers, in the place of any that the integration gave. An origin that
is not allowed gets none, and its browser refuses; the request itself is not refused, as on AWS.

`*` allows all origins, `https://*` all of a scheme; a `*` elsewhere in an origin stands for any text without a slash.

A preflight that a route does take (ANY, `$default`) is a request like any other and must pass its authorizer: AWS's
pages tell authors to add an OPTIONS route for this. Whether AWS adds the headers to its own refusals is UNVERIFIED; we
do, so that a browser's page sees the status.

Source: API Gateway Developer Guide, "Configure CORS for HTTP APIs in API Gateway"; Fetch standard, "CORS protocol".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from velvetrope.store.tables.apigatewayv2 import Cors

__all__ = ["CompiledCors", "compile_cors", "is_preflight"]

Headers = list[tuple[bytes, bytes]]
_PREFIX = b"access-control-"


def is_preflight(method: str, headers: Mapping[bytes, bytes]) -> bool:
    """Whether a browser asks what it may do (Fetch standard, "CORS-preflight request")."""
    return method == "OPTIONS" and b"origin" in headers and b"access-control-request-method" in headers


@dataclass(frozen=True)
class CompiledCors:
    """The rules of one API, with their headers written out."""

    any_origin: bool
    origins: re.Pattern[str] | None
    for_preflights: tuple[tuple[bytes, bytes], ...]
    for_answers: tuple[tuple[bytes, bytes], ...]

    def preflight_headers(self, origin: bytes) -> Headers:
        """What a preflight from `origin` is told; nothing if it is not allowed."""
        allowed = self._allowed(origin)
        return [*allowed, *self.for_preflights] if allowed else []

    def with_headers(self, headers: Sequence[tuple[bytes, bytes]], origin: bytes | None) -> Headers:
        """An answer's headers, with CORS as the API says and not as the integration does."""
        kept = [(name, value) for name, value in headers if not name.lower().startswith(_PREFIX)]
        allowed = self._allowed(origin) if origin is not None else []
        return [*kept, *allowed, *self.for_answers] if allowed else kept

    def _allowed(self, origin: bytes) -> Headers:
        if self.any_origin:
            return [(b"Access-Control-Allow-Origin", b"*")]
        if self.origins is None or self.origins.fullmatch(origin.decode("latin-1")) is None:
            return []
        return [(b"Access-Control-Allow-Origin", origin), (b"Vary", b"Origin")]


def compile_cors(cors: Cors | None) -> CompiledCors | None:
    """The rules in `cors`; None where there are none."""
    if cors is None:
        return None
    origins = cors.allow_origins or ()
    patterns = [re.escape(origin).replace(r"\*", "[^/]*") for origin in origins if origin != "*"]
    credentials = ((b"Access-Control-Allow-Credentials", b"true"),) if cors.allow_credentials else ()
    exposed = (_listed(b"Access-Control-Expose-Headers", cors.expose_headers),) if cors.expose_headers else ()
    preflights = [*credentials]
    if cors.allow_methods:
        preflights.append(_listed(b"Access-Control-Allow-Methods", cors.allow_methods))
    if cors.allow_headers:
        preflights.append(_listed(b"Access-Control-Allow-Headers", [name.lower() for name in cors.allow_headers]))
    if cors.max_age is not None:
        preflights.append((b"Access-Control-Max-Age", b"%d" % cors.max_age))
    return CompiledCors(
        any_origin="*" in origins,
        origins=re.compile("|".join(patterns)) if patterns else None,
        for_preflights=tuple(preflights),
        for_answers=(*credentials, *exposed),
    )


def _listed(name: bytes, values: Sequence[str]) -> tuple[bytes, bytes]:
    return name, ",".join(values).encode("latin-1", "replace")
