"""One process of a sandbox: started clean, listened to, watched, and ended with all that it started.

A process begins with no descriptor but its standard three (input is empty, output and error are one pipe to us), in a
session of its own, so that ending it ends its children too. Its exit is seen through a pidfd, which works alike under
asyncio and uvloop, needs no thread and leaves SIGCHLD to others; where the system has none, a thread waits.

The process must be started from the event loop's own thread: the kernel ends it when the thread that started it ends
(see `launch`). Children that start a session of their own escape; keeping those in needs cgroups and is not done here.
"""

import asyncio
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

__all__ = ["SandboxProcess", "describe_exit"]

_READ_BYTES = 65_536
_MAX_READS = 16
"""Reads of the output in one go, after which others get their turn."""


class SandboxProcess:
    """A running process, until `on_exit` was called with its return code (negative: the signal that ended it)."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        on_output: Callable[[bytes], None],
        on_exit: Callable[[int], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_output = on_output
        self._on_exit = on_exit
        self._process = subprocess.Popen(  # noqa: S603  what runs is our launcher
            arguments,
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._exited = False
        self._peak_pages = 0
        self._output = self._process.stdout.fileno() if self._process.stdout else -1
        os.set_blocking(self._output, False)
        self._loop.add_reader(self._output, self.drain_output)
        self._memory = _open_memory(self.pid)
        self._watch()

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

    def measure_peak_memory_mb(self) -> int:
        """The most resident memory that was seen at any of these calls, in whole MB; 0 where it cannot be known."""
        if self._memory >= 0:
            with suppress(OSError, IndexError):
                # statm: total, resident, … in pages. Source: proc_pid_statm(5).
                self._peak_pages = max(self._peak_pages, int(os.pread(self._memory, 64, 0).split()[1]))
        return -(-self._peak_pages * _PAGE_BYTES // 1_048_576)

    def kill(self) -> None:
        """End the process and its children now. `on_exit` follows once it is gone."""
        if not self._exited:
            # The group's id cannot have been given to others: the process is not waited for yet.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def _watch(self) -> None:
        if hasattr(os, "pidfd_open"):
            pidfd = os.pidfd_open(self.pid)

            def gone() -> None:
                self._loop.remove_reader(pidfd)
                os.close(pidfd)
                self._end()

            self._loop.add_reader(pidfd, gone)
            return

        def wait() -> None:
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            with suppress(RuntimeError):  # the loop is closed; nobody listens any more
                self._loop.call_soon_threadsafe(self._end)

        threading.Thread(target=wait, name=f"sandbox-{self.pid}", daemon=True).start()

    def _end(self) -> None:
        self.kill()  # what the process left running
        self._exited = True
        self.drain_output()
        self._close_output()
        if self._memory >= 0:
            os.close(self._memory)
            self._memory = -1
        self._on_exit(self._process.wait())

    def _close_output(self) -> None:
        if self._output >= 0:
            self._loop.remove_reader(self._output)
            self._output = -1
            if self._process.stdout:
                self._process.stdout.close()


def describe_exit(return_code: int) -> str:
    """Lambda's words for how a runtime ended: by itself, with a status, or by a signal."""
    if return_code == 0:
        return "Runtime exited without providing a reason"
    if return_code > 0:
        return f"Runtime exited with error: exit status {return_code}"
    name = signal.strsignal(-return_code) or f"signal {-return_code}"
    return f"Runtime exited with error: signal: {name.lower()}"


_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def _open_memory(pid: int) -> int:
    try:
        return os.open(f"/proc/{pid}/statm", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1
