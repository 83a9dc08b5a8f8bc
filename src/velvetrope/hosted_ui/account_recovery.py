"""`/forgotPassword` and `/confirmforgotPassword`: another password, for who can read the user's mail.

    step                       forgot page   forgot   reset page   reset
    parse the request               x           x          x          x
    send a code                                 x
    set the password                                                  x

A refusal of the request goes where `authorization_requests` says, one of the user pool above the form. A client that
hides who exists is told of a code for everybody; the user pool service does the same work for all of them.

The next page is the sign-in page: what else is asked of the user (a second factor) is asked there, and nowhere else.

Source: Cognito Developer Guide, "Managed login" and "Managing error responses"; hosted-ui reference, section 1.
"""

from dataclasses import dataclass
from datetime import datetime

from velvetrope.hosted_ui.account_directory import AccountDirectory, CodeSent
from velvetrope.hosted_ui.account_refusals import AccountRefused, told_to_the_person
from velvetrope.hosted_ui.authorization_requests import AuthorizationRequests, RequestedAuthorization
from velvetrope.oauth import Parameters
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import AppClient, PasswordPolicySettings, UserPool

__all__ = ["ForgottenForm", "PasswordReset", "RecoveryFlow", "ResetForm", "recovery_is_open"]


@dataclass(frozen=True, slots=True)
class ForgottenForm:
    """What the page that asks for the name needs to know."""

    query: str
    redirect_uri: str
    username: str


@dataclass(frozen=True, slots=True)
class ResetForm:
    """What the page that asks for the code and the new password needs to know."""

    query: str
    redirect_uri: str
    username: str
    password_policy: PasswordPolicySettings
    sent: CodeSent | None = None
    """Where the code went, if one was sent just now."""


@dataclass(frozen=True, slots=True)
class PasswordReset:
    """The new password stands, and the next page is the sign-in page."""

    query: str
    redirect_uri: str
    username: str


class RecoveryFlow:
    """Lets people choose another password."""

    def __init__(self, accounts: AccountDirectory, requests: AuthorizationRequests) -> None:
        self._accounts = accounts
        self._requests = requests

    async def forgotten_page(self, pool: UserPool, parameters: Parameters) -> ForgottenForm:
        """GET /forgotPassword."""
        asked = await self._requests.parse(pool, parameters)
        return ForgottenForm(asked.query, asked.request.address.redirect_uri, asked.request.login_hint or "")

    async def send_code(
        self, pool: UserPool, parameters: Parameters, *, username: str, now: datetime, source_ip: str
    ) -> ResetForm:
        """POST /forgotPassword.

        Raises:
            OAuthError: the request does not stand.
            AccountRefused: above the form.
        """
        asked = await self._requests.parse(pool, parameters)
        if not username:
            raise AccountRefused("Enter your username.", field="username")
        with told_to_the_person():
            sent = await self._accounts.forgot_password(
                pool, asked.client, username=username, now=now, source_ip=source_ip
            )
        return _reset_form(pool, asked, username, sent)

    async def reset_page(self, pool: UserPool, parameters: Parameters) -> ResetForm:
        """GET /confirmforgotPassword: for who comes back with a code."""
        asked = await self._requests.parse(pool, parameters)
        return _reset_form(pool, asked, asked.request.login_hint or "", None)

    async def reset(
        self,
        pool: UserPool,
        parameters: Parameters,
        *,
        username: str,
        code: str,
        password: Secret[str],
        repeated: Secret[str],
        now: datetime,
        source_ip: str,
    ) -> PasswordReset:
        """POST /confirmforgotPassword.

        Raises:
            OAuthError: the request does not stand.
            AccountRefused: above the form.
        """
        asked = await self._requests.parse(pool, parameters)
        missing = [
            field
            for field, value in (("username", username), ("code", code), ("password", password.reveal()))
            if not value
        ]
        if missing:
            raise AccountRefused("Enter your username, the code and a new password.", field=missing[0])
        if password != repeated:
            raise AccountRefused("The two passwords are not the same.", field="password")
        with told_to_the_person():
            await self._accounts.reset_password(
                pool, asked.client, username=username, code=code, password=password, now=now, source_ip=source_ip
            )
        return PasswordReset(asked.query, asked.request.address.redirect_uri, username)

    def reset_required(self, pool: UserPool, asked: RequestedAuthorization, username: str) -> ResetForm:
        """For who has shown a password at the sign-in page that an administrator has had replaced."""
        return _reset_form(pool, asked, username, None)


def recovery_is_open(pool: UserPool, client: AppClient) -> bool:
    """Whether people of this pool get another password by themselves, through this client."""
    setting = pool.account_recovery_setting
    names = [one.name for one in setting.recovery_mechanisms] if setting is not None else []
    return "COGNITO" in client.supported_identity_providers and names != ["admin_only"]


def _reset_form(pool: UserPool, asked: RequestedAuthorization, username: str, sent: CodeSent | None) -> ResetForm:
    return ResetForm(asked.query, asked.request.address.redirect_uri, username, pool.password_policy, sent)
