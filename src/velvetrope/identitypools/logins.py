"""The Logins map of a call: which provider each key names, and what each token proves.

A key names
- a user pool, as `cognito-idp.REGION.amazonaws.com/POOLID`. Where a public URL is set, tokens are issued under it and
  clients such as Amplify make the key from the token's `iss`; so `PUBLIC-HOST/POOLID` is another name of the same
  provider. Inside, and in everything that others see, it has AWS's name;
- an OpenID Connect provider of IAM that the pool lists, by its URL without `https://`;
- a SAML provider of IAM that the pool lists, by its ARN; the token is the response in base64, as it was posted;
- a public provider whose ID tokens can be verified, `accounts.google.com` or `appleid.apple.com`, if the pool has a
  client id for it.

All tokens of a map must be good; the first that is not refuses the call. No token gets grace past `exp`: that is what
AWS does with user pool tokens, and the safer reading for the others (its documentation speaks of five minutes).
Facebook, Amazon and Twitter hand out access tokens, which prove nothing about whom they were made for unless the
provider is asked; they are not supported. Their keys are refused as not being valid public providers, which
is what AWS says of keys it does not know, and so is the developer provider's name: it is for signed calls only.

Source: Cognito Developer Guide, "External identity providers", "Identity pools authentication flow"; texts from the
project's reference on identity pools, section 5.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from velvetrope.errors import ReasonError
from velvetrope.identitypools.errors import NotAuthorizedException, bad_provider
from velvetrope.identitypools.providers import OpenIdProviders, SamlProviders, UserPoolTokens
from velvetrope.store.tables.identitypools import IdentityPool
from velvetrope.tokens import (
    AudienceMismatch,
    InvalidToken,
    IssuerMismatch,
    NotAToken,
    TokenExpired,
    TokenRevoked,
    VerifiedToken,
    WrongTokenUse,
)

__all__ = [
    "COGNITO_PROVIDER",
    "PUBLIC_ISSUERS",
    "SAML_NAME_IDENTIFIER",
    "USER_POOL_PROVIDER",
    "LoginProvider",
    "LoginVerifier",
    "VerifiedLogin",
    "bad_login",
    "open_id_login_key",
]

COGNITO_PROVIDER: Final = "cognito-identity.amazonaws.com"
"""The name under which identity pools themselves are a provider."""

PUBLIC_ISSUERS: Final = {
    "accounts.google.com": "https://accounts.google.com",
    "appleid.apple.com": "https://appleid.apple.com",
}
"""Public providers that issue ID tokens, and their issuers."""

SAML_NAME_IDENTIFIER: Final = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier"
"""The claim that stands for a SAML subject's name. It is always the NameID's: no attribute can pose as it."""

USER_POOL_PROVIDER: Final = re.compile(r"cognito-idp\.([a-z0-9-]+)\.amazonaws\.com/(\1_[0-9A-Za-z]+)")
LoginKind = Literal["user pool", "open id", "saml", "public"]

_USER_POOL_ID: Final = re.compile(r"([a-z0-9-]+)_[0-9A-Za-z]+")


def open_id_login_key(provider_arn: str) -> str:
    """The key of Logins for an OpenID Connect provider of IAM; empty if the ARN is not one's."""
    return provider_arn.partition(":oidc-provider/")[2]


@dataclass(frozen=True, slots=True)
class LoginProvider:
    """Who vouches for a login. `name` is AWS's name of it; `arn` is that of an IAM provider, else empty."""

    kind: LoginKind
    name: str
    arn: str = ""


@dataclass(frozen=True, slots=True)
class VerifiedLogin:
    """A login that was proven. `provider` has AWS's name; `claims` are the token's."""

    provider: str
    subject: str
    audience: str
    claims: Mapping[str, Any]
    kind: LoginKind = "user pool"
    provider_arn: str = ""

    @property
    def amr(self) -> tuple[str, str]:
        """What this login adds to `cognito-identity.amazonaws.com:amr`. Of SAML and public providers UNVERIFIED."""
        if self.kind == "user pool":
            return self.provider, f"{self.provider}:CognitoSignIn:{self.subject}"
        if self.kind == "open id":
            return self.provider, f"{self.provider_arn}:OIDC:{self.subject}"
        if self.kind == "saml":
            return self.provider, f"{self.provider_arn}:SAML:{self.subject}"
        return self.provider, f"{self.provider}:{self.audience}:{self.subject}"

    @property
    def role_mapping_key(self) -> str:
        """Under which a pool keeps this login's role mapping."""
        if self.kind == "user pool":
            return f"{self.provider}:{self.audience}"
        return self.provider_arn or self.provider

    @property
    def tag_map_key(self) -> str:
        """Under which a pool keeps this login's map of principal tags."""
        return self.provider_arn or self.provider


