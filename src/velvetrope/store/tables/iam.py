"""IAM's records: roles, users, groups, managed policies and their versions, long-term access keys, account aliases.

Names are unique in an account without regard to case and found with regard to it, as on AWS. Which managed policies a
role, user or group carries, and which one bounds it, is a row each in `iam_attachments`; `attached_policy_arns` and
`permissions_boundary_arn` of a loaded record come from there. So a policy cannot be deleted under somebody who attaches
it in the same moment. Who is in which group is a row each in `iam_group_members`, for the same reason. AWS's own
managed policies are no rows here: they are data of the `iam` room.

Secrets of access keys are sealed before they come here.

Changes to a record are functions handed to `change_…`, and conditions functions handed to `save_new_…`, `delete_…`,
`attach_…` and `add_…`; they run inside the transaction and may raise, which leaves everything as it was. All writes
publish `iam`, except that of when a key was last used: nothing that anybody remembers depends on it.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Literal, TypeVar, get_args

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Index,
    LargeBinary,
    String,
    Table,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from velvetrope.store.columns import Record
from velvetrope.store.database import Connection, Database
from velvetrope.store.records import take_record
from velvetrope.store.schema import METADATA
from velvetrope.store.tables.iam_mfa_devices import count_devices_of_user, move_devices_of_user

__all__ = [
    "AccessKey",
    "AccountCounts",
    "Attachment",
    "EntityKind",
    "Group",
    "IamStore",
    "KeyUse",
    "ManagedPolicy",
    "ManagedPolicyUse",
    "PolicyHolder",
    "PolicyVersion",
    "Role",
    "Usage",
    "User",
]

_TOPIC = "iam"

EntityKind = Literal["role", "user", "group"]
Usage = Literal["policy", "boundary"]
AttachOutcome = Literal["attached", "no entity", "no policy"]
DetachOutcome = Literal["detached", "no entity", "not attached"]
MemberOutcome = Literal["done", "no group", "no user"]
RenameOutcome = Literal["renamed", "no entity", "taken"]


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """One role. In `assume_role_policy_document` roles and users of the account stand by their unique ids."""

    account_id: str
    role_name: str
    role_id: str
    arn: str
    path: str
    assume_role_policy_document: str
    created_at: datetime
    max_session_duration_seconds: int = 3600
    description: str | None = None
    tags: dict[str, str] = {}
    inline_policies: dict[str, str] = {}
    attached_policy_arns: tuple[str, ...] = ()
    permissions_boundary_arn: str | None = None

    @property
    def name(self) -> str:
        return self.role_name

    @property
    def unique_id(self) -> str:
        return self.role_id


class User(msgspec.Struct, frozen=True, kw_only=True):
    """One user."""

    account_id: str
    user_name: str
    user_id: str
    arn: str
    path: str
    created_at: datetime
    tags: dict[str, str] = {}
    inline_policies: dict[str, str] = {}
    attached_policy_arns: tuple[str, ...] = ()
    permissions_boundary_arn: str | None = None
    renamed_at: datetime | None = None
    """When it got its name, if that is not the one it was made under."""

    @property
    def name(self) -> str:
        return self.user_name

    @property
    def unique_id(self) -> str:
        return self.user_id


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """One group of users. Who is in it is not part of the record."""

    account_id: str
    group_name: str
    group_id: str
    arn: str
    path: str
    created_at: datetime
    inline_policies: dict[str, str] = {}
    attached_policy_arns: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.group_name

    @property
    def unique_id(self) -> str:
        return self.group_id


PolicyHolder = Role | User | Group
"""Whoever policies can be attached to."""


class PolicyVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a managed policy."""

    version_id: str
    document: str
    created_at: datetime


class ManagedPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A customer managed policy. Version numbers are never used twice."""

    account_id: str
    policy_name: str
    policy_id: str
    arn: str
    path: str
    versions: tuple[PolicyVersion, ...]
    default_version_id: str
    last_version_number: int
    created_at: datetime
    updated_at: datetime
    description: str | None = None
    tags: dict[str, str] = {}

    @property
    def default_version(self) -> PolicyVersion:
        return next(version for version in self.versions if version.version_id == self.default_version_id)


class ManagedPolicyUse(msgspec.Struct, frozen=True, kw_only=True):
    """How many roles, users and groups carry a policy, and how many it bounds."""

    attachments: int = 0
    boundaries: int = 0


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A role, user or group that carries a policy, or is bounded by it."""

    entity_kind: EntityKind
    entity_name: str
    usage: Usage


