"""Managed policies: made, listed, tagged, deleted. AWS's own can be read and attached, never changed.

Source: IAM API Reference; texts as seen on AWS.
"""

from dataclasses import dataclass
from typing import Literal

import msgspec

from velvetrope.clock import Entropy
from velvetrope.iam.aws_managed import aws_managed_policies, is_aws_managed
from velvetrope.iam.entities import find_holder
from velvetrope.iam.errors import DeleteConflict, EntityAlreadyExists
from velvetrope.iam.managed_policies import (
    ManagedPolicies,
    check_customer_managed,
    find_aws_policy,
    policy_not_found,
    render_aws_policy,
    render_policy,
)
from velvetrope.iam.paging import page_of
from velvetrope.iam.policy_documents import check_managed_document
from velvetrope.iam.quotas import within_quota
from velvetrope.iam.tags import Tag, add_tags, new_tags, remove_tags, render_tags
from velvetrope.identifiers import new_iam_unique_id
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.iam import (
    EntityKind,
    Group,
    IamStore,
    ManagedPolicy,
    ManagedPolicyUse,
    PolicyVersion,
    Role,
    Usage,
    User,
)

__all__ = ["ManagedPolicyOperations"]

_ALL = 10_000
"""More than an account may have."""
_NO_USE = ManagedPolicyUse()
_KINDS: dict[str, EntityKind] = {"User": "user", "Role": "role", "Group": "group"}
_USAGES: dict[str, Usage] = {"PermissionsPolicy": "policy", "PermissionsBoundary": "boundary"}


@dataclass(frozen=True, slots=True)
class _Listed:
    """A policy as lists and GetPolicy show it, whosever it is."""

    arn: str
    shown: dict[str, object]
    use: ManagedPolicyUse


