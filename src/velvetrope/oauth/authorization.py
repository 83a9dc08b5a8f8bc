"""The authorization request, from parameters to something that can be granted.

Two functions, because there are two kinds of refusal. `verify_return_address` runs the rules whose refusals stay on our
own page; what it returns is the only address that anything may be sent to. `parse_authorization_request` runs the rest;
its refusals carry that address, and go there. The rules stand in two tables below, in the order they run, and the order
is the argument: nothing that could redirect runs before the redirect_uri has been found registered.

AWS's order among response type, flow, PKCE and scope is UNVERIFIED; it decides only which of two errors is told.
Parameters that are not named here are ignored, as RFC 6749 section 3.1 asks.

Source: RFC 6749 section 4.1.1, OpenID Connect Core section 3.1.2.1, RFC 7636 section 4.3, RFC 9700 section 2.1; Cognito
Developer Guide, "Authorize endpoint".
"""

from collections.abc import Callable
from dataclasses import dataclass

from velvetrope.oauth.clients import ClientRules
from velvetrope.oauth.errors import (
    ClientNotEnabled,
    InvalidRequest,
    OAuthError,
    RedirectMismatch,
    RequestNotSupported,
    RequestUriNotSupported,
    UnauthorizedClient,
)
from velvetrope.oauth.parameters import Parameters
from velvetrope.oauth.pkce import check_code_challenge
from velvetrope.oauth.redirects import explain_mismatch, is_redirect_uri
from velvetrope.oauth.resources import check_resource_indicator
from velvetrope.oauth.return_addresses import ReturnAddress
from velvetrope.oauth.scopes import OPENID, parse_scopes

__all__ = ["AuthorizationRequest", "parse_authorization_request", "verify_return_address"]

_FLOW_OF_RESPONSE_TYPE = {"code": "code", "token": "implicit"}
_RESPONSE_MODE_OF_RESPONSE_TYPE = {"code": "query", "token": "fragment"}
_PROMPTS = frozenset({"none", "login", "select_account", "consent"})
_MAX_AGE_DIGITS = 9


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A request that this client may make. Who the user is, and whether they agree, is still open."""

    client_id: str
    address: ReturnAddress
    response_type: str
    """`code` or `token`."""
    scopes: tuple[str, ...]
    code_challenge: str | None
    nonce: str | None
    prompts: frozenset[str]
    max_age_seconds: int | None
    login_hint: str | None
    identity_provider: str | None
    """The provider that is asked for by its name; `COGNITO` for the pool's own users."""
    idp_identifier: str | None
    """The same by one of its other names, of which only the pool knows whose it is."""
    resource: str | None = None
    """Whom the access token is for (its `aud`), where the app has said so."""

    @property
    def wants_id_token(self) -> bool:
        """Whether openid is among the scopes."""
        return OPENID in self.scopes


def verify_return_address(parameters: Parameters, client: ClientRules, *, issuer: str | None = None) -> ReturnAddress:
    """The one address that this request may be answered to; `issuer` is who answers, where that is to be said.

    Raises:
        StaysOnDomain: one of its kinds; there is no address, so nothing may be redirected.
    """
    for check in RULES_THAT_STAY:
        check(parameters, client)
    return ReturnAddress(
        redirect_uri=parameters.require("redirect_uri"),
        state=parameters.get("state"),
        in_fragment=parameters.get("response_type") == "token",
        issuer=issuer,
    )


def parse_authorization_request(
    parameters: Parameters, client: ClientRules, address: ReturnAddress
) -> AuthorizationRequest:
    """The request, once every rule has let it pass.

    Raises:
        OAuthError: with `return_address` set to `address`.
    """
    try:
        for check in RULES_THAT_RETURN:
            check(parameters, client)
        scopes = parse_scopes(parameters.get("scope"), allowed=client.scopes, inactive=client.inactive_scopes)
    except OAuthError as refusal:
        refusal.return_address = address
        raise
    max_age = parameters.get("max_age")
    return AuthorizationRequest(
        client_id=client.client_id,
        address=address,
        response_type=parameters.get("response_type") or "",
        scopes=scopes,
        code_challenge=parameters.get("code_challenge"),
        nonce=parameters.get("nonce"),
        prompts=frozenset((parameters.get("prompt") or "").split()),
        max_age_seconds=None if max_age is None else int(max_age),
        login_hint=parameters.get("login_hint"),
        identity_provider=parameters.get("identity_provider"),
        idp_identifier=parameters.get("idp_identifier"),
        resource=parameters.get("resource"),
    )


def check_client_enabled(_parameters: Parameters, client: ClientRules) -> None:
    """OAuth is switched on for the client."""
    if not client.oauth_enabled:
        raise ClientNotEnabled


