"""The sandboxes of one version of a function: reused while warm, added under load, ended when idle.

An invocation takes the sandbox that was used last. If none is free it waits in line; the first one to wait with no
sandbox at all starts one at once, and who waits on adds one every `SCALE_OUT_SECONDS`, up to `limit`, as long as more
wait than are starting. (Lambda adds one for every invocation that finds none free. Here a start costs many times what a
quick handler does, on the same processors, so that a short line is the faster way; a slow handler still gets its
sandboxes, as many at once as there are processors to start them.) A line that moves quickly but never ends, for
`STANDING_LINE_SECONDS`, adds one too, up to one for each processor. Past `limit` invocations go on waiting, in order,
up to `MAX_WAITING`; then they are throttled.

A sandbox that ends, however that came about, is replaced when somebody waits. A sandbox whose start fails answers who
waits for it: everybody if nothing else of the pool lives, for they would fail alike; else the first in line.

All pools of a server share a number of sandboxes. Where it is reached, the one that has been idle longest, in whichever
pool, makes room; if none is idle, who finds no sandbox of their own pool at all is throttled, and the others go on
waiting.

`retire()` is for a version that was changed or deleted: what runs or waits is still served, nothing is reused.
"""

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

from velvetrope.functions.errors import ServiceException, TooManyRequestsException
from velvetrope.functions.invocations import InitFailed, Invocation, Outcome
from velvetrope.functions.sandbox import Sandbox
from velvetrope.functions.sharing import ProcessorSharing

__all__ = ["MakeSandbox", "SandboxPool"]

SCALE_OUT_SECONDS = 0.025
"""A line of quick invocations moves on within this, even while another sandbox's start takes processor time."""

STANDING_LINE_SECONDS = 0.1
"""A line that somebody has stood in all this time is no burst: its sandboxes are always busy."""

PROCESSORS = os.cpu_count() or 1
MAX_STARTS = PROCESSORS
"""Starts at once, beyond the first: more of them would only wait for each other."""

MAX_WAITING = 1000

SandboxCallback = Callable[[Sandbox], None]
MakeSandbox = Callable[[SandboxCallback, SandboxCallback], Awaitable[Sandbox]]
"""Makes a sandbox that is not started yet, given what to call when it is idle and when it has ended."""


