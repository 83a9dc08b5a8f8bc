"""Groups: made by administrators, named in tokens, and each with the role its members should get.

A pool has at most 10,000 groups, those of its identity providers aside; a user is in at most 100. A change of
membership shows in tokens from the next refresh on.

Source: Cognito Developer Guide, "Adding groups to a user pool"; user-pools reference section 7.
"""

import msgspec

from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.userpools import Group, UserPoolStore
from velvetrope.userpools.accounts.user_operations import described_user
from velvetrope.userpools.directory import PoolDirectory
from velvetrope.userpools.errors import (
    GroupExistsException,
    LimitExceededException,
    ResourceNotFoundException,
    group_missing,
)
from velvetrope.userpools.pages import next_page, page_start

__all__ = ["GroupOperations"]

_MAX_GROUPS = 10_000
_GROUPS_PER_USER = 100


class GroupOperations:
    """Groups of a pool and who is in them."""

    def __init__(self, store: UserPoolStore, directory: PoolDirectory) -> None:
        self._store = store
        self._directory = directory

    @operation
    async def create_group(
        self,
        call: Call,
        *,
        group_name: str,
        user_pool_id: str,
        description: str | None = None,
        role_arn: str | None = None,
        precedence: int | None = None,
    ) -> Answer:
        group = Group(
            user_pool_id=user_pool_id,
            group_name=group_name,
            created_at=call.now,
            modified_at=call.now,
            description=description,
            role_arn=role_arn,
            precedence=precedence,
        )
        match await self._store.create_group(group, limit=_MAX_GROUPS):
            case "no_pool":
                raise ResourceNotFoundException(f"User pool {user_pool_id} does not exist.")
            case "exists":
                raise GroupExistsException("A group with the name already exists.")
            case "too_many":
                raise LimitExceededException(f"A user pool has at most {_MAX_GROUPS} groups.")  # text UNVERIFIED
            case "created":
                return {"group": _described(group)}

    @operation
    async def get_group(self, call: Call, *, group_name: str, user_pool_id: str) -> Answer:  # noqa: ARG002
        return {"group": _described(await self._group(user_pool_id, group_name))}

    @operation
    async def list_groups(
        self,
        call: Call,  # noqa: ARG002
        *,
        user_pool_id: str,
        limit: int = 60,
        next_token: str | None = None,
    ) -> Answer:
        await self._directory.pool(user_pool_id)
        wanted = limit or 60
        after = page_start(next_token, member="NextToken")
        groups = await self._store.load_groups(user_pool_id, after=after, limit=wanted)
        return {
            "groups": [_described(group) for group in groups],
            "next_token": next_page(groups, groups[-1].group_name if groups else "", limit=wanted),
        }

    @operation
    async def update_group(
        self,
        call: Call,
        *,
        group_name: str,
        user_pool_id: str,
        description: str | None = None,
        role_arn: str | None = None,
        precedence: int | None = None,
    ) -> Answer:
        await self._directory.pool(user_pool_id)

        def change(group: Group) -> Group:
            return msgspec.structs.replace(
                group,
                description=group.description if description is None else description,
                role_arn=group.role_arn if role_arn is None else role_arn,
                precedence=group.precedence if precedence is None else precedence,
                modified_at=call.now,
            )

        changed = await self._store.change_group(user_pool_id, group_name, change)
        if changed is None:
            raise group_missing()
        return {"group": _described(changed)}

    @operation
    async def delete_group(self, call: Call, *, group_name: str, user_pool_id: str) -> Answer:  # noqa: ARG002
        await self._directory.pool(user_pool_id)
        if not await self._store.delete_group(user_pool_id, group_name):
            raise group_missing()
        return None

    @operation
    async def admin_add_user_to_group(
        self,
        call: Call,  # noqa: ARG002
        *,
        user_pool_id: str,
        username: str,
        group_name: str,
    ) -> Answer:
        pool = await self._directory.pool(user_pool_id)
        found = await self._directory.user(pool, username)
        match await self._store.add_to_group(pool.id, group_name, found.username_key, limit=_GROUPS_PER_USER):
            case "no_group":
                raise group_missing()
            case "too_many":
                raise LimitExceededException(f"A user is in at most {_GROUPS_PER_USER} groups.")
            case "added":
                return None

    @operation
    async def admin_remove_user_from_group(
        self,
        call: Call,  # noqa: ARG002
        *,
        user_pool_id: str,
        username: str,
        group_name: str,
    ) -> Answer:
        pool = await self._directory.pool(user_pool_id)
        found = await self._directory.user(pool, username)
        await self._group(user_pool_id, group_name)
        await self._store.remove_from_group(pool.id, group_name, found.username_key)
        return None

    @operation
    async def admin_list_groups_for_user(
        self,
        call: Call,  # noqa: ARG002
        *,
        username: str,
        user_pool_id: str,
        limit: int = 60,
        next_token: str | None = None,
    ) -> Answer:
        pool = await self._directory.pool(user_pool_id)
        found = await self._directory.user(pool, username)
        wanted = limit or 60
        after = page_start(next_token, member="NextToken")
        groups = await self._store.load_groups_of_user(pool.id, found.username_key)
        page = [group for group in groups if group.group_name > after][:wanted]
        return {
            "groups": [_described(group) for group in page],
            "next_token": next_page(page, page[-1].group_name if page else "", limit=wanted),
        }

    @operation
    async def list_users_in_group(
        self,
        call: Call,  # noqa: ARG002
        *,
        user_pool_id: str,
        group_name: str,
        limit: int = 60,
        next_token: str | None = None,
    ) -> Answer:
        await self._directory.pool(user_pool_id)
        await self._group(user_pool_id, group_name)
        wanted = limit or 60
        after = page_start(next_token, member="NextToken")
        members = await self._store.load_users_in_group(user_pool_id, group_name, after=after, limit=wanted)
        return {
            "users": [described_user(member.user) for member in members],
            "next_token": next_page(members, members[-1].username_key if members else "", limit=wanted),
        }

    async def _group(self, user_pool_id: str, group_name: str) -> Group:
        group = await self._store.load_group(user_pool_id, group_name)
        if group is None:
            await self._directory.pool(user_pool_id)
            raise group_missing()
        return group


def _described(group: Group) -> dict[str, object]:
    """GroupType."""
    return {
        "group_name": group.group_name,
        "user_pool_id": group.user_pool_id,
        "description": group.description,
        "role_arn": group.role_arn,
        "precedence": group.precedence,
        "last_modified_date": group.modified_at,
        "creation_date": group.created_at,
    }
