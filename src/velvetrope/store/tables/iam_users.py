"""Users, with whatever goes where they go: keys, groups, MFA devices."""

from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy import delete, select, update

from velvetrope.store.database import Connection
from velvetrope.store.tables.iam_access_keys import access_keys, count_access_keys
from velvetrope.store.tables.iam_entities import (
    TOPIC,
    EntityStore,
    delete_entity,
    list_entities,
    load_entity,
    roles,
    unlimited,
    users,
)
from velvetrope.store.tables.iam_groups import count_members, members
from velvetrope.store.tables.iam_mfa_devices import count_devices_of_user, move_devices_of_user
from velvetrope.store.tables.iam_records import RenameOutcome, User

__all__ = ["UserStore"]


class UserStore(EntityStore):
    """Users, one method one transaction."""

    async def load_user(self, account_id: str, user_name: str) -> User | None:
        """The user of this name."""
        async with self._database.read() as connection:
            return await load_entity(connection, User, account_id, user_name)

    async def list_users(
        self, account_id: str, *, path_prefix: str = "/", after: str = "", limit: int = 1000
    ) -> list[User]:
        """Up to `limit` users whose path starts so, by name, from behind `after`."""
        async with self._database.read() as connection:
            return await list_entities(connection, User, account_id, path_prefix, after, limit)

    async def save_new_user(self, user: User, check: Callable[[int], None] = unlimited) -> bool:
        """Keep a new user, bounded by its `permissions_boundary_arn`; False if the name is taken.

        `check` is told how many users there are.
        """
        return await self._save_new(user, check)

    async def change_user(self, account_id: str, user_name: str, change: Callable[[User], User]) -> User | None:
        """Apply `change` to the user as it is, and give the result; None if there is no such user."""
        return await self._change(User, account_id, user_name, change)

    async def rename_user(self, account_id: str, user_name: str, change: Callable[[User], User]) -> RenameOutcome:
        """Apply `change`, which may give another name or path; keys, groups, policies and devices come along."""

        async def move(connection: Connection, new_name: str) -> None:
            await connection.execute(
                update(members)
                .where(members.c.account_id == account_id, members.c.user_name == user_name)
                .values(user_name=new_name)
            )
            keys = await connection.execute(
                select(access_keys.c.record).where(
                    access_keys.c.account_id == account_id, access_keys.c.user_name == user_name
                )
            )
            for key in list(keys.scalars()):
                await connection.execute(
                    update(access_keys)
                    .where(access_keys.c.access_key_id == key.access_key_id)
                    .values(user_name=new_name, record=msgspec.structs.replace(key, user_name=new_name))
                )
            await move_devices_of_user(connection, account_id, user_name, new_name)

        return await self._rename(User, account_id, user_name, change, move)

    async def delete_user(
        self, account_id: str, user_name: str, check: Callable[[User, int, int, int], None]
    ) -> User | None:
        """Delete the user if `check` lets it pass; None if there is no such user.

        `check` is told of the user, of how many access keys and MFA devices it has, and of how many groups it is in.
        """
        async with self._database.transaction() as tx:
            user = await load_entity(tx.connection, User, account_id, user_name, lock=True)
            if user is None:
                return None
            check(
                user,
                await count_access_keys(tx.connection, account_id, user_name),
                await count_devices_of_user(tx.connection, account_id, user_name),
                await count_members(tx.connection, account_id, members.c.user_name == user_name),
            )
            # Or the next user of this name would inherit them.
            for table in (access_keys, members):
                await tx.connection.execute(
                    delete(table).where(table.c.account_id == account_id, table.c.user_name == user_name)
                )
            await delete_entity(tx.connection, "user", account_id, user_name)
            tx.changed(TOPIC)
            return user

    async def load_arns(self, account_id: str, unique_ids: Sequence[str]) -> dict[str, str]:
        """The ARNs of those roles and users that exist, by unique id."""
        found: dict[str, str] = {}
        async with self._database.read() as connection:
            for table in (roles, users):
                rows = await connection.execute(
                    select(table.c.record).where(table.c.account_id == account_id, table.c.unique_id.in_(unique_ids))
                )
                found.update((entity.unique_id, entity.arn) for entity in rows.scalars())
        return found
