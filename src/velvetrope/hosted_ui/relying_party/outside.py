"""What the relying party needs of the world outside. `server` hands it over."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol

__all__ = ["IdTokenVerifier", "Outside", "ProviderHttp", "ProviderMetadata", "VerifiedIdToken"]


class ProviderHttp(Protocol):
    """Asks providers: `sts.HttpDocuments`, with its deadline, its limit and its rule of https."""

    async def ask(
        self, url: str, *, headers: Mapping[str, str] = MappingProxyType({}), form: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Status and body of the answer to a GET, or to a POST of `form`. Redirects are not followed.

        Raises:
            velvetrope.errors.ReasonError: too large, too slow, unreachable, or a URL that is not asked.
        """
        ...


class ProviderMetadata(Protocol):
    """Discovers providers: `sts.IssuerKeys`."""

    async def metadata(self, issuer: str, *, now: datetime) -> Mapping[str, Any]:
        """What the issuer says of itself; its `issuer` is the one that was asked for.

        Raises:
            velvetrope.errors.ReasonError: it cannot be asked, or answers nothing useful.
        """
        ...


class VerifiedIdToken(Protocol):
    """An ID token whose issuer, audience, signature and time have been proven."""

    @property
    def subject(self) -> str: ...

    @property
    def claims(self) -> Mapping[str, Any]: ...


class IdTokenVerifier(Protocol):
    """Verifies ID tokens: `sts.IssuerTokens`."""

    async def verify(
        self, token: str, *, issuer: str, audiences: Collection[str], now: datetime, jwks_uri: str | None = None
    ) -> VerifiedIdToken:
        """The claims of an ID token that `issuer` issued to one of `audiences`.

        Raises:
            velvetrope.errors.ReasonError: it does not stand, or the issuer's keys cannot be had.
        """
        ...


@dataclass(frozen=True, slots=True)
class Outside:
    """All of it."""

    http: ProviderHttp
    metadata: ProviderMetadata
    id_tokens: IdTokenVerifier
