"""The server's end of the zygote: has processes forked, has them killed, and hears how they ended.

    zygote = Zygote()
    process = SandboxProcess(zygote, on_output=…, on_exit=…)
    await zygote.fork(process, connection, user=…)

The zygote (`velvetrope.zygote`) is a process of its own, begun when it is first needed, executed with an environment of
three variables and no descriptor but its control connection. If it ends, all that it forked ends with it, each process
is told so, and the next fork begins another one.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from contextlib import suppress

from velvetrope.functions.errors import ServiceException
from velvetrope.functions.processes import SandboxProcess, children_of
from velvetrope.functions.users import LeasedUser
from velvetrope.zygote import control

__all__ = ["Zygote"]

_STOP_SECONDS = 10.0

_GONE = "The function's process could not be started."


class Zygote:
    """See the module. Belongs to one event loop."""

    def __init__(self) -> None:
        self._running: _Running | None = None

    async def can_make_roots(self) -> bool:
        """Whether sandboxes can be given root folders of their own here. Begins the zygote."""
        roots, _ = await self._begin().ready
        return roots

    async def can_make_users(self) -> bool:
        """Whether sandboxes can be given users of their own that can still read the interpreter. Begins the zygote."""
        _, users = await self._begin().ready
        return users

    async def fork(self, process: SandboxProcess, connection: socket.socket, *, user: LeasedUser | None) -> None:
        """Fork `process`; `connection` is the sandbox's end of a socketpair with a START frame in it, and is closed.

        `user` is the user that it will make itself, if it is its own. Whoever may still run as a fresh one is killed
        before, and the zygote holds the lock too until it ends.

        Raises:
            ServiceException: the zygote could not be begun, or ended.
        """
        try:
            running = self._begin()
        except OSError as err:
            connection.close()
            process.end(-signal.SIGKILL, peak_kib=0)
            raise ServiceException(_GONE, detail=str(err)) from err
        await running.fork(process, connection, user)

    def kill(self, pid: int) -> None:
        """Kill a process that was forked here, and what it started. Nothing happens if it has ended."""
        if self._running is not None:
            self._running.kill(pid)

    def spread(self, pid: int, processor: int) -> None:
        """Let a process that was forked here, and what it began, run anywhere if they are held on this processor."""
        if self._running is not None:
            self._running.spread(pid, processor)

    def orphans(self) -> list[int]:
        """The processes that sandboxes started and that lost their parents since: they have become the zygote's."""
        return [] if self._running is None else self._running.orphans()

    async def close(self) -> None:
        """End the zygote, and with it all that it forked; returns when it is gone."""
        running, self._running = self._running, None
        if running is not None:
            await running.close()

    def _begin(self) -> "_Running":
        if self._running is None or self._running.gone:
            self._running = _Running()
        return self._running


