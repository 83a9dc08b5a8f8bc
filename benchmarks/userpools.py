"""`python -m benchmarks.userpools`: sign-ins through HTTP beside what they cannot do without, and pools of many users.

Sign-ins: the server runs as a person starts it, and only its own CPU time is counted. SRP is asked for twice: by one
client, one sign-in after the other, and by eight at once, each in a process and on a connection of its own. Bare is
the arithmetic of one sign-in in this process, measured turn by turn with the server: for SRP the two modular
exponentiations by which the server arrives at the key, v^u and (A v^u)^b, by gmpy2, and the two RSA signatures of the
tokens; for a password one Argon2id. The ratio is bare to whole.

Tokens: access tokens verified per second of CPU, and the ratio to the bare RSA verification of the same ones.

Pools: users are written to a SQLite file directly; then one of them signs in, by SRP and in this process, and pages of
60 users are listed at the beginning and past the middle.
"""

import argparse
import asyncio
import base64
import functools
import hashlib
import hmac
import http.client
import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import gmpy2
from sqlalchemy import insert

from benchmarks.load import cpu_seconds, resident_mib
from velvetrope.operations import Call, implemented_operations
from velvetrope.passwords import hash_password, password_matches
from velvetrope.principals import ANONYMOUS
from velvetrope.sealing import MasterKeys
from velvetrope.secret import Secret
from velvetrope.server.machine import SystemClock, SystemEntropy
from velvetrope.srp import claim_signature, render_timestamp
from velvetrope.srp.groups import COGNITO_GROUP
from velvetrope.store import Database
from velvetrope.store.tables.userpools_users import User, columns_of, users
from velvetrope.tokens import KeySet, generate_signing_key, sign_token, verify_token
from velvetrope.userpools import UserPools

ROOT = ("AKIABENCHMARKROOT000", "benchmark-root-secret-0123456789abcdefgh")
PASSWORD = "Correct-horse-1"
FLOWS = ("ALLOW_USER_SRP_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH")
PRIME = COGNITO_GROUP.prime
PAGE = 60
CLIENTS = 8


# Bare


def bare_signatures(times: int) -> float:
    """Seconds of CPU for the two RSA signatures of one sign-in's tokens."""
    key, signed = generate_signing_key(), os.urandom(700)
    started = time.process_time()
    for _ in range(times):
        key.sign(signed)
        key.sign(signed)
    return (time.process_time() - started) / times


def bare_srp(times: int) -> float:
    """Seconds of CPU for the arithmetic of one SRP sign-in."""
    key = generate_signing_key()
    client_value, verifier, b, u = (gmpy2.mpz(int.from_bytes(os.urandom(size))) for size in (383, 383, 32, 32))
    signed, prime = os.urandom(700), gmpy2.mpz(PRIME)
    started = time.process_time()
    for _ in range(times):
        gmpy2.powmod(client_value * gmpy2.powmod(verifier, u, prime), b, prime)
        key.sign(signed)
        key.sign(signed)
    return (time.process_time() - started) / times


def bare_argon2(times: int) -> float:
    """Seconds of CPU for one Argon2id with our parameters."""
    password = Secret(PASSWORD)
    encoded = hash_password(password, salt=os.urandom(16))
    started = time.process_time()
    for _ in range(times):
        password_matches(password, encoded)
    return (time.process_time() - started) / times


# The client's half of SRP, written for speed: it is no part of what is measured


class SrpClient:
    """Answers challenges for one user, with one private value for all: a server cannot tell."""

    def __init__(self, user_pool_id: str) -> None:
        self.short_name = user_pool_id.partition("_")[2]
        self.private_value = int.from_bytes(os.urandom(32))
        self.public_value = int(gmpy2.powmod(2, self.private_value, PRIME))
        self.multiplier = int.from_bytes(_hash(_pad(PRIME) + _pad(2)))

    def answer(self, parameters: Mapping[str, str]) -> dict[str, str]:
        user_id, server_value = parameters["USER_ID_FOR_SRP"], int(parameters["SRP_B"], 16)
        identity = _hash(f"{self.short_name}{user_id}:{PASSWORD}".encode())
        x = int.from_bytes(_hash(_pad(int(parameters["SALT"], 16)) + identity))
        u = int.from_bytes(_hash(_pad(self.public_value) + _pad(server_value)))
        base = server_value - self.multiplier * _verifier(x)
        shared = int(gmpy2.powmod(base, self.private_value + u * x, PRIME))
        extracted = hmac.digest(_pad(u), _pad(shared), "sha256")
        timestamp = render_timestamp(SystemClock().now())
        signature = claim_signature(
            hmac.digest(extracted, b"Caldera Derived Key\x01", "sha256")[:16],
            pool_name=self.short_name,
            user_id=user_id,
            secret_block=base64.b64decode(parameters["SECRET_BLOCK"]),
            timestamp=timestamp,
        )
        return {
            "USERNAME": parameters["USERNAME"],
            "PASSWORD_CLAIM_SECRET_BLOCK": parameters["SECRET_BLOCK"],
            "PASSWORD_CLAIM_SIGNATURE": signature,
            "TIMESTAMP": timestamp,
        }


