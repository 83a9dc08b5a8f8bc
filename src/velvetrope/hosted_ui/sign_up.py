"""`/signup`, `/confirm`, `/resendcode` and `/confirmUser`: from nobody to a user who is signed in.

    step                              signup page   signup   confirm page   confirm   resend   by link
    parse the request                      x           x          x            x         x      (client only)
    check that people may sign up          x           x
    sign up                                            x
    confirm with the code                                                      x                   x
    send another code                                                                    x
    sign in with the ticket                            x                       x
    ask what is left, or complete the sign-in          x                       x

A refusal of the request goes where `authorization_requests` says, one of the user pool above the form
(`AccountRefused`).

The sign-in goes on after the confirmation, in the same browser and within some minutes, for who has typed the password
at the sign-up or at the sign-in page: a sealed ticket in the form says so, and is spent. What else a sign-in asks (a
second factor) is asked next (`sign_in_steps`). Without a ticket the next page is the sign-in page: a code that came by
mail is no password.
What AWS does when the two are far apart is UNVERIFIED.

Who may sign up: with `AllowAdminCreateUserOnly` nobody, and with a client that does not sign in the pool's own users
nobody either; both are refused on our page, for the page and for the form. Confirming stays open to those who exist.

A link in a mail is opened by GET, as on AWS, and confirms. It signs nobody in: whoever reads the mail, a scanner for
one, has shown that the address exists and nothing else.

Source: Cognito Developer Guide, "Login endpoint", "Signing up and confirming user accounts"; hosted-ui reference,
sections 1 and 5.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from velvetrope.hosted_ui.account_directory import AccountDirectory, CodeSent
from velvetrope.hosted_ui.account_refusals import AccountRefused, told_to_the_person
from velvetrope.hosted_ui.authorization_requests import AuthorizationRequests, RequestedAuthorization
from velvetrope.hosted_ui.completion import SignedIn
from velvetrope.hosted_ui.directory import UserDirectory, find_client
from velvetrope.hosted_ui.passkey_offers import PasskeyOffered
from velvetrope.hosted_ui.sign_in_steps import BrowserHolds, SignInSteps, StepAhead, StepUnsupported
from velvetrope.oauth import Parameters, StaysOnDomain
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import AppClient, PasswordPolicySettings, SchemaAttribute, UserPool

__all__ = [
    "ConfirmationForm",
    "ConfirmedHere",
    "SignUpClosed",
    "SignUpField",
    "SignUpFlow",
    "SignUpForm",
    "sign_up_is_open",
]


class SignUpClosed(StaysOnDomain):
    """Nobody signs up here by themselves. AWS's page for it is UNVERIFIED; the text is SignUp's."""

    error = "unauthorized_client"

    def __init__(self) -> None:
        super().__init__("SignUp is not permitted for this user pool")


@dataclass(frozen=True, slots=True)
class SignUpField:
    """An attribute that the form asks for."""

    name: str
    kind: Literal["String", "Number", "DateTime", "Boolean"]
    required: bool
    value: str = ""


@dataclass(frozen=True, slots=True)
class SignUpForm:
    """What the sign-up page needs to know."""

    query: str
    redirect_uri: str
    fields: tuple[SignUpField, ...]
    password_policy: PasswordPolicySettings
    username: str = ""


@dataclass(frozen=True, slots=True)
class ConfirmationForm:
    """What the page that asks for the code needs to know."""

    query: str
    redirect_uri: str
    username: str
    sent: CodeSent | None = None
    """Where the code went, if one was sent just now."""
    by_link: bool = False
    """A link was sent, and no code."""
    waits_for_administrator: bool = False
    """The pool sends nothing to new users."""
    ticket: str = ""


@dataclass(frozen=True, slots=True)
class ConfirmedHere:
    """The account is confirmed, and the next page is the sign-in page."""

    query: str
    redirect_uri: str
    username: str


class SignUpFlow:
    """Makes users of people."""

    def __init__(
        self,
        directory: UserDirectory,
        accounts: AccountDirectory,
        requests: AuthorizationRequests,
        steps: SignInSteps,
    ) -> None:
        self._directory = directory
        self._accounts = accounts
        self._requests = requests
        self._steps = steps

    # The tables of steps.

    async def sign_up_page(self, pool: UserPool, parameters: Parameters) -> SignUpForm:
        """GET /signup."""
        asked = await self._requests.parse(pool, parameters)
        check_sign_up_is_open(pool, asked.client)
        return _sign_up_form(pool, asked)

    async def sign_up(
        self,
        pool: UserPool,
        parameters: Parameters,
        *,
        username: str,
        password: Secret[str],
        attributes: Mapping[str, str],
        holds: BrowserHolds,
        now: datetime,
    ) -> SignedIn | StepAhead | PasskeyOffered | ConfirmationForm | ConfirmedHere:
        """POST /signup.

        Raises:
            OAuthError: the request does not stand, or nobody signs up here.
            AccountRefused: above the form.
        """
        asked = await self._requests.parse(pool, parameters)
        check_sign_up_is_open(pool, asked.client)
        if not username or not password.reveal():
            raise AccountRefused("Enter a username and a password.", field="password" if username else "username")
        with told_to_the_person():
            account = await self._accounts.sign_up(
                pool,
                asked.client,
                username=username,
                password=password,
                attributes=attributes,
                now=now,
                source_ip=holds.source_ip,
            )
        form = replace(
            _confirmation_form(asked, username),
            sent=account.sent,
            by_link=_confirms_by_link(pool, account.sent),
            waits_for_administrator=account.sent is None,
            ticket=account.ticket,
        )
        if not account.confirmed:
            return form
        return await self._sign_in(pool, asked, form, holds=holds, now=now)

    async def confirmation_page(self, pool: UserPool, parameters: Parameters) -> ConfirmationForm:
        """GET /confirm: for who comes back with a code."""
        asked = await self._requests.parse(pool, parameters)
        return _confirmation_form(asked, asked.request.login_hint or "")

    async def confirm(
        self,
        pool: UserPool,
        parameters: Parameters,
        *,
        username: str,
        code: str,
        ticket: str,
        holds: BrowserHolds,
        now: datetime,
    ) -> SignedIn | StepAhead | PasskeyOffered | ConfirmedHere:
        """POST /confirm.

        Raises:
            OAuthError: the request does not stand.
            AccountRefused: above the form.
        """
        asked = await self._requests.parse(pool, parameters)
        if not username or not code:
            raise AccountRefused("Enter your username and the code.", field="code" if username else "username")
        with told_to_the_person():
            await self._accounts.confirm_sign_up(
                pool, asked.client, username=username, code=code, now=now, source_ip=holds.source_ip
            )
        form = replace(_confirmation_form(asked, username), ticket=ticket)
        return await self._sign_in(pool, asked, form, holds=holds, now=now)

    async def resend(
        self, pool: UserPool, parameters: Parameters, *, username: str, ticket: str, now: datetime, source_ip: str
    ) -> ConfirmationForm:
        """POST /resendcode.

        Raises:
            OAuthError: the request does not stand.
            AccountRefused: above the form.
        """
        asked = await self._requests.parse(pool, parameters)
        if not username:
            raise AccountRefused("Enter your username.", field="username")
        with told_to_the_person():
            sent = await self._accounts.resend_code(pool, asked.client, username=username, now=now, source_ip=source_ip)
        form = _confirmation_form(asked, username)
        return replace(form, sent=sent, by_link=_confirms_by_link(pool, sent), ticket=ticket)

    async def confirm_by_link(self, pool: UserPool, parameters: Parameters, *, now: datetime, source_ip: str) -> None:
        """GET /confirmUser.

        Raises:
            OAuthError: the link is incomplete, or names no client of this pool.
            AccountRefused: the code is not, or no longer, good.
        """
        client = await find_client(self._directory, pool, parameters.require("client_id"))
        username, code = parameters.require("user_name"), parameters.require("confirmation_code")
        with told_to_the_person():
            await self._accounts.confirm_sign_up(
                pool, client, username=username, code=code, now=now, source_ip=source_ip
            )

    async def unconfirmed(
        self, pool: UserPool, asked: RequestedAuthorization, username: str, *, now: datetime
    ) -> ConfirmationForm:
        """For who has shown the right password at the sign-in page and is not confirmed: the caller has seen that."""
        ticket = await self._accounts.confirmation_ticket(pool, asked.client, username=username, now=now)
        return replace(_confirmation_form(asked, username), ticket=ticket)

    # The steps.

    async def _sign_in(
        self,
        pool: UserPool,
        asked: RequestedAuthorization,
        form: ConfirmationForm,
        *,
        holds: BrowserHolds,
        now: datetime,
    ) -> SignedIn | StepAhead | PasskeyOffered | ConfirmedHere:
        """On to the app with a ticket that stands, else to the sign-in page."""
        if form.ticket:
            reached = await self._accounts.sign_in_with_ticket(
                pool, asked.client, username=form.username, ticket=form.ticket, now=now, source_ip=holds.source_ip
            )
            if reached is not None:
                with suppress(StepUnsupported):  # told on the sign-in page, whose answer it will be
                    return await self._steps.reached(pool, asked, reached, username=form.username, holds=holds, now=now)
        return ConfirmedHere(form.query, form.redirect_uri, form.username)


def sign_up_is_open(pool: UserPool, client: AppClient) -> bool:
    """Whether people make accounts of the pool's own by themselves, through this client."""
    return not pool.admin_create_user_config.allow_admin_create_user_only and (
        "COGNITO" in client.supported_identity_providers
    )


