"""Which identity provider somebody is to sign in with, before they have chosen one on our page.

| The request says | Who it is |
|---|---|
| `identity_provider` | that one; the client has to support it (`oauth`) |
| `idp_identifier` | whoever has that identifier; the client has to support it |
| neither | the client's only provider, if that is not the pool itself; else nobody yet |

Source: Cognito Developer Guide, "Authorize endpoint"; "Using SAML identity providers with a user pool" (identifiers).
"""

from dataclasses import dataclass

from velvetrope.errors import ReasonError
from velvetrope.hosted_ui.authorization_requests import OWN_USERS, RequestedAuthorization
from velvetrope.hosted_ui.directory import UserDirectory
from velvetrope.oauth import InvalidRequest, Parameters
from velvetrope.store.tables.hosted_ui_federation import FederatedSignIn
from velvetrope.store.tables.userpools import UserPool
from velvetrope.store.tables.userpools_configuration import IdentityProvider

__all__ = [
    "ProviderGone",
    "ProviderLink",
    "choose_provider",
    "find_same_provider",
    "named_provider",
    "offered_providers",
]

_CHOICES = frozenset({"identity_provider", "idp_identifier"})


@dataclass(frozen=True, slots=True)
class ProviderLink:
    """A provider that somebody may choose instead of a password."""

    name: str
    query: str
    """What `/oauth2/authorize` is asked with: the same request, for that provider."""


class ProviderGone(ReasonError):
    """The provider that somebody left for is not there any more, or not the client's."""


async def choose_provider(
    directory: UserDirectory, pool: UserPool, asked: RequestedAuthorization
) -> IdentityProvider | None:
    """The provider to leave for at once; None where somebody has to choose, or the pool itself was chosen.

    Raises:
        OAuthError: there is no such provider, or the client does not support it. Told to the redirect_uri.
    """
    supported = asked.client.supported_identity_providers
    if asked.request.idp_identifier is not None:
        return await _identified(directory, pool, asked, asked.request.idp_identifier)
    name = asked.request.identity_provider
    if name is None and len(supported) == 1:
        name = supported[0]
    if name is None or name == OWN_USERS:
        return None
    found = await directory.find_identity_provider(pool.id, name)
    if found is None:
        raise asked.refusing(InvalidRequest(f"The identity provider {name} does not exist"))
    return found


async def named_provider(directory: UserDirectory, pool: UserPool, asked: RequestedAuthorization) -> str | None:
    """The name of the provider that the request insists on; None where any of the client's will do.

    Raises:
        OAuthError: as `choose_provider`, of an identifier.
    """
    if asked.request.idp_identifier is None:
        return asked.request.identity_provider
    return (await _identified(directory, pool, asked, asked.request.idp_identifier)).provider_name


async def _identified(
    directory: UserDirectory, pool: UserPool, asked: RequestedAuthorization, identifier: str
) -> IdentityProvider:
    found = await directory.find_identity_provider_by_identifier(pool.id, identifier)
    if found is None:
        raise asked.refusing(InvalidRequest("No identity provider has this idp_identifier"))
    if found.provider_name not in asked.client.supported_identity_providers:
        raise asked.refusing(
            InvalidRequest(f"{found.provider_name} is not a supported identity provider of the client")
        )
    return found


def offered_providers(asked: RequestedAuthorization) -> tuple[ProviderLink, ...]:
    """The providers that the sign-in page has links for, in the client's order."""
    request = [pair for pair in Parameters.parse(asked.query).pairs if pair[0] not in _CHOICES]
    return tuple(
        ProviderLink(name, Parameters((*request, ("identity_provider", name))).render())
        for name in asked.client.supported_identity_providers
        if name != OWN_USERS
    )


async def find_same_provider(
    directory: UserDirectory, pool: UserPool, asked: RequestedAuthorization, sign_in: FederatedSignIn
) -> IdentityProvider:
    """The provider that a sign-in left for, now that the browser is back.

    Raises:
        ProviderGone: it was deleted, or made anew, or the client does not support it any more.
    """
    name = sign_in.provider_name
    provider = await directory.find_identity_provider(pool.id, name)
    if provider is None or provider.created_at != sign_in.provider_created_at:
        raise ProviderGone(f"The identity provider {name} does not exist", detail="it was deleted meanwhile")
    if name not in asked.client.supported_identity_providers:
        raise ProviderGone(f"{name} is not a supported identity provider of the client")
    return provider