class KeyUse(msgspec.Struct, frozen=True, kw_only=True):
    """When and for which service a key has signed."""

    at: datetime
    service: str
    region: str


class AccessKey(msgspec.Struct, frozen=True, kw_only=True):
    """One long-term key of a user."""

    account_id: str
    user_name: str
    access_key_id: str
    secret_sealed: bytes
    created_at: datetime
    active: bool = True
    last_use: KeyUse | None = None


class AccountCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many of each an account has."""

    roles: int
    users: int
    groups: int
    policies: int
    policy_versions: int


E = TypeVar("E", Role, User, Group)


def _entity_table(name: str, record: type[PolicyHolder]) -> Table:
    return Table(
        name,
        METADATA,
        Column("account_id", String(12), primary_key=True),
        Column("name", String(128), primary_key=True),
        Column("name_key", String(128), nullable=False),
        Column("unique_id", String(128), nullable=False),
        Column("path", String(512), nullable=False),
        Column("record", Record(record), nullable=False),
        Index(f"{name}_by_name_key", "account_id", "name_key", unique=True),
        Index(f"{name}_by_unique_id", "unique_id"),
    )


_roles = _entity_table("iam_roles", Role)
_users = _entity_table("iam_users", User)
_groups = _entity_table("iam_groups", Group)
_ENTITY_TABLES: dict[EntityKind, Table] = {"role": _roles, "user": _users, "group": _groups}
_KINDS: dict[type[PolicyHolder], EntityKind] = {Role: "role", User: "user", Group: "group"}

_members = Table(
    "iam_group_members",
    METADATA,
    Column("account_id", String(12), primary_key=True),
    Column("group_name", String(128), primary_key=True),
    Column("user_name", String(64), primary_key=True),
    Index("iam_group_members_by_user", "account_id", "user_name"),
)

_policies = Table(
    "iam_policies",
    METADATA,
    Column("arn", String(2048), primary_key=True),
    Column("account_id", String(12), nullable=False),
    Column("name", String(128), nullable=False),
    Column("name_key", String(128), nullable=False),
    Column("path", String(512), nullable=False),
    Column("record", Record(ManagedPolicy), nullable=False),
    Index("iam_policies_by_name_key", "account_id", "name_key", unique=True),
)

_attachments = Table(
    "iam_attachments",
    METADATA,
    Column("account_id", String(12), primary_key=True),
    Column("entity_kind", String(8), primary_key=True),
    Column("entity_name", String(128), primary_key=True),
    Column("usage", String(8), primary_key=True),
    Column("policy_arn", String(2048), primary_key=True),
    Index("iam_attachments_by_policy", "policy_arn"),
)

_access_keys = Table(
    "iam_access_keys",
    METADATA,
    Column("access_key_id", String(128), primary_key=True),
    Column("account_id", String(12), nullable=False),
    Column("user_name", String(64), nullable=False),
    Column("secret_sealed", LargeBinary, nullable=False),
    Column("record", Record(AccessKey), nullable=False),
    Index("iam_access_keys_by_user", "account_id", "user_name"),
)

_aliases = Table(
    "iam_account_aliases",
    METADATA,
    Column("alias", String(63), primary_key=True),
    Column("account_id", String(12), nullable=False),
    Index("iam_account_aliases_by_account", "account_id", unique=True),
)


def _unlimited(_count: int) -> None:
    """As many as anybody likes."""


class IamStore:
    """Roles, users, groups, managed policies, access keys and aliases."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Roles

    async def load_role(self, account_id: str, role_name: str) -> Role | None:
        """The role of this name."""
        async with self._database.read() as connection:
            return await _load(connection, Role, account_id, role_name)

    async def list_roles(
        self, account_id: str, *, path_prefix: str = "/", after: str = "", limit: int = 1000
    ) -> list[Role]:
        """Up to `limit` roles whose path starts so, by name, from behind `after`."""
        async with self._database.read() as connection:
            return await _list(connection, Role, account_id, path_prefix, after, limit)

    async def save_new_role(self, role: Role, check: Callable[[int], None] = _unlimited) -> bool:
        """Keep a new role, bounded by its `permissions_boundary_arn`; False if the name is taken.

        `check` is told how many roles there are.
        """
        return await self._save_new(role, check)

    async def change_role(self, account_id: str, role_name: str, change: Callable[[Role], Role]) -> Role | None:
        """Apply `change` to the role as it is, and give the result; None if there is no such role."""
        return await self._change(Role, account_id, role_name, change)

    async def delete_role(self, account_id: str, role_name: str, check: Callable[[Role], None]) -> Role | None:
        """Delete the role if `check` lets it pass, and give what was deleted; None if there is no such role."""
        async with self._database.transaction() as tx:
            role = await _load(tx.connection, Role, account_id, role_name, lock=True)
            if role is None:
                return None
            check(role)
            await _delete_entity(tx.connection, "role", account_id, role_name)
            tx.changed(_TOPIC)
            return role

    # Users

    async def load_user(self, account_id: str, user_name: str) -> User | None:
        """The user of this name."""
        async with self._database.read() as connection:
            return await _load(connection, User, account_id, user_name)

    async def list_users(
        self, account_id: str, *, path_prefix: str = "/", after: str = "", limit: int = 1000
    ) -> list[User]:
        """Up to `limit` users whose path starts so, by name, from behind `after`."""
        async with self._database.read() as connection:
            return await _list(connection, User, account_id, path_prefix, after, limit)

    async def save_new_user(self, user: User, check: Callable[[int], None] = _unlimited) -> bool:
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
                update(_members)
                .where(_members.c.account_id == account_id, _members.c.user_name == user_name)
                .values(user_name=new_name)
            )
            keys = await connection.execute(
                select(_access_keys.c.record).where(
                    _access_keys.c.account_id == account_id, _access_keys.c.user_name == user_name
                )
            )
            for key in list(keys.scalars()):
                await connection.execute(
                    update(_access_keys)
                    .where(_access_keys.c.access_key_id == key.access_key_id)
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
            user = await _load(tx.connection, User, account_id, user_name, lock=True)
            if user is None:
                return None
            check(
                user,
                await _count_access_keys(tx.connection, account_id, user_name),
                await count_devices_of_user(tx.connection, account_id, user_name),
                await _count_members(tx.connection, account_id, _members.c.user_name == user_name),
            )
            # Or the next user of this name would inherit them.
            for table in (_access_keys, _members):
                await tx.connection.execute(
                    delete(table).where(table.c.account_id == account_id, table.c.user_name == user_name)
                )
            await _delete_entity(tx.connection, "user", account_id, user_name)
            tx.changed(_TOPIC)
            return user

    async def load_arns(self, account_id: str, unique_ids: Sequence[str]) -> dict[str, str]:
        """The ARNs of those roles and users that exist, by unique id."""
        found: dict[str, str] = {}
        async with self._database.read() as connection:
            for table in (_roles, _users):
                rows = await connection.execute(
                    select(table.c.record).where(table.c.account_id == account_id, table.c.unique_id.in_(unique_ids))
                )
                found.update((entity.unique_id, entity.arn) for entity in rows.scalars())
        return found

    # Groups

    async def load_group(self, account_id: str, group_name: str) -> Group | None:
        """The group of this name."""
        async with self._database.read() as connection:
            return await _load(connection, Group, account_id, group_name)

    async def list_groups(
        self, account_id: str, *, path_prefix: str = "/", after: str = "", limit: int = 1000
    ) -> list[Group]:
        """Up to `limit` groups whose path starts so, by name, from behind `after`."""
        async with self._database.read() as connection:
            return await _list(connection, Group, account_id, path_prefix, after, limit)

    async def save_new_group(self, group: Group, check: Callable[[int], None] = _unlimited) -> bool:
        """Keep a new group if `check`, told how many there are, lets it pass; False if the name is taken."""
        return await self._save_new(group, check)

    async def change_group(self, account_id: str, group_name: str, change: Callable[[Group], Group]) -> Group | None:
        """Apply `change` to the group as it is, and give the result; None if there is no such group."""
        return await self._change(Group, account_id, group_name, change)

    async def rename_group(self, account_id: str, group_name: str, change: Callable[[Group], Group]) -> RenameOutcome:
        """Apply a `change` that may give the group another name; members and attachments go with it."""

        async def move(connection: Connection, new_name: str) -> None:
            await connection.execute(
                update(_members)
                .where(_members.c.account_id == account_id, _members.c.group_name == group_name)
                .values(group_name=new_name)
            )

        return await self._rename(Group, account_id, group_name, change, move)

    async def delete_group(self, account_id: str, group_name: str, check: Callable[[Group, int], None]) -> Group | None:
        """Delete the group if `check`, told of the group and its number of members, lets it pass; None if unknown."""
        async with self._database.transaction() as tx:
            group = await _load(tx.connection, Group, account_id, group_name, lock=True)
            if group is None:
                return None
            check(group, await _count_members(tx.connection, account_id, _members.c.group_name == group_name))
            await tx.connection.execute(
                delete(_members).where(_members.c.account_id == account_id, _members.c.group_name == group_name)
            )
            await _delete_entity(tx.connection, "group", account_id, group_name)
            tx.changed(_TOPIC)
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
                check(await _count_members(tx.connection, account_id, _members.c.user_name == user_name))
                await tx.connection.execute(
                    insert(_members).values(account_id=account_id, group_name=group_name, user_name=user_name)
                )
            tx.changed(_TOPIC)
            return "done"

    async def remove_member(self, account_id: str, group_name: str, user_name: str) -> MemberOutcome:
        """Take the user out of the group, in which it need not have been."""
        async with self._database.transaction() as tx:
            outcome = await _lock_group_and_user(tx.connection, account_id, group_name, user_name)
            if outcome != "done":
                return outcome
            await tx.connection.execute(delete(_members).where(*_membership(account_id, group_name, user_name)))
            tx.changed(_TOPIC)
            return "done"

    async def list_members(self, account_id: str, group_name: str, *, after: str = "", limit: int = 1000) -> list[User]:
        """Up to `limit` users who are in the group, by name, from behind `after`."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(_users.c.record)
                .join_from(
                    _users,
                    _members,
                    (_members.c.account_id == _users.c.account_id) & (_members.c.user_name == _users.c.name),
                )
                .where(
                    _members.c.account_id == account_id,
                    _members.c.group_name == group_name,
                    _members.c.user_name > after,
                )
                .order_by(_members.c.user_name)
                .limit(limit)
            )
            return list(rows.scalars())

    async def list_groups_of_user(self, account_id: str, user_name: str) -> list[Group]:
        """The groups that the user is in, by name."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(_groups.c.record)
                .join_from(
                    _groups,
                    _members,
                    (_members.c.account_id == _groups.c.account_id) & (_members.c.group_name == _groups.c.name),
                )
                .where(_members.c.account_id == account_id, _members.c.user_name == user_name)
                .order_by(_groups.c.name)
            )
            return await _with_attachments(connection, "group", account_id, list(rows.scalars()))

    # Attachments

    async def attach_policy(
        self,
        account_id: str,
        kind: EntityKind,
        name: str,
        policy_arn: str,
        *,
        check: Callable[[PolicyHolder], None],
        is_row: bool,
    ) -> AttachOutcome:
        """Attach a managed policy; once attached it stays so, however often it is asked for.

        `is_row` says that the policy is a customer's and must exist here. `check` sees whom it is for as they are.
        """
        async with self._database.transaction() as tx:
            entity = await _load_any(tx.connection, kind, account_id, name)
            if entity is None:
                return "no entity"
            if is_row and not await _lock_policy(tx.connection, policy_arn):
                return "no policy"
            if policy_arn not in entity.attached_policy_arns:
                check(entity)
                await _attach(tx.connection, account_id, kind, name, "policy", policy_arn)
            tx.changed(_TOPIC)
            return "attached"

    async def detach_policy(self, account_id: str, kind: EntityKind, name: str, policy_arn: str) -> DetachOutcome:
        """Take a managed policy away."""
        async with self._database.transaction() as tx:
            if await _load_any(tx.connection, kind, account_id, name) is None:
                return "no entity"
            gone = (
                await tx.connection.execute(
                    delete(_attachments)
                    .where(*_of(account_id, kind, name, "policy"), _attachments.c.policy_arn == policy_arn)
                    .returning(_attachments.c.policy_arn)
                )
            ).one_or_none()
            tx.changed(_TOPIC)
            return "not attached" if gone is None else "detached"

    async def set_boundary(
        self, account_id: str, kind: EntityKind, name: str, policy_arn: str | None, *, is_row: bool
    ) -> AttachOutcome:
        """Make a policy the permissions boundary in place of any other; None takes the boundary away."""
        async with self._database.transaction() as tx:
            if await _load_any(tx.connection, kind, account_id, name) is None:
                return "no entity"
            if policy_arn is not None and is_row and not await _lock_policy(tx.connection, policy_arn):
                return "no policy"
            await tx.connection.execute(delete(_attachments).where(*_of(account_id, kind, name, "boundary")))
            if policy_arn is not None:
                await _attach(tx.connection, account_id, kind, name, "boundary", policy_arn)
            tx.changed(_TOPIC)
            return "attached"

    async def list_attachments(self, account_id: str, policy_arn: str) -> list[Attachment]:
        """Who carries the policy or is bounded by it, by kind and name."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(_attachments.c.entity_kind, _attachments.c.entity_name, _attachments.c.usage)
                .where(_attachments.c.account_id == account_id, _attachments.c.policy_arn == policy_arn)
                .order_by(_attachments.c.entity_kind, _attachments.c.entity_name)
            )
            return [Attachment(entity_kind=row[0], entity_name=row[1], usage=row[2]) for row in rows]

    # Managed policies

    async def load_policy(self, arn: str) -> ManagedPolicy | None:
        """The customer managed policy of this ARN."""
        async with self._database.read() as connection:
            found: ManagedPolicy | None = (
                await connection.execute(select(_policies.c.record).where(_policies.c.arn == arn))
            ).scalar_one_or_none()
            return found

    async def load_policies(self, arns: Sequence[str]) -> dict[str, ManagedPolicy]:
        """Those of the customer managed policies that exist, by ARN."""
        async with self._database.read() as connection:
            rows = await connection.execute(select(_policies.c.record).where(_policies.c.arn.in_(arns)))
            return {policy.arn: policy for policy in rows.scalars()}

    async def list_policies(
        self, account_id: str, *, path_prefix: str = "/", after: str = "", limit: int = 1000
    ) -> list[ManagedPolicy]:
        """Up to `limit` customer managed policies whose path starts so, by name, from behind `after`."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(_policies.c.record)
                .where(
                    _policies.c.account_id == account_id,
                    _policies.c.name > after,
                    _starts_with(_policies.c.path, path_prefix),
                )
                .order_by(_policies.c.name)
                .limit(limit)
            )
            return list(rows.scalars())

    async def load_policy_uses(self, account_id: str) -> dict[str, ManagedPolicyUse]:
        """For each policy that is used at all, how often."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(_attachments.c.policy_arn, _attachments.c.usage, func.count())
                .where(_attachments.c.account_id == account_id)
                .group_by(_attachments.c.policy_arn, _attachments.c.usage)
            )
            uses: dict[str, dict[str, int]] = {}
            for arn, usage, count in rows:
                uses.setdefault(arn, {})["boundaries" if usage == "boundary" else "attachments"] = count
            return {arn: ManagedPolicyUse(**counts) for arn, counts in uses.items()}

    async def save_new_policy(self, policy: ManagedPolicy, check: Callable[[int], None] = _unlimited) -> bool:
        """Keep a new policy if `check`, told how many there are, lets it pass; False if the name is taken."""
        try:
            async with self._database.transaction() as tx:
                check(await _count(tx.connection, _policies, policy.account_id))
                await tx.connection.execute(
                    insert(_policies).values(
                        arn=policy.arn,
                        account_id=policy.account_id,
                        name=policy.policy_name,
                        name_key=policy.policy_name.lower(),
                        path=policy.path,
                        record=policy,
                    )
                )
                tx.changed(_TOPIC)
        except IntegrityError:
            return False
        return True

    async def change_policy(self, arn: str, change: Callable[[ManagedPolicy], ManagedPolicy]) -> ManagedPolicy | None:
        """Apply `change` to the policy as it is, and give the result; None if there is no such policy."""
        async with self._database.transaction() as tx:
            present: ManagedPolicy | None = (
                await tx.connection.execute(select(_policies.c.record).where(_policies.c.arn == arn).with_for_update())
            ).scalar_one_or_none()
            if present is None:
                return None
            changed = change(present)
            await tx.connection.execute(update(_policies).where(_policies.c.arn == arn).values(record=changed))
            tx.changed(_TOPIC)
            return changed

    async def delete_policy(self, arn: str, check: Callable[[ManagedPolicy, bool], None]) -> ManagedPolicy | None:
        """Delete the policy if `check`, told of the policy and whether it is in use, lets it pass; None if unknown."""
        async with self._database.transaction() as tx:
            present: ManagedPolicy | None = (
                await tx.connection.execute(select(_policies.c.record).where(_policies.c.arn == arn).with_for_update())
            ).scalar_one_or_none()
            if present is None:
                return None
            in_use = await tx.connection.scalar(select(exists().where(_attachments.c.policy_arn == arn)))
            check(present, bool(in_use))
            await tx.connection.execute(delete(_policies).where(_policies.c.arn == arn))
            tx.changed(_TOPIC)
            return present

    # Access keys

    async def save_new_access_key(self, key: AccessKey, check: Callable[[int], None]) -> bool:
        """Keep a new key if `check`, told how many the user has, lets it pass; False if there is no such user."""
        async with self._database.transaction() as tx:
            user = await _load(tx.connection, User, key.account_id, key.user_name, lock=True)
            if user is None:
                return False
            check(await _count_access_keys(tx.connection, key.account_id, key.user_name))
            await tx.connection.execute(
                insert(_access_keys).values(
                    access_key_id=key.access_key_id,
                    account_id=key.account_id,
                    user_name=key.user_name,
                    secret_sealed=key.secret_sealed,
                    record=msgspec.structs.replace(key, secret_sealed=b""),
                )
            )
            tx.changed(_TOPIC)
            return True

    async def load_access_key(self, access_key_id: str) -> tuple[AccessKey, User] | None:
        """The key and whose it is."""
        async with self._database.read() as connection:
            row = (
                await connection.execute(
                    select(_access_keys.c.record, _access_keys.c.secret_sealed).where(
                        _access_keys.c.access_key_id == access_key_id
                    )
                )
            ).one_or_none()
            if row is None:
                return None
            key: AccessKey = msgspec.structs.replace(row[0], secret_sealed=row[1])
            user = await _load(connection, User, key.account_id, key.user_name)
            return None if user is None else (key, user)

    async def list_access_keys(self, account_id: str, user_name: str) -> list[AccessKey]:
        """The user's keys, oldest first, without their secrets."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(_access_keys.c.record).where(
                    _access_keys.c.account_id == account_id, _access_keys.c.user_name == user_name
                )
            )
            return sorted(rows.scalars(), key=lambda key: (key.created_at, key.access_key_id))

    async def set_access_key_active(
        self, account_id: str, user_name: str, access_key_id: str, *, active: bool
    ) -> AccessKey | None:
        """Switch the user's key on or off; None if the user has no such key."""
        this_key = _key_of(account_id, user_name, access_key_id)
        async with self._database.transaction() as tx:
            present: AccessKey | None = (
                await tx.connection.execute(select(_access_keys.c.record).where(*this_key).with_for_update())
            ).scalar_one_or_none()
            if present is None:
                return None
            changed = msgspec.structs.replace(present, active=active)
            await tx.connection.execute(update(_access_keys).where(*this_key).values(record=changed))
            tx.changed(_TOPIC)
            return changed

    async def delete_access_key(self, account_id: str, user_name: str, access_key_id: str) -> AccessKey | None:
        """Forget the user's key, and give it (without its secret); None if the user has no such key."""
        async with self._database.transaction() as tx:
            gone: AccessKey | None = await take_record(
                tx.connection, _access_keys, *_key_of(account_id, user_name, access_key_id)
            )
            tx.changed(_TOPIC)
            return gone

    async def save_key_use(self, access_key_id: str, use: KeyUse) -> None:
        """Keep when a key was last used. May be lost; publishes nothing."""
        this_key = _access_keys.c.access_key_id == access_key_id
        async with self._database.transaction() as tx:
            present: AccessKey | None = (
                await tx.connection.execute(select(_access_keys.c.record).where(this_key).with_for_update())
            ).scalar_one_or_none()
            if present is not None:
                used = msgspec.structs.replace(present, last_use=use)
                await tx.connection.execute(update(_access_keys).where(this_key).values(record=used))

    # The account

    async def load_alias(self, account_id: str) -> str | None:
        """The account's alias."""
        async with self._database.read() as connection:
            found: str | None = await connection.scalar(
                select(_aliases.c.alias).where(_aliases.c.account_id == account_id)
            )
            return found

    async def save_alias(self, account_id: str, alias: str) -> bool:
        """Make this the account's alias in place of any other; False if another account has it."""
        try:
            async with self._database.transaction() as tx:
                await tx.connection.execute(delete(_aliases).where(_aliases.c.account_id == account_id))
                await tx.connection.execute(insert(_aliases).values(alias=alias, account_id=account_id))
                tx.changed(_TOPIC)
        except IntegrityError:
            return False
        return True

    async def delete_alias(self, account_id: str, alias: str) -> bool:
        """Forget the account's alias; False if it is not the account's."""
        async with self._database.transaction() as tx:
            gone = await tx.connection.execute(
                delete(_aliases)
                .where(_aliases.c.account_id == account_id, _aliases.c.alias == alias)
                .returning(_aliases.c.alias)
            )
            tx.changed(_TOPIC)
            return gone.one_or_none() is not None

    async def count_all(self, account_id: str) -> AccountCounts:
        """How many of each the account has."""
        async with self._database.read() as connection:
            policies = await connection.execute(select(_policies.c.record).where(_policies.c.account_id == account_id))
            versions = [len(policy.versions) for policy in policies.scalars()]
            return AccountCounts(
                roles=await _count(connection, _roles, account_id),
                users=await _count(connection, _users, account_id),
                groups=await _count(connection, _groups, account_id),
                policies=len(versions),
                policy_versions=sum(versions),
            )

    # What roles, users and groups have in common

    async def _save_new(self, entity: E, check: Callable[[int], None]) -> bool:
        kind = _KINDS[type(entity)]
        boundary = _boundary_of(entity)
        try:
            async with self._database.transaction() as tx:
                check(await _count(tx.connection, _ENTITY_TABLES[kind], entity.account_id))
                await tx.connection.execute(
                    insert(_ENTITY_TABLES[kind]).values(
                        account_id=entity.account_id,
                        name=entity.name,
                        name_key=entity.name.lower(),
                        unique_id=entity.unique_id,
                        path=entity.path,
                        record=_bare(entity),
                    )
                )
                if boundary is not None:
                    await _attach(tx.connection, entity.account_id, kind, entity.name, "boundary", boundary)
                tx.changed(_TOPIC)
        except IntegrityError:
            return False
        return True

    async def _rename(
        self,
        record_type: type[E],
        account_id: str,
        name: str,
        change: Callable[[E], E],
        move: Callable[[Connection, str], Awaitable[None]],
    ) -> RenameOutcome:
        """Apply `change` to the entity and have `move` bring along what hangs on its name, all or nothing."""
        kind = _KINDS[record_type]
        table = _ENTITY_TABLES[kind]
        try:
            async with self._database.transaction() as tx:
                present = await _load(tx.connection, record_type, account_id, name, lock=True)
                if present is None:
                    return "no entity"
                changed = change(present)
                await tx.connection.execute(
                    update(table)
                    .where(table.c.account_id == account_id, table.c.name == name)
                    .values(name=changed.name, name_key=changed.name.lower(), path=changed.path, record=_bare(changed))
                )
                for usage in get_args(Usage):
                    await tx.connection.execute(
                        update(_attachments).where(*_of(account_id, kind, name, usage)).values(entity_name=changed.name)
                    )
                await move(tx.connection, changed.name)
                tx.changed(_TOPIC)
        except IntegrityError:
            return "taken"
        return "renamed"

    async def _change(self, record_type: type[E], account_id: str, name: str, change: Callable[[E], E]) -> E | None:
        table = _ENTITY_TABLES[_KINDS[record_type]]
        async with self._database.transaction() as tx:
            present = await _load(tx.connection, record_type, account_id, name, lock=True)
            if present is None:
                return None
            changed = change(present)
            await tx.connection.execute(
                update(table)
                .where(table.c.account_id == account_id, table.c.name == name)
                .values(record=_bare(changed), path=changed.path)
            )
            tx.changed(_TOPIC)
            return changed


