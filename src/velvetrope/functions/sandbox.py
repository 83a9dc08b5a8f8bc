"""One sandbox: a process, its Runtime API, and one invocation at a time.

    starting --next--> idle --invoke--> invoking --response or error--> responded --next--> idle
        \\____________________\\________________\\________________________\\___ exit, kill ___> ended

A sandbox answers every invocation exactly once: with what the function returned, with the error that it posted, or with
what happened to it instead (timed out, exited, result too large). It is idle again only when its runtime asks for the
next event, as on Lambda. An invocation whose caller went away runs on to its end. After a timeout the process is ended;
there is no way back from `ended`, whoever keeps sandboxes makes a new one.

Unlike on Lambda, nothing freezes between invocations: threads that a handler leaves running go on.

Sources: AWS Lambda Developer Guide, "Lambda execution environment lifecycle"; payloads as recorded in
reference/lambda.md section 3.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum, auto
from time import perf_counter

import msgspec

from velvetrope.clock import Clock
from velvetrope.functions.channels import Channel, Event, Refusal, Verdict, Waiting
from velvetrope.functions.invocations import TAIL_BYTES, InitFailed, Invocation, Outcome, render_error
from velvetrope.functions.logs import FunctionLogs, LogEvent, render_report
from velvetrope.functions.memory import MemoryWatch
from velvetrope.functions.processes import SandboxProcess, describe_exit
from velvetrope.functions.sharing import ProcessorSharing
from velvetrope.functions.starting import Launch, Launched, SandboxSettings
from velvetrope.zygote.frames import MAX_ANSWER_BYTES

__all__ = ["Sandbox"]

INIT_SECONDS = 10.0
"""How long initialisation may take. Lambda then tries again under the function's timeout; we add that time at once."""

_TIMER_SECONDS = 0.002
"""How early an event loop's timer may ring."""

_MAX_LINE_BYTES = 262_144
"""A line longer than a CloudWatch event is kept in pieces."""

_INVALID_REQUEST_ID = Refusal(400, "InvalidRequestID", "Invalid request ID")
_TOO_LARGE = Refusal(413, "RequestEntityTooLarge", f"Exceeded maximum allowed payload size ({MAX_ANSWER_BYTES} bytes).")


class _State(IntEnum):
    STARTING = auto()
    IDLE = auto()
    INVOKING = auto()
    RESPONDED = auto()
    ENDED = auto()


@dataclass(slots=True)
class _Running:
    """The invocation that a sandbox is at."""

    invocation: Invocation
    started: float
    """By `perf_counter`: the event loop's time moves on in milliseconds, and only when it wakes."""
    ended: "asyncio.Future[Outcome]"
    init_ms: float | None
    log: bytearray = field(default_factory=bytearray)