def check_redirect_uri(parameters: Parameters, client: ClientRules) -> None:
    """The redirect_uri is, character for character, a registered one, and of a form that may be redirected to.

    One that is left out is refused, also where the client has a DefaultRedirectURI. Of that the model says that in
    clients with one identity provider it "replaces `redirect_uri` in authentication requests", but the Developer
    Guide's pages on `/oauth2/authorize` and `/login` call the parameter required, OpenID Connect Core section 3.1.2.1
    does too, and AWS's pages have been seen to refuse a request without it. What it would do is UNVERIFIED; a refusal
    sends no code anywhere.
    """
    redirect_uri = parameters.require("redirect_uri")
    if redirect_uri not in client.redirect_uris:
        raise RedirectMismatch(detail=explain_mismatch(redirect_uri, client.redirect_uris))
    if not is_redirect_uri(redirect_uri):
        raise RedirectMismatch(detail="the redirect_uri is registered, but of a form that is never redirected to")


def check_parameters_once(parameters: Parameters, _client: ClientRules) -> None:
    """No parameter comes twice (RFC 6749 section 3.1)."""
    if parameters.repeated:
        raise InvalidRequest("a parameter is present more than once")


def check_no_request_object(parameters: Parameters, _client: ClientRules) -> None:
    """Request objects are refused: ignoring one would ignore what it asks for."""
    if parameters.get("request") is not None:
        raise RequestNotSupported
    if parameters.get("request_uri") is not None:
        raise RequestUriNotSupported


def check_response_type(parameters: Parameters, _client: ClientRules) -> None:
    """`code` or `token`; no hybrids."""
    if parameters.get("response_type") not in _FLOW_OF_RESPONSE_TYPE:
        raise InvalidRequest("response_type must be code or token")


def check_flow_allowed(parameters: Parameters, client: ClientRules) -> None:
    """The client may use the flow that the response type stands for."""
    client.check_flow(_FLOW_OF_RESPONSE_TYPE[parameters.get("response_type") or ""])


def check_response_mode(parameters: Parameters, _client: ClientRules) -> None:
    """Only the response type's own mode: AWS knows no other, and silence would answer where nobody listens."""
    expected = _RESPONSE_MODE_OF_RESPONSE_TYPE[parameters.get("response_type") or ""]
    if parameters.get("response_mode") not in {None, expected}:
        raise InvalidRequest(f"response_mode must be {expected}")


def check_pkce(parameters: Parameters, _client: ClientRules) -> None:
    """A challenge comes with its method, and the method is S256."""
    challenge = parameters.get("code_challenge")
    method = parameters.get("code_challenge_method")
    if challenge is None and method is None:
        return
    if challenge is None:
        raise InvalidRequest("code_challenge is required when code_challenge_method is present")
    if method is None:
        raise InvalidRequest("code_challenge_method is required when code_challenge is present")
    if method != "S256":
        raise InvalidRequest("code_challenge_method must be S256")
    check_code_challenge(challenge)


def check_prompt(parameters: Parameters, _client: ClientRules) -> None:
    """Known prompts, and `none` alone (OpenID Connect Core section 3.1.2.1)."""
    prompts = (parameters.get("prompt") or "").split()
    if not _PROMPTS.issuperset(prompts):
        raise InvalidRequest("prompt must be none, login, select_account or consent")
    if "none" in prompts and len(prompts) > 1:
        raise InvalidRequest("prompt none stands alone")


def check_max_age(parameters: Parameters, _client: ClientRules) -> None:
    """Whole seconds. AWS does not document max_age here; honouring it is the safer reading."""
    max_age = parameters.get("max_age")
    if max_age is not None and not (max_age.isascii() and max_age.isdigit() and len(max_age) <= _MAX_AGE_DIGITS):
        raise InvalidRequest("max_age must be a number of seconds")


def check_identity_provider(parameters: Parameters, client: ClientRules) -> None:
    """A provider that is asked for by name is one of the client's; `COGNITO` is the pool itself.

    Whom an `idp_identifier` means is the pool's to say, and looked up later.
    """
    if not client.identity_providers:
        raise UnauthorizedClient("The client has no supported identity provider")
    name, identifier = parameters.get("identity_provider"), parameters.get("idp_identifier")
    if name is not None and identifier is not None:
        raise InvalidRequest("identity_provider and idp_identifier do not go together")
    if name is not None and name not in client.identity_providers:
        raise InvalidRequest(f"{name[:32]} is not a supported identity provider of the client")


def check_resource(parameters: Parameters, _client: ClientRules) -> None:
    """A resource indicator is one that a token can be made for (RFC 8707)."""
    resource = parameters.get("resource")
    if resource is not None:
        check_resource_indicator(resource)


Rule = Callable[[Parameters, ClientRules], None]

RULES_THAT_STAY: tuple[Rule, ...] = (
    check_client_enabled,
    check_redirect_uri,
)
"""Refusals stay on our page. That the client exists has been found out before; it is what `ClientRules` is made of."""

RULES_THAT_RETURN: tuple[Rule, ...] = (
    check_parameters_once,
    check_no_request_object,
    check_response_type,
    check_flow_allowed,
    check_response_mode,
    check_pkce,
    check_prompt,
    check_max_age,
    check_identity_provider,
    check_resource,
)
"""Refusals go to the redirect_uri. Scopes are read after these, as they become part of the request."""
