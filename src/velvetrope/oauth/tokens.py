"""Token and revocation requests, from parameters to a grant that can be tried.

The client has authenticated before: on AWS a wrong client with a wrong grant hears about the client. Whether the code
or the token stands is for whoever keeps them.

Source: RFC 6749 sections 4.1.3, 4.4 and 6, RFC 7009 section 2.1, RFC 7636 section 4.5; Cognito Developer Guide, "Token
endpoint" and "Revoke endpoint".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from velvetrope.oauth.clients import ClientRules
from velvetrope.oauth.errors import InvalidRequest, UnauthorizedClient, UnsupportedGrantType
from velvetrope.oauth.parameters import Parameters
from velvetrope.oauth.pkce import check_code_verifier
from velvetrope.oauth.resources import check_resource_indicator
from velvetrope.oauth.scopes import parse_machine_scopes
from velvetrope.secret import Secret

__all__ = [
    "AuthorizationCodeGrant",
    "ClientCredentialsGrant",
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
    resource: str | None = None


@dataclass(frozen=True, slots=True)
class RefreshTokenGrant:
    """A refresh token, as it was presented. AWS ignores `scope` here, and so do we."""

    refresh_token: Secret[str]
    resource: str | None = None


@dataclass(frozen=True, slots=True)
class ClientCredentialsGrant:
    """The client asks for itself, and has shown its secret."""

    scopes: tuple[str, ...]
    """Of resource servers, at least one."""
    resource: str | None
    client_metadata: Mapping[str, str] | None = field(repr=False)
    """`aws_client_metadata`: what the pool's function for tokens is told."""


@dataclass(frozen=True, slots=True)
class RevocationRequest:
    """A token to be revoked, as it was presented. `token_type_hint` decides nothing: the token shows what it is."""

    token: Secret[str]


TokenGrant = AuthorizationCodeGrant | RefreshTokenGrant | ClientCredentialsGrant


def parse_token_request(parameters: Parameters, client: ClientRules) -> TokenGrant:
    """What the client wants to exchange.

    Raises:
        InvalidRequest: a parameter is missing, repeated or malformed.
        UnauthorizedClient: the client may not use this grant.
        InvalidScope, InvalidTarget: see `parse_machine_scopes` and `check_resource_indicator`.
        UnsupportedGrantType: any other grant.
    """
    _check_once(parameters)
    grant_type = parameters.get("grant_type")
    if grant_type is None:
        raise InvalidRequest(detail="the parameter grant_type is missing")
    if grant_type == "authorization_code":
        return _parse_code_grant(parameters, client)
    if grant_type == "refresh_token":
        return RefreshTokenGrant(Secret(_require(parameters, "refresh_token")), _resource(parameters))
    if grant_type == "client_credentials":
        return _parse_client_credentials_grant(parameters, client)
    raise UnsupportedGrantType(detail=f"grant_type {grant_type[:64]} is not one of ours")


def parse_revocation_request(parameters: Parameters) -> RevocationRequest:
    """The token to be revoked.

    Raises:
        InvalidRequest: there is none, or a parameter came twice.
    """
    _check_once(parameters)
    return RevocationRequest(Secret(_require(parameters, "token")))


def _parse_code_grant(parameters: Parameters, client: ClientRules) -> AuthorizationCodeGrant:
    _check_enabled(client)
    client.check_flow("code")
    verifier = parameters.get("code_verifier")
    if verifier is not None:
        check_code_verifier(verifier)
    return AuthorizationCodeGrant(
        code=Secret(_require(parameters, "code")),
        redirect_uri=_require(parameters, "redirect_uri"),
        code_verifier=verifier,
        resource=_resource(parameters),
    )


def _parse_client_credentials_grant(parameters: Parameters, client: ClientRules) -> ClientCredentialsGrant:
    # A client without a secret proves nothing. None can be made with this flow; a record from elsewhere is no way in.
    _check_enabled(client)
    client.check_flow("client_credentials")
    if not client.has_secret:
        raise UnauthorizedClient(detail=f"client {client.client_id} has no secret to prove itself with")
    return ClientCredentialsGrant(
        scopes=parse_machine_scopes(parameters.get("scope"), allowed=client.scopes, inactive=client.inactive_scopes),
        resource=_resource(parameters),
        client_metadata=_parse_client_metadata(parameters.get("aws_client_metadata")),
    )


def _parse_client_metadata(text: str | None) -> Mapping[str, str] | None:
    """A JSON object of texts. Read for client_credentials only, as on AWS: other grants have no such parameter."""
    if text is None:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidRequest("aws_client_metadata must be a JSON object") from None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise InvalidRequest("aws_client_metadata must be a JSON object whose values are strings")
    return found


def _resource(parameters: Parameters) -> str | None:
    resource = parameters.get("resource")
    if resource is not None:
        check_resource_indicator(resource)
    return resource


def _check_enabled(client: ClientRules) -> None:
    if not client.oauth_enabled:
        raise UnauthorizedClient(detail=f"AllowedOAuthFlowsUserPoolClient is off for client {client.client_id}")


def _check_once(parameters: Parameters) -> None:
    if parameters.repeated:
        raise InvalidRequest("a parameter is present more than once")


def _require(parameters: Parameters, name: str) -> str:
    value = parameters.get(name)
    if value is None:
        raise InvalidRequest(detail=f"the parameter {name} is missing")
    return value
