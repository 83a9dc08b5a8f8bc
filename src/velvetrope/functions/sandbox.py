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
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from enum import IntEnum, auto
from pathlib import Path

import msgspec

from velvetrope.clock import Clock
from velvetrope.functions.logs import FunctionLogs, LogEvent, render_report
from velvetrope.functions.processes import SandboxProcess, describe_exit
from velvetrope.functions.runtime_api import (
    ACCEPTED,
    MAX_RESPONSE_BYTES,
    Connection,
    RuntimeApi,
    render_refusal,
)
from velvetrope.functions.runtimes import Runtime, find_bootstrap

__all__ = ["InitFailed", "Invocation", "Outcome", "Sandbox", "SandboxSettings"]

INIT_SECONDS = 10.0
"""How long initialisation may take. Lambda then tries again under the function's timeout; we add that time at once."""

_TAIL_BYTES = 4096
"""What `LogType=Tail` gives."""

_MAX_LINE_BYTES = 262_144
"""A line longer than a CloudWatch event is kept in pieces."""

_LAUNCHER = Path(__file__).with_name("launch.py")

_INVALID_REQUEST_ID = render_refusal(b"400 Bad Request", "InvalidRequestID", "Invalid request ID")
_TOO_LARGE = render_refusal(
    b"413 Request Entity Too Large",
    "RequestEntityTooLarge",
    f"Exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes).",
)


class _State(IntEnum):
    STARTING = auto()
    IDLE = auto()
    INVOKING = auto()
    RESPONDED = auto()
    ENDED = auto()


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """What a sandbox runs. The same for all sandboxes of one version."""

    function_name: str
    version: str
    runtime: Runtime
    handler: str
    timeout_seconds: int
    memory_size_mb: int
    code_folder: Path


@dataclass(frozen=True, slots=True)
class Invocation:
    """One event for a function."""

    request_id: str
    payload: bytes
    invoked_function_arn: str
    """As it was asked for, with the qualifier if there was one."""
    client_context: bytes = b""
    """JSON; empty if there is none."""
    cognito_identity: bytes = b""
    """JSON; empty unless the caller's credentials came from an identity pool."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an invocation ended. `function_error` is None when the function returned."""

    payload: bytes
    function_error: str | None
    log_tail: bytes


class InitFailed(Exception):
    """The process did not get as far as asking for its first event. Lambda tells the invoker, and so do we."""

    def __init__(self, *, error_type: str, message: str, payload: bytes | None, log: bytes) -> None:
        super().__init__(f"{error_type}: {message}")
        self._error_type = error_type
        self._message = message
        self._payload = payload
        self._log = log

    def outcome(self, request_id: str) -> Outcome:
        """What the invocation that waited for this sandbox is answered: the runtime's own error if it posted one."""
        payload = self._payload or _render_error(self._error_type, f"RequestId: {request_id} Error: {self._message}")
        return Outcome(payload, "Unhandled", self._log[-_TAIL_BYTES:])


@dataclass(slots=True)
class _Running:
    """The invocation that a sandbox is at."""

    invocation: Invocation
    started: float
    """In the event loop's time."""
    ended: "asyncio.Future[Outcome]"
    init_ms: float | None
    log: bytearray = field(default_factory=bytearray)


