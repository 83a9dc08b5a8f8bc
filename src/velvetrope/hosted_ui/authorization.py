"""`/oauth2/authorize` and `/login`: from a request to a code or tokens in the app's hands.

The three endpoints share their first steps, in one order:

    step                                  authorize   login page   sign in   a refusal goes
    find the app client                       x           x           x      to our error page
    verify the return address                 x           x           x      to our error page
    parse the authorization request           x           x           x      to the redirect_uri
    find who is signed in                     x                              (nobody: to the sign-in page)
    verify the password                                               x      above the form
    check that nothing is left to do                                  x      above the form
    start a browser session                                           x
    grant a code or tokens                    x                       x

The whole request travels in the query from page to page and is checked anew each time; nothing is kept for somebody who
has not signed in. That the form was ours (CSRF) is checked by the edge before `sign_in`, as cookies are its own.

Source: RFC 6749 sections 4.1 and 4.2, OpenID Connect Core section 3.1.2; Cognito Developer Guide, "Authorize endpoint"
and "Login endpoint".
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from velvetrope.errors import ServiceError, VelvetropeError
from velvetrope.hosted_ui.codes import AuthorizationCodes
from velvetrope.hosted_ui.directory import UserDirectory, client_rules, find_client
from velvetrope.hosted_ui.sessions import BrowserSessions
from velvetrope.oauth import (
    AuthorizationRequest,
    LoginRequired,
    Parameters,
    parse_authorization_request,
    verify_return_address,
)
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import AppClient, User, UserPool

__all__ = [
    "AuthorizationFlow",
    "Credentials",
    "LoginForm",
    "RedirectTo",
    "ShowLogin",
    "SignInRefused",
    "SignedIn",
]

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
class RedirectTo:
    """Back to the app, with what it asked for."""

    uri: str


@dataclass(frozen=True, slots=True)
class ShowLogin:
    """Somebody has to sign in: on to `/login` with the same parameters."""

    query: str


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


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Back to the app, with a session for the browser to keep."""

    uri: str
    session_id: Secret[str]


class SignInRefused(VelvetropeError):
    """The message goes above the form, which is shown again."""

    def __init__(self, message: str, form: LoginForm, *, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.form = form


class AuthorizationFlow:
    """Answers authorization requests, with or without a person at the form."""

    def __init__(self, directory: UserDirectory, sessions: BrowserSessions, codes: AuthorizationCodes) -> None:
        self._directory = directory
        self._sessions = sessions
        self._codes = codes

    # The three tables of steps.

    async def authorize(
        self, pool: UserPool, parameters: Parameters, *, session: Secret[str] | None, now: datetime
    ) -> RedirectTo | ShowLogin:
        """GET /oauth2/authorize."""
        client, request = await self._parse(pool, parameters)
        signed_in = await self._find_signed_in(pool, request, session, now=now)
        if signed_in is None:
            return _show_login(request, parameters)
        user, authenticated_at = signed_in
        uri = await self._grant(pool, client, user, request, authenticated_at=authenticated_at, now=now)
        return RedirectTo(uri)

    async def login_page(self, pool: UserPool, parameters: Parameters) -> LoginForm:
        """GET /login. Shown whether or not somebody is signed in: who wants single sign-on asks authorize."""
        _client, request = await self._parse(pool, parameters)
        return _login_form(request, parameters, username=request.login_hint or "")

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
        client, request = await self._parse(pool, parameters)
        form = _login_form(request, parameters, username=credentials.username)
        user = await self._verify_password(pool, client, credentials, form, now=now)
        _check_nothing_left_to_do(user, form)
        session_id = await self._sessions.start(pool, user, earlier=earlier_session, now=now)
        uri = await self._grant(pool, client, user, request, authenticated_at=now, now=now)
        return SignedIn(uri, session_id)

    # The steps.

    async def _parse(self, pool: UserPool, parameters: Parameters) -> tuple[AppClient, AuthorizationRequest]:
        """The first three steps. Nothing above `verify_return_address` may redirect: there is no address yet."""
        client = await find_client(self._directory, pool, parameters.require("client_id"))
        rules = client_rules(client)
        address = verify_return_address(parameters, rules)
        return client, parse_authorization_request(parameters, rules, address)

    async def _find_signed_in(
        self, pool: UserPool, request: AuthorizationRequest, session: Secret[str] | None, *, now: datetime
    ) -> tuple[User, datetime] | None:
        """Who is signed in, and since when; None when somebody has to sign in (again).

        `prompt=login` and `select_account` ask for that. UNVERIFIED: what select_account does for a pool's own users;
        showing the form is the one way in which they can choose.
        """
        if request.prompts & {"login", "select_account"}:
            return None
        found = await self._sessions.find(pool, session, now=now)
        if found is None:
            return None
        if request.max_age_seconds is not None:
            oldest = now - timedelta(seconds=request.max_age_seconds)
            if found.authenticated_at < oldest:
                return None
        user = await self._directory.find_user(pool.id, found.sub)
        if user is None or not may_sign_in(user):
            return None
        return user, found.authenticated_at

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

    async def _grant(
        self,
        pool: UserPool,
        client: AppClient,
        user: User,
        request: AuthorizationRequest,
        *,
        authenticated_at: datetime,
        now: datetime,
    ) -> str:
        """The URI that carries a code (`code`), or the tokens themselves (`token`: never a refresh token)."""
        if request.response_type == "code":
            code = await self._codes.issue(pool, user, request, authenticated_at=authenticated_at, now=now)
            return request.address.carrying({"code": code})
        tokens = await self._directory.issue_tokens(
            pool,
            client,
            user,
            scopes=request.scopes,
            authenticated_at=authenticated_at,
            now=now,
            nonce=request.nonce,
            include_id_token=request.wants_id_token,
            include_refresh_token=False,
        )
        answer = {} if tokens.id_token is None else {"id_token": tokens.id_token}
        answer["access_token"] = tokens.access_token
        answer["token_type"] = "bearer"  # noqa: S105  lower case here, `Bearer` at the token endpoint
        answer["expires_in"] = str(tokens.expires_in_seconds)
        return request.address.carrying(answer)


def may_sign_in(user: User) -> bool:
    """Whether a session or a code of this user still stands."""
    return user.enabled and user.status == "CONFIRMED"


def _show_login(request: AuthorizationRequest, parameters: Parameters) -> ShowLogin:
    if "none" in request.prompts:
        refusal = LoginRequired()
        refusal.return_address = request.address
        raise refusal
    return ShowLogin(parameters.render())


def _check_nothing_left_to_do(user: User, form: LoginForm) -> None:
    """The password was right; is that all it takes? Challenges that this page cannot run are refused in words."""
    if user.status in _CANNOT_FINISH_HERE:
        raise SignInRefused(_CANNOT_FINISH_HERE[user.status], form, detail=f"user status {user.status}")
    if not may_sign_in(user):
        raise SignInRefused("Incorrect username or password.", form, detail=f"user status {user.status}")


def _login_form(request: AuthorizationRequest, parameters: Parameters, *, username: str) -> LoginForm:
    return LoginForm(query=parameters.render(), redirect_uri=request.address.redirect_uri, username=username)
