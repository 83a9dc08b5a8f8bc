"""Browser sessions: a random id in the browser, its hash with us, one hour from sign-in and not a second more.

The hour is AWS's and is not moved by use. A pool whose clients take who is signed in for longer than that has longer
sessions (`session_lifetime`), and each client takes them for as long as it says (`signed_in`). The session says who
signed in, when, and which provider vouched for them; whether that still stands is asked anew each time it is used
(`signed_in`). It is ended by log-out, by the next sign-in of the same browser, by its hour, and before that where a
SAML provider has said when its own session ends.

Sources: Cognito Developer Guide, "User pool managed login", "session cookie"; saml-profiles-2.0-os section 4.1.4.3
(SessionNotOnOrAfter).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from velvetrope.clock import Entropy
from velvetrope.hosted_ui.authorization_requests import OWN_USERS
from velvetrope.hosted_ui.held_values import held_hash, new_held_value
from velvetrope.secret import Secret
from velvetrope.store.tables.hosted_ui_sessions import BrowserSession, BrowserSessionStore, SamlSubject
from velvetrope.store.tables.userpools import User, UserPool
from velvetrope.store.tables.userpools_configuration import IdentityProvider

__all__ = ["SESSION_LIFETIME", "BrowserSessions", "VouchedBy", "held_session_hash", "session_hash", "session_lifetime"]

SESSION_LIFETIME = timedelta(hours=1)


def session_lifetime(pool: UserPool) -> timedelta:
    """How long a session that begins now is kept: as long as any client of the pool may ask for it."""
    return max(SESSION_LIFETIME, timedelta(minutes=pool.longest_sso_minutes))


@dataclass(frozen=True, slots=True)
class VouchedBy:
    """The provider that has said who somebody is, and how it calls them where it is to sign them out one day."""

    provider: IdentityProvider
    saml: SamlSubject | None = None
    ends_at: datetime | None = None
    """The first moment at which the provider's own session is over, where it says so."""


class BrowserSessions:
    """Starts, finds and ends the sessions of browsers."""

    def __init__(self, store: BrowserSessionStore, entropy: Entropy) -> None:
        self._store = store
        self._entropy = entropy

    async def start(
        self,
        pool: UserPool,
        user: User,
        *,
        earlier_hash: str | None,
        vouched_by: VouchedBy | None = None,
        now: datetime,
    ) -> Secret[str]:
        """A new id for the browser to hold. The earlier one stops working, so no id survives a sign-in.

        Without `vouched_by` the pool itself has seen the proof.
        """
        session_id = Secret(new_held_value(self._entropy))
        provider = None if vouched_by is None else vouched_by.provider
        expires_at = now + session_lifetime(pool)
        if vouched_by is not None and vouched_by.ends_at is not None:
            expires_at = min(expires_at, vouched_by.ends_at)
        session = BrowserSession(
            user_pool_id=pool.id,
            sub=user.sub,
            authenticated_at=now,
            expires_at=expires_at,
            identity_provider=OWN_USERS if provider is None else provider.provider_name,
            provider_created_at=None if provider is None else provider.created_at,
        )
        await self._store.replace(
            session_hash(session_id),
            session,
            saml=None if vouched_by is None else vouched_by.saml,
            earlier_session_hash=earlier_hash,
            now=now,
        )
        return session_id

    async def find(self, pool: UserPool, presented: Secret[str] | None, *, now: datetime) -> BrowserSession | None:
        """The session behind what the browser presented."""
        if presented is None:
            return None
        return await self._store.load(session_hash(presented), user_pool_id=pool.id, now=now)

    async def end(self, pool: UserPool, presented: Secret[str] | None) -> None:
        """Forget the session, if there is one."""
        if presented is not None:
            await self._store.end(session_hash(presented), user_pool_id=pool.id)


def held_session_hash(held: Secret[str] | None) -> str | None:
    """The hash of what a browser holds, where it holds something."""
    return None if held is None else session_hash(held)


def session_hash(session_id: Secret[str]) -> str:
    """By what a session is found."""
    return held_hash(session_id.reveal())
