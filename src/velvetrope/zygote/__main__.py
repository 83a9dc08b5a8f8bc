"""The zygote's loop: fork when asked, kill when asked, and tell how each child ended.

    python -s -P -m velvetrope.zygote CONTROL_FD

Control messages have one length, both ways: a kind and three numbers.

| Message | From | Numbers |
|---|---|---|
| READY | zygote | 1 if it can give children a root folder of their own, 1 if a user of their own |
| FORK | server | ticket, user id (0: the server's own), 1 to kill that user's processes first; with descriptors |
| FORKED | zygote | ticket, process id |
| KILL | server | process id |
| SPREAD | server | process id, the processor that it and what it began are held on no more |
| EXITED | zygote | process id, status as wait(2) gives it, peak memory in KiB |

A child that ended takes everything with it that it started: its session, and where it had a user of its own, every
process of that user. EXITED is said when they are gone.

The descriptors are the child's socket and its output, and the lock of a user that is its own: nobody else is to be
given that user before this zygote has ended, which may be after its server.

The zygote ends when the server does, however that came about: its control connection ends then. It kills what is left
of its children first, orphans that hid in sessions of their own included; should it be killed itself, the kernel kills
its children.
"""

import gc
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress

from velvetrope.zygote.control import EXITED, FORK, FORKED, KILL, READY, SPREAD, receive, send
from velvetrope.zygote.isolation import become_subreaper, can_make_roots, can_make_users, kill_processes_of_user
from velvetrope.zygote.launch import become
from velvetrope.zygote.processors import spread

__all__: list[str] = []

_ANY_USER = 60_706
"""One to try whether users can be had; the first that sandboxes get."""

_MAX_ROUNDS = 1000
"""How often we look whether killed processes are gone, a millisecond apart."""


class _Zygote:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._users: dict[int, int] = {}
        """The children that are not waited for yet, and the user of each (0: not its own)."""
        self._locks: dict[int, int] = {}
        """The lock of every user that a child ever was, held until this process ends."""

    def serve(self) -> tuple[socket.socket, int] | None:
        """Serve until the server is gone, and return None; in a forked child, return its socket and its output."""
        woken, wake = os.pipe()
        os.set_blocking(woken, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        poller.register(woken, select.POLLIN)
        while True:
            for descriptor, _ in poller.poll():
                if descriptor == woken:
                    with suppress(BlockingIOError):
                        os.read(woken, 4096)
                    if hasattr(os, "waitid"):
                        self._reap()
                    else:  # macOS, before Python 3.13
                        self._reap_blindly()
                    continue
                message, descriptors = receive(self._control)
                if message is None:
                    return None
                kind, first, second, third = message
                if kind == KILL:
                    self._kill(first)
                elif kind == SPREAD:
                    if first in self._users:  # not waited for yet, see _kill
                        spread(first, second, os.sched_getaffinity(0))
                elif kind == FORK:
                    if third:
                        self._end_user(second)
                    child = self._fork(first, second, descriptors)
                    if child is not None:
                        signal.set_wakeup_fd(-1)
                        return child

    def _fork(self, ticket: int, user_id: int, descriptors: list[int]) -> tuple[socket.socket, int] | None:
        connection, output, *locks = descriptors
        for lock in locks:
            if self._locks.setdefault(user_id, lock) != lock:
                os.close(lock)
        pid = os.fork()
        if pid == 0:
            return socket.socket(fileno=connection), output
        self._users[pid] = user_id
        os.close(connection)
        os.close(output)
        send(self._control, FORKED, ticket, pid)
        return None

    def _kill(self, pid: int) -> None:
        if pid in self._users:  # not waited for yet: nobody else can have been given its id
            self._end_group(pid)

    def _end_group(self, pid: int) -> None:
        # The child leads a session, unless it is so young that it does not yet.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)

    def _end_user(self, user_id: int) -> None:
        kill_processes_of_user(user_id)
        # What the child left behind has become ours, as we are its reaper. It goes at a time of its own.
        for _ in range(_MAX_ROUNDS):
            orphans = [pid for pid in _children() if pid not in self._users and _user_of(pid) == user_id]
            if not orphans:
                return
            for pid in orphans:
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            time.sleep(0.001)

    def end_all(self) -> None:
        """Kill every child, and the orphans that came to be this process's own."""
        while children := _children():
            for pid in children:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            for pid in children:
                with suppress(ChildProcessError):
                    os.waitpid(pid, 0)

    def _reap(self) -> None:
        with suppress(ChildProcessError):  # there is none left
            while pid := _ended_child():
                user_id = self._users.pop(pid, None)
                if user_id is not None:
                    self._end_group(pid)
                _, status, usage = os.wait4(pid, 0)
                if user_id is not None:
                    self._ended(pid, status, usage.ru_maxrss, user_id)

    def _reap_blindly(self) -> None:
        """Where no child can be looked at without waiting for it: its group is ended after that."""
        for pid in list(self._users):
            found, status, usage = os.wait4(pid, os.WNOHANG)
            if found:
                user_id = self._users.pop(pid)
                self._end_group(pid)
                self._ended(pid, status, usage.ru_maxrss // 1024, user_id)  # macOS counts in bytes

    def _ended(self, pid: int, status: int, peak_kib: int, user_id: int) -> None:
        if user_id:
            self._end_user(user_id)
        send(self._control, EXITED, pid, status, peak_kib)


def _ended_child() -> int:
    """A child that has ended and is not waited for yet, so that its process id is nobody else's; 0 if there is none."""
    found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    return found.si_pid if found is not None else 0


def _children() -> list[int]:
    """The process ids of this process's children; none where the system does not say."""
    pid = os.getpid()
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as found:  # noqa: PTH123  pathlib would cost every sandbox its memory
            return [int(child) for child in found.read().split()]
    except OSError:
        return []


def _user_of(pid: int) -> int:
    """The user that a process runs as; -1 if it is gone."""
    with suppress(OSError), open(f"/proc/{pid}/status") as status:  # noqa: PTH123
        for line in status:
            if line.startswith("Uid:"):
                return int(line.split()[1])
    return -1


def main() -> None:
    """Run the zygote; in a child, run what it becomes."""
    become_subreaper()
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    send(control, READY, int(can_make_roots()), int(can_make_users(_ANY_USER)))
    gc.collect()
    # What is imported by now is never garbage; children that collect theirs leave it shared.
    gc.freeze()
    zygote_pid = os.getpid()
    zygote = _Zygote(control)
    child = zygote.serve()
    if child is None:
        zygote.end_all()
    else:
        control.detach()
        become(*child, parent_pid=zygote_pid)


if __name__ == "__main__":
    main()
