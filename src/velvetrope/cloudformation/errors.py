"""What CloudFormation tells its callers.

    ServiceError
    ├── ValidationError                 400; nearly everything: bad template, wrong state, no such stack
    ├── AlreadyExistsException          400; a living stack has the name
    ├── InsufficientCapabilitiesException 400
    ├── ChangeSetNotFound               404 (the shape is called ChangeSetNotFoundException)
    └── InvalidChangeSetStatus          400 (InvalidChangeSetStatusException)
    VelvetropeError
    ├── StackFailed                     to callers in this process: the operation was carried out and did not succeed
    ├── ResourceRefused                 a resource type's own refusal; becomes the resource's status reason
    └── OperationInterrupted            the operation no longer owns its stack

Source: CloudFormation API Reference, "Common Errors" and each operation's Errors; botocore's model for the wire codes.
"""

from typing import ClassVar

from velvetrope.errors import ServiceError, VelvetropeError

__all__ = [
    "AlreadyExistsException",
    "ChangeSetNotFound",
    "InsufficientCapabilitiesException",
    "InvalidChangeSetStatus",
    "OperationInterrupted",
    "ResourceRefused",
    "StackFailed",
    "ValidationError",
]


class ValidationError(ServiceError):
    """The request, the template in it, or the stack's state does not admit what was asked."""

    code = "ValidationError"


class AlreadyExistsException(ServiceError):
    """A stack of that name lives already."""

    code = "AlreadyExistsException"


class InsufficientCapabilitiesException(ServiceError):
    """The template does things that the caller has not acknowledged."""

    code = "InsufficientCapabilitiesException"


class ChangeSetNotFound(ServiceError):
    """There is no change set of that name or id."""

    code = "ChangeSetNotFound"
    http_status: ClassVar[int] = 404


class InvalidChangeSetStatus(ServiceError):
    """The change set cannot be executed or deleted in the state it is in."""

    code = "InvalidChangeSetStatus"


class StackFailed(VelvetropeError):
    """An operation on a stack ended in failure. `failures` has the reason by logical id; `status` is the stack's."""

    def __init__(self, stack_name: str, status: str, failures: dict[str, str]) -> None:
        lines = "".join(f"\n  {logical_id}: {reason}" for logical_id, reason in failures.items())
        super().__init__(f"The stack {stack_name} ended in {status}.{lines}")
        self.stack_name = stack_name
        self.status = status
        self.failures = failures


class ResourceRefused(VelvetropeError):
    """A resource cannot be made, changed or deleted as asked."""


class OperationInterrupted(VelvetropeError):
    """Somebody else has ended this operation, or the server stops; it must not go on."""
