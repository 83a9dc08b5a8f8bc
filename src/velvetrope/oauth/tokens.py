"""Token and revocation requests, from parameters to a grant that can be tried.

The client has authenticated before: on AWS a wrong client with a wrong grant hears about the client. Whether the code
or the token stands is for whoever keeps them.

Source: RFC 6749 sections 4.1.3 and 6, RFC 7009 section 2.1, RFC 7636 section 4.5; Cognito Developer Guide, "Token
endpoint" and "Revoke endpoint".
"""

from dataclasses import dataclass

from velvetrope.oauth.clients import ClientRules
from velvetrope.oauth.errors import InvalidRequest, UnauthorizedClient, UnsupportedGrantType
from velvetrope.oauth.parameters import Parameters
from velvetrope.oauth.pkce import check_code_verifier
from velvetrope.secret import Secret

__all__ = [
    "AuthorizationCodeGrant",
    "RefreshTokenGrant",
    "RevocationRequest",
    "parse_revocation_request",
    "parse_token_request",
]


@dataclass(frozen=True, slots=True)
class AuthorizationCodeGrant:
    """A code, as it was presented."""

    code: Secret[str]
    redirect_uri: str
    code_verifier: str | None


@dataclass(frozen=True, slots=True)
class RefreshTokenGrant:
    """A refresh token, as it was presented. AWS ignores `scope` here, and so do we."""

    refresh_token: Secret[str]


@dataclass(frozen=True, slots=True)
class RevocationRequest:
    """A token to be revoked, as it was presented. `token_type_hint` decides nothing: the token shows what it is."""

    token: Secret[str]


def parse_token_request(parameters: Parameters, client: ClientRules) -> AuthorizationCodeGrant | RefreshTokenGrant:
    """What the client wants to exchange.

    Raises:
        InvalidRequest: a parameter is missing, repeated or malformed.
        UnauthorizedClient: the client may not use this grant.
        UnsupportedGrantType: any other grant; client_credentials is refused by its name.
    """
    _check_once(parameters)
    grant_type = parameters.get("grant_type")
    if grant_type is None:
        raise InvalidRequest
    if grant_type == "authorization_code":
        return _parse_code_grant(parameters, client)
    if grant_type == "refresh_token":
        return RefreshTokenGrant(Secret(_require(parameters, "refresh_token")))
    if grant_type == "client_credentials":
        raise UnsupportedGrantType("client_credentials is not supported")
    raise UnsupportedGrantType


def parse_revocation_request(parameters: Parameters) -> RevocationRequest:
    """The token to be revoked.

    Raises:
        InvalidRequest: there is none, or a parameter came twice.
    """
    _check_once(parameters)
    return RevocationRequest(Secret(_require(parameters, "token")))


def _parse_code_grant(parameters: Parameters, client: ClientRules) -> AuthorizationCodeGrant:
    if not client.oauth_enabled or "code" not in client.flows:
        raise UnauthorizedClient
    verifier = parameters.get("code_verifier")
    if verifier is not None:
        check_code_verifier(verifier)
    return AuthorizationCodeGrant(
        code=Secret(_require(parameters, "code")),
        redirect_uri=_require(parameters, "redirect_uri"),
        code_verifier=verifier,
    )


def _check_once(parameters: Parameters) -> None:
    if parameters.repeated:
        raise InvalidRequest("a parameter is present more than once")


def _require(parameters: Parameters, name: str) -> str:
    value = parameters.get(name)
    if value is None:
        raise InvalidRequest(detail=f"the parameter {name} is missing")
    return value
