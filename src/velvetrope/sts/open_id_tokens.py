"""ID tokens of other people's OpenID Connect providers: whose they are, and what they prove.

    providers = OpenIdProviders(IamProviderStore(database), IssuerKeys(HttpDocuments()))
    await providers.verify_web_identity(token, account_id="123456789012", now=now)      # AssumeRoleWithWebIdentity
    await providers.verify_provider_token(token, provider_arn=arn, now=now)             # a login of an identity pool
    await providers.verify_issuer_token(token, issuer=url, audiences=[client], now=now) # Google, Apple

The order is: form, issuer, audience, signature, time. Before the signature everything is hearsay, enough to refuse and
never to accept; and nothing is fetched from an issuer on the word of a token that is not for a client of ours.

The audience is `azp` where the token has one, else whichever of `aud` is a client id that was registered; a provider
without client ids vouches for nobody. The algorithm must be one that the key is good for. A token is dead at `exp`;
AWS's documentation speaks of five minutes' grace, which we give to clocks that run ahead (`nbf`, `iat`) and not to
tokens that ended. Types of JWT that are no ID tokens (`typ` of access or logout tokens) are refused.

Sources: OpenID Connect Core 1.0 sections 2, 3.1.3.7, 10.1; RFC 7519; RFC 9068 section 2.1; IAM User Guide, "Create an
OpenID Connect (OIDC) identity provider in IAM", "Pass session tags in AWS STS", "Monitor and control actions taken with
assumed roles".
"""

import base64
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, Protocol

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

__all__ = ["OpenIdIdentity", "OpenIdProviderRecord", "OpenIdProviderStore", "OpenIdProviders", "VerifiedIdToken"]

_GOOGLE: Final = "https://accounts.google.com"
_GOOGLE_ISSUERS: Final = frozenset({_GOOGLE, "accounts.google.com"})
"""Google's tokens name either. Source: Google Identity, "OpenID Connect", validating an ID token."""

_CLOCK_SKEW: Final = timedelta(minutes=5)
_LATEST_EPOCH_SECONDS: Final = 253_402_300_799  # the end of the year 9999
_TOKEN_TYPES: Final = frozenset({"JWT", "JWS"})
_MAX_SUBJECT_CHARACTERS: Final = 255
_TAGS_CLAIM: Final = "https://aws.amazon.com/tags"
_SOURCE_IDENTITY_CLAIM: Final = "https://aws.amazon.com/source_identity"
_SOURCE_IDENTITY: Final = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_MAX_TAGS, _MAX_TAG_KEY, _MAX_TAG_VALUE = 50, 128, 256


