"""What the hosted UI keeps about SAML: messages that have counted, sessions that can be logged out, log-outs under way.

A message counts once: its id is kept until the message itself is dead, over restarts and on every node. A session row
stands beside the browser session of the same hash and says whom the provider knows, so that either side can end it. A
log-out under way is found by the hash of its state, and taken once.
"""

from collections.abc import Callable
from datetime import datetime

import msgspec
from sqlalchemy import Column, String, Table, delete, insert, select
from sqlalchemy.exc import IntegrityError

from velvetrope.store.columns import Record, UtcTime
from velvetrope.store.database import Database
from velvetrope.store.records import take_record
from velvetrope.store.schema import METADATA
from velvetrope.store.tables.hosted_ui import delete_browser_sessions

__all__ = ["SamlLogout", "SamlSession", "SamlStore"]

_TOPIC = "hosted_ui"


class SamlSession(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a SAML provider has vouched for when a browser session began, in the provider's words."""

    user_pool_id: str
    provider_name: str
    provider_created_at: datetime
    """Tells a provider from a later one of the same name."""
    name_id: str
    name_format: str
    name_qualifier: str
    sp_name_qualifier: str
    session_index: str | None
    expires_at: datetime


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

_sessions = Table(
    "hosted_ui_saml_sessions",
    METADATA,
    Column("session_hash", String(64), primary_key=True),
    Column("user_pool_id", String(64), nullable=False),
    Column("subject_hash", String(64), nullable=False, index=True),
    Column("expires_at", UtcTime, nullable=False, index=True),
    Column("record", Record(SamlSession), nullable=False),
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

    async def save_session(
        self,
        session_hash: str,
        session: SamlSession,
        *,
        subject_hash: str,
        earlier_session_hash: str | None = None,
        now: datetime,
    ) -> None:
        """Remember whose browser session this is, and end the one before it. Those that are over are let go of."""
        async with self._database.transaction() as tx:
            earlier = earlier_session_hash or ""
            await tx.connection.execute(
                delete(_sessions).where((_sessions.c.expires_at <= now) | (_sessions.c.session_hash == earlier))
            )
            await delete_browser_sessions(tx.connection, [earlier])
            await tx.connection.execute(
                insert(_sessions).values(
                    session_hash=session_hash,
                    user_pool_id=session.user_pool_id,
                    subject_hash=subject_hash,
                    expires_at=session.expires_at,
                    record=session,
                )
            )
            tx.changed(_TOPIC)

    async def take_session(self, session_hash: str, *, user_pool_id: str, now: datetime) -> SamlSession | None:
        """Whom the provider has vouched for in this browser session, which ends."""
        async with self._database.transaction() as tx:
            taken: SamlSession | None = await take_record(
                tx.connection,
                _sessions,
                _sessions.c.session_hash == session_hash,
                _sessions.c.user_pool_id == user_pool_id,
                _sessions.c.expires_at > now,
            )
            if taken is not None:
                await delete_browser_sessions(tx.connection, [session_hash])
                tx.changed(_TOPIC)
            return taken

    async def end_sessions(
        self, subject_hash: str, is_meant: Callable[[SamlSession], bool], *, user_pool_id: str
    ) -> int:
        """End the browser sessions of somebody that are meant; how many have ended."""
        mine = (_sessions.c.subject_hash == subject_hash) & (_sessions.c.user_pool_id == user_pool_id)
        async with self._database.transaction() as tx:
            rows = (await tx.connection.execute(select(_sessions.c.session_hash, _sessions.c.record).where(mine))).all()
            hashes = [row.session_hash for row in rows if is_meant(row.record)]
            await tx.connection.execute(delete(_sessions).where(_sessions.c.session_hash.in_(hashes)))
            await delete_browser_sessions(tx.connection, hashes)
            tx.changed(_TOPIC)
        return len(hashes)

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
