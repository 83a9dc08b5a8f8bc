"""Refusals that outlive the memory of the node they happened on.

    refusals = Refusals(log, RefusalStore(database), master_keys, clock, entropy)
    refusals.start()
    ...
    await refusals.find(request_id)          on any node, and after a restart
    ...
    await refusals.stop()

The log tells of each refusal; it is put in a list, and the list is sealed and written `FLUSH_SECONDS` later, together.
Whoever is refused waits for none of that. Records of what was let in stay in the log of their node.

What strangers may have written is bounded: `MAX_OF_ADDRESS` refusals of one source address (of an IPv6 network of 64
bits) in one batch, and `MAX_PENDING` of all; what is beyond that is in the log only, and is counted; a line in the
server's log and the batch itself say how many. Texts of a record that has more than `MAX_RECORD_BYTES` are cut, so that
all that the store keeps (`velvetrope.store.tables.refusals`) is bounded in bytes too. A server that is killed loses
what came in its last half second.
"""

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from ipaddress import ip_network

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from velvetrope.clock import Clock, Entropy
from velvetrope.decisions.log import DecisionLog
from velvetrope.decisions.records import DecisionRecord, DecisionStep
from velvetrope.sealing import MasterKeys, SealBroken
from velvetrope.store.tables.refusals import KeptSummary, RefusalStore, SealedRefusal

__all__ = ["Refusals"]

FLUSH_SECONDS = 0.5
MAX_PENDING = 2000
MAX_OF_ADDRESS = 20
"""A stranger who is refused all the time leaves room for those who are refused once. A network of IPv6 is one."""

MAX_RECORD_BYTES = 4096
"""Of one record, before it is sealed. Most have less than 1 KB."""
MAX_CHARACTERS = 2000
"""Of one text of a record, where that leaves the record short enough."""
MAX_STEPS = 20

_PURPOSE = "decisions.refusal"

_log = logging.getLogger(__name__)


