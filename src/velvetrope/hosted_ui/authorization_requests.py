"""The first steps of everything that is about an authorization request: the client, its address, the request itself.

    step                                  a refusal goes
    find the app client                   to our error page
    verify the return address             to our error page
    parse the authorization request       to the redirect_uri
    check that the client is for own users  to the redirect_uri

Nothing above the second may redirect: there is no address yet. The whole request travels in the query from page to page
and is checked anew each time, so that a client which is changed or deleted meanwhile is judged as it is now.

Source: RFC 6749 section 4.1.2.1; Cognito Developer Guide, "Authorize endpoint" and "Login endpoint".
"""

from dataclasses import dataclass

from velvetrope.hosted_ui.directory import UserDirectory, client_rules, find_client, grant_rules
from velvetrope.oauth import (
    AuthorizationRequest,
    ClientRules,
    OAuthError,
    Parameters,
    ReturnAddress,
    UnauthorizedClient,
    parse_authorization_request,
    verify_return_address,
)
from velvetrope.store.tables.userpools import AppClient, UserPool

__all__ = ["OWN_USERS", "AuthorizationRequests", "RequestedAuthorization"]


OWN_USERS = "COGNITO"
"""What SupportedIdentityProviders and `identity_provider` call the pool itself."""


@dataclass(frozen=True, slots=True)
class RequestedAuthorization:
    """An authorization request that stands, and the client whose it is."""

    client: AppClient
    request: AuthorizationRequest
    query: str
    """The parameters, as they travel on to the next page."""

    def refusing(self, refusal: OAuthError) -> OAuthError:
        """The refusal, on its way to the app."""
        refusal.return_address = self.request.address
        return refusal


class AuthorizationRequests:
    """Reads authorization requests. With `names_issuer`, their answers say who gives them (RFC 9207)."""

    def __init__(self, directory: UserDirectory, *, names_issuer: bool = False) -> None:
        self._directory = directory
        self._names_issuer = names_issuer

    async def parse(
        self, pool: UserPool, parameters: Parameters, *, any_provider: bool = False
    ) -> RequestedAuthorization:
        """What the app asks of this pool. Of a client that is not for the pool's own users only with `any_provider`.

        Raises:
            OAuthError: the request does not stand. It says where that may be told.
        """
        client = await find_client(self._directory, pool, parameters.require("client_id"))
        rules = await grant_rules(self._directory, pool, client)
        address = self._verify_address(pool, parameters, rules)
        request = parse_authorization_request(parameters, rules, address)
        if not any_provider and OWN_USERS not in rules.identity_providers:
            refusal = UnauthorizedClient("COGNITO is not a supported identity provider of the client")
            refusal.return_address = address
            raise refusal
        return RequestedAuthorization(client, request, parameters.render())

    async def return_address(self, pool: UserPool, parameters: Parameters) -> ReturnAddress | None:
        """Where a fault of ours may be told; None when that is our own page."""
        try:
            client = await find_client(self._directory, pool, parameters.require("client_id"))
            return self._verify_address(pool, parameters, client_rules(client))
        except OAuthError:
            return None

    def _verify_address(self, pool: UserPool, parameters: Parameters, rules: ClientRules) -> ReturnAddress:
        issuer = self._directory.issuer(pool) if self._names_issuer else None
        return verify_return_address(parameters, rules, issuer=issuer)