def _starts_with(column: Column[str], prefix: str) -> ColumnElement[bool]:
    # Not LIKE, which ignores case on SQLite and heeds it elsewhere.
    return func.substr(column, 1, len(prefix)) == prefix


def _bare(entity: E) -> E:
    """The record without what `iam_attachments` holds."""
    return _carrying(entity, (), None)


def _boundary_of(entity: PolicyHolder) -> str | None:
    return None if isinstance(entity, Group) else entity.permissions_boundary_arn


def _carrying(entity: E, policy_arns: tuple[str, ...], boundary_arn: str | None) -> E:
    """The record with these policies. Groups have no boundaries."""
    if _KINDS[type(entity)] == "group":
        return msgspec.structs.replace(entity, attached_policy_arns=policy_arns)
    return msgspec.structs.replace(entity, attached_policy_arns=policy_arns, permissions_boundary_arn=boundary_arn)


def _of(account_id: str, kind: EntityKind, name: str, usage: Usage) -> tuple[ColumnElement[bool], ...]:
    return (
        _attachments.c.account_id == account_id,
        _attachments.c.entity_kind == kind,
        _attachments.c.entity_name == name,
        _attachments.c.usage == usage,
    )


def _membership(account_id: str, group_name: str, user_name: str) -> tuple[ColumnElement[bool], ...]:
    return (
        _members.c.account_id == account_id,
        _members.c.group_name == group_name,
        _members.c.user_name == user_name,
    )


