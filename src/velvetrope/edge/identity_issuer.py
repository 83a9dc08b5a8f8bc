"""The pages of `https://cognito-identity.amazonaws.com`, where strangers learn which keys sign identity pools' tokens.

    /.well-known/openid-configuration   by host, for clients that have mapped AWS's name here
    /.well-known/jwks_uri
    /cognito-identity.amazonaws.com/.well-known/openid-configuration   by path, whatever the host
    /cognito-identity.amazonaws.com/.well-known/jwks_uri

Tokens of GetOpenIdToken name AWS's address as their issuer, so the document does too; only where the keys are is said
by the address that was asked. Anybody may read both, from any origin.

Source: OpenID Connect Discovery 1.0 sections 3 and 4; paths as seen on AWS (`jwks_uri` is the page's name there).
"""

import re
from collections.abc import Mapping
from typing import Final, Protocol

import msgspec

from velvetrope.edge.cors import ALLOW_ANY_ORIGIN
from velvetrope.edge.hosted.addresses import parse_host
from velvetrope.edge.requests import ControlRequest, WireAnswer

__all__ = ["IdentityIssuerPages", "IssuerDocuments"]

_NAME: Final = "cognito-identity.amazonaws.com"
_HOST: Final = re.compile(r"cognito-identity(?:\.[a-z0-9-]+)?\.amazonaws\.com")
_PREFIX: Final = f"/{_NAME}"
_PAGES: Final = frozenset({"/.well-known/openid-configuration", "/.well-known/jwks_uri"})
_JSON: Final = (b"content-type", b"application/json")


class IssuerDocuments(Protocol):
    """What identity pools publish about their tokens."""

    def discovery(self, *, address: str = ...) -> Mapping[str, object]: ...

    async def jwks(self) -> Mapping[str, object]: ...


class IdentityIssuerPages:
    """Discovery and keys of identity pools' tokens."""

    def __init__(self, documents: IssuerDocuments) -> None:
        self._documents = documents

    def owns(self, host: str, path: str) -> bool:
        """Whether the request is for one of these pages. `host` is the header, with its port."""
        name = (parse_host(host) or ("", ""))[0].lower()
        return path.removeprefix(_PREFIX) in _PAGES and (path.startswith(_PREFIX) or _HOST.fullmatch(name) is not None)

    async def answer(self, request: ControlRequest) -> WireAnswer:
        """The page at `request.head.path`."""
        if request.head.method not in {"GET", "HEAD"}:
            return _answer(405, {"message": "Method Not Allowed"}, (b"allow", b"GET, HEAD"))
        if request.head.path.endswith("/jwks_uri"):
            return _answer(200, await self._documents.jwks())
        host = request.header(b"host") or ""
        if not request.head.path.startswith(_PREFIX) or parse_host(host) is None:
            return _answer(200, self._documents.discovery())
        return _answer(200, self._documents.discovery(address=f"{request.scheme}://{host}{_PREFIX}"))


def _answer(status: int, document: Mapping[str, object], *headers: tuple[bytes, bytes]) -> WireAnswer:
    return WireAnswer(status, msgspec.json.encode(document), [_JSON, ALLOW_ANY_ORIGIN, *headers])
