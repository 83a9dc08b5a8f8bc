"""`/oauth2/authorize`: the front door. Who is signed in goes straight back to the app, everybody else to sign in.

    step                                  a refusal goes
    parse the request                     see `authorization_requests`
    find who is signed in                 (nobody: on)
    find the provider to sign in with     to the redirect_uri (nobody chosen: to the sign-in page)
    grant a code or tokens                to the redirect_uri

Source: RFC 6749 sections 4.1 and 4.2, OpenID Connect Core section 3.1.2; Cognito Developer Guide, "Authorize endpoint".
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from velvetrope.hosted_ui.authorization_requests import AuthorizationRequests, RequestedAuthorization
from velvetrope.hosted_ui.completion import SignInCompletion
from velvetrope.hosted_ui.directory import UserDirectory
from velvetrope.hosted_ui.provider_choice import choose_provider, named_provider
from velvetrope.hosted_ui.signed_in import SignedInBrowsers
from velvetrope.oauth import LoginRequired, Parameters
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import User, UserPool
from velvetrope.store.tables.userpools_configuration import IdentityProvider

__all__ = ["AuthorizationFlow", "GoToProvider", "RedirectTo", "ShowLogin"]


@dataclass(frozen=True, slots=True)
class RedirectTo:
    """Back to the app, with what it asked for."""

    uri: str


@dataclass(frozen=True, slots=True)
class GoToProvider:
    """Somebody has to sign in, with this provider of the pool."""

    asked: RequestedAuthorization
    provider: IdentityProvider


@dataclass(frozen=True, slots=True)
class ShowLogin:
    """Somebody has to sign in: on to `/login` with the same parameters."""

    query: str


class AuthorizationFlow:
    """Answers authorization requests."""

    def __init__(
        self,
        directory: UserDirectory,
        requests: AuthorizationRequests,
        browsers: SignedInBrowsers,
        completion: SignInCompletion,
    ) -> None:
        self._directory = directory
        self._requests = requests
        self._browsers = browsers
        self._completion = completion

    async def authorize(
        self, pool: UserPool, parameters: Parameters, *, session: Secret[str] | None, now: datetime
    ) -> RedirectTo | GoToProvider | ShowLogin:
        """GET /oauth2/authorize."""
        asked = await self._requests.parse(pool, parameters, any_provider=True)
        signed_in = await self._find_signed_in(pool, asked, session, now=now)
        if signed_in is None:
            if "none" in asked.request.prompts:
                raise asked.refusing(LoginRequired())
            provider = await choose_provider(self._directory, pool, asked)
            return ShowLogin(asked.query) if provider is None else GoToProvider(asked, provider)
        user, authenticated_at = signed_in
        uri = await self._completion.grant(
            pool, asked.client, asked.request, user, authenticated_at=authenticated_at, now=now
        )
        return RedirectTo(uri)

    async def _find_signed_in(
        self, pool: UserPool, asked: RequestedAuthorization, session: Secret[str] | None, *, now: datetime
    ) -> tuple[User, datetime] | None:
        """Who is signed in, and since when; None when somebody has to sign in (again).

        `prompt=login` and `select_account` ask for that, and so does a provider that is asked for, by name or by
        identifier, and is not the one that the session began with. UNVERIFIED: what select_account does for a pool's
        own users; showing the form is the one way in which they can choose. A session that began with a provider which
        the client does not support is none to this client (UNVERIFIED; the safer reading): it takes the word of its own
        providers alone.
        """
        request = asked.request
        if request.prompts & {"login", "select_account"}:
            return None
        found = await self._browsers.find(pool, session, within=timedelta(minutes=asked.client.sso_minutes), now=now)
        if found is None or found.session.identity_provider not in asked.client.supported_identity_providers:
            return None
        authenticated_at = found.session.authenticated_at
        named = await named_provider(self._directory, pool, asked)
        if named not in {None, found.session.identity_provider}:
            return None
        if request.max_age_seconds is not None:
            oldest = now - timedelta(seconds=request.max_age_seconds)
            if authenticated_at < oldest:
                return None
        return found.user, authenticated_at
