"""IAM's errors, one class per code, each with the status that IAM uses for it.

    ServiceError
    ├── DeleteConflict            something still hangs on what is to be deleted
    ├── EntityAlreadyExists
    ├── InvalidAuthenticationCode codes of an MFA device
    ├── InvalidInput
    ├── LimitExceeded
    ├── MalformedPolicyDocument   the message is the policy room's finding
    ├── NoSuchEntity
    ├── PolicyNotAttachable
    ├── UnmodifiableEntity        AWS's own policies
    └── ValidationError           every query service has it; no model lists it

The classes bear the codes on the wire, which for IAM are not the shapes' names (`NoSuchEntityException`). Texts are at
the raise.

Sources: botocore's `iam` model (codes and statuses); IAM API Reference, "Common errors".
"""

from velvetrope.errors import ServiceError

__all__ = [
    "DeleteConflict",
    "EntityAlreadyExists",
    "InvalidAuthenticationCode",
    "InvalidInput",
    "LimitExceeded",
    "MalformedPolicyDocument",
    "NoSuchEntity",
    "PolicyNotAttachable",
    "UnmodifiableEntity",
    "ValidationError",
]


class DeleteConflict(ServiceError):
    """It has parts or attachments that must be taken away first."""

    code = "DeleteConflict"
    http_status = 409


class EntityAlreadyExists(ServiceError):
    """The name is taken; case does not count."""

    code = "EntityAlreadyExists"
    http_status = 409


class InvalidAuthenticationCode(ServiceError):
    """The codes are not two of the device's in a row."""

    code = "InvalidAuthenticationCode"
    http_status = 403


class InvalidInput(ServiceError):
    """A value is well formed but cannot be used."""

    code = "InvalidInput"


class LimitExceeded(ServiceError):
    """One more than there may be."""

    code = "LimitExceeded"
    http_status = 409


class MalformedPolicyDocument(ServiceError):
    """The policy room refused the document."""

    code = "MalformedPolicyDocument"


class NoSuchEntity(ServiceError):
    """There is no such role, user, group, policy, key, device, provider or alias."""

    code = "NoSuchEntity"
    http_status = 404


class PolicyNotAttachable(ServiceError):
    """The policy may be attached to AWS's own roles only."""

    code = "PolicyNotAttachable"


class UnmodifiableEntity(ServiceError):
    """Only AWS may change it."""

    code = "UnmodifiableEntity"


class ValidationError(ServiceError):
    """A parameter breaks a rule that the model does not state."""

    code = "ValidationError"
