"""The OpenID provider configuration of a user pool.

The first members and their order are AWS's; behind them stand those that other libraries ask for and AWS leaves out.
Each says what is so and nothing more. The issuer is the pool's name and need not be an address of ours; the endpoints
are where they can be reached, which the edge knows.

Sources: OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2, RFC 9207 section 3; an observed document of
Cognito's.
"""

from dataclasses import dataclass

__all__ = ["EndpointUrls", "discovery_document"]

_WITH_A_SECRET = ("client_secret_basic", "client_secret_post")


@dataclass(frozen=True, slots=True)
class EndpointUrls:
    """Absolute URLs. Pages are https; the rest may be http on loopback."""

    jwks: str
    pages_base: str | None
    """What `/oauth2/authorize` and `/logout` are put behind; None for a pool without a domain."""
    api_base: str | None
    """What `/oauth2/token`, `/oauth2/userInfo` and `/oauth2/revoke` are put behind."""


def discovery_document(issuer: str, urls: EndpointUrls, *, names_issuer: bool) -> dict[str, object]:
    """What `ISSUER/.well-known/openid-configuration` answers.

    A pool without a domain has no OAuth endpoints to name. `names_issuer` is whether answers at the redirect_uri say
    who gives them.
    """
    members: dict[str, object | None] = {
        "authorization_endpoint": _under(urls.pages_base, "/oauth2/authorize"),
        "end_session_endpoint": _under(urls.pages_base, "/logout"),
        "id_token_signing_alg_values_supported": ["RS256"],
        "issuer": issuer,
        "jwks_uri": urls.jwks,
        "response_types_supported": ["code", "token"],
        "revocation_endpoint": _under(urls.api_base, "/oauth2/revoke"),
        "scopes_supported": ["openid", "email", "phone", "profile"],
        "subject_types_supported": ["public"],
        "token_endpoint": _under(urls.api_base, "/oauth2/token"),
        "token_endpoint_auth_methods_supported": [*_WITH_A_SECRET, "none"],
        "userinfo_endpoint": _under(urls.api_base, "/oauth2/userInfo"),
        "authorization_response_iss_parameter_supported": names_issuer,
        "code_challenge_methods_supported": ["S256"],
        "grant_types_supported": ["authorization_code", "implicit", "refresh_token", "client_credentials"],
        "prompt_values_supported": ["none", "login", "select_account", "consent"],
        "request_parameter_supported": False,
        # The one whose absence would mean yes.
        "request_uri_parameter_supported": False,
        "response_modes_supported": ["query", "fragment"],
        "revocation_endpoint_auth_methods_supported": [*_WITH_A_SECRET, "none"],
    }
    return {name: value for name, value in members.items() if value is not None}


def _under(base: str | None, path: str) -> str | None:
    return None if base is None else base + path