class Sandbox:
    """See the module. `on_idle` is called each time it can take an invocation, `on_ended` once, when it is gone."""

    def __init__(
        self,
        settings: SandboxSettings,
        *,
        launch: Launch,
        log_stream: str,
        logs: FunctionLogs,
        clock: Clock,
        watch: MemoryWatch,
        sharing: ProcessorSharing,
        usable_until: datetime,
        on_idle: Callable[["Sandbox"], None],
        on_ended: Callable[["Sandbox"], None],
    ) -> None:
        self.settings = settings
        self._launch = launch
        self._log_stream = log_stream
        self._logs = logs
        self._clock = clock
        self._watch = watch
        self._sharing = sharing
        self._on_idle = on_idle
        self._on_ended = on_ended
        self._loop = asyncio.get_running_loop()
        self._state = _State.STARTING
        self._process: SandboxProcess | None = None
        self._channel: Channel | None = None
        self._waiting: Waiting | None = None
        self._running: _Running | None = None
        self._ready: asyncio.Future[InitFailed | None] = self._loop.create_future()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._ends_at: float | None = None
        """In the event loop's time; None while nothing runs. The timer may ring before."""
        self._started_at = perf_counter()
        # By the clock that sessions expire by: the event loop's stands still while a machine sleeps.
        self._usable_until = usable_until
        self._made_at = clock.now()
        self._init_ms: float | None = None
        self._log_between = bytearray()
        """Written while there was no invocation; the next one's log begins with it."""
        self._partial_line = b""
        self._served = False
        self._out_of_memory = False
        self._ending = False
        """Killed, or of no use any more; it must not take another invocation, whatever its runtime still asks for."""
        self.idle_since = self._loop.time()

    @property
    def process_id(self) -> int | None:
        """The process's id; None before it was started."""
        return self._process.pid if self._process else None

    @property
    def idle(self) -> bool:
        """Whether it can take an invocation now."""
        return self._state is _State.IDLE and self._waiting is not None and not self._ending

    @property
    def busy(self) -> bool:
        """Whether its process is at work, as far as we know."""
        return self._state in {_State.STARTING, _State.INVOKING}

    @property
    def usable(self) -> bool:
        """Whether its credentials will outlive one more invocation. If they never would, they serve for one."""
        once = self._usable_until <= self._made_at and not self._served
        return once or self._clock.now() < self._usable_until

    async def start(self) -> None:
        """Start the process and wait until its runtime asks for the first event.

        Raises:
            InitFailed: it did not come to that.
            ServiceException: its process could not be started at all.
        """
        try:
            limit = INIT_SECONDS + self.settings.timeout_seconds
            self._end_in(limit)
            self._log_line(f"INIT_START Runtime Version: {self.settings.runtime.name}")
            await self._launch(
                self,
                on_output=self._take_output,
                on_exit=self._exited,
                on_broken=self._channel_broke,
                took_shape=self._took_shape,
            )
            failure = await asyncio.shield(self._ready)
            if failure is not None:
                raise failure
        except BaseException:
            self.kill()
            raise

    async def invoke(self, invocation: Invocation) -> Outcome:
        """Run one invocation. The sandbox must be idle."""
        waiting = self._waiting
        if waiting is None or not self.idle:
            raise RuntimeError("the sandbox is not idle")
        self._state, self._waiting, self._served = _State.INVOKING, None, True
        init_ms, self._init_ms = self._init_ms, None
        running = _Running(invocation, perf_counter(), self._loop.create_future(), init_ms)
        self._running = running
        follows = self._channel is not None and self._channel.follows
        processor = self._sharing.next_processor(self) if follows else None
        # First of all, so that the function works while we do the rest. What it prints is read after that.
        waiting.give(self._event(invocation, processor))
        if self._log_between:
            running.log += self._log_between
            self._log_between.clear()
        self._log_line(f"START RequestId: {invocation.request_id} Version: {self.settings.version}")
        self._end_in(self.settings.timeout_seconds)
        self._watch.hurry()
        return await running.ended

    def kill(self) -> None:
        """End the process now, whatever it is doing."""
        self._ending = True
        if self._process is not None:
            self._process.kill()
        else:
            self._finish()

    async def wait_ended(self) -> None:
        """Until the process is gone and everything of it is closed."""
        await asyncio.shield(self._gone)

    # What the runtime calls, see channels.ChannelOwner.

    def next_asked(self, waiting: Waiting) -> None:
        if self._ending:
            return
        if self._state is not _State.STARTING and self._state is not _State.RESPONDED:
            # A second request for an event: the first one is the runtime's, and an invocation is answered before that.
            waiting.refuse(_invalid_transition(self._state, "Ready"))
            return
        self._ends_at = None
        if self._state is _State.STARTING:
            self._init_ms = (perf_counter() - self._started_at) * 1000
            self._ready.set_result(None)
        self._state = _State.IDLE
        self._waiting = waiting
        self.idle_since = self._loop.time()
        self._on_idle(self)

    def connection_lost(self, waiting: Waiting) -> None:
        if waiting is self._waiting:
            # A runtime that stops waiting for events is broken or ending; nothing was given to it that could be lost.
            self._waiting = None
            self.kill()

    def responded(self, request_id: str, body: bytes | None) -> Verdict:
        return self._take_answer(request_id, body, function_error=None)

    def failed(self, request_id: str, body: bytes | None) -> Verdict:
        return self._take_answer(request_id, body, function_error="Unhandled")

    def init_failed(self, body: bytes | None, error_type: str) -> Refusal | None:
        if self._state is not _State.STARTING:
            return _invalid_transition(self._state, "InitError")
        if not self._ready.done():
            # The runtime would exit next; whoever awaits `start` ends it whether it does or not.
            self._fail_init("error", error_type, payload=body)
        return None

    # What happens to the process.

    def exceeds_memory(self) -> bool:
        """Whether the process holds more memory than the function may have."""
        process = self._process
        return process is not None and process.measure_memory() > self.settings.memory_size_mb * 1_048_576

    def stored_bytes(self) -> int:
        """The memory that the process's files take."""
        return self._process.measure_storage() if self._process is not None else 0

    def end_for_memory(self) -> None:
        """End the process because it holds more memory than the function may have."""
        self._out_of_memory = True
        self.kill()

    def _took_shape(self, launched: Launched) -> None:
        self._process, self._channel = launched.process, launched.channel
        self._watch.add(self)
        if self._ending:
            self._process.kill()

    def _channel_broke(self, why: str) -> None:
        self._log_line(f"The runtime broke its protocol: {why}")
        self.kill()

    def spread(self, processor: int) -> None:
        """Have its process run anywhere, if it is held on this processor."""
        if self._process is not None:
            self._process.spread(processor)

    # Endings.

    def _take_answer(self, request_id: str, body: bytes | None, *, function_error: str | None) -> Verdict:
        running = self._running
        if running is None:
            return _invalid_transition(self._state, "InvocationResponse")
        if request_id != running.invocation.request_id:
            return _INVALID_REQUEST_ID
        if body is None:
            message = f"Response payload size exceeded maximum allowed payload size ({MAX_ANSWER_BYTES} bytes)."
            payload = msgspec.json.encode({"errorMessage": message, "errorType": "Function.ResponseSizeTooLarge"})
            self._answer(running, payload, "Unhandled")
            return _TOO_LARGE
        return lambda: self._answer(running, body, function_error)

    def _answer(self, running: _Running, payload: bytes, function_error: str | None, *, status: str = "") -> None:
        """Answer the invocation. Its timer runs on until the runtime asks for the next event."""
        seconds = perf_counter() - running.started
        self._sharing.answered(seconds)
        self._drain()
        request_id = running.invocation.request_id
        report = render_report(
            request_id=request_id,
            duration_ms=seconds * 1000,
            memory_size_mb=self.settings.memory_size_mb,
            max_memory_used_mb=self._process.peak_memory_mb() if self._process else 0,
            init_duration_ms=running.init_ms,
        )
        self._keep_lines((f"END RequestId: {request_id}", report + status))
        self._state, self._running = _State.RESPONDED, None
        if not running.ended.done():
            running.ended.set_result(Outcome(payload, function_error, bytes(running.log[-TAIL_BYTES:])))

    def _timed_out(self) -> None:
        running = self._running
        if running is not None:
            seconds = f"{self.settings.timeout_seconds:.2f}"
            request_id = running.invocation.request_id
            self._drain()
            at = self._clock.now().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            self._log_line(f"{at} {request_id} Task timed out after {seconds} seconds")
            message = f"RequestId: {request_id} Error: Task timed out after {seconds} seconds"
            self._answer(running, render_error("Sandbox.Timedout", message), "Unhandled", status="Status: timeout\t")
        self.kill()

    def _init_timed_out(self) -> None:
        if not self._ready.done():
            message = f"Task timed out after {self.settings.timeout_seconds:.2f} seconds"
            self._fail_init("timeout", "Sandbox.Timedout", message=message)
        self.kill()

    def _exited(self, return_code: int) -> None:
        self._ending = True
        if self._channel is not None:
            self._channel.drain()
        words = describe_exit(return_code)
        # UNVERIFIED: the newer type, with the text that was always there for it.
        error_type = "Runtime.OutOfMemory" if self._out_of_memory else "Runtime.ExitError"
        if not self._ready.done():
            self._fail_init("error", error_type, message=words)
        if self._running is not None:
            message = f"RequestId: {self._running.invocation.request_id} Error: {words}"
            status = f"Status: error\tError Type: {error_type}\t"
            self._answer(self._running, render_error(error_type, message), "Unhandled", status=status)
        self._finish()

    def _finish(self) -> None:
        if self._state is _State.ENDED:
            return
        self._state = _State.ENDED
        self._waiting = self._ends_at = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._watch.discard(self)
        if self._channel is not None:
            self._channel.close()
        self._gone.set_result(None)
        self._on_ended(self)

    def _end_in(self, seconds: float) -> None:
        """Have it ended unless it asks for an event before."""
        self._ends_at = ends_at = self._loop.time() + seconds
        # A timer that rings before is left as it is, and set anew when it has: most invocations end long before theirs.
        if self._timer is None or self._timer.when() > ends_at:
            self._set_timer(ends_at)

    def _set_timer(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._timer_rang)

    def _timer_rang(self) -> None:
        self._timer = None
        if self._ends_at is None:
            return
        if self._loop.time() < self._ends_at - _TIMER_SECONDS:
            self._set_timer(self._ends_at)
        elif self._ready.done():
            self._timed_out()
        else:
            self._init_timed_out()

    # What goes in and out.

    def _event(self, invocation: Invocation, processor: int | None) -> Event:
        deadline_ms = int(self._clock.now().timestamp() * 1000) + self.settings.timeout_seconds * 1000
        return Event(
            invocation.request_id,
            deadline_ms,
            invocation.invoked_function_arn,
            invocation.payload,
            invocation.client_context,
            invocation.cognito_identity,
            processor=processor,
        )

    # Logs.

    def _drain(self) -> None:
        if self._process is not None:
            self._process.drain_output()
        if self._partial_line:
            line, self._partial_line = self._partial_line, b""
            self._keep_lines((line.decode("utf-8", "replace"),))

    def _take_output(self, data: bytes) -> None:
        *lines, self._partial_line = (self._partial_line + data).split(b"\n")
        if len(self._partial_line) > _MAX_LINE_BYTES:
            lines.append(self._partial_line)
            self._partial_line = b""
        self._keep_lines([line.decode("utf-8", "replace") for line in lines])

    def _log_line(self, line: str) -> None:
        self._keep_lines((line,))

    def _keep_lines(self, lines: Sequence[str]) -> None:
        log = self._running.log if self._running else self._log_between
        at_ms = int(self._clock.now().timestamp() * 1000)
        name, stream, append = self.settings.function_name, self._log_stream, self._logs.append
        for line in lines:
            log += line.encode() + b"\n"
            append(LogEvent(at_ms, name, stream, line))
        if len(log) > 2 * TAIL_BYTES:
            del log[:-TAIL_BYTES]

    def _fail_init(self, status: str, error_type: str, *, message: str = "", payload: bytes | None = None) -> None:
        self._drain()
        init_ms = (perf_counter() - self._started_at) * 1000
        self._log_line(
            f"INIT_REPORT Init Duration: {init_ms:.2f} ms\tPhase: init\tStatus: {status}\tError Type: {error_type}"
        )
        self._ending = True
        log = bytes(self._log_between)
        self._ready.set_result(InitFailed(error_type=error_type, message=message, payload=payload, log=log))


def _invalid_transition(state: _State, to: str) -> Refusal:
    # UNVERIFIED: the names of the states. The form of the sentence is the emulator's.
    name = {_State.STARTING: "Started", _State.IDLE: "Ready", _State.INVOKING: "Running"}.get(state, "ResponseSent")
    message = f"State transition from {name} to {to} failed for runtime. Error: State transition is not allowed"
    return Refusal(403, "InvalidStateTransition", message)
