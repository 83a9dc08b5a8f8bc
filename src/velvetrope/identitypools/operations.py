"""All operations of cognito-identity, put together from the parts that each know one noun."""

from velvetrope.clock import Entropy
from velvetrope.identitypools.credential_operations import CredentialOperations
from velvetrope.identitypools.developer_operations import DeveloperOperations
from velvetrope.identitypools.identities import IdentityResolver
from velvetrope.identitypools.identity_operations import IdentityOperations
from velvetrope.identitypools.logins import LoginVerifier
from velvetrope.identitypools.open_id_tokens import PoolOpenIdTokens
from velvetrope.identitypools.pool_operations import PoolOperations
from velvetrope.identitypools.providers import OpenIdProviders, RoleSessions, SamlProviders, UserPoolTokens
from velvetrope.identitypools.role_operations import RoleOperations
from velvetrope.store.tables.identitypools import IdentityPoolStore

__all__ = ["IdentityPoolOperations"]


class IdentityPoolOperations:
    """The service: `owners` are the objects whose marked methods are its operations.

    `public_url` is the address that user pool tokens are issued under, if one is set. Without `open_id_providers` and
    `saml_providers` pools take logins of user pools and developer users only.
    """

    def __init__(
        self,
        store: IdentityPoolStore,
        *,
        user_pool_tokens: UserPoolTokens,
        role_sessions: RoleSessions,
        open_id_tokens: PoolOpenIdTokens,
        entropy: Entropy,
        open_id_providers: OpenIdProviders | None = None,
        saml_providers: SamlProviders | None = None,
        public_url: str | None = None,
    ) -> None:
        verifier = LoginVerifier(
            user_pool_tokens,
            open_id_providers=open_id_providers,
            saml_providers=saml_providers,
            public_url=public_url,
        )
        resolver = IdentityResolver(store, verifier, entropy)
        self.pools = PoolOperations(
            store, resolver, entropy, open_id_providers=open_id_providers, saml_providers=saml_providers
        )
        self.roles = RoleOperations(store, resolver)
        self.identities = IdentityOperations(store, resolver, verifier)
        self.developers = DeveloperOperations(store, resolver, verifier, open_id_tokens, entropy)
        self.credentials = CredentialOperations(resolver, role_sessions, open_id_tokens)

    @property
    def owners(self) -> tuple[object, ...]:
        """For the dispatcher."""
        return self.pools, self.roles, self.identities, self.developers, self.credentials
