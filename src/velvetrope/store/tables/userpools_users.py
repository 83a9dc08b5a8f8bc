"""The record of a user, its row, and the columns that users are looked for by.

A user is found by `username_key`: the user name, in lower case where the pool ignores case. Password verifiers are
sealed before they come here. `userpools_directory` finds users, `userpools_accounts` changes them.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import msgspec
from sqlalchemy import Boolean, Column, Index, LargeBinary, String, Table, false

from velvetrope.store.columns import Record
from velvetrope.store.schema import METADATA
from velvetrope.store.tables.userpools_groups import Group
from velvetrope.store.tables.userpools_identities import UserIdentity
from velvetrope.store.tables.userpools_settings import AliasKind, MfaType

__all__ = [
    "SEARCHED_CHARACTERS",
    "USER_COLUMNS",
    "StoredUser",
    "User",
    "UserConflict",
    "columns_of",
    "read_stand_in",
    "users",
]

SEARCHED_CHARACTERS = 255
"""How much of an attribute is in the column that it is looked for by: an index takes no longer ones everywhere."""


class User(msgspec.Struct, frozen=True, kw_only=True):
    """One user, without the password. `attributes` has every attribute but `sub`, all as strings."""

    user_pool_id: str
    username: str
    sub: str
    attributes: dict[str, str]
    enabled: bool
    status: Literal["UNCONFIRMED", "CONFIRMED", "FORCE_CHANGE_PASSWORD", "RESET_REQUIRED", "EXTERNAL_PROVIDER"]
    created_at: datetime
    modified_at: datetime
    sign_in_aliases: dict[AliasKind, str] = {}
    """Other names this user may sign in with, in the form they are looked up by."""
    temporary_password_expires_at: datetime | None = None
    signed_out_at: datetime | None = None
    """When all sessions were ended last; tokens that belong to no family are dead if issued up to then."""
    password_changed_at: datetime | None = None
    """When the password became another one; None if that was never, or before this was kept."""
    mfa_enabled: tuple[MfaType, ...] = ()
    mfa_preferred: MfaType | None = None
    passkey_mfa: bool = False
    """Passkeys may stand for both factors. Never alone: one of `mfa_enabled` is switched on too."""
    identities: tuple[UserIdentity, ...] = ()
    """Who this user is at the pool's identity providers, the primary one first."""

    @property
    def is_federated(self) -> bool:
        """Whether the user came to be by signing in with a provider: they are found by it, and by no alias."""
        return any(identity.primary for identity in self.identities)

    def has_signed_out_since(self, began_at: datetime) -> bool:
        """Whether the user was signed out everywhere since something of theirs began; in the same instant, too."""
        return self.signed_out_at is not None and began_at <= self.signed_out_at


class StoredUser(msgspec.Struct, frozen=True):
    """A user and the sealed password verifiers, which None says there are none of."""

    user: User
    username_key: str
    password_sealed: bytes | None
    groups: tuple[Group, ...] | None = None
    """The user's groups, in order of name, where they were read along with the user."""


@dataclass(frozen=True, slots=True)
class UserConflict:
    """What somebody else has: the user name itself, one of the aliases, or an identity at a provider."""

    kind: Literal["username", "identity"] | AliasKind


users = Table(
    "userpools_users",
    METADATA,
    Column("user_pool_id", String(55), primary_key=True),
    Column("username_key", String(128), primary_key=True),
    Column("sub", String(36), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("password_sealed", LargeBinary),
    Column("record", Record(User), nullable=False),
    # What users are looked for by, besides; `userpools_search` reads it. Rows of before are not searchable yet.
    Column("email", String(SEARCHED_CHARACTERS)),
    Column("phone_number", String(SEARCHED_CHARACTERS)),
    Column("status", String(32)),
    Column("searchable", Boolean, nullable=False, server_default=false()),
    Index("userpools_users_sub", "user_pool_id", "sub", unique=True),
    Index("userpools_users_email", "user_pool_id", "email", "username_key"),
    Index("userpools_users_phone_number", "user_pool_id", "phone_number", "username_key"),
    Index("userpools_users_status", "user_pool_id", "status", "username_key"),
    Index("userpools_users_enabled", "user_pool_id", "enabled", "username_key"),
    Index("userpools_users_searchable", "user_pool_id", "searchable", "username_key"),
)

USER_COLUMNS = (users.c.record, users.c.username_key, users.c.password_sealed)
"""What a `StoredUser` is made of, in its order."""


_STAND_IN_DECODER = msgspec.json.Decoder(User)
_STAND_IN = msgspec.json.encode(
    User(
        user_pool_id="us-west-2_AbCdEfGhI",
        username="anna",
        sub="00000000-0000-4000-8000-000000000000",
        attributes={"email": "anna@example.com", "email_verified": "true"},
        enabled=True,
        status="CONFIRMED",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        modified_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
).decode()


def read_stand_in() -> User:
    """A plain user's record, read as rows are: for who does for a name that nobody has what is done for a person."""
    return _STAND_IN_DECODER.decode(_STAND_IN)


def columns_of(user: User) -> dict[str, object]:
    """The record, and the columns that are made of it."""
    email, phone_number = user.attributes.get("email"), user.attributes.get("phone_number")
    return {
        "record": user,
        "enabled": user.enabled,
        "email": None if email is None else email[:SEARCHED_CHARACTERS],
        "phone_number": None if phone_number is None else phone_number[:SEARCHED_CHARACTERS],
        "status": user.status,
        "searchable": True,
    }