@functools.cache
def _verifier(x: int) -> int:
    return int(gmpy2.powmod(2, x, PRIME))


def _pad(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1)


def _hash(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()


# Through HTTP


class Server:
    """`velvetrope serve` with one pool, one client and one user."""

    def __init__(self, folder: Path) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "VELVETROPE_"))}
        root = {"VELVETROPE_ROOT_ACCESS_KEY_ID": ROOT[0], "VELVETROPE_ROOT_SECRET_ACCESS_KEY": ROOT[1]}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "velvetrope.cli", "serve", "--port", "0", "--state-folder", str(folder)],
            stdout=subprocess.PIPE,
            env=kept | root,
            text=True,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "Ctrl-C stops the server" in line:
                break
        config = json.loads((folder / "connection.json").read_text())["config"]
        url, region = config["endpoint_url"], config["region"]
        self.folder = folder
        self.admin = admin = boto3.client(
            "cognito-idp",
            endpoint_url=url,
            region_name=region,
            aws_access_key_id=ROOT[0],
            aws_secret_access_key=ROOT[1],
        )
        self.user_pool_id: str = admin.create_user_pool(PoolName="bench")["UserPool"]["Id"]
        client = admin.create_user_pool_client(
            UserPoolId=self.user_pool_id, ClientName="bench", ExplicitAuthFlows=list(FLOWS)
        )["UserPoolClient"]
        self.client_id: str = client["ClientId"]
        admin.admin_create_user(UserPoolId=self.user_pool_id, Username="anna", MessageAction="SUPPRESS")
        admin.admin_set_user_password(UserPoolId=self.user_pool_id, Username="anna", Password=PASSWORD, Permanent=True)
        self.address = urlsplit(url).netloc

    def cost(self, work: Callable[[], object], times: int) -> float:
        """Seconds of the server's CPU for one of the `times` sign-ins of `work`."""
        before = cpu_seconds(self.process.pid)
        work()
        return (cpu_seconds(self.process.pid) - before) / times

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


class Client:
    """One connection, which signs its user in again and again."""

    def __init__(self, address: str, user_pool_id: str, client_id: str) -> None:
        self._address = address
        self._client_id = client_id
        host, _, port = address.rpartition(":")
        self._connection = socket.create_connection((host, int(port)))
        self._srp = SrpClient(user_pool_id)

    def close(self) -> None:
        self._connection.close()

    def _call(self, operation: str, **parameters: object) -> dict[str, Any]:
        sent = json.dumps({"ClientId": self._client_id, **parameters}).encode()
        head = (
            f"POST / HTTP/1.1\r\nHost: {self._address}\r\nContent-Type: application/x-amz-json-1.1\r\n"
            f"X-Amz-Target: AWSCognitoIdentityProviderService.{operation}\r\nContent-Length: {len(sent)}\r\n\r\n"
        )
        # In one packet, as browsers and Node send it; `http.client` makes two of head and body.
        self._connection.sendall(head.encode() + sent)
        answer = http.client.HTTPResponse(self._connection, method="POST")
        answer.begin()
        body: dict[str, Any] = json.loads(answer.read())
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(body)
        return body

    def sign_in_by_srp(self) -> None:
        given = {"USERNAME": "anna", "SRP_A": f"{self._srp.public_value:x}"}
        challenge = self._call("InitiateAuth", AuthFlow="USER_SRP_AUTH", AuthParameters=given)
        answer = self._srp.answer(challenge["ChallengeParameters"])
        self._call("RespondToAuthChallenge", ChallengeName="PASSWORD_VERIFIER", ChallengeResponses=answer)

    def sign_in_by_password(self) -> None:
        given = {"USERNAME": "anna", "PASSWORD": PASSWORD}
        self._call("InitiateAuth", AuthFlow="USER_PASSWORD_AUTH", AuthParameters=given)


