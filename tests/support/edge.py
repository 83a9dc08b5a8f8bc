"""Small services, keys and a server for the edge's tests: everything real but the rooms behind it."""

import asyncio
import itertools
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import boto3
import msgspec
from botocore.config import Config

from velvetrope import sigv4
from velvetrope.clock import Clock, CountingEntropy
from velvetrope.decisions import DecisionLog, DecisionRecord
from velvetrope.edge.app import EdgeApp, HostedPages
from velvetrope.edge.dispatcher import OperationDispatcher
from velvetrope.edge.gateway_cycle import GatewayDoor
from velvetrope.edge.http_connection import Pace
from velvetrope.edge.listener import Listener
from velvetrope.edge.operation_cycle import OperationDoor
from velvetrope.edge.own_pages import OwnPages
from velvetrope.edge.ownership import OwnerCheck
from velvetrope.edge.signatures import SignatureVerifier
from velvetrope.edge.static_files import LandingPage, StaticFiles
from velvetrope.errors import ServiceError
from velvetrope.execute_api import GatewayResponse, IncomingRequest
from velvetrope.operations import Answer, Call, operation
from velvetrope.principals import Principal, SigningCredentials
from velvetrope.secret import Secret
from velvetrope.server.sockets import bind
from velvetrope.store.tables.refusals import KeptSummary

