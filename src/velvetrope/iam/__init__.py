"""IAM: roles, users and policies are kept and handed out here; `velvetrope.policy` decides.

    gatherer = PolicyGatherer(iam_store, database.changes)                # whose policies are which
    keys = AccessKeys(iam_store, master_keys, database.changes)           # long-term keys, for verifiers
    judge = ControlPlaneJudge(iam_store, gatherer, resource_policies=...) # every call of the control plane
    owners = iam_operations(iam_store, keys, entropy=entropy)             # the operations, for the dispatcher

The operations are spread over one class per noun. What an operation of any service of ours needs is data
(`operation_rules`), made from AWS's Service Authorization Reference.
"""

from velvetrope.clock import Entropy
from velvetrope.iam.access_key_operations import AccessKeyOperations
from velvetrope.iam.access_keys import AccessKeys
from velvetrope.iam.account_operations import AccountOperations
from velvetrope.iam.attached_policies import (
    GroupAttachedPolicyOperations,
    RoleAttachedPolicyOperations,
    UserAttachedPolicyOperations,
)
from velvetrope.iam.control_plane_judge import ControlPlaneJudge, JudgedOperation, ResourcePolicies
from velvetrope.iam.gatherer import PolicyGatherer
from velvetrope.iam.group_operations import GroupOperations
from velvetrope.iam.inline_policies import (
    GroupInlinePolicyOperations,
    RoleInlinePolicyOperations,
    UserInlinePolicyOperations,
)
from velvetrope.iam.managed_policy_operations import ManagedPolicyOperations
from velvetrope.iam.role_operations import RoleOperations
from velvetrope.iam.simulation import SimulationOperations
from velvetrope.iam.user_operations import UserOperations
from velvetrope.store.tables.iam import IamStore

__all__ = [
    "AccessKeys",
    "ControlPlaneJudge",
    "JudgedOperation",
    "PolicyGatherer",
    "ResourcePolicies",
    "iam_operations",
]


def iam_operations(store: IamStore, access_keys: AccessKeys, *, entropy: Entropy) -> tuple[object, ...]:
    """The owners of all operations of IAM."""
    return (
        RoleOperations(store, entropy=entropy),
        RoleInlinePolicyOperations(store),
        RoleAttachedPolicyOperations(store),
        UserOperations(store, entropy=entropy),
        UserInlinePolicyOperations(store),
        UserAttachedPolicyOperations(store),
        GroupOperations(store, entropy=entropy),
        GroupInlinePolicyOperations(store),
        GroupAttachedPolicyOperations(store),
        AccessKeyOperations(store, access_keys, entropy=entropy),
        ManagedPolicyOperations(store, entropy=entropy),
        AccountOperations(store),
        SimulationOperations(store),
    )
