"""App clients: what one may do, and how one says who it is.

`ClientRules` is what the requests here are judged against; services make it from the app client they keep.
`PresentedClient` is a guess until `check_presented_client` and a comparison of secrets have made it good.

Source: RFC 6749 sections 2.3.1 and 3.2.1; Cognito Developer Guide, "Token endpoint".
"""

import binascii
from base64 import b64decode
from dataclasses import dataclass
from urllib.parse import unquote

from velvetrope.oauth.errors import InvalidClient, InvalidRequest, UnauthorizedClient
from velvetrope.oauth.parameters import Parameters
from velvetrope.secret import Secret

__all__ = ["ClientRules", "PresentedClient", "check_presented_client", "parse_presented_client"]


@dataclass(frozen=True, slots=True)
class ClientRules:
    """What an app client was allowed at its creation."""

    client_id: str
    has_secret: bool
    oauth_enabled: bool
    """AllowedOAuthFlowsUserPoolClient."""
    flows: frozenset[str]
    """AllowedOAuthFlows: code, implicit, client_credentials."""
    scopes: tuple[str, ...]
    """AllowedOAuthScopes, in the order they were given."""
    redirect_uris: frozenset[str]
    """CallbackURLs."""
    logout_uris: frozenset[str]
    """LogoutURLs."""
    identity_providers: frozenset[str]
    """SupportedIdentityProviders; COGNITO is the pool's own users."""
    inactive_scopes: frozenset[str] = frozenset()
    """Those of `scopes` that no resource server has any more. They come back with the resource server's scope."""

    def check_flow(self, flow: str) -> None:
        """
        Raises:
            UnauthorizedClient: the client may not use the flow. The owner is told which it may use.
        """
        if flow not in self.flows:
            allowed = ", ".join(sorted(self.flows)) or "none"
            raise UnauthorizedClient(
                detail=f"{flow} is not among the AllowedOAuthFlows of client {self.client_id}: {allowed}"
            )


@dataclass(frozen=True, slots=True)
class PresentedClient:
    """Who the caller says it is."""

    client_id: str
    secret: Secret[str] | None


def parse_presented_client(authorization: str | None, parameters: Parameters) -> PresentedClient:
    """The client and its secret, from `Authorization: Basic` or from the body.

    Raises:
        InvalidRequest: no client at all, a parameter twice, or both ways of authentication at once (RFC 6749 section
            2.3).
        InvalidClient: an unreadable header, a header and a body that name different clients, or an assertion.
    """
    if parameters.repeated & {"client_id", "client_secret"}:
        raise InvalidRequest("client_id and client_secret may be present once")
    if parameters.get("client_assertion") is not None or parameters.get("client_assertion_type") is not None:
        # Whoever ignored it would take a client for one that has proven nothing (RFC 7521 section 4.2).
        raise InvalidClient("client_assertion is not supported: use client_secret_basic or client_secret_post")
    in_body = parameters.get("client_id")
    body_secret = parameters.get("client_secret")
    if authorization is None:
        if in_body is None:
            raise InvalidRequest(detail="the request names no client")
        return PresentedClient(in_body, None if body_secret is None else Secret(body_secret))
    if body_secret is not None:
        raise InvalidRequest("a client authenticates in one way: by header or in the body")
    client_id, secret = _parse_basic(authorization)
    if in_body is not None and in_body != client_id:
        raise InvalidClient(detail="the header and the body name different clients")
    return PresentedClient(client_id, secret)


def check_presented_client(presented: PresentedClient, client: ClientRules) -> None:
    """A client with a secret must present one, and one without must not.

    Whether the secret is the right one is for whoever keeps it. UNVERIFIED: what AWS does with a secret for a client
    that has none; refusing is what has been reported.

    Raises:
        InvalidClient: with AWS's description when a secret is owed.
    """
    if client.has_secret and presented.secret is None:
        raise InvalidClient("invalid_client_secret")
    if not client.has_secret and presented.secret is not None:
        raise InvalidClient(detail="a public client presented a secret")


def _parse_basic(authorization: str) -> tuple[str, Secret[str]]:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClient(detail="the Authorization header is not Basic")
    try:
        text = b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise InvalidClient(detail="the Authorization header is not base64 of UTF-8") from None
    client_id, colon, secret = text.partition(":")
    if not colon or not client_id:
        raise InvalidClient(detail="the Authorization header holds no client_id:client_secret")
    # Section 2.3.1 form-encodes both. `+` stays itself: it is a character of AWS's secrets, and they hold no space.
    return unquote(client_id), Secret(unquote(secret))