class _Running:
    """One zygote process, from its begin to its end."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.gone = False
        self.ready: asyncio.Future[tuple[bool, bool]] = self._loop.create_future()
        self.ready.add_done_callback(lambda ready: ready.cancelled() or ready.exception())
        self._tickets = 0
        self._forks: dict[int, tuple[SandboxProcess, int, asyncio.Future[None]]] = {}
        """By ticket: what is forked, the user that it will be, and who waits for it."""
        self._processes: dict[int, SandboxProcess] = {}
        self._unsent: deque[tuple[bytes, list[socket.socket], list[int]]] = deque()
        ours, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(  # noqa: S603  our own module
                [sys.executable, "-s", "-P", "-m", "velvetrope.zygote", str(theirs.fileno())],
                env=_environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        self._control = ours
        self._received = b""
        self._loop.add_reader(ours.fileno(), self._readable)

    async def fork(self, process: SandboxProcess, connection: socket.socket, user: LeasedUser | None) -> None:
        self._tickets += 1
        ticket = self._tickets
        user_id, fresh, locks = (0, False, []) if user is None else (user.user_id, user.fresh, [os.dup(user.lock)])
        forked: asyncio.Future[None] = self._loop.create_future()
        self._forks[ticket] = (process, user_id, forked)
        message = control.render(control.FORK, ticket, user_id, int(fresh))
        self._send(message, [connection], [process.take_output(), *locks])
        # Whoever gave up meanwhile finds the process in `process`, and kills it.
        await asyncio.shield(forked)

    def kill(self, pid: int) -> None:
        if pid in self._processes:
            self._send(control.render(control.KILL, pid), [], [])

    def spread(self, pid: int, processor: int) -> None:
        if pid in self._processes:
            self._send(control.render(control.SPREAD, pid, processor), [], [])

    def orphans(self) -> list[int]:
        return [pid for pid in children_of(self._process.pid) if pid not in self._processes]

    async def close(self) -> None:
        self._end()
        try:
            await asyncio.to_thread(self._process.wait, _STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    def _send(self, message: bytes, sockets: list[socket.socket], descriptors: list[int]) -> None:
        if self.gone:
            _close(sockets, descriptors)
            return
        self._unsent.append((message, sockets, descriptors))
        if len(self._unsent) == 1:
            self._flush()

    def _flush(self) -> None:
        while self._unsent:
            message, sockets, descriptors = self._unsent[0]
            passed = [connection.fileno() for connection in sockets] + descriptors
            try:
                socket.send_fds(self._control, [message], passed)
            except BlockingIOError:
                self._loop.add_writer(self._control.fileno(), self._flush)
                return
            except (BrokenPipeError, ConnectionResetError):
                return  # the end of the connection is read next
            self._unsent.popleft()
            _close(sockets, descriptors)
        self._loop.remove_writer(self._control.fileno())

    def _readable(self) -> None:
        try:
            data = self._control.recv(control.MESSAGE_BYTES * 256)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            self._end()
            self._process.kill()  # it is ending, or of no use
            self._loop.run_in_executor(None, self._process.wait)
            return
        self._received += data
        size = control.MESSAGE_BYTES
        whole = len(self._received) // size * size
        messages, self._received = self._received[:whole], self._received[whole:]
        for at in range(0, whole, size):
            self._take(control.parse(messages[at : at + size]))

    def _take(self, message: control.Message) -> None:
        kind, first, second, third = message
        if kind == control.READY:
            self.ready.set_result((bool(first), bool(second)))
        elif kind == control.FORKED:
            process, user_id, forked = self._forks.pop(first)
            self._processes[second] = process
            process.begin(second, user_id=user_id)
            if not forked.done():
                forked.set_result(None)
        elif kind == control.EXITED:
            process = self._processes.pop(first)
            process.end(os.waitstatus_to_exitcode(second), peak_kib=third)

    def _end(self) -> None:
        if self.gone:
            return
        self.gone = True
        self._loop.remove_reader(self._control.fileno())
        self._loop.remove_writer(self._control.fileno())
        self._control.close()
        if not self.ready.done():
            self.ready.set_exception(ServiceException(_GONE))
        for _message, sockets, descriptors in self._unsent:
            _close(sockets, descriptors)
        self._unsent.clear()
        forks, self._forks = list(self._forks.values()), {}
        for process, _user_id, forked in forks:
            process.end(-signal.SIGKILL, peak_kib=0)
            if not forked.done():
                forked.set_exception(ServiceException(_GONE))
        processes, self._processes = list(self._processes.values()), {}
        for process in processes:
            process.end(-signal.SIGKILL, peak_kib=0)


def _environment() -> dict[str, str]:
    # The dynamic linker reads its path once, here; what is at these places is the function's in a root of its own.
    libraries = {"LD_LIBRARY_PATH": "/var/task:/var/task/lib:/opt/lib"} if os.geteuid() == 0 else {}
    return {"LANG": "C.UTF-8", "PATH": "/usr/local/bin:/usr/bin:/bin", "TZ": ":UTC", **libraries}


def _close(sockets: list[socket.socket], descriptors: list[int]) -> None:
    for connection in sockets:
        connection.close()
    for descriptor in descriptors:
        with suppress(OSError):
            os.close(descriptor)
