"""Asynchronous invocation: events are kept, run, tried again, and their outcome is told.

    queue = EventQueue(store, functions, runner, roles, clock, entropy, taker=node_id)
    await queue.accept(reference, payload, request_id=...)     kept in the store: the caller may be told 202
    await queue.open(destinations)                             run what waits, from now on
    await queue.close()

What becomes of an event:

    function returned      told to the on-success destination, forgotten
    function failed        again after 1 minute, then after 2 more, as often as MaximumRetryAttempts says (2);
                           then RetriesExhausted
    could not be run       (throttled, role not assumable, server stopping) again after 1 s, 2 s, 4 s … at most 5 min
    too old                MaximumEventAgeInSeconds (6 hours) after it came: EventAgeExceeded
    concurrency of 0       ZeroReservedConcurrency, at once

What did not succeed is told to the on-failure destination and to the dead-letter queue, whichever are configured. If
those refuse, the event is dropped and the refusal logged, as Lambda does; if they cannot answer, they are asked again.

All of this is in the store, so that an event outlives the server: one that was running when the server was killed is
run again when it starts. At least once, then, as on Lambda, and not in order. Each server takes events for itself (see
`store.tables.function_events`), at most `PER_FUNCTION` of one function at a time, so that no function keeps all others
waiting.

Source: AWS Lambda Developer Guide, "How Lambda handles errors and retries with asynchronous invocation";
reference/lambda.md section 7.
"""

import asyncio
import logging
from collections import Counter
from datetime import timedelta
from typing import Protocol

import msgspec
from sqlalchemy.exc import IntegrityError

from velvetrope.clock import Clock, Entropy
from velvetrope.errors import ServiceError
from velvetrope.functions.destinations import Destinations, render_record
from velvetrope.functions.errors import ResourceNotFoundException
from velvetrope.functions.names import FunctionReference
from velvetrope.functions.roles import ExecutionRoles
from velvetrope.identifiers import new_uuid
from velvetrope.store.tables.function_events import (
    EventConfiguration,
    EventStore,
    FunctionEvent,
    Outcome,
    TakenEvent,
)
from velvetrope.store.tables.functions import LATEST, FunctionStore, InvocationTarget

__all__ = ["EventQueue", "EventResult", "EventRunner"]

RETRY_SECONDS = (60, 120)
"""How long after the first and the second failure a function is given the event again."""
MAX_RETRY_ATTEMPTS = 2
MAX_EVENT_AGE_SECONDS = 21_600
_LONGEST_SETBACK_SECONDS = 300

PER_FUNCTION = 10
_AT_ONCE = 200
_TAKE = 10
_HOLD = timedelta(seconds=60)
_RENEW_SECONDS = 20.0
_LOOK_AGAIN_SECONDS = 30.0
"""How long to wait at most before looking whether another node has left something behind."""

_log = logging.getLogger(__name__)


class EventResult(Protocol):
    """What running an event came to: `invoker.InvocationResult`."""

    @property
    def payload(self) -> bytes: ...
    @property
    def function_error(self) -> str | None: ...
    @property
    def executed_version(self) -> str: ...


class EventRunner(Protocol):
    """Runs a function on an event whose caller was judged when it came: `invoker.FunctionInvoker`."""

    async def run_event(
        self, function_arn: str, payload: bytes, *, request_id: str, cognito_identity: bytes
    ) -> EventResult:
        """Raises: ServiceError: it could not be run."""
        ...


