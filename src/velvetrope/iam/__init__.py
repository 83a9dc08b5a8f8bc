"""IAM: roles, users and policies are kept and handed out here; `velvetrope.policy` decides.

    gatherer = PolicyGatherer(iam_store, database.changes)                # whose policies are which
    keys = AccessKeys(iam_store, master_keys, database.changes)           # long-term keys, for verifiers
    judge = ControlPlaneJudge(iam_store, gatherer, resource_policies=...) # every call of the control plane
    principals = IamPrincipals(iam_store)                                 # ids of whom resource policies name
    devices = MfaDevices(mfa_store, master_keys)                          # codes of MFA devices, for STS
    owners = iam_operations(iam_store, keys, ...)                         # the operations, for the dispatcher

The operations are spread over one class per noun. What an operation of any service of ours needs is data
(`operation_rules`), made from AWS's Service Authorization Reference.
"""

from velvetrope.clock import Entropy
from velvetrope.iam.absent_credentials import AbsentCredentialOperations
from velvetrope.iam.access_key_operations import AccessKeyOperations
from velvetrope.iam.access_keys import AccessKeys
from velvetrope.iam.account_operations import AccountOperations
from velvetrope.iam.attached_policies import (
    GroupAttachedPolicyOperations,
    RoleAttachedPolicyOperations,
    UserAttachedPolicyOperations,
)
from velvetrope.iam.control_plane_judge import ControlPlaneJudge, JudgedOperation, ResourcePolicies, ResourceTags
from velvetrope.iam.gatherer import PolicyGatherer
from velvetrope.iam.group_operations import GroupOperations
from velvetrope.iam.inline_policies import (
    GroupInlinePolicyOperations,
    RoleInlinePolicyOperations,
    UserInlinePolicyOperations,
)
from velvetrope.iam.managed_policy_operations import ManagedPolicyOperations
from velvetrope.iam.mfa_device_operations import MfaDeviceOperations
from velvetrope.iam.mfa_devices import MfaDevices
from velvetrope.iam.policy_catalogue import knows_action
from velvetrope.iam.policy_principals import IamPrincipals
from velvetrope.iam.policy_version_operations import PolicyVersionOperations
from velvetrope.iam.role_operations import RoleOperations
from velvetrope.iam.simulation import SimulationOperations
from velvetrope.iam.user_operations import UserOperations
from velvetrope.store.tables.iam import IamStore
from velvetrope.store.tables.iam_mfa_devices import MfaDeviceStore
from velvetrope.store.tables.iam_providers import IamProviderStore

__all__ = [
    "AccessKeys",
    "ControlPlaneJudge",
    "IamPrincipals",
    "JudgedOperation",
    "MfaDevices",
    "PolicyGatherer",
    "ResourcePolicies",
    "ResourceTags",
    "iam_operations",
    "knows_action",
]


def iam_operations(
    store: IamStore,
    access_keys: AccessKeys,
    *,
    mfa_store: MfaDeviceStore,
    mfa_devices: MfaDevices,
    provider_store: IamProviderStore,
    entropy: Entropy,
) -> tuple[object, ...]:
    """The owners of all operations of IAM, but for those on identity providers."""
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
        PolicyVersionOperations(store),
        AbsentCredentialOperations(store),
        AccountOperations(store, mfa_store, provider_store),
        MfaDeviceOperations(store, mfa_store, mfa_devices, entropy=entropy),
        SimulationOperations(store),
    )
