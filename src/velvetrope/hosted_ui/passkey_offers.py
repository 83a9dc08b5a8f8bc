"""Whether somebody who has just signed in is asked to add a passkey before going back to the app.

On pages of managed login (`ManagedLoginVersion` 2), where the client offers passkeys, to a user of the pool's own who
has none. Who says "not now" is left alone in that browser for `PUT_OFF_FOR`. A request that asks for a fresh sign-in
(`prompt`, `max_age`), or a client that takes nobody from a session, goes back to the app at once: the way over this
page ends at `/oauth2/authorize`, with the session, and would ask anew there.

UNVERIFIED: when AWS's managed login asks, and how often.
"""

from dataclasses import dataclass
from datetime import timedelta

from velvetrope.hosted_ui.authorization_requests import RequestedAuthorization
from velvetrope.hosted_ui.directory import UserDirectory
from velvetrope.hosted_ui.offered_factors import offered_factors
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import User, UserPool

__all__ = ["PUT_OFF_FOR", "PasskeyOffered", "PasskeyOffers"]

PUT_OFF_FOR = timedelta(days=30)
_MANAGED_LOGIN = 2


@dataclass(frozen=True, slots=True)
class PasskeyOffered:
    """Signed in, with a session for the browser to keep; the page that offers a passkey comes before the app."""

    query: str
    """The authorization request, which that page goes on with."""
    session_id: Secret[str]


class PasskeyOffers:
    """Decides whom to ask."""

    def __init__(self, directory: UserDirectory) -> None:
        self._directory = directory

    async def is_due(self, pool: UserPool, asked: RequestedAuthorization, user: User, *, put_off: bool) -> bool:
        """Whether `user`, who has just signed in, is to be asked. `put_off` is what the browser has said before."""
        return (
            not put_off
            and pool.managed_login_version == _MANAGED_LOGIN
            and "WEB_AUTHN" in offered_factors(pool, asked.client)
            and not user.is_federated
            and not asked.request.prompts
            and asked.request.max_age_seconds is None
            and asked.client.sso_minutes > 0
            and not await self._directory.has_passkeys(pool, user)
        )