class Clients:
    """So many clients at once, in processes of their own, which sign in when they are told to."""

    def __init__(self, server: Server, count: int) -> None:
        context = multiprocessing.get_context("fork")
        self._count = count
        self._gate = context.Barrier(count + 1)
        self._times = context.Value("i", 0)
        given = (server.address, server.user_pool_id, server.client_id)
        self._processes = [context.Process(target=self._sign_in, args=given, daemon=True) for _ in range(count)]
        for process in self._processes:
            process.start()

    def sign_in(self, times: int) -> None:
        """That many sign-ins together."""
        self._times.value = times // self._count
        self._gate.wait()
        self._gate.wait()

    def stop(self) -> None:
        self.sign_in(0)
        for process in self._processes:
            process.join()

    def _sign_in(self, *server: str) -> None:
        client = Client(*server)
        while True:
            self._gate.wait()
            times = self._times.value
            for _ in range(times):
                client.sign_in_by_srp()
            self._gate.wait()
            if not times:
                return


def measure_sign_ins(rounds: int, times: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "state")
        clients = Clients(server, CLIENTS)
        client = Client(server.address, server.user_pool_id, server.client_id)
        try:
            print("| sign-in through HTTP | server CPU ms | bare ms | ratio | a second and core |")
            print("|---|---|---|---|---|")
            for name, work, bare, count in (
                ("SRP, one client", repeated(client.sign_in_by_srp), bare_srp, times),
                (f"SRP, {CLIENTS} clients at once", clients.sign_in, bare_srp, times * 2 // CLIENTS * CLIENTS),
                ("password", repeated(client.sign_in_by_password), bare_argon2, max(10, times // 8)),
            ):
                work(CLIENTS)
                found = [(server.cost(functools.partial(work, count), count), bare(count)) for _ in range(rounds)]
                whole, alone = (statistics.median(column) for column in zip(*found, strict=True))
                ratio = statistics.median(one / both for both, one in found)
                print(f"| {name} | {whole * 1e3:.2f} | {alone * 1e3:.2f} | {ratio:.2f} | {1 / whole:,.0f} |")
                sys.stdout.flush()
        finally:
            clients.stop()
            client.close()
            server.stop()


def repeated(work: Callable[[], None]) -> Callable[[int], None]:
    def repeat(times: int) -> None:
        for _ in range(times):
            work()

    return repeat


# Tokens


def measure_tokens(rounds: int, times: int) -> None:
    key, now = generate_signing_key(), SystemClock().now()
    claims: dict[str, object] = {
        "sub": "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
        "iss": "https://cognito-idp.us-west-2.amazonaws.com/us-west-2_AbCdEfGhI",
        "client_id": "1example23456789",
        "token_use": "access",
        "scope": "aws.cognito.signin.user.admin",
        "iat": int(now.timestamp()),
        "exp": int(now.timestamp()) + 3600,
        "origin_jti": "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
    }
    token, keys, issuers = sign_token(claims, key), KeySet.of([key]), [str(claims["iss"])]
    signed, _, signature = token.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")

    def ours() -> float:
        started = time.process_time()
        for _ in range(times):
            verify_token(token, keys=keys, issuers=issuers, token_use="access", audiences=None, now=now)
        return (time.process_time() - started) / times

    def bare() -> float:
        started = time.process_time()
        for _ in range(times):
            key.public.verify(raw, signed.encode())
        return (time.process_time() - started) / times

    found = [(ours(), bare()) for _ in range(rounds)]
    whole = statistics.median(both for both, _ in found)
    ratio = statistics.median(one / both for both, one in found)
    print("\n| tokens verified a second | ratio to bare RSA |")
    print("|---|---|")
    print(f"| {1 / whole:,.0f} | {ratio:.2f} |")


# Pools of many users


@dataclass(frozen=True)
class Pool:
    """User pools in this process, on a SQLite file."""

    operations: Mapping[str, Callable[..., Awaitable[Any]]]
    user_pool_id: str
    client_id: str

    async def call(self, name: str, **parameters: object) -> Any:
        now = SystemClock().now()
        call = Call(principal=ANONYMOUS, account_id="0" * 12, region="us-west-2", request_id="r", now=now)
        return await self.operations[name](call, **parameters)

    async def sign_in(self, srp: SrpClient) -> None:
        challenge = await self.begin_srp(srp)
        await self.answer_srp(srp.answer(challenge["challenge_parameters"]))

    async def begin_srp(self, srp: SrpClient) -> Any:
        given = {"USERNAME": "anna", "SRP_A": f"{srp.public_value:x}"}
        return await self.call(
            "initiate_auth", auth_flow="USER_SRP_AUTH", client_id=self.client_id, auth_parameters=given
        )

    async def answer_srp(self, answer: Mapping[str, str]) -> Any:
        return await self.call(
            "respond_to_auth_challenge",
            client_id=self.client_id,
            challenge_name="PASSWORD_VERIFIER",
            challenge_responses=answer,
        )


@asynccontextmanager
async def open_pool(folder: str, *, durable: bool) -> AsyncIterator[tuple[Pool, Database]]:
    """A pool with one client and one user, on a SQLite file in `folder`."""
    database = await Database.open(f"sqlite:///{folder}/state.db", durable=durable)
    entropy = SystemEntropy()
    keys = MasterKeys.generate(entropy)
    pools = UserPools(database, master_keys=keys, clock=SystemClock(), entropy=entropy)
    operations: dict[str, Callable[..., Awaitable[Any]]] = {}
    for owner in pools.operations:
        operations.update(implemented_operations(owner))
    made = Pool(operations, "", "")
    user_pool_id = (await made.call("create_user_pool", pool_name="bench"))["user_pool"]["id"]
    client = await made.call(
        "create_user_pool_client", user_pool_id=user_pool_id, client_name="bench", explicit_auth_flows=FLOWS
    )
    pool = Pool(operations, user_pool_id, client["user_pool_client"]["client_id"])
    named = {"user_pool_id": user_pool_id, "username": "anna"}
    await pool.call("admin_create_user", **named, message_action="SUPPRESS")
    await pool.call("admin_set_user_password", **named, password=Secret(PASSWORD), permanent=True)
    try:
        yield pool, database
    finally:
        pools.close()
        await database.close()


async def fill(database: Database, user_pool_id: str, count: int) -> None:
    """Write users as they are kept, a hundred thousand in a transaction."""
    now = SystemClock().now()
    for start in range(0, count, 100_000):
        rows = []
        for number in range(start, min(start + 100_000, count)):
            name, sub = f"user{number:08d}", f"{number:08d}-0000-4000-8000-000000000000"
            user = User(
                user_pool_id=user_pool_id,
                username=name,
                sub=sub,
                attributes={"email": f"{name}@people.example", "email_verified": "true"},
                enabled=True,
                status="CONFIRMED",
                created_at=now,
                modified_at=now,
            )
            rows.append(
                {"user_pool_id": user_pool_id, "username_key": name, "sub": sub, "password_sealed": b"\0" * 512}
                | columns_of(user)
            )
        async with database.transaction() as tx:
            await tx.connection.execute(insert(users), rows)


async def measure_pool(count: int, times: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with open_pool(folder, durable=False) as (pool, database):
            await fill(database, pool.user_pool_id, count - 1)

            srp = SrpClient(pool.user_pool_id)
            sign_ins = [await timed(pool.sign_in(srp)) for _ in range(times)]
            named = {"user_pool_id": pool.user_pool_id}
            first_page = await pool.call("list_users", **named)
            middle = base64.urlsafe_b64encode(json.dumps(["", f"user{count // 2:08d}", False]).encode()).decode()
            pages = [
                [
                    await timed(pool.call("list_users", user_pool_id=pool.user_pool_id, pagination_token=token))
                    for _ in range(5)
                ]
                for token in (None, middle)
            ]
            assert len(first_page["users"]) == min(count, PAGE)
            last = f"user{max(count - 2, 0):08d}"
            filters = [f'email = "{last}@people.example"', 'email ^= "user0"', 'cognito:user_status = "CONFIRMED"']
            found = [[await timed(pool.call("list_users", **named, filter=text)) for _ in range(5)] for text in filters]
            figures = [statistics.median(sample) * 1e3 for sample in (sign_ins, *pages, *found)]
            cells = " | ".join(f"{figure:.1f}" for figure in figures)
            print(f"| {count:,} | {cells} | {resident_mib([os.getpid()]):.0f} MiB |")


async def timed(work: Awaitable[object]) -> float:
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.userpools", description=__doc__)
    parser.add_argument("what", nargs="*", choices=["sign-ins", "tokens", "pools", []], default=[])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--times", type=int, default=200, help="sign-ins in a round")
    given = parser.parse_args()
    chosen = given.what or ["sign-ins", "tokens", "pools"]
    if "sign-ins" in chosen:
        measure_sign_ins(given.rounds, given.times)
    if "tokens" in chosen:
        measure_tokens(given.rounds, given.times * 10)
    if "pools" in chosen:
        print(
            "\n| users | SRP sign-in ms | first page ms | middle page ms "
            "| by email ms | email prefix ms | by status ms | resident |"
        )
        print("|---|---|---|---|---|---|---|---|")
        sys.stdout.flush()
        for count in (1, 1_000, 1_000_000):
            # A process of its own for each, so that memory is its own too.
            child = os.fork()
            if child == 0:
                asyncio.run(measure_pool(count, 50))
                sys.stdout.flush()
                os._exit(0)
            with suppress(ChildProcessError):
                os.waitpid(child, 0)


if __name__ == "__main__":
    main()
