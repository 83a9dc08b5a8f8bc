"""The errors of API Gateway's second version, one class per code.

    ServiceError
    ├── BadRequestException  400
    ├── ConflictException    409
    └── NotFoundException    404

`NotSupported` is a BadRequestException for what AWS has and we do not: it names the thing, so that nobody finds out by
an API that is open where it should be closed.

Sources: botocore's `apigatewayv2` model (codes and statuses). Texts are our own where no capture of AWS shows one.
"""

from velvetrope.errors import ServiceError

__all__ = ["BadRequestException", "ConflictException", "NotFoundException", "NotSupported"]


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


class NotFoundException(ServiceError):
    """What the request names does not exist."""

    code = "NotFoundException"
    http_status = 404
