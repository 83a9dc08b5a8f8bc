"""The events of all groups in files of this node, written and read in one thread (`segments`)."""

import asyncio
import hashlib
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from velvetrope.logs.segments import Entry, Segments, Span, StreamTimes

__all__ = ["EventFiles"]

T = TypeVar("T")


class EventFiles:
    """Keeps events as `journal.EventKeeper` has it. Give it back with `close()`: it holds a thread."""

    def __init__(self, folder: Path, *, max_bytes_per_group: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes_per_group
        self._segments: dict[str, Segments] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="velvetrope-logs")

    async def append(self, pending: dict[str, list[Entry]]) -> None:
        for group, entries in list(pending.items()):
            await self._in_thread(partial(self._append, group, entries))
            del pending[group]

    async def read(self, group: str, span: Span) -> list[Entry]:
        return await self._in_thread(lambda: self._of(group).read(span))

    async def stream_times(self, group: str) -> dict[str, StreamTimes]:
        return await self._in_thread(lambda: self._of(group).stream_times())

    async def stored_bytes(self, group: str) -> int:
        return await self._in_thread(lambda: self._of(group).stored_bytes)

    async def forget_group(self, group: str) -> None:
        await self._in_thread(lambda: self._of(group).remove())
        self._segments.pop(group, None)

    async def forget_stream(self, group: str, stream: str) -> None:
        await self._in_thread(lambda: self._of(group).delete_stream(stream))

    async def prune(self, oldest_ms: Mapping[str, int | None]) -> None:
        for group, before_ms in oldest_ms.items():
            if before_ms is not None:
                await self._in_thread(partial(self._prune, group, before_ms))
        await self._in_thread(lambda: self._remove_all_but({_folder_name(group) for group in oldest_ms}))

    async def close(self) -> None:
        self._thread.shutdown()

    def _append(self, group: str, entries: list[Entry]) -> None:
        try:
            self._of(group).append(entries)
        except OSError:
            # Half a line may be written; a file that is opened again is not written on to.
            self._segments.pop(group, None)
            raise

    def _prune(self, group: str, before_ms: int) -> None:
        self._of(group).prune(before_ms=before_ms)

    def _of(self, group: str) -> Segments:
        segments = self._segments.get(group)
        if segments is None:
            folder = self._folder / _folder_name(group)
            segments = self._segments[group] = Segments(folder, max_bytes=self._max_bytes)
        return segments

    def _remove_all_but(self, names: set[str]) -> None:
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                if path.name not in names:
                    shutil.rmtree(path, ignore_errors=True)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _folder_name(group: str) -> str:
    """A group's name may be longer than a file's, and has slashes."""
    return hashlib.sha256(group.encode()).hexdigest()
