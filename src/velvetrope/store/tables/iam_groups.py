"""Groups, and who is in them: a row each in `iam_group_members`, so that neither side is deleted under a new member."""

from collections.abc import Callable

from sqlalchemy import Column, ColumnElement, Index, String, Table, delete, exists, func, insert, select, update

from velvetrope.store.database import Connection
from velvetrope.store.schema import METADATA
from velvetrope.store.tables.iam_entities import (
    TOPIC,
    EntityStore,
    delete_entity,
    groups,
    list_entities,
    load_entity,
    unlimited,
    users,
    with_attachments,
)
from velvetrope.store.tables.iam_records import Group, MemberOutcome, RenameOutcome, User

__all__ = ["GroupStore", "count_members", "members"]

members = Table(
    "iam_group_members",
    METADATA,
    Column("account_id", String(12), primary_key=True),
    Column("group_name", String(128), primary_key=True),
    Column("user_name", String(64), primary_key=True),
    Index("iam_group_members_by_user", "account_id", "user_name"),
)


class GroupStore(EntityStore):
    """Groups and their members, one method one transaction."""

    async def load_group(self, account_id: str, group_name: str) -> Group | None:
        """The group of this name."""
        async with self._database.read() as connection:
            return await load_entity(connection, Group, account_id, group_name)

    async def list_groups(
        self, account_id: str, *, path_prefix: str = "/", after: str = "", limit: int = 1000
    ) -> list[Group]:
        """Up to `limit` groups whose path starts so, by name, from behind `after`."""
        async with self._database.read() as connection:
            return await list_entities(connection, Group, account_id, path_prefix, after, limit)

    async def save_new_group(self, group: Group, check: Callable[[int], None] = unlimited) -> bool:
        """Keep a new group if `check`, told how many there are, lets it pass; False if the name is taken."""
        return await self._save_new(group, check)

    async def change_group(self, account_id: str, group_name: str, change: Callable[[Group], Group]) -> Group | None:
        """Apply `change` to the group as it is, and give the result; None if there is no such group."""
        return await self._change(Group, account_id, group_name, change)

    async def rename_group(self, account_id: str, group_name: str, change: Callable[[Group], Group]) -> RenameOutcome:
        """Apply a `change` that may give the group another name; members and attachments go with it."""

        async def move(connection: Connection, new_name: str) -> None:
            await connection.execute(
                update(members)
                .where(members.c.account_id == account_id, members.c.group_name == group_name)
                .values(group_name=new_name)
            )

        return await self._rename(Group, account_id, group_name, change, move)

    async def delete_group(self, account_id: str, group_name: str, check: Callable[[Group, int], None]) -> Group | None:
        """Delete the group if `check`, told of the group and its number of members, lets it pass; None if unknown."""
        async with self._database.transaction() as tx:
            group = await load_entity(tx.connection, Group, account_id, group_name, lock=True)
            if group is None:
                return None
            check(group, await count_members(tx.connection, account_id, members.c.group_name == group_name))
            await tx.connection.execute(
                delete(members).where(members.c.account_id == account_id, members.c.group_name == group_name)
            )
            await delete_entity(tx.connection, "group", account_id, group_name)
            tx.changed(TOPIC)
            return group

    async def add_member(
        self, account_id: str, group_name: str, user_name: str, check: Callable[[int], None]
    ) -> MemberOutcome:
        """Put the user into the group if `check`, told in how many the user is, lets it pass; who is in stays in."""
        async with self._database.transaction() as tx:
            outcome = await _lock_group_and_user(tx.connection, account_id, group_name, user_name)
            if outcome != "done":
                return outcome
            member = _membership(account_id, group_name, user_name)
            if not await tx.connection.scalar(select(exists().where(*member))):
                check(await count_members(tx.connection, account_id, members.c.user_name == user_name))
                await tx.connection.execute(
                    insert(members).values(account_id=account_id, group_name=group_name, user_name=user_name)
                )
            tx.changed(TOPIC)
            return "done"

    async def remove_member(self, account_id: str, group_name: str, user_name: str) -> MemberOutcome:
        """Take the user out of the group, in which it need not have been."""
        async with self._database.transaction() as tx:
            outcome = await _lock_group_and_user(tx.connection, account_id, group_name, user_name)
            if outcome != "done":
                return outcome
            await tx.connection.execute(delete(members).where(*_membership(account_id, group_name, user_name)))
            tx.changed(TOPIC)
            return "done"

    async def list_members(self, account_id: str, group_name: str, *, after: str = "", limit: int = 1000) -> list[User]:
        """Up to `limit` users who are in the group, by name, from behind `after`."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(users.c.record)
                .join_from(
                    users,
                    members,
                    (members.c.account_id == users.c.account_id) & (members.c.user_name == users.c.name),
                )
                .where(
                    members.c.account_id == account_id,
                    members.c.group_name == group_name,
                    members.c.user_name > after,
                )
                .order_by(members.c.user_name)
                .limit(limit)
            )
            return list(rows.scalars())

    async def list_groups_of_user(self, account_id: str, user_name: str) -> list[Group]:
        """The groups that the user is in, by name."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(groups.c.record)
                .join_from(
                    groups,
                    members,
                    (members.c.account_id == groups.c.account_id) & (members.c.group_name == groups.c.name),
                )
                .where(members.c.account_id == account_id, members.c.user_name == user_name)
                .order_by(groups.c.name)
            )
            return await with_attachments(connection, "group", account_id, list(rows.scalars()))


async def count_members(connection: Connection, account_id: str, whose: ColumnElement[bool]) -> int:
    count = await connection.scalar(
        select(func.count()).select_from(members).where(members.c.account_id == account_id, whose)
    )
    return count or 0


def _membership(account_id: str, group_name: str, user_name: str) -> tuple[ColumnElement[bool], ...]:
    return (
        members.c.account_id == account_id,
        members.c.group_name == group_name,
        members.c.user_name == user_name,
    )


async def _lock_group_and_user(
    connection: Connection, account_id: str, group_name: str, user_name: str
) -> MemberOutcome:
    """Whether both are there; if so, they stay until the transaction ends."""
    if await load_entity(connection, Group, account_id, group_name, lock=True) is None:
        return "no group"
    if await load_entity(connection, User, account_id, user_name, lock=True) is None:
        return "no user"
    return "done"
