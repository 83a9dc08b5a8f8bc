"""What identity pools are handed: the protocols that `server` fills in from other rooms.

Identity pools know neither how user pools keep their users nor how roles are judged.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

from velvetrope.secret import Secret
from velvetrope.tokens import VerifiedToken

__all__ = ["IdentityCredentials", "RoleSessions", "UserPoolTokens"]


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


class IdentityCredentials(Protocol):
    """Temporary credentials of a role session."""

    @property
    def access_key_id(self) -> str: ...
    @property
    def secret_access_key(self) -> Secret[str]: ...
    @property
    def session_token(self) -> str: ...
    @property
    def expiration(self) -> datetime: ...


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
    ) -> IdentityCredentials:
        """Credentials of the role, its trust policy judged for this identity.

        Raises:
            velvetrope.errors.ReasonError: no such role, or its trust policy does not let the identity in.
        """
        ...
