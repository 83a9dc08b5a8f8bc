"""`python -m benchmarks.operations`: what a call of an AWS operation costs at the edge, beside a bare handler.

The listener's protocol, the app, the dispatcher and the codecs are the server's own; the operations behind them answer
at once with what they hold, and the judge allows everything. There are no sockets: a request is handed to the
connection as one chunk, and the next one follows when its answer has been written, so that what is counted is Python's
work alone. Signatures are real, each request has its own, and the key is found at once. Bare is the same connection
before an ASGI app that says hello.

Figures are CPU microseconds a call, the median of rounds taken turn by turn; ratios are round by round.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

import uvloop

from benchmarks.bare import hello
from velvetrope.clock import Clock
from velvetrope.decisions import DecisionLog
from velvetrope.edge import EdgeApp, OperationDispatcher, SignatureVerifier
from velvetrope.edge.listener import Listener
from velvetrope.edge.static_files import LandingPage
from velvetrope.execute_api import GatewayResponse, IncomingRequest
from velvetrope.operations import Answer, Call, operation
from velvetrope.principals import Principal, SigningCredentials
from velvetrope.secret import Secret
from velvetrope.server.machine import SystemClock, SystemEntropy
from velvetrope.server.sockets import bind
from velvetrope.sigv4 import SignedRequest, UnknownAccessKey, sign_request
from velvetrope.userpools.shapes import AnalyticsMetadata, UserContextData

ACCOUNT: Final = "123456789012"
REGION: Final = "us-west-2"
KEY: Final = ("AKIABENCHMARKALICE00", "alice-secret-alice-secret-alice-secret-a")
ALICE_ARN: Final = f"arn:aws:iam::{ACCOUNT}:user/alice"
ALICE: Final = Principal("User", ACCOUNT, ALICE_ARN, ALICE_ARN, "AIDAALICE", name="alice", access_key_id=KEY[0])
TOKEN: Final = "eyJhbGciOiJSUzI1NiJ9." + "x" * 900


class OneKey:
    """Knows Alice's key."""

    async def find_credentials(
        self, access_key_id: str, _session_token: str | None, _now: datetime
    ) -> SigningCredentials:
        if access_key_id != KEY[0]:
            raise UnknownAccessKey
        return SigningCredentials(KEY[0], Secret(KEY[1]), ALICE)


@dataclass(frozen=True, slots=True)
class Allowed:
    """Both the judgement and its decision."""

    action: str
    resource: str = "*"
    allowed: bool = True
    because: str = ""
    permission: str = "the benchmark lets everybody in"
    reasons: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()

    @property
    def decision(self) -> "Allowed":
        return self


class LetEverybodyIn:
    async def judge(self, service: str, name: str, _parameters: Mapping[str, object], _call: Call) -> Allowed:
        return Allowed(f"{service}:{name}")


class NoApis:
    async def answer(self, incoming: IncomingRequest, /) -> GatewayResponse:
        raise LookupError(incoming.api_id)


class UserPoolAnswers:
    """Answers of the size and shape that a sign-in's have."""

    @operation
    async def initiate_auth(
        self,
        _call: Call,
        *,
        auth_flow: str,
        client_id: str,
        auth_parameters: dict[str, str] | None = None,
        client_metadata: dict[str, str] | None = None,
        analytics_metadata: AnalyticsMetadata | None = None,
        user_context_data: UserContextData | None = None,
        session: str | None = None,
    ) -> Answer:
        del auth_flow, client_id, client_metadata, analytics_metadata, user_context_data, session
        parameters = {
            "SALT": "0" * 32,
            "SECRET_BLOCK": "s" * 600,
            "SRP_B": "b" * 768,
            "USERNAME": (auth_parameters or {})["USERNAME"],
            "USER_ID_FOR_SRP": "anna",
        }
        return {"challenge_name": "PASSWORD_VERIFIER", "challenge_parameters": parameters}

    @operation
    async def respond_to_auth_challenge(
        self,
        _call: Call,
        *,
        client_id: str,
        challenge_name: str,
        session: str | None = None,
        challenge_responses: dict[str, str] | None = None,
    ) -> Answer:
        del client_id, challenge_name, session, challenge_responses
        return {
            "challenge_parameters": {},
            "authentication_result": {
                "access_token": TOKEN,
                "expires_in": 3600,
                "token_type": "Bearer",
                "refresh_token": TOKEN,
                "id_token": TOKEN,
            },
        }

    @operation
    async def list_users(self, _call: Call, *, user_pool_id: str, limit: int = 60) -> Answer:
        at = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
        names = [{"name": name, "value": f"{name} of {user_pool_id}"} for name in ("sub", "email", "phone_number")]
        user = {
            "attributes": names,
            "user_create_date": at,
            "user_last_modified_date": at,
            "enabled": True,
            "user_status": "CONFIRMED",
        }
        return {"users": [{"username": f"user-{n}", **user} for n in range(limit)]}


