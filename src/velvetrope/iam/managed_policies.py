"""Managed policies of customers and of AWS: found, changed, shown.

What is asked of a policy that is AWS's, or another account's, is refused here and nowhere else.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from velvetrope.iam.aws_managed import AwsManagedPolicy, aws_managed_policies, is_aws_managed
from velvetrope.iam.errors import NoSuchEntity, UnmodifiableEntity
from velvetrope.iam.policy_documents import render_document
from velvetrope.iam.tags import render_tags
from velvetrope.operations import Call
from velvetrope.store.tables.iam import IamStore, ManagedPolicy, ManagedPolicyUse, PolicyVersion

__all__ = [
    "ManagedPolicies",
    "aws_policy_detail",
    "aws_version",
    "check_customer_managed",
    "customer_policy_detail",
    "find_aws_policy",
    "policy_not_found",
    "render_aws_policy",
    "render_policy",
    "render_version",
]

_AWS_SINCE: Final = datetime(2015, 2, 6, tzinfo=UTC)
"""AWS's policies show the day on which managed policies began; their real days differ."""


class ManagedPolicies:
    """The managed policies that customers made."""

    def __init__(self, store: IamStore) -> None:
        self._store = store

    async def find(self, call: Call, policy_arn: str) -> ManagedPolicy:
        """A policy of the caller's account.

        Raises:
            NoSuchEntity: there is none.
        """
        policy = await self._store.load_policy(policy_arn)
        if policy is None or policy.account_id != call.account_id:
            raise policy_not_found(policy_arn)
        return policy

    async def change(
        self, call: Call, policy_arn: str, change: Callable[[ManagedPolicy], ManagedPolicy]
    ) -> ManagedPolicy:
        """A policy of the caller's account, changed in one transaction.

        Raises:
            UnmodifiableEntity: it is AWS's.
            NoSuchEntity: there is none.
        """
        check_customer_managed(policy_arn)
        await self.find(call, policy_arn)
        changed = await self._store.change_policy(policy_arn, change)
        if changed is None:
            raise policy_not_found(policy_arn)
        return changed


def check_customer_managed(policy_arn: str) -> None:
    """The policy may be changed, as far as its ARN says.

    Raises:
        UnmodifiableEntity: it is AWS's.
    """
    if is_aws_managed(policy_arn):
        raise UnmodifiableEntity(f"Policy {policy_arn} is managed by AWS and cannot be changed.")


def find_aws_policy(policy_arn: str) -> AwsManagedPolicy:
    """A policy of AWS's.

    Raises:
        NoSuchEntity: AWS has none of this ARN, as far as we know.
    """
    known = aws_managed_policies().get(policy_arn)
    if known is None:
        raise policy_not_found(policy_arn)
    return known


def policy_not_found(policy_arn: str) -> NoSuchEntity:
    return NoSuchEntity(f"Policy {policy_arn} was not found.")


def aws_version(policy: AwsManagedPolicy) -> PolicyVersion:
    """The one version that a policy of AWS's has here."""
    return PolicyVersion(version_id="v1", document=policy.document, created_at=_AWS_SINCE)


def render_version(version: PolicyVersion, *, is_default: bool) -> dict[str, object]:
    """A version with its document."""
    return {
        "document": render_document(version.document),
        "version_id": version.version_id,
        "is_default_version": is_default,
        "create_date": version.created_at,
    }


def render_policy(policy: ManagedPolicy, use: ManagedPolicyUse) -> dict[str, object]:
    """A customer's policy without its document."""
    return {
        "policy_name": policy.policy_name,
        "policy_id": policy.policy_id,
        "arn": policy.arn,
        "path": policy.path,
        "default_version_id": policy.default_version_id,
        "attachment_count": use.attachments,
        "permissions_boundary_usage_count": use.boundaries,
        "is_attachable": True,
        "description": policy.description,
        "create_date": policy.created_at,
        "update_date": policy.updated_at,
        "tags": render_tags(policy.tags) or None,
    }


def render_aws_policy(policy: AwsManagedPolicy, use: ManagedPolicyUse) -> dict[str, object]:
    """A policy of AWS's likewise."""
    # AWS's own policies show no id that means anything here; theirs begin with ANPA and are the same for everybody.
    return {
        "policy_name": policy.policy_name,
        "policy_id": f"ANPA{policy.policy_name.upper()}"[:21].ljust(21, "0"),
        "arn": policy.arn,
        "path": policy.path,
        "default_version_id": "v1",
        "attachment_count": use.attachments,
        "permissions_boundary_usage_count": use.boundaries,
        "is_attachable": True,
        "description": policy.description,
        "create_date": _AWS_SINCE,
        "update_date": _AWS_SINCE,
    }


def customer_policy_detail(policy: ManagedPolicy, use: ManagedPolicyUse) -> dict[str, object]:
    """A customer's policy with all its versions, as GetAccountAuthorizationDetails shows it."""
    versions = [
        render_version(version, is_default=version.version_id == policy.default_version_id)
        for version in policy.versions
    ]
    shown = render_policy(policy, use)
    shown.pop("tags")
    return {**shown, "policy_version_list": versions}


def aws_policy_detail(policy: AwsManagedPolicy, use: ManagedPolicyUse) -> dict[str, object]:
    """One of AWS's policies, likewise."""
    return {
        **render_aws_policy(policy, use),
        "policy_version_list": [render_version(aws_version(policy), is_default=True)],
    }
