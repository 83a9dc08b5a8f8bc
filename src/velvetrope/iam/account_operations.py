"""The account itself: its alias, what it has and may have, and all of its users, groups, roles and policies at once.

`GetAccountSummary` counts what we have. Of what we do not have (certificates, instance profiles, passwords, devices of
the root user) it says that there is none, and leaves their quotas out.

Whether another account of this server has an alias is told to whoever asks for it, as on AWS, where aliases are unique
over all accounts. The two texts about aliases are UNVERIFIED.

Source: IAM API Reference, GetAccountSummary, GetAccountAuthorizationDetails, CreateAccountAlias and its siblings.
"""

from collections.abc import Sequence
from typing import Literal

from velvetrope.iam.aws_managed import aws_managed_policies
from velvetrope.iam.entities import boundary_of, policy_name_of
from velvetrope.iam.errors import EntityAlreadyExists, NoSuchEntity
from velvetrope.iam.managed_policies import aws_policy_detail, customer_policy_detail
from velvetrope.iam.paging import page_of
from velvetrope.iam.policy_documents import (
    MAX_INLINE_CHARACTERS,
    MAX_MANAGED_CHARACTERS,
    MAX_TRUST_CHARACTERS,
    render_document,
)
from velvetrope.iam.quotas import quota
from velvetrope.iam.tags import render_tags
from velvetrope.iam.trust_policies import show_trust_policy
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.iam import Group, IamStore, ManagedPolicyUse, PolicyHolder, Role, User
from velvetrope.store.tables.iam_mfa_devices import MfaDeviceStore
from velvetrope.store.tables.iam_providers import IamProviderStore

__all__ = ["AccountOperations"]

_ALL = 10_000
"""More of anything than an account may have."""

EntityType = Literal["User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"]
_LISTS: dict[EntityType, str] = {
    "User": "user_detail_list",
    "Group": "group_detail_list",
    "Role": "role_detail_list",
    "LocalManagedPolicy": "policies",
    "AWSManagedPolicy": "policies",
}


