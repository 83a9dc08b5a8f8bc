"""Identity pools: who somebody is to us, and which role's credentials they get for it.

    tokens = PoolOpenIdTokens(store, master_keys, entropy, region="us-west-2")      # STS is handed this one too
    owners = IdentityPoolOperations(store, ...).owners                              # for the dispatcher

Guests exist only where a pool says so. A login counts only when its token was verified, and credentials are handed out
only when the role's trust policy lets this very identity in.
"""

from velvetrope.identitypools.guests import GUEST_SESSION_POLICIES
from velvetrope.identitypools.open_id_tokens import PoolIdentity, PoolOpenIdTokens
from velvetrope.identitypools.operations import IdentityPoolOperations
from velvetrope.identitypools.providers import (
    OpenIdLogin,
    OpenIdProviders,
    RoleSessions,
    SamlLogin,
    SamlProviders,
    UserPoolTokens,
)

__all__ = [
    "GUEST_SESSION_POLICIES",
    "IdentityPoolOperations",
    "OpenIdLogin",
    "OpenIdProviders",
    "PoolIdentity",
    "PoolOpenIdTokens",
    "RoleSessions",
    "SamlLogin",
    "SamlProviders",
    "UserPoolTokens",
]
