"""ID tokens of other people's OpenID Connect providers: whose they are, and what they prove.

    providers = OpenIdProviders(IamProviderStore(database), IssuerKeys(HttpDocuments()))
    await providers.verify_web_identity(token, account_id="123456789012", now=now)      # AssumeRoleWithWebIdentity
    await providers.verify_provider_token(token, provider_arn=arn, now=now)             # a login of an identity pool
    await providers.verify_issuer_token(token, issuer=url, audiences=[client], now=now) # Google, Apple

Whether a text is an ID token of an issuer is said by `issuer_tokens`; here is which issuers IAM knows, and what else
AWS reads out of their tokens. A provider without client ids vouches for nobody.

Sources: IAM User Guide, "Create an OpenID Connect (OIDC) identity provider in IAM", "Pass session tags in AWS STS",
"Monitor and control actions taken with assumed roles".
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from velvetrope.sts.issuer_tokens import GOOGLE_ISSUERS, IssuerTokens, VerifiedIdToken
from velvetrope.sts.open_id_keys import IssuerKeys
from velvetrope.tags import is_reserved
from velvetrope.tokens import IssuerMismatch, NotAToken, claimed_issuer

__all__ = ["OpenIdIdentity", "OpenIdProviderRecord", "OpenIdProviderStore", "OpenIdProviders"]

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
        self._tokens = IssuerTokens(keys)

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
        name = "accounts.google.com" if issuer in GOOGLE_ISSUERS else issuer.partition("://")[2]
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
        return await self._tokens.verify(token, issuer=issuer, audiences=audiences, now=now)


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
        if is_reserved(key):
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