class AccountOperations:
    """The operations on the account as a whole."""

    def __init__(self, store: IamStore, devices: MfaDeviceStore, providers: IamProviderStore) -> None:
        self._store = store
        self._devices = devices
        self._providers = providers

    @operation
    async def create_account_alias(self, call: Call, *, account_alias: str) -> Answer:
        """Give the account an alias, in place of any other."""
        if not await self._store.save_alias(call.account_id, account_alias):
            raise EntityAlreadyExists(f"The account alias {account_alias} already exists.")
        return None

    @operation
    async def list_account_aliases(
        self, call: Call, *, marker: str | None = None, max_items: int | None = None
    ) -> Answer:
        """The one alias, or none."""
        alias = await self._store.load_alias(call.account_id)
        page = page_of([] if alias is None else [alias], str, marker=marker, max_items=max_items)
        return page.answer("account_aliases", page.items)

    @operation
    async def delete_account_alias(self, call: Call, *, account_alias: str) -> Answer:
        if not await self._store.delete_alias(call.account_id, account_alias):
            raise NoSuchEntity(f"The account alias {account_alias} cannot be found.")
        return None

    @operation
    async def get_account_summary(self, call: Call) -> Answer:
        """How many of each there are, and how many there may be."""
        counts = await self._store.count_all(call.account_id)
        devices = await self._devices.list_devices(call.account_id)
        providers = [
            *await self._providers.list_open_id_providers(call.account_id),
            *await self._providers.list_saml_providers(call.account_id),
        ]
        return {
            "summary_map": {
                "Users": counts.users,
                "UsersQuota": quota("UsersPerAccount"),
                "Groups": counts.groups,
                "GroupsQuota": quota("GroupsPerAccount"),
                "Roles": counts.roles,
                "RolesQuota": quota("RolesPerAccount"),
                "Policies": counts.policies,
                "PoliciesQuota": quota("PoliciesPerAccount"),
                "PolicyVersionsInUse": counts.policy_versions,
                "VersionsPerPolicyQuota": quota("VersionsPerPolicy"),
                "GroupsPerUserQuota": quota("GroupsPerUser"),
                "AccessKeysPerUserQuota": quota("AccessKeysPerUser"),
                "AttachedPoliciesPerUserQuota": quota("PoliciesPerUser"),
                "AttachedPoliciesPerGroupQuota": quota("PoliciesPerGroup"),
                "AttachedPoliciesPerRoleQuota": quota("PoliciesPerRole"),
                "PolicySizeQuota": MAX_MANAGED_CHARACTERS,
                "UserPolicySizeQuota": MAX_INLINE_CHARACTERS["user"],
                "GroupPolicySizeQuota": MAX_INLINE_CHARACTERS["group"],
                "RolePolicySizeQuota": MAX_INLINE_CHARACTERS["role"],
                "AssumeRolePolicySizeQuota": MAX_TRUST_CHARACTERS,
                # A server always has the root key that was made at its first start.
                "AccountAccessKeysPresent": 1,
                "AccountPasswordPresent": 0,
                "AccountSigningCertificatesPresent": 0,
                "AccountMFAEnabled": 0,
                "MFADevices": len(devices),
                "MFADevicesInUse": sum(1 for device in devices if device.user_name),
                "Providers": len(providers),
                "ServerCertificates": 0,
                "InstanceProfiles": 0,
            }
        }

    @operation
    async def get_account_authorization_details(
        self,
        call: Call,
        *,
        filter: tuple[EntityType, ...] = (),  # noqa: A002  the member's name
        max_items: int | None = None,
        marker: str | None = None,
    ) -> Answer:
        """All users, groups, roles and policies, each with what it carries. Pages run over them all, in that order."""
        wanted = filter or tuple(_LISTS)
        found: list[tuple[str, str, dict[str, object]]] = []
        if "User" in wanted:
            users = await self._store.list_users(call.account_id, limit=_ALL)
            found += [_row("1", "User", user, await self._user(user)) for user in users]
        if "Group" in wanted:
            groups = await self._store.list_groups(call.account_id, limit=_ALL)
            found += [_row("2", "Group", group, _group(group)) for group in groups]
        if "Role" in wanted:
            roles = await self._store.list_roles(call.account_id, limit=_ALL)
            found += [_row("3", "Role", role, await self._role(role)) for role in roles]
        if "LocalManagedPolicy" in wanted or "AWSManagedPolicy" in wanted:
            found += await self._policies(call, wanted)
        page = page_of(found, lambda row: row[0], marker=marker, max_items=max_items)
        answer: dict[str, object] = {
            name: [shown for _, listed, shown in page.items if listed == name] for name in set(_LISTS.values())
        }
        return {**answer, "is_truncated": page.marker is not None, "marker": page.marker}

    async def _user(self, user: User) -> dict[str, object]:
        groups = await self._store.list_groups_of_user(user.account_id, user.user_name)
        return {
            "user_name": user.user_name,
            "user_id": user.user_id,
            "user_policy_list": _inline(user),
            "group_list": [group.group_name for group in groups],
            "permissions_boundary": boundary_of(user),
            "tags": render_tags(user.tags),
        }

    async def _role(self, role: Role) -> dict[str, object]:
        trust_policy = await show_trust_policy(self._store, role.account_id, role.assume_role_policy_document)
        return {
            "role_name": role.role_name,
            "role_id": role.role_id,
            "assume_role_policy_document": render_document(trust_policy),
            "instance_profile_list": [],
            "role_policy_list": _inline(role),
            "permissions_boundary": boundary_of(role),
            "tags": render_tags(role.tags),
            "role_last_used": {},
        }

    async def _policies(self, call: Call, wanted: Sequence[EntityType]) -> list[tuple[str, str, dict[str, object]]]:
        """As on AWS, AWS's own policies are listed only if somebody carries them."""
        uses = await self._store.load_policy_uses(call.account_id)
        rows = []
        if "LocalManagedPolicy" in wanted:
            for policy in await self._store.list_policies(call.account_id, limit=_ALL):
                shown = customer_policy_detail(policy, uses.get(policy.arn, ManagedPolicyUse()))
                rows.append((f"4/{policy.arn}", "policies", shown))
        if "AWSManagedPolicy" in wanted:
            known = aws_managed_policies()
            rows += [
                (f"4/{arn}", "policies", aws_policy_detail(known[arn], use))
                for arn, use in uses.items()
                if arn in known
            ]
        return rows


def _row(
    place: str, kind: EntityType, holder: PolicyHolder, own: dict[str, object]
) -> tuple[str, str, dict[str, object]]:
    attached = [{"policy_name": policy_name_of(arn), "policy_arn": arn} for arn in holder.attached_policy_arns]
    shared = {"path": holder.path, "arn": holder.arn, "create_date": holder.created_at}
    return f"{place}/{holder.name}", _LISTS[kind], {**shared, "attached_managed_policies": attached, **own}


def _group(group: Group) -> dict[str, object]:
    return {"group_name": group.group_name, "group_id": group.group_id, "group_policy_list": _inline(group)}


def _inline(holder: PolicyHolder) -> list[dict[str, str]]:
    return [
        {"policy_name": name, "policy_document": render_document(text)}
        for name, text in sorted(holder.inline_policies.items())
    ]
