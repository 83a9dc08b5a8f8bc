"""The OAuth errors, and where each may be told.

    OAuthError (ReasonError)          `error` is the code on the wire, `http_status` its status when it is not
    redirected ├── StaysOnDomain                 told on our own page: the redirect_uri is not proven, so nothing may be
    sent there │   ├── RequiredParameterMissing  invalid_request, AWS's "Required String parameter '…' is not present"
    │   ├── MalformedRequest          invalid_request, the request cannot even be taken apart
    │   ├── ClientDoesNotExist        invalid_request
    │   ├── ClientNotEnabled          unauthorized_client, AWS's "Client is not enabled for OAuth2.0 flows."
    │   └── RedirectMismatch          redirect_mismatch
    ├── InvalidRequest                invalid_request
    ├── UnauthorizedClient            unauthorized_client
    ├── InvalidScope                  invalid_scope
    ├── InvalidTarget                 invalid_target (RFC 8707)
    ├── AccessDenied                  access_denied
    ├── LoginRequired                 login_required
    ├── RequestNotSupported           request_not_supported
    ├── RequestUriNotSupported        request_uri_not_supported
    ├── ServerError                   server_error
    ├── InvalidClient                 invalid_client
    ├── InvalidGrant                  invalid_grant
    ├── UnsupportedGrantType          unsupported_grant_type
    ├── UnsupportedTokenType          unsupported_token_type
    ├── BadBearerRequest              invalid_request at userInfo
    ├── InvalidBearerToken            invalid_token, 401
    └── InsufficientScope             invalid_token, 401 (AWS's code for it; RFC 6750 would say insufficient_scope)

An error is redirected if, and only if, it carries a `return_address`, and a `ReturnAddress` can only be had from
`verify_return_address`. So no error can travel to an address that was not found registered for the client.

Sources: RFC 6749 sections 4.1.2.1 and 5.2, RFC 6750 section 3.1, RFC 7009 section 2.2.1, RFC 8707 section 2, OpenID
Connect Core 3.1.2.6;
Cognito Developer Guide, "Authorize endpoint", "Token endpoint", "UserInfo endpoint", "Revoke endpoint".
"""

from typing import ClassVar

from velvetrope.errors import ReasonError
from velvetrope.oauth.return_addresses import ReturnAddress

__all__ = [
    "AccessDenied",
    "BadBearerRequest",
    "ClientDoesNotExist",
    "ClientNotEnabled",
    "InsufficientScope",
    "InvalidBearerToken",
    "InvalidClient",
    "InvalidGrant",
    "InvalidRequest",
    "InvalidScope",
    "InvalidTarget",
    "LoginRequired",
    "MalformedRequest",
    "OAuthError",
    "RedirectMismatch",
    "RequestNotSupported",
    "RequestUriNotSupported",
    "RequiredParameterMissing",
    "ServerError",
    "StaysOnDomain",
    "UnauthorizedClient",
    "UnsupportedGrantType",
    "UnsupportedTokenType",
]


class OAuthError(ReasonError):
    """A refusal with an OAuth error code. The message, when there is one, is the `error_description`."""

    error: ClassVar[str]
    http_status: ClassVar[int] = 400

    def __init__(self, description: str = "", *, detail: str = "") -> None:
        super().__init__(description, detail=detail)
        self.return_address: ReturnAddress | None = None

    @property
    def description(self) -> str:
        """What a stranger may read; empty where AWS gives none."""
        return self.message


class StaysOnDomain(OAuthError):
    """Told on our own page and nowhere else, because no redirect_uri is proven."""

    error = "invalid_request"


class RequiredParameterMissing(StaysOnDomain):
    """The parameter without which we do not even know whom to answer."""

    def __init__(self, parameter: str) -> None:
        super().__init__(f"Required String parameter '{parameter}' is not present")


class MalformedRequest(StaysOnDomain):
    """Not form-encoded UTF-8, too many parameters, or client_id or redirect_uri given twice."""


class ClientDoesNotExist(StaysOnDomain):
    """No such app client in this user pool. UNVERIFIED: AWS's exact text is not known to us."""

    def __init__(self) -> None:
        super().__init__("Client does not exist.")


class ClientNotEnabled(StaysOnDomain):
    """AllowedOAuthFlowsUserPoolClient is off."""

    error = "unauthorized_client"

    def __init__(self) -> None:
        super().__init__("Client is not enabled for OAuth2.0 flows.")


class RedirectMismatch(StaysOnDomain):
    """The redirect_uri is not, character for character, one that the client registered."""

    error = "redirect_mismatch"


class InvalidRequest(OAuthError):
    """A parameter is missing, repeated, malformed or not supported."""

    error = "invalid_request"


class UnauthorizedClient(OAuthError):
    """The client may not use this flow."""

    error = "unauthorized_client"


class InvalidScope(OAuthError):
    """A scope that is unknown, malformed or not allowed for the client."""

    error = "invalid_scope"


class InvalidTarget(OAuthError):
    """A resource that no token is made for: malformed, or not the one that was granted.

    UNVERIFIED: AWS's code for it; this is RFC 8707's (section 2).
    """

    error = "invalid_target"


class AccessDenied(OAuthError):
    """Whoever it is, they may not sign in to this app now: they refused, or their account is disabled."""

    error = "access_denied"


class LoginRequired(OAuthError):
    """`prompt=none`, and nobody is signed in."""

    error = "login_required"


class RequestNotSupported(OAuthError):
    """The `request` parameter (OpenID Connect Core section 6.1) is refused, as AWS has no request objects."""

    error = "request_not_supported"


class RequestUriNotSupported(OAuthError):
    """The `request_uri` parameter (OpenID Connect Core section 6.2) is refused."""

    error = "request_uri_not_supported"


class ServerError(OAuthError):
    """Our own fault."""

    error = "server_error"
    http_status = 500


class InvalidClient(OAuthError):
    """The client is unknown or did not prove to be itself. Status 400 at the token endpoint, 401 at revoke."""

    error = "invalid_client"


class InvalidGrant(OAuthError):
    """The code or refresh token is unknown, spent, expired, revoked, or belongs to something else."""

    error = "invalid_grant"


class UnsupportedGrantType(OAuthError):
    """A grant type that we do not serve."""

    error = "unsupported_grant_type"


class UnsupportedTokenType(OAuthError):
    """Only refresh tokens can be revoked."""

    error = "unsupported_token_type"


class BadBearerRequest(OAuthError):
    """No bearer token in the Authorization header."""

    error = "invalid_request"

    def __init__(self) -> None:
        super().__init__("Bad OAuth2 request at UserInfo Endpoint")


class InvalidBearerToken(OAuthError):
    """The access token does not stand: expired, revoked, forged, or its user is gone."""

    error = "invalid_token"
    http_status = 401

    def __init__(self, *, detail: str = "") -> None:
        super().__init__(
            "Access token is expired, disabled, or deleted, or the user has globally signed out.", detail=detail
        )


class InsufficientScope(OAuthError):
    """The access token was issued without the openid scope. UNVERIFIED: status 401, as for every invalid_token."""

    error = "invalid_token"
    http_status = 401

    def __init__(self) -> None:
        super().__init__("Access token does not contain openid scope")
