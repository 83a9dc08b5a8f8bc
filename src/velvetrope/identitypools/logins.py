"""The Logins map of a call: which provider each key names, and what each token proves.

A key names a user pool as `cognito-idp.REGION.amazonaws.com/POOLID`. Where a public URL is set, tokens are issued under
it and clients such as Amplify make the key from the token's `iss`; so `PUBLIC-HOST/POOLID` is another name of the same
provider. Inside, and in everything that others see, it has AWS's name.

All tokens of a map must be good; the first that is not refuses the call. User pool tokens get no grace past `exp`, as
seen on AWS. Facebook, Google, Amazon, Apple, Twitter, other OpenID Connect providers and SAML are not supported: their
keys are refused as not being valid public providers, which is what AWS says of keys it does not know.

Source: Cognito Developer Guide, "External identity providers", "Identity pools authentication flow"; texts from the
project's reference on identity pools, section 5.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from velvetrope.identitypools.errors import NotAuthorizedException, bad_provider
from velvetrope.identitypools.providers import UserPoolTokens
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

__all__ = ["COGNITO_PROVIDER", "USER_POOL_PROVIDER", "LoginVerifier", "VerifiedLogin"]

COGNITO_PROVIDER: Final = "cognito-identity.amazonaws.com"
"""The name under which identity pools themselves are a provider."""

USER_POOL_PROVIDER: Final = re.compile(r"cognito-idp\.([a-z0-9-]+)\.amazonaws\.com/(\1_[0-9A-Za-z]+)")
_USER_POOL_ID: Final = re.compile(r"([a-z0-9-]+)_[0-9A-Za-z]+")


@dataclass(frozen=True, slots=True)
class VerifiedLogin:
    """A login that was proven. `provider` has AWS's name; `claims` are the token's."""

    provider: str
    subject: str
    audience: str
    claims: Mapping[str, Any]

    @property
    def amr(self) -> tuple[str, str]:
        """What this login adds to `cognito-identity.amazonaws.com:amr`."""
        return self.provider, f"{self.provider}:CognitoSignIn:{self.subject}"


class LoginVerifier:
    """Reads and verifies Logins maps."""

    def __init__(self, user_pool_tokens: UserPoolTokens, *, public_url: str | None = None) -> None:
        self._user_pool_tokens = user_pool_tokens
        self._public_name = None if public_url is None else public_url.partition("://")[2].rstrip("/")

    def provider_of(self, key: str) -> str:
        """The provider that a key of Logins names, by AWS's name.

        Raises:
            NotAuthorizedException: the key of pool tokens, which prove an identity and not a login.
            InvalidParameterException: a provider that we do not support, or none.
        """
        if USER_POOL_PROVIDER.fullmatch(key):
            return key
        name, slash, pool_id = key.rpartition("/")
        if slash and name == self._public_name and (match := _USER_POOL_ID.fullmatch(pool_id)):
            return f"cognito-idp.{match.group(1)}.amazonaws.com/{pool_id}"
        if key == COGNITO_PROVIDER:
            raise NotAuthorizedException("Invalid login token. Can't pass in a Cognito token.")
        raise bad_provider(detail=f"{key} names no user pool; other login providers are not supported")

    async def verify_logins(
        self, pool: IdentityPool, logins: Mapping[str, str], *, now: datetime
    ) -> tuple[VerifiedLogin, ...]:
        """What the tokens prove, in the order of the map.

        Raises:
            InvalidParameterException: a key names no provider, or two name the same.
            NotAuthorizedException: a token is not good for this pool.
        """
        tokens: dict[str, str] = {}
        for key, token in logins.items():
            provider = self.provider_of(key)
            if provider in tokens:
                raise bad_provider(detail=f"{provider} is named twice")
            tokens[provider] = token
        verified = [await self._verify(pool, provider, token, now) for provider, token in tokens.items()]
        return tuple(verified)

    async def _verify(self, pool: IdentityPool, provider: str, token: str, now: datetime) -> VerifiedLogin:
        clients = [client for client in pool.cognito_identity_providers if client.provider_name == provider]
        checked = {client.client_id for client in clients if client.server_side_token_check}
        unchecked = {client.client_id for client in clients} - checked
        try:
            found = await self._verify_for(provider, token, now, checked=checked, unchecked=unchecked)
        except InvalidToken as error:
            raise _refusal(error, known=bool(clients)) from error
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


def _refusal(error: InvalidToken, *, known: bool) -> NotAuthorizedException:
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
