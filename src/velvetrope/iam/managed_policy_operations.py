"""Managed policies: made, versioned, listed, deleted. AWS's own can be read and attached, never changed.

Source: IAM API Reference; IAM User Guide, "Versioning IAM policies", quotas; texts as seen on AWS.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import msgspec

from velvetrope.clock import Entropy
from velvetrope.iam.aws_managed import AwsManagedPolicy, aws_managed_policies, is_aws_managed
from velvetrope.iam.entities import find_holder
from velvetrope.iam.errors import (
    DeleteConflict,
    EntityAlreadyExists,
    LimitExceeded,
    NoSuchEntity,
    UnmodifiableEntity,
)
from velvetrope.iam.paging import page_of
from velvetrope.iam.policy_documents import check_managed_document, render_document
from velvetrope.iam.quotas import quota, within_quota
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

__all__ = ["ManagedPolicyOperations", "aws_policy_detail", "customer_policy_detail"]

_ALL = 10_000
"""More than an account may have."""
_AWS_SINCE = datetime(2015, 2, 6, tzinfo=UTC)
"""AWS's policies show the day on which managed policies began; their real days differ."""

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
        return {"policy": {**_render(policy, _NO_USE), "description": None}}

    @operation
    async def get_policy(self, call: Call, *, policy_arn: str) -> Answer:
        uses = await self._store.load_policy_uses(call.account_id)
        use = uses.get(policy_arn, _NO_USE)
        if is_aws_managed(policy_arn):
            return {"policy": _render_aws(_known(policy_arn), use)}
        policy = await self._load(call, policy_arn)
        return {"policy": {**_render(policy, use), "tags": render_tags(policy.tags)}}

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
                found.append(_Listed(policy.arn, {**_render(policy, use), "description": None}, use))
        if scope != "Local":
            for arn, known in aws_managed_policies().items():
                if known.path.startswith(path_prefix):
                    use = uses.get(arn, _NO_USE)
                    found.append(_Listed(arn, {**_render_aws(known, use), "description": None}, use))
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
        _check_customer_managed(policy_arn)
        await self._load(call, policy_arn)

        def check(policy: ManagedPolicy, in_use: bool) -> None:
            if in_use:
                raise DeleteConflict("Cannot delete a policy attached to entities.")
            if len(policy.versions) > 1:
                raise DeleteConflict(
                    "This policy has more than one version. Before you delete a policy, you must delete the policy's "
                    "versions. The default version is deleted with the policy."
                )

        if await self._store.delete_policy(policy_arn, check) is None:
            raise _not_found(policy_arn)
        return None

    @operation
    async def create_policy_version(
        self, call: Call, *, policy_arn: str, policy_document: str, set_as_default: bool = False
    ) -> Answer:
        _check_customer_managed(policy_arn)
        await self._load(call, policy_arn)
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

        changed = await self._store.change_policy(policy_arn, change)
        if changed is None:
            raise _not_found(policy_arn)
        shown = _render_version(changed.versions[-1], is_default=set_as_default)
        return {"policy_version": {**shown, "document": None}}

    @operation
    async def get_policy_version(self, call: Call, *, policy_arn: str, version_id: str) -> Answer:
        if is_aws_managed(policy_arn):
            known = _known(policy_arn)
            if version_id != "v1":
                raise _no_such_version(policy_arn, version_id)
            return {"policy_version": _render_version(_aws_version(known), is_default=True)}
        policy = await self._load(call, policy_arn)
        for version in policy.versions:
            if version.version_id == version_id:
                shown = _render_version(version, is_default=version_id == policy.default_version_id)
                return {"policy_version": shown}
        raise _no_such_version(policy_arn, version_id)

    @operation
    async def list_policy_versions(
        self, call: Call, *, policy_arn: str, marker: str | None = None, max_items: int | None = None
    ) -> Answer:
        """The versions, without their documents, as AWS lists them."""
        if is_aws_managed(policy_arn):
            versions: tuple[PolicyVersion, ...] = (_aws_version(_known(policy_arn)),)
            default = "v1"
        else:
            policy = await self._load(call, policy_arn)
            versions, default = policy.versions, policy.default_version_id
        page = page_of(versions, lambda version: version.version_id, marker=marker, max_items=max_items)
        return page.answer(
            "versions",
            [
                {**_render_version(version, is_default=version.version_id == default), "document": None}
                for version in page.items
            ],
        )

    @operation
    async def set_default_policy_version(self, call: Call, *, policy_arn: str, version_id: str) -> Answer:
        _check_customer_managed(policy_arn)
        await self._load(call, policy_arn)
        now = call.now.replace(microsecond=0)

        def change(policy: ManagedPolicy) -> ManagedPolicy:
            if all(version.version_id != version_id for version in policy.versions):
                raise _no_such_version(policy_arn, version_id)
            return msgspec.structs.replace(policy, default_version_id=version_id, updated_at=now)

        if await self._store.change_policy(policy_arn, change) is None:
            raise _not_found(policy_arn)
        return None

    @operation
    async def delete_policy_version(self, call: Call, *, policy_arn: str, version_id: str) -> Answer:
        _check_customer_managed(policy_arn)
        await self._load(call, policy_arn)
        now = call.now.replace(microsecond=0)

        def change(policy: ManagedPolicy) -> ManagedPolicy:
            if all(version.version_id != version_id for version in policy.versions):
                raise _no_such_version(policy_arn, version_id)
            if version_id == policy.default_version_id:
                raise DeleteConflict("Cannot delete the default version of a policy.")
            kept = tuple(version for version in policy.versions if version.version_id != version_id)
            return msgspec.structs.replace(policy, versions=kept, updated_at=now)

        if await self._store.change_policy(policy_arn, change) is None:
            raise _not_found(policy_arn)
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
            _known(policy_arn)
        else:
            await self._load(call, policy_arn)
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
        _check_customer_managed(policy_arn)
        await self._load(call, policy_arn)

        def change(policy: ManagedPolicy) -> ManagedPolicy:
            return msgspec.structs.replace(policy, tags=add_tags(policy.tags, tags))

        if await self._store.change_policy(policy_arn, change) is None:
            raise _not_found(policy_arn)
        return None

    @operation
    async def untag_policy(self, call: Call, *, policy_arn: str, tag_keys: tuple[str, ...]) -> Answer:
        _check_customer_managed(policy_arn)
        await self._load(call, policy_arn)

        def change(policy: ManagedPolicy) -> ManagedPolicy:
            return msgspec.structs.replace(policy, tags=remove_tags(policy.tags, tag_keys))

        if await self._store.change_policy(policy_arn, change) is None:
            raise _not_found(policy_arn)
        return None

    @operation
    async def list_policy_tags(
        self, call: Call, *, policy_arn: str, marker: str | None = None, max_items: int | None = None
    ) -> Answer:
        policy = await self._load(call, policy_arn)
        page = page_of(render_tags(policy.tags), lambda tag: tag["key"], marker=marker, max_items=max_items)
        return page.answer("tags", page.items)

    async def _load(self, call: Call, policy_arn: str) -> ManagedPolicy:
        policy = await self._store.load_policy(policy_arn)
        if policy is None or policy.account_id != call.account_id:
            raise _not_found(policy_arn)
        return policy


