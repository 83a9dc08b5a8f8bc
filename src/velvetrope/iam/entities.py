"""What roles, users and groups have in common: how they are found, named and shown.

Sources: IAM User Guide, "IAM identifiers", "IAM and AWS STS quotas"; texts as seen on AWS.
"""

from velvetrope.iam.aws_managed import aws_managed_policies, is_aws_managed
from velvetrope.iam.errors import NoSuchEntity, ValidationError
from velvetrope.operations import Call
from velvetrope.store.tables.iam import EntityKind, IamStore, PolicyHolder, Role, User

__all__ = [
    "boundary_of",
    "caller_user_name",
    "check_boundary_exists",
    "find_holder",
    "found_or_refused",
    "no_such_entity",
    "no_such_policy",
    "policy_is_known",
    "policy_name_of",
]


def no_such_entity(kind: EntityKind, name: str) -> NoSuchEntity:
    """AWS's answer when there is no such role, user or group."""
    return NoSuchEntity(f"The {kind} with name {name} cannot be found.")


def no_such_policy(arn: str) -> NoSuchEntity:
    """AWS's answer when a managed policy cannot be attached because it is not there."""
    return NoSuchEntity(f"Policy {arn} does not exist or is not attachable.")


async def find_holder(store: IamStore, kind: EntityKind, account_id: str, name: str) -> PolicyHolder | None:
    """The role, user or group of this name; None if there is none."""
    if kind == "role":
        return await store.load_role(account_id, name)
    if kind == "user":
        return await store.load_user(account_id, name)
    return await store.load_group(account_id, name)


async def found_or_refused(store: IamStore, kind: EntityKind, account_id: str, name: str) -> PolicyHolder:
    """The role, user or group of this name.

    Raises:
        NoSuchEntity: there is none.
    """
    found = await find_holder(store, kind, account_id, name)
    if found is None:
        raise no_such_entity(kind, name)
    return found


def caller_user_name(call: Call, user_name: str | None) -> str:
    """The user that an operation is about: the one named, or the one who calls.

    Raises:
        ValidationError: nobody is named, and the caller is no user.
    """
    if user_name is not None:
        return user_name
    if call.principal.kind != "User":
        raise ValidationError("Must specify userName when calling with non-User credentials")
    return call.principal.name


async def policy_is_known(store: IamStore, arn: str) -> bool:
    """Whether the managed policy exists: AWS's, or the customer's."""
    if is_aws_managed(arn):
        return arn in aws_managed_policies()
    return await store.load_policy(arn) is not None


async def check_boundary_exists(store: IamStore, arn: str) -> None:
    """Refuse a permissions boundary that is not there.

    Raises:
        NoSuchEntity: it is not.
    """
    if not await policy_is_known(store, arn):
        raise NoSuchEntity(f"Scope ARN: {arn} does not exist or is not attachable.")


def policy_name_of(arn: str) -> str:
    """The name in a managed policy's ARN."""
    return arn.rpartition("/")[2]


def boundary_of(entity: Role | User) -> dict[str, str] | None:
    """The permissions boundary as an answer shows it."""
    if entity.permissions_boundary_arn is None:
        return None
    return {
        "permissions_boundary_type": "PermissionsBoundaryPolicy",
        "permissions_boundary_arn": entity.permissions_boundary_arn,
    }
