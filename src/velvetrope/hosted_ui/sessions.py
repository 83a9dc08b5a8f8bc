"""Browser sessions: a random id in the browser, its hash with us, one hour from sign-in and not a second more.

The hour is AWS's and is not moved by use. The session says who signed in and when; whether that still stands is asked
anew each time it is used (`completion.still_signed_in`). It is ended by log-out, by the next sign-in of the same
browser, and by its hour.

Source: Cognito Developer Guide, "User pool managed login", "session cookie".
"""

from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from hashlib import sha256

from velvetrope.clock import Entropy
from velvetrope.secret import Secret
from velvetrope.store.tables.hosted_ui import BrowserSession, HostedUiStore
from velvetrope.store.tables.userpools import User, UserPool

__all__ = ["SESSION_LIFETIME", "BrowserSessions", "session_hash"]

SESSION_LIFETIME = timedelta(hours=1)
_ID_BYTES = 32


class BrowserSessions:
    """Starts, finds and ends the sessions of browsers."""

    def __init__(self, store: HostedUiStore, entropy: Entropy) -> None:
        self._store = store
        self._entropy = entropy

    async def start(
        self,
        pool: UserPool,
        user: User,
        *,
        earlier: Secret[str] | None,
        identity_provider: str = "COGNITO",
        now: datetime,
    ) -> Secret[str]:
        """A new id for the browser to hold. The earlier one stops working, so no id survives a sign-in."""
        session_id = urlsafe_b64encode(self._entropy.token_bytes(_ID_BYTES)).rstrip(b"=").decode()
        session = BrowserSession(
            user_pool_id=pool.id,
            sub=user.sub,
            authenticated_at=now,
            expires_at=now + SESSION_LIFETIME,
            identity_provider=identity_provider,
        )
        await self._store.replace_browser_session(
            _hash(session_id),
            session,
            earlier_session_hash=None if earlier is None else _hash(earlier.reveal()),
            now=now,
        )
        return Secret(session_id)

    async def find(self, pool: UserPool, presented: Secret[str] | None, *, now: datetime) -> BrowserSession | None:
        """The session behind what the browser presented."""
        if presented is None:
            return None
        return await self._store.load_browser_session(_hash(presented.reveal()), user_pool_id=pool.id, now=now)

    async def end(self, pool: UserPool, presented: Secret[str] | None) -> None:
        """Forget the session, if there is one."""
        if presented is not None:
            await self._store.end_browser_session(_hash(presented.reveal()), user_pool_id=pool.id)


def _hash(session_id: str) -> str:
    return sha256(session_id.encode()).hexdigest()


def session_hash(session_id: Secret[str]) -> str:
    """By what a session is found, and what goes with it."""
    return _hash(session_id.reveal())