class SandboxPool:
    """See the module. Belongs to one event loop."""

    def __init__(
        self,
        make_sandbox: MakeSandbox,
        *,
        limit: int,
        idle_seconds: float,
        make_room: Callable[[], bool],
        sharing: ProcessorSharing,
    ) -> None:
        """`make_room` says whether the server may have one sandbox more, after ending an idle one if need be."""
        self._make_sandbox = make_sandbox
        self._make_room = make_room
        self._sharing = sharing
        self._limit = limit
        self._idle_seconds = idle_seconds
        self._loop = asyncio.get_running_loop()
        self._live: set[Sandbox] = set()
        """Those that take invocations, or will: starting, idle or busy."""
        self._unended: set[Sandbox] = set()
        """Those whose process is not gone yet; the live ones and the ones being ended."""
        self._unmade = 0
        """Starts whose sandbox is not among the live ones yet: their credentials are still being fetched."""
        self._idle: list[Sandbox] = []
        """The one used last is last."""
        self._waiters: deque[asyncio.Future[Sandbox]] = deque()
        self._line_since = 0.0
        """When somebody came to wait while nobody else did, or when the line was last given a sandbox."""
        self._starts: set[asyncio.Task[None]] = set()
        self._retired = False
        self._closed = False
        self.in_flight = 0
        """Invocations that run or wait."""

    @property
    def sandboxes(self) -> frozenset[Sandbox]:
        """All whose process is not gone yet."""
        return frozenset(self._unended)

    @property
    def size(self) -> int:
        """How many live here, or are about to."""
        return len(self._live) + self._unmade

    @property
    def idle_since(self) -> float | None:
        """Since when the one that has been idle longest is, in the event loop's time; None if none is idle."""
        return min((sandbox.idle_since for sandbox in self._idle), default=None)

    @property
    def empty(self) -> bool:
        """Whether nothing lives or waits here."""
        return not (self._unended or self._starts or self.in_flight)

    async def invoke(self, invocation: Invocation) -> Outcome:
        """Run one invocation in a sandbox of this pool.

        Raises:
            TooManyRequestsException: too many wait already, or the server has all the sandboxes that it may have.
            AccessDeniedException: the execution role cannot be assumed.
            ServiceException: the server is stopping.
        """
        self.in_flight += 1
        self._sharing.begin()
        try:
            sandbox = self._take_idle() or await self._wait_for_sandbox()
            while not sandbox.idle:  # it ended in the moment that it was handed over
                sandbox = self._take_idle() or await self._wait_for_sandbox()
            return await sandbox.invoke(invocation)
        except InitFailed as failure:
            return failure.outcome(invocation.request_id)
        finally:
            self._sharing.end()
            self.in_flight -= 1

    async def prewarm(self) -> None:
        """Have one sandbox ready, so that the next invocation need not wait for a start.

        Raises:
            InitFailed: its initialisation failed. The next invocation tries again, and is told.
            AccessDeniedException: the execution role cannot be assumed.
            TooManyRequestsException: the server has all the sandboxes that it may have.
        """
        if not self._live and not self._starts:
            if not self._make_room():
                raise _no_room()
            await self._wait(self._start())
        elif not self._idle and self._starts:
            await self._wait(*self._starts)

    def sweep(self) -> None:
        """End what has been idle for too long, and replace what will soon be without credentials."""
        now = self._loop.time()
        for sandbox in list(self._idle):
            if now - sandbox.idle_since >= self._idle_seconds:
                self._end(sandbox)
            elif not sandbox.usable:
                self._end(sandbox)
                if not self._live and not self._starts and not self._retired:
                    self._start()

    def end_longest_idle(self) -> None:
        """End the sandbox that has been idle longest, so that another pool may have one."""
        if self._idle:
            self._end(min(self._idle, key=lambda sandbox: sandbox.idle_since))

    def retire(self) -> None:
        """Serve what runs and waits, and nothing after that."""
        self._retired = True
        for sandbox in list(self._idle):
            self._end(sandbox)

    async def close(self) -> None:
        """End everything now; whoever runs or waits is answered with an error. Returns when no process is left."""
        self._retired = self._closed = True
        starts = list(self._starts)
        for start in starts:
            start.cancel()
        self._fail_waiters(ServiceException("The server is stopping."))
        await asyncio.gather(*starts, return_exceptions=True)
        sandboxes = list(self._unended)
        for sandbox in sandboxes:
            sandbox.kill()
        await asyncio.gather(*(sandbox.wait_ended() for sandbox in sandboxes))

    def _take_idle(self) -> Sandbox | None:
        while self._idle:
            sandbox = self._idle.pop()
            if sandbox.idle and sandbox.usable:
                return sandbox
            self._end(sandbox)
        return None

    async def _wait_for_sandbox(self) -> Sandbox:
        if self._closed:
            raise ServiceException("The server is stopping.")
        if len(self._waiters) >= MAX_WAITING:
            raise TooManyRequestsException(reason="ConcurrentInvocationLimitExceeded")
        waiter: asyncio.Future[Sandbox] = self._loop.create_future()
        if not self._waiters:
            self._line_since = self._loop.time()
        self._waiters.append(waiter)
        self._keep_moving()
        self._help_standing_line()
        self._loop.call_later(SCALE_OUT_SECONDS, self._scale_out, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                with suppress(ValueError):  # whoever came upon it first has taken it out
                    self._waiters.remove(waiter)
            elif waiter.exception() is None:
                self._on_idle(waiter.result())  # it was given a sandbox in the moment that it went away
            raise

    def _keep_moving(self) -> None:
        """Whoever waits is waited for by something: a start, or a sandbox that will be idle again."""
        if self._waiters and not self._live and not self._starts and not self._closed:
            if self._make_room():
                self._start()
            else:
                self._fail_waiters(_no_room())

    def _help_standing_line(self) -> None:
        now = self._loop.time()
        stands = now - self._line_since > STANDING_LINE_SECONDS
        if stands and not self._starts and len(self._live) < min(self._limit, PROCESSORS) and self._make_room():
            self._line_since = now
            self._start()

    def _scale_out(self, waiter: asyncio.Future[Sandbox]) -> None:
        if waiter.done():
            return
        covered = len(self._starts) >= min(len(self._waiters), MAX_STARTS)
        if not covered and self.size < self._limit and self._make_room():
            self._start()
        self._loop.call_later(SCALE_OUT_SECONDS, self._scale_out, waiter)

    def _start(self) -> "asyncio.Task[None]":
        self._unmade += 1
        task = self._loop.create_task(self._run_start())
        self._starts.add(task)
        task.add_done_callback(self._start_done)
        return task

    async def _run_start(self) -> None:
        self._sharing.begin()
        try:
            try:
                sandbox = await self._make_sandbox(self._on_idle, self._on_ended)
            finally:
                self._unmade -= 1
            self._live.add(sandbox)
            self._unended.add(sandbox)
            try:
                await sandbox.start()
            except BaseException:
                self._live.discard(sandbox)
                raise
        finally:
            self._sharing.end()

    def _start_done(self, task: "asyncio.Task[None]") -> None:
        self._starts.discard(task)
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            self._fail_waiters(failure, first_only=bool(self._live or self._starts))
        self._keep_moving()

    def _fail_waiters(self, failure: BaseException, *, first_only: bool = False) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(failure)
                if first_only:
                    return

    async def _wait(self, *starts: "asyncio.Task[None]") -> None:
        done, _ = await asyncio.wait(starts, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if not task.cancelled():
                task.result()

    def _on_idle(self, sandbox: Sandbox) -> None:
        if not sandbox.usable:
            self._end(sandbox)
            self._keep_moving()
            return
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(sandbox)
                return
        if self._retired:
            self._end(sandbox)
        else:
            self._idle.append(sandbox)

    def _on_ended(self, sandbox: Sandbox) -> None:
        self._unended.discard(sandbox)
        self._forget(sandbox)
        self._keep_moving()

    def _end(self, sandbox: Sandbox) -> None:
        self._forget(sandbox)
        sandbox.kill()

    def _forget(self, sandbox: Sandbox) -> None:
        self._live.discard(sandbox)
        with suppress(ValueError):
            self._idle.remove(sandbox)


def _no_room() -> TooManyRequestsException:
    return TooManyRequestsException(
        reason="ConcurrentInvocationLimitExceeded", detail="The server has all the sandboxes that it may have."
    )