class EventQueue:
    """See the module. Belongs to one event loop from `open` on."""

    def __init__(
        self,
        events: EventStore,
        functions: FunctionStore,
        roles: ExecutionRoles,
        clock: Clock,
        entropy: Entropy,
        *,
        taker: str,
    ) -> None:
        """`taker` is this server's name: the same after a restart, and no other server's."""
        self._events = events
        self._functions = functions
        self._roles = roles
        self._clock = clock
        self._entropy = entropy
        self._taker = taker
        self._runner: EventRunner | None = None
        self._destinations: Destinations | None = None
        self._running: dict[str, asyncio.Task[None]] = {}
        self._busy: Counter[str] = Counter()
        self._awake = asyncio.Event()
        self._idle = asyncio.Event()
        self._loop_task: asyncio.Task[None] | None = None
        self._holding: asyncio.Task[None] | None = None

    async def accept(
        self, reference: FunctionReference, payload: bytes, *, request_id: str, cognito_identity: bytes = b""
    ) -> None:
        """Keep an event. When this returns, it will be run.

        Raises:
            ResourceNotFoundException: the function has just been deleted.
        """
        event = FunctionEvent(
            event_id=new_uuid(self._entropy),
            request_id=request_id,
            function_arn=reference.arn,
            qualifier=reference.qualifier,
            accepted_at=self._clock.now(),
            cognito_identity=cognito_identity,
        )
        try:
            await self._events.add_event(event, payload or b"{}")
        except IntegrityError:
            if await self._functions.load_function(reference.arn) is not None:
                raise
            raise ResourceNotFoundException(f"Function not found: {reference.qualified_arn}") from None
        self.wake()

    async def open(self, runner: EventRunner, destinations: Destinations) -> None:
        """Begin to run events; first of all those that an earlier run of this server was at."""
        self._runner, self._destinations = runner, destinations
        await self._events.give_back_events(self._taker)
        self._loop_task = asyncio.create_task(self._serve())
        self._holding = asyncio.create_task(self._hold())

    async def close(self) -> None:
        """Take no more. What is running is let go of as it is: it stays in the store."""
        tasks = [task for task in (self._loop_task, self._holding, *self._running.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._loop_task = self._holding = None

    @property
    def running(self) -> frozenset[str]:
        """The ids of the events that are being run, or told of, at this moment."""
        return frozenset(self._running)

    async def wait_idle(self) -> None:
        """Until every event that is due was run, and none is running: what is left waits for its time."""
        await self._idle.wait()

    def wake(self) -> None:
        """Look for events now: one has come, or the clock was moved."""
        self._idle.clear()
        self._awake.set()

    async def _serve(self) -> None:
        while True:
            self._awake.clear()
            try:
                seconds = await self._take_what_is_due()
            except Exception:  # noqa: BLE001  whatever it is: events that come later are to be run
                _log.exception("events could not be taken; it is tried again")
                seconds = _LOOK_AGAIN_SECONDS
            if not self._running and not self._awake.is_set():
                self._idle.set()
            try:
                async with asyncio.timeout(seconds):
                    await self._awake.wait()
            except TimeoutError:
                continue

    async def _take_what_is_due(self) -> float:
        """Start what is due and can be started; how many seconds until there is something to do again."""
        while True:
            full = [function_arn for function_arn, count in self._busy.items() if count >= PER_FUNCTION]
            room = _AT_ONCE - len(self._running)
            if room <= 0:
                return _LOOK_AGAIN_SECONDS
            now = self._clock.now()
            mine = list(self._running)
            next_due = await self._events.load_next_due(except_functions=full, except_events=mine)
            if next_due is None:
                return _LOOK_AGAIN_SECONDS
            if next_due > now:
                return min((next_due - now).total_seconds(), _LOOK_AGAIN_SECONDS)
            taken = await self._events.take_events(
                self._taker,
                now=now,
                until=now + _HOLD,
                limit=min(room, _TAKE),
                except_functions=full,
                except_events=mine,
            )
            for one in taken:
                self._start(one)
            if not taken:
                return 1.0  # another node was quicker

    def _start(self, taken: TakenEvent) -> None:
        function_arn, event_id = taken.event.function_arn, taken.event.event_id
        self._idle.clear()
        self._busy[function_arn] += 1
        task = asyncio.create_task(self._settle(taken))
        self._running[event_id] = task

        def done(settled: "asyncio.Task[None]") -> None:
            failure = None if settled.cancelled() else settled.exception()
            if failure is not None:
                # It stays in the store, and is free again when its time is over.
                _log.error("the event %s could not be settled", event_id, exc_info=failure)
            self._running.pop(event_id, None)
            self._busy[function_arn] -= 1
            if not self._busy[function_arn]:
                del self._busy[function_arn]
            self.wake()

        task.add_done_callback(done)

    async def _hold(self) -> None:
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            if self._running:
                until = self._clock.now() + _HOLD
                try:
                    await self._events.hold_events(self._taker, list(self._running), until=until)
                except Exception:  # noqa: BLE001  whatever it is: it is tried again before the time is over
                    _log.exception("events could not be held")

    async def _settle(self, taken: TakenEvent) -> None:
        event = taken.event
        if event.outcome is None:
            event = await self._advance(taken)
        if event.outcome is not None:
            await self._tell(event, event.outcome, taken.payload)

    async def _advance(self, taken: TakenEvent) -> FunctionEvent:
        """Run the function on the event, unless it is not to be run any more. It has an outcome, or was postponed."""
        event, now = taken.event, self._clock.now()
        target, configuration = await self._load_settings(event)
        if now - event.accepted_at > _maximum_age(configuration):
            return await self._end(event, Outcome(condition="EventAgeExceeded", at=now))
        if target is not None and target.function.reserved_concurrency == 0:
            return await self._end(event, Outcome(condition="ZeroReservedConcurrency", at=now))
        if self._runner is None:
            raise RuntimeError("the queue is not open")
        try:
            result = await self._runner.run_event(
                _qualified(event), taken.payload, request_id=event.request_id, cognito_identity=event.cognito_identity
            )
        except ServiceError as err:
            _log.info("the event %s could not be run: %s %s", event.request_id, err.message, err.detail)
            return await self._postpone_setback(event, configuration)
        event = msgspec.structs.replace(event, invocations=event.invocations + 1, setbacks=0)
        return await self._judge(event, result, configuration)

    async def _judge(
        self, event: FunctionEvent, result: EventResult, configuration: EventConfiguration | None
    ) -> FunctionEvent:
        now = self._clock.now()
        ended = Outcome(
            condition="Success",
            at=now,
            executed_version=result.executed_version,
            function_error=result.function_error,
            payload=result.payload,
        )
        if result.function_error is None:
            return await self._end(event, ended)
        event = msgspec.structs.replace(event, function_errors=event.function_errors + 1)
        retries = configuration.maximum_retry_attempts if configuration else None
        if event.function_errors > (MAX_RETRY_ATTEMPTS if retries is None else retries):
            return await self._end(event, msgspec.structs.replace(ended, condition="RetriesExhausted"))
        due_at = now + timedelta(seconds=RETRY_SECONDS[event.function_errors - 1])
        if due_at - event.accepted_at > _maximum_age(configuration):
            return await self._end(event, msgspec.structs.replace(ended, condition="EventAgeExceeded"))
        await self._events.postpone_event(self._taker, event, due_at=due_at)
        return event

    async def _postpone_setback(self, event: FunctionEvent, configuration: EventConfiguration | None) -> FunctionEvent:
        """Later then; but not past the event's age, so that its end is told in time."""
        now = self._clock.now()
        wait = timedelta(seconds=min(2**event.setbacks, _LONGEST_SETBACK_SECONDS))
        oldest = event.accepted_at + _maximum_age(configuration) + timedelta(microseconds=1)
        event = msgspec.structs.replace(event, setbacks=event.setbacks + 1)
        await self._events.postpone_event(self._taker, event, due_at=min(now + wait, max(oldest, now)))
        return event

    async def _end(self, event: FunctionEvent, outcome: Outcome) -> FunctionEvent:
        """Give the event its outcome. It is saved first if somebody is to be told of it."""
        event = msgspec.structs.replace(event, outcome=outcome, setbacks=0)
        if await self._targets_of(event, outcome):
            await self._events.save_event(self._taker, event)
        return event

    async def _tell(self, event: FunctionEvent, outcome: Outcome, payload: bytes) -> None:
        for target_arn, kind in await self._targets_of(event, outcome):
            try:
                await self._send(target_arn, kind, event, outcome, payload)
            except ServiceError as err:
                if err.http_status >= 500:
                    await self._postpone_setback(event, None)
                    return
                # Lambda drops the record too, and counts it (DestinationDeliveryFailures, DeadLetterErrors).
                _log.warning(
                    "the outcome %s of the event %s of %s was refused by %s: %s",
                    outcome.condition,
                    event.request_id,
                    event.function_arn,
                    target_arn,
                    err.message,
                )
        await self._events.finish_event(self._taker, event.event_id)

    async def _send(self, target_arn: str, kind: str, event: FunctionEvent, outcome: Outcome, payload: bytes) -> None:
        function = await self._functions.load_function(event.function_arn)
        if function is None or self._destinations is None:
            return  # deleted meanwhile: its events go with it
        role = await self._roles.act_as(function.latest)
        if kind == "dead-letter":
            await self._destinations.send_event(target_arn, event, outcome, payload, role=role)
        else:
            await self._destinations.send_record(target_arn, render_record(event, outcome, payload), role=role)

    async def _targets_of(self, event: FunctionEvent, outcome: Outcome) -> list[tuple[str, str]]:
        """(ARN, kind) of everybody who is to be told."""
        target, configuration = await self._load_settings(event)
        if outcome.condition == "Success":
            found = [(configuration.on_success_arn if configuration else "", "destination")]
        else:
            found = [
                (configuration.on_failure_arn if configuration else "", "destination"),
                (target.configuration.dead_letter_arn if target else "", "dead-letter"),
            ]
        return [(arn, kind) for arn, kind in found if arn]

    async def _load_settings(self, event: FunctionEvent) -> tuple[InvocationTarget | None, EventConfiguration | None]:
        target = await self._functions.load_target(event.function_arn, event.qualifier)
        configuration = await self._events.load_configuration(event.function_arn, event.qualifier or LATEST)
        return target, configuration


def _qualified(event: FunctionEvent) -> str:
    return f"{event.function_arn}:{event.qualifier}" if event.qualifier else event.function_arn


def _maximum_age(configuration: EventConfiguration | None) -> timedelta:
    seconds = configuration.maximum_event_age_seconds if configuration else None
    return timedelta(seconds=MAX_EVENT_AGE_SECONDS if seconds is None else seconds)
