"""Versions of managed policies: five of a customer's, one of them the default; one of AWS's own.

Source: IAM API Reference; IAM User Guide, "Versioning IAM policies", quotas; texts as seen on AWS.
"""

import msgspec

from velvetrope.iam.aws_managed import is_aws_managed
from velvetrope.iam.errors import DeleteConflict, LimitExceeded, NoSuchEntity
from velvetrope.iam.managed_policies import ManagedPolicies, aws_version, find_aws_policy, render_version
from velvetrope.iam.paging import page_of
from velvetrope.iam.policy_documents import check_managed_document
from velvetrope.iam.quotas import quota
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.iam import IamStore, ManagedPolicy, PolicyVersion

__all__ = ["PolicyVersionOperations"]


class PolicyVersionOperations:
    """The operations on versions of managed policies."""

    def __init__(self, store: IamStore) -> None:
        self._policies = ManagedPolicies(store)

    @operation
    async def create_policy_version(
        self, call: Call, *, policy_arn: str, policy_document: str, set_as_default: bool = False
    ) -> Answer:
        check_managed_document(policy_document)
        now = call.now.replace(microsecond=0)

        def change(policy: ManagedPolicy) -> ManagedPolicy:
            limit = quota("VersionsPerPolicy")
            if len(policy.versions) >= limit:
                raise LimitExceeded(
                    f"A managed policy can have up to {limit} versions. Before you create a new version, you must "
                    "delete an existing version."
                )
            number = policy.last_version_number + 1
            version = PolicyVersion(version_id=f"v{number}", document=policy_document, created_at=now)
            return msgspec.structs.replace(
                policy,
                versions=(*policy.versions, version),
                last_version_number=number,
                default_version_id=version.version_id if set_as_default else policy.default_version_id,
                updated_at=now,
            )

        changed = await self._policies.change(call, policy_arn, change)
        shown = render_version(changed.versions[-1], is_default=set_as_default)
        return {"policy_version": {**shown, "document": None}}

    @operation
    async def get_policy_version(self, call: Call, *, policy_arn: str, version_id: str) -> Answer:
        if is_aws_managed(policy_arn):
            known = find_aws_policy(policy_arn)
            if version_id != "v1":
                raise _no_such_version(policy_arn, version_id)
            return {"policy_version": render_version(aws_version(known), is_default=True)}
        policy = await self._policies.find(call, policy_arn)
        version = _find_version(policy, version_id)
        return {"policy_version": render_version(version, is_default=version_id == policy.default_version_id)}

    @operation
    async def list_policy_versions(
        self, call: Call, *, policy_arn: str, marker: str | None = None, max_items: int | None = None
    ) -> Answer:
        """The versions, without their documents, as AWS lists them."""
        if is_aws_managed(policy_arn):
            versions: tuple[PolicyVersion, ...] = (aws_version(find_aws_policy(policy_arn)),)
            default = "v1"
        else:
            policy = await self._policies.find(call, policy_arn)
            versions, default = policy.versions, policy.default_version_id
        page = page_of(versions, lambda version: version.version_id, marker=marker, max_items=max_items)
        return page.answer(
            "versions",
            [
                {**render_version(version, is_default=version.version_id == default), "document": None}
                for version in page.items
            ],
        )

    @operation
    async def set_default_policy_version(self, call: Call, *, policy_arn: str, version_id: str) -> Answer:
        now = call.now.replace(microsecond=0)

        def change(policy: ManagedPolicy) -> ManagedPolicy:
            _find_version(policy, version_id)
            return msgspec.structs.replace(policy, default_version_id=version_id, updated_at=now)

        await self._policies.change(call, policy_arn, change)
        return None

    @operation
    async def delete_policy_version(self, call: Call, *, policy_arn: str, version_id: str) -> Answer:
        now = call.now.replace(microsecond=0)

        def change(policy: ManagedPolicy) -> ManagedPolicy:
            gone = _find_version(policy, version_id)
            if version_id == policy.default_version_id:
                raise DeleteConflict("Cannot delete the default version of a policy.")
            kept = tuple(version for version in policy.versions if version is not gone)
            return msgspec.structs.replace(policy, versions=kept, updated_at=now)

        await self._policies.change(call, policy_arn, change)
        return None


def _find_version(policy: ManagedPolicy, version_id: str) -> PolicyVersion:
    for version in policy.versions:
        if version.version_id == version_id:
            return version
    raise _no_such_version(policy.arn, version_id)


def _no_such_version(policy_arn: str, version_id: str) -> NoSuchEntity:
    return NoSuchEntity(f"Policy {policy_arn} version {version_id} does not exist or is not attachable.")