class StsAnswers:
    @operation
    async def get_caller_identity(self, call: Call) -> Answer:
        return {"user_id": call.principal.unique_id, "account": call.account_id, "arn": call.principal.arn}


class FunctionAnswers:
    @operation
    async def get_function_configuration(self, _call: Call, *, function_name: str) -> Answer:
        return {
            "function_name": function_name,
            "function_arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function_name}",
            "runtime": "python3.12",
            "role": f"arn:aws:iam::{ACCOUNT}:role/works",
            "handler": "app.handler",
            "code_size": 1000,
            "timeout": 3,
            "memory_size": 128,
            "environment": {"variables": {"STAGE": "live"}},
        }


def edge_of(clock: Clock) -> EdgeApp:
    """The edge, with these operations behind it."""
    entropy, verifier, decisions = SystemEntropy(), SignatureVerifier(OneKey(), region=REGION), DecisionLog()
    dispatcher = OperationDispatcher(
        judge=LetEverybodyIn(),
        verifier=verifier,
        recorder=decisions,
        clock=clock,
        entropy=entropy,
        account_id=ACCOUNT,
        region=REGION,
    )
    dispatcher.register("cognito-idp", UserPoolAnswers())
    dispatcher.register("sts", StsAnswers())
    dispatcher.register("lambda", FunctionAnswers())
    return EdgeApp(
        dispatcher=dispatcher,
        request_lane=NoApis(),
        own_pages=LandingPage(),
        files=LandingPage(),
        clock=clock,
        entropy=entropy,
    )


def plain(method: str, path: str, body: bytes, *headers: tuple[str, str]) -> bytes:
    """One request as it travels."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost:4800", "Accept-Encoding: identity"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def signed(service: str, method: str, path: str, body: bytes, *headers: tuple[str, str]) -> bytes:
    """One request of Alice's."""
    request = SignedRequest(
        method=method,
        raw_path=path.encode(),
        query_string=b"",
        headers=((b"host", b"localhost:4800"), *((n.encode(), v.encode()) for n, v in headers)),
        body=body,
    )
    done = sign_request(
        request,
        access_key_id=KEY[0],
        secret=Secret(KEY[1]),
        service=service,
        region=REGION,
        now=SystemClock().now(),
    )
    return plain(method, path, body, *((n.decode(), v.decode()) for n, v in done.headers[1:]))


def _json11(name: str, number: int, parameters: Mapping[str, object], *, is_signed: bool = False) -> bytes:
    headers = (
        ("Content-Type", "application/x-amz-json-1.1"),
        ("X-Amz-Target", f"AWSCognitoIdentityProviderService.{name}"),
        ("User-Agent", f"benchmark/{number}"),
    )
    body = json.dumps(parameters).encode()
    return signed("cognito-idp", "POST", "/", body, *headers) if is_signed else plain("POST", "/", body, *headers)


CLIENT_ID: Final = "abcdefghijklmnopqrstuvwxyz"
INITIATE: Final = {
    "AuthFlow": "USER_SRP_AUTH",
    "ClientId": CLIENT_ID,
    "AuthParameters": {"USERNAME": "anna", "SRP_A": "a" * 768},
}
RESPOND: Final = {
    "ClientId": CLIENT_ID,
    "ChallengeName": "PASSWORD_VERIFIER",
    "ChallengeResponses": {
        "USERNAME": "anna",
        "PASSWORD_CLAIM_SECRET_BLOCK": "s" * 600,
        "PASSWORD_CLAIM_SIGNATURE": "c" * 44,
        "TIMESTAMP": "Thu Jan 1 00:00:00 UTC 2026",
    },
}
FORM: Final = ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")

