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
place (`sign_in.next_step`). Refusals are said in AWS's words by one class per error code (`errors`); what is not built
is refused by its name (`configuration.pool_support`).

The room's own floors, each of which imports from those below it (a contract in `pyproject.toml`):

    pools, wiring                       which object is given which
    service, account_service,           what other rooms are handed
      token_verifier
    accounts, configuration, looks      what users, administrators and owners do with what is kept
    federation                          users of other identity providers
    sign_in                             from the first call to the tokens
    factors                             what people prove themselves with
    imports                             users from elsewhere
    turns                               a call of a sign-in, and what it may lead to
    messages, tokens                    what is sent to people, and what a sign-in yields
    passwords                           at rest, and what wrong ones cost
    challenges                          how far a sign-in has come, sealed
    triggers, users                     the functions that are asked; what a user is
    directory, shapes, pages, errors    what all of them speak of
"""

from velvetrope.userpools.imports.operations import ImportLogs, LogsRefused
from velvetrope.userpools.imports.uploads import UPLOAD_PATH, FileTooLarge, ImportUpload, ImportUploads, UploadRefused
from velvetrope.userpools.messages.deliveries import Deliveries, MessageSender
from velvetrope.userpools.messages.outbox import Medium, Outbox, ReadableMessage
from velvetrope.userpools.pools import UserPools
from velvetrope.userpools.service import SignInService
from velvetrope.userpools.token_verifier import PoolTokenVerifier
from velvetrope.userpools.tokens.issuing import IssuedTokens

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
