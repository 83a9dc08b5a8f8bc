"""Users found by one of the columns that have an index: name, sub, address, status.

The order is that of the column, then of the key, so that a page costs the same wherever it begins and however many
users match. Addresses and status have columns since a later schema: rows that were written before and not changed since
are listed by `load_unsearchable`, for the caller to look at one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Column, false, select, tuple_

from velvetrope.store.database import Database
from velvetrope.store.dialects.prefixes import begins_with
from velvetrope.store.tables.userpools_users import SEARCHED_CHARACTERS, USER_COLUMNS, StoredUser, users

__all__ = ["FoundUser", "SearchColumn", "UserSearch", "UserSearchStore"]

SearchColumn = Literal["username_key", "sub", "email", "phone_number", "status", "enabled"]
_COLUMNS: dict[SearchColumn, Column[Any]] = {
    "username_key": users.c.username_key,
    "sub": users.c.sub,
    "email": users.c.email,
    "phone_number": users.c.phone_number,
    "status": users.c.status,
    "enabled": users.c.enabled,
}
_OF_A_LATER_SCHEMA: frozenset[SearchColumn] = frozenset({"email", "phone_number", "status"})


@dataclass(frozen=True, slots=True)
class UserSearch:
    """One column and its value, or how its value begins. What is found may be more than what is wanted, never less."""

    column: SearchColumn
    value: str | bool
    is_prefix: bool = False

    @property
    def misses_older_rows(self) -> bool:
        """Whether rows that are not searchable have to be looked at besides."""
        return self.column in _OF_A_LATER_SCHEMA


@dataclass(frozen=True, slots=True)
class FoundUser:
    """A user, and the value that the next page goes on behind."""

    stored: StoredUser
    value: str


class UserSearchStore:
    """See the module. One method, one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_found(
        self, user_pool_id: str, search: UserSearch, *, after: tuple[str, str] | None, limit: int
    ) -> Sequence[FoundUser]:
        """Up to `limit` users behind (value, key)."""
        column, value = _COLUMNS[search.column], search.value
        if isinstance(value, str):
            value = value[:SEARCHED_CHARACTERS]
        statement = select(*USER_COLUMNS, column.label("value"))
        statement = statement.where(users.c.user_pool_id == user_pool_id)
        if search.is_prefix and isinstance(value, str):
            statement = statement.where(begins_with(column, value)).order_by(column, users.c.username_key)
            if after is not None:
                statement = statement.where(tuple_(column, users.c.username_key) > after)
        else:
            statement = statement.where(column == value).order_by(users.c.username_key)
            if after is not None:
                statement = statement.where(users.c.username_key > after[1])
        async with self._database.read() as connection:
            return [
                FoundUser(StoredUser(*stored), str(value))
                for *stored, value in await connection.execute(statement.limit(limit))
            ]

    async def load_unsearchable(self, user_pool_id: str, *, after: str, limit: int) -> Sequence[StoredUser]:
        """Up to `limit` users of an older schema whose key is greater than `after`, in order of key."""
        statement = (
            select(*USER_COLUMNS)
            .where(users.c.user_pool_id == user_pool_id, users.c.searchable == false(), users.c.username_key > after)
            .order_by(users.c.username_key)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [StoredUser(*row) for row in await connection.execute(statement)]