def _key_of(account_id: str, user_name: str, access_key_id: str) -> tuple[ColumnElement[bool], ...]:
    return (
        _access_keys.c.access_key_id == access_key_id,
        _access_keys.c.account_id == account_id,
        _access_keys.c.user_name == user_name,
    )


async def _load(
    connection: Connection,
    record_type: type[E],
    account_id: str,
    name: str,
    *,
    lock: bool = False,
) -> E | None:
    table = _ENTITY_TABLES[_KINDS[record_type]]
    query = select(table.c.record).where(table.c.account_id == account_id, table.c.name == name)
    found: E | None = (await connection.execute(query.with_for_update() if lock else query)).scalar_one_or_none()
    if found is None:
        return None
    return (await _with_attachments(connection, _KINDS[record_type], account_id, [found]))[0]


async def _load_any(connection: Connection, kind: EntityKind, account_id: str, name: str) -> PolicyHolder | None:
    if kind == "role":
        return await _load(connection, Role, account_id, name, lock=True)
    if kind == "group":
        return await _load(connection, Group, account_id, name, lock=True)
    return await _load(connection, User, account_id, name, lock=True)


async def _list(
    connection: Connection,
    record_type: type[E],
    account_id: str,
    path_prefix: str,
    after: str,
    limit: int,
) -> list[E]:
    table = _ENTITY_TABLES[_KINDS[record_type]]
    rows = await connection.execute(
        select(table.c.record)
        .where(
            table.c.account_id == account_id,
            table.c.name > after,
            _starts_with(table.c.path, path_prefix),
        )
        .order_by(table.c.name)
        .limit(limit)
    )
    found: list[E] = list(rows.scalars())
    return await _with_attachments(connection, _KINDS[record_type], account_id, found)