class LoginVerifier:
    """Reads and verifies Logins maps."""

    def __init__(
        self,
        user_pool_tokens: UserPoolTokens,
        *,
        open_id_providers: OpenIdProviders | None = None,
        saml_providers: SamlProviders | None = None,
        public_url: str | None = None,
    ) -> None:
        self._user_pool_tokens = user_pool_tokens
        self._open_id_providers = open_id_providers
        self._saml_providers = saml_providers
        self._public_name = None if public_url is None else public_url.partition("://")[2].rstrip("/")

    def provider_of(self, pool: IdentityPool, key: str) -> LoginProvider:
        """The provider that a key of Logins names. That the pool takes its tokens is proven with the token.

        Raises:
            NotAuthorizedException: the key of pool tokens, which prove an identity and not a login.
            InvalidParameterException: a provider that we do not support, or none.
        """
        if USER_POOL_PROVIDER.fullmatch(key):
            return LoginProvider("user pool", key)
        name, slash, pool_id = key.rpartition("/")
        if slash and name == self._public_name and (match := _USER_POOL_ID.fullmatch(pool_id)):
            return LoginProvider("user pool", f"cognito-idp.{match.group(1)}.amazonaws.com/{pool_id}")
        if key == COGNITO_PROVIDER:
            raise NotAuthorizedException("Invalid login token. Can't pass in a Cognito token.")
        if key in pool.supported_login_providers:
            return LoginProvider("public", key)
        if key in pool.saml_provider_arns:
            return LoginProvider("saml", key, key)
        for arn in pool.open_id_connect_provider_arns:
            if key and open_id_login_key(arn) == key:
                return LoginProvider("open id", key, arn)
        raise bad_provider(detail=f"{key} names no user pool and no login provider of this pool that is supported")

    async def verify_logins(
        self, pool: IdentityPool, logins: Mapping[str, str], *, now: datetime
    ) -> tuple[VerifiedLogin, ...]:
        """What the tokens prove, in the order of the map.

        Raises:
            InvalidParameterException: a key names no provider, or two name the same.
            NotAuthorizedException: a token is not good for this pool.
        """
        tokens: dict[LoginProvider, str] = {}
        for key, token in logins.items():
            provider = self.provider_of(pool, key)
            if provider in tokens:
                raise bad_provider(detail=f"{provider.name} is named twice")
            tokens[provider] = token
        verified = [await self._verify(pool, provider, token, now) for provider, token in tokens.items()]
        return tuple(verified)

    async def _verify(self, pool: IdentityPool, provider: LoginProvider, token: str, now: datetime) -> VerifiedLogin:
        if provider.kind == "user pool":
            return await self._verify_user_pool_token(pool, provider.name, token, now)
        if provider.kind == "saml":
            return await self._verify_assertion(provider, token, now)
        if self._open_id_providers is None:
            raise bad_provider(detail="this server verifies tokens of user pools only")
        try:
            if provider.kind == "open id":
                found = await self._open_id_providers.verify_provider_token(token, provider_arn=provider.arn, now=now)
            else:
                found = await self._open_id_providers.verify_issuer_token(
                    token,
                    issuer=PUBLIC_ISSUERS[provider.name],
                    audiences=(pool.supported_login_providers[provider.name],),
                    now=now,
                )
        except InvalidToken as error:
            raise bad_login(error) from error
        return VerifiedLogin(
            provider.name, found.subject, found.audience, found.claims, kind=provider.kind, provider_arn=provider.arn
        )

    async def _verify_assertion(self, provider: LoginProvider, text: str, now: datetime) -> VerifiedLogin:
        if self._saml_providers is None:
            raise bad_provider(detail="this server verifies no SAML assertions")
        try:
            found = await self._saml_providers.verify_provider_assertion(text, provider_arn=provider.arn, now=now)
        except ReasonError as error:
            # UNVERIFIED: AWS's sentence for a SAML response is not known; this is its general one and the finding's.
            raise NotAuthorizedException(
                f"Invalid login token. {error.message}", detail=error.detail or error.message
            ) from error
        # An attribute of one value is a claim with a text, as rules and tags compare it.
        claims: dict[str, Any] = {
            name: values[0] if len(values) == 1 else list(values) for name, values in found.claims.items()
        }
        claims[SAML_NAME_IDENTIFIER] = found.subject
        return VerifiedLogin(
            provider.name, found.subject, found.audience, claims, kind="saml", provider_arn=provider.arn
        )

    async def _verify_user_pool_token(
        self, pool: IdentityPool, provider: str, token: str, now: datetime
    ) -> VerifiedLogin:
        clients = [client for client in pool.cognito_identity_providers if client.provider_name == provider]
        checked = {client.client_id for client in clients if client.server_side_token_check}
        unchecked = {client.client_id for client in clients} - checked
        try:
            found = await self._verify_for(provider, token, now, checked=checked, unchecked=unchecked)
        except InvalidToken as error:
            raise bad_login(error, known=bool(clients)) from error
        return VerifiedLogin(provider, found.sub, _audience(found), found.claims)

    async def _verify_for(
        self, provider: str, token: str, now: datetime, *, checked: set[str], unchecked: set[str]
    ) -> VerifiedToken:
        pool_id = provider.partition("/")[2]
        if checked:
            try:
                return await self._user_pool_tokens.verify_id_token(
                    token, user_pool_id=pool_id, audiences=checked, now=now, check_user=True
                )
            except AudienceMismatch:
                # Not a client whose users are looked at; perhaps one whose users are not.
                if not unchecked:
                    raise
        return await self._user_pool_tokens.verify_id_token(
            token, user_pool_id=pool_id, audiences=unchecked, now=now, check_user=False
        )


def _audience(token: VerifiedToken) -> str:
    return str(token.claims["aud"])


def bad_login(error: InvalidToken, *, known: bool = True) -> NotAuthorizedException:
    """AWS's sentence for what is wrong with a login's token; `known` if its provider is one of the pool's."""
    detail = error.message
    if isinstance(error, NotAToken | WrongTokenUse):
        message = "Invalid login token. Not a valid OpenId Connect identity token."
    elif isinstance(error, IssuerMismatch):
        message = "Invalid login token. Issuer doesn't match providerName"
    elif isinstance(error, AudienceMismatch) or not known:
        message = "Token is not from a supported provider of this identity pool."
    elif isinstance(error, TokenExpired):
        now, expired_at = int(error.now.timestamp()), int(error.expired_at.timestamp())
        message = f"Invalid login token. Token expired: {now} >= {expired_at}"
    elif isinstance(error, TokenRevoked):
        message = "Token is inactive"
    else:
        message = "Invalid login token. Couldn't verify signed token."
    return NotAuthorizedException(message, detail=detail)
