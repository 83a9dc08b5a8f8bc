"""`/login`: a name and a password, or a name and another first factor, for who sits at the form.

    step                                  login page   password   factor   a refusal goes
    parse the request                         x            x         x     see `authorization_requests`
    begin the sign-in                                      x         x     above the form, or to the page that helps
    ask what is left, or complete it                       x         x     (see `sign_in_steps`, `completion`)

That the form was ours (CSRF) is checked by the edge before `sign_in`, as cookies are its own. The user pool does the
same work for names that nobody has, and counts what is wrong (`userpools.passwords.back_off`).

Source: Cognito Developer Guide, "Login endpoint".
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from velvetrope.errors import ServiceError, VelvetropeError
from velvetrope.hosted_ui.account_flows import AccountFlows
from velvetrope.hosted_ui.account_recovery import ResetForm, recovery_is_open
from velvetrope.hosted_ui.authorization_requests import OWN_USERS, AuthorizationRequests, RequestedAuthorization
from velvetrope.hosted_ui.completion import SignedIn
from velvetrope.hosted_ui.directory import AskedChallenge, UserDirectory
from velvetrope.hosted_ui.offered_factors import offered_factors
from velvetrope.hosted_ui.passkey_offers import PasskeyOffered
from velvetrope.hosted_ui.provider_choice import ProviderLink, offered_providers
from velvetrope.hosted_ui.refusals import is_for_the_person
from velvetrope.hosted_ui.sign_in_names import NameKind, names_to_sign_in
from velvetrope.hosted_ui.sign_in_steps import BrowserHolds, SignInSteps, StepAhead, StepUnsupported
from velvetrope.hosted_ui.sign_up import ConfirmationForm, sign_up_is_open
from velvetrope.oauth import Parameters
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import AppClient, User, UserPool

__all__ = ["Credentials", "ElsewhereFirst", "LoginForm", "PasswordSignInFlow", "SignInRefused"]

_ELSEWHERE: dict[str, Literal["confirm", "reset"]] = {
    "UserNotConfirmedException": "confirm",
    "PasswordResetRequiredException": "reset",
}
"""Refusals that another page can do something about. They are told to who knew the password, and to nobody else."""

_SAID: Final[dict[str, str]] = {
    "username": "Enter your username.",
    "password": "Enter your username and your password.",
    "factor": "This way to sign in is not offered here.",
}
"""What the form is told that lacks something, by the field that it lacks."""

_NOT_CONFIRMED = "Your account is not confirmed yet. Enter the code that was sent to you, or have another one sent."
_RESET_REQUIRED = "Your password has to be replaced. Enter the code that was sent to you, and choose a new one."


@dataclass(frozen=True, slots=True)
class LoginForm:
    """What the sign-in page needs to know."""

    query: str
    redirect_uri: str
    username: str
    names: frozenset[NameKind]
    """By which kinds of names people of this pool sign in."""
    offers_sign_up: bool = False
    offers_recovery: bool = False
    factors: tuple[str, ...] = ()
    """Ways to sign in besides the password: WEB_AUTHN, EMAIL_OTP, SMS_OTP."""
    providers: tuple[ProviderLink, ...] = ()
    """The client's identity providers."""
    for_own_users: bool = True
    """Whether the client takes names and passwords of the pool."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What came in the form."""

    username: str
    password: Secret[str]
    factor: str | None = None
    """The first factor that was chosen in the place of the password."""


