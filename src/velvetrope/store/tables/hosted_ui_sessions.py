"""Browser sessions: who has signed in with a browser, and what a SAML provider calls them.

Found by the SHA-256 of what the browser holds, in 64 hex digits. It is random and long, so a plain hash cannot be
searched backwards, and a stolen database opens no session.

Whom a SAML provider has vouched for is a row of its own beside the session, of the same hash. Both begin in one
transaction, so that there is no session which single logout does not find. Rows past their use are deleted when a new
one is written.
"""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

import msgspec
from sqlalchemy import Column, String, Table, bindparam, delete, insert, select

from velvetrope.store.columns import Record, UtcTime
from velvetrope.store.database import Database
from velvetrope.store.records import take_record
from velvetrope.store.schema import METADATA
from velvetrope.store.visits import Prepared, Visit

__all__ = ["BrowserSession", "BrowserSessionStore", "SamlSession", "SamlSubject"]

_TOPIC = "hosted_ui"


class BrowserSession(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who signed in with this browser."""

    user_pool_id: str
    sub: str
    authenticated_at: datetime
    expires_at: datetime
    """The first moment at which it is over. Use does not move it."""
    identity_provider: str = "COGNITO"
    """Who vouched for the user: the pool itself, or one of its providers."""
    provider_created_at: datetime | None = None
    """Tells a provider from a later one of the same name; None where the pool itself vouched."""


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


class SamlSubject(NamedTuple):
    """By what a provider finds somebody's sessions again, and what it knows of one of them."""

    subject_hash: str
    session: SamlSession


_sessions = Table(
    "hosted_ui_browser_sessions",
    METADATA,
    Column("session_hash", String(64), primary_key=True),
    Column("user_pool_id", String(64), nullable=False),
    Column("expires_at", UtcTime, nullable=False, index=True),
    Column("record", Record(BrowserSession), nullable=False),
)

_saml_sessions = Table(
    "hosted_ui_saml_sessions",
    METADATA,
    Column("session_hash", String(64), primary_key=True),
    Column("user_pool_id", String(64), nullable=False),
    Column("subject_hash", String(64), nullable=False, index=True),
    Column("expires_at", UtcTime, nullable=False, index=True),
    Column("record", Record(SamlSession), nullable=False),
)

_NOW = bindparam("now", type_=UtcTime())
_OVER = tuple(
    Prepared(delete(table).where((table.c.expires_at <= _NOW) | (table.c.session_hash == bindparam("earlier"))))
    for table in (_sessions, _saml_sessions)
)
_BEGIN = Prepared(insert(_sessions), "session_hash", "user_pool_id", "expires_at", "record")
_BEGIN_SAML = Prepared(insert(_saml_sessions), "session_hash", "user_pool_id", "subject_hash", "expires_at", "record")
_LOAD = Prepared(
    select(_sessions.c.record).where(
        _sessions.c.session_hash == bindparam("session_hash_"),
        _sessions.c.user_pool_id == bindparam("user_pool_id_"),
        _sessions.c.expires_at > _NOW,
    )
)


class BrowserSessionStore:
    """See the module."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def replace(
        self,
        session_hash: str,
        session: BrowserSession,
        *,
        saml: SamlSubject | None = None,
        earlier_session_hash: str | None,
        now: datetime,
    ) -> None:
        """Begin a session and end the one that the browser had before, in one step. Expired ones are let go of."""
        begun = {
            "session_hash": session_hash,
            "user_pool_id": session.user_pool_id,
            "expires_at": session.expires_at,
        }

        def replace(visit: Visit) -> None:
            for statement in _OVER:
                visit.change(statement, {"now": now, "earlier": earlier_session_hash or ""})
            visit.change(_BEGIN, {**begun, "record": session})
            if saml is not None:
                visit.change(_BEGIN_SAML, {**begun, "subject_hash": saml.subject_hash, "record": saml.session})

        await self._database.write_at_once(replace, _TOPIC)

    async def load(self, session_hash: str, *, user_pool_id: str, now: datetime) -> BrowserSession | None:
        """The session, if it is one of this pool and not over."""
        asked = {"session_hash_": session_hash, "user_pool_id_": user_pool_id, "now": now}
        row = await self._database.read_at_once(lambda visit: visit.one(_LOAD, asked))
        session: BrowserSession | None = None if row is None else row[0]
        return session

    async def end(self, session_hash: str, *, user_pool_id: str) -> BrowserSession | None:
        """Forget the session, and say whose it was; None when there was none. See `take_saml` for its provider."""
        async with self._database.transaction() as tx:
            ended: BrowserSession | None = await take_record(
                tx.connection,
                _sessions,
                _sessions.c.session_hash == session_hash,
                _sessions.c.user_pool_id == user_pool_id,
            )
            tx.changed(_TOPIC)
            return ended

    async def take_saml(self, session_hash: str, *, user_pool_id: str, now: datetime) -> SamlSession | None:
        """Whom the provider has vouched for in this browser session, which ends."""
        async with self._database.transaction() as tx:
            taken: SamlSession | None = await take_record(
                tx.connection,
                _saml_sessions,
                _saml_sessions.c.session_hash == session_hash,
                _saml_sessions.c.user_pool_id == user_pool_id,
                _saml_sessions.c.expires_at > now,
            )
            if taken is not None:
                await tx.connection.execute(delete(_sessions).where(_sessions.c.session_hash == session_hash))
                tx.changed(_TOPIC)
            return taken

    async def end_saml(self, subject_hash: str, is_meant: Callable[[SamlSession], bool], *, user_pool_id: str) -> int:
        """End the browser sessions of somebody that are meant; how many have ended."""
        saml = _saml_sessions.c
        mine = (saml.subject_hash == subject_hash) & (saml.user_pool_id == user_pool_id)
        async with self._database.transaction() as tx:
            rows = (await tx.connection.execute(select(saml.session_hash, saml.record).where(mine))).all()
            hashes = [row.session_hash for row in rows if is_meant(row.record)]
            for table in (_saml_sessions, _sessions):
                await tx.connection.execute(delete(table).where(table.c.session_hash.in_(hashes)))
            tx.changed(_TOPIC)
        return len(hashes)
