"""Browsers of this server's owner: tickets that were printed for one, and the sessions that they were traded for.

Both are kept as hashes of what the browser brings. A ticket is traded once, on whichever node it comes to.
"""

from datetime import datetime

from sqlalchemy import Column, String, Table, delete, insert, select

from velvetrope.store.columns import UtcTime
from velvetrope.store.database import Connection, Database
from velvetrope.store.schema import METADATA

__all__ = ["MAX_KEPT", "OwnerSessionStore"]

MAX_KEPT = 64
"""Tickets, and as many sessions; the oldest make room."""

_TICKET, _SESSION = "ticket", "session"

_sessions = Table(
    "owner_sessions",
    METADATA,
    Column("token_hash", String(64), primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("expires_at", UtcTime, nullable=False),
)


class OwnerSessionStore:
    """See the module."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep_ticket(self, token_hash: str, *, expires_at: datetime, now: datetime) -> None:
        """A new ticket."""
        async with self._database.transaction() as tx:
            await _keep(tx.connection, token_hash, _TICKET, expires_at, now)

    async def trade_ticket(self, token_hash: str, session_hash: str, *, expires_at: datetime, now: datetime) -> bool:
        """Take the ticket and keep a session for it; False if it was taken before, is dead, or never was there."""
        async with self._database.transaction() as tx:
            taken = delete(_sessions).where(
                _sessions.c.token_hash == token_hash, _sessions.c.kind == _TICKET, _sessions.c.expires_at > now
            )
            if (await tx.connection.execute(taken)).rowcount == 0:
                return False
            await _keep(tx.connection, session_hash, _SESSION, expires_at, now)
            return True

    async def has_session(self, token_hash: str, *, now: datetime) -> bool:
        """Whether there is such a session, and it is not over."""
        query = select(_sessions.c.kind).where(
            _sessions.c.token_hash == token_hash, _sessions.c.kind == _SESSION, _sessions.c.expires_at > now
        )
        async with self._database.read() as connection:
            return await connection.scalar(query) is not None


async def _keep(connection: Connection, token_hash: str, kind: str, expires_at: datetime, now: datetime) -> None:
    await connection.execute(delete(_sessions).where(_sessions.c.expires_at <= now))
    others = (
        select(_sessions.c.token_hash)
        .where(_sessions.c.kind == kind)
        .order_by(_sessions.c.expires_at.desc(), _sessions.c.token_hash)
    )
    known = list((await connection.execute(others)).scalars())
    await connection.execute(delete(_sessions).where(_sessions.c.token_hash.in_(known[MAX_KEPT - 1 :])))
    await connection.execute(insert(_sessions).values(token_hash=token_hash, kind=kind, expires_at=expires_at))
