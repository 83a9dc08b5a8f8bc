"""How much of a function's reserved concurrency each node has taken.

A slot is taken before it is used, and all slots of a function together are never more than its reservation: they are
counted and taken in one transaction. What a node has taken is its own for a term and longer if it says so again, so
that what a killed node had comes back by itself; when a term is over, the database's clock says and no node's. Whoever
finds too few asks the others, who say at once what they keep.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Boolean, Column, Integer, String, Table, delete, insert, select, update

from velvetrope.store.columns import UtcTime
from velvetrope.store.database import Connection, Database
from velvetrope.store.dialects.database_time import database_time
from velvetrope.store.schema import METADATA

__all__ = ["SLOTS_TOPIC", "FunctionSlotStore", "SlotsTaken"]

_Time = Callable[[Connection], Awaitable[datetime]]

SLOTS_TOPIC = "function slots"
"""Told when a node asks the others, and when one has answered."""

_slots = Table(
    "functions_slots",
    METADATA,
    Column("function_arn", String(512), primary_key=True),
    Column("node", String(64), primary_key=True),
    Column("held", Integer, nullable=False),
    Column("until", UtcTime, nullable=False),
    Column("asked", Boolean, nullable=False),
)


class SlotsTaken(msgspec.Struct, frozen=True, kw_only=True):
    """What a node has now. `others_asked`: somebody has been asked for some and has not answered yet."""

    held: int
    others_asked: bool


class FunctionSlotStore:
    """See the module. `time` is the database's; tests have one that stands still."""

    def __init__(self, database: Database, *, time: _Time = database_time) -> None:
        self._database = database
        self._time = time

    async def take(
        self,
        function_arn: str,
        node: str,
        *,
        wanted: int,
        reserved: int,
        term: timedelta,
        ask: bool = False,
        tell: bool = False,
    ) -> SlotsTaken:
        """Have up to `wanted` slots for `term`, instead of what the node had.

        `ask` the others if they are too few; `tell` them that this node has answered, and may have given some back.
        """
        async with self._database.transaction() as tx:
            now = await self._time(tx.connection)
            await tx.connection.execute(delete(_slots).where(_slots.c.until <= now))
            elsewhere = (_slots.c.function_arn == function_arn) & (_slots.c.node != node)
            others = (await tx.connection.execute(select(_slots.c.held, _slots.c.asked).where(elsewhere))).all()
            held = max(0, min(wanted, reserved - sum(row.held for row in others)))
            await _save(tx.connection, function_arn, node, held=held, until=now + term)
            asks = ask and held < wanted and len(others) > 0
            if asks:
                await tx.connection.execute(update(_slots).where(elsewhere).values(asked=True))
            if asks or tell:
                tx.changed(SLOTS_TOPIC)
            return SlotsTaken(held=held, others_asked=asks or any(row.asked for row in others))

    async def load_asked(self, node: str) -> Sequence[str]:
        """The functions that others have asked this node for slots of."""
        async with self._database.read() as connection:
            found = await connection.execute(
                select(_slots.c.function_arn).where(_slots.c.node == node, _slots.c.asked.is_(True))
            )
            return list(found.scalars())

    async def give_all_back(self, node: str) -> None:
        """The node uses none any more."""
        async with self._database.transaction() as tx:
            await tx.connection.execute(delete(_slots).where(_slots.c.node == node))
            tx.changed(SLOTS_TOPIC)


async def _save(connection: Connection, function_arn: str, node: str, *, held: int, until: datetime) -> None:
    mine = (_slots.c.function_arn == function_arn) & (_slots.c.node == node)
    if held == 0:
        await connection.execute(delete(_slots).where(mine))
        return
    values = {"held": held, "until": until, "asked": False}
    if (await connection.execute(update(_slots).where(mine).values(values))).rowcount == 0:
        await connection.execute(insert(_slots).values(function_arn=function_arn, node=node, **values))
