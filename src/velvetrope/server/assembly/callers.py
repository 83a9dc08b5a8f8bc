"""IAM and STS: who calls, and which policies are theirs."""

from dataclasses import dataclass

from velvetrope.edge import SignatureVerifier
from velvetrope.iam import AccessKeys, IamPrincipals, PolicyGatherer
from velvetrope.server.assembly.foundation import Foundation
from velvetrope.server.credentials import AccessKeySource
from velvetrope.server.state_folder import LoadedRootKey
from velvetrope.store.tables.iam import IamStore
from velvetrope.sts import RoleAssumption, Sessions

__all__ = ["Callers", "assemble_callers"]


@dataclass(frozen=True)
class Callers:
    """`verifier` and `credentials` say who signed, `policies` what they may do, `roles` who may become whom."""

    iam: IamStore
    principals: IamPrincipals
    policies: PolicyGatherer
    access_keys: AccessKeys
    sessions: Sessions
    roles: RoleAssumption
    credentials: AccessKeySource
    verifier: SignatureVerifier


def assemble_callers(foundation: Foundation, root_key: LoadedRootKey) -> Callers:
    """Callers of this server, of whom the first is the owner of `root_key`."""
    settings, changes = foundation.settings, foundation.database.changes
    iam = IamStore(foundation.database)
    policies = PolicyGatherer(iam, changes)
    access_keys = AccessKeys(iam, foundation.master_keys, changes)
    sessions = Sessions(foundation.master_keys, foundation.entropy)
    credentials = AccessKeySource(root_key.key, settings.account_id, access_keys, sessions)
    return Callers(
        iam=iam,
        principals=IamPrincipals(iam),
        policies=policies,
        access_keys=access_keys,
        sessions=sessions,
        roles=RoleAssumption(iam, sessions, policies),
        credentials=credentials,
        verifier=SignatureVerifier(credentials, region=settings.region),
    )
