"""The same call again and again over one connection: each is judged for itself, and quick only where it is right.

A client that repeats a signed call is not parsed and canonicalised anew each time. So here every way to be refused
comes after calls that were let in, on the connection that they were let in on.
"""

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.credentials import Credentials

from support.clients import aws_client, user_credentials
from support.days import in_one_day
from support.running import RunningServer
from velvetrope.secret import Secret
from velvetrope.server.machine import SystemClock
from velvetrope.sigv4 import SignedRequest, sign_request


@pytest.fixture(scope="module")
def user(demo: RunningServer) -> Credentials:
    return user_credentials(demo)


@dataclass(frozen=True)
class Plan:
    """A usage plan without limits worth the name."""

    id: str
    gateway: Any

    def new_key(self, name: str) -> dict[str, str]:
        key: dict[str, str] = self.gateway.create_api_key(name=name, enabled=True)
        self.gateway.create_usage_plan_key(usagePlanId=self.id, keyId=key["id"], keyType="API_KEY")
        return key


@pytest.fixture(scope="module")
def plan(demo: RunningServer) -> Plan:
    gateway = aws_client(demo, "apigateway")
    stage = {"apiId": demo.config["api_id"], "stage": urlsplit(demo.config["api_url"]).path.rsplit("/", 1)[1]}
    limits = {"rateLimit": 10_000, "burstLimit": 5_000}
    return Plan(gateway.create_usage_plan(name="repeated", apiStages=[stage], throttle=limits)["id"], gateway)


@pytest.fixture(scope="module")
def api_key(plan: Plan) -> str:
    return plan.new_key("repeated")["value"]


