"""Whether a request comes from the owner of this server.

Commands of the terminal sign as the account's root user, for the service `velvetrope` (`OwnerCheck`). A browser cannot
sign; the owner gets it a link from the terminal (`OwnerSessions`). The ticket in that link is good for five minutes and
one browser, which holds a cookie of its own for an hour from then on. Tickets and sessions are kept in the store as
hashes, so that a link opens whichever node it comes to.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Final

from velvetrope import sigv4
from velvetrope.clock import Entropy
from velvetrope.edge import errors
from velvetrope.edge.requests import ControlRequest
from velvetrope.edge.signatures import SignatureVerifier
from velvetrope.store.tables.owner_sessions import OwnerSessionStore

__all__ = ["SESSION_LIFETIME", "TICKET_LIFETIME", "OwnerCheck", "OwnerSessions"]

SIGNING_NAME: Final = "velvetrope"
TICKET_LIFETIME: Final = timedelta(minutes=5)
SESSION_LIFETIME: Final = timedelta(hours=1)
_TOKEN_BYTES: Final = 32


class OwnerCheck:
    """Proves that a request is signed by the account's root user."""

    def __init__(self, verifier: SignatureVerifier) -> None:
        self._verifier = verifier

    async def check_owner(self, request: ControlRequest, action: str) -> None:
        """Let the root user pass. `action` is what the refusal of anybody else names, as `velvetrope:ReadDecisions`.

        Raises:
            ServiceError: not signed, not well signed, or not by the root user.
        """
        signed = request.as_signed()
        try:
            principal = await self._verifier.verify(signed, service=SIGNING_NAME, now=request.received_at)
        except sigv4.SignatureRefused as reason:
            raise errors.refused_signature(reason, "rest-json") from reason
        if not principal.is_root:
            raise errors.access_denied(
                "rest-json",
                f"User: {principal.arn} is not authorized to perform: {action}, which is for the account's root user "
                "alone",
                detail="only the account's root user may",
            )


class OwnerSessions:
    """Browsers of the owner. See the module."""

    def __init__(self, store: OwnerSessionStore, entropy: Entropy) -> None:
        self._store = store
        self._entropy = entropy

    async def issue_ticket(self, now: datetime) -> str:
        """A ticket for one browser. Whoever asks has been found to be the owner."""
        ticket = self._new_token()
        await self._store.keep_ticket(_hash(ticket), expires_at=now + TICKET_LIFETIME, now=now)
        return ticket

    async def spend_ticket(self, ticket: str, now: datetime) -> str | None:
        """A session for the browser that brought the ticket; None if it was spent, is too old, or never was one."""
        session = self._new_token()
        traded = await self._store.trade_ticket(
            _hash(ticket), _hash(session), expires_at=now + SESSION_LIFETIME, now=now
        )
        return session if traded else None

    async def is_open(self, session: str, now: datetime) -> bool:
        """Whether a browser with this session is the owner's."""
        return await self._store.has_session(_hash(session), now=now)

    def _new_token(self) -> str:
        return self._entropy.token_bytes(_TOKEN_BYTES).hex()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
