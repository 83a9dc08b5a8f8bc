"""The logs room put together: what `server` makes, starts and stops.

service = LogService(database, state_folder / "logs", clock)
functions.logs.subscribe(lambda event: service.keep(...))
dispatcher.register("logs", *service.operations)
await service.start()
...
await service.stop()
"""

import asyncio
import logging
from pathlib import Path

from velvetrope.clock import Clock
from velvetrope.logs.event_files import EventFiles
from velvetrope.logs.event_operations import EventOperations
from velvetrope.logs.group_operations import GroupOperations
from velvetrope.logs.journal import FLUSH_SECONDS, MAX_BYTES_PER_GROUP, SHARED_FLUSH_SECONDS, EventKeeper, Journal
from velvetrope.logs.shared_events import SharedEvents
from velvetrope.logs.stream_operations import StreamOperations
from velvetrope.store import Database
from velvetrope.store.tables.log_chunks import LogChunkStore
from velvetrope.store.tables.logs import LOGS_TOPIC, LogGroup, LogStore

__all__ = ["LogService"]

_MANY = 1000
_FIRST_TIDY_SECONDS = 60.0
_TIDY_SECONDS = 3600.0

_log = logging.getLogger(__name__)


class LogService:
    """See the module. `folder` is where events are, unless nodes share the database: then they are in it."""

    def __init__(self, database: Database, folder: Path, clock: Clock) -> None:
        self._store = LogStore(database)
        events: EventKeeper
        if database.is_shared:
            events = SharedEvents(LogChunkStore(database), max_bytes_per_group=MAX_BYTES_PER_GROUP)
        else:
            events = EventFiles(folder, max_bytes_per_group=MAX_BYTES_PER_GROUP)
        self._journal = Journal(
            events, self._store, clock, flush_seconds=SHARED_FLUSH_SECONDS if database.is_shared else FLUSH_SECONDS
        )
        database.changes.subscribe(LOGS_TOPIC, self._journal.forget_known)
        self._tending: asyncio.Task[None] | None = None
        self.operations: tuple[object, ...] = (
            GroupOperations(self._store, self._journal),
            StreamOperations(self._store, self._journal),
            EventOperations(self._store, self._journal),
        )

    def keep(self, group: str, stream: str, at_ms: int, message: str) -> None:
        """Keep one line; its group and stream come into being by that. Returns at once."""
        self._journal.append(group, stream, at_ms, message)

    async def has_group(self, name: str) -> bool:
        """Whether there is a group of that name."""
        return await self._store.load_group(name) is not None

    def start(self) -> None:
        """Look after the logs from now on: what is too old goes, now and then. Needs the running event loop."""
        self._tending = asyncio.get_running_loop().create_task(self._tend())

    async def tidy(self) -> None:
        """Drop what is too old to be kept, and what belongs to no group any more."""
        groups: list[LogGroup] = []
        while True:
            some = await self._store.load_groups(prefix="", after_name=groups[-1].name if groups else "", limit=_MANY)
            groups += some
            if len(some) < _MANY:
                break
        await self._journal.prune(groups)

    async def stop(self) -> None:
        """Write what is not written yet."""
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.gather(self._tending, return_exceptions=True)
        await self._journal.close()

    async def _tend(self) -> None:
        # Not at the very start: whoever starts a server waits for other things.
        seconds = _FIRST_TIDY_SECONDS
        while True:
            await asyncio.sleep(seconds)
            seconds = _TIDY_SECONDS
            try:
                await self.tidy()
            except Exception:  # noqa: BLE001  whatever it is: they are to be tidied the next time
                _log.exception("logs could not be tidied")