class SignInRefused(VelvetropeError):
    """The message goes above the form, which is shown again."""

    def __init__(self, message: str, form: LoginForm, *, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.form = form


class ElsewhereFirst(VelvetropeError):
    """The password was right, and the account is to be confirmed or reset before it signs anybody in.

    The message goes above `instead`, the page where that is done; above the form again where there is no such page.
    """

    def __init__(
        self,
        message: str,
        form: LoginForm,
        *,
        page: Literal["confirm", "reset"],
        instead: ConfirmationForm | ResetForm | None = None,
    ) -> None:
        super().__init__(message)
        self.form = form
        self.page = page
        self.instead = instead


class PasswordSignInFlow:
    """Shows the form and takes it."""

    def __init__(
        self,
        directory: UserDirectory,
        requests: AuthorizationRequests,
        steps: SignInSteps,
        accounts: AccountFlows | None,
    ) -> None:
        self._accounts = accounts
        self._directory = directory
        self._requests = requests
        self._steps = steps

    async def login_page(self, pool: UserPool, parameters: Parameters) -> LoginForm:
        """GET /login. Shown whether or not somebody is signed in: who wants single sign-on asks authorize."""
        asked = await self._requests.parse(pool, parameters, any_provider=True)
        return self._form(pool, asked, username=asked.request.login_hint or "")

    async def sign_in(
        self,
        pool: UserPool,
        parameters: Parameters,
        credentials: Credentials,
        *,
        holds: BrowserHolds,
        now: datetime,
    ) -> SignedIn | StepAhead | PasskeyOffered:
        """POST /login.

        Raises:
            OAuthError: the request does not stand.
            SignInRefused: the person may try again.
            ElsewhereFirst: they have something to do on another page first.
        """
        asked = await self._requests.parse(pool, parameters)
        form = self._form(pool, asked, username=credentials.username)
        try:
            reached = await self._begin(pool, asked.client, credentials, form, source_ip=holds.source_ip, now=now)
            return await self._steps.reached(pool, asked, reached, username=credentials.username, holds=holds, now=now)
        except StepUnsupported as refusal:
            raise SignInRefused(refusal.message, form) from None
        except ServiceError as refusal:
            if is_for_the_person(refusal):
                raise SignInRefused(refusal.message, form, detail=refusal.detail) from None
            if refusal.code in _ELSEWHERE:
                raise await self._elsewhere(pool, asked, refusal, form, now=now) from None
            raise

    async def _elsewhere(
        self,
        pool: UserPool,
        asked: RequestedAuthorization,
        refusal: ServiceError,
        form: LoginForm,
        *,
        now: datetime,
    ) -> ElsewhereFirst:
        """Where the person is helped who has shown the right password: the user pool says so to nobody else."""
        page = _ELSEWHERE[refusal.code]
        if self._accounts is None:
            return ElsewhereFirst(refusal.message, form, page=page)
        if page == "confirm":
            confirmation = await self._accounts.sign_up.unconfirmed(pool, asked, form.username, now=now)
            return ElsewhereFirst(_NOT_CONFIRMED, form, page=page, instead=confirmation)
        reset = self._accounts.recovery.reset_required(pool, asked, form.username)
        return ElsewhereFirst(_RESET_REQUIRED, form, page=page, instead=reset)

    def _form(self, pool: UserPool, asked: RequestedAuthorization, *, username: str) -> LoginForm:
        offered = self._accounts is not None
        return LoginForm(
            query=asked.query,
            redirect_uri=asked.request.address.redirect_uri,
            username=username,
            names=names_to_sign_in(pool),
            offers_sign_up=offered and sign_up_is_open(pool, asked.client),
            offers_recovery=offered and recovery_is_open(pool, asked.client),
            factors=offered_factors(pool, asked.client),
            providers=offered_providers(asked),
            for_own_users=OWN_USERS in asked.client.supported_identity_providers,
        )

    async def _begin(
        self,
        pool: UserPool,
        client: AppClient,
        credentials: Credentials,
        form: LoginForm,
        *,
        source_ip: str,
        now: datetime,
    ) -> User | AskedChallenge:
        username = credentials.username
        if credentials.factor is not None:
            if not username:
                raise SignInRefused(_SAID["username"], form)
            if credentials.factor not in form.factors:
                raise SignInRefused(_SAID["factor"], form)
            return await self._directory.begin_choice(
                pool, client, username=username, preferred=credentials.factor, now=now, source_ip=source_ip
            )
        if not username or not credentials.password:
            raise SignInRefused(_SAID["password"], form)
        return await self._directory.begin_sign_in(
            pool, client, username=username, password=credentials.password, now=now, source_ip=source_ip
        )
