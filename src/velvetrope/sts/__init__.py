"""Temporary credentials: issued, opened again, and who may have them.

`Sessions` makes and opens session tokens without keeping anything; `RoleAssumption` judges trust policies;
`OpenIdProviders` and `SamlAssertions` verify what the providers that IAM knows vouch for; `StsOperations` is the
service as AWS's clients see it.
"""

from velvetrope.sts.assumption import AssumedRole, RoleAssumption, RoleSessionRequest
from velvetrope.sts.authorization_messages import AuthorizationMessages
from velvetrope.sts.errors import RoleNotAssumable
from velvetrope.sts.http_documents import DocumentUnavailable, HttpDocuments
from velvetrope.sts.issuer_tokens import IssuerTokens, VerifiedIdToken
from velvetrope.sts.managed_policies import ManagedSessionPolicies
from velvetrope.sts.open_id_keys import IssuerKeys
from velvetrope.sts.open_id_tokens import OpenIdProviders
from velvetrope.sts.operations import StsOperations
from velvetrope.sts.providers import (
    AccessKeyDirectory,
    PolicyGatherer,
    RoleRecord,
    RoleStore,
    WebIdentity,
    WebIdentityTokens,
)
from velvetrope.sts.saml_assertions import SamlAssertions
from velvetrope.sts.sessions import Sessions

__all__ = [
    "AccessKeyDirectory",
    "AssumedRole",
    "AuthorizationMessages",
    "DocumentUnavailable",
    "HttpDocuments",
    "IssuerKeys",
    "IssuerTokens",
    "ManagedSessionPolicies",
    "OpenIdProviders",
    "PolicyGatherer",
    "RoleAssumption",
    "RoleNotAssumable",
    "RoleRecord",
    "RoleSessionRequest",
    "RoleStore",
    "SamlAssertions",
    "Sessions",
    "StsOperations",
    "VerifiedIdToken",
    "WebIdentity",
    "WebIdentityTokens",
]