def customer_policy_detail(policy: ManagedPolicy, use: ManagedPolicyUse) -> dict[str, object]:
    """A customer's policy with all its versions, as GetAccountAuthorizationDetails shows it."""
    versions = [
        _render_version(version, is_default=version.version_id == policy.default_version_id)
        for version in policy.versions
    ]
    shown = _render(policy, use)
    shown.pop("tags")
    return {**shown, "policy_version_list": versions}


def aws_policy_detail(policy: AwsManagedPolicy, use: ManagedPolicyUse) -> dict[str, object]:
    """One of AWS's policies, likewise."""
    return {**_render_aws(policy, use), "policy_version_list": [_render_version(_aws_version(policy), is_default=True)]}


def _check_customer_managed(policy_arn: str) -> None:
    if is_aws_managed(policy_arn):
        raise UnmodifiableEntity(f"Policy {policy_arn} is managed by AWS and cannot be changed.")


def _known(policy_arn: str) -> AwsManagedPolicy:
    known = aws_managed_policies().get(policy_arn)
    if known is None:
        raise _not_found(policy_arn)
    return known


def _not_found(policy_arn: str) -> NoSuchEntity:
    return NoSuchEntity(f"Policy {policy_arn} was not found.")


def _no_such_version(policy_arn: str, version_id: str) -> NoSuchEntity:
    return NoSuchEntity(f"Policy {policy_arn} version {version_id} does not exist or is not attachable.")


def _aws_version(policy: AwsManagedPolicy) -> PolicyVersion:
    return PolicyVersion(version_id="v1", document=policy.document, created_at=_AWS_SINCE)


def _render_version(version: PolicyVersion, *, is_default: bool) -> dict[str, object]:
    return {
        "document": render_document(version.document),
        "version_id": version.version_id,
        "is_default_version": is_default,
        "create_date": version.created_at,
    }


def _render(policy: ManagedPolicy, use: ManagedPolicyUse) -> dict[str, object]:
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


def _render_aws(policy: AwsManagedPolicy, use: ManagedPolicyUse) -> dict[str, object]:
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
