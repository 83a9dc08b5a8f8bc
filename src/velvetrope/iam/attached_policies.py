"""Managed policies on roles, users and groups: attached, detached, listed. Ten at the most on each.

Source: IAM API Reference, AttachRolePolicy and its siblings; IAM User Guide, "IAM and AWS STS quotas".
"""

from velvetrope.iam.aws_managed import aws_managed_policies, is_aws_managed
from velvetrope.iam.entities import found_or_refused, no_such_entity, no_such_policy, policy_name_of
from velvetrope.iam.errors import NoSuchEntity
from velvetrope.iam.paging import page_of
from velvetrope.iam.quotas import Quota, within_quota
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.iam import EntityKind, IamStore, PolicyHolder

__all__ = ["GroupAttachedPolicyOperations", "RoleAttachedPolicyOperations", "UserAttachedPolicyOperations"]

_QUOTAS: dict[EntityKind, Quota] = {
    "role": "PoliciesPerRole",
    "user": "PoliciesPerUser",
    "group": "PoliciesPerGroup",
}


class _AttachedPolicies:
    """The managed policies of one kind of entity."""

    def __init__(self, store: IamStore, kind: EntityKind) -> None:
        self._store = store
        self._kind: EntityKind = kind

    async def attach(self, call: Call, name: str, policy_arn: str) -> Answer:
        if is_aws_managed(policy_arn) and policy_arn not in aws_managed_policies():
            raise no_such_policy(policy_arn)

        def check(entity: PolicyHolder) -> None:
            within_quota(_QUOTAS[self._kind])(len(entity.attached_policy_arns))

        outcome = await self._store.attach_policy(
            call.account_id, self._kind, name, policy_arn, check=check, is_row=not is_aws_managed(policy_arn)
        )
        if outcome == "no entity":
            raise no_such_entity(self._kind, name)
        if outcome == "no policy":
            raise no_such_policy(policy_arn)
        return None

    async def detach(self, call: Call, name: str, policy_arn: str) -> Answer:
        outcome = await self._store.detach_policy(call.account_id, self._kind, name, policy_arn)
        if outcome == "no entity":
            raise no_such_entity(self._kind, name)
        if outcome == "not attached":
            raise NoSuchEntity(f"Policy {policy_arn} was not found.")
        return None

    async def list(self, call: Call, name: str, path_prefix: str, marker: str | None, max_items: int | None) -> Answer:
        entity = await found_or_refused(self._store, self._kind, call.account_id, name)
        wanted = [arn for arn in entity.attached_policy_arns if _path_of(arn).startswith(path_prefix)]
        page = page_of(wanted, str, marker=marker, max_items=max_items)
        rendered = [{"policy_name": policy_name_of(arn), "policy_arn": arn} for arn in page.items]
        return page.answer("attached_policies", rendered)


def _path_of(policy_arn: str) -> str:
    path_and_name = policy_arn.partition(":policy")[2]
    return path_and_name[: path_and_name.rfind("/") + 1]


class RoleAttachedPolicyOperations:
    """AttachRolePolicy, DetachRolePolicy, ListAttachedRolePolicies."""

    def __init__(self, store: IamStore) -> None:
        self._policies = _AttachedPolicies(store, "role")

    @operation
    async def attach_role_policy(self, call: Call, *, role_name: str, policy_arn: str) -> Answer:
        return await self._policies.attach(call, role_name, policy_arn)

    @operation
    async def detach_role_policy(self, call: Call, *, role_name: str, policy_arn: str) -> Answer:
        return await self._policies.detach(call, role_name, policy_arn)

    @operation
    async def list_attached_role_policies(
        self,
        call: Call,
        *,
        role_name: str,
        path_prefix: str = "/",
        marker: str | None = None,
        max_items: int | None = None,
    ) -> Answer:
        return await self._policies.list(call, role_name, path_prefix, marker, max_items)


class UserAttachedPolicyOperations:
    """AttachUserPolicy, DetachUserPolicy, ListAttachedUserPolicies."""

    def __init__(self, store: IamStore) -> None:
        self._policies = _AttachedPolicies(store, "user")

    @operation
    async def attach_user_policy(self, call: Call, *, user_name: str, policy_arn: str) -> Answer:
        return await self._policies.attach(call, user_name, policy_arn)

    @operation
    async def detach_user_policy(self, call: Call, *, user_name: str, policy_arn: str) -> Answer:
        return await self._policies.detach(call, user_name, policy_arn)

    @operation
    async def list_attached_user_policies(
        self,
        call: Call,
        *,
        user_name: str,
        path_prefix: str = "/",
        marker: str | None = None,
        max_items: int | None = None,
    ) -> Answer:
        return await self._policies.list(call, user_name, path_prefix, marker, max_items)


class GroupAttachedPolicyOperations:
    """AttachGroupPolicy, DetachGroupPolicy, ListAttachedGroupPolicies."""

    def __init__(self, store: IamStore) -> None:
        self._policies = _AttachedPolicies(store, "group")

    @operation
    async def attach_group_policy(self, call: Call, *, group_name: str, policy_arn: str) -> Answer:
        return await self._policies.attach(call, group_name, policy_arn)

    @operation
    async def detach_group_policy(self, call: Call, *, group_name: str, policy_arn: str) -> Answer:
        return await self._policies.detach(call, group_name, policy_arn)

    @operation
    async def list_attached_group_policies(
        self,
        call: Call,
        *,
        group_name: str,
        path_prefix: str = "/",
        marker: str | None = None,
        max_items: int | None = None,
    ) -> Answer:
        return await self._policies.list(call, group_name, path_prefix, marker, max_items)
