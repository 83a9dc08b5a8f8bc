"""The OpenID provider configuration of a user pool.

The members and their order are AWS's. The issuer is the pool's name and need not be an address of ours; the endpoints
are where they can be reached, which the edge knows.

Source: OpenID Connect Discovery 1.0 section 3; an observed document of Cognito's.
"""

from dataclasses import dataclass

__all__ = ["EndpointUrls", "discovery_document"]


@dataclass(frozen=True, slots=True)
class EndpointUrls:
    """Absolute URLs. Pages are https; the rest may be http on loopback."""

    jwks: str
    pages_base: str | None
    """What `/oauth2/authorize` and `/logout` are put behind; None for a pool without a domain."""
    api_base: str | None
    """What `/oauth2/token`, `/oauth2/userInfo` and `/oauth2/revoke` are put behind."""


def discovery_document(issuer: str, urls: EndpointUrls) -> dict[str, object]:
    """What `ISSUER/.well-known/openid-configuration` answers.

    A pool without a domain has no OAuth endpoints to name.
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
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "userinfo_endpoint": _under(urls.api_base, "/oauth2/userInfo"),
    }
    return {name: value for name, value in members.items() if value is not None}


def _under(base: str | None, path: str) -> str | None:
    return None if base is None else base + path
