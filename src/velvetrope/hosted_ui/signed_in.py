"""Who is signed in with a browser, asked anew each time that a session is used.

    step                          otherwise nobody is
    find the session              ended, over, or never ours
    check when they signed in     longer ago than whoever asks takes it for
    find its provider again       deleted, or made anew under the same name
    find the user                 gone, or that provider signs them in no more (AdminDisableProviderForUser)
    check that it still stands    disabled, signed out everywhere, another password since (`completion`)

A provider is another one once it was deleted: whoever makes one of the same name vouches for nobody who came before.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from velvetrope.hosted_ui.authorization_requests import OWN_USERS
from velvetrope.hosted_ui.completion import still_signed_in
from velvetrope.hosted_ui.directory import UserDirectory
from velvetrope.hosted_ui.sessions import BrowserSessions
from velvetrope.secret import Secret
from velvetrope.store.tables.hosted_ui_sessions import BrowserSession
from velvetrope.store.tables.userpools import User, UserPool

__all__ = ["SignedInBrowsers", "SignedInPerson"]


@dataclass(frozen=True, slots=True)
class SignedInPerson:
    """A session that stands, and whose it is."""

    user: User
    session: BrowserSession


class SignedInBrowsers:
    """Looks behind what browsers present."""

    def __init__(self, directory: UserDirectory, sessions: BrowserSessions) -> None:
        self._directory = directory
        self._sessions = sessions

    async def find(
        self, pool: UserPool, presented: Secret[str] | None, *, within: timedelta, now: datetime
    ) -> SignedInPerson | None:
        """Who has signed in less than `within` ago; None when nobody has, and where it is nothing."""
        session = await self._sessions.find(pool, presented, now=now)
        if session is None or now >= session.authenticated_at + within:
            return None
        if not await self._provider_stands(pool, session):
            return None
        user = await self._directory.find_user(pool.id, session.sub)
        if user is None or not _provider_knows(user, session.identity_provider):
            return None
        if not still_signed_in(user, authenticated_at=session.authenticated_at):
            return None
        return SignedInPerson(user, session)

    async def _provider_stands(self, pool: UserPool, session: BrowserSession) -> bool:
        if session.identity_provider == OWN_USERS:
            return True
        provider = await self._directory.find_identity_provider(pool.id, session.identity_provider)
        return provider is not None and provider.created_at == session.provider_created_at


def _provider_knows(user: User, identity_provider: str) -> bool:
    """Whether the provider that vouched for the user would sign them in still."""
    return identity_provider == OWN_USERS or any(
        one.provider_name == identity_provider and not one.disabled for one in user.identities
    )
