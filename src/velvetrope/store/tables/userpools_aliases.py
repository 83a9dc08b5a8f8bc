"""The other names that users may sign in with.

They are kept in step with `User.sign_in_aliases`, so that the database itself refuses two owners of one address. Which
aliases a user has is the service's word. A name is one person's, whether it is a user name or an alias of any kind:
otherwise who calls themselves by somebody else's address, or by their preferred name, would be found in their place.
(Two nodes at once may each give one name as a user name and as an alias; the user name is then the one that is found.)
"""

from typing import get_args

import msgspec
from sqlalchemy import Column, Index, String, Table, and_, delete, insert, select, update

from velvetrope.store.database import Connection
from velvetrope.store.schema import METADATA
from velvetrope.store.tables.userpools_settings import AliasKind
from velvetrope.store.tables.userpools_users import User, UserConflict, columns_of, users

__all__ = ["aliases", "is_an_alias", "take_aliases"]

aliases = Table(
    "userpools_aliases",
    METADATA,
    Column("user_pool_id", String(55), primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("alias", String(2048), primary_key=True),
    Column("username_key", String(128), nullable=False),
    Index("userpools_aliases_owner", "user_pool_id", "username_key"),
)


async def take_aliases(connection: Connection, user: User, username_key: str, *, force: bool) -> UserConflict | None:
    """Make the alias rows those of `user.sign_in_aliases`, unless somebody else has one of them.

    `force` takes an address that this user has proven from whoever has it, and nothing else (cognito-idp model,
    AdminCreateUserRequest, ForceAliasCreation).
    """
    here = aliases.c.user_pool_id == user.user_pool_id
    for kind, alias in user.sign_in_aliases.items():
        this_one = and_(here, aliases.c.kind == kind, aliases.c.alias == alias)
        owner = (await connection.execute(select(aliases.c.username_key).where(this_one))).scalar_one_or_none()
        if owner is None and await _is_anothers_name(connection, user.user_pool_id, alias, username_key):
            return UserConflict(kind)
        if owner is None or owner == username_key:
            continue
        if not force or user.attributes.get(f"{kind}_verified") != "true":
            return UserConflict(kind)
        await _take_alias_from(connection, user.user_pool_id, owner, kind)
    await connection.execute(delete(aliases).where(here, aliases.c.username_key == username_key))
    for kind, alias in user.sign_in_aliases.items():
        await connection.execute(
            insert(aliases).values(user_pool_id=user.user_pool_id, kind=kind, alias=alias, username_key=username_key)
        )
    return None


async def is_an_alias(connection: Connection, user_pool_id: str, name: str, *, except_of: str) -> bool:
    """Whether somebody else than `except_of` signs in with this name, by an alias of any kind."""
    owned = select(aliases.c.username_key).where(
        aliases.c.user_pool_id == user_pool_id,
        aliases.c.kind.in_(get_args(AliasKind)),
        aliases.c.alias == name,
        aliases.c.username_key != except_of,
    )
    return (await connection.execute(owned.limit(1))).first() is not None


async def _is_anothers_name(connection: Connection, user_pool_id: str, alias: str, username_key: str) -> bool:
    if alias == username_key:
        return False
    named = select(users.c.sub).where(users.c.user_pool_id == user_pool_id, users.c.username_key == alias)
    if (await connection.execute(named)).first() is not None:
        return True
    return await is_an_alias(connection, user_pool_id, alias, except_of=username_key)


async def _take_alias_from(connection: Connection, user_pool_id: str, owner_key: str, kind: AliasKind) -> None:
    """The former owner keeps the attribute, but it is no longer verified and no longer signs them in."""
    theirs = and_(users.c.user_pool_id == user_pool_id, users.c.username_key == owner_key)
    await connection.execute(
        delete(aliases).where(
            aliases.c.user_pool_id == user_pool_id, aliases.c.kind == kind, aliases.c.username_key == owner_key
        )
    )
    row = (await connection.execute(select(users.c.record).where(theirs).with_for_update())).one_or_none()
    if row is None:
        return
    former: User = row.record
    changed = msgspec.structs.replace(
        former,
        attributes={**former.attributes, f"{kind}_verified": "false"},
        sign_in_aliases={k: v for k, v in former.sign_in_aliases.items() if k != kind},
    )
    await connection.execute(update(users).where(theirs).values(**columns_of(changed)))
