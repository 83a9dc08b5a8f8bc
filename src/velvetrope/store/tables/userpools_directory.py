"""How users are found: by name, alias, `sub`, identity at a provider, or group, and page by page."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, literal, select

from velvetrope.store.database import Connection, Database
from velvetrope.store.tables import userpools_identities
from velvetrope.store.tables.userpools_aliases import aliases
from velvetrope.store.tables.userpools_attempts import ATTEMPT_COLUMNS, Attempts, attempts, attempts_key
from velvetrope.store.tables.userpools_groups import groups, memberships
from velvetrope.store.tables.userpools_settings import AliasKind
from velvetrope.store.tables.userpools_users import USER_COLUMNS, StoredUser, users
from velvetrope.store.visits import Prepared, Visit

__all__ = ["LOAD_USER_AND_ATTEMPTS", "DirectoryStore", "user_and_attempts"]

# What every sign-in asks, built once: building a statement costs more than running it.
_LOAD_USER = Prepared(
    select(*USER_COLUMNS).where(
        users.c.user_pool_id == bindparam("user_pool_id"), users.c.username_key == bindparam("username_key")
    )
)
LOAD_USER_AND_ATTEMPTS = Prepared(
    # One row at least, and one for each of the user's groups.
    select(*USER_COLUMNS, *ATTEMPT_COLUMNS, groups.c.record).select_from(
        select(literal(1).label("one"))
        .subquery()
        .outerjoin(
            users,
            and_(users.c.user_pool_id == bindparam("user_pool_id"), users.c.username_key == bindparam("username_key")),
        )
        .outerjoin(
            attempts,
            and_(attempts.c.user_pool_id == bindparam("user_pool_id"), attempts.c.name_hash == bindparam("name_hash")),
        )
        .outerjoin(
            memberships,
            and_(
                memberships.c.user_pool_id == bindparam("user_pool_id"),
                memberships.c.username_key == bindparam("username_key"),
            ),
        )
        .outerjoin(
            groups,
            and_(groups.c.user_pool_id == memberships.c.user_pool_id, groups.c.group_name == memberships.c.group_name),
        )
    )
)
_LOAD_USER_BY_SUB = Prepared(
    select(*USER_COLUMNS).where(users.c.user_pool_id == bindparam("user_pool_id"), users.c.sub == bindparam("sub"))
)


class DirectoryStore:
    """Users as they are. It changes none. One method, one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_user(self, user_pool_id: str, username_key: str) -> StoredUser | None:
        return await self._database.read_at_once(lambda visit: _user_of(visit, user_pool_id, username_key))

    async def load_user_and_attempts(
        self,
        user_pool_id: str,
        username_key: str,
        *,
        alias: str | None = None,
        alias_kinds: Collection[AliasKind] = (),
    ) -> tuple[StoredUser | None, Attempts | None]:
        """The user of that name with their groups, or else of `alias` as one of `alias_kinds`; and the failures so far.

        Failures are those of the user's name, or of `username_key` where there is no user.
        """

        return await self._database.read_at_once(
            lambda visit: user_and_attempts(visit, user_pool_id, username_key, alias=alias, alias_kinds=alias_kinds)
        )

    def user_and_attempts_here(
        self, user_pool_id: str, username_key: str, *, alias: str | None, alias_kinds: Collection[AliasKind]
    ) -> tuple[StoredUser | None, Attempts | None]:
        """`load_user_and_attempts` for who is in a thread already."""
        if alias is None or not alias_kinds:
            asked = _asked(user_pool_id, username_key)
            return _told(self._database.rows_here(LOAD_USER_AND_ATTEMPTS, asked))
        return self._database.read_here(
            lambda visit: user_and_attempts(visit, user_pool_id, username_key, alias=alias, alias_kinds=alias_kinds)
        )

    async def load_user_by_sub(self, user_pool_id: str, sub: str) -> StoredUser | None:
        asked = {"user_pool_id": user_pool_id, "sub": sub}
        row = await self._database.read_at_once(lambda visit: visit.one(_LOAD_USER_BY_SUB, asked))
        return None if row is None else StoredUser(*row)

    async def load_users_by_identity(
        self, user_pool_id: str, provider_name: str, known_as: Mapping[str, str]
    ) -> dict[str, StoredUser]:
        """Users whom a provider knows by one of `known_as` (attribute name to value), by that name."""
        async with self._database.read() as connection:
            owners = await userpools_identities.owners_of(connection, user_pool_id, provider_name, known_as)
            found = {}
            for name, key in owners.items():
                user = await _one_user(
                    connection, and_(users.c.user_pool_id == user_pool_id, users.c.username_key == key)
                )
                if user is not None:
                    found[name] = user
            return found

    async def load_users(self, user_pool_id: str, *, after: str, limit: int) -> Sequence[StoredUser]:
        """Up to `limit` users whose key is greater than `after`, in order of key."""
        statement = (
            select(*USER_COLUMNS)
            .where(users.c.user_pool_id == user_pool_id, users.c.username_key > after)
            .order_by(users.c.username_key)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [StoredUser(*row) for row in await connection.execute(statement)]

    async def load_users_in_group(
        self, user_pool_id: str, group_name: str, *, after: str, limit: int
    ) -> Sequence[StoredUser]:
        """Up to `limit` members whose key is greater than `after`, in order of key."""
        statement = (
            select(*USER_COLUMNS)
            .join(
                memberships,
                and_(
                    memberships.c.user_pool_id == users.c.user_pool_id,
                    memberships.c.username_key == users.c.username_key,
                ),
            )
            .where(
                memberships.c.user_pool_id == user_pool_id,
                memberships.c.group_name == group_name,
                users.c.username_key > after,
            )
            .order_by(users.c.username_key)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [StoredUser(*row) for row in await connection.execute(statement)]

    async def count_users(self, user_pool_id: str) -> int:
        async with self._database.read() as connection:
            found = await connection.execute(select(func.count()).where(users.c.user_pool_id == user_pool_id))
            return found.scalar_one()


def user_and_attempts(
    visit: Visit,
    user_pool_id: str,
    username_key: str,
    *,
    alias: str | None = None,
    alias_kinds: Collection[AliasKind] = (),
) -> tuple[StoredUser | None, Attempts | None]:
    """Part of a visit: see `DirectoryStore.load_user_and_attempts`.

    Everything is asked in one statement, and whoever it is, so that a name that nobody has takes as long.
    """
    found, counted = _told(visit.rows(LOAD_USER_AND_ATTEMPTS, _asked(user_pool_id, username_key)))
    if found is not None or alias is None or not alias_kinds:
        return found, counted
    owner = visit.execute(
        select(aliases.c.username_key)
        .where(
            aliases.c.user_pool_id == user_pool_id,
            aliases.c.kind.in_(list(alias_kinds)),
            aliases.c.alias == alias,
        )
        .limit(1)
    ).scalar()
    # Asked again in either case; a name without an owner leads to what is known already.
    key = username_key if owner is None else owner
    return _told(visit.rows(LOAD_USER_AND_ATTEMPTS, _asked(user_pool_id, key)))


def _asked(user_pool_id: str, username_key: str) -> dict[str, object]:
    return {"user_pool_id": user_pool_id, "username_key": username_key, "name_hash": attempts_key(username_key)}


def _told(rows: Sequence[tuple[Any, ...]]) -> tuple[StoredUser | None, Attempts | None]:
    """What `LOAD_USER_AND_ATTEMPTS` has found."""
    record, username_key, password_sealed, failures, locked_until, last_failure_at, _ = rows[0]
    counted = None if failures is None else Attempts(failures, locked_until, last_failure_at)
    if record is None:
        return None, counted
    theirs = sorted((row[-1] for row in rows if row[-1] is not None), key=lambda group: str(group.group_name))
    return StoredUser(record, username_key, password_sealed, tuple(theirs)), counted


def _user_of(visit: Visit, user_pool_id: str, username_key: str) -> StoredUser | None:
    row = visit.one(_LOAD_USER, {"user_pool_id": user_pool_id, "username_key": username_key})
    return None if row is None else StoredUser(*row)


async def _one_user(connection: Connection, condition: ColumnElement[bool]) -> StoredUser | None:
    statement = select(*USER_COLUMNS).where(condition)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else StoredUser(*row)
