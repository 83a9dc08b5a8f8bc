"""How many of each thing there may be, and AWS's refusal of one more.

The numbers are AWS's defaults; AWS raises some of them on request, which we do not have. Quotas on the length of
documents are in `policy_documents`, that on tags in `tags`.

Sources: IAM User Guide, "IAM and AWS STS quotas". `Cannot exceed quota for NAME: N` is what AWS has been seen to say
for users, roles and access keys; that it says the same of the others is UNVERIFIED.
"""

from collections.abc import Callable
from typing import Literal

from velvetrope.iam.errors import LimitExceeded

__all__ = ["Quota", "quota", "within_quota"]

Quota = Literal[
    "AccessKeysPerUser",
    "PoliciesPerAccount",
    "GroupsPerAccount",
    "GroupsPerUser",
    "MfaDevicesPerUser",
    "OpenIdConnectProvidersPerAccount",
    "PoliciesPerGroup",
    "PoliciesPerRole",
    "PoliciesPerUser",
    "RolesPerAccount",
    "SAMLProvidersPerAccount",
    "UsersPerAccount",
    "VersionsPerPolicy",
]

_QUOTAS: dict[Quota, int] = {
    "AccessKeysPerUser": 2,
    "PoliciesPerAccount": 1500,
    "GroupsPerAccount": 300,
    "GroupsPerUser": 10,
    "MfaDevicesPerUser": 8,
    "OpenIdConnectProvidersPerAccount": 100,
    "PoliciesPerGroup": 10,
    "PoliciesPerRole": 10,
    "PoliciesPerUser": 10,
    "RolesPerAccount": 1000,
    "SAMLProvidersPerAccount": 100,
    "UsersPerAccount": 5000,
    "VersionsPerPolicy": 5,
}


def quota(name: Quota) -> int:
    """How many there may be."""
    return _QUOTAS[name]


def within_quota(name: Quota) -> Callable[[int], None]:
    """A condition for the store: told how many there are, it refuses one more than there may be.

    The condition raises:
        LimitExceeded: there are as many as there may be.
    """

    def check(count: int) -> None:
        if count >= _QUOTAS[name]:
            raise LimitExceeded(f"Cannot exceed quota for {name}: {_QUOTAS[name]}")

    return check
