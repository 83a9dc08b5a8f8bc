"""OAuth 2.0 and OpenID Connect requests: are they well formed for this client, and what do they become.

    address = verify_return_address(parameters, client)                     # before this, nothing is ever redirected
    request = parse_authorization_request(parameters, client, address)      # after it, refusals travel to `address`
    grant = parse_token_request(parameters, client)

Everything is a function of its arguments: texts in, typed values out, or an `OAuthError` that says where it may be
told. Who the user is, which codes were given out and how a page looks is not known here.

Sources: RFC 6749, RFC 6750, RFC 7009, RFC 7636, RFC 8707, RFC 9700, OpenID Connect Core 1.0; Cognito Developer Guide,
"Authorize endpoint", "Token endpoint", "UserInfo endpoint", "Revoke endpoint", "Logout endpoint".
"""

from velvetrope.oauth.authorization import (
    AuthorizationRequest,
    parse_authorization_request,
    verify_return_address,
)
from velvetrope.oauth.bearer import parse_bearer_token
from velvetrope.oauth.clients import ClientRules, PresentedClient, check_presented_client, parse_presented_client
from velvetrope.oauth.errors import (
    AccessDenied,
    BadBearerRequest,
    ClientDoesNotExist,
    ClientNotEnabled,
    InsufficientScope,
    InvalidBearerToken,
    InvalidClient,
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    LoginRequired,
    MalformedRequest,
    OAuthError,
    RedirectMismatch,
    RequestNotSupported,
    RequestUriNotSupported,
    RequiredParameterMissing,
    ServerError,
    StaysOnDomain,
    UnauthorizedClient,
    UnsupportedGrantType,
    UnsupportedTokenType,
)
from velvetrope.oauth.logout import LogoutDestination, parse_logout_destination
from velvetrope.oauth.parameters import Parameters
from velvetrope.oauth.pkce import check_code_challenge, check_code_verifier, derive_code_challenge, verify_code_verifier
from velvetrope.oauth.redirects import is_redirect_uri, put_on_uri
from velvetrope.oauth.resources import check_granted_resource
from velvetrope.oauth.return_addresses import ReturnAddress
from velvetrope.oauth.scopes import SYSTEM_SCOPES
from velvetrope.oauth.tokens import (
    AuthorizationCodeGrant,
    ClientCredentialsGrant,
    RefreshTokenGrant,
    RevocationRequest,
    parse_revocation_request,
    parse_token_request,
)

__all__ = [
    "SYSTEM_SCOPES",
    "AccessDenied",
    "AuthorizationCodeGrant",
    "AuthorizationRequest",
    "BadBearerRequest",
    "ClientCredentialsGrant",
    "ClientDoesNotExist",
    "ClientNotEnabled",
    "ClientRules",
    "InsufficientScope",
    "InvalidBearerToken",
    "InvalidClient",
    "InvalidGrant",
    "InvalidRequest",
    "InvalidScope",
    "InvalidTarget",
    "LoginRequired",
    "LogoutDestination",
    "MalformedRequest",
    "OAuthError",
    "Parameters",
    "PresentedClient",
    "RedirectMismatch",
    "RefreshTokenGrant",
    "RequestNotSupported",
    "RequestUriNotSupported",
    "RequiredParameterMissing",
    "ReturnAddress",
    "RevocationRequest",
    "ServerError",
    "StaysOnDomain",
    "UnauthorizedClient",
    "UnsupportedGrantType",
    "UnsupportedTokenType",
    "check_code_challenge",
    "check_code_verifier",
    "check_granted_resource",
    "check_presented_client",
    "derive_code_challenge",
    "is_redirect_uri",
    "parse_authorization_request",
    "parse_bearer_token",
    "parse_logout_destination",
    "parse_presented_client",
    "parse_revocation_request",
    "parse_token_request",
    "put_on_uri",
    "verify_code_verifier",
    "verify_return_address",
]
