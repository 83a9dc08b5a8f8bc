"""How long peers take: to start, and for one call. What is compared is the processor time of the whole peer.

A peer that answers before it has checked anything is done sooner. Nothing here takes that out: the tables of the doors
say what each of them checks, and `benchmarks.userpools` what a sign-in costs that is checked.
"""

import http.client
import itertools
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from botocore.exceptions import BotoCoreError, ClientError

from benchmarks.peers.doors import House
from benchmarks.peers.doors.door import HasNone
from benchmarks.peers.doors.gateway import signed_headers
from benchmarks.peers.doors.user_pools import UserPools
from benchmarks.peers.peer import Peer, Running
from benchmarks.userpools import PASSWORD, SrpClient

__all__ = ["WORKS", "Rate", "Start", "measure_rates", "measure_start"]

AGES = 120
"""So many signatures go round, each a second older than the last: all of them are good for five minutes."""


@dataclass(frozen=True)
class Start:
    """Seconds from the start of the process, and MiB after the first call."""

    answer: float
    first_call: float
    resident_mib: float


@dataclass(frozen=True)
class Rate:
    """Of one client that waits for each answer."""

    per_second: float
    cpu_ms: float


def measure_start(peer: Peer, folder: Path, runs: int) -> Start:
    """Medians."""
    found = []
    for _ in range(runs):
        with peer.start(folder) as running:
            peer.first_call(running.started)
            first_call = time.perf_counter() - running.began
            found.append((running.ready_seconds, first_call, running.resident_mib()))
    return Start(*(statistics.median(column) for column in zip(*found, strict=True)))


class Client:
    """One connection, made anew where the peer closes it."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)

    def send(self, method: str, target: str, body: str, headers: Mapping[str, str]) -> bytes:
        """The body of an answer of 200.

        Raises:
            RuntimeError: another status; the message is the answer.
        """
        try:
            response, answer = self._ask(method, target, body, headers)
        except ConnectionError:  # the peer had closed it while others had their turn
            self._connection.close()
            response, answer = self._ask(method, target, body, headers)
        if response.status != http.HTTPStatus.OK:
            raise RuntimeError(answer.decode(errors="replace")[:300])
        return answer

    def _ask(
        self, method: str, target: str, body: str, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        self._connection.request(method, target, body or None, dict(headers))
        response = self._connection.getresponse()
        return response, response.read()


def _sign_in(users: UserPools) -> Callable[..., dict[str, Any]]:
    """Calls an operation of the pool's client, unsigned as clients do."""
    client, client_id = Client(users.aws.url), users.client_id

    def call(operation: str, **parameters: object) -> dict[str, Any]:
        target = f"AWSCognitoIdentityProviderService.{operation}"
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target}
        answer = client.send("POST", "/", json.dumps({"ClientId": client_id, **parameters}), headers)
        found: dict[str, Any] = json.loads(answer)
        return found

    return call


def password_sign_in(house: House) -> Callable[[], None]:
    call, name = _sign_in(house.users), house.users.new_user(PASSWORD)

    def once() -> None:
        given = {"USERNAME": name, "PASSWORD": PASSWORD}
        call("InitiateAuth", AuthFlow="USER_PASSWORD_AUTH", AuthParameters=given)["AuthenticationResult"]

    return once


def srp_sign_in(house: House) -> Callable[[], None]:
    call, name = _sign_in(house.users), house.users.new_user(PASSWORD)
    srp = SrpClient(house.users.pool_id)

    def once() -> None:
        given = {"USERNAME": name, "SRP_A": f"{srp.public_value:x}"}
        challenge = call("InitiateAuth", AuthFlow="USER_SRP_AUTH", AuthParameters=given)
        answer = srp.answer({"USERNAME": name, **challenge["ChallengeParameters"]})
        session = {"Session": challenge["Session"]} if challenge.get("Session") else {}
        responded = {"ChallengeName": "PASSWORD_VERIFIER", "ChallengeResponses": answer, **session}
        call("RespondToAuthChallenge", **responded)["AuthenticationResult"]

    return once


def caller_identity(house: House) -> Callable[[], None]:
    aws, body = house.principals.aws, "Action=GetCallerIdentity&Version=2011-06-15"
    _, by = house.principals.new_user()
    form = "application/x-www-form-urlencoded; charset=utf-8"
    client = Client(aws.url)
    heads = itertools.cycle(
        signed_headers(
            f"{aws.url}/", by, aws.region, method="POST", body=body, service="sts", content_type=form, age=age
        )
        for age in _ages()
    )
    return lambda: _nothing(client.send("POST", "/", body, next(heads)))


def protected_call(house: House) -> Callable[[], None]:
    url, by, region = house.gateway.url("/signed"), house.gateway.caller(), house.gateway.region
    client = Client(url)
    heads = itertools.cycle(signed_headers(url, by, region, age=age) for age in _ages())
    return lambda: _nothing(client.send("GET", urlsplit(url).path, "", next(heads)))


def _ages() -> Sequence[timedelta]:
    return [timedelta(seconds=age) for age in range(AGES)]


def _nothing(_answer: bytes) -> None:
    return None


WORKS: Mapping[str, Callable[[House], Callable[[], None]]] = {
    "password sign-in": password_sign_in,
    "SRP sign-in": srp_sign_in,
    "GetCallerIdentity": caller_identity,
    "AWS_IAM call of an API": protected_call,
}


def measure_rates(
    peers: Sequence[tuple[Running, House]], rounds: int, seconds: float
) -> dict[str, dict[str, list[Rate]]]:
    """Rates by work and peer, one for each round, in which every peer has its turn; who lacks a work is not there."""
    found: dict[str, dict[str, list[Rate]]] = {}
    for work, prepare in WORKS.items():
        ready = {}
        for running, house in peers:
            try:
                once = prepare(house)
                once()
            except (HasNone, BotoCoreError, ClientError, KeyError, RuntimeError, requests.RequestException):
                continue
            ready[running] = once
        found[work] = {running.peer.name: [] for running in ready}
        for _ in range(rounds):
            for running, once in ready.items():
                found[work][running.peer.name].append(_rate(running, once, seconds))
    return found


def _rate(running: Running, once: Callable[[], None], seconds: float) -> Rate:
    before, began, count = running.cpu_seconds(), time.perf_counter(), 0
    while (lasted := time.perf_counter() - began) < seconds:
        once()
        count += 1
    return Rate(count / lasted, (running.cpu_seconds() - before) / count * 1000)
