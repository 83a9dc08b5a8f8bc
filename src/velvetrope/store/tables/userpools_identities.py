"""Who users are elsewhere: the identities by which a pool's providers know them.

A row says that what one provider calls `attribute_value` is one of our users; the database itself refuses two owners
of one identity. Rows are kept in step with `User.identities` by `UserPoolStore`, as aliases are.

`attribute_name` is `Cognito_Subject` for the provider's own id of the person, or a mapped attribute of the pool where
an administrator has linked somebody by it who has not signed in yet (AdminLinkProviderForUser).
"""

from collections.abc import Collection, Mapping
from datetime import datetime

import msgspec
from sqlalchemy import Column, ColumnElement, Index, String, Table, delete, insert, select

from velvetrope.store.columns import Record
from velvetrope.store.database import Connection
from velvetrope.store.schema import METADATA

__all__ = ["MAX_IDENTITY_CHARACTERS", "OF_A_USER", "SUBJECT", "UserIdentity", "owners_of", "take_identities"]

SUBJECT = "Cognito_Subject"
"""What AWS calls the attribute that is the provider's id of a person, whatever the provider calls it."""
MAX_IDENTITY_CHARACTERS = 512
"""Ids of people have at most 255 (OpenID Connect, SAML). PostgreSQL indexes keys of up to 2,704 bytes."""


class UserIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """One identity of a user at a provider of the pool."""

    provider_name: str
    provider_type: str
    user_id: str
    """The provider's id of the person, or the value of the attribute that they are linked by."""
    created_at: datetime
    primary: bool
    """Whether the user came to be by signing in with it; False for what was linked to somebody who was there."""
    attribute_name: str = SUBJECT
    issuer: str | None = None
    """The entity id of a SAML provider."""
    disabled: bool = False
    """Whether it signs nobody in any more: the user is still called by it, so that nobody else can be."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What only one user of a pool can have."""
        return self.provider_name, self.attribute_name, self.user_id


identities = Table(
    "userpools_identities",
    METADATA,
    Column("user_pool_id", String(55), primary_key=True),
    Column("provider_name", String(32), primary_key=True),
    Column("attribute_name", String(32), primary_key=True),
    Column("attribute_value", String(MAX_IDENTITY_CHARACTERS), primary_key=True),
    Column("username_key", String(128), nullable=False),
    Column("record", Record(UserIdentity), nullable=False),
    Index("userpools_identities_owner", "user_pool_id", "username_key"),
)

OF_A_USER = (identities,)


async def take_identities(
    connection: Connection, user_pool_id: str, username_key: str, wanted: Collection[UserIdentity]
) -> bool:
    """Make the user's rows those of `wanted`; False, and nothing is done, if somebody else has one of them."""
    for identity in wanted:
        owner = await connection.execute(
            select(identities.c.username_key).where(*_this_one(user_pool_id, *identity.key))
        )
        if owner.scalar_one_or_none() not in {None, username_key}:
            return False
    await connection.execute(
        delete(identities).where(identities.c.user_pool_id == user_pool_id, identities.c.username_key == username_key)
    )
    for identity in wanted:
        await connection.execute(
            insert(identities).values(
                user_pool_id=user_pool_id,
                provider_name=identity.provider_name,
                attribute_name=identity.attribute_name,
                attribute_value=identity.user_id,
                username_key=username_key,
                record=identity,
            )
        )
    return True


async def owners_of(
    connection: Connection, user_pool_id: str, provider_name: str, known_as: Mapping[str, str]
) -> dict[str, str]:
    """The users' keys by the attribute that leads to them, of those in `known_as` (attribute name to value)."""
    found = {}
    for name, value in known_as.items():
        owner = await connection.execute(
            select(identities.c.username_key).where(*_this_one(user_pool_id, provider_name, name, value))
        )
        key = owner.scalar_one_or_none()
        if key is not None:
            found[name] = key
    return found


def _this_one(
    user_pool_id: str, provider_name: str, attribute_name: str, attribute_value: str
) -> tuple[ColumnElement[bool], ...]:
    return (
        identities.c.user_pool_id == user_pool_id,
        identities.c.provider_name == provider_name,
        identities.c.attribute_name == attribute_name,
        identities.c.attribute_value == attribute_value,
    )
