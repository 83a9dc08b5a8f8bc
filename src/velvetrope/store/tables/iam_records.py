"""What IAM keeps: the records of roles, users, groups, managed policies, access keys, and how they hang together.

Secrets of access keys are sealed before they come here.
"""

from datetime import datetime
from typing import Literal

import msgspec

__all__ = [
    "AccessKey",
    "AccountCounts",
    "AttachOutcome",
    "Attachment",
    "DetachOutcome",
    "EntityKind",
    "Group",
    "KeyUse",
    "ManagedPolicy",
    "ManagedPolicyUse",
    "MemberOutcome",
    "PolicyHolder",
    "PolicyVersion",
    "RenameOutcome",
    "Role",
    "Usage",
    "User",
]

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
