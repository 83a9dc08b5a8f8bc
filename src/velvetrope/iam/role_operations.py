"""Roles: made, shown, changed and deleted, with their trust policies, tags and boundaries.

Not kept: when a role was last used (`RoleLastUsed` is always empty, as on AWS for a role that never was).

Source: IAM API Reference.
"""

from datetime import datetime

import msgspec

from velvetrope.clock import Entropy
from velvetrope.iam.aws_managed import is_aws_managed
from velvetrope.iam.entities import boundary_of, check_boundary_exists, no_such_entity, no_such_policy
from velvetrope.iam.errors import DeleteConflict, EntityAlreadyExists, NoSuchEntity
from velvetrope.iam.paging import DEFAULT_MAX_ITEMS, page_of, parse_marker
from velvetrope.iam.policy_documents import render_document
from velvetrope.iam.quotas import within_quota
from velvetrope.iam.tags import Tag, add_tags, new_tags, remove_tags, render_tags
from velvetrope.iam.trust_policies import prepare_trust_policy, show_trust_policy
from velvetrope.identifiers import new_iam_unique_id
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.iam import IamStore, Role

__all__ = ["RoleOperations"]


class RoleOperations:
    """The operations on roles themselves; those on their policies are in `inline_policies` and `attached_policies`."""

    def __init__(self, store: IamStore, *, entropy: Entropy) -> None:
        self._store = store
        self._entropy = entropy

    @operation
    async def create_role(
        self,
        call: Call,
        *,
        role_name: str,
        assume_role_policy_document: str,
        path: str = "/",
        description: str | None = None,
        max_session_duration: int = 3600,
        permissions_boundary: str | None = None,
        tags: tuple[Tag, ...] = (),
    ) -> Answer:
        """A new role that trusts whom the document names."""
        trust_policy = await prepare_trust_policy(self._store, call.account_id, assume_role_policy_document)
        if permissions_boundary is not None:
            await check_boundary_exists(self._store, permissions_boundary)
        role = Role(
            account_id=call.account_id,
            role_name=role_name,
            role_id=new_iam_unique_id(self._entropy, "AROA"),
            arn=call.arn("iam", f"role{path}{role_name}", region=""),
            path=path,
            assume_role_policy_document=trust_policy,
            created_at=_whole_seconds(call.now),
            max_session_duration_seconds=max_session_duration,
            description=description,
            tags=new_tags(tags),
            permissions_boundary_arn=permissions_boundary,
        )
        if not await self._store.save_new_role(role, within_quota("RolesPerAccount")):
            raise EntityAlreadyExists(f"Role with name {role_name} already exists.")
        return {"role": self._render(role, assume_role_policy_document)}

    @operation
    async def get_role(self, call: Call, *, role_name: str) -> Answer:
        role = await self._load(call, role_name)
        shown = self._render(role, await self._trust_policy(role))
        return {
            "role": {
                **shown,
                "max_session_duration": role.max_session_duration_seconds,
                "role_last_used": {},
            }
        }

    @operation
    async def list_roles(
        self, call: Call, *, path_prefix: str = "/", marker: str | None = None, max_items: int | None = None
    ) -> Answer:
        """Roles by name. As on AWS, a list shows neither tags nor boundaries."""
        limit = DEFAULT_MAX_ITEMS if max_items is None else max_items
        found = await self._store.list_roles(
            call.account_id, path_prefix=path_prefix, after=parse_marker(marker), limit=limit + 1
        )
        page = page_of(found, lambda role: role.role_name, marker=marker, max_items=max_items)
        rendered = []
        for role in page.items:
            text = await self._trust_policy(role)
            shown = {**self._render(role, text), "max_session_duration": role.max_session_duration_seconds}
            rendered.append({**shown, "tags": None, "permissions_boundary": None})
        return page.answer("roles", rendered)

    @operation
    async def update_role(
        self,
        call: Call,
        *,
        role_name: str,
        description: str | None = None,
        max_session_duration: int | None = None,
    ) -> Answer:
        """Change what was given; leave the rest."""

        def change(role: Role) -> Role:
            return msgspec.structs.replace(
                role,
                description=role.description if description is None else description or None,
                max_session_duration_seconds=max_session_duration or role.max_session_duration_seconds,
            )

        if await self._store.change_role(call.account_id, role_name, change) is None:
            raise no_such_entity("role", role_name)
        return {}

    @operation
    async def update_role_description(self, call: Call, *, role_name: str, description: str) -> Answer:
        def change(role: Role) -> Role:
            return msgspec.structs.replace(role, description=description or None)

        changed = await self._store.change_role(call.account_id, role_name, change)
        if changed is None:
            raise no_such_entity("role", role_name)
        return {"role": self._render(changed, await self._trust_policy(changed))}

    @operation
    async def update_assume_role_policy(self, call: Call, *, role_name: str, policy_document: str) -> Answer:
        trust_policy = await prepare_trust_policy(self._store, call.account_id, policy_document)

        def change(role: Role) -> Role:
            return msgspec.structs.replace(role, assume_role_policy_document=trust_policy)

        if await self._store.change_role(call.account_id, role_name, change) is None:
            raise no_such_entity("role", role_name)
        return None

    @operation
    async def delete_role(self, call: Call, *, role_name: str) -> Answer:
        """Delete a role that has no policies any more. Its sessions can do nothing from now on."""

        def check(role: Role) -> None:
            if role.attached_policy_arns:
                raise DeleteConflict("Cannot delete entity, must detach all policies first.")
            if role.inline_policies:
                raise DeleteConflict("Cannot delete entity, must delete policies first.")

        if await self._store.delete_role(call.account_id, role_name, check) is None:
            raise no_such_entity("role", role_name)
        return None

    @operation
    async def tag_role(self, call: Call, *, role_name: str, tags: tuple[Tag, ...]) -> Answer:
        def change(role: Role) -> Role:
            return msgspec.structs.replace(role, tags=add_tags(role.tags, tags))

        if await self._store.change_role(call.account_id, role_name, change) is None:
            raise no_such_entity("role", role_name)
        return None

    @operation
    async def untag_role(self, call: Call, *, role_name: str, tag_keys: tuple[str, ...]) -> Answer:
        def change(role: Role) -> Role:
            return msgspec.structs.replace(role, tags=remove_tags(role.tags, tag_keys))

        if await self._store.change_role(call.account_id, role_name, change) is None:
            raise no_such_entity("role", role_name)
        return None

    @operation
    async def list_role_tags(
        self, call: Call, *, role_name: str, marker: str | None = None, max_items: int | None = None
    ) -> Answer:
        role = await self._load(call, role_name)
        page = page_of(render_tags(role.tags), lambda tag: tag["key"], marker=marker, max_items=max_items)
        return page.answer("tags", page.items)

    @operation
    async def put_role_permissions_boundary(self, call: Call, *, role_name: str, permissions_boundary: str) -> Answer:
        await check_boundary_exists(self._store, permissions_boundary)
        outcome = await self._store.set_boundary(
            call.account_id, "role", role_name, permissions_boundary, is_row=not is_aws_managed(permissions_boundary)
        )
        if outcome == "no entity":
            raise no_such_entity("role", role_name)
        if outcome == "no policy":
            raise no_such_policy(permissions_boundary)
        return None

    @operation
    async def delete_role_permissions_boundary(self, call: Call, *, role_name: str) -> Answer:
        role = await self._load(call, role_name)
        if role.permissions_boundary_arn is None:
            raise NoSuchEntity(f"The role with name {role_name} does not have a permissions boundary.")
        await self._store.set_boundary(call.account_id, "role", role_name, None, is_row=False)
        return None

    async def _load(self, call: Call, role_name: str) -> Role:
        role = await self._store.load_role(call.account_id, role_name)
        if role is None:
            raise no_such_entity("role", role_name)
        return role

    async def _trust_policy(self, role: Role) -> str:
        return await show_trust_policy(self._store, role.account_id, role.assume_role_policy_document)

    @staticmethod
    def _render(role: Role, trust_policy: str) -> dict[str, object]:
        return {
            "path": role.path,
            "role_name": role.role_name,
            "role_id": role.role_id,
            "arn": role.arn,
            "create_date": role.created_at,
            "assume_role_policy_document": render_document(trust_policy),
            "description": role.description,
            "permissions_boundary": boundary_of(role),
            "tags": render_tags(role.tags) or None,
        }


def _whole_seconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
