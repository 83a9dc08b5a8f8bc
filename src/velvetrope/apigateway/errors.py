"""API Gateway's errors, one class per code, each with the status that API Gateway uses for it.

    ServiceError
    ├── BadRequestException     400
    ├── ConflictException       409
    ├── LimitExceededException  429
    └── NotFoundException       404

`NotSupported` is a BadRequestException for what AWS has and we do not: it names the thing, so that nobody finds out by
an API that is open where it should be closed.

Sources: botocore's `apigateway` model (codes and statuses). Texts are AWS's where a capture of AWS shows them; they
stand at the raise.
"""

from velvetrope.errors import ServiceError

__all__ = [
    "BadRequestException",
    "ConflictException",
    "LimitExceededException",
    "NotFoundException",
    "NotSupported",
]


class BadRequestException(ServiceError):
    """The request breaks a rule of the service."""

    code = "BadRequestException"
    http_status = 400


class NotSupported(BadRequestException):
    """A thing of API Gateway's that velvetrope does not do. It is refused, never ignored."""

    def __init__(self, thing: str, why: str = "") -> None:
        super().__init__(f"{thing} is not supported by velvetrope" + (f": {why}" if why else ""))


class ConflictException(ServiceError):
    """It exists already, or is in use."""

    code = "ConflictException"
    http_status = 409


class LimitExceededException(ServiceError):
    """More than an account or an API may have."""

    code = "LimitExceededException"
    http_status = 429


class NotFoundException(ServiceError):
    """What the request names does not exist."""

    code = "NotFoundException"
    http_status = 404
