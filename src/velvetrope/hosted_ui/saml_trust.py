"""What the hosted UI asks about SAML providers and the pool's own keys. `server` hands it the object that answers."""

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from velvetrope.store.tables.userpools_configuration import IdentityProvider

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import rsa

    from velvetrope import saml

__all__ = ["SamlTrust", "entity_id_of"]


class SamlTrust(Protocol):
    """`userpools.SamlProviders`, as far as sign-in and log-out go."""

    async def identity_provider(self, provider: IdentityProvider, *, now: datetime) -> "saml.IdentityProvider":
        """Who the provider is, as its metadata says.

        Raises:
            ReasonError: the metadata is too old to be believed, and no news can be had.
        """
        ...

    async def providers_of_issuer(self, user_pool_id: str, issuer: str) -> tuple[IdentityProvider, ...]:
        """The SAML providers of the pool that go by this entity id, as far as we last heard."""
        ...

    async def signing_key(self, user_pool_id: str, *, now: datetime) -> "rsa.RSAPrivateKey":
        """What our requests are signed with: the key of GetSigningCertificate."""
        ...

    async def decryption_keys(self, provider: IdentityProvider, *, now: datetime) -> "tuple[rsa.RSAPrivateKey, ...]":
        """What opens assertions for us; nothing where the provider does not encrypt."""
        ...


def entity_id_of(user_pool_id: str) -> str:
    """What a pool is called in SAML: the issuer of its requests, and the audience of assertions for it.

    Source: Cognito Developer Guide, "Configuring your third-party SAML identity provider" (SP urn / audience URI).
    """
    return f"urn:amazon:cognito:sp:{user_pool_id}"
