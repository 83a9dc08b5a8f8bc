"""Credentials for identities: the enhanced flow, and the first half of the classic one.

The enhanced flow picks the role, judges its trust policy, and answers with credentials that last an hour; a guest's are
limited by session policies besides (see `guests`). The classic flow hands out a token that its holder takes to STS, for
a role of the holder's own choice; it limits nothing and is off unless the pool says otherwise.

Both are unsigned: what the caller may have rests on the identity id and the logins. In the enhanced flow a developer
user's app shows the token that its backend got (see `developer_operations`) as its one login, under the name of the
identity pools themselves. Only tokens of developer users are taken there, and only while their login is linked.

Source: Cognito Developer Guide, "Identity pools authentication flow".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from velvetrope.errors import ReasonError
from velvetrope.identitypools.errors import (
    InvalidParameterException,
    NotAuthorizedException,
    bad_configuration,
    logins_do_not_match,
)
from velvetrope.identitypools.guests import GUEST_SESSION_POLICIES
from velvetrope.identitypools.identities import IdentityResolver
from velvetrope.identitypools.logins import COGNITO_PROVIDER, bad_login
from velvetrope.identitypools.open_id_tokens import (
    PoolOpenIdTokens,
    authentication_methods,
    developer_login_in,
    federation_claims,
)
from velvetrope.identitypools.principal_tags import principal_tags
from velvetrope.identitypools.providers import RoleSessions
from velvetrope.identitypools.role_choice import choose_role
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.identitypools import IdentityPool, StoredIdentity
from velvetrope.tokens import InvalidToken

__all__ = ["CredentialOperations"]

_SESSION_NAME: Final = "CognitoIdentityCredentials"
_SESSION_SECONDS: Final = 3600


@dataclass(frozen=True, slots=True)
class _Entitled:
    """An identity that has proven who it is, and what follows from it."""

    identity_id: str
    role_arn: str
    methods: tuple[str, ...]
    tags: Mapping[str, str]
    is_guest: bool = False


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
        if logins is not None and COGNITO_PROVIDER in logins:
            entitled = await self._by_developer_token(stored, pool, logins, custom_role_arn, call)
        else:
            entitled = await self._by_logins(stored, pool, logins or {}, custom_role_arn, call)
        try:
            credentials = await self._role_sessions.assume_role_for_identity(
                entitled.role_arn,
                provider=COGNITO_PROVIDER,
                claims=federation_claims(pool.id, entitled.identity_id, entitled.methods),
                session_name=_SESSION_NAME,
                tags=entitled.tags,
                session_policies=GUEST_SESSION_POLICIES if entitled.is_guest else None,
                duration_seconds=_SESSION_SECONDS,
                now=call.now,
            )
        except ReasonError as error:
            raise bad_configuration(error.detail or error.message) from error
        return {
            "identity_id": entitled.identity_id,
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

    async def _by_logins(
        self,
        stored: StoredIdentity,
        pool: IdentityPool,
        logins: Mapping[str, str],
        custom_role_arn: str | None,
        call: Call,
    ) -> _Entitled:
        resolved = await self._resolver.resolve(stored, pool, logins, call)
        return _Entitled(
            identity_id=resolved.identity_id,
            role_arn=choose_role(pool, resolved.logins, custom_role_arn=custom_role_arn),
            methods=authentication_methods(pool.id, resolved.logins),
            tags=principal_tags(pool, resolved.logins),
            is_guest=not resolved.logins,
        )

    async def _by_developer_token(
        self,
        stored: StoredIdentity,
        pool: IdentityPool,
        logins: Mapping[str, str],
        custom_role_arn: str | None,
        call: Call,
    ) -> _Entitled:
        if len(logins) > 1:
            # UNVERIFIED: the token says all about the identity; what another login beside it would mean is not known.
            raise InvalidParameterException(f"A token of {COGNITO_PROVIDER} goes without other logins.")
        try:
            proven = await self._tokens.verify_web_identity_token(logins[COGNITO_PROVIDER], now=call.now)
        except InvalidToken as error:
            raise bad_login(error) from error
        if (proven.audience, proven.subject) != (pool.id, stored.identity.id):
            raise logins_do_not_match()
        if developer_login_in(proven.authentication_methods, pool) is None:
            raise NotAuthorizedException(
                "Invalid login token. Can't pass in a Cognito token.", detail="the token is no developer user's"
            )
        if custom_role_arn is not None:
            # Role mappings are for providers with claims; a developer provider has none to offer a role by.
            raise NotAuthorizedException(
                "The requested role is not available to this identity.", detail="a developer user cannot choose a role"
            )
        role_arn = pool.roles.get("authenticated")
        if role_arn is None:
            raise bad_configuration("the pool has no authenticated role")
        return _Entitled(proven.subject, role_arn, proven.authentication_methods, proven.tags)
