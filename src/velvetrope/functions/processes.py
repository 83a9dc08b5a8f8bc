"""One process of a sandbox: forked by the zygote, listened to, measured, and ended with all that it started.

Its standard output and error are one pipe to us. It is killed and waited for by the zygote, whose child it is, so that
no process id can have been given to somebody else meanwhile.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Protocol

__all__ = ["Forker", "SandboxProcess", "children_of", "describe_exit"]

_READ_BYTES = 65_536
_MAX_READS = 16
"""Reads of the output in one go, after which others get their turn."""

_MEASURE_SECONDS = 0.02
"""How long a measurement of memory is good for: the watch over memory takes one as often."""


class Forker(Protocol):
    """Whoever forked the process, and takes over what its children leave behind."""

    def kill(self, pid: int) -> None: ...
    def spread(self, pid: int, processor: int) -> None: ...
    def orphans(self) -> list[int]: ...


class SandboxProcess:
    """A process, until `on_exit` was called with its return code (negative: the signal that ended it)."""

    def __init__(self, forker: Forker, *, on_output: Callable[[bytes], None], on_exit: Callable[[int], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._forker = forker
        self._on_output = on_output
        self._on_exit = on_exit
        self.pid: int | None = None
        """None until it is forked."""
        self.on_begin: Callable[[int], None] | None = None
        """Told of its id once it is forked."""
        self.has_storage = False
        """Whether its `/tmp` is a file system of its own, in memory."""
        self._user_id = 0
        self._ended = self._killed = False
        self._peak_pages = 0
        self._measure_at = 0.0
        self._memory = -1
        self._memory_lock = threading.Lock()
        """Measured in a thread, ended on the event loop: a closed descriptor's number is soon somebody else's."""
        self._output, self._output_end = os.pipe()
        os.set_blocking(self._output, False)
        self._loop.add_reader(self._output, self.drain_output)

    def take_output(self) -> int:
        """The descriptor that the process writes to; whoever takes it closes it."""
        descriptor, self._output_end = self._output_end, -1
        return descriptor

    def begin(self, pid: int, *, user_id: int) -> None:
        """It was forked. `user_id` is the user that nothing but it and what it starts runs as; 0 if there is none."""
        self.pid, self._user_id = pid, user_id
        with suppress(OSError):
            self._memory = os.open(f"/proc/{pid}/statm", os.O_RDONLY | os.O_CLOEXEC)
        if self.on_begin is not None:
            self.on_begin(pid)
        if self._killed:
            self._forker.kill(pid)

    def end(self, return_code: int, *, peak_kib: int) -> None:
        """It is gone, and all that it started; or it was never forked."""
        if self._ended:
            return
        self._ended = True
        with self._memory_lock:
            self._peak_pages = max(self._peak_pages, peak_kib * 1024 // _PAGE_BYTES)
        self.drain_output()
        self._close_output()
        if self._output_end >= 0:
            os.close(self.take_output())
        with self._memory_lock:
            memory, self._memory = self._memory, -1
        if memory >= 0:
            os.close(memory)
        self._on_exit(return_code)

    def drain_output(self) -> None:
        """Hand over what the process has written so far."""
        for _ in range(_MAX_READS):
            if self._output < 0:
                return
            try:
                data = os.read(self._output, _READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                self._close_output()
                return
            self._on_output(data)
            if len(data) < _READ_BYTES:
                return

    def measure_memory(self) -> int:
        """The resident memory of the process and its children now, in bytes; 0 where it cannot be known.

        Of pages that it shares with children, each counts its part. May be asked in any thread.
        """
        pages = self._measure()
        if self.pid is None or pages == 0:
            return 0
        children = _descendants(self.pid, *filter(self._started, self._forker.orphans()))
        if not children:
            return pages * _PAGE_BYTES
        return sum(_proportional_bytes(pid) for pid in (self.pid, *children))

    def measure_storage(self) -> int:
        """The memory that its files take, in bytes. May be asked in any thread."""
        if self.pid is None or not self.has_storage:
            return 0
        root = f"/proc/{self.pid}/root"
        try:
            if os.stat(root).st_dev == os.stat("/").st_dev:  # noqa: PTH116  asked often
                return 0  # it has no root folder of its own yet
            found = os.statvfs(f"{root}/tmp")  # noqa: S108  its own
        except OSError:  # it has ended
            return 0
        return (found.f_blocks - found.f_bfree) * found.f_frsize

    def _started(self, orphan: int) -> bool:
        """Whether a process without a parent is one of this one's."""
        if self._user_id:
            return _user_of(orphan) == self._user_id
        with suppress(ProcessLookupError):
            return os.getsid(orphan) == self.pid
        return False

    def _measure(self) -> int:
        with self._memory_lock, suppress(OSError, IndexError):
            if self._memory >= 0:
                # statm: total, resident, … in pages. Source: proc_pid_statm(5).
                pages = int(os.pread(self._memory, 64, 0).split()[1])
                self._peak_pages = max(self._peak_pages, pages)
                self._measure_at = monotonic() + _MEASURE_SECONDS
                return pages
        return 0

    def peak_memory_mb(self) -> int:
        """The most resident memory that was seen at any measurement, in whole MB; measured anew now and then."""
        if monotonic() >= self._measure_at:
            self._measure()
        return -(-self._peak_pages * _PAGE_BYTES // 1_048_576)

    def kill(self) -> None:
        """End the process and its children now. `on_exit` follows once it is gone."""
        if self._killed or self._ended:
            return
        self._killed = True
        if self.pid is not None:
            self._forker.kill(self.pid)

    def spread(self, processor: int) -> None:
        """Let it run anywhere, if it is held on this processor."""
        if self.pid is not None and not self._ended:
            self._forker.spread(self.pid, processor)

    def _close_output(self) -> None:
        if self._output >= 0:
            self._loop.remove_reader(self._output)
            os.close(self._output)
            self._output = -1


def describe_exit(return_code: int) -> str:
    """Lambda's words for how a runtime ended: by itself, with a status, or by a signal."""
    if return_code == 0:
        return "Runtime exited without providing a reason"
    if return_code > 0:
        return f"Runtime exited with error: exit status {return_code}"
    name = signal.strsignal(-return_code) or f"signal {-return_code}"
    return f"Runtime exited with error: signal: {name.lower()}"


_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def children_of(pid: int) -> list[int]:
    """The process ids of a process's children; none if it is gone, or where the system does not say."""
    found: list[int] = []
    # A process or a thread may end while it is looked at.
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208  asked often
            with suppress(OSError), Path(f"/proc/{pid}/task/{thread}/children").open() as children:
                found += [int(child) for child in children.read().split()]
    return found


def _descendants(pid: int, *orphans: int) -> list[int]:
    """What the process started, and what that started; `orphans` are some of it whose parents have ended."""
    found = list(orphans)
    ask = [pid, *orphans]
    while ask:
        ask += (more := children_of(ask.pop()))
        found += more
    return found


def _user_of(pid: int) -> int:
    """The user that a process runs as; -1 if it is gone."""
    with suppress(OSError), Path(f"/proc/{pid}/status").open(errors="replace") as status:
        for line in status:
            if line.startswith("Uid:"):
                return int(line.split()[1])
    return -1


def _proportional_bytes(pid: int) -> int:
    """The resident memory of a process, of shared pages its part. Source: proc_pid_smaps(5), smaps_rollup."""
    with suppress(OSError), Path(f"/proc/{pid}/smaps_rollup").open() as rollup:
        for line in rollup:
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