class OpenIdProviderRecord(Protocol):
    """As much of a provider as verifying needs. `url` has its scheme."""

    @property
    def arn(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def client_ids(self) -> tuple[str, ...]: ...


class OpenIdProviderStore(Protocol):
    """Where IAM keeps providers."""

    async def load_open_id_provider(self, arn: str) -> OpenIdProviderRecord | None:
        """The provider of this ARN, or None."""
        ...


@dataclass(frozen=True, slots=True)
class VerifiedIdToken:
    """An ID token that was proven. `audience` is the registered client that it was issued to."""

    issuer: str
    subject: str
    audience: str
    claims: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OpenIdIdentity:
    """Who a verified ID token stands for in AssumeRoleWithWebIdentity; `provider` is the provider's ARN."""

    provider: str
    subject: str
    audience: str
    claims: Mapping[str, tuple[str, ...]]
    tags: Mapping[str, str]
    transitive_tag_keys: tuple[str, ...]
    source_identity: str | None


class OpenIdProviders:
    """Verifies ID tokens of the OpenID Connect providers that accounts have registered with IAM, and of others."""

    def __init__(self, providers: OpenIdProviderStore, keys: IssuerKeys) -> None:
        self._providers = providers
        self._keys = keys

    async def has_provider(self, provider_arn: str) -> bool:
        """Whether IAM has this provider."""
        return await self._providers.load_open_id_provider(provider_arn) is not None

    async def verify_web_identity(self, token: str, *, account_id: str, now: datetime) -> OpenIdIdentity:
        """The identity that the token of one of this account's providers proves.

        Raises:
            IssuerMismatch: the account has no provider for the token's issuer.
            velvetrope.tokens.InvalidToken: any other of its kinds.
        """
        issuer = claimed_issuer(token)
        name = "accounts.google.com" if issuer in _GOOGLE_ISSUERS else issuer.partition("://")[2]
        arn = f"arn:aws:iam::{account_id}:oidc-provider/{name}"
        provider = await self._providers.load_open_id_provider(arn) if name else None
        if provider is None:
            raise IssuerMismatch("No provider of the account has this issuer")
        found = await self.verify_issuer_token(token, issuer=provider.url, audiences=provider.client_ids, now=now)
        tags, transitive = _tags_of(found.claims)
        return OpenIdIdentity(
            provider=arn,
            subject=found.subject,
            audience=found.audience,
            claims=_condition_keys(name, found),
            tags=tags,
            transitive_tag_keys=transitive,
            source_identity=_source_identity_of(found.claims),
        )

    async def verify_provider_token(self, token: str, *, provider_arn: str, now: datetime) -> VerifiedIdToken:
        """The claims of an ID token that this provider issued to one of its client ids.

        Raises:
            IssuerMismatch: another issuer's token, or the provider is gone.
            velvetrope.tokens.InvalidToken: any other of its kinds.
        """
        provider = await self._providers.load_open_id_provider(provider_arn)
        if provider is None:
            raise IssuerMismatch("The provider is gone")
        return await self.verify_issuer_token(token, issuer=provider.url, audiences=provider.client_ids, now=now)

    async def verify_issuer_token(
        self, token: str, *, issuer: str, audiences: Collection[str], now: datetime
    ) -> VerifiedIdToken:
        """The claims of an ID token that `issuer` issued to one of `audiences`.

        Raises:
            NotAToken, IssuerMismatch, WrongTokenUse, AudienceMismatch, TokenSignatureMismatch, TokenExpired.
        """
        claimed = claimed_issuer(token)
        header, claims = (_parse_part(part) for part in token.split(".")[:2])
        if claimed != issuer and not (issuer == _GOOGLE and claimed in _GOOGLE_ISSUERS):
            raise IssuerMismatch("The token is another issuer's")
        kid, algorithm = _check_header(header)
        expires_at = _check_claims(claims)
        audience = _audience_of(claims, audiences)
        key = await self._keys.find(issuer, kid=kid, algorithm=algorithm, now=now)
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


def _condition_keys(name: str, token: VerifiedIdToken) -> dict[str, tuple[str, ...]]:
    """What trust policies and the session's own policies may ask for: `NAME:aud`, `NAME:sub`, `NAME:amr`."""
    keys: dict[str, tuple[str, ...]] = {f"{name}:aud": (token.audience,), f"{name}:sub": (token.subject,)}
    methods = _texts(token.claims.get("amr"))
    if methods:
        keys[f"{name}:amr"] = methods
    if name == "accounts.google.com":
        keys[f"{name}:oaud"] = _texts(token.claims.get("aud"))
    return keys


def _texts(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(text for text in values if isinstance(text, str))


def _tags_of(claims: Mapping[str, Any]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The session tags that the provider states, and which of them are transitive.

    Raises:
        NotAToken: the claim has another shape than the documented one.
    """
    claim = claims.get(_TAGS_CLAIM, {})
    given = claim.get("principal_tags", {}) if isinstance(claim, dict) else None
    transitive = claim.get("transitive_tag_keys", []) if isinstance(claim, dict) else None
    if not isinstance(given, dict) or not isinstance(transitive, list) or len(given) > _MAX_TAGS:
        raise NotAToken("The token's session tags are not understood")
    tags: dict[str, str] = {}
    for key, values in given.items():
        value = values[0] if isinstance(values, list) and len(values) == 1 else values
        if not isinstance(value, str) or not 1 <= len(key) <= _MAX_TAG_KEY or len(value) > _MAX_TAG_VALUE:
            raise NotAToken("The token's session tags are not understood")
        if key.lower().startswith("aws:"):
            raise NotAToken("The token's session tags have a key of AWS's own")
        tags[key] = value
    if not all(isinstance(key, str) for key in transitive):
        raise NotAToken("The token's session tags are not understood")
    return tags, tuple(transitive)


def _source_identity_of(claims: Mapping[str, Any]) -> str | None:
    value = claims.get(_SOURCE_IDENTITY_CLAIM)
    if value is not None and not (isinstance(value, str) and _SOURCE_IDENTITY.fullmatch(value)):
        raise NotAToken("The token's source identity is not understood")
    return value
