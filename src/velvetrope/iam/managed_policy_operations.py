"""Managed policies: made, versioned, listed, deleted. AWS's own can be read and attached, never changed.

Source: IAM API Reference; IAM User Guide, "Versioning IAM policies", quotas; texts as seen on AWS.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import msgspec

from velvetrope.clock import Entropy
from velvetrope.iam.aws_managed import AwsManagedPolicy, aws_managed_policies, is_aws_managed
from velvetrope.iam.errors import (
    DeleteConflict,
    EntityAlreadyExists,
    LimitExceeded,
    NoSuchEntity,
    UnmodifiableEntity,
)
from velvetrope.iam.paging import page_of
from velvetrope.iam.policy_documents import check_managed_document, render_document
from velvetrope.iam.tags import Tag, add_tags, new_tags, remove_tags, render_tags
from velvetrope.identifiers import new_iam_unique_id
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.iam import Attachment, IamStore, ManagedPolicy, ManagedPolicyUse, PolicyVersion

__all__ = ["ManagedPolicyOperations"]

MAX_VERSIONS = 5
_ALL = 10_000
"""More than an account may have."""
_AWS_SINCE = datetime(2015, 2, 6, tzinfo=UTC)
"""AWS's policies show the day on which managed policies began; their real days differ."""

_NO_USE = ManagedPolicyUse()


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
        if not await self._store.save_new_policy(policy):
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
            if len(policy.versions) >= MAX_VERSIONS:
                raise LimitExceeded(
                    f"A managed policy can have up to {MAX_VERSIONS} versions. Before you create a new version, you "
                    "must delete an existing version."
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
        self, call: Call, *, policy_arn: str, marker: str | None = None, max_items: int | None = None
    ) -> Answer:
        """Who carries the policy. Groups are always none."""
        if is_aws_managed(policy_arn):
            _known(policy_arn)
        else:
            await self._load(call, policy_arn)
        uses = await self._store.list_attachments(call.account_id, policy_arn)
        page = page_of(
            [use for use in uses if use.usage == "policy"],
            lambda use: f"{use.entity_kind}/{use.entity_name}",
            marker=marker,
            max_items=max_items,
        )
        return {
            "policy_groups": [],
            "policy_users": await self._render_holders(call, page.items, "user"),
            "policy_roles": await self._render_holders(call, page.items, "role"),
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

    async def _render_holders(
        self, call: Call, uses: list[Attachment], kind: Literal["role", "user"]
    ) -> list[dict[str, str]]:
        out = []
        for use in uses:
            if use.entity_kind != kind:
                continue
            if kind == "role":
                role = await self._store.load_role(call.account_id, use.entity_name)
                if role is not None:
                    out.append({"role_name": role.role_name, "role_id": role.role_id})
            else:
                user = await self._store.load_user(call.account_id, use.entity_name)
                if user is not None:
                    out.append({"user_name": user.user_name, "user_id": user.user_id})
        return out

    async def _load(self, call: Call, policy_arn: str) -> ManagedPolicy:
        policy = await self._store.load_policy(policy_arn)
        if policy is None or policy.account_id != call.account_id:
            raise _not_found(policy_arn)
        return policy


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
