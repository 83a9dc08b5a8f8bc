"""Pages of a pool's users, all of them or those that a filter matches.

A page begins behind a user of the page before, wherever that one was found: in the order of names where everybody is
looked at, in that of an index where one can answer, and after that among rows that the index does not know yet. Where
that was is in the token, which holds nothing that its holder has not seen.
"""

from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import msgspec

from velvetrope.store.tables.userpools import StoredUser, UserPool, UserPoolStore
from velvetrope.store.tables.userpools_search import UserSearch, UserSearchStore
from velvetrope.userpools.accounts.user_filter import UserFilter
from velvetrope.userpools.errors import InvalidParameterException
from velvetrope.userpools.pages import next_page, page_start

__all__ = ["UserPages"]

_ROWS_AT_A_TIME = 200


class _Place(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Behind which user: the value of the index and the key, and whether that was among the index's."""

    value: str
    key: str
    is_indexed: bool


@dataclass(frozen=True, slots=True)
class _Row:
    stored: StoredUser
    place: _Place


class _LoadByName(Protocol):
    def __call__(self, *, after: str, limit: int) -> Awaitable[Sequence[StoredUser]]: ...


class UserPages:
    """See the module."""

    def __init__(self, store: UserPoolStore, search: UserSearchStore) -> None:
        self._store = store
        self._search = search

    async def load(
        self, pool: UserPool, wanted: UserFilter, *, token: str | None, limit: int
    ) -> tuple[list[StoredUser], str | None]:
        """Up to `limit` users, and the token for the page after them.

        Raises:
            InvalidParameterException: the token is not one of ours for such a filter.
        """
        place = _place(token)
        if wanted.search is None:
            rows = _by_name(partial(self._store.load_users, pool.id), place)
        else:
            rows = self._found(pool, wanted.search, place)
        found: list[StoredUser] = []
        async for row in rows:
            if wanted.matches(row.stored.user):
                found.append(row.stored)
                place = row.place
                if len(found) == limit:
                    break
        last = "" if place is None else msgspec.json.encode(place).decode()
        return found, next_page(found, last, limit=limit)

    async def _found(self, pool: UserPool, search: UserSearch, place: _Place | None) -> AsyncIterator[_Row]:
        if place is None or place.is_indexed:
            after = None if place is None else (place.value, place.key)
            while True:
                found = await self._search.load_found(pool.id, search, after=after, limit=_ROWS_AT_A_TIME)
                for one in found:
                    yield _Row(one.stored, _Place(one.value, one.stored.username_key, is_indexed=True))
                if len(found) < _ROWS_AT_A_TIME:
                    break
                after = (found[-1].value, found[-1].stored.username_key)
            place = None
        if not search.misses_older_rows:
            return
        async for row in _by_name(partial(self._search.load_unsearchable, pool.id), place):
            yield row


async def _by_name(load: _LoadByName, place: _Place | None) -> AsyncIterator[_Row]:
    after = "" if place is None else place.key
    while True:
        rows = await load(after=after, limit=_ROWS_AT_A_TIME)
        for row in rows:
            yield _Row(row, _Place("", row.username_key, is_indexed=False))
        if len(rows) < _ROWS_AT_A_TIME:
            return
        after = rows[-1].username_key


def _place(token: str | None) -> _Place | None:
    if token is None:
        return None
    try:
        return msgspec.json.decode(page_start(token, member="PaginationToken"), type=_Place)
    except msgspec.DecodeError:
        raise InvalidParameterException("Invalid PaginationToken") from None
