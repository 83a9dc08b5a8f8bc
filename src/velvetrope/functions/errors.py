"""Lambda's errors, one class per code, each with the status that Lambda uses for it.

    ServiceError
    ├── AccessDeniedException
    │   └── InvokeNotPermitted             the function's resource policy does not let that service in
    ├── InvalidParameterValueException
    ├── InvalidRequestContentException
    ├── PolicyLengthExceededException
    ├── PreconditionFailedException
    ├── RequestEntityTooLargeException
    ├── ResourceConflictException
    ├── ResourceNotFoundException
    ├── ServiceException
    └── TooManyRequestsException

What a function itself does wrong (an exception, a timeout, an exit) is no error of Lambda's: Invoke answers 200 with
`X-Amz-Function-Error`, see `invocations.Outcome`. Texts are at the raise.

Sources: botocore's `lambda` model (codes and statuses); AWS Lambda API Reference, Invoke, Errors.
"""

from velvetrope.errors import ServiceError

__all__ = [
    "AccessDeniedException",
    "InvalidParameterValueException",
    "InvalidRequestContentException",
    "InvokeNotPermitted",
    "PolicyLengthExceededException",
    "PreconditionFailedException",
    "RequestEntityTooLargeException",
    "ResourceConflictException",
    "ResourceNotFoundException",
    "ServiceException",
    "TooManyRequestsException",
]


class AccessDeniedException(ServiceError):
    """The caller, or the function's execution role, may not do that. Every service has this code; no model lists it."""

    code = "AccessDeniedException"
    http_status = 403


class InvokeNotPermitted(AccessDeniedException):
    """The function's resource policy does not allow this service, from this source, to invoke it."""


class InvalidParameterValueException(ServiceError):
    """A parameter is well formed but cannot be used."""

    code = "InvalidParameterValueException"


class InvalidRequestContentException(ServiceError):
    """The payload is not JSON."""

    code = "InvalidRequestContentException"


class PolicyLengthExceededException(ServiceError):
    """The resource policy would be longer than 20 KB."""

    code = "PolicyLengthExceededException"


class PreconditionFailedException(ServiceError):
    """The `RevisionId` that was passed is no longer the newest."""

    code = "PreconditionFailedException"
    http_status = 412


class RequestEntityTooLargeException(ServiceError):
    """A payload or an upload is over Lambda's limit. The model's shape is named RequestTooLargeException.

    Source: seen on AWS with this code (reference/lambda.md section 3.1).
    """

    code = "RequestEntityTooLargeException"
    http_status = 413


class ResourceConflictException(ServiceError):
    """It exists already, or is in a state that does not allow this."""

    code = "ResourceConflictException"
    http_status = 409


class ResourceNotFoundException(ServiceError):
    """No such function, version, alias or policy."""

    code = "ResourceNotFoundException"
    http_status = 404


class ServiceException(ServiceError):
    """Lambda cannot answer now, and it is not the caller's doing."""

    code = "ServiceException"
    http_status = 500


class TooManyRequestsException(ServiceError):
    """Throttled. `reason` is the member `Reason` that says by what."""

    code = "TooManyRequestsException"
    http_status = 429

    def __init__(self, *, reason: str, detail: str = "") -> None:
        super().__init__("Rate Exceeded.", detail=detail or reason)
        self.reason = reason