class Sandbox:
    """See the module. `on_idle` is called each time it can take an invocation, `on_ended` once, when it is gone."""

    def __init__(
        self,
        settings: SandboxSettings,
        *,
        build_environment: Callable[[str], Mapping[str, str]],
        log_stream: str,
        logs: FunctionLogs,
        clock: Clock,
        secret_path: bytes,
        usable_seconds: float,
        on_idle: Callable[["Sandbox"], None],
        on_ended: Callable[["Sandbox"], None],
    ) -> None:
        """`build_environment` is given the Runtime API's address."""
        self.settings = settings
        self._build_environment = build_environment
        self._log_stream = log_stream
        self._logs = logs
        self._clock = clock
        self._on_idle = on_idle
        self._on_ended = on_ended
        self._loop = asyncio.get_running_loop()
        self._state = _State.STARTING
        self._api = RuntimeApi(self, secret_path=secret_path)
        self._process: SandboxProcess | None = None
        self._waiting: Connection | None = None
        self._running: _Running | None = None
        self._ready: asyncio.Future[InitFailed | None] = self._loop.create_future()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._started_at = self._loop.time()
        self._usable_until = self._started_at + usable_seconds
        self._init_ms: float | None = None
        self._log_between = bytearray()
        """Written while there was no invocation; the next one's log begins with it."""
        self._partial_line = b""
        self._served = False
        self._ending = False
        """Killed, or of no use any more; it must not take another invocation, whatever its runtime still asks for."""
        self.idle_since = self._started_at

    @property
    def process_id(self) -> int | None:
        """The process's id; None before it was started."""
        return self._process.pid if self._process else None

    @property
    def idle(self) -> bool:
        """Whether it can take an invocation now."""
        return self._state is _State.IDLE and self._waiting is not None and not self._ending

    @property
    def usable(self) -> bool:
        """Whether its credentials will outlive one more invocation. If they never would, they serve for one."""
        once = self._usable_until <= self._started_at and not self._served
        return once or self._loop.time() < self._usable_until

    async def start(self) -> None:
        """Start the process and wait until its runtime asks for the first event.

        Raises:
            InitFailed: it did not come to that.
        """
        try:
            arguments = self._arguments()
            await self._api.open()
            self._log_line(f"INIT_START Runtime Version: {self.settings.runtime.name}")
            self._process = SandboxProcess(
                arguments,
                environment=self._build_environment(self._api.address),
                folder=self.settings.code_folder,
                on_output=self._take_output,
                on_exit=self._exited,
            )
            self._api.session_id = self._process.pid
            limit = INIT_SECONDS + self.settings.timeout_seconds
            self._timer = self._loop.call_later(limit, self._init_timed_out)
            failure = await asyncio.shield(self._ready)
            if failure is not None:
                raise failure
        except BaseException:
            self.kill()
            raise

    async def invoke(self, invocation: Invocation) -> Outcome:
        """Run one invocation. The sandbox must be idle."""
        connection = self._waiting
        if connection is None or not self.idle:
            raise RuntimeError("the sandbox is not idle")
        self._state, self._waiting, self._served = _State.INVOKING, None, True
        init_ms, self._init_ms = self._init_ms, None
        running = _Running(invocation, self._loop.time(), self._loop.create_future(), init_ms)
        self._running = running
        if self._log_between:
            running.log += self._log_between
            self._log_between.clear()
        self._log_line(f"START RequestId: {invocation.request_id} Version: {self.settings.version}")
        self._timer = self._loop.call_later(self.settings.timeout_seconds, self._timed_out)
        connection.send(self._render_event(invocation))
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

    # What the runtime calls, see runtime_api.RuntimeApiOwner.

    def next_asked(self, connection: Connection) -> None:
        if self._ending:
            return
        if self._state is not _State.STARTING and self._state is not _State.RESPONDED:
            # A second request for an event: the first one is the runtime's, and an invocation is answered before that.
            connection.send(_invalid_transition(self._state, "Ready"))
            return
        self._cancel_timer()
        if self._state is _State.STARTING:
            self._init_ms = (self._loop.time() - self._started_at) * 1000
            self._ready.set_result(None)
        self._state = _State.IDLE
        self._waiting = connection
        self.idle_since = self._loop.time()
        self._on_idle(self)

    def connection_lost(self, connection: Connection) -> None:
        if connection is self._waiting:
            # A runtime that stops waiting for events is broken or ending; nothing was given to it that could be lost.
            self._waiting = None
            self.kill()

    def responded(self, request_id: str, body: bytes | None) -> bytes:
        return self._take_answer(request_id, body, function_error=None)

    def failed(self, request_id: str, body: bytes | None) -> bytes:
        return self._take_answer(request_id, body, function_error="Unhandled")

    def init_failed(self, body: bytes | None, error_type: str) -> bytes:
        if self._state is not _State.STARTING:
            return _invalid_transition(self._state, "InitError")
        if not self._ready.done():
            # The runtime would exit next; whoever awaits `start` ends it whether it does or not.
            self._fail_init("error", error_type, payload=body)
        return ACCEPTED

    # Endings.

    def _take_answer(self, request_id: str, body: bytes | None, *, function_error: str | None) -> bytes:
        running = self._running
        if running is None:
            return _invalid_transition(self._state, "InvocationResponse")
        if request_id != running.invocation.request_id:
            return _INVALID_REQUEST_ID
        if body is None:
            message = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
            payload = msgspec.json.encode({"errorMessage": message, "errorType": "Function.ResponseSizeTooLarge"})
            self._answer(running, payload, "Unhandled")
            return _TOO_LARGE
        self._answer(running, body, function_error)
        return ACCEPTED

    def _answer(self, running: _Running, payload: bytes, function_error: str | None, *, status: str = "") -> None:
        """Answer the invocation. Its timer runs on until the runtime asks for the next event."""
        self._drain()
        request_id = running.invocation.request_id
        report = render_report(
            request_id=request_id,
            duration_ms=(self._loop.time() - running.started) * 1000,
            memory_size_mb=self.settings.memory_size_mb,
            max_memory_used_mb=self._process.measure_peak_memory_mb() if self._process else 0,
            init_duration_ms=running.init_ms,
        )
        self._keep_lines((f"END RequestId: {request_id}", report + status))
        self._state, self._running = _State.RESPONDED, None
        if not running.ended.done():
            running.ended.set_result(Outcome(payload, function_error, bytes(running.log[-_TAIL_BYTES:])))

    def _timed_out(self) -> None:
        running = self._running
        if running is not None:
            seconds = f"{self.settings.timeout_seconds:.2f}"
            request_id = running.invocation.request_id
            self._drain()
            at = self._clock.now().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            self._log_line(f"{at} {request_id} Task timed out after {seconds} seconds")
            message = f"RequestId: {request_id} Error: Task timed out after {seconds} seconds"
            self._answer(running, _render_error("Sandbox.Timedout", message), "Unhandled", status="Status: timeout\t")
        self.kill()

    def _init_timed_out(self) -> None:
        if not self._ready.done():
            message = f"Task timed out after {self.settings.timeout_seconds:.2f} seconds"
            self._fail_init("timeout", "Sandbox.Timedout", message=message)
        self.kill()

    def _exited(self, return_code: int) -> None:
        words = describe_exit(return_code)
        if not self._ready.done():
            self._fail_init("error", "Runtime.ExitError", message=words)
        if self._running is not None:
            message = f"RequestId: {self._running.invocation.request_id} Error: {words}"
            self._answer(self._running, _render_error("Runtime.ExitError", message), "Unhandled")
        self._finish()

    def _finish(self) -> None:
        if self._state is _State.ENDED:
            return
        self._state = _State.ENDED
        self._waiting = None
        self._cancel_timer()
        self._api.close()
        self._gone.set_result(None)
        self._on_ended(self)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # What goes in and out.

    def _arguments(self) -> list[str]:
        settings = self.settings
        if settings.runtime.kind == "provided":
            bootstrap = find_bootstrap(settings.code_folder)
            if bootstrap is None:
                # UNVERIFIED: type and text as AWS's emulator has them, not recorded from AWS itself.
                message = f"Couldn't find valid bootstrap(s): [{settings.code_folder}/bootstrap]"
                raise InitFailed(error_type="Runtime.InvalidEntrypoint", message=message, payload=None, log=b"")
            return [sys.executable, "-s", "-S", str(_LAUNCHER), str(os.getpid()), "provided", str(bootstrap)]
        return [sys.executable, "-s", str(_LAUNCHER), str(os.getpid()), "python", settings.handler]

    def _render_event(self, invocation: Invocation) -> bytes:
        deadline_ms = int(self._clock.now().timestamp() * 1000) + self.settings.timeout_seconds * 1000
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            f"Lambda-Runtime-Aws-Request-Id: {invocation.request_id}\r\n"
            f"Lambda-Runtime-Deadline-Ms: {deadline_ms}\r\n"
            f"Lambda-Runtime-Invoked-Function-Arn: {invocation.invoked_function_arn}\r\n"
            f"Content-Length: {len(invocation.payload)}\r\n"
        ).encode()
        if invocation.client_context:
            head += b"Lambda-Runtime-Client-Context: %b\r\n" % invocation.client_context
        if invocation.cognito_identity:
            head += b"Lambda-Runtime-Cognito-Identity: %b\r\n" % invocation.cognito_identity
        return head + b"\r\n" + invocation.payload

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
        name, stream = self.settings.function_name, self._log_stream
        for line in lines:
            log += line.encode()
            log += b"\n"
            self._logs.append(LogEvent(at_ms, name, stream, line))
        if len(log) > 2 * _TAIL_BYTES:
            del log[:-_TAIL_BYTES]

    def _fail_init(self, status: str, error_type: str, *, message: str = "", payload: bytes | None = None) -> None:
        self._drain()
        init_ms = (self._loop.time() - self._started_at) * 1000
        self._log_line(
            f"INIT_REPORT Init Duration: {init_ms:.2f} ms\tPhase: init\tStatus: {status}\tError Type: {error_type}"
        )
        self._ending = True
        log = bytes(self._log_between)
        self._ready.set_result(InitFailed(error_type=error_type, message=message, payload=payload, log=log))


def _render_error(error_type: str, message: str) -> bytes:
    return msgspec.json.encode({"errorType": error_type, "errorMessage": message})


def _invalid_transition(state: _State, to: str) -> bytes:
    # UNVERIFIED: the names of the states. The form of the sentence is the emulator's.
    name = {_State.STARTING: "Started", _State.IDLE: "Ready", _State.INVOKING: "Running"}.get(state, "ResponseSent")
    message = f"State transition from {name} to {to} failed for runtime. Error: State transition is not allowed"
    return render_refusal(b"403 Forbidden", "InvalidStateTransition", message)
