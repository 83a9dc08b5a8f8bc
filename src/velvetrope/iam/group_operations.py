"""Groups of users: made, shown, renamed, deleted; who is in them. A user is in ten groups at the most.

What a group's policies allow or deny counts for every user in it from the moment that the user is in it (see
`gatherer`). A group is no principal: no policy can name it, and it has neither keys nor tags nor a boundary.

Whether AWS refuses to take a user out of a group that the user is not in is UNVERIFIED; here nothing happens.

Source: IAM API Reference, CreateGroup and its siblings; IAM User Guide, "IAM user groups"; texts as seen on AWS.
"""

import msgspec

from velvetrope.clock import Entropy
from velvetrope.iam.entities import no_such_entity
from velvetrope.iam.errors import DeleteConflict, EntityAlreadyExists
from velvetrope.iam.paging import DEFAULT_MAX_ITEMS, page_of, parse_marker
from velvetrope.iam.quotas import within_quota
from velvetrope.iam.user_operations import render_listed_user
from velvetrope.identifiers import new_iam_unique_id
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.iam import Group, IamStore, MemberOutcome

__all__ = ["GroupOperations"]


class GroupOperations:
    """The operations on groups themselves; those on their policies are in `inline_policies` and `attached_policies`."""

    def __init__(self, store: IamStore, *, entropy: Entropy) -> None:
        self._store = store
        self._entropy = entropy

    @operation
    async def create_group(self, call: Call, *, group_name: str, path: str = "/") -> Answer:
        """A new group with nobody in it."""
        group = Group(
            account_id=call.account_id,
            group_name=group_name,
            group_id=new_iam_unique_id(self._entropy, "AGPA"),
            arn=_arn(call, path, group_name),
            path=path,
            created_at=call.now.replace(microsecond=0),
        )
        if not await self._store.save_new_group(group, within_quota("GroupsPerAccount")):
            raise _name_taken(group_name)
        return {"group": _render(group)}

    @operation
    async def get_group(
        self, call: Call, *, group_name: str, marker: str | None = None, max_items: int | None = None
    ) -> Answer:
        """The group, and who is in it by name."""
        group = await self._store.load_group(call.account_id, group_name)
        if group is None:
            raise no_such_entity("group", group_name)
        limit = DEFAULT_MAX_ITEMS if max_items is None else max_items
        users = await self._store.list_members(call.account_id, group_name, after=parse_marker(marker), limit=limit + 1)
        page = page_of(users, lambda user: user.user_name, marker=marker, max_items=max_items)
        return {"group": _render(group), **page.answer("users", [render_listed_user(user) for user in page.items])}

    @operation
    async def list_groups(
        self, call: Call, *, path_prefix: str = "/", marker: str | None = None, max_items: int | None = None
    ) -> Answer:
        limit = DEFAULT_MAX_ITEMS if max_items is None else max_items
        found = await self._store.list_groups(
            call.account_id, path_prefix=path_prefix, after=parse_marker(marker), limit=limit + 1
        )
        page = page_of(found, lambda group: group.group_name, marker=marker, max_items=max_items)
        return page.answer("groups", [_render(group) for group in page.items])

    @operation
    async def list_groups_for_user(
        self, call: Call, *, user_name: str, marker: str | None = None, max_items: int | None = None
    ) -> Answer:
        if await self._store.load_user(call.account_id, user_name) is None:
            raise no_such_entity("user", user_name)
        groups = await self._store.list_groups_of_user(call.account_id, user_name)
        page = page_of(groups, lambda group: group.group_name, marker=marker, max_items=max_items)
        return page.answer("groups", [_render(group) for group in page.items])

    @operation
    async def update_group(
        self, call: Call, *, group_name: str, new_path: str | None = None, new_group_name: str | None = None
    ) -> Answer:
        """Give the group another name or path; who is in it and what it may do stays."""

        def change(group: Group) -> Group:
            name = group.group_name if new_group_name is None else new_group_name
            path = group.path if new_path is None else new_path
            return msgspec.structs.replace(group, group_name=name, path=path, arn=_arn(call, path, name))

        outcome = await self._store.rename_group(call.account_id, group_name, change)
        if outcome == "no entity":
            raise no_such_entity("group", group_name)
        if outcome == "taken":
            raise _name_taken(group_name if new_group_name is None else new_group_name)
        return None

    @operation
    async def delete_group(self, call: Call, *, group_name: str) -> Answer:
        """Delete a group that has neither users nor policies any more."""

        def check(group: Group, members: int) -> None:
            if members:
                raise DeleteConflict("Cannot delete entity, must remove users from group first.")
            if group.attached_policy_arns:
                raise DeleteConflict("Cannot delete entity, must detach all policies first.")
            if group.inline_policies:
                raise DeleteConflict("Cannot delete entity, must delete policies first.")

        if await self._store.delete_group(call.account_id, group_name, check) is None:
            raise no_such_entity("group", group_name)
        return None

    @operation
    async def add_user_to_group(self, call: Call, *, group_name: str, user_name: str) -> Answer:
        outcome = await self._store.add_member(call.account_id, group_name, user_name, within_quota("GroupsPerUser"))
        _check_found(outcome, group_name, user_name)
        return None

    @operation
    async def remove_user_from_group(self, call: Call, *, group_name: str, user_name: str) -> Answer:
        outcome = await self._store.remove_member(call.account_id, group_name, user_name)
        _check_found(outcome, group_name, user_name)
        return None


def _check_found(outcome: MemberOutcome, group_name: str, user_name: str) -> None:
    if outcome == "no group":
        raise no_such_entity("group", group_name)
    if outcome == "no user":
        raise no_such_entity("user", user_name)


def _name_taken(group_name: str) -> EntityAlreadyExists:
    return EntityAlreadyExists(f"Group with name {group_name} already exists.")


def _arn(call: Call, path: str, name: str) -> str:
    return call.arn("iam", f"group{path}{name}", region="")


def _render(group: Group) -> dict[str, object]:
    return {
        "path": group.path,
        "group_name": group.group_name,
        "group_id": group.group_id,
        "arn": group.arn,
        "create_date": group.created_at,
    }
