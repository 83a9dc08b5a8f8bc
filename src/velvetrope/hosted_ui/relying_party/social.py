"""Where the social providers are. A pool's administrator cannot say otherwise: who Google is, is not theirs to decide.

AWS shows such addresses among a provider's details and takes them back when they are sent; they change nothing there.

Sources: Google Identity, "OpenID Connect" (discovery); Meta for Developers, "Manually build a login flow"; Login with
Amazon, "Authorization code grant", "Obtain customer profile information"; Sign in with Apple REST API, "Generate and
validate tokens", "Request an authorization to the Sign in with Apple server".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from velvetrope.store.tables.userpools_configuration import IdentityProviderType

__all__ = ["SOCIAL_ENDPOINTS", "SocialEndpoints"]


@dataclass(frozen=True, slots=True)
class SocialEndpoints:
    """The addresses of one of them. An issuer without the rest is discovered. `{version}` is Facebook's api_version."""

    issuer: str | None = None
    authorize_url: str | None = None
    token_url: str | None = None
    profile_url: str | None = None
    jwks_uri: str | None = None


SOCIAL_ENDPOINTS: Mapping[IdentityProviderType, SocialEndpoints] = MappingProxyType(
    {
        "Google": SocialEndpoints(issuer="https://accounts.google.com"),
        "Facebook": SocialEndpoints(
            authorize_url="https://www.facebook.com/{version}/dialog/oauth",
            token_url="https://graph.facebook.com/{version}/oauth/access_token",  # noqa: S106  an address
            profile_url="https://graph.facebook.com/{version}/me",
        ),
        "LoginWithAmazon": SocialEndpoints(
            authorize_url="https://www.amazon.com/ap/oa",
            token_url="https://api.amazon.com/auth/o2/token",  # noqa: S106  an address
            profile_url="https://api.amazon.com/user/profile",
        ),
        "SignInWithApple": SocialEndpoints(
            issuer="https://appleid.apple.com",
            authorize_url="https://appleid.apple.com/auth/authorize",
            token_url="https://appleid.apple.com/auth/token",  # noqa: S106  an address
            jwks_uri="https://appleid.apple.com/auth/keys",
        ),
    }
)
