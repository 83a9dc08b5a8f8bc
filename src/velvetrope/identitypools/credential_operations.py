"""Credentials for identities: the enhanced flow, and the first half of the classic one.

The enhanced flow picks the role, judges its trust policy, and answers with credentials that last an hour; a guest's are
limited by session policies besides (see `guests`). The classic flow hands out a token that its holder takes to STS, for
a role of the holder's own choice; it limits nothing and is off unless the pool says otherwise.

Both are unsigned: what the caller may have rests on the identity id and the logins.

Source: Cognito Developer Guide, "Identity pools authentication flow".
"""

from typing import Final

from velvetrope.errors import ReasonError
from velvetrope.identitypools.errors import InvalidParameterException, bad_configuration
from velvetrope.identitypools.guests import GUEST_SESSION_POLICIES
from velvetrope.identitypools.identities import IdentityResolver
from velvetrope.identitypools.logins import COGNITO_PROVIDER
from velvetrope.identitypools.open_id_tokens import PoolOpenIdTokens, authentication_methods, federation_claims
from velvetrope.identitypools.principal_tags import principal_tags
from velvetrope.identitypools.providers import RoleSessions
from velvetrope.identitypools.role_choice import choose_role
from velvetrope.operations import Answer, Call, operation

__all__ = ["CredentialOperations"]

_SESSION_NAME: Final = "CognitoIdentityCredentials"
_SESSION_SECONDS: Final = 3600


class CredentialOperations:
    """What an identity signs its requests with."""

    def __init__(self, resolver: IdentityResolver, role_sessions: RoleSessions, tokens: PoolOpenIdTokens) -> None:
        self._resolver = resolver
        self._role_sessions = role_sessions
        self._tokens = tokens

    @operation
    async def get_credentials_for_identity(
        self,
        call: Call,
        *,
        identity_id: str,
        logins: dict[str, str] | None = None,
        custom_role_arn: str | None = None,
    ) -> Answer:
        """An hour's credentials of the role that the pool gives this identity."""
        stored, pool = await self._resolver.find_identity(identity_id, call)
        resolved = await self._resolver.resolve(stored, pool, logins or {}, call)
        role_arn = choose_role(pool, resolved.logins, custom_role_arn=custom_role_arn)
        methods = authentication_methods(resolved.logins)
        try:
            credentials = await self._role_sessions.assume_role_for_identity(
                role_arn,
                provider=COGNITO_PROVIDER,
                claims=federation_claims(pool.id, resolved.identity_id, methods),
                session_name=_SESSION_NAME,
                tags=principal_tags(pool, resolved.logins),
                session_policies=None if resolved.logins else GUEST_SESSION_POLICIES,
                duration_seconds=_SESSION_SECONDS,
                now=call.now,
            )
        except ReasonError as error:
            raise bad_configuration(error.detail or error.message) from error
        return {
            "identity_id": resolved.identity_id,
            "credentials": {
                "access_key_id": credentials.access_key_id,
                "secret_key": credentials.secret_access_key.reveal(),
                "session_token": credentials.session_token,
                "expiration": credentials.expiration,
            },
        }

    @operation
    async def get_open_id_token(self, call: Call, *, identity_id: str, logins: dict[str, str] | None = None) -> Answer:
        """A token for AssumeRoleWithWebIdentity, good for ten minutes."""
        stored, pool = await self._resolver.find_identity(identity_id, call)
        if not pool.allow_classic_flow:
            raise InvalidParameterException("Basic (classic) flow is not enabled, please use enhanced flow.")
        resolved = await self._resolver.resolve(stored, pool, logins or {}, call)
        token = await self._tokens.issue(pool, resolved.identity_id, resolved.logins, now=call.now)
        return {"identity_id": resolved.identity_id, "token": token}
