"""Inline policies of roles, users and groups: documents that live and die with whom they belong to.

All three have the same four operations under different names; `_InlinePolicies` is what they share.

Source: IAM API Reference, PutRolePolicy and its siblings; texts as seen on AWS.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from velvetrope.iam.entities import found_or_refused, no_such_entity
from velvetrope.iam.errors import NoSuchEntity
from velvetrope.iam.paging import page_of
from velvetrope.iam.policy_documents import check_inline_size, parse_document, render_document
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.iam import EntityKind, Group, IamStore, PolicyHolder, Role, User

__all__ = ["GroupInlinePolicyOperations", "RoleInlinePolicyOperations", "UserInlinePolicyOperations"]

E = TypeVar("E", Role, User, Group)
Documents = dict[str, str]
"""Policy documents by name."""


class _InlinePolicies:
    """The inline policies of one kind of entity."""

    def __init__(self, store: IamStore, kind: EntityKind) -> None:
        self._store = store
        self._kind: EntityKind = kind

    async def put(self, call: Call, name: str, policy_name: str, document: str) -> Answer:
        parse_document(document, kind="identity")

        def put(present: Documents) -> Documents:
            documents = {**present, policy_name: document}
            check_inline_size(self._kind, name, documents)
            return documents

        return await self._change(call, name, put)

    async def get(self, call: Call, name: str, policy_name: str) -> Answer:
        entity = await found_or_refused(self._store, self._kind, call.account_id, name)
        if policy_name not in entity.inline_policies:
            raise self._no_such_policy(policy_name)
        return {
            f"{self._kind}_name": name,
            "policy_name": policy_name,
            "policy_document": render_document(entity.inline_policies[policy_name]),
        }

    async def list(self, call: Call, name: str, marker: str | None, max_items: int | None) -> Answer:
        entity = await found_or_refused(self._store, self._kind, call.account_id, name)
        page = page_of(list(entity.inline_policies), str, marker=marker, max_items=max_items)
        return page.answer("policy_names", page.items)

    async def delete(self, call: Call, name: str, policy_name: str) -> Answer:
        def delete(present: Documents) -> Documents:
            if policy_name not in present:
                raise self._no_such_policy(policy_name)
            return {key: text for key, text in present.items() if key != policy_name}

        return await self._change(call, name, delete)

    async def _change(self, call: Call, name: str, change: Callable[[Documents], Documents]) -> Answer:
        def changed(entity: E) -> E:
            return msgspec.structs.replace(entity, inline_policies=change(entity.inline_policies))

        found: PolicyHolder | None
        if self._kind == "role":
            found = await self._store.change_role(call.account_id, name, changed)
        elif self._kind == "user":
            found = await self._store.change_user(call.account_id, name, changed)
        else:
            found = await self._store.change_group(call.account_id, name, changed)
        if found is None:
            raise no_such_entity(self._kind, name)
        return None

    def _no_such_policy(self, policy_name: str) -> NoSuchEntity:
        return NoSuchEntity(f"The {self._kind} policy with name {policy_name} cannot be found.")


class RoleInlinePolicyOperations:
    """PutRolePolicy, GetRolePolicy, ListRolePolicies, DeleteRolePolicy."""

    def __init__(self, store: IamStore) -> None:
        self._policies = _InlinePolicies(store, "role")

    @operation
    async def put_role_policy(self, call: Call, *, role_name: str, policy_name: str, policy_document: str) -> Answer:
        return await self._policies.put(call, role_name, policy_name, policy_document)

    @operation
    async def get_role_policy(self, call: Call, *, role_name: str, policy_name: str) -> Answer:
        return await self._policies.get(call, role_name, policy_name)

    @operation
    async def list_role_policies(
        self, call: Call, *, role_name: str, marker: str | None = None, max_items: int | None = None
    ) -> Answer:
        return await self._policies.list(call, role_name, marker, max_items)

    @operation
    async def delete_role_policy(self, call: Call, *, role_name: str, policy_name: str) -> Answer:
        return await self._policies.delete(call, role_name, policy_name)


class UserInlinePolicyOperations:
    """PutUserPolicy, GetUserPolicy, ListUserPolicies, DeleteUserPolicy."""

    def __init__(self, store: IamStore) -> None:
        self._policies = _InlinePolicies(store, "user")

    @operation
    async def put_user_policy(self, call: Call, *, user_name: str, policy_name: str, policy_document: str) -> Answer:
        return await self._policies.put(call, user_name, policy_name, policy_document)

    @operation
    async def get_user_policy(self, call: Call, *, user_name: str, policy_name: str) -> Answer:
        return await self._policies.get(call, user_name, policy_name)

    @operation
    async def list_user_policies(
        self, call: Call, *, user_name: str, marker: str | None = None, max_items: int | None = None
    ) -> Answer:
        return await self._policies.list(call, user_name, marker, max_items)

    @operation
    async def delete_user_policy(self, call: Call, *, user_name: str, policy_name: str) -> Answer:
        return await self._policies.delete(call, user_name, policy_name)


class GroupInlinePolicyOperations:
    """PutGroupPolicy, GetGroupPolicy, ListGroupPolicies, DeleteGroupPolicy."""

    def __init__(self, store: IamStore) -> None:
        self._policies = _InlinePolicies(store, "group")

    @operation
    async def put_group_policy(self, call: Call, *, group_name: str, policy_name: str, policy_document: str) -> Answer:
        return await self._policies.put(call, group_name, policy_name, policy_document)

    @operation
    async def get_group_policy(self, call: Call, *, group_name: str, policy_name: str) -> Answer:
        return await self._policies.get(call, group_name, policy_name)

    @operation
    async def list_group_policies(
        self, call: Call, *, group_name: str, marker: str | None = None, max_items: int | None = None
    ) -> Answer:
        return await self._policies.list(call, group_name, marker, max_items)

    @operation
    async def delete_group_policy(self, call: Call, *, group_name: str, policy_name: str) -> Answer:
        return await self._policies.delete(call, group_name, policy_name)
