"""`/logout`: the browser's session ends, and the browser goes on.

    step                              a refusal
    find the app client               our error page, and nobody is signed out
    end the browser session, and what waits in the browser
    choose where to go                our signed-out page, with AWS's text: the session is over all the same

Tokens are not revoked, as on AWS: who wants that asks `/oauth2/revoke`.

Source: Cognito Developer Guide, "Logout endpoint".
"""

from velvetrope.hosted_ui.directory import UserDirectory, client_rules, find_client
from velvetrope.hosted_ui.pending_sign_ins import PendingSignIns
from velvetrope.hosted_ui.sessions import BrowserSessions
from velvetrope.oauth import LogoutDestination, Parameters, StaysOnDomain, parse_logout_destination
from velvetrope.secret import Secret
from velvetrope.store.tables.userpools import UserPool

__all__ = ["LogoutFlow", "SignedOutHere"]


class SignedOutHere(StaysOnDomain):
    """The session is over, and there is no registered address to go to."""


class LogoutFlow:
    """Signs browsers out."""

    def __init__(self, directory: UserDirectory, sessions: BrowserSessions, pending: PendingSignIns) -> None:
        self._directory = directory
        self._sessions = sessions
        self._pending = pending

    async def log_out(
        self,
        pool: UserPool,
        parameters: Parameters,
        *,
        session: Secret[str] | None,
        step: Secret[str] | None = None,
    ) -> LogoutDestination:
        """GET /logout.

        Raises:
            SignedOutHere: the session is over; the message is AWS's about the destination.
            OAuthError: nothing happened.
        """
        client = await find_client(self._directory, pool, parameters.require("client_id"))
        await self._sessions.end(pool, session)
        await self._pending.end(pool.id, step)
        try:
            return parse_logout_destination(parameters, client_rules(client))
        except StaysOnDomain as refusal:
            raise SignedOutHere(refusal.message, detail=refusal.detail) from None
