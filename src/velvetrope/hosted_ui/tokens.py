"""`/oauth2/token`: a code or a refresh token becomes tokens.

    step                                        a refusal
    authenticate the client                     invalid_client
    parse the grant                             invalid_request, unauthorized_client, unsupported_grant_type
    spend the code, or refresh                  invalid_grant (a code presented again ends its family)
    find the user                               invalid_grant
    issue the tokens                            invalid_grant (the pool's function for tokens refused)
    bind them to the code                       invalid_grant (it was presented again while we worked)

The client comes first, as on AWS: a wrong secret with a wrong code hears about the secret.

Source: RFC 6749 sections 4.1.3 to 6; Cognito Developer Guide, "Token endpoint".
"""

from datetime import datetime

from velvetrope.errors import ServiceError
from velvetrope.hosted_ui.client_authentication import authenticate_client
from velvetrope.hosted_ui.codes import AuthorizationCodes, CodePresentedAgain
from velvetrope.hosted_ui.completion import may_sign_in
from velvetrope.hosted_ui.directory import IssuedTokens, UserDirectory, client_rules
from velvetrope.oauth import AuthorizationCodeGrant, InvalidGrant, Parameters, RefreshTokenGrant, parse_token_request
from velvetrope.store.tables.userpools import AppClient, UserPool

__all__ = ["TokenFlow"]

_TRIGGER_REFUSALS = frozenset(
    {"UserLambdaValidationException", "UnexpectedLambdaException", "InvalidLambdaResponseException"}
)
"""What the pool's own function for tokens can bring about. What AWS says here is UNVERIFIED."""
_REFRESH_REFUSALS = _TRIGGER_REFUSALS | {
    "NotAuthorizedException",
    "RefreshTokenReuseException",
    "UserNotFoundException",
    "UserNotConfirmedException",
}


class TokenFlow:
    """Exchanges grants for tokens."""

    def __init__(self, directory: UserDirectory, codes: AuthorizationCodes) -> None:
        self._directory = directory
        self._codes = codes

    async def exchange(
        self, pool: UserPool, parameters: Parameters, *, authorization: str | None, now: datetime
    ) -> IssuedTokens:
        """POST /oauth2/token. `authorization` is the header, if there was one.

        Raises:
            OAuthError: told as JSON.
        """
        client = await authenticate_client(self._directory, pool, parameters, authorization)
        grant = parse_token_request(parameters, client_rules(client))
        if isinstance(grant, RefreshTokenGrant):
            return await self._refresh(pool, client, grant, now=now)
        return await self._redeem(pool, client, grant, now=now)

    async def _redeem(
        self, pool: UserPool, client: AppClient, grant: AuthorizationCodeGrant, *, now: datetime
    ) -> IssuedTokens:
        try:
            code = await self._codes.spend(pool, client, grant, now=now)
        except CodePresentedAgain as again:
            if again.origin_jti is not None:
                await self._directory.revoke_family(again.origin_jti, now)
            raise
        user = await self._directory.find_user(pool.id, code.sub)
        if user is None or not may_sign_in(user):
            raise InvalidGrant(
                detail="the user of the authorization code is gone, disabled or has something to do first"
            )
        try:
            tokens = await self._directory.issue_tokens(
                pool,
                client,
                user,
                scopes=code.scopes,
                authenticated_at=code.authenticated_at,
                now=now,
                nonce=code.nonce,
                include_id_token="openid" in code.scopes,
                include_refresh_token=True,
            )
        except ServiceError as refusal:
            if refusal.code in _TRIGGER_REFUSALS:
                raise InvalidGrant(detail=f"{refusal.code}: {refusal.for_owner}") from None
            raise
        if not await self._codes.bind_family(grant.code, tokens.origin_jti):
            await self._directory.revoke_family(tokens.origin_jti, now)
            raise InvalidGrant(detail="the authorization code was presented again while it was being redeemed")
        return tokens

    async def _refresh(
        self, pool: UserPool, client: AppClient, grant: RefreshTokenGrant, *, now: datetime
    ) -> IssuedTokens:
        try:
            return await self._directory.refresh(pool, client, grant.refresh_token.reveal(), now=now)
        except ServiceError as refusal:
            if refusal.code in _REFRESH_REFUSALS:
                # AWS gives no description here, whatever the reason (measured).
                raise InvalidGrant(detail=f"{refusal.code}: {refusal.for_owner}") from None
            raise
