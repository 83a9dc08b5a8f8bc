"""Whether a user's state lets them in, and their sessions go on.

Asked after a proof only: nobody else is to learn that an account is disabled, unconfirmed or to be reset.

Source: user-pools reference sections 2 and 6.
"""

from datetime import datetime

from velvetrope.store.tables.userpools import User
from velvetrope.userpools.errors import (
    NotAuthorizedException,
    PasswordResetRequiredException,
    UserNotConfirmedException,
    wrong_credentials,
)

__all__ = ["check_may_sign_in", "check_no_reset_asked"]


def check_no_reset_asked(user: User) -> None:
    """Whether nobody waits for this user's new password.

    Sessions of before stand still until then: whoever had the old password could set another one with them, and so
    undo the administrator's reset. (The models of operations with access tokens, and clients' handling of a refresh,
    name the error; that AWS gives it there is UNVERIFIED.)

    Raises:
        PasswordResetRequiredException: an administrator has asked for one, or the user was imported.
    """
    if user.status == "RESET_REQUIRED":
        raise PasswordResetRequiredException("Password reset required for the user")


def check_may_sign_in(user: User, *, now: datetime) -> None:
    """Whether the user's state lets them go on, now that their password was right.

    Raises:
        NotAuthorizedException: disabled, or the temporary password is too old.
        UserNotConfirmedException: the sign-up was not finished.
        PasswordResetRequiredException: an administrator has asked for a new password.
    """
    if not user.enabled:
        raise NotAuthorizedException("User is disabled.")
    check_no_reset_asked(user)
    match user.status:
        case "UNCONFIRMED":
            raise UserNotConfirmedException("User is not confirmed.")
        case "EXTERNAL_PROVIDER":
            raise wrong_credentials("a federated user has no password")
        case "FORCE_CHANGE_PASSWORD":
            expires_at = user.temporary_password_expires_at
            if expires_at is not None and now >= expires_at:
                raise NotAuthorizedException("Temporary password has expired and must be reset by an administrator.")
        case "CONFIRMED":
            return