class ManagedPolicyOperations:
    """The operations on managed policies."""

    def __init__(self, store: IamStore, *, entropy: Entropy) -> None:
        self._store = store
        self._policies = ManagedPolicies(store)
        self._entropy = entropy

    @operation
    async def create_policy(
        self,
        call: Call,
        *,
        policy_name: str,
        policy_document: str,
        path: str = "/",
        description: str | None = None,
        tags: tuple[Tag, ...] = (),
    ) -> Answer:
        """A new policy, whose document is its version v1."""
        check_managed_document(policy_document)
        now = call.now.replace(microsecond=0)
        policy = ManagedPolicy(
            account_id=call.account_id,
            policy_name=policy_name,
            policy_id=new_iam_unique_id(self._entropy, "ANPA"),
            arn=call.arn("iam", f"policy{path}{policy_name}", region=""),
            path=path,
            versions=(PolicyVersion(version_id="v1", document=policy_document, created_at=now),),
            default_version_id="v1",
            last_version_number=1,
            created_at=now,
            updated_at=now,
            description=description,
            tags=new_tags(tags),
        )
        if not await self._store.save_new_policy(policy, within_quota("PoliciesPerAccount")):
            raise EntityAlreadyExists(f"A policy called {policy_name} already exists. Duplicate names are not allowed.")
        return {"policy": {**render_policy(policy, _NO_USE), "description": None}}

    @operation
    async def get_policy(self, call: Call, *, policy_arn: str) -> Answer:
        uses = await self._store.load_policy_uses(call.account_id)
        use = uses.get(policy_arn, _NO_USE)
        if is_aws_managed(policy_arn):
            return {"policy": render_aws_policy(find_aws_policy(policy_arn), use)}
        policy = await self._policies.find(call, policy_arn)
        return {"policy": {**render_policy(policy, use), "tags": render_tags(policy.tags)}}

    @operation
    async def list_policies(
        self,
        call: Call,
        *,
        scope: Literal["All", "AWS", "Local"] = "All",
        only_attached: bool = False,
        path_prefix: str = "/",
        policy_usage_filter: Literal["PermissionsPolicy", "PermissionsBoundary"] | None = None,
        marker: str | None = None,
        max_items: int | None = None,
    ) -> Answer:
        """Policies by ARN."""
        uses = await self._store.load_policy_uses(call.account_id)
        found: list[_Listed] = []
        if scope != "AWS":
            for policy in await self._store.list_policies(call.account_id, path_prefix=path_prefix, limit=_ALL):
                use = uses.get(policy.arn, _NO_USE)
                found.append(_Listed(policy.arn, {**render_policy(policy, use), "description": None}, use))
        if scope != "Local":
            for arn, known in aws_managed_policies().items():
                if known.path.startswith(path_prefix):
                    use = uses.get(arn, _NO_USE)
                    found.append(_Listed(arn, {**render_aws_policy(known, use), "description": None}, use))
        if only_attached:
            found = [listed for listed in found if listed.use.attachments]
        if policy_usage_filter is not None:
            wanted = "boundaries" if policy_usage_filter == "PermissionsBoundary" else "attachments"
            found = [listed for listed in found if getattr(listed.use, wanted)]
        page = page_of(found, lambda listed: listed.arn, marker=marker, max_items=max_items)
        return page.answer("policies", [listed.shown for listed in page.items])

    @operation
    async def delete_policy(self, call: Call, *, policy_arn: str) -> Answer:
        """Delete a policy that nobody uses and that has one version only."""
        check_customer_managed(policy_arn)
        await self._policies.find(call, policy_arn)

        def check(policy: ManagedPolicy, in_use: bool) -> None:
            if in_use:
                raise DeleteConflict("Cannot delete a policy attached to entities.")
            if len(policy.versions) > 1:
                raise DeleteConflict(
                    "This policy has more than one version. Before you delete a policy, you must delete the policy's "
                    "versions. The default version is deleted with the policy."
                )

        if await self._store.delete_policy(policy_arn, check) is None:
            raise policy_not_found(policy_arn)
        return None

    @operation
    async def list_entities_for_policy(
        self,
        call: Call,
        *,
        policy_arn: str,
        entity_filter: Literal["User", "Role", "Group"] | None = None,
        policy_usage_filter: Literal["PermissionsPolicy", "PermissionsBoundary"] | None = None,
        path_prefix: str = "/",
        marker: str | None = None,
        max_items: int | None = None,
    ) -> Answer:
        """Who carries the policy, or is bounded by it."""
        if is_aws_managed(policy_arn):
            find_aws_policy(policy_arn)
        else:
            await self._policies.find(call, policy_arn)
        usage = None if policy_usage_filter is None else _USAGES[policy_usage_filter]
        asked = None if entity_filter is None else _KINDS[entity_filter]
        wanted = {
            (use.entity_kind, use.entity_name)
            for use in await self._store.list_attachments(call.account_id, policy_arn)
            if usage in {None, use.usage} and asked in {None, use.entity_kind}
        }
        holders = [await find_holder(self._store, kind, call.account_id, name) for kind, name in sorted(wanted)]
        page = page_of(
            [holder for holder in holders if holder is not None and holder.path.startswith(path_prefix)],
            lambda holder: holder.arn,
            marker=marker,
            max_items=max_items,
        )
        return {
            "policy_groups": [
                {"group_name": holder.name, "group_id": holder.unique_id}
                for holder in page.items
                if isinstance(holder, Group)
            ],
            "policy_users": [
                {"user_name": holder.name, "user_id": holder.unique_id}
                for holder in page.items
                if isinstance(holder, User)
            ],
            "policy_roles": [
                {"role_name": holder.name, "role_id": holder.unique_id}
                for holder in page.items
                if isinstance(holder, Role)
            ],
            "is_truncated": page.marker is not None,
            "marker": page.marker,
        }

    @operation
    async def tag_policy(self, call: Call, *, policy_arn: str, tags: tuple[Tag, ...]) -> Answer:
        await self._policies.change(
            call, policy_arn, lambda policy: msgspec.structs.replace(policy, tags=add_tags(policy.tags, tags))
        )
        return None

    @operation
    async def untag_policy(self, call: Call, *, policy_arn: str, tag_keys: tuple[str, ...]) -> Answer:
        await self._policies.change(
            call, policy_arn, lambda policy: msgspec.structs.replace(policy, tags=remove_tags(policy.tags, tag_keys))
        )
        return None

    @operation
    async def list_policy_tags(
        self, call: Call, *, policy_arn: str, marker: str | None = None, max_items: int | None = None
    ) -> Answer:
        policy = await self._policies.find(call, policy_arn)
        page = page_of(render_tags(policy.tags), lambda tag: tag["key"], marker=marker, max_items=max_items)
        return page.answer("tags", page.items)
