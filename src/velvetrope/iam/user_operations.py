"""Users: made, shown, renamed, deleted; their tags and boundaries.

What hangs on a user's name (keys, groups, policies, devices) comes along when it is renamed; sessions that were issued
under the old name may do nothing any more. (On AWS they go on; ours are the safer half.) MFA devices are in
`mfa_device_operations`, what no user here has in `absent_credentials`.

Source: IAM API Reference.
"""

import msgspec

from velvetrope.clock import Entropy
from velvetrope.iam.aws_managed import is_aws_managed
from velvetrope.iam.entities import (
    boundary_of,
    caller_user_name,
    check_boundary_exists,
    no_such_entity,
    no_such_policy,
)
from velvetrope.iam.errors import DeleteConflict, EntityAlreadyExists, NoSuchEntity
from velvetrope.iam.paging import DEFAULT_MAX_ITEMS, page_of, parse_marker
from velvetrope.iam.quotas import within_quota
from velvetrope.iam.tags import Tag, add_tags, new_tags, remove_tags, render_tags
from velvetrope.identifiers import new_iam_unique_id
from velvetrope.operations import Answer, Call, operation
from velvetrope.store.tables.iam import IamStore, User

__all__ = ["UserOperations", "render_listed_user"]


class UserOperations:
    """The operations on users themselves."""

    def __init__(self, store: IamStore, *, entropy: Entropy) -> None:
        self._store = store
        self._entropy = entropy

    @operation
    async def create_user(
        self,
        call: Call,
        *,
        user_name: str,
        path: str = "/",
        permissions_boundary: str | None = None,
        tags: tuple[Tag, ...] = (),
    ) -> Answer:
        """A new user, who has neither keys nor permissions yet."""
        if permissions_boundary is not None:
            await check_boundary_exists(self._store, permissions_boundary)
        user = User(
            account_id=call.account_id,
            user_name=user_name,
            user_id=new_iam_unique_id(self._entropy, "AIDA"),
            arn=call.arn("iam", f"user{path}{user_name}", region=""),
            path=path,
            created_at=call.now.replace(microsecond=0),
            tags=new_tags(tags),
            permissions_boundary_arn=permissions_boundary,
        )
        if not await self._store.save_new_user(user, within_quota("UsersPerAccount")):
            raise EntityAlreadyExists(f"User with name {user_name} already exists.")
        return {"user": _render(user)}

    @operation
    async def get_user(self, call: Call, *, user_name: str | None = None) -> Answer:
        """The user named, or the caller; the root user is shown as AWS shows it."""
        if user_name is None and call.principal.is_root:
            root = call.principal
            return {
                "user": {
                    "path": "",
                    "user_name": "",
                    "user_id": root.account_id,
                    "arn": root.arn,
                    "create_date": call.now,
                }
            }
        return {"user": _render(await self._load(call, caller_user_name(call, user_name)))}

    @operation
    async def list_users(
        self, call: Call, *, path_prefix: str = "/", marker: str | None = None, max_items: int | None = None
    ) -> Answer:
        """Users by name. As on AWS, a list shows neither tags nor boundaries."""
        limit = DEFAULT_MAX_ITEMS if max_items is None else max_items
        found = await self._store.list_users(
            call.account_id, path_prefix=path_prefix, after=parse_marker(marker), limit=limit + 1
        )
        page = page_of(found, lambda user: user.user_name, marker=marker, max_items=max_items)
        bare = [render_listed_user(user) for user in page.items]
        return page.answer("users", bare)

    @operation
    async def update_user(
        self, call: Call, *, user_name: str, new_path: str | None = None, new_user_name: str | None = None
    ) -> Answer:
        """Give the user another name or path."""

        def change(user: User) -> User:
            name = user.user_name if new_user_name is None else new_user_name
            path = user.path if new_path is None else new_path
            return msgspec.structs.replace(
                user,
                user_name=name,
                path=path,
                arn=call.arn("iam", f"user{path}{name}", region=""),
            )

        outcome = await self._store.rename_user(call.account_id, user_name, change)
        if outcome == "no entity":
            raise no_such_entity("user", user_name)
        if outcome == "taken":
            raise EntityAlreadyExists(f"User with name {new_user_name or user_name} already exists.")
        return None

    @operation
    async def delete_user(self, call: Call, *, user_name: str) -> Answer:
        """Delete a user who has no keys, devices and policies, and is in no group, any more."""

        def check(user: User, keys: int, devices: int, groups: int) -> None:
            if groups:
                raise DeleteConflict("Cannot delete entity, must remove users from group first.")
            if keys:
                raise DeleteConflict("Cannot delete entity, must delete access keys first.")
            if devices:
                raise DeleteConflict("Cannot delete entity, must delete MFA device first.")
            if user.attached_policy_arns:
                raise DeleteConflict("Cannot delete entity, must detach all policies first.")
            if user.inline_policies:
                raise DeleteConflict("Cannot delete entity, must delete policies first.")

        if await self._store.delete_user(call.account_id, user_name, check) is None:
            raise no_such_entity("user", user_name)
        return None

    @operation
    async def tag_user(self, call: Call, *, user_name: str, tags: tuple[Tag, ...]) -> Answer:
        def change(user: User) -> User:
            return msgspec.structs.replace(user, tags=add_tags(user.tags, tags))

        if await self._store.change_user(call.account_id, user_name, change) is None:
            raise no_such_entity("user", user_name)
        return None

    @operation
    async def untag_user(self, call: Call, *, user_name: str, tag_keys: tuple[str, ...]) -> Answer:
        def change(user: User) -> User:
            return msgspec.structs.replace(user, tags=remove_tags(user.tags, tag_keys))

        if await self._store.change_user(call.account_id, user_name, change) is None:
            raise no_such_entity("user", user_name)
        return None

    @operation
    async def list_user_tags(
        self, call: Call, *, user_name: str, marker: str | None = None, max_items: int | None = None
    ) -> Answer:
        user = await self._load(call, user_name)
        page = page_of(render_tags(user.tags), lambda tag: tag["key"], marker=marker, max_items=max_items)
        return page.answer("tags", page.items)

    @operation
    async def put_user_permissions_boundary(self, call: Call, *, user_name: str, permissions_boundary: str) -> Answer:
        await check_boundary_exists(self._store, permissions_boundary)
        outcome = await self._store.set_boundary(
            call.account_id, "user", user_name, permissions_boundary, is_row=not is_aws_managed(permissions_boundary)
        )
        if outcome == "no entity":
            raise no_such_entity("user", user_name)
        if outcome == "no policy":
            raise no_such_policy(permissions_boundary)
        return None

    @operation
    async def delete_user_permissions_boundary(self, call: Call, *, user_name: str) -> Answer:
        user = await self._load(call, user_name)
        if user.permissions_boundary_arn is None:
            raise NoSuchEntity(f"The user with name {user_name} does not have a permissions boundary.")
        await self._store.set_boundary(call.account_id, "user", user_name, None, is_row=False)
        return None

    async def _load(self, call: Call, user_name: str) -> User:
        user = await self._store.load_user(call.account_id, user_name)
        if user is None:
            raise no_such_entity("user", user_name)
        return user


def render_listed_user(user: User) -> dict[str, object]:
    """A user as lists show it."""
    return {**_render(user), "tags": None, "permissions_boundary": None}


def _render(user: User) -> dict[str, object]:
    return {
        "path": user.path,
        "user_name": user.user_name,
        "user_id": user.user_id,
        "arn": user.arn,
        "create_date": user.created_at,
        "permissions_boundary": boundary_of(user),
        "tags": render_tags(user.tags) or None,
    }