async def _with_attachments(connection: Connection, kind: EntityKind, account_id: str, entities: list[E]) -> list[E]:
    rows = await connection.execute(
        select(_attachments.c.entity_name, _attachments.c.usage, _attachments.c.policy_arn)
        .where(
            _attachments.c.account_id == account_id,
            _attachments.c.entity_kind == kind,
            _attachments.c.entity_name.in_([entity.name for entity in entities]),
        )
        .order_by(_attachments.c.policy_arn)
    )
    attached: dict[str, list[str]] = {}
    boundaries: dict[str, str] = {}
    for name, usage, arn in rows:
        if usage == "boundary":
            boundaries[name] = arn
        else:
            attached.setdefault(name, []).append(arn)
    return [_carrying(entity, tuple(attached.get(entity.name, ())), boundaries.get(entity.name)) for entity in entities]


async def _attach(
    connection: Connection, account_id: str, kind: EntityKind, name: str, usage: Usage, policy_arn: str
) -> None:
    await connection.execute(
        insert(_attachments).values(
            account_id=account_id, entity_kind=kind, entity_name=name, usage=usage, policy_arn=policy_arn
        )
    )


async def _lock_policy(connection: Connection, arn: str) -> bool:
    """Whether the policy is there; if so, it stays until the transaction ends."""
    row = await connection.execute(select(_policies.c.arn).where(_policies.c.arn == arn).with_for_update())
    return row.one_or_none() is not None


