"""The owner's access log: a file or standard output, one line for each request to a deployed API.

    log = AccessLogWriter("access.jsonl", format="json")
    log.write({…})              # from the event loop, any number of times
    await log.close()

Taking a line only puts it in a list; the list is written a moment later, together, in a thread. The file is opened anew
for every such write, so that whoever rotates logs may rename it at any time. When lines come faster than they can be
written the newest are dropped, and a line says how many. A file that cannot be written is said once, in the server's
own log, and tried again.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from velvetrope.server.settings import SettingsError

__all__ = ["AccessLogWriter", "check_destination"]

_WRITE_AFTER_SECONDS = 0.2
_MAX_PENDING = 100_000
_MODE = 0o600

_log = logging.getLogger(__name__)


class AccessLogWriter:
    """See the module. `execute_api.RequestLog` is its protocol."""

    def __init__(self, destination: str, *, format: str) -> None:  # noqa: A002  the setting's own word
        """`destination` is a path, or `-` for standard output; `format` is `json` or `stage`."""
        self._path = None if destination == "-" else Path(destination)
        self.wants_lines = format == "stage"
        self._pending: list[bytes] = []
        self._dropped = 0
        self._due: asyncio.TimerHandle | None = None
        self._writing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="velvetrope-access-log")
        self._is_failing = False

    def write(self, record: Mapping[str, object]) -> None:
        """Keep one record, as a line of JSON."""
        self._take(msgspec.json.encode(record) + b"\n")

    def write_line(self, line: str) -> None:
        """Keep one line."""
        self._take(line.encode("utf-8", "replace") + b"\n")

    async def close(self) -> None:
        """Write what is left."""
        await self._flush()
        await asyncio.gather(*self._tasks)
        self._thread.shutdown()

    def _take(self, line: bytes) -> None:
        if len(self._pending) >= _MAX_PENDING:
            self._dropped += 1
            return
        self._pending.append(line)
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(_WRITE_AFTER_SECONDS, self._flush_soon)

    def _flush_soon(self) -> None:
        task = asyncio.get_running_loop().create_task(self._flush())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _flush(self) -> None:
        async with self._writing:
            if self._due is not None:
                self._due.cancel()
                self._due = None
            lines, self._pending = self._pending, []
            if self._dropped:
                lines.append(b'{"dropped":%d}\n' % self._dropped)
                self._dropped = 0
            if not lines:
                return
            try:
                await asyncio.get_running_loop().run_in_executor(self._thread, self._append, b"".join(lines))
                self._is_failing = False
            except OSError as error:
                if not self._is_failing:
                    _log.error("the access log cannot be written: %s", error)
                self._is_failing = True

    def _append(self, text: bytes) -> None:
        if self._path is None:
            sys.stdout.buffer.write(text)
            sys.stdout.buffer.flush()
            return
        with os.fdopen(_open(self._path), "wb") as file:
            file.write(text)


def check_destination(destination: str) -> None:
    """See, before anybody is served, that there can be a log at `destination`; it is made if it is not there.

    Raises:
        SettingsError: it cannot be written.
    """
    if destination == "-":
        return
    try:
        os.close(_open(Path(destination)))
    except OSError as err:
        raise SettingsError(f"--access-log {destination} cannot be written ({err.strerror}).") from None


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _MODE)