class Caller:
    """One connection of one client."""

    def __init__(self, demo: RunningServer, user: Credentials, api_key: str) -> None:
        api = urlsplit(demo.config["api_url"])
        self._api_key, self._region = api_key, demo.config["region"]
        self._host = api.netloc
        self.path = f"{api.path}/require-auth"
        self._user = user
        self._connection = socket.create_connection((api.hostname or "", api.port or 0), timeout=10)
        self._answers = self._connection.makefile("rb")

    def head(self, query: str, *, age: timedelta = timedelta(), api_key: str | None = None, secret: str = "") -> bytes:
        """A signed call as it goes over the wire."""
        headers = ((b"Host", self._host.encode()), (b"x-api-key", (api_key or self._api_key).encode()))
        signed = sign_request(
            SignedRequest("GET", self.path.encode(), query.encode(), headers, b""),
            access_key_id=self._user.access_key,
            secret=Secret(secret or self._user.secret_key),
            service="execute-api",
            region=self._region,
            now=SystemClock().now() - age,
            session_token=self._user.token,
        )
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in signed.headers)
        return f"GET {self.path}?{query} HTTP/1.1\r\n".encode() + lines + b"\r\n"

    def send(self, chunk: bytes) -> tuple[int, str]:
        """Status and error type."""
        self._connection.sendall(chunk)
        status = int(self._answers.readline().split()[1])
        headers = {}
        while (line := self._answers.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip().decode()
        self._answers.read(int(headers[b"content-length"]))
        return status, headers.get(b"x-amzn-errortype", "")

    def repeat(self) -> "Caller":
        """Calls that are let in, until one like them is known in every respect."""
        assert [self.send(self.head(f"n={n}")) for n in range(5)] == [(200, "")] * 5
        return self

    def close(self) -> None:
        self._answers.close()
        self._connection.close()


@pytest.fixture
def new_caller(demo: RunningServer, user: Credentials, api_key: str) -> Iterator[Callable[[], Caller]]:
    callers: list[Caller] = []

    def make() -> Caller:
        callers.append(Caller(demo, user, api_key))
        return callers[-1]

    yield make
    for caller in callers:
        caller.close()


@pytest.fixture
def caller(new_caller: Callable[[], Caller]) -> Iterator[Caller]:
    caller = new_caller().repeat()
    yield caller
    # Whatever was refused, the client itself is let in as before.
    assert caller.send(caller.head("n=after")) == (200, "")


def changed(chunk: bytes, at: int, byte: bytes) -> bytes:
    return chunk[:at] + byte + chunk[at + 1 :]


INVALID = (403, "InvalidSignatureException")


def test_another_query_with_the_same_signature(caller: Caller) -> None:
    assert caller.send(caller.head("n=1").replace(b"?n=1 ", b"?n=2 ")) == INVALID


def test_one_digit_of_the_signature(caller: Caller) -> None:
    chunk = caller.head("n=1")
    at = chunk.index(b"Signature=") + 10

    assert caller.send(changed(chunk, at, b"0" if chunk[at : at + 1] != b"0" else b"1")) == INVALID


def test_a_signature_of_another_secret(caller: Caller) -> None:
    assert caller.send(caller.head("n=1", secret="another")) == INVALID


def test_another_second(caller: Caller) -> None:
    chunk = caller.head("n=1").lower().index(b"x-amz-date: ") + 12 + 14
    head = caller.head("n=1")

    assert caller.send(changed(head, chunk, b"0" if head[chunk : chunk + 1] != b"0" else b"1")) == INVALID


def test_a_signature_that_is_too_old(caller: Caller) -> None:
    assert caller.send(caller.head("n=1", age=timedelta(minutes=6))) == INVALID


def test_a_signature_of_the_future(caller: Caller) -> None:
    assert caller.send(caller.head("n=1", age=-timedelta(minutes=6))) == INVALID


def test_a_covered_header(caller: Caller) -> None:
    assert caller.send(caller.head("n=1").replace(b"Host: ", b"Host: x")) == INVALID


def test_a_header_that_steers_and_is_not_covered(caller: Caller) -> None:
    chunk = caller.head("n=1").replace(b"\r\n\r\n", b"\r\nX-Amz-Thing: 1\r\n\r\n")

    assert caller.send(chunk) == INVALID


def test_another_path(caller: Caller) -> None:
    assert caller.send(caller.head("n=1").replace(b"/require-auth?", b"/require-auth/?")) == INVALID


def test_signed_in_both_ways(caller: Caller) -> None:
    status, _ = caller.send(caller.head("X-Amz-Algorithm=AWS4-HMAC-SHA256"))

    assert status == 403


def test_another_api_key(caller: Caller) -> None:
    assert caller.send(caller.head("n=1", api_key="x" * 40)) == (403, "ForbiddenException")


def test_a_policy_that_is_taken_away_counts_for_the_next_call(
    demo: RunningServer, user: Credentials, new_caller: Callable[[], Caller]
) -> None:
    caller = new_caller().repeat()
    iam, sts = aws_client(demo, "iam"), aws_client(demo, "sts", credentials=user)
    role = sts.get_caller_identity()["Arn"].split("/")[1]
    deny = '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"execute-api:Invoke","Resource":"*"}}'
    iam.put_role_policy(RoleName=role, PolicyName="no-more", PolicyDocument=deny)
    try:
        assert caller.send(caller.head("n=1")) == (403, "AccessDeniedException")
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="no-more")
    assert caller.send(caller.head("n=2")) == (200, "")


def test_a_key_that_is_disabled_counts_for_the_next_call(plan: Plan, new_caller: Callable[[], Caller]) -> None:
    key = plan.new_key("to be disabled")
    caller = new_caller()
    assert [caller.send(caller.head(f"n={n}", api_key=key["value"])) for n in range(4)] == [(200, "")] * 4

    disable = {"op": "replace", "path": "/enabled", "value": "false"}
    plan.gateway.update_api_key(apiKey=key["id"], patchOperations=[disable])

    assert caller.send(caller.head("n=5", api_key=key["value"])) == (403, "ForbiddenException")


def test_a_quota_that_is_used_up_counts_for_the_next_call(
    demo: RunningServer, plan: Plan, new_caller: Callable[[], Caller]
) -> None:
    stage = {"apiId": demo.config["api_id"], "stage": urlsplit(demo.config["api_url"]).path.rsplit("/", 1)[1]}

    def call() -> list[tuple[int, str]]:
        few = plan.gateway.create_usage_plan(name="few", apiStages=[stage], quota={"limit": 5, "period": "DAY"})
        key = plan.gateway.create_api_key(name="few", enabled=True)
        plan.gateway.create_usage_plan_key(usagePlanId=few["id"], keyId=key["id"], keyType="API_KEY")
        caller = new_caller()
        return [caller.send(caller.head(f"n={n}", api_key=key["value"])) for n in range(7)]

    assert in_one_day(call) == [(200, "")] * 5 + [(429, "LimitExceededException")] * 2
