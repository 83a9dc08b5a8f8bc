"""ID tokens of strangers: is this text an ID token that an issuer made for one of these clients?

    found = await IssuerTokens(keys).verify(token, issuer=url, audiences=client_ids, now=now)

The order is: form, issuer, audience, signature, time. Before the signature everything is hearsay, enough to refuse and
never to accept; and nothing is fetched from an issuer on the word of a token that is not for a client of ours.

The audience is `azp` where the token has one, else whichever of `aud` is one of the clients. The algorithm must be one
that the key is good for. A token is dead at `exp`; AWS's documentation speaks of five minutes' grace, which we give to
clocks that run ahead (`nbf`, `iat`) and not to tokens that ended. Types of JWT that are no ID tokens (`typ` of access
or logout tokens) are refused. What else somebody asks of a token (a nonce, session tags) is theirs to check.

Sources: OpenID Connect Core 1.0 sections 2, 3.1.3.7, 10.1; RFC 7519; RFC 9068 section 2.1; IAM User Guide, "Create an
OpenID Connect (OIDC) identity provider in IAM" (algorithms, audience).
"""

import base64
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from velvetrope.sts.open_id_keys import IssuerKeys
from velvetrope.tokens import (
    AudienceMismatch,
    IssuerMismatch,
    NotAToken,
    TokenExpired,
    TokenSignatureMismatch,
    WrongTokenUse,
    claimed_issuer,
)

__all__ = ["GOOGLE_ISSUERS", "IssuerTokens", "VerifiedIdToken"]

_GOOGLE: Final = "https://accounts.google.com"
GOOGLE_ISSUERS: Final = frozenset({_GOOGLE, "accounts.google.com"})
"""Google's tokens name either. Source: Google Identity, "OpenID Connect", validating an ID token."""
_CLOCK_SKEW: Final = timedelta(minutes=5)
_LATEST_EPOCH_SECONDS: Final = 253_402_300_799  # the end of the year 9999
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
        claimed = claimed_issuer(token)
        header, claims = (_parse_part(part) for part in token.split(".")[:2])
        if claimed != issuer and not (issuer == _GOOGLE and claimed in GOOGLE_ISSUERS):
            raise IssuerMismatch("The token is another issuer's")
        kid, algorithm = _check_header(header)
        expires_at = _check_claims(claims)
        audience = _audience_of(claims, audiences)
        key = await self._keys.find(issuer, kid=kid, algorithm=algorithm, now=now, jwks_uri=jwks_uri)
        _check_signature(token, key.key, algorithm)
        if now >= expires_at:
            raise TokenExpired(expired_at=expires_at, now=now)
        for name in ("nbf", "iat"):
            if name in claims and _moment(claims, name) > now + _CLOCK_SKEW:
                raise NotAToken(f"The token's {name} is in the future")
        return VerifiedIdToken(issuer, claims["sub"], audience, MappingProxyType(claims))


def _check_header(header: Mapping[str, Any]) -> tuple[str | None, str]:
    """The key's id and the algorithm that the header names."""
    if "crit" in header:
        raise NotAToken("The token demands an extension that is not understood")
    kind, kid, algorithm = header.get("typ", "JWT"), header.get("kid"), header.get("alg")
    if not isinstance(kind, str) or kind.upper() not in _TOKEN_TYPES:
        raise WrongTokenUse("The token is not an ID token")
    if not isinstance(algorithm, str) or not isinstance(kid, str | None):
        raise NotAToken("The token's header lacks a member")
    return kid, algorithm


def _check_claims(claims: Mapping[str, Any]) -> datetime:
    """That the claims are those of an ID token. Returns `exp`."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= _MAX_SUBJECT_CHARACTERS:
        raise NotAToken("The token has no sub")
    return _moment(claims, "exp")


def _moment(claims: Mapping[str, Any], name: str) -> datetime:
    # RFC 7519 section 2: a NumericDate may have a fraction.
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST_EPOCH_SECONDS:
        raise NotAToken(f"The token's {name} is not a time")
    return datetime.fromtimestamp(value, UTC)


def _audience_of(claims: Mapping[str, Any], audiences: Collection[str]) -> str:
    named = claims.get("azp", claims.get("aud"))
    for audience in named if isinstance(named, list) else [named]:
        if isinstance(audience, str) and audience in audiences:
            return audience
    raise AudienceMismatch("The token was issued to another client")


def _check_signature(token: str, key: Any, algorithm: str) -> None:  # noqa: ANN401  joserfc's key
    from joserfc import jws
    from joserfc.errors import JoseError

    try:
        jws.deserialize_compact(token, key, algorithms=[algorithm])
    except (JoseError, ValueError) as error:
        raise TokenSignatureMismatch("The token's signature is not that of its key") from error


def _parse_part(part: str) -> dict[str, Any]:
    # `claimed_issuer` has refused whatever is no base64url of claims; the header is looked at here for the first time.
    try:
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        raise NotAToken("A part of the token is not JSON") from None
    if not isinstance(found, dict):
        raise NotAToken("A part of the token is not a JSON object")
    return found
