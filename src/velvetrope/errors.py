"""The base of every error that velvetrope tells a caller.

    VelvetropeError
    ├── ReasonError           a ground-floor room's finding ("the signature differs"); services give it a wire code
    └── ServiceError          a service's answer to its caller: wire code, HTTP status, text
        └── (one class per error code per service, in that service's `errors.py`)

Every other exception is a fault of ours and reaches the caller as a plain 500 without its text. Which service
an error belongs to and how it looks on the wire is not decided here: rooms subclass, `edge` renders.
"""

from typing import ClassVar

__all__ = ["ReasonError", "ServiceError", "VelvetropeError"]


class VelvetropeError(Exception):
    """Anything that went wrong on purpose.

    `message` may be shown to anyone. `detail` goes to the owner's log and decision records and nowhere else;
    it names the rule that decided and never holds a secret.
    """

    def __init__(self, message: str = "", *, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail

    @property
    def for_owner(self) -> str:
        """What the owner is told: the message, and the detail where there is one."""
        return f"{self.message} ({self.detail})" if self.detail else self.message


class ReasonError(VelvetropeError):
    """A ground-floor room's finding. It has no wire code: each service holds the table that gives it one."""


class ServiceError(VelvetropeError):
    """Something we tell the caller.

    `code` is the exact code on the wire and `http_status` the status that AWS uses for it in this service (the
    status belongs to the pair: TooManyRequestsException is 429 in API Gateway and 400 in Cognito).
    """

    code: ClassVar[str]
    http_status: ClassVar[int] = 400
