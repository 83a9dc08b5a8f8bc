"""IAM as a whole: the face of the `iam_…` files beside this one, but for providers and MFA devices, which stand alone.

Changes to a record are functions handed to `change_…`, and conditions functions handed to `save_new_…`, `delete_…`,
`attach_…` and `add_…`; they run inside the transaction and may raise, which leaves everything as it was. All writes
publish `iam`, except that of when a key was last used: nothing that anybody remembers depends on it.
"""

from velvetrope.store.tables.iam_access_keys import AccessKeyStore
from velvetrope.store.tables.iam_account import AccountStore
from velvetrope.store.tables.iam_groups import GroupStore
from velvetrope.store.tables.iam_policies import PolicyStore
from velvetrope.store.tables.iam_records import (
    AccessKey,
    AccountCounts,
    Attachment,
    EntityKind,
    Group,
    KeyUse,
    ManagedPolicy,
    ManagedPolicyUse,
    MemberOutcome,
    PolicyHolder,
    PolicyVersion,
    Role,
    Usage,
    User,
)
from velvetrope.store.tables.iam_roles import RoleStore
from velvetrope.store.tables.iam_users import UserStore

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
    "MemberOutcome",
    "PolicyHolder",
    "PolicyVersion",
    "Role",
    "Usage",
    "User",
]


class IamStore(RoleStore, UserStore, GroupStore, PolicyStore, AccessKeyStore, AccountStore):
    """Roles, users, groups, managed policies, access keys and aliases, one method one transaction."""