def check_sign_up_is_open(pool: UserPool, client: AppClient) -> None:
    """
    Raises:
        SignUpClosed: they do not.
    """
    if not sign_up_is_open(pool, client):
        raise SignUpClosed


def _sign_up_form(pool: UserPool, asked: RequestedAuthorization) -> SignUpForm:
    return SignUpForm(
        query=asked.query,
        redirect_uri=asked.request.address.redirect_uri,
        fields=_fields(pool, asked.client),
        password_policy=pool.password_policy,
    )


def _fields(pool: UserPool, client: AppClient) -> tuple[SignUpField, ...]:
    """What has to be given, then what may be: the pool's custom attributes that the client's own list lets it write.

    An address that the pool verifies has to be given although the schema does not ask for it: the code goes there. The
    attribute that the user name itself is, is not asked for twice.
    """
    is_the_name = set(pool.username_attributes)
    verified = set() if is_the_name else {*pool.auto_verified_attributes[:1]}
    required = [one for one in pool.schema_attributes if one.name != "sub" and (one.required or one.name in verified)]
    writable = client.write_attributes or ()
    custom = [one for one in pool.schema_attributes if one.name.startswith("custom:") and one.name in writable]
    single_name = is_the_name if len(is_the_name) == 1 else set()
    return tuple(_field(one, required=one in required) for one in [*required, *custom] if one.name not in single_name)


def _field(attribute: SchemaAttribute, *, required: bool) -> SignUpField:
    return SignUpField(attribute.name, attribute.attribute_data_type or "String", required)


def _confirmation_form(asked: RequestedAuthorization, username: str) -> ConfirmationForm:
    return ConfirmationForm(asked.query, asked.request.address.redirect_uri, username)


def _confirms_by_link(pool: UserPool, sent: CodeSent | None) -> bool:
    by_link = pool.verification_message_template.default_email_option == "CONFIRM_WITH_LINK"
    return by_link and sent is not None and sent.medium == "EMAIL"
