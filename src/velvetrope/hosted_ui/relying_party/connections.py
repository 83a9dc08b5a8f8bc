"""What is known of a provider before anything is asked of it: addresses, our credentials there, and its habits.

| Type | ID token | Who somebody is | Our secret travels | PKCE | Comes back by |
|---|---|---|---|---|---|
| OIDC | yes | `sub` | in the form, or as Basic where it takes nothing else | yes | GET |
| Google | yes | `sub` | in the form | yes | GET |
| LoginWithAmazon | no | `user_id` of the profile | in the form | yes | GET |
| Facebook | no | `id` of Graph's `me` | in the form | no | GET |
| SignInWithApple | yes | `sub` | as a JWT that our key signs | no | POST |

An OIDC provider is discovered at its `oidc_issuer`, unless authorize_url, token_url and jwks_uri are all given; what is
given goes before what was discovered. Addresses are https, or http on this machine where the issuer is that too.

Sources: Cognito Developer Guide, "Using OIDC identity providers with a user pool" and "Using social identity providers
with a user pool"; OpenID Connect Discovery section 3.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal

from velvetrope.errors import ReasonError
from velvetrope.hosted_ui.directory import UserDirectory
from velvetrope.hosted_ui.relying_party.outside import ProviderMetadata
from velvetrope.hosted_ui.relying_party.refusals import ProviderRefused
from velvetrope.hosted_ui.relying_party.social import SOCIAL_ENDPOINTS, SocialEndpoints
from velvetrope.oauth import is_redirect_uri
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools_configuration import IdentityProvider, IdentityProviderType

__all__ = ["ClientAuthentication", "Connection", "Connections"]

ClientAuthentication = Literal["post", "basic", "apple", "none"]

_FACEBOOK_VERSION = "v23.0"  # where the pool's administrator has named none
_VERSION = re.compile(r"v[0-9]{1,3}\.[0-9]{1,2}")
_SEPARATORS = re.compile(r"[\s,]+")
_SUBJECTS: Mapping[IdentityProviderType, str] = MappingProxyType({"Facebook": "id", "LoginWithAmazon": "user_id"})
_WITHOUT_PKCE = frozenset({"Facebook", "SignInWithApple"})
"""They do not document it, or not for this flow. The nonce binds Apple's answer; Facebook's code needs our secret."""
_TAKES_HINTS = frozenset({"OIDC", "Google"})


@dataclass(frozen=True, slots=True)
class Connection:
    """One provider, as far as its protocol goes."""

    provider: IdentityProvider
    client_id: str
    details: Mapping[str, str] = field(repr=False)
    """ProviderDetails, the secret ones too."""
    scopes: tuple[str, ...]
    authorize_url: str
    token_url: str
    profile_url: str | None
    issuer: str | None
    """Of its ID tokens; None where it issues none."""
    jwks_uri: str | None
    """None: where discovery says."""
    client_authentication: ClientAuthentication
    says_who_answers: bool = False
    """Whether every answer of its authorization endpoint has an `iss` (RFC 9207)."""

    @property
    def name(self) -> str:
        return self.provider.provider_name

    @property
    def subject_claim(self) -> str:
        """What the provider calls its id of a person."""
        return _SUBJECTS.get(self.provider.provider_type, "sub")

    @property
    def uses_pkce(self) -> bool:
        return self.provider.provider_type not in _WITHOUT_PKCE

    @property
    def takes_hints(self) -> bool:
        """Whether `login_hint`, `prompt` and `max_age` are passed on: to OIDC providers and Google, as on AWS."""
        return self.provider.provider_type in _TAKES_HINTS

    @property
    def answers_by_post(self) -> bool:
        """Apple does, whenever it is asked for a scope."""
        return self.provider.provider_type == "SignInWithApple"

    @property
    def client_secret(self) -> Secret[str] | None:
        secret = self.details.get("client_secret")
        return Secret(secret) if secret else None


class Connections:
    """Makes connections."""

    def __init__(
        self,
        directory: UserDirectory,
        metadata: ProviderMetadata,
        *,
        social: Mapping[IdentityProviderType, SocialEndpoints] = SOCIAL_ENDPOINTS,
    ) -> None:
        self._directory = directory
        self._metadata = metadata
        self._social = social

    async def connect(self, provider: IdentityProvider, *, now: datetime) -> Connection:
        """What is known of `provider` now.

        Raises:
            ProviderRefused: it cannot be discovered, or has an address that is not gone to.
        """
        details = self._directory.identity_provider_details(provider)
        known = self._known(provider, details)
        found = await self._discovered(provider, known, now)
        authorize_url = known.authorize_url or _text(found, "authorization_endpoint")
        token_url = known.token_url or _text(found, "token_endpoint")
        profile_url = known.profile_url or _text(found, "userinfo_endpoint") or None
        for address in (authorize_url, token_url, profile_url):
            if address is not None:
                _check_address(provider, address, issuer=known.issuer)
        return Connection(
            provider=provider,
            client_id=details["client_id"],
            details=details,
            scopes=_scopes(provider, details),
            authorize_url=authorize_url,
            token_url=token_url,
            profile_url=profile_url,
            issuer=known.issuer,
            jwks_uri=known.jwks_uri,
            client_authentication=_client_authentication(provider, details, found),
            says_who_answers=found.get("authorization_response_iss_parameter_supported") is True,
        )

    def _known(self, provider: IdentityProvider, details: Mapping[str, str]) -> SocialEndpoints:
        if provider.provider_type == "OIDC":
            return SocialEndpoints(
                issuer=details["oidc_issuer"],
                authorize_url=details.get("authorize_url"),
                token_url=details.get("token_url"),
                profile_url=details.get("attributes_url"),
                jwks_uri=details.get("jwks_uri"),
            )
        known = self._social.get(provider.provider_type)
        if known is None:
            raise ProviderRefused(f"{provider.provider_name} is no OpenID Connect or OAuth 2.0 provider")
        version = details.get("api_version") or _FACEBOOK_VERSION
        if not _VERSION.fullmatch(version):
            raise ProviderRefused(f"The api_version of {provider.provider_name} is none", detail=version)
        return SocialEndpoints(
            issuer=known.issuer,
            authorize_url=_versioned(known.authorize_url, version),
            token_url=_versioned(known.token_url, version),
            profile_url=_versioned(known.profile_url, version),
            jwks_uri=known.jwks_uri,
        )

    async def _discovered(self, provider: IdentityProvider, known: SocialEndpoints, now: datetime) -> Mapping[str, Any]:
        if known.issuer is None or (known.authorize_url and known.token_url and known.jwks_uri):
            return {}
        try:
            return await self._metadata.metadata(known.issuer, now=now)
        except ReasonError as reason:
            raise ProviderRefused(
                f"The configuration of {provider.provider_name} could not be had",
                detail=f"{known.issuer}: {reason.detail or reason.message}",
            ) from reason


def _versioned(address: str | None, version: str) -> str | None:
    return None if address is None else address.replace("{version}", version)


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""


def _check_address(provider: IdentityProvider, address: str, *, issuer: str | None) -> None:
    """https; or http where the issuer is a server of this machine, which `outside` looks at once more.

    Raises:
        ProviderRefused: it is something else, or no address.
    """
    # By the rule for addresses that we redirect to, as we do to one of these: what is none could break out of a header.
    https = is_redirect_uri(address) and address.startswith("https://")
    plain = is_redirect_uri(address) and address.startswith("http://") and not _is_https(issuer)
    if not (https or plain):
        raise ProviderRefused(f"{provider.provider_name} has an address that is not https", detail=address[:200])


def _is_https(issuer: str | None) -> bool:
    return issuer is not None and issuer.startswith("https://")


def _scopes(provider: IdentityProvider, details: Mapping[str, str]) -> tuple[str, ...]:
    asked = tuple(scope for scope in _SEPARATORS.split(details.get("authorize_scopes", "")) if scope)
    if provider.provider_type in _TAKES_HINTS and "openid" not in asked:
        return ("openid", *asked)  # without it there is no ID token
    return asked


def _client_authentication(
    provider: IdentityProvider, details: Mapping[str, str], found: Mapping[str, Any]
) -> ClientAuthentication:
    """AWS sends the secret in the form. A provider that says it takes Basic and not that is given Basic."""
    if provider.provider_type == "SignInWithApple":
        return "apple"
    if not details.get("client_secret"):
        return "none"
    methods = found.get("token_endpoint_auth_methods_supported")
    if isinstance(methods, list) and "client_secret_post" not in methods and "client_secret_basic" in methods:
        return "basic"
    return "post"
