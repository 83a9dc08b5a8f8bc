"""What the tests of functions share: a running service, roles that can be assumed, code as zips."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
from sqlalchemy.exc import OperationalError

from support.zips import make_zip
from velvetrope.clock import Clock, CountingEntropy, Entropy
from velvetrope.errors import ReasonError, ServiceError
from velvetrope.functions import FunctionService, InvocationResult, LogEvent
from velvetrope.functions.configurations import FunctionCode
from velvetrope.functions.sandbox import Sandbox
from velvetrope.iam import IamPrincipals, knows_action
from velvetrope.operations import Call, implemented_operations
from velvetrope.principals import Principal, TemporaryCredentials
from velvetrope.sealing import MasterKeys
from velvetrope.secret import Secret
from velvetrope.store import Database
from velvetrope.store.tables.functions import LATEST, Function, FunctionConfiguration
from velvetrope.store.tables.iam import IamStore

ACCOUNT = "000000000000"
REGION = "us-west-2"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/orders"
OWNER = Principal(
    kind="Account", account_id=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:root", policy_arn="", unique_id=ACCOUNT
)


class WallClock:
    """The real time: runtimes measure their deadline by it."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time_ns() / 1e9, UTC)


class MovableClock(WallClock):
    """The real time, and how far it was moved."""

    def __init__(self) -> None:
        self.moved = timedelta()

    def now(self) -> datetime:
        return super().now() + self.moved


class RoleNotTrusting(ReasonError):
    """The role does not trust Lambda."""


@dataclass
class TrustingRoles:
    """Gives a session of every role but those in `refused`, and remembers what it was asked.

    Who acts in process cannot be told while the database is `away`.
    """

    lifetime: timedelta = timedelta(hours=1)
    refused: set[str] = field(default_factory=set)
    away: bool = False
    asked: list[tuple[str, str, str, str | None]] = field(default_factory=list)

    async def assume_role_for_service(
        self,
        role_arn: str,
        *,
        service: str,
        session_name: str,
        duration_seconds: int,
        now: datetime,
        source_function_arn: str | None = None,
    ) -> TemporaryCredentials:
        if role_arn in self.refused:
            raise RoleNotTrusting("not trusted")
        self.asked.append((role_arn, service, session_name, source_function_arn))
        number = len(self.asked)
        return TemporaryCredentials(f"ASIA{number}", Secret(f"secret-{number}"), f"token-{number}", now + self.lifetime)

    async def act_for_service(
        self,
        role_arn: str,
        *,
        service: str,
        session_name: str,
        duration_seconds: int,
        now: datetime,
        source_function_arn: str | None = None,
    ) -> Principal:
        if self.away:
            raise OperationalError("SELECT", {}, ConnectionError("the database is away"))
        if role_arn in self.refused:
            raise RoleNotTrusting("not trusted")
        name = role_arn.rpartition("/")[2]
        arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session_name}"
        return Principal(kind="AssumedRole", account_id=ACCOUNT, arn=arn, policy_arn=role_arn, unique_id="AROA")


@dataclass
class RecordedOperations:
    """What is called of other services: kept in order, and refused with `refusal` if there is one."""

    calls: list[tuple[str, str, Mapping[str, Any], Call]] = field(default_factory=list)
    refusal: ServiceError | None = None

    async def invoke(
        self, service: str, operation: str, parameters: Mapping[str, object], call: Call
    ) -> Mapping[str, object]:
        self.calls.append((service, operation, parameters, call))
        if self.refusal is not None:
            raise self.refusal
        return {}

    async def allows(self, service: str, operation: str, parameters: Mapping[str, object], call: Call) -> bool:
        return self.refusal is None


@dataclass
class KnownQueues:
    """All queues are there but those in `missing`."""

    missing: set[str] = field(default_factory=set)

    async def exist(self, queue_arn: str) -> bool:
        return queue_arn not in self.missing


def new_function(name: str = "orders", **changes: object) -> Function:
    """A function as the store keeps it."""
    latest = FunctionConfiguration(
        function_name=name,
        function_arn=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}",
        version=LATEST,
        runtime="python3.12",
        handler="app.handler",
        role=ROLE,
        code_sha256="00" * 32,
        code_size_bytes=1,
        modified_at=datetime(2026, 1, 1, tzinfo=UTC),
        revision_id="first",
    )
    function = Function(account_id=ACCOUNT, region=REGION, latest=latest)
    return msgspec.structs.replace(function, **changes)


