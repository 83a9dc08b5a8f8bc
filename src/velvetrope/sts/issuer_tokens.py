"""ID tokens of strangers: is this text an ID token that an issuer made for one of these clients?

    found = await IssuerTokens(keys).verify(token, issuer=url, audiences=client_ids, now=now)

The order is: form, issuer, audience, signature, time; how form, signature and time are checked is `tokens`'. Before the
signature everything is hearsay, enough to refuse and never to accept; and nothing is fetched from an issuer on the word
of a token that is not for a client of ours.

The audience is `azp` where the token has one, else whichever of `aud` is one of the clients. The algorithm must be one
that the key is good for. A token is dead at `exp`; AWS's documentation speaks of five minutes' grace, which we give to
clocks that run ahead (`nbf`, `iat`) and not to tokens that ended. Types of JWT that are no ID tokens (`typ` of access
or logout tokens) are refused. What else somebody asks of a token (a nonce, session tags) is theirs to check.

Sources: OpenID Connect Core 1.0 sections 2, 3.1.3.7, 10.1; RFC 7519; RFC 9068 section 2.1; IAM User Guide, "Create an
OpenID Connect (OIDC) identity provider in IAM" (algorithms, audience).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from velvetrope.sts.open_id_keys import IssuerKeys
from velvetrope.tokens import (
    AudienceMismatch,
    IssuerMismatch,
    NotAToken,
    WrongTokenUse,
    check_signature,
    check_times,
    named_key,
    read_token,
)

__all__ = ["GOOGLE_ISSUERS", "IssuerTokens", "VerifiedIdToken"]

_GOOGLE: Final = "https://accounts.google.com"
GOOGLE_ISSUERS: Final = frozenset({_GOOGLE, "accounts.google.com"})
"""Google's tokens name either. Source: Google Identity, "OpenID Connect", validating an ID token."""
_CLOCK_SKEW: Final = timedelta(minutes=5)
_TOKEN_TYPES: Final = frozenset({"JWT", "JWS"})
_MAX_SUBJECT_CHARACTERS: Final = 255


@dataclass(frozen=True, slots=True)
class VerifiedIdToken:
    """An ID token that was proven. `audience` is the registered client that it was issued to."""

    issuer: str
    subject: str
    audience: str
    claims: Mapping[str, Any]


class IssuerTokens:
    """Verifies ID tokens with the keys that their issuers publish."""

    def __init__(self, keys: IssuerKeys) -> None:
        self._keys = keys

    async def verify(
        self, token: str, *, issuer: str, audiences: Collection[str], now: datetime, jwks_uri: str | None = None
    ) -> VerifiedIdToken:
        """The claims of an ID token that `issuer` issued to one of `audiences`.

        Its keys are where discovery says, or at `jwks_uri` where that is given.

        Raises:
            NotAToken, IssuerMismatch, WrongTokenUse, AudienceMismatch, TokenSignatureMismatch, TokenExpired.
        """
        header, claims = read_token(token)
        claimed = claims.get("iss")
        if not isinstance(claimed, str):
            raise NotAToken("The token has no iss")
        if claimed != issuer and not (issuer == _GOOGLE and claimed in GOOGLE_ISSUERS):
            raise IssuerMismatch("The token is another issuer's")
        kid, algorithm = named_key(header)
        _check_type(header)
        subject = _subject_of(claims)
        audience = _audience_of(claims, audiences)
        key = await self._keys.find(issuer, kid=kid, algorithm=algorithm, now=now, jwks_uri=jwks_uri)
        check_signature(token, key.key, algorithm)
        check_times(claims, now, tolerance=_CLOCK_SKEW)
        return VerifiedIdToken(issuer, subject, audience, MappingProxyType(claims))


def _check_type(header: Mapping[str, Any]) -> None:
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.upper() not in _TOKEN_TYPES:
        raise WrongTokenUse("The token is not an ID token")


def _subject_of(claims: Mapping[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= _MAX_SUBJECT_CHARACTERS:
        raise NotAToken("The token has no sub")
    return subject


def _audience_of(claims: Mapping[str, Any], audiences: Collection[str]) -> str:
    named = claims.get("azp", claims.get("aud"))
    for audience in named if isinstance(named, list) else [named]:
        if isinstance(audience, str) and audience in audiences:
            return audience
    raise AudienceMismatch("The token was issued to another client")
