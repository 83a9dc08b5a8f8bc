"""Amazon Cognito user pools: sign-up, sign-in, tokens, app clients, groups.

    pools = UserPools(database, master_keys=keys, clock=clock, entropy=entropy, functions=invoker, public_url=None)
    pools.operations        # owners of cognito-idp operations, for the dispatcher
    pools.sign_in           # hosted_ui's UserDirectory
    pools.accounts          # hosted_ui's AccountDirectory
    pools.appearances       # what the pages look like
    pools.terms             # what people who sign up are to read
    pools.token_verifier    # identitypools' UserPoolTokens
    pools.signing_keys      # rotation, for the owner
    pools.uploads           # the files of import jobs, for the edge

A sign-in is a sealed state that goes from answer to answer (`challenges`); what follows an answer is decided in one
place (`next_step`). Refusals are said in AWS's words by one class per error code (`errors`); what is not built is
refused by its name (`pool_support`).
"""

from velvetrope.userpools.deliveries import Deliveries, MessageSender
from velvetrope.userpools.import_operations import ImportLogs, LogsRefused
from velvetrope.userpools.import_uploads import UPLOAD_PATH, FileTooLarge, ImportUpload, ImportUploads, UploadRefused
from velvetrope.userpools.issuing import IssuedTokens
from velvetrope.userpools.outbox import Medium, Outbox, ReadableMessage
from velvetrope.userpools.pools import UserPools
from velvetrope.userpools.service import PoolTokenVerifier, SignInService

__all__ = [
    "UPLOAD_PATH",
    "Deliveries",
    "FileTooLarge",
    "ImportLogs",
    "ImportUpload",
    "ImportUploads",
    "IssuedTokens",
    "LogsRefused",
    "Medium",
    "MessageSender",
    "Outbox",
    "PoolTokenVerifier",
    "ReadableMessage",
    "SignInService",
    "UploadRefused",
    "UserPools",
]
