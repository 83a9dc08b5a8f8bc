"""Amazon Cognito user pools: sign-up, sign-in, tokens, app clients, groups.

    service = UserPools(database, master_keys=keys, entropy=entropy, public_url=None)
    service.operations        # owners of cognito-idp operations, for the dispatcher
    service.sign_in           # hosted_ui's UserDirectory
    service.token_verifier    # identitypools' UserPoolTokens

Refusals are said in AWS's words by one class per error code (`errors`). MFA, triggers, devices, custom challenges,
federation and forgotten passwords are not built; what would need them is refused by name.
"""

from velvetrope.userpools.deliveries import Deliveries, MessageSender
from velvetrope.userpools.issuing import IssuedTokens
from velvetrope.userpools.outbox import Medium, Outbox, ReadableMessage
from velvetrope.userpools.pools import UserPools
from velvetrope.userpools.service import PoolTokenVerifier, SignInService

__all__ = [
    "Deliveries",
    "IssuedTokens",
    "Medium",
    "MessageSender",
    "Outbox",
    "PoolTokenVerifier",
    "ReadableMessage",
    "SignInService",
    "UserPools",
]
