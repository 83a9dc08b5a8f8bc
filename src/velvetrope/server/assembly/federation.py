"""Identity pools, and whose tokens and assertions count: user pools', IAM's providers', identity pools' own."""

from dataclasses import dataclass

from velvetrope.iam.saml_providers import SamlProviders
from velvetrope.identitypools import IdentityPoolOperations, PoolOpenIdTokens
from velvetrope.server.assembly.callers import Callers
from velvetrope.server.assembly.foundation import Foundation
from velvetrope.server.assembly.user_pools import UserPoolParts
from velvetrope.store.tables.iam_providers import IamProviderStore
from velvetrope.store.tables.identitypools import IdentityPoolStore
from velvetrope.sts import HttpDocuments, IssuerKeys, OpenIdProviders, SamlAssertions

__all__ = ["Federation", "assemble_federation"]


@dataclass(frozen=True)
class Federation:
    """`issuer_keys` fetches and keeps the keys of issuers outside; HTTP APIs' JWT authorizers ask it too."""

    identity_pools: IdentityPoolOperations
    open_id_tokens: PoolOpenIdTokens
    issuer_keys: IssuerKeys
    provider_store: IamProviderStore
    open_id_providers: OpenIdProviders
    saml_providers: SamlProviders
    saml_assertions: SamlAssertions


def assemble_federation(foundation: Foundation, callers: Callers, user_pools: UserPoolParts) -> Federation:
    """Identities get their credentials from STS, for tokens of user pools and of IAM's providers."""
    database, region = foundation.database, foundation.settings.region
    identities, provider_store = IdentityPoolStore(database), IamProviderStore(database)
    open_id_tokens = PoolOpenIdTokens(identities, foundation.master_keys, foundation.entropy, region=region)
    # As for the user pools' providers (`server/identity_providers.py`): a developer's own issuer may be plain http.
    issuer_keys = IssuerKeys(HttpDocuments(allow_loopback_http=foundation.settings.public_url is None))
    open_id_providers = OpenIdProviders(provider_store, issuer_keys)
    saml_providers = SamlProviders(provider_store, foundation.master_keys, database.changes)
    saml_assertions = SamlAssertions(saml_providers, region=region)
    return Federation(
        identity_pools=IdentityPoolOperations(
            identities,
            user_pool_tokens=user_pools.pools.token_verifier,
            role_sessions=callers.roles,
            open_id_tokens=open_id_tokens,
            entropy=foundation.entropy,
            public_url=foundation.settings.public_url,
            open_id_providers=open_id_providers,
            saml_providers=saml_assertions,
        ),
        open_id_tokens=open_id_tokens,
        issuer_keys=issuer_keys,
        provider_store=provider_store,
        open_id_providers=open_id_providers,
        saml_providers=saml_providers,
        saml_assertions=saml_assertions,
    )
