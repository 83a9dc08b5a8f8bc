"""Refusals of the user pool service that an account page tells the person, and which field they are about.

Which of them are for the person at all is `refusals`' to say; the texts are the service's, which are AWS's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from velvetrope.errors import ServiceError, VelvetropeError
from velvetrope.hosted_ui.refusals import is_for_the_person

__all__ = ["AccountRefused", "told_to_the_person"]

_FIELDS: Final = {
    "CodeMismatchException": "code",
    "ExpiredCodeException": "code",
    "InvalidPasswordException": "password",
    "PasswordHistoryPolicyViolationException": "password",
    "UserNotFoundException": "username",
    "UsernameExistsException": "username",
}
"""By error code, the field that a refusal is about; the others are about all of them."""


class AccountRefused(VelvetropeError):
    """The message goes above the form, which is shown again. `field` is the one to look at, if it is one."""

    def __init__(self, message: str, *, field: str = "", detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.field = field


@contextmanager
def told_to_the_person() -> Iterator[None]:
    """
    Raises:
        AccountRefused: in place of a refusal that the person can do something about.
    """
    try:
        yield
    except ServiceError as refusal:
        if not is_for_the_person(refusal):
            raise
        detail = f"{refusal.code}: {refusal.detail or refusal.message}"
        raise AccountRefused(refusal.message, field=_FIELDS.get(refusal.code, ""), detail=detail) from None