class Refusals:
    """See the module. Belongs to one event loop."""

    def __init__(
        self, log: DecisionLog, store: RefusalStore, master_keys: MasterKeys, clock: Clock, entropy: Entropy
    ) -> None:
        self._here = log
        self._store = store
        self._master_keys = master_keys
        self._clock = clock
        self._entropy = entropy
        self._decoder = msgspec.json.Decoder(DecisionRecord)
        self._pending: list[DecisionRecord] = []
        self._of_sender = Counter[str]()
        self._lost = 0
        self._came = asyncio.Event()
        self._ending = asyncio.Event()
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        log.subscribe(self._take, only_refused=True)

    def start(self) -> None:
        """Begin to write. Needs the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Write what is left, if the store takes it."""
        self._ending.set()
        self._came.set()
        if self._task is not None:
            await self._task
            self._task = None

    async def flush(self) -> None:
        """Write what has come so far.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the store does not take it; it is written with what comes next.
        """
        async with self._writing:
            records, lost = self._pending, self._lost
            if not records:
                return
            self._pending, self._lost = [], 0
            self._of_sender.clear()
            try:
                sealed = [self._seal(record) for record in records]
                await self._store.keep(sealed, lost=lost, now=self._clock.now())
            except BaseException:
                self._put_back(records, lost)
                raise
            if lost:
                _log.warning("%d refusals came faster than they could be kept; this node's memory may have them", lost)

    async def find(self, request_id: str) -> DecisionRecord | None:
        """The record of one request: of this node, or the refusal of any."""
        here = self._here.find(request_id)
        if here is not None:
            return here
        try:
            kept = await self._store.find(request_id)
        except SQLAlchemyError:
            _log.exception("refusals could not be read; this node's memory answers alone")
            return None
        return next(iter(self._open(kept)), None)

    async def recent(self, limit: int, *, only_refused: bool = False) -> list[DecisionRecord]:
        """At most `limit` records, newest first: what this node remembers, and the refusals of all."""
        found = self._here.recent(limit, only_refused)
        try:
            kept = await self._store.load_newest(limit)
        except SQLAlchemyError:
            _log.exception("refusals could not be read; this node's memory answers alone")
            return found
        known = {_identity(record) for record in found}
        found += [record for record in self._open(kept) if _identity(record) not in known]
        found.sort(key=lambda record: record.at, reverse=True)
        return found[:limit]

    async def summary(self) -> KeptSummary | None:
        """What is kept of all nodes, and how much was not; None if that cannot be read now."""
        try:
            return await self._store.load_summary()
        except SQLAlchemyError:
            _log.exception("refusals could not be read")
            return None

    def _take(self, record: DecisionRecord) -> None:
        sender = _sender(record.source_ip)
        if len(self._pending) >= MAX_PENDING or self._of_sender[sender] >= MAX_OF_ADDRESS:
            self._lost += 1
            return
        self._of_sender[sender] += 1
        self._pending.append(record)
        self._came.set()

    def _put_back(self, records: list[DecisionRecord], lost: int) -> None:
        """The newest that there is room for."""
        together = records + self._pending
        self._pending = together[-MAX_PENDING:]
        self._lost += lost + len(together) - len(self._pending)

    async def _run(self) -> None:
        failing = False
        while True:
            await self._came.wait()
            if not self._ending.is_set():
                # Together with what comes in the next moment.
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), FLUSH_SECONDS)
            self._came.clear()
            try:
                await self.flush()
                failing = False
            except Exception:  # noqa: BLE001  whatever it is: refusals that come later are to be kept
                if not failing:
                    _log.exception("refusals could not be written; it is tried again")
                failing = True
                self._came.set()
            if self._ending.is_set():
                return

    def _seal(self, record: DecisionRecord) -> SealedRefusal:
        sealed = self._master_keys.seal(
            _encode(record),
            purpose=_PURPOSE,
            entropy=self._entropy,
            context=record.request_id.encode(),
        )
        return SealedRefusal(request_id=record.request_id, at=record.at, sealed=sealed)

    def _open(self, kept: list[SealedRefusal]) -> list[DecisionRecord]:
        found: list[DecisionRecord] = []
        for refusal in kept:
            try:
                opened = self._master_keys.open(refusal.sealed, purpose=_PURPOSE, context=refusal.request_id.encode())
            except SealBroken:
                # Whoever can write in the database is not believed, and hides nothing else by it.
                _log.error("a refusal in the store was not sealed by these master keys")
                continue
            found.append(self._decoder.decode(opened))
        return found


def _encode(record: DecisionRecord) -> bytes:
    """What strangers may choose takes no more room than there is: where all is too long, each text is shorter."""
    characters = MAX_CHARACTERS
    while len(encoded := msgspec.json.encode(_cut(record, characters))) > MAX_RECORD_BYTES and characters > 0:
        characters //= 2
    return encoded


def _cut(record: DecisionRecord, characters: int) -> DecisionRecord:
    """With no text of more `characters` than that; and it can be written."""
    return msgspec.structs.replace(
        record,
        action=_short(record.action, characters),
        resource=_short(record.resource, characters),
        method=_short(record.method, characters),
        path=_short(record.path, characters),
        principal_arn=_short(record.principal_arn, characters),
        steps=tuple(
            DecisionStep(step.name, step.outcome, _short(step.reason, characters)) for step in record.steps[:MAX_STEPS]
        ),
    )


def _short(text: str, characters: int) -> str:
    """Half a character, as UTF-16 knows them, becomes a question mark."""
    cut = text[:characters]
    return cut if cut.isascii() else cut.encode(errors="replace").decode()


def _sender(address: str) -> str:
    """Whom an address belongs to: one who has an IPv6 network has 2^64 addresses (RFC 4291 section 2.5.4)."""
    if ":" not in address:
        return address
    try:
        return str(ip_network((address.partition("%")[0], 64), strict=False))
    except ValueError:
        return address


def _identity(record: DecisionRecord) -> tuple[object, ...]:
    return record.request_id, record.at, record.service, record.action