async def _delete_entity(connection: Connection, kind: EntityKind, account_id: str, name: str) -> None:
    table = _ENTITY_TABLES[kind]
    for usage in ("policy", "boundary"):
        await connection.execute(delete(_attachments).where(*_of(account_id, kind, name, usage)))
    await connection.execute(delete(table).where(table.c.account_id == account_id, table.c.name == name))


async def _count_access_keys(connection: Connection, account_id: str, user_name: str) -> int:
    count = await connection.scalar(
        select(func.count()).where(_access_keys.c.account_id == account_id, _access_keys.c.user_name == user_name)
    )
    return count or 0


async def _count_members(connection: Connection, account_id: str, whose: ColumnElement[bool]) -> int:
    count = await connection.scalar(
        select(func.count()).select_from(_members).where(_members.c.account_id == account_id, whose)
    )
    return count or 0


async def _count(connection: Connection, table: Table, account_id: str) -> int:
    count = await connection.scalar(select(func.count()).select_from(table).where(table.c.account_id == account_id))
    return count or 0


async def _lock_group_and_user(
    connection: Connection, account_id: str, group_name: str, user_name: str
) -> MemberOutcome:
    """Whether both are there; if so, they stay until the transaction ends."""
    if await _load(connection, Group, account_id, group_name, lock=True) is None:
        return "no group"
    if await _load(connection, User, account_id, user_name, lock=True) is None:
        return "no user"
    return "done"
