"""Concurrency over several nodes: a node runs no more of a function, or of a queue's mapping, than it has slots for.

    slots = SharedSlots(store, changes, node="…")
    if not await slots.have(function_arn, reserved, in_flight):     refused: 429

A node that has slots to spare asks nobody. One that has too few takes more, and if all are taken asks the other nodes,
which give back what they do not use; so slots follow the calls, and a call is refused only when as many run as may. It
waits for the answers for `PATIENCE_SECONDS` at most: a node that was killed does not answer, and what it had is free
when its time is over (`TERM`). After a refusal nobody is asked again for `FULL_SECONDS`, whatever the others say
meanwhile, so that a flood of calls is not one of transactions.

Taken slots are counted in the store (`function_slots`), so all nodes together never run more than the reservation. The
store's clock says when a term is over; a node counts the seconds since it asked, which are not fewer, and so stops in
time whatever its clock says. Two exceptions are left: a node that cannot reach the store for a whole term, and goes on
with what it runs; and one whose machine slept or was frozen, which did not count those seconds.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from velvetrope.store import ChangeFeed
from velvetrope.store.tables.function_slots import SLOTS_TOPIC, FunctionSlotStore, SlotsTaken

__all__ = ["SharedSlots"]

TERM = timedelta(seconds=60)
RENEW_SECONDS = 15.0
PATIENCE_SECONDS = 1.0
FULL_SECONDS = 0.1

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Lease:
    """What this node has of one function."""

    in_flight: Callable[[], int]
    reserved: int
    held: int = 0
    until: float = -math.inf
    """By the node's own seconds, as `full_until`."""
    waiting: int = 0
    """Calls that want a slot and have none."""
    full_until: float = -math.inf
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the store is told or asked, so that what is known here is what is there."""

    def has_free(self, now: float) -> bool:
        return self.in_flight() < min(self.held, self.reserved) and now < self.until


class SharedSlots:
    """See the module. Belongs to one event loop."""

    def __init__(
        self,
        store: FunctionSlotStore,
        changes: ChangeFeed,
        *,
        node: str,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """`node` is this node's name among all, the same after a restart. `seconds` pass, and are never set back."""
        self._store = store
        self._seconds = seconds
        self._node = node
        self._leases: dict[str, _Lease] = {}
        self._news: asyncio.Future[None] | None = None
        self._answering: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._heard = False
        self._ending = asyncio.Event()
        changes.subscribe(SLOTS_TOPIC, self._hear)

    async def open(self) -> None:
        """Give back what an earlier run of this node had, and look after what is taken from now on."""
        await self._store.give_all_back(self._node)
        self._ending.clear()
        self._renewing = asyncio.get_running_loop().create_task(self._renew_now_and_then())

    async def close(self) -> None:
        """Give all back; nothing runs any more."""
        renewing, self._renewing = self._renewing, None
        if renewing is None:
            return
        self._ending.set()
        await renewing
        if self._answering is not None:
            await self._answering
        self._leases.clear()
        try:
            await self._store.give_all_back(self._node)
        except SQLAlchemyError:
            _log.warning("reserved concurrency could not be given back; it comes back by itself")

    async def have(self, function_arn: str, reserved: int, in_flight: Callable[[], int]) -> bool:
        """Whether one more may run here now. Whoever hears yes begins before anything else can happen.

        `in_flight` says how many do.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the store does not answer.
        """
        lease = self._leases.get(function_arn)
        if lease is None:
            lease = self._leases[function_arn] = _Lease(in_flight, reserved)
        lease.reserved = reserved
        if lease.has_free(self._seconds()):
            return True
        if in_flight() >= reserved:
            return False
        lease.waiting += 1
        try:
            return await self._take(function_arn, lease)
        finally:
            lease.waiting -= 1

    async def renew(self) -> None:
        """Keep what is used for another term, and give the rest back."""
        for function_arn in list(self._leases):
            await self._keep_used(function_arn, tell=False)

    async def answer(self) -> None:
        """Give back what others have asked for and is not used here."""
        for function_arn in await self._store.load_asked(self._node):
            await self._keep_used(function_arn, tell=True)

    async def _take(self, function_arn: str, lease: _Lease) -> bool:
        loop = asyncio.get_running_loop()
        give_up_at, ask = loop.time() + PATIENCE_SECONDS, True
        while True:
            news = self._next_news()
            async with lease.lock:
                if lease.has_free(self._seconds()):
                    return True
                if self._seconds() < lease.full_until:
                    return False
                wanted = min(lease.reserved, lease.in_flight() + lease.waiting)
                taken = await self._have(function_arn, lease, wanted, ask=ask)
                if lease.has_free(self._seconds()):
                    return True
                if not taken.others_asked or loop.time() >= give_up_at:
                    lease.full_until = self._seconds() + FULL_SECONDS
                    return False
            ask = False
            await asyncio.wait((news,), timeout=max(0.0, give_up_at - loop.time()))

    async def _keep_used(self, function_arn: str, *, tell: bool) -> None:
        lease = self._leases.get(function_arn)
        if lease is None:
            await self._store.take(function_arn, self._node, wanted=0, reserved=0, term=TERM, tell=tell)
            return
        async with lease.lock:
            # From here on nobody here begins with what is given back. What was held for too long is counted anew.
            used = lease.in_flight()
            lease.held = min(lease.held, used) if self._seconds() < lease.until else used
            await self._have(function_arn, lease, lease.held, tell=tell)
        if lease.held == 0 and not lease.waiting:
            self._leases.pop(function_arn, None)

    async def _have(
        self, function_arn: str, lease: _Lease, wanted: int, *, ask: bool = False, tell: bool = False
    ) -> SlotsTaken:
        """Have up to `wanted` from now on. The lease's lock is held."""
        asked_at = self._seconds()
        taken = await self._store.take(
            function_arn, self._node, wanted=wanted, reserved=lease.reserved, term=TERM, ask=ask, tell=tell
        )
        lease.held, lease.until = taken.held, asked_at + TERM.total_seconds()
        return taken

    def _next_news(self) -> "asyncio.Future[None]":
        if self._news is None or self._news.done():
            self._news = asyncio.get_running_loop().create_future()
        return self._news

    def _hear(self) -> None:
        """Somebody has asked, or has given back."""
        if self._news is not None and not self._news.done():
            self._news.set_result(None)
        self._heard = True
        if self._renewing is not None and (self._answering is None or self._answering.done()):
            self._answering = asyncio.get_running_loop().create_task(self._answer_while_asked())

    async def _answer_while_asked(self) -> None:
        while self._heard:
            self._heard = False
            try:
                await self.answer()
            except Exception:  # noqa: BLE001  whatever it is: the next who asks is to be answered
                _log.exception("reserved concurrency that others ask for could not be given back")

    async def _renew_now_and_then(self) -> None:
        while not self._ending.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), RENEW_SECONDS)
                return
            try:
                await self.renew()
            except Exception:  # noqa: BLE001  whatever it is: what runs here is to keep its slots
                _log.exception("reserved concurrency could not be kept; it is tried again")
