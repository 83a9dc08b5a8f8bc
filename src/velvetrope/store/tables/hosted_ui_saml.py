"""What the hosted UI keeps about SAML besides sessions: messages that have counted, and log-outs under way.

A message counts once: its id is kept until the message itself is dead, over restarts and on every node. A log-out under
way is found by the hash of its state, and taken once. Whom a provider knows stands in `hosted_ui_sessions`.
"""

from datetime import datetime

import msgspec
from sqlalchemy import Column, String, Table, delete, insert
from sqlalchemy.exc import IntegrityError

from velvetrope.store.columns import Record, UtcTime
from velvetrope.store.database import Database
from velvetrope.store.records import take_record
from velvetrope.store.schema import METADATA

__all__ = ["SamlLogout", "SamlStore"]

_TOPIC = "hosted_ui"


class SamlLogout(msgspec.Struct, frozen=True, kw_only=True):
    """A log-out that has gone on to the provider, and where the browser goes when it is back."""

    user_pool_id: str
    provider_name: str
    provider_created_at: datetime
    request_id: str
    """The ID of our LogoutRequest, which the answer has to name."""
    destination: str
    """A registered address of the app, or the query of our own sign-in page."""
    leads_to_app: bool
    expires_at: datetime


_messages = Table(
    "hosted_ui_saml_messages",
    METADATA,
    Column("user_pool_id", String(64), primary_key=True),
    Column("message_hash", String(64), primary_key=True),
    Column("expires_at", UtcTime, nullable=False, index=True),
)

_logouts = Table(
    "hosted_ui_saml_logouts",
    METADATA,
    Column("state_hash", String(64), primary_key=True),
    Column("user_pool_id", String(64), nullable=False),
    Column("expires_at", UtcTime, nullable=False, index=True),
    Column("record", Record(SamlLogout), nullable=False),
)


class SamlStore:
    """See the module. Hashes are 64 hex digits."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def spend_message(self, user_pool_id: str, message_hash: str, *, expires_at: datetime, now: datetime) -> bool:
        """Let a message count, once: of any number of callers one is told so. Dead ones are let go of."""
        try:
            async with self._database.transaction() as tx:
                await tx.connection.execute(delete(_messages).where(_messages.c.expires_at <= now))
                await tx.connection.execute(
                    insert(_messages).values(
                        user_pool_id=user_pool_id, message_hash=message_hash, expires_at=expires_at
                    )
                )
                tx.changed(_TOPIC)
        except IntegrityError:
            return False
        return True

    async def save_logout(self, state_hash: str, logout: SamlLogout, *, now: datetime) -> None:
        """Remember a log-out that goes on elsewhere, and let go of those whose time is over."""
        async with self._database.transaction() as tx:
            await tx.connection.execute(delete(_logouts).where(_logouts.c.expires_at <= now))
            await tx.connection.execute(
                insert(_logouts).values(
                    state_hash=state_hash,
                    user_pool_id=logout.user_pool_id,
                    expires_at=logout.expires_at,
                    record=logout,
                )
            )
            tx.changed(_TOPIC)

    async def take_logout(self, state_hash: str, *, user_pool_id: str, now: datetime) -> SamlLogout | None:
        """Take it, once: of any number of callers one gets it."""
        async with self._database.transaction() as tx:
            taken: SamlLogout | None = await take_record(
                tx.connection,
                _logouts,
                _logouts.c.state_hash == state_hash,
                _logouts.c.user_pool_id == user_pool_id,
                _logouts.c.expires_at > now,
            )
            tx.changed(_TOPIC)
            return taken
