"""Sign-ins that are under way at somebody else's page: what the hosted UI remembers until the browser comes back.

A row is found by the hash of the state that travels through the provider and the hash of what the browser holds
meanwhile, both together: neither is kept, and who has only one of them has nothing. A row is taken once.
"""

from datetime import datetime

import msgspec
from sqlalchemy import Column, String, Table, delete, insert

from velvetrope.store.columns import Record, UtcTime
from velvetrope.store.database import Database
from velvetrope.store.records import take_record
from velvetrope.store.schema import METADATA

__all__ = ["FederatedSignIn", "FederatedSignInStore"]

_TOPIC = "hosted_ui"


class FederatedSignIn(msgspec.Struct, frozen=True, kw_only=True):
    """What the app asked for, and of whom."""

    user_pool_id: str
    provider_name: str
    provider_created_at: datetime
    """Tells a provider from a later one of the same name."""
    query: str
    """The authorization request, as it came; it is parsed anew when the browser is back."""
    expires_at: datetime
    """The first moment at which it is worth nothing."""
    request_id: str | None = None
    """The ID of a SAML AuthnRequest, which the response has to name (`InResponseTo`)."""
    earlier_session_hash: str | None = None
    """The session that the browser held when it left; it ends when the sign-in does."""


_sign_ins = Table(
    "hosted_ui_federated_sign_ins",
    METADATA,
    Column("state_hash", String(64), primary_key=True),
    Column("browser_hash", String(64), nullable=False),
    Column("user_pool_id", String(64), nullable=False),
    Column("expires_at", UtcTime, nullable=False, index=True),
    Column("record", Record(FederatedSignIn), nullable=False),
)


class FederatedSignInStore:
    """Sign-ins under way, by the hashes (64 hex digits) of state and browser."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, state_hash: str, browser_hash: str, sign_in: FederatedSignIn, *, now: datetime) -> None:
        """Remember it, and let go of those whose time is over."""
        async with self._database.transaction() as tx:
            await tx.connection.execute(delete(_sign_ins).where(_sign_ins.c.expires_at <= now))
            await tx.connection.execute(
                insert(_sign_ins).values(
                    state_hash=state_hash,
                    browser_hash=browser_hash,
                    user_pool_id=sign_in.user_pool_id,
                    expires_at=sign_in.expires_at,
                    record=sign_in,
                )
            )
            tx.changed(_TOPIC)

    async def take(
        self, state_hash: str, browser_hash: str, *, user_pool_id: str, now: datetime
    ) -> FederatedSignIn | None:
        """Take it, once: of any number of callers one gets it. None for all others, and when its time is over.

        A caller with another browser's state takes nothing: that sign-in can still be ended where it began.
        """
        async with self._database.transaction() as tx:
            taken: FederatedSignIn | None = await take_record(
                tx.connection,
                _sign_ins,
                _sign_ins.c.state_hash == state_hash,
                _sign_ins.c.browser_hash == browser_hash,
                _sign_ins.c.user_pool_id == user_pool_id,
                _sign_ins.c.expires_at > now,
            )
            tx.changed(_TOPIC)
            return taken