ACCOUNT = "123456789012"
REGION = "us-west-2"
ROOT_KEY = ("AKIAROOTROOTROOTROOT", "root-secret-root-secret-root-secret-root")
ALICE_KEY = ("AKIAALICEALICEALICEA", "alice-secret-alice-secret-alice-secret-a")
ROOT = Principal("Account", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
ALICE_ARN = f"arn:aws:iam::{ACCOUNT}:user/alice"
ALICE = Principal("User", ACCOUNT, ALICE_ARN, ALICE_ARN, "AIDAALICE", name="alice", access_key_id=ALICE_KEY[0])


class SystemClock:
    """Real time: boto3 signs by it."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time_ns() / 1e9, UTC)


class KnownKeys:
    """Two keys, and an expired session."""

    async def find_credentials(
        self, access_key_id: str, session_token: str | None, now: datetime
    ) -> SigningCredentials:
        if session_token == "expired":
            raise sigv4.ExpiredSessionToken
        if session_token is not None:
            raise sigv4.InvalidSessionToken
        for (key_id, secret), principal in ((ROOT_KEY, ROOT), (ALICE_KEY, ALICE)):
            if access_key_id == key_id:
                return SigningCredentials(key_id, Secret(secret), principal)
        raise sigv4.UnknownAccessKey


@dataclass(frozen=True)
class FakeVerdict:
    allowed: bool
    because: str = ""
    permission: str = "a test policy allows it"
    reasons: tuple[str, ...] = ("a test policy was looked at",)


@dataclass(frozen=True)
class FakeJudgement:
    action: str
    resource: str
    decision: FakeVerdict
    resources: tuple[str, ...] = ("arn:aws:test:::thing",)


@dataclass
class RootMay:
    """Root may everything; everybody else may what is listed."""

    allowed_actions: frozenset[str] = frozenset()
    asked: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)

    async def judge(self, service: str, operation: str, parameters: Mapping[str, object], call: Call) -> FakeJudgement:
        action = f"{service}:{operation}"
        self.asked.append((action, parameters))
        if call.principal.is_root or action in self.allowed_actions:
            return FakeJudgement(action, "*", FakeVerdict(True))
        because = f"because no identity-based policy allows the {action} action"
        return FakeJudgement(action, "arn:aws:test:::thing", FakeVerdict(False, because))


class UsernameExistsException(ServiceError):
    code = "UsernameExistsException"


class TooManyRequestsException(ServiceError):
    code = "TooManyRequestsException"
    http_status = 429
    reason = "CallerRateLimitExceeded"
    retry_after_seconds = "1"


class ResourceNotFoundException(ServiceError):
    code = "ResourceNotFoundException"
    http_status = 404


class PasswordPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    minimum_length: int = 8


class Policies(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    password_policy: PasswordPolicy | None = None


class ToyUserPools:
    """Two operations of cognito-idp: one signed, one not."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    @operation
    async def create_user_pool(
        self,
        call: Call,
        *,
        pool_name: str,
        policies: Policies | None = None,
        username_attributes: tuple[Literal["email"], ...] = (),
        user_pool_tags: dict[str, str] | None = None,
    ) -> Answer:
        self.calls.append(call)
        return {
            "user_pool": {
                "id": "us-west-2_abcdefghi",
                "name": pool_name,
                "policies": policies,
                "username_attributes": username_attributes,
                "user_pool_tags": user_pool_tags,
                "creation_date": datetime(2026, 1, 2, 3, 4, 5, 678000, UTC),
                "arn": None,
            }
        }

    @operation
    async def sign_up(self, call: Call, *, client_id: str, username: str, password: Secret[str]) -> Answer:
        self.calls.append(call)
        if username == "taken":
            raise UsernameExistsException("User already exists", detail="the row is there")
        if username == "broken":
            raise RuntimeError(f"the password is {password.reveal()}")
        return {"user_confirmed": False, "user_sub": str(len(password.reveal()))}

    @operation
    async def delete_user_pool(self, call: Call, *, user_pool_id: str) -> Answer:
        return None


class ToySts:
    @operation
    async def get_caller_identity(self, call: Call) -> Answer:
        return {"user_id": call.principal.unique_id, "account": call.account_id, "arn": call.principal.arn}

    @operation
    async def assume_role(
        self,
        call: Call,
        *,
        role_arn: str,
        role_session_name: str,
        duration_seconds: int = 3600,
        tags: tuple[dict[str, str], ...] = (),
    ) -> Answer:
        return {
            "credentials": {
                "access_key_id": "ASIAEXAMPLEEXAMPLE",
                "secret_access_key": Secret("secret"),
                "session_token": f"{role_arn} {role_session_name} {duration_seconds} {tags}",
                "expiration": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            }
        }


class ToyGateway:
    @operation
    async def get_rest_apis(self, call: Call, *, limit: int = 25, position: str | None = None) -> Answer:
        return {"items": [{"id": "a1", "name": f"limit {limit}", "created_date": datetime(2026, 1, 2, tzinfo=UTC)}]}

    @operation
    async def tag_resource(self, call: Call, *, resource_arn: str, tags: dict[str, str]) -> Answer:
        if resource_arn != "arn:aws:apigateway:us-west-2::/restapis/abc" or tags != {"a": "b"}:
            raise ResourceNotFoundException(resource_arn)
        return None


class ToyFunctions:
    @operation
    async def get_function(self, call: Call, *, function_name: str) -> Answer:
        if function_name == "busy":
            raise TooManyRequestsException("Rate Exceeded.")
        if function_name != "hello":
            raise ResourceNotFoundException(f"Function not found: {function_name}")
        return {"configuration": {"function_name": function_name, "environment": {"variables": {"A_B": "c"}}}}

    @operation
    async def invoke(
        self, call: Call, *, function_name: str, payload: bytes = b"", invocation_type: str = "RequestResponse"
    ) -> Answer:
        if invocation_type == "Event":
            return {"status_code": 202}
        return {
            "status_code": 200,
            "payload": payload[::-1],
            "function_error": "Unhandled",
            "executed_version": "$LATEST",
        }


class EchoLane:
    """Answers with what it was asked."""

    def __init__(self) -> None:
        self.seen: list[IncomingRequest] = []

    async def answer(self, incoming: IncomingRequest) -> GatewayResponse:
        self.seen.append(incoming)
        if incoming.has_large_body:
            return GatewayResponse(413, [(b"Content-Length", b"9")], b"too large")
        if incoming.stage_path == b"/prod/broken":
            raise RuntimeError("secret text")
        if incoming.stage_path == b"/prod/gone":
            return GatewayResponse(status=204, own_headers=[], body=b"")
        body = b"len %d" % len(incoming.body)
        headers = [(b"content-type", b"text/plain"), (b"Content-Length", b"%d" % len(body))]
        if incoming.stage_path == b"/prod/split":
            headers += [(b"x-split", b"a\r\nx-injected: b"), (b"x y", b"c")]
        status = 101 if incoming.stage_path == b"/prod/switch" else 200
        return GatewayResponse(status=status, own_headers=[*headers, (b"x-echo", incoming.api_id.encode())], body=body)


class Remembered:
    """A log's records, as the owner's pages ask for them. Nothing is kept anywhere else."""

    def __init__(self, log: DecisionLog) -> None:
        self._log = log

    async def recent(self, limit: int, *, only_refused: bool = False) -> list[DecisionRecord]:
        return self._log.recent(limit, only_refused)

    async def find(self, request_id: str) -> DecisionRecord | None:
        return self._log.find(request_id)

    async def summary(self) -> KeptSummary | None:
        return None


class Edge:
    """One edge with toy services behind it."""

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        may: frozenset[str] = frozenset(),
        folder: Path | None = None,
        hosted_pages: HostedPages | None = None,
        configuration: Callable[[], Any] | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        self.judge = RootMay(may)
        self.decisions = DecisionLog()
        self.verifier = SignatureVerifier(KnownKeys(), region=REGION)
        self.user_pools = ToyUserPools()
        self.lane = EchoLane()
        self.dispatcher = OperationDispatcher(
            judge=self.judge,
            verifier=self.verifier,
            recorder=self.decisions,
            clock=self.clock,
            entropy=CountingEntropy(),
            account_id=ACCOUNT,
            region=REGION,
        )
        self.dispatcher.register("cognito-idp", self.user_pools)
        self.dispatcher.register("sts", ToySts())
        self.dispatcher.register("apigateway", ToyGateway())
        self.dispatcher.register("lambda", ToyFunctions())
        self.app = EdgeApp(
            dispatcher=self.dispatcher,
            request_lane=self.lane,
            own_pages=OwnPages(
                decisions=Remembered(self.decisions), owner=OwnerCheck(self.verifier), configuration=configuration
            ),
            files=StaticFiles(folder) if folder is not None else LandingPage(),
            clock=self.clock,
            entropy=CountingEntropy(),
            hosted_pages=hosted_pages,
        )


class Serving(AbstractContextManager["Serving"]):
    """An app on a free port, served by the listener from a thread with an event loop of its own."""

    def __init__(
        self,
        app: Callable[..., Any],
        *,
        gateway: GatewayDoor | None = None,
        operations: OperationDoor | None = None,
        tls: ssl.SSLContext | None = None,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
        pace: Pace | None = None,
        sweep_seconds: float = 1.0,
        grace_seconds: float = 5.0,
    ) -> None:
        self._socket = bind("127.0.0.1", 0)
        self.port = int(self._socket.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.listener = Listener(
            app,
            self._socket,
            gateway=gateway,
            operations=operations,
            tls=tls,
            grace_seconds=grace_seconds,
            pace=pace or Pace(),
            sweep_seconds=sweep_seconds,
        )
        self._ready = threading.Event()
        self._loop_factory = loop_factory
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=self._loop_factory) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        await self.listener.start()
        self._ready.set()
        await self._stop.wait()
        await self.listener.stop()

    def stop(self) -> None:
        if self._thread.is_alive() and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._stop.set)

    def join(self) -> None:
        """Wait for the end of a server that was told to stop."""
        self._thread.join(60)
        assert not self._thread.is_alive()

    @contextmanager
    def held(self) -> Iterator[None]:
        """The loop stands still meanwhile: whatever is sent is there at once when it goes on, and nobody was slow."""
        stands, may_go_on = threading.Event(), threading.Event()

        def stand() -> None:
            stands.set()
            may_go_on.wait(60)

        self.loop.call_soon_threadsafe(stand)
        assert stands.wait(60)
        try:
            yield
        finally:
            may_go_on.set()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.join()


def client(service: str, url: str, *, key: tuple[str, str] = ROOT_KEY, token: str | None = None, **options: Any) -> Any:
    """An unmodified boto3 client that talks to `url`."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=options.pop("region", REGION),
        aws_access_key_id=key[0],
        aws_secret_access_key=key[1],
        aws_session_token=token,
        config=Config(retries={"max_attempts": 1, "mode": "standard"}, **options),
    )


_counter = itertools.count(1)


def unique(prefix: str) -> str:
    return f"{prefix}-{next(_counter)}"
