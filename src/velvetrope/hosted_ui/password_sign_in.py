"""`/login`: a name and a password, for who sits at the form.

    step                                  login page   sign in   a refusal goes
    parse the request                         x           x      see `authorization_requests`
    verify the password                                   x      above the form
    check that nothing is left to do                      x      above the form
    complete the sign-in                                  x      (see `completion`)

Nothing is kept for somebody who has not signed in. That the form was ours (CSRF) is checked by the edge before
`sign_in`, as cookies are its own.

Source: Cognito Developer Guide, "Login endpoint".
"""

from dataclasses import dataclass
from datetime import datetime

from velvetrope.errors import ServiceError, VelvetropeError
from velvetrope.hosted_ui.authorization_requests import AuthorizationRequests, RequestedAuthorization
from velvetrope.hosted_ui.completion import SignedIn, SignInCompletion
from velvetrope.hosted_ui.directory import UserDirectory
from velvetrope.oauth import Parameters
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import AppClient, User, UserPool

__all__ = ["Credentials", "LoginForm", "PasswordSignInFlow", "SignInRefused"]

_SHOWN_AS_THEY_ARE = frozenset(
    {
        "NotAuthorizedException",
        "UserNotFoundException",
        "InvalidParameterException",
        "LimitExceededException",
        "TooManyRequestsException",
        "UserLambdaValidationException",
    }
)
"""Refusals whose text is meant for the person at the form, as AWS shows them."""

_CANNOT_FINISH_HERE = {
    "UserNotConfirmedException": (
        "User is not confirmed. Confirm the account with the code that was sent to you, then sign in again: "
        "this page cannot do it."
    ),
    "PasswordResetRequiredException": (
        "Password reset required for the user. This page cannot reset passwords: reset it in the app, "
        "then sign in again."
    ),
    "FORCE_CHANGE_PASSWORD": (
        "This account has a temporary password and needs a new one before it can sign in. This page cannot set it: "
        "choose one in the app, or ask an administrator to set a permanent password."
    ),
}
"""What the person has to do elsewhere first, by the error or user status that says so."""


@dataclass(frozen=True, slots=True)
class LoginForm:
    """What the sign-in page needs to know."""

    query: str
    redirect_uri: str
    username: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """What came in the form."""

    username: str
    password: Secret[str]


class SignInRefused(VelvetropeError):
    """The message goes above the form, which is shown again."""

    def __init__(self, message: str, form: LoginForm, *, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.form = form


class PasswordSignInFlow:
    """Shows the form and takes it."""

    def __init__(self, directory: UserDirectory, requests: AuthorizationRequests, completion: SignInCompletion) -> None:
        self._directory = directory
        self._requests = requests
        self._completion = completion

    async def login_page(self, pool: UserPool, parameters: Parameters) -> LoginForm:
        """GET /login. Shown whether or not somebody is signed in: who wants single sign-on asks authorize."""
        asked = await self._requests.parse(pool, parameters)
        return _login_form(asked, username=asked.request.login_hint or "")

    async def sign_in(
        self,
        pool: UserPool,
        parameters: Parameters,
        credentials: Credentials,
        *,
        earlier_session: Secret[str] | None,
        now: datetime,
    ) -> SignedIn:
        """POST /login.

        Raises:
            OAuthError: the request does not stand.
            SignInRefused: the person may try again, or has something to do elsewhere first.
        """
        asked = await self._requests.parse(pool, parameters)
        form = _login_form(asked, username=credentials.username)
        user = await self._verify_password(pool, asked.client, credentials, form, now=now)
        _check_nothing_left_to_do(user, form)
        return await self._completion.complete(
            pool, asked.client, asked.request, user, authenticated_at=now, earlier_session=earlier_session, now=now
        )

    async def _verify_password(
        self, pool: UserPool, client: AppClient, credentials: Credentials, form: LoginForm, *, now: datetime
    ) -> User:
        if not credentials.username or not credentials.password:
            raise SignInRefused("Enter your username and your password.", form)
        try:
            return await self._directory.verify_password(
                pool, client, username=credentials.username, password=credentials.password, now=now
            )
        except ServiceError as refusal:
            if refusal.code in _SHOWN_AS_THEY_ARE:
                raise SignInRefused(refusal.message, form, detail=refusal.detail) from None
            if refusal.code in _CANNOT_FINISH_HERE:
                raise SignInRefused(_CANNOT_FINISH_HERE[refusal.code], form, detail=refusal.detail) from None
            raise


def _check_nothing_left_to_do(user: User, form: LoginForm) -> None:
    """The password was right; is that all it takes? Challenges that this page cannot run are refused in words."""
    if user.status in _CANNOT_FINISH_HERE:
        raise SignInRefused(_CANNOT_FINISH_HERE[user.status], form, detail=f"user status {user.status}")
    if not user.enabled or user.status != "CONFIRMED":  # a federated user has no password to show
        raise SignInRefused("Incorrect username or password.", form, detail=f"user status {user.status}")


def _login_form(asked: RequestedAuthorization, *, username: str) -> LoginForm:
    return LoginForm(query=asked.query, redirect_uri=asked.request.address.redirect_uri, username=username)