REQUESTS: Final[Mapping[str, Callable[[int], bytes]]] = {
    "bare handler": lambda n: _json11("InitiateAuth", n, INITIATE),
    "JSON, unsigned: InitiateAuth": lambda n: _json11("InitiateAuth", n, INITIATE),
    "JSON, unsigned: RespondToAuthChallenge": lambda n: _json11("RespondToAuthChallenge", n, RESPOND),
    "JSON, signed: a page of ten users": lambda n: _json11(
        "ListUsers", n, {"UserPoolId": f"{REGION}_abcdefghi", "Limit": 10}, is_signed=True
    ),
    "query, signed: GetCallerIdentity": lambda n: signed(
        "sts",
        "POST",
        "/",
        urlencode({"Action": "GetCallerIdentity", "Version": "2011-06-15"}).encode(),
        FORM,
        ("User-Agent", f"benchmark/{n}"),
    ),
    "REST-JSON, signed: GetFunctionConfiguration": lambda n: signed(
        "lambda", "GET", f"/2015-03-31/functions/function-{n}/configuration", b""
    ),
}


class MemoryTransport(asyncio.Transport):
    """The other end of a connection: hands over the next request when an answer has come."""

    def __init__(self, loop: asyncio.AbstractEventLoop, requests: Sequence[bytes]) -> None:
        super().__init__({"peername": ("127.0.0.1", 50000), "sockname": ("127.0.0.1", 4800)})
        self._loop = loop
        self._requests = iter(requests)
        self.protocol: asyncio.Protocol
        self.finished = loop.create_future()

    def next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self.finished.set_result(None)
        else:
            self.protocol.data_received(request)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if bytes(data[9:12]) != b"200":
            raise RuntimeError(bytes(data).decode(errors="replace"))
        self._loop.call_soon(self.next)

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        """What comes next is up to `next`."""

    def resume_reading(self) -> None:
        """What comes next is up to `next`."""

    def close(self) -> None:
        if not self.finished.done():
            self.finished.set_exception(ConnectionError("the server closed the connection"))


async def _cpu_us(listener: Listener, requests: Sequence[bytes], connections: int) -> float:
    loop = asyncio.get_running_loop()
    transports = [MemoryTransport(loop, requests[n::connections]) for n in range(connections)]
    for transport in transports:
        transport.protocol = listener.new_protocol()
        transport.protocol.connection_made(transport)
    started = time.process_time()
    for transport in transports:
        transport.next()
    for transport in transports:
        await transport.finished
    cost = (time.process_time() - started) / len(requests) * 1e6
    for transport in transports:
        transport.protocol.connection_lost(None)
    return cost


async def measure(rounds: int, calls: int, connections: int, only: str) -> dict[str, list[float]]:
    """CPU microseconds a call, by row and round."""
    edge = edge_of(SystemClock())
    sockets = bind("127.0.0.1", 0), bind("127.0.0.1", 0)
    bare, whole = Listener(hello, sockets[0]), Listener(edge, sockets[1], gateway=edge, operations=edge)
    await bare.start()
    await whole.start()
    found: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        for name, make in REQUESTS.items():
            if only not in name:
                continue
            requests = [make(n) for n in range(calls)]
            cost = await _cpu_us(bare if name == "bare handler" else whole, requests, connections)
            if number:  # the first round links models and fills caches
                found.setdefault(name, []).append(cost)
    await bare.stop()
    await whole.stop()
    return found


def _print(found: Mapping[str, Sequence[float]]) -> None:
    bare = found.get("bare handler")
    print("\n| | CPU µs | to the bare handler |\n|---|---|---|")
    for name, costs in found.items():
        ratio = "" if bare is None else f"{statistics.median(a / b for a, b in zip(costs, bare, strict=True)):.1f}"
        print(f"| {name} | {statistics.median(costs):.0f} | {ratio} |")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.operations", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=2000, help="of each row and round")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--only", default="", help="rows whose name holds this")
    given = parser.parse_args()
    _print(
        uvloop.run(measure(given.rounds, given.calls, given.connections, given.only)),
    )


if __name__ == "__main__":
    main()
