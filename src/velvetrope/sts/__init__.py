"""Temporary credentials: issued, opened again, and who may have them.

`Sessions` makes and opens session tokens without keeping anything; `RoleAssumption` judges trust policies;
`StsOperations` is the service as AWS's clients see it.
"""

from velvetrope.sts.assumption import AssumedRole, RoleAssumption, RoleSessionRequest
from velvetrope.sts.errors import RoleNotAssumable
from velvetrope.sts.operations import StsOperations
from velvetrope.sts.providers import (
    AccessKeyDirectory,
    PolicyGatherer,
    RoleRecord,
    RoleStore,
    WebIdentity,
    WebIdentityTokens,
)
from velvetrope.sts.sessions import Sessions, TemporaryCredentials

__all__ = [
    "AccessKeyDirectory",
    "AssumedRole",
    "PolicyGatherer",
    "RoleAssumption",
    "RoleNotAssumable",
    "RoleRecord",
    "RoleSessionRequest",
    "RoleStore",
    "Sessions",
    "StsOperations",
    "TemporaryCredentials",
    "WebIdentity",
    "WebIdentityTokens",
]