@dataclass
class Lambda:
    """A service, and short ways to call it."""

    service: FunctionService
    roles: TrustingRoles
    others: RecordedOperations
    queues: KnownQueues
    lines: list[LogEvent]

    def call(self, **changes: Any) -> Call:
        return Call(
            **{
                "principal": OWNER,
                "account_id": ACCOUNT,
                "region": REGION,
                "request_id": "6f5f0d1e-0000-4000-8000-000000000001",
                "now": WallClock().now(),
                **changes,
            }
        )

    async def operate(self, name: str, /, **parameters: Any) -> Any:
        """Call the operation of that name as `edge` would, past its checks."""
        for owner in self.service.operations:
            method = implemented_operations(owner).get(name)
            if method is not None:
                return await method(self.call(), **parameters)
        raise LookupError(name)

    async def create(self, source: str, *, name: str = "orders", **parameters: Any) -> str:
        """Create a Python function of one file, `app.py`, whose handler is `handler`; its ARN."""
        given = {
            "function_name": name,
            "role": ROLE,
            "runtime": "python3.11",
            "handler": "app.handler",
            "code": FunctionCode(zip_file=make_zip({"app.py": source})),
            "timeout": 60,  # the machine may be busy
            **parameters,
        }
        answer = await self.operate("create_function", **given)
        arn: str = answer["function_arn"]
        return arn

    async def invoke(self, arn: str, payload: bytes = b"{}", **parameters: Any) -> InvocationResult:
        """Invoke as the account's owner."""
        given = {"caller": OWNER, "source_arn": None, "now": WallClock().now(), **parameters}
        return await self.service.invoker.invoke(arn, payload, **given)

    async def answered(self, arn: str) -> Any:
        """What it returns within its time limit, for which a busy machine may need more than one try."""
        async with asyncio.timeout(60):
            while True:
                result = await self.invoke(arn)
                if result.function_error is None:
                    return json.loads(result.payload)
                assert error_of(result)["errorType"] == "Sandbox.Timedout", result.payload


@asynccontextmanager
async def running_lambda(
    database: Database, folder: Path, *, clock: Clock | None = None, entropy: Entropy | None = None, **options: Any
) -> AsyncIterator[Lambda]:
    """A started service; stopped at the end. Several over one database share their entropy, as real ones would."""
    roles, others, queues = TrustingRoles(), RecordedOperations(), KnownQueues()
    entropy = entropy or CountingEntropy()
    service = FunctionService(
        database,
        folder,
        roles,
        IamPrincipals(IamStore(database)),
        clock or WallClock(),
        entropy,
        MasterKeys.generate(entropy),
        knows_action=knows_action,
        endpoint_url="http://127.0.0.1:4800",
        region=REGION,
        account_id=ACCOUNT,
        **options,
    )
    lines: list[LogEvent] = []
    service.logs.subscribe(lines.append)
    await service.start(others, queues)
    try:
        yield Lambda(service, roles, others, queues, lines)
    finally:
        await service.stop()


class Gate:
    """Where functions wait until it is opened: `async with Gate() as gate:`, with `WAIT_AT_GATE` in their code."""

    def __init__(self) -> None:
        self.port = 0
        self.waiting = 0
        """How many have come."""
        self._opened = asyncio.Event()

    def open(self) -> None:
        """Let those who wait go on, and those who come later."""
        self._opened.set()

    async def _hold(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.waiting += 1
        await self._opened.wait()
        writer.close()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._hold, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.open()
        self._server.close()
        await self._server.wait_closed()


WAIT_AT_GATE = 'if "gate" in event: __import__("socket").create_connection(("127.0.0.1", event["gate"])).recv(1)'
"""A statement of a handler's."""


def error_of(result: InvocationResult) -> dict[str, str]:
    """The error object that an invocation was answered with."""
    assert result.function_error == "Unhandled"
    found: dict[str, str] = json.loads(result.payload)
    return found


def sandboxes_of(functions: Lambda) -> list[Sandbox]:
    """Those whose process is not gone yet."""
    return [sandbox for pool in functions.service.invoker._pools.values() for sandbox in pool.sandboxes]


async def until(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds, at most a minute: other tests may keep the machine busy."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  what is waited for happens in other processes
            await asyncio.sleep(0.002)


async def until_true(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """As `until`, for a condition that may have to be awaited."""
    async with asyncio.timeout(60):
        while True:
            found = condition()
            if (await found) if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(0.005)


def process_is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def open_descriptors() -> int:
    """This process's, without the database's, which opens connections as it needs them and keeps them."""
    count = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            count += "velvetrope.db" not in str(descriptor.readlink())
    return count
