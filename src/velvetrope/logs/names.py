"""Which log group is meant: by its name, or by its ARN.

A group's ARN ends in `:*` where policies and DescribeLogGroups' `arn` name it, and does not where tags and
`logGroupArn` do; both are taken. A group of another account or region is not there.

Source: CloudWatch Logs API Reference, LogGroup.
"""

from velvetrope.logs.errors import InvalidParameterException, ResourceNotFoundException
from velvetrope.operations import Call

__all__ = ["find_group_name", "group_arn", "no_such_group", "no_such_stream"]


def group_arn(name: str, call: Call) -> str:
    """The group's ARN, without `:*`."""
    return call.arn("logs", f"log-group:{name}")


def find_group_name(name: str | None, identifier: str | None, call: Call) -> str:
    """The name of the group that `name` or `identifier` (a name or an ARN) means.

    Raises:
        InvalidParameterException: both or neither were given.
        ResourceNotFoundException: the ARN is not one of a group of ours.
    """
    if (name is None) == (identifier is None):
        # UNVERIFIED: AWS's exact words.
        raise InvalidParameterException("Exactly one of logGroupName and logGroupIdentifier must be given.")
    if name is not None:
        return name
    given = identifier or ""
    if not given.startswith("arn:"):
        return given
    prefix = group_arn("", call)
    if not given.startswith(prefix):
        raise no_such_group()
    return given[len(prefix) :].removesuffix(":*")


def no_such_group() -> ResourceNotFoundException:
    return ResourceNotFoundException("The specified log group does not exist.")


def no_such_stream() -> ResourceNotFoundException:
    return ResourceNotFoundException("The specified log stream does not exist.")
