"""Groups of a pool and who is in them. Members are known by their `username_key`."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

import msgspec
from sqlalchemy import Column, Index, String, Table, and_, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from velvetrope.store.columns import Record
from velvetrope.store.database import Database
from velvetrope.store.schema import METADATA
from velvetrope.store.tables.userpools_pools import USERS_TOPIC, pool_exists
from velvetrope.store.visits import Prepared, Visit

__all__ = ["Group", "GroupStore", "groups", "groups_of", "memberships"]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    user_pool_id: str
    group_name: str
    created_at: datetime
    modified_at: datetime
    description: str | None = None
    role_arn: str | None = None
    precedence: int | None = None


groups = Table(
    "userpools_groups",
    METADATA,
    Column("user_pool_id", String(55), primary_key=True),
    Column("group_name", String(128), primary_key=True),
    Column("record", Record(Group), nullable=False),
)
memberships = Table(
    "userpools_memberships",
    METADATA,
    Column("user_pool_id", String(55), primary_key=True),
    Column("group_name", String(128), primary_key=True),
    Column("username_key", String(128), primary_key=True),
    # With the group's name SQLite need not look at the row, and so does not take the primary key for the better index,
    # of which it could use the pool alone: every sign-in would look through all memberships of the pool.
    Index("userpools_memberships_user", "user_pool_id", "username_key", "group_name"),
)
# What every sign-in asks, built once: building a statement costs more than running it.
_LOAD_GROUPS = Prepared(
    select(groups.c.record)
    .join(
        memberships,
        and_(memberships.c.user_pool_id == groups.c.user_pool_id, memberships.c.group_name == groups.c.group_name),
    )
    .where(
        memberships.c.user_pool_id == bindparam("user_pool_id"), memberships.c.username_key == bindparam("username_key")
    )
    .order_by(groups.c.group_name)
)


class GroupStore:
    """Groups and memberships. One method, one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_group(
        self, group: Group, *, limit: int | None = None
    ) -> Literal["created", "exists", "no_pool", "too_many"]:
        """Keep a new group, if its pool is there and has fewer than `limit`."""
        counted = select(func.count()).where(groups.c.user_pool_id == group.user_pool_id)
        try:
            async with self._database.transaction() as tx:
                if not await pool_exists(tx.connection, group.user_pool_id):
                    return "no_pool"
                if limit is not None and (await tx.connection.execute(counted)).scalar_one() >= limit:
                    return "too_many"
                await tx.connection.execute(
                    insert(groups).values(user_pool_id=group.user_pool_id, group_name=group.group_name, record=group)
                )
                tx.changed(USERS_TOPIC)
        except IntegrityError:
            return "exists"
        return "created"

    async def load_group(self, user_pool_id: str, group_name: str) -> Group | None:
        async with self._database.read() as connection:
            row = (
                await connection.execute(
                    select(groups.c.record).where(
                        groups.c.user_pool_id == user_pool_id, groups.c.group_name == group_name
                    )
                )
            ).one_or_none()
        return None if row is None else row.record

    async def load_groups(self, user_pool_id: str, *, after: str, limit: int) -> Sequence[Group]:
        """Up to `limit` groups whose name is greater than `after`, in order of name."""
        statement = (
            select(groups.c.record)
            .where(groups.c.user_pool_id == user_pool_id, groups.c.group_name > after)
            .order_by(groups.c.group_name)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [row.record for row in await connection.execute(statement)]

    async def change_group(self, user_pool_id: str, group_name: str, change: Callable[[Group], Group]) -> Group | None:
        """Replace the group by `change(group)`; None if there is none."""
        mine = and_(groups.c.user_pool_id == user_pool_id, groups.c.group_name == group_name)
        async with self._database.transaction() as tx:
            row = (await tx.connection.execute(select(groups.c.record).where(mine).with_for_update())).one_or_none()
            if row is None:
                return None
            group = change(row.record)
            await tx.connection.execute(update(groups).where(mine).values(record=group))
            tx.changed(USERS_TOPIC)
        return group

    async def delete_group(self, user_pool_id: str, group_name: str) -> bool:
        """Remove the group and its memberships; False if there was none."""
        async with self._database.transaction() as tx:
            gone = await tx.connection.execute(
                delete(groups)
                .where(groups.c.user_pool_id == user_pool_id, groups.c.group_name == group_name)
                .returning(groups.c.group_name)
            )
            if gone.one_or_none() is None:
                return False
            await tx.connection.execute(
                delete(memberships).where(
                    memberships.c.user_pool_id == user_pool_id, memberships.c.group_name == group_name
                )
            )
            tx.changed(USERS_TOPIC)
        return True

    async def add_to_group(
        self, user_pool_id: str, group_name: str, username_key: str, *, limit: int
    ) -> Literal["added", "no_group", "too_many"]:
        """Make the user a member; being one already is fine. A user is in `limit` groups at the most."""
        wanted = {"user_pool_id": user_pool_id, "group_name": group_name, "username_key": username_key}
        mine = and_(memberships.c.user_pool_id == user_pool_id, memberships.c.username_key == username_key)
        try:
            async with self._database.transaction() as tx:
                there = await tx.connection.execute(
                    select(groups.c.group_name).where(
                        groups.c.user_pool_id == user_pool_id, groups.c.group_name == group_name
                    )
                )
                if there.one_or_none() is None:
                    return "no_group"
                already = (await tx.connection.execute(select(memberships.c.group_name).where(mine))).scalars().all()
                if group_name in already:
                    return "added"
                if len(already) >= limit:
                    return "too_many"
                await tx.connection.execute(insert(memberships).values(**wanted))
                tx.changed(USERS_TOPIC)
        except IntegrityError:
            return "added"  # writers take turns; the key has the last word all the same
        return "added"

    async def remove_from_group(self, user_pool_id: str, group_name: str, username_key: str) -> None:
        """End the membership; not being a member is fine."""
        async with self._database.transaction() as tx:
            await tx.connection.execute(
                delete(memberships).where(
                    memberships.c.user_pool_id == user_pool_id,
                    memberships.c.group_name == group_name,
                    memberships.c.username_key == username_key,
                )
            )
            tx.changed(USERS_TOPIC)

    async def load_groups_of_user(self, user_pool_id: str, username_key: str) -> Sequence[Group]:
        """All groups of the user, in order of name."""
        return await self._database.read_at_once(lambda visit: groups_of(visit, user_pool_id, username_key))


def groups_of(visit: Visit, user_pool_id: str, username_key: str) -> list[Group]:
    rows = visit.rows(_LOAD_GROUPS, {"user_pool_id": user_pool_id, "username_key": username_key})
    return [record for (record,) in rows]
