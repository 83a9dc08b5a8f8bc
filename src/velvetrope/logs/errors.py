"""CloudWatch Logs' errors, one class per code.

    ServiceError
    ├── InvalidParameterException
    ├── ResourceAlreadyExistsException
    └── ResourceNotFoundException

All are 400, as botocore's model has them. Texts are at the raise.
"""

from velvetrope.errors import ServiceError

__all__ = ["InvalidParameterException", "ResourceAlreadyExistsException", "ResourceNotFoundException"]


class InvalidParameterException(ServiceError):
    """A parameter is well formed and cannot be used."""

    code = "InvalidParameterException"


class ResourceAlreadyExistsException(ServiceError):
    """There is a group or stream of that name."""

    code = "ResourceAlreadyExistsException"


class ResourceNotFoundException(ServiceError):
    """There is no such group or stream."""

    code = "ResourceNotFoundException"
