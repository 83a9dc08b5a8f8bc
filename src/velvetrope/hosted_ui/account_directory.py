"""What the account pages ask of user pools: sign-up, confirmation, a forgotten password. `server` hands it the object.

Every rule is the user pool service's own (SignUp, ConfirmSignUp, ForgotPassword and their siblings), with its errors
(`ServiceError` with a Cognito code); the texts may be shown to whoever sits at the page.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, Protocol

from velvetrope.hosted_ui.directory import AskedChallenge
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import AppClient, User, UserPool

__all__ = ["AccountDirectory", "CodeSent", "NewAccount"]


class CodeSent(Protocol):
    """A code, or a link, that is on its way; or it is said so, of somebody who is not there."""

    @property
    def medium(self) -> Literal["EMAIL", "SMS"]: ...
    @property
    def destination(self) -> str:
        """The masked address."""
        ...


class NewAccount(Protocol):
    """What a sign-up came to."""

    @property
    def confirmed(self) -> bool:
        """The pool's function has confirmed the user; nothing is to be shown any more."""
        ...

    @property
    def sent(self) -> CodeSent | None:
        """None where the pool sends no codes, and an administrator confirms users."""
        ...

    @property
    def ticket(self) -> str:
        """Shows, for some minutes and once, that its holder knows the new user's password."""
        ...


class AccountDirectory(Protocol):
    """User pools, as far as becoming a user goes."""

    async def sign_up(
        self,
        pool: UserPool,
        client: AppClient,
        *,
        username: str,
        password: Secret[str],
        attributes: Mapping[str, str],
        now: datetime,
        source_ip: str,
    ) -> NewAccount:
        """
        Raises:
            ServiceError: as SignUp refuses it.
        """
        ...

    async def confirmation_ticket(self, pool: UserPool, client: AppClient, *, username: str, now: datetime) -> str:
        """A ticket for somebody whose password the caller has just verified, and who is not confirmed yet.

        Raises:
            ServiceError: there is no such user any more.
        """
        ...

    async def confirm_sign_up(
        self, pool: UserPool, client: AppClient, *, username: str, code: str, now: datetime, source_ip: str
    ) -> None:
        """
        Raises:
            ServiceError: as ConfirmSignUp refuses it.
        """
        ...

    async def sign_in_with_ticket(
        self, pool: UserPool, client: AppClient, *, username: str, ticket: str, now: datetime, source_ip: str
    ) -> User | AskedChallenge | None:
        """Where the sign-in goes on whose ticket it is; None where it does not stand for that name's password.

        None too where the sign-in is refused: it is begun anew then, where that is told. The ticket is spent.
        """
        ...

    async def resend_code(
        self, pool: UserPool, client: AppClient, *, username: str, now: datetime, source_ip: str
    ) -> CodeSent:
        """
        Raises:
            ServiceError: as ResendConfirmationCode refuses it.
        """
        ...

    async def forgot_password(
        self, pool: UserPool, client: AppClient, *, username: str, now: datetime, source_ip: str
    ) -> CodeSent:
        """
        Raises:
            ServiceError: as ForgotPassword refuses it.
        """
        ...

    async def reset_password(
        self,
        pool: UserPool,
        client: AppClient,
        *,
        username: str,
        code: str,
        password: Secret[str],
        now: datetime,
        source_ip: str,
    ) -> None:
        """
        Raises:
            ServiceError: as ConfirmForgotPassword refuses it.
        """
        ...
