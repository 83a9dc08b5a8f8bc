"""What the hosted pages speak to identity providers of user pools with."""

from velvetrope.hosted_ui import Outside, ProviderParts, SamlParts, SamlTrust
from velvetrope.store import Database
from velvetrope.store.tables.hosted_ui_federation import FederatedSignInStore
from velvetrope.store.tables.hosted_ui_saml import SamlStore
from velvetrope.sts import HttpDocuments, IssuerKeys, IssuerTokens

__all__ = ["identity_provider_parts"]


def identity_provider_parts(database: Database, trust: SamlTrust, *, allow_this_machine: bool) -> ProviderParts:
    """Providers are asked over https. Those of this machine may be plain http where `allow_this_machine` says so.

    It is said of servers without a public URL: there a developer's own provider is as near as the database. A server
    that others reach is not sent to ports of its own machine by whoever may register a provider.
    """
    documents = HttpDocuments(allow_loopback_http=allow_this_machine)
    keys = IssuerKeys(documents)
    return ProviderParts(
        FederatedSignInStore(database),
        Outside(documents, keys, IssuerTokens(keys)),
        saml=SamlParts(trust, SamlStore(database)),
    )
