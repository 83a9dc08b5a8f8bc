"""Authorization codes: five minutes, one use, and bound to everything they were asked for with.

A presented code is spent before anything about it is compared: an attacker who holds one gets one try. When a spent
code comes again, the tokens of the first time end with it, since either of the two callers may be the thief.

Source: RFC 6749 section 4.1.2, RFC 9700 section 4.5; Cognito Developer Guide, "Authorize endpoint" (five minutes).
"""

from datetime import datetime, timedelta

from velvetrope.clock import Entropy
from velvetrope.hosted_ui.held_values import held_hash
from velvetrope.identifiers import new_uuid
from velvetrope.oauth import (
    AuthorizationCodeGrant,
    AuthorizationRequest,
    InvalidGrant,
    UnauthorizedClient,
    check_granted_resource,
)
from velvetrope.oauth import verify_code_verifier as verify_pkce
from velvetrope.secret import Secret
from velvetrope.store.tables.hosted_ui import AuthorizationCode, HostedUiStore, SpentCode
from velvetrope.store.tables.userpools import AppClient, User, UserPool

__all__ = ["CODE_LIFETIME", "AuthorizationCodes", "CodePresentedAgain"]

CODE_LIFETIME = timedelta(minutes=5)


class CodePresentedAgain(InvalidGrant):
    """The code had been spent before. `origin_jti` is what it became, as far as is known."""

    def __init__(self, origin_jti: str | None) -> None:
        super().__init__(detail="the authorization code had been used before")
        self.origin_jti = origin_jti


class AuthorizationCodes:
    """Issues codes and takes them back."""

    def __init__(self, store: HostedUiStore, entropy: Entropy) -> None:
        self._store = store
        self._entropy = entropy

    async def issue(
        self, pool: UserPool, user: User, request: AuthorizationRequest, *, authenticated_at: datetime, now: datetime
    ) -> str:
        """A code for this request: a UUID, as on AWS."""
        code = new_uuid(self._entropy)
        record = AuthorizationCode(
            user_pool_id=pool.id,
            client_id=request.client_id,
            sub=user.sub,
            redirect_uri=request.address.redirect_uri,
            scopes=request.scopes,
            code_challenge=request.code_challenge,
            nonce=request.nonce,
            resource=request.resource,
            authenticated_at=authenticated_at,
            expires_at=now + CODE_LIFETIME,
        )
        await self._store.save_authorization_code(held_hash(code), record, now=now)
        return code

    async def spend(
        self, pool: UserPool, client: AppClient, grant: AuthorizationCodeGrant, *, now: datetime
    ) -> AuthorizationCode:
        """What the code stands for, now that it is spent and everything it is bound to agrees.

        Raises:
            CodePresentedAgain: it was spent before.
            InvalidGrant: unknown, expired, another client's, or the code_verifier is not the challenge's.
            UnauthorizedClient: the redirect_uri is not the one of the authorization request; AWS's code for it.
            InvalidTarget: the resource is not the one of the authorization request.
        """
        code = await self._store.consume_authorization_code(
            held_hash(grant.code.reveal()), user_pool_id=pool.id, client_id=client.client_id, now=now
        )
        if code is None:
            raise InvalidGrant(detail="the authorization code is unknown, expired or another client's")
        if isinstance(code, SpentCode):
            raise CodePresentedAgain(code.origin_jti)
        if code.redirect_uri != grant.redirect_uri:
            raise UnauthorizedClient(detail="the redirect_uri is not the one of the authorization request")
        verify_pkce(grant.code_verifier, challenge=code.code_challenge)
        check_granted_resource(grant.resource, granted=code.resource)
        return code

    async def bind_family(self, code: Secret[str], origin_jti: str) -> bool:
        """Note what the code became; False when it was presented again meanwhile, and the tokens must not go out."""
        return await self._store.save_code_family(held_hash(code.reveal()), origin_jti)
