"""The request that the browser takes to a provider.

Source: OpenID Connect Core section 3.1.2.1; RFC 7636 section 4.3; Cognito Developer Guide, "Authorize endpoint" (what
is passed on of the app's own request).
"""

from velvetrope.hosted_ui.federated_sign_ins import Departure
from velvetrope.hosted_ui.relying_party.connections import Connection
from velvetrope.oauth import AuthorizationRequest, derive_code_challenge, put_on_uri

__all__ = ["authorization_uri"]


def authorization_uri(
    connection: Connection, request: AuthorizationRequest, departure: Departure, *, return_uri: str
) -> str:
    """Where to send the browser. `prompt=none` does not get here: it has been answered by us."""
    asked = {
        "client_id": connection.client_id,
        "response_type": "code",
        "redirect_uri": return_uri,
        "scope": " ".join(connection.scopes),
        "state": departure.state,
    }
    if connection.issuer is not None:
        asked["nonce"] = departure.nonce
    if connection.uses_pkce:
        asked["code_challenge"] = derive_code_challenge(departure.code_verifier.reveal())
        asked["code_challenge_method"] = "S256"
    if connection.answers_by_post:
        asked["response_mode"] = "form_post"
    if connection.takes_hints:
        hints = {
            "login_hint": request.login_hint,
            "prompt": " ".join(sorted(request.prompts)),
            "max_age": None if request.max_age_seconds is None else str(request.max_age_seconds),
        }
        asked |= {name: hint for name, hint in hints.items() if hint}
    return put_on_uri(connection.authorize_url, asked, in_fragment=False)
