"""`/oauth2/token`: a code, a refresh token or a client's own secret becomes tokens.

    step                                        a refusal
    authenticate the client                     invalid_client
    parse the grant                             invalid_request, unauthorized_client, unsupported_grant_type,
                                                invalid_scope, invalid_target
    spend the code, or refresh                  invalid_grant (a code presented again ends its family)
    check that the client reads what it asked   invalid_grant
    find the user                               invalid_grant
    issue the tokens                            invalid_grant (the pool's function for tokens refused)
    bind them to the code                       invalid_grant (it was presented again while we worked)

A client that asks for itself (client_credentials) has no code and no user: parsed, its grant is issued.

The client comes first, as on AWS: a wrong secret with a wrong code hears about the secret.

Source: RFC 6749 sections 4.1.3 to 6, RFC 8707 section 2.2; Cognito Developer Guide, "Token endpoint".
"""

from dataclasses import dataclass, field
from datetime import datetime

from velvetrope.errors import ServiceError
from velvetrope.hosted_ui.client_authentication import authenticate_client
from velvetrope.hosted_ui.codes import AuthorizationCodes, CodePresentedAgain
from velvetrope.hosted_ui.completion import still_signed_in
from velvetrope.hosted_ui.directory import TRIGGER_REFUSALS, IssuedTokens, UserDirectory, grant_rules
from velvetrope.hosted_ui.userinfo import unreadable_attributes
from velvetrope.oauth import (
    AuthorizationCodeGrant,
    ClientCredentialsGrant,
    InvalidGrant,
    Parameters,
    RefreshTokenGrant,
    check_granted_resource,
    parse_token_request,
)
from velvetrope.store.tables.userpools import AppClient, UserPool

__all__ = ["TokenAnswer", "TokenFlow"]

_REFRESH_REFUSALS = {
    "NotAuthorizedException",
    "PasswordResetRequiredException",
    "RefreshTokenReuseException",
    "UserNotFoundException",
    "UserNotConfirmedException",
}


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """What the client is given. Tokens hide in `repr`."""

    access_token: str = field(repr=False)
    expires_in_seconds: int
    id_token: str | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)


class TokenFlow:
    """Exchanges grants for tokens."""

    def __init__(self, directory: UserDirectory, codes: AuthorizationCodes) -> None:
        self._directory = directory
        self._codes = codes

    async def exchange(
        self, pool: UserPool, parameters: Parameters, *, authorization: str | None, now: datetime
    ) -> TokenAnswer:
        """POST /oauth2/token. `authorization` is the header, if there was one.

        Raises:
            OAuthError: told as JSON.
        """
        client = await authenticate_client(self._directory, pool, parameters, authorization)
        grant = parse_token_request(parameters, await grant_rules(self._directory, pool, client))
        try:
            match grant:
                case ClientCredentialsGrant():
                    return await self._for_the_client(pool, client, grant, now=now)
                case RefreshTokenGrant():
                    return _answer(await self._refresh(pool, client, grant, now=now))
                case AuthorizationCodeGrant():
                    return _answer(await self._redeem(pool, client, grant, now=now))
        except ServiceError as refusal:
            if refusal.code in TRIGGER_REFUSALS:
                # What a function raised is for the app to read, as at the authorize endpoint. UNVERIFIED on AWS here.
                said = refusal.message if refusal.code == "UserLambdaValidationException" else ""
                raise InvalidGrant(said, detail=f"{refusal.code}: {refusal.for_owner}") from None
            raise

    async def _for_the_client(
        self, pool: UserPool, client: AppClient, grant: ClientCredentialsGrant, *, now: datetime
    ) -> TokenAnswer:
        token = await self._directory.issue_machine_token(
            pool,
            client,
            scopes=grant.scopes,
            resource=grant.resource,
            client_metadata=grant.client_metadata,
            now=now,
        )
        return TokenAnswer(token.access_token, token.expires_in_seconds)

    async def _redeem(
        self, pool: UserPool, client: AppClient, grant: AuthorizationCodeGrant, *, now: datetime
    ) -> IssuedTokens:
        try:
            code = await self._codes.spend(pool, client, grant, now=now)
        except CodePresentedAgain as again:
            if again.origin_jti is not None:
                await self._directory.revoke_family(again.origin_jti, now)
            raise
        unreadable = unreadable_attributes(client, code.scopes)
        if unreadable:
            raise InvalidGrant(
                detail=f"the scopes {' '.join(code.scopes)} promise attributes that are not among the client's "
                f"ReadAttributes: {', '.join(unreadable)}"
            )
        user = await self._directory.find_user(pool.id, code.sub)
        if user is None or not still_signed_in(user, authenticated_at=code.authenticated_at):
            raise InvalidGrant(
                detail="the user of the authorization code is gone, disabled or has something to do first"
            )
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
            resource=code.resource,
        )
        if not await self._codes.bind_family(grant.code, tokens.origin_jti):
            await self._directory.revoke_family(tokens.origin_jti, now)
            raise InvalidGrant(detail="the authorization code was presented again while it was being redeemed")
        return tokens

    async def _refresh(
        self, pool: UserPool, client: AppClient, grant: RefreshTokenGrant, *, now: datetime
    ) -> IssuedTokens:
        presented = grant.refresh_token.reveal()
        if grant.resource is not None:
            check_granted_resource(grant.resource, granted=await self._directory.resource_of(presented))
        try:
            return await self._directory.refresh(pool, client, presented, now=now)
        except ServiceError as refusal:
            if refusal.code in _REFRESH_REFUSALS:
                # AWS gives no description here, whatever the reason (measured).
                raise InvalidGrant(detail=f"{refusal.code}: {refusal.for_owner}") from None
            raise


def _answer(tokens: IssuedTokens) -> TokenAnswer:
    return TokenAnswer(tokens.access_token, tokens.expires_in_seconds, tokens.id_token, tokens.refresh_token)
