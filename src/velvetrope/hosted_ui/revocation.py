"""`/oauth2/revoke`: end a refresh token and everything that came of it.

    step                              a refusal
    authenticate the client           401 invalid_client (here 401, at the token endpoint 400)
    parse the request                 400 invalid_request
    revoke the token                  400 unsupported_token_type, 400 invalid_request (revocation is off)

A token that is already dead, or never was one, is answered like one that was revoked: RFC 7009 section 2.2 asks for it,
and it tells nobody which tokens exist.

Source: RFC 7009; Cognito Developer Guide, "Revoke endpoint".
"""

from datetime import datetime

from velvetrope.errors import ServiceError
from velvetrope.hosted_ui.client_authentication import authenticate_client
from velvetrope.hosted_ui.directory import UserDirectory
from velvetrope.oauth import InvalidRequest, Parameters, UnsupportedTokenType, parse_revocation_request
from velvetrope.store.tables.userpools import UserPool

__all__ = ["RevocationFlow"]

_NOTHING_TO_REVOKE = frozenset({"NotAuthorizedException", "UserNotFoundException"})
"""What RevokeToken says of tokens that are dead, garbage or another client's. UNVERIFIED what AWS answers for the last:
200 with nothing revoked tells a stranger nothing."""


class RevocationFlow:
    """Revokes refresh tokens."""

    def __init__(self, directory: UserDirectory) -> None:
        self._directory = directory

    async def revoke(self, pool: UserPool, parameters: Parameters, *, authorization: str | None, now: datetime) -> None:
        """POST /oauth2/revoke. `authorization` is the header, if there was one.

        Raises:
            OAuthError: told as JSON.
        """
        client = await authenticate_client(self._directory, pool, parameters, authorization)
        request = parse_revocation_request(parameters)
        try:
            await self._directory.revoke_refresh_token(pool, client, request.token.reveal(), now=now)
        except ServiceError as refusal:
            if refusal.code == "UnsupportedTokenTypeException":
                raise UnsupportedTokenType from None
            if refusal.code == "UnsupportedOperationException":
                raise InvalidRequest(detail="token revocation is switched off for the client") from None
            if refusal.code not in _NOTHING_TO_REVOKE:
                raise
