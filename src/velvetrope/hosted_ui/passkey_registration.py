"""`/passkeys/add` and `/passkeys/offer`: somebody who is signed in with this browser registers a passkey, and goes on.

    step                                  page   form   a refusal goes
    find the app client                     x      x    to our error page
    verify the return address               x      x    to our error page
    find who is signed in                   x      x    to our error page
    begin the registration                  x           above the form
    keep the passkey                               x    above the form

`/passkeys/add` takes `client_id` and `redirect_uri` and goes back there; no code comes along, since nobody signs in.
`/passkeys/offer` stands in the middle of a sign-in (`passkey_offers`): its parameters are the authorization request,
with which it goes on to `/oauth2/authorize`. It can be put off, by a form that needs no session and does nothing else.

Source: Cognito Developer Guide, "User-interactive managed login and classic hosted UI endpoints" (/passkeys/add).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from velvetrope.errors import ServiceError, VelvetropeError
from velvetrope.hosted_ui.directory import UserDirectory, client_rules, find_client
from velvetrope.hosted_ui.refusals import is_for_the_person
from velvetrope.hosted_ui.sessions import SESSION_LIFETIME
from velvetrope.hosted_ui.signed_in import SignedInBrowsers
from velvetrope.oauth import Parameters, StaysOnDomain, verify_return_address
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import AppClient, User, UserPool

__all__ = ["NobodySignedIn", "Onward", "PasskeyPage", "PasskeyRefused", "PasskeyRegistrationFlow"]


_SAID: Final[dict[str, str]] = {
    "session": "Sign in first. Then you can add a passkey.",
    "credential": "Your browser sent no passkey.",
    "federated": "You sign in with another provider, which looks after your passkeys.",
}


class NobodySignedIn(StaysOnDomain):
    """A passkey belongs to somebody, and this browser is nobody's now."""

    error = "login_required"
    http_status = 401

    def __init__(self) -> None:
        super().__init__(_SAID["session"])


@dataclass(frozen=True, slots=True)
class Onward:
    """Where the browser goes from here: to the app, or first on with its sign-in."""

    redirect_uri: str
    authorize: str | None = None
    """The authorization request that a sign-in goes on with; None where nobody is in the middle of one."""


@dataclass(frozen=True, slots=True)
class PasskeyPage:
    """What the page asks the browser for, and who it is for."""

    query: str
    onward: Onward
    username: str
    options: dict[str, object]
    """PublicKeyCredentialCreationOptionsJSON."""


class PasskeyRefused(VelvetropeError):
    """No passkey can be made, or this one cannot be kept. `page` is None where there is nothing to try again with."""

    def __init__(self, message: str, *, onward: Onward, page: PasskeyPage | None, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.onward = onward
        self.page = page


@dataclass(frozen=True, slots=True)
class _Asked:
    client: AppClient
    user: User
    query: str
    onward: Onward


class PasskeyRegistrationFlow:
    """Asks for a passkey and keeps it."""

    def __init__(self, directory: UserDirectory, browsers: SignedInBrowsers) -> None:
        self._directory = directory
        self._browsers = browsers

    async def page(
        self, pool: UserPool, parameters: Parameters, *, offered: bool, session: Secret[str] | None, now: datetime
    ) -> PasskeyPage:
        """GET of the page; `offered` says that it stands in the middle of a sign-in.

        Each page begins a registration of its own; the one before it is no longer answered.

        Raises:
            OAuthError: the request does not stand, or nobody is signed in.
            PasskeyRefused: the pool has no passkeys.
        """
        asked = await self._asked(pool, parameters, offered=offered, session=session, now=now)
        return await self._begin(pool, asked, now=now)

    async def register(
        self,
        pool: UserPool,
        parameters: Parameters,
        credential: str | None,
        *,
        offered: bool,
        session: Secret[str] | None,
        now: datetime,
    ) -> Onward:
        """POST of the page.

        Raises:
            OAuthError: the request does not stand, or nobody is signed in.
            PasskeyRefused: the passkey proves nothing, or cannot be kept.
        """
        asked = await self._asked(pool, parameters, offered=offered, session=session, now=now)
        if credential is None:
            page = await self._begin(pool, asked, now=now)
            raise PasskeyRefused(_SAID["credential"], onward=asked.onward, page=page)
        try:
            await self._directory.complete_passkey(pool, asked.client, asked.user, credential, now=now)
        except ServiceError as refusal:
            if not is_for_the_person(refusal):
                raise
            page = await self._begin(pool, asked, now=now)
            raise PasskeyRefused(refusal.message, onward=asked.onward, page=page, detail=refusal.detail) from None
        return asked.onward

    async def put_off(self, pool: UserPool, parameters: Parameters) -> Onward:
        """POST of /passkeys/offer by who does not want to now.

        Raises:
            OAuthError: the request does not stand.
        """
        _, onward = await self._onward(pool, parameters, offered=True)
        return onward

    async def _onward(self, pool: UserPool, parameters: Parameters, *, offered: bool) -> tuple[AppClient, Onward]:
        client = await find_client(self._directory, pool, parameters.require("client_id"))
        address = verify_return_address(parameters, client_rules(client))
        return client, Onward(address.redirect_uri, parameters.render() if offered else None)

    async def _asked(
        self, pool: UserPool, parameters: Parameters, *, offered: bool, session: Secret[str] | None, now: datetime
    ) -> _Asked:
        client, onward = await self._onward(pool, parameters, offered=offered)
        found = await self._browsers.find(pool, session, within=SESSION_LIFETIME, now=now)
        if found is None:
            raise NobodySignedIn
        if found.user.is_federated:
            raise PasskeyRefused(_SAID["federated"], onward=onward, page=None)
        return _Asked(client, found.user, parameters.render(), onward)

    async def _begin(self, pool: UserPool, asked: _Asked, *, now: datetime) -> PasskeyPage:
        try:
            options = await self._directory.begin_passkey(pool, asked.client, asked.user, now=now)
        except ServiceError as refusal:
            if not is_for_the_person(refusal):
                raise
            raise PasskeyRefused(refusal.message, onward=asked.onward, page=None, detail=refusal.detail) from None
        return PasskeyPage(asked.query, asked.onward, asked.user.username, options)
