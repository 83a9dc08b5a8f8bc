"""A sandbox's side of sharing a processor with the server (`functions.sharing`).

The server names a processor in an event, or none. A runtime that was named one holds its thread there (`Follower`)
from its next wait for an event on, and gives it up when an event names none, or when none comes for `PATIENCE_SECONDS`.
A runtime that has chosen processors of its own is left alone.

Threads and processes inherit the processors of the thread that begins them. What Python begins, it tells of before, and
the thread is let go of then. What a C library begins is found when the thread is let go of (`spread`), which the server
has done from outside when a handler takes long.

Sources: sched_setaffinity(2); proc(5), /proc/[pid]/task; socket(7), SO_RCVTIMEO; Python's table of audit events.
"""

import os
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

__all__ = ["Follower", "hear_beginnings", "spread"]

_BEGINNINGS = frozenset(
    {
        "_thread.start_new_thread",  # Python 3.12
        "_thread.start_joinable_thread",  # Python 3.13
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.system",
        "subprocess.Popen",
    }
)
"""Audit events that Python raises before it begins a thread or a process."""

_AUDITS_THREADS = sys.version_info >= (3, 12)

PATIENCE_SECONDS = 0.01

_PATIENT = struct.pack("@ll", 0, int(PATIENCE_SECONDS * 1_000_000))
_FOREVER = struct.pack("@ll", 0, 0)
"""A timeval: seconds and microseconds."""


class Follower:
    """The runtime's thread, on the processor that the server names. `connection` is what it waits at."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._named: int | None = None
        self._held_on: int | None = None
        self._own: set[int] = set()
        """What the thread had when it was first held."""
        self._impatient = False
        self._listening = False
        self._thread_id = 0

    def follow(self, processor: int | None) -> None:
        """An event named this processor, or none."""
        self._named = processor
        if processor is None and self._held_on is not None:
            self.let_go()

    def settle(self) -> None:
        """The next event is waited for now."""
        processor = self._named
        if processor is None:
            return
        present = os.sched_getaffinity(0)
        if present == {processor}:
            return
        if not self._listening:
            self._own, self._thread_id = present, threading.get_native_id()
            self._listening = True
            hear_beginnings(self._before_beginning)
        if processor in self._own == present:
            with suppress(OSError):
                os.sched_setaffinity(0, (processor,))
                self._held_on = processor
                if not self._impatient:
                    self._set_patience(_PATIENT)

    def give_up(self) -> None:
        """No event came for a while. The next one is waited for wherever, and for however long."""
        self._named = None
        self.let_go()
        self._set_patience(_FOREVER)

    def let_go(self) -> None:
        """Have the thread, and whatever began while it was held, run anywhere."""
        processor, self._held_on = self._held_on, None
        if processor is not None:
            spread(os.getpid(), processor, self._own)

    def _before_beginning(self) -> None:
        if self._held_on is not None and threading.get_native_id() == self._thread_id:
            self.let_go()

    def _set_patience(self, patience: bytes) -> None:
        # The kernel's own timeout costs nothing when an event comes; Python's would poll before each receive.
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)
        self._impatient = patience != _FOREVER


def hear_beginnings(before: Callable[[], None]) -> None:
    """Have `before` called by each thread that is about to begin another or a process, as long as this process lives.

    Not told of are threads and processes that C begins, and those of `multiprocessing` that are not forked.
    """

    def heard(event: str, _arguments: object) -> None:
        if event in _BEGINNINGS:
            before()

    sys.addaudithook(heard)
    if not _AUDITS_THREADS:
        names = vars(threading)
        start = names["_start_new_thread"]

        def start_after(*arguments: object) -> object:
            before()
            return start(*arguments)

        names["_start_new_thread"] = start_after


def spread(pid: int, processor: int, processors: Iterable[int]) -> None:
    """Let all threads of a process, and of what it began, that are held on this processor run on these."""
    for process in (pid, *_descendants(pid)):
        for thread in _listed(f"/proc/{process}/task", os.listdir) or [str(process)]:
            with suppress(OSError):  # it has ended, or none of the processors is left
                if os.sched_getaffinity(int(thread)) == {processor}:
                    os.sched_setaffinity(int(thread), processors)


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    ask = [pid]
    while ask:
        of = ask.pop()
        for thread in _listed(f"/proc/{of}/task", os.listdir):
            more = [int(child) for child in _listed(f"/proc/{of}/task/{thread}/children", _read_words)]
            found += more
            ask += more
    return found


def _listed(path: str, list_it: Callable[[str], list[str]]) -> list[str]:
    """What there is; nothing if it has ended, or where the system does not say."""
    try:
        return list_it(path)
    except OSError:
        return []


def _read_words(path: str) -> list[str]:
    with open(path) as found:  # noqa: PTH123  pathlib would cost every sandbox its memory
        return found.read().split()
