"""Asynchronous invocations: the events that wait for their function, and what to do about those that fail.

An event is kept from before its caller is told 202 until it is settled. Whoever runs it *takes* it: one conditional
write that returns the rows it changed, under the taker's name and for a limited time, which the taker extends while it
works. An event whose taker is gone is free again when that time is over, or at once when the same taker starts anew
and gives back what it held. So every event is run at least once, whatever ends in between.

Events go with their function: one that is deleted takes its events along.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Literal

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    ForeignKey,
    LargeBinary,
    String,
    Table,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from velvetrope.store.columns import Record, UtcTime
from velvetrope.store.database import Database
from velvetrope.store.schema import METADATA
from velvetrope.store.tables.functions import QUALIFIED

__all__ = ["EventConfiguration", "EventStore", "FunctionEvent", "Outcome", "TakenEvent"]

Condition = Literal["Success", "RetriesExhausted", "EventAgeExceeded", "ZeroReservedConcurrency"]


class EventConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """What FunctionEventInvokeConfig says of one qualifier; `$LATEST` stands for the bare function too."""

    function_arn: str
    """Without the qualifier."""
    qualifier: str
    modified_at: datetime
    maximum_retry_attempts: int | None = None
    maximum_event_age_seconds: int | None = None
    on_success_arn: str = ""
    on_failure_arn: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an event ended, for those who are to be told of it. `payload` is what the function answered last."""

    condition: Condition
    at: datetime
    executed_version: str = ""
    """Empty if the function was not run."""
    function_error: str | None = None
    payload: bytes = b""


class FunctionEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One asynchronous invocation."""

    event_id: str
    request_id: str
    function_arn: str
    """Without a qualifier."""
    qualifier: str
    """As it was asked for; empty if none was."""
    accepted_at: datetime
    cognito_identity: bytes = b""
    invocations: int = 0
    """How often the function was run on it."""
    function_errors: int = 0
    setbacks: int = 0
    """How often in a row it could not be run at all, or its outcome not be told."""
    outcome: Outcome | None = None
    """Set once it has ended; from then on only the destinations are still to be told."""


class TakenEvent(msgspec.Struct, frozen=True):
    """An event, and the JSON that the function is to be given."""

    event: FunctionEvent
    payload: bytes


def _function_arn(*, primary_key: bool = False) -> Column[str]:
    return Column(
        "function_arn",
        String(256),
        ForeignKey("functions_functions.function_arn", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
        index=not primary_key,
    )


_configurations = Table(
    "functions_event_configurations",
    METADATA,
    _function_arn(primary_key=True),
    Column("qualifier", String(128), primary_key=True),
    Column("record", Record(EventConfiguration), nullable=False),
)

_events = Table(
    "functions_events",
    METADATA,
    Column("event_id", String(36), primary_key=True),
    _function_arn(),
    Column("due_at", UtcTime, nullable=False, index=True),
    Column("taken_by", String(36)),
    Column("taken_until", UtcTime),
    Column("record", Record(FunctionEvent), nullable=False),
    Column("payload", LargeBinary, nullable=False),
)


QUALIFIED.append(_configurations)


class EventStore:
    """Events and their configurations. `function_arn` is always without a qualifier."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save_configuration(self, configuration: EventConfiguration) -> None:
        """Keep the configuration in the place of the one of the same function and qualifier."""
        async with self._database.transaction() as tx:
            await tx.connection.execute(
                delete(_configurations).where(*_here(configuration.function_arn, configuration.qualifier))
            )
            row = {
                "function_arn": configuration.function_arn,
                "qualifier": configuration.qualifier,
                "record": configuration,
            }
            await tx.connection.execute(insert(_configurations).values(row))

    async def load_configuration(self, function_arn: str, qualifier: str) -> EventConfiguration | None:
        """The configuration of one qualifier, or None."""
        query = select(_configurations.c.record).where(*_here(function_arn, qualifier))
        async with self._database.read() as connection:
            found: EventConfiguration | None = await connection.scalar(query)
            return found

    async def load_configurations(
        self, function_arn: str, *, after_qualifier: str, limit: int
    ) -> list[EventConfiguration]:
        """Up to `limit` configurations in the order of their qualifiers, from the first past `after_qualifier` on."""
        query = (
            select(_configurations.c.record)
            .where(_configurations.c.function_arn == function_arn, _configurations.c.qualifier > after_qualifier)
            .order_by(_configurations.c.qualifier)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return list((await connection.execute(query)).scalars())

    async def delete_configuration(self, function_arn: str, qualifier: str) -> bool:
        """Forget the configuration of one qualifier; False if there was none."""
        async with self._database.transaction() as tx:
            gone = await tx.connection.execute(delete(_configurations).where(*_here(function_arn, qualifier)))
            return gone.rowcount > 0

    async def add_event(self, event: FunctionEvent, payload: bytes) -> None:
        """Keep a new event, due at once.

        Raises:
            sqlalchemy.exc.IntegrityError: its function is gone.
        """
        row = {
            "event_id": event.event_id,
            "function_arn": event.function_arn,
            "due_at": event.accepted_at,
            "record": event,
            "payload": payload,
        }
        async with self._database.transaction() as tx:
            await tx.connection.execute(insert(_events).values(row))

    async def take_events(
        self,
        taker: str,
        *,
        now: datetime,
        until: datetime,
        limit: int,
        except_functions: Collection[str] = (),
        except_events: Collection[str] = (),
    ) -> list[TakenEvent]:
        """Take up to `limit` events that are due, those that are due longest first. Two takers never get the same.

        `except_events` are those that the taker is at: a clock that leaps must not give it one of them again.
        """
        free = _free(now) & _events.c.event_id.not_in(except_events)
        chosen = (
            select(_events.c.event_id)
            .where(_events.c.due_at <= now, free, _events.c.function_arn.not_in(except_functions))
            .order_by(_events.c.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        taking = (
            update(_events)
            .where(_events.c.event_id.in_(chosen), free)
            .values(taken_by=taker, taken_until=until)
            .returning(_events.c.record, _events.c.payload, _events.c.due_at)
        )
        async with self._database.transaction() as tx:
            rows = (await tx.connection.execute(taking)).all()
        return [TakenEvent(record, payload) for record, payload, _ in sorted(rows, key=lambda row: row[2])]

    async def hold_events(self, taker: str, event_ids: Sequence[str], *, until: datetime) -> None:
        """Keep what was taken for longer."""
        mine = (_events.c.taken_by == taker) & _events.c.event_id.in_(event_ids)
        async with self._database.transaction() as tx:
            await tx.connection.execute(update(_events).where(mine).values(taken_until=until))

    async def save_event(self, taker: str, event: FunctionEvent) -> bool:
        """Save how far an event has come that is still held; False if somebody else has taken it meanwhile."""
        return await self._change(taker, event, {"record": event})

    async def postpone_event(self, taker: str, event: FunctionEvent, *, due_at: datetime) -> bool:
        """Save the event, to be taken again from `due_at` on; False if somebody else has taken it meanwhile."""
        values = {"record": event, "due_at": due_at, "taken_by": None, "taken_until": None}
        return await self._change(taker, event, values)

    async def finish_event(self, taker: str, event_id: str) -> bool:
        """Forget an event that is settled; False if somebody else has taken it meanwhile, or it is gone."""
        mine = (_events.c.taken_by == taker) & (_events.c.event_id == event_id)
        async with self._database.transaction() as tx:
            return (await tx.connection.execute(delete(_events).where(mine))).rowcount > 0

    async def give_back_events(self, taker: str) -> None:
        """Free everything that `taker` holds: it starts anew, and what it was at has stopped."""
        async with self._database.transaction() as tx:
            freeing = update(_events).where(_events.c.taken_by == taker).values(taken_by=None, taken_until=None)
            await tx.connection.execute(freeing)

    async def load_next_due(
        self, *, except_functions: Collection[str] = (), except_events: Collection[str] = ()
    ) -> datetime | None:
        """When the next event can be taken; None if there is none but the exceptions."""
        taken_until = func.coalesce(_events.c.taken_until, _events.c.due_at)
        at = case((taken_until > _events.c.due_at, taken_until), else_=_events.c.due_at)
        query = select(func.min(at, type_=UtcTime)).where(
            _events.c.event_id.not_in(except_events), _events.c.function_arn.not_in(except_functions)
        )
        async with self._database.read() as connection:
            return await connection.scalar(query)

    async def count_events(self, function_arn: str) -> int:
        """How many events of a function are not settled yet."""
        query = select(func.count()).select_from(_events).where(_events.c.function_arn == function_arn)
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar_one()

    async def _change(self, taker: str, event: FunctionEvent, values: dict[str, object]) -> bool:
        mine = (_events.c.taken_by == taker) & (_events.c.event_id == event.event_id)
        async with self._database.transaction() as tx:
            return (await tx.connection.execute(update(_events).where(mine).values(values))).rowcount > 0


def _here(function_arn: str, qualifier: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _configurations.c.function_arn == function_arn, _configurations.c.qualifier == qualifier


def _free(now: datetime) -> ColumnElement[bool]:
    return or_(_events.c.taken_until.is_(None), _events.c.taken_until <= now)
