"""What identity pools are handed: the protocols that `server` fills in from other rooms.

Identity pools know neither how user pools keep their users nor how roles are judged.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Protocol

from velvetrope.principals import TemporaryCredentials
from velvetrope.tokens import VerifiedToken

__all__ = [
    "OpenIdLogin",
    "OpenIdProviders",
    "RoleSessions",
    "SamlLogin",
    "SamlProviders",
    "UserPoolTokens",
]


class UserPoolTokens(Protocol):
    """Verifies the ID tokens of user pools."""

    async def verify_id_token(
        self, token: str, *, user_pool_id: str, audiences: Collection[str], now: datetime, check_user: bool
    ) -> VerifiedToken:
        """The claims of an ID token of this user pool, issued to one of `audiences` (which may be empty).

        With `check_user` the user must still be there, be enabled and not have signed out everywhere.

        Raises:
            velvetrope.tokens.InvalidToken: any of its kinds. Form, issuer, use and audience come before the signature.
        """
        ...


class OpenIdLogin(Protocol):
    """What a verified ID token of another provider says. `audience` is the client that it was issued to."""

    @property
    def subject(self) -> str: ...
    @property
    def audience(self) -> str: ...
    @property
    def claims(self) -> Mapping[str, Any]: ...


class OpenIdProviders(Protocol):
    """Knows the OpenID Connect providers of IAM, and verifies ID tokens of theirs and of others."""

    async def has_provider(self, provider_arn: str) -> bool:
        """Whether IAM has this provider."""
        ...

    async def verify_provider_token(self, token: str, *, provider_arn: str, now: datetime) -> OpenIdLogin:
        """The claims of an ID token that this provider of IAM issued to one of its client ids.

        Raises:
            velvetrope.tokens.InvalidToken: any of its kinds; so if the provider is gone or cannot be reached.
        """
        ...

    async def verify_issuer_token(
        self, token: str, *, issuer: str, audiences: Collection[str], now: datetime
    ) -> OpenIdLogin:
        """The claims of an ID token that `issuer` issued to one of `audiences`.

        Raises:
            velvetrope.tokens.InvalidToken: any of its kinds; so if the issuer cannot be reached.
        """
        ...


class SamlLogin(Protocol):
    """What a verified SAML assertion says. `audience` is the address that it was sent to, `claims` its attributes."""

    @property
    def subject(self) -> str: ...
    @property
    def audience(self) -> str: ...
    @property
    def claims(self) -> Mapping[str, tuple[str, ...]]: ...


class SamlProviders(Protocol):
    """Knows the SAML providers of IAM, and verifies their assertions."""

    async def has_provider(self, provider_arn: str) -> bool:
        """Whether IAM has this provider."""
        ...

    async def verify_provider_assertion(self, text: str, *, provider_arn: str, now: datetime) -> SamlLogin:
        """Who the base64 response of this provider is about.

        Raises:
            velvetrope.errors.ReasonError: it is not a good one, or the provider is gone.
        """
        ...


class RoleSessions(Protocol):
    """Makes role sessions for identities that a web identity provider vouches for."""

    async def assume_role_for_identity(
        self,
        role_arn: str,
        *,
        provider: str,
        claims: Mapping[str, tuple[str, ...]],
        session_name: str,
        tags: Mapping[str, str],
        session_policies: tuple[str, ...] | None,
        duration_seconds: int,
        now: datetime,
    ) -> TemporaryCredentials:
        """Credentials of the role, its trust policy judged for this identity.

        Raises:
            velvetrope.errors.ReasonError: no such role, or its trust policy does not let the identity in.
        """
        ...
