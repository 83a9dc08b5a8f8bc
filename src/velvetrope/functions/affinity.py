"""Holding the event loop's thread on the processor where it is, for a while.

    affinity = ThreadAffinity()
    processor = affinity.hold()
    ...
    affinity.let_go()

A thread or a process inherits the processors of the thread that begins it. Nothing that the server begins may ever have
fewer than the server has, so that a thread that is held is let go of before it begins one: Python tells of that by an
audit event before the thread or the process is there. What a C library begins by itself is not told of. There
is one such thing in the server, the threads in which libuv looks up names; `begin_lookup_threads` has them begun before
anything is held.

The processors that the server was started with (`taskset`, a control group) are the most that it ever has: what is
given back is what was there before, unless somebody gave the thread others meanwhile.

Sources: sched_setaffinity(2), "CPU affinity … inherited"; Python's table of audit events.
"""

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from velvetrope.zygote.processors import hear_beginnings

__all__ = ["ThreadAffinity", "begin_lookup_threads"]


class ThreadAffinity:
    """Of the thread that calls `hold`, until `let_go`. One thread is held at a time by all of a process's."""

    def __init__(self) -> None:
        self._thread_id = 0
        """The kernel's; 0 while it is not held."""
        self._before: set[int] = set()
        self._processor = -1

    @property
    def held(self) -> bool:
        """Whether it is held still: it is let go of when its thread begins another one."""
        return self._thread_id != 0

    def hold(self) -> int | None:
        """Hold the calling thread where it is; the processor's number, None if it cannot be or has but one."""
        global _held
        if _current_processor is None or _held is not None:
            return None
        before, processor = os.sched_getaffinity(0), _current_processor()
        if len(before) < _SEVERAL or processor not in before:
            return None
        _listen_for_beginnings()
        try:
            os.sched_setaffinity(0, (processor,))
        except OSError:  # a sandbox of the server's own forbids it
            return None
        self._before, self._processor = before, processor
        self._thread_id, _held = threading.get_native_id(), self
        return processor

    def let_go(self) -> None:
        """Give the thread back the processors that it had. Nothing happens if it is not held."""
        global _held
        if not self._thread_id:
            return
        thread_id, self._thread_id, _held = self._thread_id, 0, None
        with suppress(ProcessLookupError):
            if os.sched_getaffinity(thread_id) != {self._processor}:
                return  # whoever runs the server has chosen others for it
            try:
                os.sched_setaffinity(thread_id, self._before)
            except ProcessLookupError:
                raise
            except OSError:  # none of them is left; the kernel gives what there is of all
                os.sched_setaffinity(thread_id, range(os.cpu_count() or 1))

    def before_beginning(self) -> None:
        """The calling thread begins another thread or a process."""
        if threading.get_native_id() == self._thread_id:
            self.let_go()


async def begin_lookup_threads() -> None:
    """Have the event loop begin the threads in which names are looked up, which are C's."""
    with suppress(OSError):
        numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
        await asyncio.get_running_loop().getnameinfo(("127.0.0.1", 9), numeric)


_SEVERAL = 2
_held: ThreadAffinity | None = None
_listening = False


def _listen_for_beginnings() -> None:
    """Begin to listen. That stays for as long as the process, so that it is not done before it is needed."""
    global _listening  # noqa: PLW0603
    if not _listening:
        _listening = True
        hear_beginnings(_before_beginning)


def _before_beginning() -> None:
    if _held is not None:
        _held.before_beginning()


def _find_current_processor() -> Callable[[], int] | None:
    """What tells the processor that the calling thread is on; None where there is none to be held on."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    import ctypes  # late: macOS need not load it

    # Of glibc and of musl. Source: sched_getcpu(3).
    found: Callable[[], int] | None = getattr(ctypes.CDLL(None), "sched_getcpu", None)
    return found


_current_processor = _find_current_processor()
